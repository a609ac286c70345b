/* --retry-failed, and what a run leaves that was killed in its middle. */
#include "pictures.h"

#include <fcntl.h>

enum { PICTURES = 20, SHARDS = 3 };
static const char *const bad[] = {"a/000.jpg", "b/004.jpg", "c/011.jpg"};
enum { BAD = sizeof bad / sizeof *bad };

typedef struct retry_test {
    places at;
    char before[512], after[512], sound[512]; /* a set before and after its retry; whole pictures */
    sm_pack_options options;
} retry_test;

static void set_time(const char *path)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Size and time stay, so that the plan is the same as when they were sound. */
static void spoil(const retry_test *t)
{
    for (size_t i = 0; i < BAD; i++) {
        const char *path = in(t->at.src, "%s", bad[i]);
        off_t size = size_of(path);
        assert_int_equal(truncate(path, 0), 0);
        assert_int_equal(truncate(path, size), 0);
        set_time(path);
    }
}

static void mend_first(const retry_test *t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        copy_file(in(t->sound, "%s", bad[i]), in(t->at.src, "%s", bad[i]));
        set_time(in(t->at.src, "%s", bad[i]));
    }
}

/* A set with three failures, packed into at.dst. */
static retry_test begin(const char *folder)
{
    retry_test t = {.at = places_in(folder), .options = test_options()};
    snprintf(t.before, sizeof t.before, "%s/before", folder);
    snprintf(t.after, sizeof t.after, "%s/after", folder);
    snprintf(t.sound, sizeof t.sound, "%s/sound", folder);
    put_pictures(t.at.src, PICTURES);
    copy_tree(t.at.src, t.sound);
    spoil(&t);
    t.options.shards = SHARDS;
    t.options.name = "set";
    assert_int_equal(pack_well(t.at.src, t.at.dst, &t.options).failures, BAD);
    copy_tree(t.at.dst, t.before);
    return t;
}

static sm_pack_summary retry(retry_test *t)
{
    t->options.retry_failed = true;
    sm_pack_summary s = pack_well(t->at.src, t->at.dst, &t->options);
    t->options.retry_failed = false;
    return s;
}

static void recovers_what_was_mended(void **state)
{
    retry_test t = begin(*state);
    mend_first(&t, 2);
    sm_pack_summary s = retry(&t);
    assert_int_equal(s.retried, BAD);
    assert_int_equal(s.recovered, 2);
    assert_int_equal(s.records, PICTURES - 1);
    assert_int_equal(s.failures, 1);
    assert_int_equal(s.shards, SHARDS + 1);
    assert_int_equal(s.shards_kept, SHARDS);
    expect_good_set(t.at.dst);
    size_t len;
    char *failures = get_bytes(in(t.at.dst, "failures.jsonl"), &len);
    assert_non_null(strstr(failures, bad[2]));
    assert_null(strstr(failures, bad[0]));
    free(failures);
    /* the other shards are as they were but for their names */
    for (int i = 0; i < SHARDS; i++) {
        size_t a_len, b_len;
        char *a = get_bytes(in(t.before, "set-train.tfrecord-%05d-of-00003", i), &a_len);
        char *b = get_bytes(in(t.at.dst, "set-train.tfrecord-%05d-of-00004", i), &b_len);
        assert_int_equal(a_len, b_len);
        assert_memory_equal(a, b, a_len);
        free(a);
        free(b);
    }

    mend_first(&t, BAD); /* and the last in a second one */
    s = retry(&t);
    assert_int_equal(s.retried, 1);
    assert_int_equal(s.recovered, 1);
    assert_int_equal(s.records, PICTURES);
    assert_int_equal(s.failures, 0);
    assert_int_equal(s.shards, SHARDS + 2);
    expect_good_set(t.at.dst);
    expect_text(in(t.at.dst, "failures.jsonl"), "");

    s = retry(&t); /* nothing left */
    assert_int_equal(s.retried, 0);
    assert_int_equal(s.shards, SHARDS + 2);
    expect_good_set(t.at.dst);
    copy_tree(t.at.dst, t.after);
    s = pack_well(t.at.src, t.at.dst, &t.options); /* the same plan: nothing to do */
    assert_int_equal(s.shards_kept, SHARDS + 2);
    assert_int_equal(s.records, PICTURES);
    expect_same_folders(t.at.dst, t.after);
}

