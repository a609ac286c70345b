#include "core/status.h"
#include "files.h"
#include "pack/lines.h"

/* Reads all lines; gives them joined with '|' behind each, and the status that ended it. */
static sm_status read_lines(sm_buf *joined, const char *path, size_t cap)
{
    sm_lines *lines;
    sm_buf line;
    sm_buf_init(&line, cap);
    sm_buf_init(joined, 1 << 24);
    sm_status status = sm_lines_open(&lines, path);
    if (status != SM_OK) return status;
    assert_string_equal(sm_lines_path(lines), path);
    for (bool more = true;;) {
        status = sm_lines_next(lines, &more, &line);
        if (status != SM_OK || !more) break;
        assert_int_equal(line.data[line.len], '\0');
        assert_int_equal(sm_buf_append(joined, line.data, line.len), SM_OK);
        assert_int_equal(sm_buf_append(joined, "|", 1), SM_OK);
    }
    assert_int_equal(sm_buf_append(joined, "", 1), SM_OK);
    sm_lines_close(lines);
    sm_buf_free(&line);
    return status;
}

static void expect_lines(const char *folder, const char *text, const char *joined)
{
    sm_buf found;
    put_text(in(folder, "file"), text);
    assert_int_equal(read_lines(&found, in(folder, "file"), 100), SM_OK);
    assert_string_equal((char *)found.data, joined);
    sm_buf_free(&found);
}

static void splits_lines(void **state)
{
    expect_lines(*state, "", "");
    expect_lines(*state, "\n", "|");
    expect_lines(*state, "a\nb\n", "a|b|");
    expect_lines(*state, "a\nb", "a|b|");
    expect_lines(*state, "a\n\n\nb\n", "a|||b|");
    expect_lines(*state, "a\r\nb\r\n\r\n", "a|b||");
    expect_lines(*state, "a\rb\r\n", "a\rb|");
    expect_lines(*state, "a\r\r\n", "a\r|");
}

static void skips_the_byte_order_mark(void **state)
{
    expect_lines(*state, "\xef\xbb\xbf", "");
    expect_lines(*state,
                 "\xef\xbb\xbf"
                 "a\n\xef\xbb\xbf"
                 "b",
                 "a|\xef\xbb\xbf"
                 "b|");
    expect_lines(*state, "\xef\xbb", "\xef\xbb|");
}

static void refuses_what_is_no_text(void **state)
{
    sm_buf found;
    put_bytes(in(*state, "file"), "a\nb\0c\n", 6);
    assert_int_equal(read_lines(&found, in(*state, "file"), 100), SM_ERR_FORMAT);
    assert_string_equal((char *)found.data, "a|");
    assert_non_null(strstr(sm_last_error(), "line 2 holds a NUL"));
    sm_buf_free(&found);
    assert_int_equal(read_lines(&found, in(*state, "none"), 100), SM_ERR_NOT_FOUND);
    assert_int_equal(read_lines(&found, *state, 100), SM_ERR_FORMAT);
}

static void keeps_to_the_cap(void **state)
{
    sm_buf found;
    put_text(in(*state, "file"), "12\n1234\n12345\n");
    assert_int_equal(read_lines(&found, in(*state, "file"), 5), SM_ERR_LIMIT);
    assert_string_equal((char *)found.data, "12|1234|");
    assert_non_null(strstr(sm_last_error(), "line 3 is longer than 4 bytes"));
    sm_buf_free(&found);
}

/* Lines across the boundaries of the blocks that are read. */
static void reads_long_files(void **state)
{
    enum { LINES = 20000 };
    sm_buf text, found;
    sm_buf_init(&text, 1 << 24);
    for (int i = 0; i < LINES; i++)
        assert_int_equal(sm_buf_printf(&text, "%d%.*s|", i, i % 50,
                                       "..................................................."),
                         SM_OK);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '|') text.data[i] = '\n';
    put_bytes(in(*state, "file"), text.data, text.len);
    assert_int_equal(read_lines(&found, in(*state, "file"), 100), SM_OK);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\n') text.data[i] = '|';
    assert_int_equal(found.len, text.len + 1);
    assert_memory_equal(found.data, text.data, text.len);
    sm_buf_free(&text);
    sm_buf_free(&found);
}

static void gives_bytes_and_line_numbers(void **state)
{
    put_text(in(*state, "file"), "a\n\nb");
    sm_lines *lines;
    int byte, next;
    assert_int_equal(sm_lines_open(&lines, in(*state, "file")), SM_OK);
    static const int bytes[] = {'a', '\n', '\n', 'b', SM_LINES_END, SM_LINES_END};
    static const uint64_t numbers[] = {1, 2, 3, 3, 3, 3}; /* behind each byte */
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(sm_lines_peek(lines, &next), SM_OK);
        assert_int_equal(sm_lines_byte(lines, &byte), SM_OK);
        assert_int_equal(next, bytes[i]);
        assert_int_equal(byte, bytes[i]);
        assert_int_equal(sm_lines_number(lines), numbers[i]);
    }
    sm_lines_close(lines);
    sm_lines_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(splits_lines),
        TEST_IN_FOLDER(skips_the_byte_order_mark),
        TEST_IN_FOLDER(refuses_what_is_no_text),
        TEST_IN_FOLDER(keeps_to_the_cap),
        TEST_IN_FOLDER(reads_long_files),
        TEST_IN_FOLDER(gives_bytes_and_line_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
