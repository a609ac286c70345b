#include "core/status.h"
#include "files.h"
#include "io/io.h"

#include <sys/wait.h>
#include <unistd.h>

/* ---- Writing */

static void shows_nothing_before_commit(void **state)
{
    const char *path = in(*state, "shard");
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, path), SM_OK);
    assert_int_equal(sm_sink_write(sink, "one ", 4), SM_OK);
    assert_int_equal(sm_sink_write(sink, NULL, 0), SM_OK);
    assert_int_equal(sm_sink_write(sink, "two", 3), SM_OK);
    assert_false(is_there(path));
    assert_int_equal(entries_below(*state), 1); /* the temporary */
    assert_int_equal(sm_sink_commit(sink), SM_OK);
    assert_int_equal(entries_below(*state), 1);
    expect_text(path, "one two");
}

static void keeps_the_old_file_until_commit(void **state)
{
    const char *path = in(*state, "file");
    put_text(path, "old");
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, path), SM_OK);
    assert_int_equal(sm_sink_write(sink, "new", 3), SM_OK);
    expect_text(path, "old");
    assert_int_equal(sm_sink_commit(sink), SM_OK);
    expect_text(path, "new");
}

static void leaves_nothing_when_abandoned(void **state)
{
    const char *path = in(*state, "file");
    put_text(path, "old");
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, path), SM_OK);
    assert_int_equal(sm_sink_write(sink, "new", 3), SM_OK);
    sm_sink_abandon(sink);
    sm_sink_abandon(NULL);
    assert_int_equal(entries_below(*state), 1);
    expect_text(path, "old");
}

static void leaves_nothing_when_commit_fails(void **state)
{
    const char *path = in(*state, "taken");
    make_folder(path); /* a file cannot be renamed over a folder */
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, path), SM_OK);
    assert_int_equal(sm_sink_write(sink, "new", 3), SM_OK);
    assert_int_not_equal(sm_sink_commit(sink), SM_OK);
    assert_non_null(strstr(sm_last_error(), path));
    assert_int_equal(entries_below(*state), 1);
}

/* Opens the files one, two and three. */
static void open_three(sm_sink *sinks[3], const char *folder)
{
    static const char *const names[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sm_sink_open(&sinks[i], in(folder, "%s", names[i])), SM_OK);
        assert_int_equal(sm_sink_write(sinks[i], names[i], strlen(names[i])), SM_OK);
    }
}

static void commits_several_together(void **state)
{
    sm_sink *sinks[3];
    open_three(sinks, *state);
    assert_false(is_there(in(*state, "one")));
    assert_int_equal(sm_sink_commit_many(sinks, 3), SM_OK);
    assert_int_equal(entries_below(*state), 3);
    expect_text(in(*state, "one"), "one");
    expect_text(in(*state, "three"), "three");
    assert_int_equal(sm_sink_commit_many(sinks, 0), SM_OK);
}

static void commits_none_behind_one_that_fails(void **state)
{
    make_folder(in(*state, "two"));
    sm_sink *sinks[3];
    open_three(sinks, *state);
    assert_int_not_equal(sm_sink_commit_many(sinks, 3), SM_OK);
    assert_non_null(strstr(sm_last_error(), "two"));
    expect_text(in(*state, "one"), "one");
    assert_int_equal(entries_below(*state), 2); /* neither the third nor a temporary */
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void takes_permissions_from_umask(void **state)
{
    static const struct {
        mode_t mask, file, folder;
    } rows[] = {{022, 0644, 0755}, {002, 0664, 0775}, {077, 0600, 0700}};
    for (size_t i = 0; i < 3; i++) {
        mode_t before = umask(rows[i].mask);
        sm_status wrote = sm_io_write_file(in(*state, "file%zu", i), "x", 1);
        sm_status made = sm_io_make_folder(in(*state, "folder%zu", i));
        umask(before);
        assert_int_equal(wrote, SM_OK);
        assert_int_equal(made, SM_OK);
        assert_int_equal(mode_of(in(*state, "file%zu", i)), rows[i].file);
        assert_int_equal(mode_of(in(*state, "folder%zu", i)), rows[i].folder);
    }
}

static void writes_more_than_one_step(void **state)
{
    enum { BLOCK = 1 << 20, BLOCKS = 20 };
    uint8_t *block = malloc(BLOCK);
    assert_non_null(block);
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, in(*state, "large")), SM_OK);
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, i, BLOCK);
        assert_int_equal(sm_sink_write(sink, block, BLOCK), SM_OK);
    }
    assert_int_equal(sm_sink_commit(sink), SM_OK);
    free(block);
    size_t len;
    char *found = get_bytes(in(*state, "large"), &len);
    assert_int_equal(len, BLOCK * BLOCKS);
    for (size_t i = 0; i < len; i += 4099) assert_int_equal(found[i], i / BLOCK);
    free(found);
}

