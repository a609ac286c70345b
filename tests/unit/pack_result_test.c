/* Results of shards, and exact paths in JSON. */
#include "core/json.h"
#include "core/status.h"
#include "files.h"
#include "pack/result.h"

/* ---- Paths in JSON */

static void keep_path(const char *path, const char *shown, const char *hex)
{
    json_t *object = json_object();
    sm_buf found;
    sm_buf_init(&found, 1000);
    assert_int_equal(sm_json_set_path(object, "path", path), SM_OK);
    assert_string_equal(json_string_value(json_object_get(object, "path")), shown);
    const char *found_hex = json_string_value(json_object_get(object, "path_hex"));
    if (hex == NULL)
        assert_null(found_hex);
    else
        assert_string_equal(found_hex, hex);
    assert_int_equal(sm_buf_append_str(&found, "in "), SM_OK);
    assert_int_equal(sm_json_get_path(&found, object, "path"), SM_OK);
    assert_int_equal(found.len, 3 + strlen(path));
    assert_string_equal((char *)found.data + 3, path);
    sm_buf_free(&found);
    json_decref(object);
}

static void keeps_any_path(void **state)
{
    (void)state;
    keep_path("a/b.jpg", "a/b.jpg", NULL);
    keep_path("", "", NULL);
    keep_path("\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\xb7", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\xb7", NULL);
    keep_path("\n\"\\\x7f", "\n\"\\\x7f", NULL);
    keep_path("\xff", "\xef\xbf\xbd", "ff");
    keep_path("a\xe4/b", "a\xef\xbf\xbd/b", "61e42f62");
    keep_path("\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd", "c080");                   /* overlong */
    keep_path("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "eda080"); /* surrogate */
    keep_path("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "f4908080");
    keep_path("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd", "e282"); /* cut off */
}

static void refuses_bad_hexadecimal(void **state)
{
    (void)state;
    static const char *const bad[] = {"a", "abc", "gg", "0x", "AB", " a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *object = json_pack("{s:s, s:s}", "path", "x", "path_hex", bad[i]);
        sm_buf found;
        sm_buf_init(&found, 1000);
        assert_int_equal(sm_json_get_path(&found, object, "path"), SM_ERR_CORRUPT);
        sm_buf_free(&found);
        json_decref(object);
    }
    sm_buf found;
    sm_buf_init(&found, 1000);
    assert_int_equal(sm_json_get_path(&found, NULL, "path"), SM_ERR_CORRUPT);
    json_t *object = json_pack("{s:i}", "path", 5);
    assert_int_equal(sm_json_get_path(&found, object, "path"), SM_ERR_CORRUPT);
    assert_int_equal(sm_json_get_path(&found, object, "a"), SM_ERR_CORRUPT);
    json_decref(object);
    sm_buf_free(&found);
}

static void reads_whole_numbers(void **state)
{
    (void)state;
    json_error_t error;
    json_t *object = json_loads("{\"a\": 0, \"b\": 9223372036854775807, \"c\": -1, \"d\": 1.0, "
                                "\"e\": \"1\", \"f\": null}",
                                0, &error);
    uint64_t value = 7;
    static const char *const bad[] = {"c", "d", "e", "f", "g"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(sm_json_get_u64(&value, object, bad[i]), SM_ERR_CORRUPT);
    assert_int_equal(sm_json_get_u64(&value, NULL, "a"), SM_ERR_CORRUPT);
    assert_int_equal(value, 7);
    assert_int_equal(sm_json_get_u64(&value, object, "a"), SM_OK);
    assert_int_equal(value, 0);
    assert_int_equal(sm_json_get_u64(&value, object, "b"), SM_OK);
    assert_true(value == INT64_MAX);
    json_decref(object);
}

/* ---- Results */

static const char shard[] = "set-train.tfrecord-00000-of-00001";

static void write_result(const char *dst)
{
    sm_result result;
    assert_int_equal(sm_result_init(&result), SM_OK);
    memcpy(result.file, shard, sizeof shard);
    memcpy(result.fingerprint, "0123456789abcdef0123456789abcdef", SM_FINGERPRINT_SIZE);
    result.inputs = 3;
    result.records = 2;
    result.bytes = 1ull << 40;
    result.example_bytes = 1234;
    result.bytes_in = 99;
    json_t *failure = json_object();
    assert_int_equal(sm_json_set_path(failure, "path", "a\xff.jpg"), SM_OK);
    json_array_append_new(result.failures, failure);
    assert_int_equal(sm_result_write(&result, dst), SM_OK);
    sm_result_free(&result);
    sm_result_free(&result); /* twice is fine */
}

static void reads_back_what_it_wrote(void **state)
{
    make_folder(in(*state, "stats"));
    write_result(*state);
    sm_result result;
    assert_int_equal(sm_result_read(&result, *state, shard), SM_OK);
    assert_string_equal(result.file, shard);
    assert_string_equal(result.fingerprint, "0123456789abcdef0123456789abcdef");
    assert_int_equal(result.inputs, 3);
    assert_int_equal(result.records, 2);
    assert_true(result.bytes == 1ull << 40);
    assert_int_equal(result.example_bytes, 1234);
    assert_int_equal(result.bytes_in, 99);
    assert_int_equal(json_array_size(result.warnings), 0);
    assert_int_equal(json_array_size(result.recovered), 0);
    sm_buf path;
    sm_buf_init(&path, 100);
    assert_int_equal(sm_json_get_path(&path, json_array_get(result.failures, 0), "path"), SM_OK);
    assert_string_equal((char *)path.data, "a\xff.jpg");
    sm_buf_free(&path);
    sm_result_free(&result);
}

static void refuses_damaged_results(void **state)
{
    make_folder(in(*state, "stats"));
    const char *path = in(*state, "stats/%s.json", shard);
    sm_result result;
    assert_int_equal(sm_result_read(&result, *state, shard), SM_ERR_NOT_FOUND);
    write_result(*state);
    size_t len;
    char *whole = get_bytes(path, &len);
    /* cut off anywhere before its last brace */
    for (size_t cut = 0; cut + 2 < len; cut++) {
        put_bytes(path, whole, cut);
        if (sm_result_read(&result, *state, shard) != SM_ERR_CORRUPT)
            fail_msg("cut to %zu bytes it is taken", cut);
    }
    assert_non_null(strstr(sm_last_error(), shard));

    json_error_t error;
    json_t *object = json_loadb(whole, len, 0, &error);
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, key, value)
    {
        if (strcmp(key, "file") == 0) continue; /* for people: the name of the file says it */
        json_t *damaged = json_copy(object);
        json_object_set_new(damaged, key, json_true());
        char *text = json_dumps(damaged, 0);
        put_text(path, text);
        if (sm_result_read(&result, *state, shard) != SM_ERR_CORRUPT)
            fail_msg("with a bad '%s' it is taken", key);
        free(text);
        json_decref(damaged);
    }
    json_decref(object);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_any_path),        cmocka_unit_test(refuses_bad_hexadecimal),
        cmocka_unit_test(reads_whole_numbers),   TEST_IN_FOLDER(reads_back_what_it_wrote),
        TEST_IN_FOLDER(refuses_damaged_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
