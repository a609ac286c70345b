#include "files.h"
#include "io/store.h"

static void expect_store(const char *url, const char *scheme, const char *rest)
{
    const sm_store *store;
    assert_int_equal(sm_store_of(&store, &url), SM_OK);
    if (scheme == NULL)
        assert_null(store->scheme);
    else
        assert_string_equal(store->scheme, scheme);
    assert_string_equal(url, rest);
}

static void finds_stores_by_scheme(void **state)
{
    (void)state;
    expect_store("a/b", NULL, "a/b");
    expect_store("/a", NULL, "/a");
    expect_store("", NULL, "");
    expect_store("./gs://a", NULL, "./gs://a");
    expect_store("A://b", NULL, "A://b");
    expect_store("a b://c", NULL, "a b://c");
    expect_store("://c", NULL, "://c");
    expect_store("gs:/x", NULL, "gs:/x");
    expect_store("file:///a/b", NULL, "/a/b");
    expect_store("file://localhost/a", NULL, "/a");
    expect_store("gs://b/x", "gs", "gs://b/x");
    expect_store("s3://b/x", "s3", "s3://b/x");
    expect_store("https://h/x", "https", "https://h/x");
    expect_store("http://h/x", "http", "http://h/x");
    const sm_store *store;
    const char *unknown = "gopher://h/x";
    assert_int_equal(sm_store_of(&store, &unknown), SM_ERR_USAGE);
    assert_non_null(strstr(sm_last_error(), "gopher://"));
}

static void reads_file_urls(void **state)
{
    char url[4096];
    sm_file_info info;
    put_text(in(*state, "f"), "hello");
    snprintf(url, sizeof url, "file://%s", in(*state, "f"));
    assert_int_equal(sm_io_stat(&info, url), SM_OK);
    assert_int_equal(info.size, 5);
    assert_int_equal(info.version, (uint64_t)info.mtime_ns);
    assert_string_equal(info.tag, "");
    snprintf(url, sizeof url, "file://%s", in(*state, "g"));
    assert_int_equal(sm_io_write_file(url, "new", 3), SM_OK);
    expect_text(in(*state, "g"), "new");
}

static void fetches_many_each_with_its_status(void **state)
{
    char one[4096], two[4096], none[4096];
    snprintf(one, sizeof one, "%s", in(*state, "one"));
    snprintf(two, sizeof two, "file://%s", in(*state, "two"));
    snprintf(none, sizeof none, "%s", in(*state, "none"));
    put_text(one, "1");
    put_text(in(*state, "two"), "22");
    const char *urls[] = {one, none, "gopher://x/y", two, one, "gs://b/x", *state};
    enum { COUNT = sizeof urls / sizeof *urls };
    static const sm_status expected[COUNT] = {SM_OK, SM_ERR_NOT_FOUND, SM_ERR_USAGE, SM_OK,
                                              SM_OK, SM_ERR_USAGE,     SM_ERR_FORMAT};
    sm_fetch fetches[COUNT];
    sm_buf bufs[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sm_buf_init(&bufs[i], 100);
        fetches[i] = (sm_fetch){.url = urls[i], .buf = &bufs[i]};
    }
    sm_io_fetch_many(fetches, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(fetches[i].status, expected[i]);
        assert_true((fetches[i].error[0] == '\0') == (expected[i] == SM_OK));
    }
    assert_memory_equal(bufs[3].data, "22", 2);
    assert_int_equal(fetches[3].info.size, 2);
    for (size_t i = 0; i < COUNT; i++) sm_buf_free(&bufs[i]);
}

static void tells_what_a_store_cannot_do(void **state)
{
    (void)state;
    sm_sink *sink;
    assert_int_equal(sm_sink_open(&sink, "https://h/x"), SM_ERR_USAGE);
    assert_int_equal(sm_io_remove("https://h/x"), SM_ERR_USAGE);
    assert_int_equal(sm_io_make_folder("https://h/x"), SM_ERR_USAGE);
    assert_int_equal(sm_io_rename("https://h/x", "https://h/y"), SM_ERR_USAGE);
    assert_int_equal(sm_io_rename("gs://bkt/x", "/tmp/y"), SM_ERR_USAGE);
    assert_int_equal(sm_io_walk("https://h/", NULL, NULL), SM_ERR_USAGE);
    sm_lock *lock;
    assert_int_equal(sm_lock_take(&lock, "gs://bkt/x"), SM_OK);
    assert_null(lock);
    sm_lock_release(lock);
    assert_int_equal(sm_io_make_folder("gs://bkt/x"), SM_OK);
    assert_int_equal(sm_io_remove_leftovers("gs://bkt/x"), SM_OK);
}

