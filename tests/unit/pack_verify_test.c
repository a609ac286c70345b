/* sm_verify: each kind of damage is found, and said where it is. */
#include "core/crc32c.h"
#include "core/status.h"
#include "pictures.h"
#include "shard/example.h"
#include "shard/tfrecord.h"

#include <jansson.h>
#include <stdatomic.h>

static const char shard[] = "set-train.tfrecord-00001-of-00003";

static places begin(const char *folder)
{
    places p = places_in(folder);
    put_pictures(p.src, 12);
    sm_pack_options options = test_options();
    options.shards = 3;
    options.name = "set";
    pack_well(p.src, p.dst, &options);
    return p;
}

/* Verifies, and expects one problem of that file (its end) and message (a part of it). */
static findings expect_problem(const char *dst, bool decode, const char *file, const char *message)
{
    findings found;
    sm_status status = verify(&found, dst, decode);
    if (status != SM_ERR_CORRUPT || found.problems != 1)
        fail_msg("%s, and %d problems, the last '%s': %s", sm_status_name(status),
                 (int)found.problems, found.file, found.message);
    size_t len = strlen(found.file), end = strlen(file);
    if (len < end || strcmp(found.file + len - end, file) != 0)
        fail_msg("the problem is told of '%s': %s", found.file, found.message);
    if (strstr(found.message, message) == NULL) fail_msg("'%s'", found.message);
    return found;
}

static void finds_nothing_in_a_good_set(void **state)
{
    places p = begin(*state);
    sm_verify_options options;
    sm_verify_options_init(&options);
    for (uint32_t threads = 1; threads <= 8; threads *= 2) {
        sm_verify_summary s;
        options.threads = threads;
        options.decode = threads % 2 == 0;
        assert_int_equal(sm_verify(&s, p.dst, &options), SM_OK);
        assert_int_equal(s.shards, 3);
        assert_int_equal(s.records, 12);
        assert_int_equal(s.problems, 0);
    }
    assert_int_equal(sm_verify(NULL, in(p.dst, "%s", shard), &options), SM_OK);
}

static void finds_flipped_bits_anywhere(void **state)
{
    places p = begin(*state);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", p.dst, shard);
    size_t len;
    char *data = get_bytes(path, &len);
    for (size_t at = 0; at < len; at += 37) {
        findings found;
        data[at] ^= (char)(1 << at % 8);
        put_bytes(path, data, len);
        data[at] ^= (char)(1 << at % 8);
        if (verify(&found, p.dst, false) != SM_ERR_CORRUPT) fail_msg("not at byte %zu", at);
        assert_true(found.offset <= at);
        assert_non_null(strstr(found.file, shard));
    }
    free(data);
}

static void finds_a_shard_cut_off_or_gone(void **state)
{
    places p = begin(*state);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", p.dst, shard);
    findings found;
    assert_int_equal(truncate(path, size_of(path) - 1), 0);
    assert_int_equal(verify(&found, p.dst, false), SM_ERR_CORRUPT);
    assert_int_equal(found.problems, 2); /* its size, and its last record */
    assert_int_equal(unlink(path), 0);
    expect_problem(p.dst, false, shard, "No such file");
    make_folder(path);
    expect_problem(p.dst, false, shard, "a folder");
}

static void finds_records_too_few_and_too_many(void **state)
{
    places p = begin(*state);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", p.dst, shard);
    size_t len;
    char *data = get_bytes(path, &len);
    uint64_t first = 0;
    for (int i = 7; i >= 0; i--) first = first << 8 | (uint8_t)data[i];
    first += SM_TFRECORD_HEADER + SM_TFRECORD_FOOTER;
    findings found;
    put_bytes(path, data + first, len - first);
    assert_int_equal(verify(&found, p.dst, false), SM_ERR_CORRUPT);
    assert_int_equal(found.problems, 2); /* the size, and the count */
    assert_string_equal(found.message, "it holds 3 records; the metadata say 4");
    assert_true(found.offset == UINT64_MAX);
    free(data);
}

static void finds_what_the_metadata_have_wrong(void **state)
{
    places p = begin(*state);
    char path[600];
    snprintf(path, sizeof path, "%s/dataset_info.json", p.dst);
    size_t len;
    char *text = get_bytes(path, &len);
    char *four = strstr(text, "\"4\"");
    assert_non_null(four);
    four[1] = '5';
    put_bytes(path, text, len);
    expect_problem(p.dst, false, "", "it holds 4 records; the metadata say 5");
    four[1] = 'x';
    put_bytes(path, text, len);
    findings found;
    assert_int_equal(verify(&found, p.dst, false), SM_ERR_CORRUPT);
    four[1] = '4';

    memcpy(strstr(text, "\"train\""), "\"tra1n\"", 7);
    put_bytes(path, text, len);
    expect_problem(p.dst, false, "dst", "split 'train' has 3 shards; the metadata say 0");
    put_text(path, "{");
    expect_problem(p.dst, false, "dataset_info.json", "");
    assert_int_equal(unlink(path), 0);
    expect_problem(p.dst, false, "dataset_info.json", "No such file");
    free(text);
}

static void finds_what_is_not_finished(void **state)
{
    places p = begin(*state);
    assert_int_equal(unlink(in(p.dst, "_SUCCESS")), 0);
    expect_problem(p.dst, false, "dst", "there is no _SUCCESS");
}