static void adds_nothing_when_none_recover(void **state)
{
    retry_test t = begin(*state);
    sm_pack_summary s = retry(&t);
    assert_int_equal(s.retried, BAD);
    assert_int_equal(s.recovered, 0);
    assert_int_equal(s.failures, BAD);
    expect_same_folders(t.at.dst, t.before);
}

static void adds_to_each_split(void **state)
{
    retry_test t = begin(*state);
    remove_tree(t.at.dst);
    t.options.splits = "train=0.5,val=0.5";
    t.options.images_per_shard = 5;
    t.options.shards = 0;
    sm_pack_summary first = pack_well(t.at.src, t.at.dst, &t.options);
    mend_first(&t, BAD);
    sm_pack_summary s = retry(&t);
    assert_int_equal(s.recovered, BAD);
    for (size_t i = 0; i < 2; i++) {
        uint64_t failed = first.splits[i].inputs - first.splits[i].records;
        assert_int_equal(s.splits[i].shards, first.splits[i].shards + (failed > 0));
        assert_int_equal(s.splits[i].records, s.splits[i].inputs);
    }
    expect_good_set(t.at.dst);
}

static void refuses_what_does_not_fit(void **state)
{
    retry_test t = begin(*state);
    t.options.retry_failed = true;
    pack_expecting(SM_ERR_NOT_FOUND, t.at.src, t.at.other, &t.options);
    t.options.seed = 9;
    pack_expecting(SM_ERR_CONFLICT, t.at.src, t.at.dst, &t.options);
    t.options.seed = 0;
    put_jpeg(in(t.at.src, "a/new.jpg"), 9, 9, 9);
    pack_expecting(SM_ERR_CONFLICT, t.at.src, t.at.dst, &t.options);
    assert_int_equal(unlink(in(t.at.src, "a/new.jpg")), 0);
    expect_same_folders(t.at.dst, t.before);
    assert_int_equal(unlink(in(t.at.dst, "_SUCCESS")), 0);
    assert_int_equal(unlink(in(t.at.dst, "failures.jsonl")), 0);
    assert_int_equal(unlink(in(t.at.dst, "set-train.tfrecord-00001-of-00003")), 0);
    assert_int_equal(unlink(in(t.at.dst, "stats/set-train.tfrecord-00001-of-00003.json")), 0);
    pack_expecting(SM_ERR_NOT_FOUND, t.at.src, t.at.dst, &t.options);
    assert_non_null(strstr(sm_last_error(), "is not finished"));
}

static void goes_on_after_more_failures_than_once_allowed(void **state)
{
    retry_test t = begin(*state);
    t.options.max_failures = 0;
    mend_first(&t, 1);
    assert_int_equal(retry(&t).recovered, 1);
}

/* ---- Cut off */

/* Puts file as the set after its retry has it into dst. */
static void take_after(const retry_test *t, const char *file)
{
    copy_file(in(t->after, "%s", file), in(t->at.dst, "%s", file));
}

static void drop(const retry_test *t, const char *file)
{
    assert_int_equal(unlink(in(t->at.dst, "%s", file)), 0);
}

typedef void step_fn(const retry_test *t);

static void open_set(const retry_test *t)
{
    drop(t, "_SUCCESS");
}

static void publish_shard(const retry_test *t)
{
    take_after(t, "set-train.tfrecord-00003-of-00004");
}

static void write_result(const retry_test *t)
{
    take_after(t, "stats/set-train.tfrecord-00003-of-00004.json");
}

static void write_plan(const retry_test *t)
{
    take_after(t, "plan.json");
}

static void name_result(const retry_test *t)
{
    take_after(t, "stats/set-train.tfrecord-00000-of-00004.json");
}

static void rename_shard(const retry_test *t)
{
    drop(t, "set-train.tfrecord-00000-of-00003");
    take_after(t, "set-train.tfrecord-00000-of-00004");
}

static void drop_old_result(const retry_test *t)
{
    drop(t, "stats/set-train.tfrecord-00000-of-00003.json");
}