static void makes_a_file_only_where_there_is_none(void **state)
{
    void *sink;
    const char *path = in(*state, "f");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sm_store_file.sink_open(&sink, path, true), SM_OK);
        assert_int_equal(sm_store_file.sink_write(sink, "a", 1), SM_OK);
        assert_int_equal(sm_store_file.sink_commit(sink), i == 0 ? SM_OK : SM_ERR_CONFLICT);
        assert_int_equal(entries_below(*state), 1);
    }
}

static void copies_files_and_folders(void **state)
{
    char from[4096], to[4096];
    sm_copy_options options;
    sm_copy_summary summary;
    sm_copy_options_init(&options);
    make_folder(in(*state, "from"));
    make_folder(in(*state, "from/sub"));
    make_folder(in(*state, "from/.hidden"));
    put_text(in(*state, "from/a"), "aaa");
    put_text(in(*state, "from/sub/b"), "");
    put_text(in(*state, "from/.hidden/c"), "c");
    snprintf(from, sizeof from, "%s/", in(*state, "from"));
    snprintf(to, sizeof to, "%s", in(*state, "to/deep"));
    assert_int_equal(sm_copy_files(&summary, from, to, &options), SM_ERR_USAGE); /* a folder */
    options.recursive = true;
    assert_int_equal(sm_copy_files(&summary, from, to, &options), SM_OK);
    assert_int_equal(summary.files, 2);
    assert_int_equal(summary.bytes, 3);
    assert_int_equal(summary.failures, 0);
    expect_text(in(*state, "to/deep/a"), "aaa");
    expect_text(in(*state, "to/deep/sub/b"), "");
    assert_false(is_there(in(*state, "to/deep/.hidden")));

    options.recursive = false;
    assert_int_equal(sm_copy_files(&summary, in(*state, "from/a"), to, &options), SM_OK);
    snprintf(to, sizeof to, "%s", in(*state, "new"));
    assert_int_equal(sm_copy_files(&summary, in(*state, "from/a"), to, &options), SM_OK);
    expect_text(in(*state, "new"), "aaa");
    assert_int_equal(sm_copy_files(&summary, in(*state, "nothing"), to, &options),
                     SM_ERR_NOT_FOUND);
}

static void expect_piece(const char *kib, size_t least, size_t expected)
{
    setenv("SHARDMILL_UPLOAD_KIB", kib, 1);
    assert_int_equal(sm_upload_piece(least), expected);
    unsetenv("SHARDMILL_UPLOAD_KIB");
}

static void sizes_the_pieces_of_uploads(void **state)
{
    (void)state;
    const size_t kib = 1024;
    unsetenv("SHARDMILL_UPLOAD_KIB");
    assert_int_equal(sm_upload_piece(0), 8192 * kib);
    expect_piece("16384", 0, 16384 * kib);
    expect_piece("1000", 0, 768 * kib);
    expect_piece("0", 0, 256 * kib);
    expect_piece("256", 5 << 20, 5 << 20);
    expect_piece("99999999999999999999", 0, 1 << 30);
    expect_piece("", 0, 8192 * kib);
    expect_piece("8M", 0, 8192 * kib);
    expect_piece("-1", 0, 8192 * kib);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_stores_by_scheme),
        TEST_IN_FOLDER(reads_file_urls),
        TEST_IN_FOLDER(fetches_many_each_with_its_status),
        cmocka_unit_test(tells_what_a_store_cannot_do),
        TEST_IN_FOLDER(makes_a_file_only_where_there_is_none),
        TEST_IN_FOLDER(copies_files_and_folders),
        cmocka_unit_test(sizes_the_pieces_of_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
