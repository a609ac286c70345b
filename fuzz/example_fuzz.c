/* Bytes as a tf.train.Example. */
#include "core/status.h"
#include "fuzz.h"
#include "shard/example.h"

#include <string.h>

enum { VALUES = 64 /* read of each feature */ };

static void check_inside(const uint8_t *p, size_t len, const uint8_t *data, size_t size)
{
    FUZZ_CHECK(p >= data && p <= data + size && len <= (size_t)(data + size - p));
}

static void read_values(const sm_feature *feature, const uint8_t *data, size_t size)
{
    int64_t integer;
    float real;
    for (size_t i = 0; i < feature->count && i < VALUES; i++) {
        const uint8_t *bytes;
        size_t len;
        sm_status as_bytes = sm_feature_bytes(&bytes, &len, feature, i);
        sm_status as_int64 = sm_feature_int64(&integer, feature, i);
        sm_status as_float = sm_feature_float(&real, feature, i);
        FUZZ_CHECK(as_bytes == (feature->kind == SM_FEATURE_BYTES ? SM_OK : SM_ERR_USAGE));
        FUZZ_CHECK(as_int64 == (feature->kind == SM_FEATURE_INT64 ? SM_OK : SM_ERR_USAGE));
        FUZZ_CHECK(as_float == (feature->kind == SM_FEATURE_FLOAT ? SM_OK : SM_ERR_USAGE));
        if (as_bytes == SM_OK) check_inside(bytes, len, data, size);
    }
    FUZZ_CHECK(sm_feature_int64(&integer, feature, feature->count) == SM_ERR_USAGE);
    FUZZ_CHECK(sm_feature_float(&real, feature, feature->count) == SM_ERR_USAGE);
}

/* What is read, written again, and read again, is the same. */
static void write_again(const sm_feature *feature)
{
    int64_t integers[VALUES];
    float reals[VALUES];
    char name[VALUES + 1] = {0};
    if (feature->count > VALUES || feature->name_len > VALUES) return;
    if (memchr(feature->name, '\0', feature->name_len) != NULL) return;
    memcpy(name, feature->name, feature->name_len);
    sm_feature_value value = {.name = name, .kind = feature->kind, .count = feature->count};
    if (feature->kind == SM_FEATURE_BYTES) {
        const uint8_t *bytes;
        if (feature->count != 1) return;
        FUZZ_CHECK(sm_feature_bytes(&bytes, &value.as.bytes.len, feature, 0) == SM_OK);
        value.as.bytes.data = bytes;
    } else if (feature->kind == SM_FEATURE_INT64) {
        for (size_t i = 0; i < feature->count; i++)
            FUZZ_CHECK(sm_feature_int64(&integers[i], feature, i) == SM_OK);
        value.as.int64 = integers;
    } else if (feature->kind == SM_FEATURE_FLOAT) {
        for (size_t i = 0; i < feature->count; i++)
            FUZZ_CHECK(sm_feature_float(&reals[i], feature, i) == SM_OK);
        value.as.floats = reals;
    }
    sm_buf buf;
    sm_feature again;
    sm_buf_init(&buf, SIZE_MAX);
    FUZZ_CHECK(sm_example_append(&buf, &value, 1) == SM_OK);
    FUZZ_CHECK(sm_example_find(&again, buf.data, buf.len, name) == SM_OK);
    FUZZ_CHECK(again.kind == feature->kind && again.count == feature->count);
    for (size_t i = 0; i < again.count; i++) {
        int64_t integer;
        float real;
        if (again.kind == SM_FEATURE_INT64) {
            FUZZ_CHECK(sm_feature_int64(&integer, &again, i) == SM_OK && integer == integers[i]);
        } else if (again.kind == SM_FEATURE_FLOAT) {
            FUZZ_CHECK(sm_feature_float(&real, &again, i) == SM_OK);
            FUZZ_CHECK(real == reals[i] || (real != real && reals[i] != reals[i])); /* NaN */
        } else {
            const uint8_t *bytes;
            size_t len;
            FUZZ_CHECK(sm_feature_bytes(&bytes, &len, &again, i) == SM_OK);
            FUZZ_CHECK(len == value.as.bytes.len && memcmp(bytes, value.as.bytes.data, len) == 0);
        }
    }
    sm_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sm_feature feature, found;
    size_t position = 0, steps = 0;
    sm_status status;
    while ((status = sm_example_next(&feature, &position, data, size)) == SM_OK &&
           feature.name != NULL) {
        FUZZ_CHECK(++steps <= size && position <= size);
        check_inside(feature.name, feature.name_len, data, size);
        check_inside(feature.list, feature.list_len, data, size);
        read_values(&feature, data, size);
        write_again(&feature);
    }
    FUZZ_CHECK(status == SM_OK || status == SM_ERR_CORRUPT);
    sm_status of_find = sm_example_find(&found, data, size, "label");
    FUZZ_CHECK(status == SM_OK ? of_find == SM_OK || of_find == SM_ERR_NOT_FOUND
                               : of_find == SM_ERR_CORRUPT);
    return 0;
}