static void rename_the_others(const retry_test *t)
{
    for (int i = 1; i < SHARDS; i++) {
        char name[64];
        snprintf(name, sizeof name, "stats/set-train.tfrecord-%05d-of-00004.json", i);
        take_after(t, name);
        snprintf(name, sizeof name, "set-train.tfrecord-%05d-of-00004", i);
        take_after(t, name);
        snprintf(name, sizeof name, "set-train.tfrecord-%05d-of-00003", i);
        drop(t, name);
        snprintf(name, sizeof name, "stats/set-train.tfrecord-%05d-of-00003.json", i);
        drop(t, name);
    }
}

static void write_lists(const retry_test *t)
{
    take_after(t, "failures.jsonl");
    take_after(t, "warnings.jsonl");
}

static void write_metadata(const retry_test *t)
{
    take_after(t, "dataset_info.json");
}

static step_fn *const steps[] = {open_set,    publish_shard, write_result,    write_plan,
                                 name_result, rename_shard,  drop_old_result, rename_the_others,
                                 write_lists, write_metadata};
enum { STEPS = sizeof steps / sizeof *steps, PLAN_WRITTEN = 4 };

/* The set as a run leaves it that dies behind the first count steps. */
static void die_after(const retry_test *t, size_t count)
{
    remove_tree(t->at.dst);
    copy_tree(t->before, t->at.dst);
    for (size_t i = 0; i < count; i++) steps[i](t);
}

static retry_test begin_and_retry(const char *folder)
{
    retry_test t = begin(folder);
    mend_first(&t, 2);
    retry(&t);
    copy_tree(t.at.dst, t.after);
    return t;
}

static void mends_a_retry_by_retrying(void **state)
{
    retry_test t = begin_and_retry(*state);
    for (size_t count = 1; count <= STEPS; count++) {
        die_after(&t, count);
        sm_pack_summary s = retry(&t);
        assert_int_equal(s.records, PICTURES - 1);
        expect_same_folders(t.at.dst, t.after);
    }
}

static void mends_a_retry_by_packing(void **state)
{
    retry_test t = begin_and_retry(*state);
    for (size_t count = 1; count <= STEPS; count++) {
        die_after(&t, count);
        sm_pack_summary s = pack_well(t.at.src, t.at.dst, &t.options);
        assert_int_equal(s.shards, count < PLAN_WRITTEN ? SHARDS : SHARDS + 1);
        expect_same_folders(t.at.dst, count < PLAN_WRITTEN ? t.before : t.after);
    }
}

/* Nothing of the half-done retry is left when the set is made anew. */
static void overwrites_a_retry(void **state)
{
    retry_test t = begin_and_retry(*state);
    t.options.images_per_shard = 4;
    t.options.shards = 0;
    pack_well(t.at.src, t.at.other, &t.options);
    t.options.overwrite = true;
    for (size_t count = 1; count <= STEPS; count++) {
        die_after(&t, count);
        pack_well(t.at.src, t.at.dst, &t.options);
        expect_same_folders(t.at.dst, t.at.other);
    }
}

/* A file that was mended in earnest, so that its time is another: the set is no longer that of the
 * plan, and one that is not finished is made of what there is. */
static void packs_anew_what_was_mended_in_earnest(void **state)
{
    retry_test t = begin(*state);
    mend_first(&t, 1);
    retry(&t);
    copy_tree(t.at.dst, t.after);
    put_jpeg(in(t.at.src, "%s", bad[0]), 33, 44, 5);
    pack_well(t.at.src, t.at.other, &t.options);
    for (size_t count = 1; count <= STEPS; count++) {
        die_after(&t, count);
        pack_well(t.at.src, t.at.dst, &t.options);
        expect_same_folders(t.at.dst, t.at.other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(recovers_what_was_mended),
        TEST_IN_FOLDER(adds_nothing_when_none_recover),
        TEST_IN_FOLDER(adds_to_each_split),
        TEST_IN_FOLDER(refuses_what_does_not_fit),
        TEST_IN_FOLDER(goes_on_after_more_failures_than_once_allowed),
        TEST_IN_FOLDER(mends_a_retry_by_retrying),
        TEST_IN_FOLDER(mends_a_retry_by_packing),
        TEST_IN_FOLDER(overwrites_a_retry),
        TEST_IN_FOLDER(packs_anew_what_was_mended_in_earnest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
