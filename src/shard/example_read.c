/*
 * Reading one message type of protobuf (https://protobuf.dev/programming-guides/encoding/) in
 * place: Example { Features features = 1 } Features { map<string, Feature> feature = 1 }      an
 * entry is { string key = 1, Feature value = 2 } Feature { oneof { BytesList = 1, FloatList = 2,
 * Int64List = 3 } } each list { repeated … value = 1 } Four levels, each with its own function:
 * nothing recurses, and every byte is looked at a bounded number of times. As in protobuf, unknown
 * fields are skipped, and a known field number with another wire type is an unknown field; groups,
 * which no version of this schema had, are refused.
 */
#include "core/status.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum {
    VARINT_MAX = 10,
    /* sm_example_next is told no more than a position, so that each call walks the top level anew.
     * The schema has one field there; the limit keeps hostile bytes from making that slow. */
    TOP_FIELDS_MAX = 64
};

/* What is left of a message. */
typedef struct span {
    const uint8_t *p, *end;
} span;

typedef struct wire_field {
    uint32_t number;
    int wire;
    uint64_t value; /* of VARINT */
    span bytes;     /* of the others: the content */
} wire_field;

static size_t span_len(span s)
{
    return (size_t)(s.end - s.p);
}

static bool read_varint(uint64_t *value, span *in)
{
    uint64_t sum = 0;
    size_t len = span_len(*in);
    for (size_t i = 0; i < len && i < VARINT_MAX; i++) {
        uint8_t byte = in->p[i];
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            in->p += i + 1;
            *value = sum;
            return true;
        }
    }
    return false;
}

static bool take(span *bytes, span *in, uint64_t len)
{
    if (len > span_len(*in)) return false;
    *bytes = (span){in->p, in->p + len};
    in->p += len;
    return true;
}

/* Takes one field off in, which is not empty. */
static bool read_field(wire_field *field, span *in)
{
    uint64_t tag, len;
    if (!read_varint(&tag, in) || tag > UINT32_MAX) return false;
    field->number = (uint32_t)tag >> 3;
    field->wire = (int)(tag & 7);
    if (field->number == 0) return false;
    switch (field->wire) {
    case VARINT: return read_varint(&field->value, in);
    case FIXED64: return take(&field->bytes, in, 8);
    case FIXED32: return take(&field->bytes, in, 4);
    case BYTES: return read_varint(&len, in) && take(&field->bytes, in, len);
    default: return false;
    }
}

/* These two return a constant, so that analyzers see that outputs are set wherever they are used.
 */
static sm_status damaged(const char *what)
{
    sm_fail(SM_ERR_CORRUPT, "not a tf.train.Example: %s", what);
    return SM_ERR_CORRUPT;
}