static void says_what_it_could_not_write(void **state)
{
    (void)state;
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, "/nowhere/at/all"), SM_ERR_NOT_FOUND);
    assert_int_equal(sm_io_write_file("/nowhere/at/all", "x", 1), SM_ERR_NOT_FOUND);
    assert_string_equal(sm_last_error(),
                        "cannot write '/nowhere/at/all': No such file or directory");
}

/* ---- Reading */

static void reads_behind_what_the_buffer_holds(void **state)
{
    const char *path = in(*state, "file");
    put_text(path, "world");
    sm_buf buf;
    sm_buf_init(&buf, 100);
    assert_int_equal(sm_buf_append_str(&buf, "hello "), SM_OK);
    sm_file_info info;
    assert_int_equal(sm_io_read_file(&buf, path, &info), SM_OK);
    assert_int_equal(buf.len, 11);
    assert_memory_equal(buf.data, "hello world", 11);
    assert_int_equal(info.kind, SM_FILE_REGULAR);
    assert_int_equal(info.size, 5);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(info.mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
    put_text(path, "");
    assert_int_equal(sm_io_read_file(&buf, path, NULL), SM_OK);
    assert_int_equal(buf.len, 11);
    sm_buf_free(&buf);
}

static void reads_no_more_than_the_cap(void **state)
{
    const char *path = in(*state, "file");
    put_text(path, "0123456789");
    sm_buf buf;
    sm_buf_init(&buf, 10); /* one more is wanted, to see whether the file has grown */
    assert_int_equal(sm_io_read_file(&buf, path, NULL), SM_ERR_LIMIT);
    assert_int_equal(buf.len, 0);
    assert_null(buf.data);
    sm_buf_init(&buf, 11);
    assert_int_equal(sm_io_read_file(&buf, path, NULL), SM_OK);
    assert_int_equal(buf.len, 10);
    assert_int_equal(sm_io_read_file(&buf, path, NULL), SM_ERR_LIMIT);
    assert_int_equal(buf.len, 10);
    sm_buf_free(&buf);
}

static void refuses_a_huge_claim_before_taking_memory(void **state)
{
    const char *path = in(*state, "sparse");
    put_text(path, "");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    sm_buf buf;
    sm_buf_init(&buf, 1 << 20);
    assert_int_equal(sm_io_read_file(&buf, path, NULL), SM_ERR_LIMIT);
    assert_null(buf.data);
    sm_buf_free(&buf);
}

static void tells_what_is_no_file(void **state)
{
    const char *fifo = in(*state, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    sm_buf buf;
    sm_buf_init(&buf, 100);
    sm_source *source;
    alarm(10); /* should it wait for a writer */
    assert_int_equal(sm_io_read_file(&buf, fifo, NULL), SM_ERR_FORMAT);
    assert_int_equal(sm_source_open(&source, fifo), SM_ERR_FORMAT);
    alarm(0);
    assert_int_equal(sm_io_read_file(&buf, *state, NULL), SM_ERR_FORMAT);
    assert_non_null(strstr(sm_last_error(), "a folder"));
    assert_int_equal(sm_io_read_file(&buf, in(*state, "none"), NULL), SM_ERR_NOT_FOUND);
    assert_int_equal(sm_io_read_file(&buf, in(fifo, "below"), NULL), SM_ERR_NOT_FOUND);
    sm_buf_free(&buf);
}

/* A file whose size is 0 and whose content is not: as one that grows while it is read. */
static void tells_a_file_that_grows(void **state)
{
    (void)state;
    struct stat st;
    if (stat("/proc/self/stat", &st) != 0 || st.st_size != 0) skip();
    sm_buf buf;
    sm_buf_init(&buf, 100);
    assert_int_equal(sm_io_read_file(&buf, "/proc/self/stat", NULL), SM_ERR_IO);
    assert_non_null(strstr(sm_last_error(), "changed while it was read"));
    assert_int_equal(buf.len, 0);
    sm_buf_free(&buf);
}

static void reads_a_source_in_any_steps(void **state)
{
    uint8_t data[1000], found[1000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 31 >> 3);
    put_bytes(in(*state, "file"), data, sizeof data);
    sm_source *source;
    assert_int_equal(sm_source_open(&source, in(*state, "file")), SM_OK);
    assert_int_equal(sm_source_size(source), sizeof data);
    size_t at = 0, got;
    do {
        size_t want = at % 7 + 100;
        assert_int_equal(
            sm_source_read(source, &got, found + at, want < 1000 - at ? want : 1000 - at), SM_OK);
        at += got;
    } while (got > 0);
    assert_int_equal(at, sizeof data);
    assert_memory_equal(found, data, sizeof data);
    sm_source_close(source);
    sm_source_close(NULL);
}

/* ---- Names */

static void removes_only_leftovers(void **state)
{
    static const char *const kept[] = {
        ".shardmill-lock", ".shardmill-.tmp", ".shardmill-1",         "a.tmp",       ".tmp",
        "plan.json",       "shardmill-1.tmp", ".shardmill-0.tmp.txt", ".other-1.tmp"};
    const size_t count = sizeof kept / sizeof *kept;
    for (size_t i = 0; i < count; i++) put_text(in(*state, "%s", kept[i]), "x");
    put_text(in(*state, ".shardmill-0123456789abcdef.tmp"), "x");
    make_folder(in(*state, "stats"));
    put_text(in(*state, "stats/.shardmill-0123456789abcdef.tmp"), "x");
    sm_sink *sink;
    pid_t killed = fork(); /* what a killed writer leaves, whatever its name */
    if (killed == 0) _exit(sm_sink_open(&sink, in(*state, "shard")) == SM_OK ? 0 : 1);
    int how;
    assert_int_equal(waitpid(killed, &how, 0), killed);
    assert_int_equal(how, 0);
    assert_int_equal(entries_below(*state), count + 4);
    assert_int_equal(sm_sink_open(&sink, in(*state, "shard")), SM_OK); /* a writer that lives */

    assert_int_equal(sm_io_remove_leftovers(*state), SM_OK);
    for (size_t i = 0; i < count; i++) assert_true(is_there(in(*state, "%s", kept[i])));
    assert_int_equal(entries_below(*state), count + 3);
    assert_int_equal(sm_io_remove_leftovers(in(*state, "stats")), SM_OK);
    assert_int_equal(entries_below(*state), count + 2);
    assert_int_equal(sm_io_remove_leftovers(in(*state, "none")), SM_OK);
    assert_int_equal(sm_sink_commit(sink), SM_OK);
    assert_true(is_there(in(*state, "shard")));
}

static void makes_folders_above(void **state)
{
    assert_int_equal(sm_io_make_folder(in(*state, "a/b//c/")), SM_OK);
    assert_int_equal(sm_io_make_folder(in(*state, "a/b/c")), SM_OK);
    assert_true(is_there(in(*state, "a/b/c")));
    put_text(in(*state, "file"), "x");
    assert_int_equal(sm_io_make_folder(in(*state, "file")), SM_ERR_CONFLICT);
    assert_int_equal(sm_io_make_folder(in(*state, "file/below")), SM_ERR_NOT_FOUND);
    assert_int_equal(symlink("nowhere", in(*state, "link")), 0);
    assert_int_not_equal(sm_io_make_folder(in(*state, "link")), SM_OK);
    assert_int_not_equal(sm_io_make_folder(""), SM_OK);
}

static void removes_and_renames(void **state)
{
    const char *a = in(*state, "a"), *b = in(*state, "b");
    put_text(a, "x");
    assert_int_equal(sm_io_rename(a, b), SM_OK);
    assert_int_equal(sm_io_rename(a, b), SM_ERR_NOT_FOUND);
    assert_int_equal(sm_io_remove(b), SM_OK);
    assert_int_equal(sm_io_remove(b), SM_OK);
    assert_int_equal(entries_below(*state), 0);
    sm_file_info info;
    assert_int_equal(sm_io_stat(&info, b), SM_ERR_NOT_FOUND);
    assert_int_equal(sm_io_stat(&info, *state), SM_OK);
    assert_int_equal(info.kind, SM_FILE_FOLDER);
    assert_int_equal(sm_io_stat(&info, "/dev/null"), SM_OK);
    assert_int_equal(info.kind, SM_FILE_SPECIAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(shows_nothing_before_commit),
        TEST_IN_FOLDER(keeps_the_old_file_until_commit),
        TEST_IN_FOLDER(leaves_nothing_when_abandoned),
        TEST_IN_FOLDER(leaves_nothing_when_commit_fails),
        TEST_IN_FOLDER(commits_several_together),
        TEST_IN_FOLDER(commits_none_behind_one_that_fails),
        TEST_IN_FOLDER(takes_permissions_from_umask),
        TEST_IN_FOLDER(writes_more_than_one_step),
        cmocka_unit_test(says_what_it_could_not_write),
        TEST_IN_FOLDER(reads_behind_what_the_buffer_holds),
        TEST_IN_FOLDER(reads_no_more_than_the_cap),
        TEST_IN_FOLDER(refuses_a_huge_claim_before_taking_memory),
        TEST_IN_FOLDER(tells_what_is_no_file),
        cmocka_unit_test(tells_a_file_that_grows),
        TEST_IN_FOLDER(reads_a_source_in_any_steps),
        TEST_IN_FOLDER(removes_only_leftovers),
        TEST_IN_FOLDER(makes_folders_above),
        TEST_IN_FOLDER(removes_and_renames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
