#include "core/status.h"
#include "shard/example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Bytes with their length; TensorFlow's own (SerializeToString) where a test says so. */
#define BYTES(...)   (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define STRING(text) (const uint8_t *)(text), sizeof(text) - 1

/* The sanitizers watch a copy of exactly len bytes; a string literal's NUL would hide an overrun.
 */
static uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0) memcpy(copy, bytes, len);
    return copy;
}

static void expect_written(const sm_feature_value *value, const uint8_t *bytes, size_t len)
{
    sm_buf buf;
    sm_buf_init(&buf, 1000);
    assert_int_equal(sm_example_append(&buf, value, 1), SM_OK);
    assert_int_equal(buf.len, len);
    assert_memory_equal(buf.data, bytes, len);
    sm_buf_free(&buf);
}

static void writes_as_tensorflow(void **state)
{
    (void)state;
    expect_written(
        &(sm_feature_value){
            .name = "image", .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {"\xff\xd8", 2}},
        STRING("\x0a\x11\x0a\x0f\x0a\x05image\x12\x06\x0a\x04\x0a\x02\xff\xd8"));
    expect_written(&(sm_feature_value){.name = "label",
                                       .kind = SM_FEATURE_INT64,
                                       .count = 3,
                                       .as.int64 = (const int64_t[]){300, -1, 0}},
                   STRING("\x0a\x1c\x0a\x1a\x0a\x05label\x12\x11\x1a\x0f\x0a\x0d\xac\x02"
                          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"));
    expect_written(&(sm_feature_value){.name = "size",
                                       .kind = SM_FEATURE_FLOAT,
                                       .count = 2,
                                       .as.floats = (const float[]){1.5f, -0.0f}},
                   STRING("\x0a\x16\x0a\x14\x0a\x04size\x12\x0c\x12\x0a\x0a\x08\x00\x00\xc0\x3f"
                          "\x00\x00\x00\x80"));
    expect_written(&(sm_feature_value){.name = "none"},
                   STRING("\x0a\x0a\x0a\x08\x0a\x04none\x12\x00"));
    expect_written(&(sm_feature_value){.name = "void", .kind = SM_FEATURE_INT64},
                   STRING("\x0a\x0c\x0a\x0a\x0a\x04void\x12\x02\x1a\x00"));
}

static void comes_back_as_it_was_written(void **state)
{
    (void)state;
    static const int64_t label = 7, size[2] = {INT64_MIN, INT64_MAX};
    static const float classes[3] = {0, 1, -2.25f};
    size_t picture_len = 300000; /* a length of three bytes */
    uint8_t *picture = malloc(picture_len);
    assert_non_null(picture);
    for (size_t i = 0; i < picture_len; i++) picture[i] = (uint8_t)(i * 7);
    const sm_feature_value values[] = {
        {.name = "image", .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {picture, picture_len}},
        {.name = "label", .kind = SM_FEATURE_INT64, .count = 1, .as.int64 = &label},
        {.name = "size", .kind = SM_FEATURE_INT64, .count = 2, .as.int64 = size},
        {.name = "one_hot", .kind = SM_FEATURE_FLOAT, .count = 3, .as.floats = classes},
        {.name = "empty", .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {NULL, 0}},
        {.name = "nothing", .kind = SM_FEATURE_EMPTY},
    };
    size_t count = sizeof values / sizeof values[0];
    sm_buf buf;
    sm_buf_init(&buf, SIZE_MAX);
    assert_int_equal(sm_buf_append_str(&buf, "before"), SM_OK);
    assert_int_equal(sm_example_append(&buf, values, count), SM_OK);
    assert_memory_equal(buf.data, "before", 6);
    size_t len = buf.len - 6, position = 0;
    uint8_t *example = exact_copy(buf.data + 6, len);
    sm_buf_free(&buf);

    sm_feature feature;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sm_example_next(&feature, &position, example, len), SM_OK);
        assert_int_equal(feature.name_len, strlen(values[i].name));
        assert_memory_equal(feature.name, values[i].name, feature.name_len);
        assert_int_equal(feature.kind, values[i].kind);
        assert_int_equal(feature.count, values[i].count);
    }
    assert_int_equal(sm_example_next(&feature, &position, example, len), SM_OK);
    assert_null(feature.name);
    assert_int_equal(sm_example_next(&feature, &position, example, len), SM_OK);
    assert_null(feature.name);

    const uint8_t *data;
    size_t data_len;
    int64_t integer;
    float real;
    assert_int_equal(sm_example_find(&feature, example, len, "image"), SM_OK);
    assert_int_equal(sm_feature_bytes(&data, &data_len, &feature, 0), SM_OK);
    assert_int_equal(data_len, picture_len);
    assert_memory_equal(data, picture, picture_len);
    assert_int_equal(sm_feature_bytes(&data, &data_len, &feature, 1), SM_ERR_USAGE);
    assert_int_equal(sm_feature_int64(&integer, &feature, 0), SM_ERR_USAGE);
    assert_int_equal(sm_example_find(&feature, example, len, "size"), SM_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sm_feature_int64(&integer, &feature, i), SM_OK);
        assert_true(integer == size[i]);
    }
    assert_int_equal(sm_feature_int64(&integer, &feature, 2), SM_ERR_USAGE);
    assert_int_equal(sm_example_find(&feature, example, len, "one_hot"), SM_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sm_feature_float(&real, &feature, i), SM_OK);
        assert_true(real == classes[i]);
    }
    assert_int_equal(sm_feature_float(&real, &feature, 3), SM_ERR_USAGE);
    assert_int_equal(sm_feature_float(&real, &feature, SIZE_MAX), SM_ERR_USAGE);
    assert_int_equal(sm_example_find(&feature, example, len, "empty"), SM_OK);
    assert_int_equal(sm_feature_bytes(&data, &data_len, &feature, 0), SM_OK);
    assert_int_equal(data_len, 0);
    assert_int_equal(sm_example_find(&feature, example, len, "imag"), SM_ERR_NOT_FOUND);
    assert_string_equal(sm_last_error(), "the record has no feature 'imag'");
    free(example);
    free(picture);
}