static sm_status misused(const char *what)
{
    sm_fail(SM_ERR_USAGE, "%s", what);
    return SM_ERR_USAGE;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

/* Where the bytes of varint number i begin; the end when there are not so many. */
static span skip_varints(span list, size_t i)
{
    while (i > 0 && list.p < list.end) i -= *list.p++ < 0x80;
    return list;
}

/* False when one is longer than a varint can be, or the last one has no end. */
static bool count_varints(size_t *count, span list)
{
    size_t run = 0;
    *count = 0;
    for (const uint8_t *p = list.p; p < list.end; p++) {
        if (++run > VARINT_MAX) return false;
        if (*p >= 0x80) continue;
        *count += 1;
        run = 0;
    }
    return run == 0;
}

/* How many values one field of a list holds; false when it is damaged. */
static bool values_in(size_t *count, const wire_field *field, sm_feature_kind kind)
{
    *count = 0;
    if (field->number != 1) return true;
    bool single = (field->wire == BYTES && kind == SM_FEATURE_BYTES) ||
                  (field->wire == FIXED32 && kind == SM_FEATURE_FLOAT) ||
                  (field->wire == VARINT && kind == SM_FEATURE_INT64);
    if (single) {
        *count = 1;
    } else if (field->wire == BYTES && kind == SM_FEATURE_FLOAT) {
        *count = span_len(field->bytes) / 4;
        return span_len(field->bytes) % 4 == 0;
    } else if (field->wire == BYTES && kind == SM_FEATURE_INT64) {
        return count_varints(count, field->bytes);
    }
    return true;
}

static sm_status count_values(sm_feature *feature)
{
    span list = {feature->list, feature->list + feature->list_len};
    size_t total = 0, count;
    while (list.p < list.end) {
        wire_field field;
        if (!read_field(&field, &list) || !values_in(&count, &field, feature->kind))
            return damaged("a list of values is cut short or malformed");
        total += count;
    }
    feature->count = total;
    return SM_OK;
}

/* Finds value number i: the field that holds it, and its index there. */
static sm_status find_value(wire_field *found, size_t *index, const sm_feature *feature,
                            sm_feature_kind kind, size_t i)
{
    if (feature->kind != kind) return misused("the feature is of another kind");
    span list = {feature->list, feature->list + feature->list_len};
    size_t count;
    while (list.p < list.end) {
        if (!read_field(found, &list) || !values_in(&count, found, kind))
            return damaged("a list of values is cut short or malformed");
        if (i < count) {
            *index = i;
            return SM_OK;
        }
        i -= count;
    }
    return misused("the feature has fewer values");
}

sm_status sm_feature_bytes(const uint8_t **data, size_t *len, const sm_feature *feature, size_t i)
{
    wire_field field;
    size_t index;
    sm_status status = find_value(&field, &index, feature, SM_FEATURE_BYTES, i);
    if (status != SM_OK) return status;
    *data = field.bytes.p;
    *len = span_len(field.bytes);
    return SM_OK;
}

sm_status sm_feature_int64(int64_t *value, const sm_feature *feature, size_t i)
{
    wire_field field;
    size_t index;
    sm_status status = find_value(&field, &index, feature, SM_FEATURE_INT64, i);
    if (status != SM_OK) return status;
    if (field.wire == BYTES) {
        span rest = skip_varints(field.bytes, index);
        if (!read_varint(&field.value, &rest)) return damaged("a list of integers is malformed");
    }
    *value = (int64_t)field.value;
    return SM_OK;
}

sm_status sm_feature_float(float *value, const sm_feature *feature, size_t i)
{
    wire_field field;
    size_t index;
    sm_status status = find_value(&field, &index, feature, SM_FEATURE_FLOAT, i);
    if (status != SM_OK) return status;
    const uint8_t *p = field.bytes.p + 4 * index;
    uint32_t bits =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    memcpy(value, &bits, sizeof bits);
    return SM_OK;
}

/* ---- Features -------------------------------------------------------------------------------- */

/* Of several lists the last counts. Two of one kind would be joined by protobuf; a view cannot be,
 * and no writer does it. */
static sm_status read_feature(sm_feature *feature, span message)
{
    static const sm_feature_kind kinds[] = {SM_FEATURE_EMPTY, SM_FEATURE_BYTES, SM_FEATURE_FLOAT,
                                            SM_FEATURE_INT64};
    while (message.p < message.end) {
        wire_field field;
        if (!read_field(&field, &message)) return damaged("a feature is malformed");
        if (field.wire != BYTES || field.number > 3) continue;
        if (feature->kind == kinds[field.number])
            return damaged("a feature has two lists of one kind");
        feature->kind = kinds[field.number];
        feature->list = field.bytes.p;
        feature->list_len = span_len(field.bytes);
        sm_status status = count_values(feature);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static sm_status read_entry(sm_feature *feature, span entry)
{
    span value = {NULL, NULL};
    *feature = (sm_feature){.name = entry.p, .list = entry.p}; /* no key is the empty name */
    while (entry.p < entry.end) {
        wire_field field;
        if (!read_field(&field, &entry)) return damaged("a feature's entry is malformed");
        if (field.wire != BYTES) continue;
        if (field.number == 1) {
            feature->name = field.bytes.p;
            feature->name_len = span_len(field.bytes);
        } else if (field.number == 2) {
            if (value.p != NULL) return damaged("a feature has two values");
            value = field.bytes;
        }
    }
    return read_feature(feature, value);
}

/*
 * Walks the top level to the first Features message that ends behind position, and gives what is
 * left of it there: empty when there is none. Several such messages count as one, as in protobuf.
 */
static sm_status find_features(span *features, size_t position, const uint8_t *example, size_t len)
{
    span top = {example, example + len};
    for (int i = 0; top.p < top.end; i++) {
        wire_field field;
        if (i == TOP_FIELDS_MAX) return damaged("it has too many fields");
        if (!read_field(&field, &top)) return damaged("its outermost message is malformed");
        if (field.number != 1 || field.wire != BYTES) continue;
        if ((size_t)(field.bytes.end - example) <= position) continue;
        *features = field.bytes;
        if ((size_t)(field.bytes.p - example) < position) features->p = example + position;
        if (features->p < features->end) return SM_OK;
    }
    *features = (span){NULL, NULL};
    return SM_OK;
}

sm_status sm_example_next(sm_feature *feature, size_t *position, const uint8_t *example, size_t len)
{
    size_t at = *position;
    while (at < len) {
        span features = {NULL, NULL};
        sm_status status = find_features(&features, at, example, len);
        if (status != SM_OK) return status;
        if (features.p == features.end) break;
        while (features.p < features.end) {
            wire_field field;
            if (!read_field(&field, &features)) return damaged("its list of features is malformed");
            at = (size_t)(features.p - example);
            if (field.number != 1 || field.wire != BYTES) continue;
            sm_feature found;
            status = read_entry(&found, field.bytes);
            if (status != SM_OK) return status;
            *feature = found;
            *position = at;
            return SM_OK;
        }
    }
    *feature = (sm_feature){0};
    *position = len;
    return SM_OK;
}

sm_status sm_example_find(sm_feature *feature, const uint8_t *example, size_t len, const char *name)
{
    sm_feature one = {0}, found = {0};
    size_t position = 0, name_len = strlen(name);
    for (;;) {
        sm_status status = sm_example_next(&one, &position, example, len);
        if (status != SM_OK) return status;
        if (one.name == NULL) break;
        if (one.name_len == name_len && memcmp(one.name, name, name_len) == 0) found = one;
    }
    if (found.name == NULL)
        return sm_fail(SM_ERR_NOT_FOUND, "the record has no feature '%s'", name);
    *feature = found;
    return SM_OK;
}
