/* plan.json: what is written is read again, and nothing else. */
#include "core/status.h"
#include "pack/set.h"
#include "pictures.h"

static const char *const plain =
    "{\"format\": 1, \"made_by\": \"shardmill\", \"fingerprint\": "
    "\"0123456789abcdef0123456789abcdef\", "
    "\"classes\": \"fedcba9876543210fedcba9876543210\", \"inputs\": 5, "
    "\"options\": {\"name\": \"set\", \"compression\": \"gzip\"}, "
    "\"splits\": [{\"name\": \"train\", \"shards\": 3, "
    "\"retry_shards\": 1}]}";

static void reads_a_plan(void **state)
{
    sm_set set;
    assert_int_equal(sm_set_load(&set, *state), SM_ERR_NOT_FOUND);
    sm_set_free(&set);
    put_text(in(*state, "plan.json"), plain);
    assert_int_equal(sm_set_load(&set, *state), SM_OK);
    assert_string_equal(set.name, "set");
    assert_string_equal(set.fingerprint, "0123456789abcdef0123456789abcdef");
    assert_string_equal(set.classes, "fedcba9876543210fedcba9876543210");
    assert_int_equal(set.compression, SM_COMPRESSION_GZIP);
    assert_int_equal(set.inputs, 5);
    assert_int_equal(set.split_count, 1);
    assert_int_equal(set.splits[0].shards, 3);
    assert_int_equal(set.splits[0].retried, 1);
    assert_false(set.complete);
    char name[SM_SHARD_NAME_MAX];
    assert_int_equal(sm_set_shard_name(name, &set, 0, 3), SM_OK);
    assert_string_equal(name, "set-train.tfrecord-00003-of-00004.gz");

    put_text(in(*state, "_SUCCESS"), "");
    sm_set again;
    assert_int_equal(sm_set_write(&set), SM_OK);
    assert_int_equal(sm_set_load(&again, *state), SM_OK);
    assert_true(again.complete);
    assert_true(json_equal(set.options, again.options));
    assert_memory_equal(set.splits, again.splits, sizeof set.splits);
    assert_string_equal(set.fingerprint, again.fingerprint);
    assert_int_equal(sm_set_open(&again), SM_OK);
    assert_false(again.complete);
    assert_false(is_there(in(*state, "_SUCCESS")));
    sm_set_free(&set);
    sm_set_free(&again);
    sm_set_free(&again);
}

static void expect_refused(const char *folder, const char *what)
{
    sm_set set;
    sm_status status = sm_set_load(&set, folder);
    if (status != SM_ERR_CORRUPT && status != SM_ERR_FORMAT && status != SM_ERR_LIMIT)
        fail_msg("%s: %s", what, sm_status_name(status));
    assert_non_null(strstr(sm_last_error(), "plan.json"));
    sm_set_free(&set);
}

static void refuses_a_plan_cut_off(void **state)
{
    const char *path = in(*state, "plan.json");
    for (size_t len = 0; len < strlen(plain); len++) {
        put_bytes(path, plain, len);
        expect_refused(*state, "cut off");
    }
    put_bytes(path, "{}\0{}", 5);
    expect_refused(*state, "NUL");
    put_text(path, "[]");
    expect_refused(*state, "list");
}

/* plain with one place changed. */
static void expect_refused_with(const char *folder, const char *before, const char *after)
{
    const char *at = strstr(plain, before);
    assert_non_null(at);
    char *text;
    assert_true(asprintf(&text, "%.*s%s%s", (int)(at - plain), plain, after, at + strlen(before)) >
                0);
    put_text(in(folder, "plan.json"), text);
    expect_refused(folder, text);
    free(text);
}

static void refuses_a_plan_with_one_thing_wrong(void **state)
{
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"1, \"made", "2, \"made"},
        {"\"format\"", "\"f\""},
        {"\"0123456789abcdef0123456789abcdef\"", "5"},
        {"\"0123456789abcdef0123456789abcdef\"",
         "\"0123456789abcdef0123456789abcde\""}, /* one too short */
        {"\"0123456789abcdef0123456789abcdef\"",
         "\"0123456789abcdef0123456789abcdef0\""}, /* one too long */
        {"\"fedcba9876543210fedcba9876543210\"", "null"},
        {"\"inputs\": 5", "\"inputs\": -5"},
        {"\"inputs\": 5", "\"inputs\": 5.5"},
        {"{\"name\": \"set\"", "{\"name\": \"../../etc\""},
        {"{\"name\": \"set\"", "{\"name\": \"\""},
        {"{\"name\": \"set\"", "{\"title\": \"set\""},
        {"\"gzip\"", "5"},
        {"\"gzip\"", "\"0123456789abcdef\""},
        {"\"options\": {", "\"options\": 5, \"x\": {"},
        {"\"train\"", "\"../train\""},
        {"\"train\"", "5"},
        {"\"shards\": 3", "\"shards\": -3"},
        {"\"shards\": 3", "\"shards\": 100000"},
        {"\"shards\": 3", "\"shards\": 4294967299"},
        {"\"retry_shards\": 1", "\"retry_shards\": 99999"},
        {"\"retry_shards\": 1", "\"retries\": 1"},
        {"[{\"name\": \"train\"", "[5, {\"name\": \"train\""},
        {"\"splits\": [", "\"splits\": [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_refused_with(*state, rows[i].before, rows[i].after);
}

static void refuses_what_is_no_plan_at_all(void **state)
{
    const char *path = in(*state, "plan.json");
    make_folder(path);
    expect_refused(*state, "a folder");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    expect_refused(*state, "a FIFO");
    alarm(0);
    assert_int_equal(unlink(path), 0);
    put_text(path, "");
    assert_int_equal(truncate(path, 100 << 20), 0);
    expect_refused(*state, "a hundred megabytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(reads_a_plan),
        TEST_IN_FOLDER(refuses_a_plan_cut_off),
        TEST_IN_FOLDER(refuses_a_plan_with_one_thing_wrong),
        TEST_IN_FOLDER(refuses_what_is_no_plan_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