static void refuses_what_is_too_large(void **state)
{
    (void)state;
    static const uint8_t byte;
    const sm_feature_value huge = {
        .name = "x", .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {&byte, SIZE_MAX}};
    const sm_feature_value many = {.name = "x", .kind = SM_FEATURE_FLOAT, .count = SIZE_MAX};
    const sm_feature_value two[2] = {
        {.name = "x", .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {&byte, 600u << 20}},
        {.name = "y", .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {&byte, 600u << 20}},
    };
    const sm_feature_value none = {.name = "x", .kind = SM_FEATURE_BYTES, .count = 0};
    sm_buf buf;
    sm_buf_init(&buf, SIZE_MAX);
    assert_int_equal(sm_example_append(&buf, &huge, 1), SM_ERR_LIMIT);
    assert_int_equal(sm_example_append(&buf, &many, 1), SM_ERR_LIMIT);
    assert_int_equal(sm_example_append(&buf, two, 2), SM_ERR_LIMIT);
    assert_int_equal(sm_example_append(&buf, &none, 1), SM_ERR_INTERNAL);
    assert_int_equal(buf.cap, 0);
}

/* ---- Bytes that no writer of ours makes ------------------------------------------------------ */

static void accepts_no_features(void **state)
{
    (void)state;
    sm_feature feature = {.count = 5};
    size_t position = 0;
    assert_int_equal(sm_example_next(&feature, &position, NULL, 0), SM_OK);
    assert_null(feature.name);
    assert_int_equal(sm_example_find(&feature, BYTES(0x0a, 0x00), "x"), SM_ERR_NOT_FOUND);
}

/* The one feature called "x" of an Example. */
static sm_status find_x(sm_feature *feature, uint8_t **copy, const uint8_t *bytes, size_t len)
{
    *copy = exact_copy(bytes, len);
    return sm_example_find(feature, *copy, len, "x");
}

static void expect_int64(const int64_t *values, size_t count, const uint8_t *bytes, size_t len)
{
    sm_feature feature;
    uint8_t *copy;
    assert_int_equal(find_x(&feature, &copy, bytes, len), SM_OK);
    assert_int_equal(feature.kind, SM_FEATURE_INT64);
    assert_int_equal(feature.count, count);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        assert_int_equal(sm_feature_int64(&value, &feature, i), SM_OK);
        assert_true(value == values[i]);
    }
    free(copy);
}