static void finds_a_bad_plan_and_bad_results(void **state)
{
    places p = begin(*state);
    put_text(in(p.dst, "stats/%s.json", shard), "{}");
    expect_problem(p.dst, false, shard, "there is no fingerprint");
    assert_int_equal(unlink(in(p.dst, "stats/%s.json", shard)), 0);
    expect_problem(p.dst, false, shard, "No such file");
    put_text(in(p.dst, "plan.json"), "{");
    expect_problem(p.dst, false, "", "plan.json' cannot be understood");
    assert_int_equal(unlink(in(p.dst, "plan.json")), 0);
    findings found;
    assert_int_equal(verify(&found, p.dst, false), SM_ERR_NOT_FOUND);
    assert_int_equal(verify(&found, in(p.dst, "none"), false), SM_ERR_NOT_FOUND);
}

/* ---- Single files of records */

/* Writes a file of one record. */
static void put_record(const char *path, const void *data, size_t len)
{
    sm_buf out;
    size_t start;
    sm_buf_init(&out, 1 << 20);
    assert_int_equal(sm_tfrecord_begin(&start, &out), SM_OK);
    assert_int_equal(sm_buf_append(&out, data, len), SM_OK);
    assert_int_equal(sm_tfrecord_end(&out, start), SM_OK);
    put_bytes(path, out.data, out.len);
    sm_buf_free(&out);
}

static void put_example(const char *path, const char *name, const void *data, size_t len)
{
    sm_buf example;
    sm_buf_init(&example, 1 << 20);
    const sm_feature_value feature = {
        .name = name, .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {.data = data, .len = len}};
    assert_int_equal(sm_example_append(&example, &feature, 1), SM_OK);
    put_record(path, example.data, example.len);
    sm_buf_free(&example);
}

static void finds_bad_examples_and_pictures(void **state)
{
    char path[600], picture[600];
    snprintf(path, sizeof path, "%s/records", (const char *)*state);
    snprintf(picture, sizeof picture, "%s/picture", (const char *)*state);
    put_record(path, "no example", 10);
    assert_int_equal(expect_problem(path, false, "records", "").offset, 0);
    put_example(path, "photo", "x", 1);
    expect_problem(path, false, "records", "no feature 'image' of bytes");
    put_example(path, "image", "text", 4);
    expect_problem(path, false, "records", "its picture: ");

    put_jpeg(picture, 64, 64, 3);
    size_t len;
    char *data = get_bytes(picture, &len);
    findings found;
    put_example(path, "image", data, len);
    assert_int_equal(verify(&found, path, true), SM_OK);
    put_example(path, "image", data, len / 2); /* the header is good, the rest is not there */
    assert_int_equal(verify(&found, path, false), SM_OK);
    expect_problem(path, true, "records", "its picture: ");
    free(data);

    put_text(path, "");
    assert_int_equal(verify(&found, path, true), SM_OK); /* a shard may be empty */
    put_text(path, "text that is no record");
    expect_problem(path, false, "records", "");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    expect_problem(path, false, "records", "a special file");
    alarm(0);
}

/* What decodes with warnings is packed; with its own bytes, it warns for ever. */
static void takes_the_warnings_of_kept_files(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    char path[600];
    snprintf(path, sizeof path, "%s/a/000.jpg", p.src);
    size_t len;
    char *data = get_bytes(path, &len);
    char *padded = malloc(len + 3);
    assert_non_null(padded);
    memcpy(padded, data, 20); /* up to behind the JFIF header */
    memcpy(padded + 20, "abc", 3);
    memcpy(padded + 23, data + 20, len - 20);
    put_bytes(path, padded, len + 3);
    free(padded);
    free(data);
    sm_pack_options options = test_options();
    options.picture.resize_mode = SM_RESIZE_NO;
    options.picture.encode_format = SM_ENCODE_KEEP;
    assert_int_equal(pack_well(p.src, p.dst, &options).warnings, 1);
    expect_good_set(p.dst);
}

static void reads_on_behind_a_damaged_record(void **state)
{
    places p = begin(*state);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", p.dst, shard);
    size_t len;
    char *data = get_bytes(path, &len);
    data[100] ^= 1;
    put_bytes(path, data, len);
    free(data);
    assert_int_equal(expect_problem(p.dst, false, shard, "").offset, 0);
}

static bool at_once(void *user)
{
    return atomic_fetch_add((atomic_int *)user, 1) >= 2;
}

static void stops_when_asked(void **state)
{
    places p = begin(*state);
    sm_verify_options options;
    sm_verify_options_init(&options);
    atomic_int asked = 0;
    options.is_cancelled = at_once;
    options.user = &asked;
    assert_int_equal(sm_verify(NULL, p.dst, &options), SM_ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(finds_nothing_in_a_good_set),
        TEST_IN_FOLDER(finds_flipped_bits_anywhere),
        TEST_IN_FOLDER(finds_a_shard_cut_off_or_gone),
        TEST_IN_FOLDER(finds_records_too_few_and_too_many),
        TEST_IN_FOLDER(finds_what_the_metadata_have_wrong),
        TEST_IN_FOLDER(finds_what_is_not_finished),
        TEST_IN_FOLDER(finds_a_bad_plan_and_bad_results),
        TEST_IN_FOLDER(finds_bad_examples_and_pictures),
        TEST_IN_FOLDER(takes_the_warnings_of_kept_files),
        TEST_IN_FOLDER(reads_on_behind_a_damaged_record),
        TEST_IN_FOLDER(stops_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
