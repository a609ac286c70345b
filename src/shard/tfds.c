#include "shard/tfds.h"

#include "core/json.h"
#include "core/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FEWEST_DIGITS = 5, INFO_INDENT = 2, FEATURES_INDENT = 4 };

#define FEATURES_MODULE "tensorflow_datasets.core.features."

static int digits_of(uint32_t value)
{
    int digits = 1;
    for (; value >= 10; value /= 10) digits++;
    return digits < FEWEST_DIGITS ? FEWEST_DIGITS : digits;
}

static const char *suffix_of(sm_compression compression)
{
    return compression == SM_COMPRESSION_GZIP ? ".gz" : "";
}

sm_status sm_tfds_shard_name(char *text, size_t cap, const char *name, const char *split,
                             uint32_t shard, uint32_t shards, sm_compression compression)
{
    int digits = digits_of(shards);
    int len = snprintf(text, cap, "%s-%s.tfrecord-%0*" PRIu32 "-of-%0*" PRIu32 "%s", name, split,
                       digits, shard, digits, shards, suffix_of(compression));
    if (len < 0 || (size_t)len >= cap)
        return sm_fail(SM_ERR_LIMIT, "the shard names of '%s', split '%s', are too long", name,
                       split);
    return SM_OK;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool sm_tfds_is_name(const char *name)
{
    if (!is_letter(name[0])) return false;
    size_t len = 1;
    while (is_letter(name[len]) || is_digit(name[len]) || name[len] == '_') len++;
    return name[len] == '\0' && len < SM_NAME_MAX;
}

bool sm_tfds_is_split(const char *name)
{
    return sm_tfds_is_name(name) && strcmp(name, "all") != 0;
}

bool sm_tfds_is_version(const char *version)
{
    if (strlen(version) >= SM_NAME_MAX) return false;
    for (int part = 0; part < 3; part++) {
        if (part > 0 && *version++ != '.') return false;
        if (!is_digit(*version)) return false;
        bool zero = *version++ == '0';
        while (!zero && is_digit(*version)) version++;
    }
    return *version == '\0';
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* protobuf's JSON has 64-bit integers as strings. */
static json_t *json_number(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return json_string(text);
}

/* Appends root as text, with sorted keys, and frees it. root may be NULL: it could not be built. */
static sm_status append_json(sm_buf *json, json_t *root, size_t indent, const char *what)
{
    if (root == NULL)
        return sm_fail(SM_ERR_FORMAT,
                       "cannot make %s: a name or text is not UTF-8, or memory is short", what);
    sm_status status = sm_json_dump(json, root, JSON_INDENT(indent) | JSON_SORT_KEYS);
    json_decref(root);
    return status;
}

static json_t *split_json(const sm_tfds_split *split, sm_compression compression)
{
    json_t *lengths = json_array();
    for (size_t i = 0; i < split->shards; i++) {
        if (json_array_append_new(lengths, json_number(split->shard_lengths[i])) != 0) {
            json_decref(lengths);
            return NULL;
        }
    }
    return json_pack("{s:s+, s:s, s:o, s:o}", "filepathTemplate",
                     "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", suffix_of(compression),
                     "name", split->name, "numBytes", json_number(split->bytes), "shardLengths",
                     lengths);
}

sm_status sm_tfds_dataset_info(sm_buf *json, const sm_tfds_info *info)
{
    json_t *splits = json_array();
    for (size_t i = 0; splits != NULL && i < info->split_count; i++) {
        if (json_array_append_new(splits, split_json(&info->splits[i], info->compression)) != 0) {
            json_decref(splits);
            splits = NULL;
        }
    }
    json_t *root = json_pack("{s:s, s:s, s:o, s:s}", "fileFormat", "tfrecord", "name", info->name,
                             "splits", splits, "version", info->version);
    if (root != NULL && info->description != NULL) {
        sm_status status = sm_json_set(root, "description", json_string(info->description));
        if (status != SM_OK) {
            json_decref(root);
            return status;
        }
    }
    return append_json(json, root, INFO_INDENT, "dataset_info.json");
}

/* {"dimensions": […]}, or {} for a single value; -1 is TFDS's "any". */
static json_t *shape_json(size_t count, const int64_t *dimensions)
{
    if (count == 0) return json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, dimensions[i]);
        if (json_array_append_new(list, json_string(text)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:o}", "dimensions", list);
}

static json_t *tensor_json(const char *type, size_t length)
{
    int64_t dimension = (int64_t)length;
    return json_pack("{s:s, s:{s:s, s:s, s:o}}", "pythonClassName",
                     FEATURES_MODULE "tensor_feature.Tensor", "tensor", "dtype", type, "encoding",
                     "none", "shape", shape_json(length > 0, &dimension));
}

static json_t *image_json(uint32_t height, uint32_t width)
{
    int64_t shape[] = {height, width, 3};
    for (int i = 0; i < 2; i++)
        if (shape[i] == 0) shape[i] = -1;
    return json_pack("{s:s, s:{s:s, s:s, s:o}}", "pythonClassName",
                     FEATURES_MODULE "image_feature.Image", "image", "dtype", "uint8",
                     "encodingFormat", "jpeg", "shape", shape_json(3, shape));
}

static json_t *feature_json(const sm_tfds_feature *feature)
{
    switch (feature->kind) {
    case SM_TFDS_IMAGE: return image_json(feature->height, feature->width);
    case SM_TFDS_CLASS_LABEL:
        return json_pack("{s:s, s:{s:o}}", "pythonClassName",
                         FEATURES_MODULE "class_label_feature.ClassLabel", "classLabel",
                         "numClasses", json_number(feature->length));
    case SM_TFDS_TEXT:
        return json_pack("{s:s, s:{}}", "pythonClassName", FEATURES_MODULE "text_feature.Text",
                         "text");
    case SM_TFDS_BYTES: return tensor_json("string", 0);
    case SM_TFDS_INT64: return tensor_json("int64", feature->length);
    case SM_TFDS_FLOAT32: return tensor_json("float32", feature->length);
    }
    return NULL;
}

sm_status sm_tfds_features(sm_buf *json, const sm_tfds_feature *features, size_t count)
{
    json_t *map = json_object();
    for (size_t i = 0; map != NULL && i < count; i++) {
        if (json_object_set_new(map, features[i].name, feature_json(&features[i])) != 0) {
            json_decref(map);
            map = NULL;
        }
    }
    json_t *root =
        json_pack("{s:s, s:{s:o}}", "pythonClassName", FEATURES_MODULE "features_dict.FeaturesDict",
                  "featuresDict", "features", map);
    return append_json(json, root, FEATURES_INDENT, "features.json");
}