static void accepts_what_protobuf_accepts(void **state)
{
    (void)state;
    /* values one by one, and both ways mixed */
    expect_int64((const int64_t[]){5, 6}, 2,
                 STRING("\x0a\x0d\x0a\x0b\x0a\x01x\x12\x06\x1a\x04\x08\x05\x08\x06"));
    expect_int64((const int64_t[]){5, 300, 1, 6}, 4,
                 STRING("\x0a\x12\x0a\x10\x0a\x01x\x12\x0b\x1a\x09\x08\x05\x0a\x03\xac\x02\x01"
                        "\x08\x06"));
    /* the value in front of the key */
    expect_int64((const int64_t[]){5}, 1,
                 STRING("\x0a\x0b\x0a\x09\x12\x04\x1a\x02\x08\x05\x0a\x01x"));
    /* unknown fields of each wire type at every level */
    expect_int64((const int64_t[]){5}, 1,
                 STRING("\x10\x01\x0a\x1f\x15"
                        "abcd\x0a\x18\x19"
                        "abcdefgh\x0a\x01x\x12\x0a\x22\x01z\x1a\x05\x12\x01z\x08\x05\x18\x7f"));
    /* known numbers with another wire type are unknown fields */
    expect_int64((const int64_t[]){5}, 1,
                 STRING("\x08\x01\x0a\x11\x08\x02\x0a\x0d\x08\x03\x0a\x01x\x12\x06\x18\x04\x1a\x02"
                        "\x08\x05"));
    /* a list of another kind behind the first: the last counts */
    expect_int64((const int64_t[]){5}, 1,
                 STRING("\x0a\x10\x0a\x0e\x0a\x01x\x12\x09\x0a\x03\x0a\x01z\x1a\x02\x08\x05"));
    /* a key that comes twice, and features in two messages: the last counts */
    expect_int64((const int64_t[]){6}, 1,
                 STRING("\x0a\x16\x0a\x09\x0a\x01x\x12\x04\x1a\x02\x08\x05\x0a\x09\x0a\x01x\x12\x04"
                        "\x1a\x02\x08\x06"));
    expect_int64((const int64_t[]){6}, 1,
                 STRING("\x0a\x0b\x0a\x09\x0a\x01x\x12\x04\x1a\x02\x08\x05\x0a\x00\x0a\x0b\x0a\x09"
                        "\x0a\x01x\x12\x04\x1a\x02\x08\x06\x10\x00"));
    /* a length in more bytes than it needs */
    expect_int64((const int64_t[]){5}, 1,
                 STRING("\x0a\x8b\x80\x00\x0a\x09\x0a\x01x\x12\x04\x1a\x02\x08\x05"));
}

static void reads_floats_one_by_one_and_packed(void **state)
{
    (void)state;
    sm_feature feature;
    uint8_t *copy;
    assert_int_equal(find_x(&feature, &copy,
                            STRING("\x0a\x18\x0a\x16\x0a\x01x\x12\x11\x12\x0f\x0d\x00\x00\x80\x3f"
                                   "\x0a\x08\x00\x00\x00\x40\x00\x00\xc0\x3f")),
                     SM_OK);
    static const float expected[] = {1, 2, 1.5f};
    assert_int_equal(feature.kind, SM_FEATURE_FLOAT);
    assert_int_equal(feature.count, 3);
    for (size_t i = 0; i < 3; i++) {
        float value;
        assert_int_equal(sm_feature_float(&value, &feature, i), SM_OK);
        assert_true(value == expected[i]);
    }
    free(copy);
}

static void reads_an_entry_without_key_or_value(void **state)
{
    (void)state;
    sm_feature feature;
    size_t position = 0;
    const uint8_t nothing[] = {0x0a, 0x02, 0x0a, 0x00};
    assert_int_equal(sm_example_next(&feature, &position, nothing, sizeof nothing), SM_OK);
    assert_non_null(feature.name);
    assert_int_equal(feature.name_len, 0);
    assert_int_equal(feature.kind, SM_FEATURE_EMPTY);
    assert_int_equal(feature.count, 0);
    assert_int_equal(sm_example_find(&feature, nothing, sizeof nothing, ""), SM_OK);
}

static void expect_damage(const uint8_t *bytes, size_t len)
{
    sm_feature feature = {.count = 42};
    uint8_t *copy;
    assert_int_equal(find_x(&feature, &copy, bytes, len), SM_ERR_CORRUPT);
    assert_int_equal(feature.count, 42);
    assert_non_null(strstr(sm_last_error(), "not a tf.train.Example: "));
    free(copy);
}

