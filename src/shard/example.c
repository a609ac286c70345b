/*
 * An Example is a message in a message in a message, each with its length in front. Lengths are
 * added up first, from the inside out, so that everything is then written once, in its place.
 */
#include "shard/example.h"

#include "core/status.h"
#include "shard/tfrecord.h"

#include <string.h>

enum {
    /* tags: field number << 3 | wire type 2 (length-delimited) */
    TAG_1 = 0x0a, /* Example.features, Features.feature, an entry's key, a list's value */
    TAG_2 = 0x12, /* an entry's value */
    TAG_BYTES_LIST = 0x0a,
    TAG_FLOAT_LIST = 0x12,
    TAG_INT64_LIST = 0x1a
};

/* Lengths of the messages around one value; each is at most a little over SM_TFRECORD_MAX. */
typedef struct sizes {
    size_t values;  /* what stands behind the list's own tag and length */
    size_t list;    /* BytesList, FloatList or Int64List */
    size_t feature; /* Feature */
    size_t entry;   /* the map's entry: key and Feature */
} sizes;

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) size++;
    return size;
}

/* Of a tag of one byte, a length, and so many bytes. */
static size_t field_size(size_t len)
{
    return 1 + varint_size(len) + len;
}

static sm_status too_large(const char *name)
{
    return sm_fail(SM_ERR_LIMIT, "feature '%s' makes the record larger than a record may be (%zu)",
                   name, SM_TFRECORD_MAX);
}

static sm_status values_size(size_t *size, const sm_feature_value *value)
{
    size_t len = 0;
    switch (value->kind) {
    case SM_FEATURE_EMPTY: break;
    case SM_FEATURE_BYTES:
        if (value->count != 1)
            return sm_fail(SM_ERR_INTERNAL, "feature '%s' has %zu byte strings, not one",
                           value->name, value->count);
        len = value->as.bytes.len;
        break;
    case SM_FEATURE_FLOAT:
        if (value->count > SM_TFRECORD_MAX / 4) return too_large(value->name);
        len = value->count * 4;
        break;
    case SM_FEATURE_INT64:
        for (size_t i = 0; i < value->count && len <= SM_TFRECORD_MAX; i++)
            len += varint_size((uint64_t)value->as.int64[i]);
        break;
    default: return sm_fail(SM_ERR_INTERNAL, "feature '%s' is of no kind", value->name);
    }
    if (len > SM_TFRECORD_MAX) return too_large(value->name);
    *size = len;
    return SM_OK;
}

static sm_status measure(sizes *size, const sm_feature_value *value)
{
    size_t name = strlen(value->name);
    if (name > SM_TFRECORD_MAX) return too_large(value->name);
    sm_status status = values_size(&size->values, value);
    if (status != SM_OK) return status;

    /* An empty list of numbers has no field at all; one empty byte string is a value. */
    bool has_values = value->kind == SM_FEATURE_BYTES || size->values > 0;
    size->list = has_values ? field_size(size->values) : 0;
    size->feature = value->kind == SM_FEATURE_EMPTY ? 0 : field_size(size->list);
    size->entry = field_size(name) + field_size(size->feature);
    return SM_OK;
}

static uint8_t *put_varint(uint8_t *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *p++ = (uint8_t)(value | 0x80);
    *p++ = (uint8_t)value;
    return p;
}

static uint8_t *put_tag(uint8_t *p, int tag, size_t len)
{
    *p++ = (uint8_t)tag;
    return put_varint(p, len);
}

static uint8_t *put_bytes(uint8_t *p, const void *data, size_t len)
{
    if (len > 0) memcpy(p, data, len);
    return p + len;
}

static uint8_t *put_float(uint8_t *p, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 4; i++) *p++ = (uint8_t)(bits >> (8 * i));
    return p;
}

static uint8_t *put_feature(uint8_t *p, const sm_feature_value *value, const sizes *size)
{
    static const uint8_t tags[] = {[SM_FEATURE_BYTES] = TAG_BYTES_LIST,
                                   [SM_FEATURE_FLOAT] = TAG_FLOAT_LIST,
                                   [SM_FEATURE_INT64] = TAG_INT64_LIST};
    if (value->kind == SM_FEATURE_EMPTY) return p;
    p = put_tag(p, tags[value->kind], size->list);
    if (size->list == 0) return p;
    p = put_tag(p, TAG_1, size->values);
    switch (value->kind) {
    case SM_FEATURE_BYTES: return put_bytes(p, value->as.bytes.data, value->as.bytes.len);
    case SM_FEATURE_FLOAT:
        for (size_t i = 0; i < value->count; i++) p = put_float(p, value->as.floats[i]);
        return p;
    case SM_FEATURE_INT64:
        for (size_t i = 0; i < value->count; i++) p = put_varint(p, (uint64_t)value->as.int64[i]);
        return p;
    case SM_FEATURE_EMPTY: break;
    }
    return p;
}

static uint8_t *put_entry(uint8_t *p, const sm_feature_value *value, const sizes *size)
{
    size_t name = strlen(value->name);
    p = put_tag(p, TAG_1, size->entry);
    p = put_tag(p, TAG_1, name);
    p = put_bytes(p, value->name, name);
    p = put_tag(p, TAG_2, size->feature);
    return put_feature(p, value, size);
}

sm_status sm_example_append(sm_buf *buf, const sm_feature_value *features, size_t count)
{
    sizes size = {0};
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        sm_status status = measure(&size, &features[i]);
        if (status != SM_OK) return status;
        total += field_size(size.entry);
        if (total > SM_TFRECORD_MAX) return too_large(features[i].name);
    }
    sm_status status = sm_buf_reserve(buf, field_size(total));
    if (status != SM_OK) return status;

    uint8_t *p = put_tag(buf->data + buf->len, TAG_1, total);
    for (size_t i = 0; i < count; i++) {
        status = measure(&size, &features[i]);
        if (status != SM_OK) return status;
        p = put_entry(p, &features[i], &size);
    }
    buf->len = (size_t)(p - buf->data);
    return SM_OK;
}