static void refuses_damage(void **state)
{
    (void)state;
    expect_damage(BYTES(0x0a));                   /* no length */
    expect_damage(BYTES(0x0a, 0x01));             /* a length past the end */
    expect_damage(BYTES(0x0a, 0xff, 0xff, 0xff)); /* a length without an end */
    expect_damage(BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01));
    expect_damage(BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00));
    expect_damage(BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00)); /* a tag over 32 bits */
    expect_damage(BYTES(0x02, 0x00));                               /* field number 0 */
    expect_damage(BYTES(0x0b, 0x0c));                               /* a group */
    expect_damage(BYTES(0x0e));                                     /* no wire type */
    expect_damage(BYTES(0x11, 1, 2, 3, 4, 5, 6, 7));                /* half a fixed64 */
    expect_damage(BYTES(0x0a, 0x00, 0x15, 1, 2, 3));                /* half a fixed32, behind */
    /* damage in a feature of another name */
    expect_damage(STRING("\x0a\x0b\x0a\x09\x0a\x01y\x12\x04\x1a\x03\x08\x05"));
    /* packed floats of 3 bytes; a packed varint without its end, and one of eleven bytes */
    expect_damage(STRING("\x0a\x0e\x0a\x0c\x0a\x01x\x12\x07\x12\x05\x0a\x03zzz"));
    expect_damage(STRING("\x0a\x0c\x0a\x0a\x0a\x01x\x12\x05\x1a\x03\x0a\x01\xff"));
    expect_damage(STRING("\x0a\x16\x0a\x14\x0a\x01x\x12\x0f\x1a\x0d\x0a\x0b\xff\xff\xff\xff\xff\xff"
                         "\xff\xff\xff\xff\x01"));
    /* two lists of one kind; two values */
    expect_damage(STRING("\x0a\x0f\x0a\x0d\x0a\x01x\x12\x08\x1a\x02\x08\x05\x1a\x02\x08\x05"));
    expect_damage(STRING("\x0a\x0b\x0a\x09\x0a\x01x\x12\x00\x12\x02\x1a\x00"));
}

static void refuses_an_endless_top_level(void **state)
{
    (void)state;
    uint8_t fields[2 * 65];
    for (size_t i = 0; i < sizeof fields; i += 2) {
        fields[i] = 0x10;
        fields[i + 1] = 0x00;
    }
    sm_feature feature;
    assert_int_equal(sm_example_find(&feature, fields, sizeof fields - 2, "x"), SM_ERR_NOT_FOUND);
    expect_damage(fields, sizeof fields);
}

/* Whatever a byte becomes and wherever the message ends: no overrun (for the sanitizers), no
 * endless walk, and every feature it gives can be read. */
static void stands_every_changed_byte(void **state)
{
    (void)state;
    static const uint8_t example[] = "\x0a\x3f\x0a\x0f\x0a\x05image\x12\x06\x0a\x04\x0a\x02\xff\xd8"
                                     "\x0a\x12\x0a\x05label\x12\x09\x1a\x07\x0a\x05\xac\x02\x01\x08"
                                     "\x00\x0a\x18\x0a\x04size\x12\x10\x12\x0e\x0a\x08\x00\x00\xc0"
                                     "\x3f\x00\x00\x00\x80\x0d\x00\x00\xc0\x3f";
    for (size_t len = 0; len < sizeof example; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int value = 0; value < 256; value++) {
                uint8_t *copy = exact_copy(example, len);
                copy[at] = (uint8_t)value;
                sm_feature feature;
                size_t position = 0, steps = 0;
                while (sm_example_next(&feature, &position, copy, len) == SM_OK &&
                       feature.name != NULL) {
                    assert_true(++steps <= len);
                    for (size_t i = 0; i < feature.count; i++) {
                        const uint8_t *data;
                        size_t data_len;
                        int64_t integer;
                        float real;
                        sm_status status = feature.kind == SM_FEATURE_BYTES
                                               ? sm_feature_bytes(&data, &data_len, &feature, i)
                                           : feature.kind == SM_FEATURE_INT64
                                               ? sm_feature_int64(&integer, &feature, i)
                                               : sm_feature_float(&real, &feature, i);
                        assert_int_equal(status, SM_OK);
                    }
                }
                free(copy);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_as_tensorflow),
        cmocka_unit_test(comes_back_as_it_was_written),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(accepts_no_features),
        cmocka_unit_test(accepts_what_protobuf_accepts),
        cmocka_unit_test(reads_floats_one_by_one_and_packed),
        cmocka_unit_test(reads_an_entry_without_key_or_value),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(refuses_an_endless_top_level),
        cmocka_unit_test(stands_every_changed_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
