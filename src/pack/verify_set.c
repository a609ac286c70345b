/* What a packed set says of itself, held against what lies there. */
#include "core/json.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/lines.h"
#include "pack/names.h"
#include "pack/result.h"
#include "pack/set.h"
#include "pack/verify.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

typedef struct stray_search {
    sm_checking *checking;
    sm_names known;
} stray_search;

/* A JSON file of the set; NULL, with the problem told, when it is not there or is none. */
static json_t *load_json(sm_checking *c, const sm_set *set, const char *file)
{
    sm_buf path, text;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_buf_init(&text, FILE_LIMIT);
    json_t *value = NULL;
    if (sm_set_path(&path, set, file) == SM_OK &&
        sm_io_read_file(&text, (const char *)path.data, NULL) == SM_OK) {
        json_error_t error;
        value = json_loadb((const char *)text.data, text.len, 0, &error);
        if (value == NULL) sm_fail(SM_ERR_CORRUPT, "%s", error.text);
    }
    if (value == NULL) sm_check_report(c, file, UINT64_MAX, sm_last_error());
    sm_buf_free(&path);
    sm_buf_free(&text);
    return value;
}

/* ---- Classes */

/* Lines of the file of a feature's class names against the number that features.json has. */
static sm_status check_class_file(sm_checking *c, const sm_set *set, const char *feature,
                                  const json_t *description)
{
    char file[SM_NAME_MAX + 16];
    snprintf(file, sizeof file, "%.*s.labels.txt", SM_NAME_MAX - 1, feature);
    const json_t *label = json_object_get(description, "classLabel");
    const char *wanted = json_string_value(json_object_get(label, "numClasses"));
    sm_buf path, line;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_buf_init(&line, SM_PATH_LIMIT);
    sm_lines *lines = NULL;
    sm_status status = sm_set_path(&path, set, file);
    if (status == SM_OK && sm_lines_open(&lines, (const char *)path.data) != SM_OK) {
        sm_check_report(c, file, UINT64_MAX, sm_last_error());
    } else if (status == SM_OK) {
        unsigned long long count = 0;
        bool more = true;
        while (status == SM_OK && more) {
            status = sm_lines_next(lines, &more, &line);
            count += status == SM_OK && more;
        }
        if (status == SM_OK && (wanted == NULL || strtoull(wanted, NULL, 10) != count))
            sm_check_report(c, file, UINT64_MAX,
                            "it has not as many classes as features.json says");
    }
    sm_lines_close(lines);
    sm_buf_free(&line);
    sm_buf_free(&path);
    return status;
}

static sm_status check_features(sm_checking *c, const sm_set *set)
{
    json_t *root = load_json(c, set, "features.json");
    json_t *features = json_object_get(json_object_get(root, "featuresDict"), "features");
    const char *name;
    json_t *description;
    sm_status status = SM_OK;
    json_object_foreach(features, name, description)
    {
        if (status == SM_OK && json_object_get(description, "classLabel") != NULL)
            status = check_class_file(c, set, name, description);
    }
    if (root != NULL && json_object_get(features, "image") == NULL)
        sm_check_report(c, "features.json", UINT64_MAX, "it has no feature 'image'");
    json_decref(root);
    return status;
}

/* ---- Shards */

/* The list of a split's shard lengths; NULL when there is none. */
static const json_t *lengths_of(const json_t *info, const char *split)
{
    const json_t *splits = json_object_get(info, "splits");
    for (size_t i = 0; i < json_array_size(splits); i++) {
        const json_t *entry = json_array_get(splits, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name != NULL && strcmp(name, split) == 0) return json_object_get(entry, "shardLengths");
    }
    return NULL;
}

static uint64_t length_at(const json_t *lengths, size_t i)
{
    const char *text = json_string_value(json_array_get(lengths, i)); /* int64 as a string */
    return text == NULL ? UINT64_MAX : strtoull(text, NULL, 10);
}

static sm_status add_split(sm_checking *c, const sm_set *set, size_t split, const json_t *info)
{
    const sm_set_split *s = &set->splits[split];
    const json_t *lengths = lengths_of(info, s->name);
    size_t shards = s->shards + s->retried;
    char name[SM_SHARD_NAME_MAX];
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    if (info != NULL && json_array_size(lengths) != shards) {
        snprintf(name, sizeof name, "split '%s' has %zu shards; the metadata say %zu", s->name,
                 shards, json_array_size(lengths));
        sm_check_report(c, set->dst, UINT64_MAX, name);
    }
    sm_status status = SM_OK;
    for (uint32_t i = 0; status == SM_OK && i < shards; i++) {
        status = sm_set_shard_name(name, set, split, i);
        sm_result result = {.bytes = UINT64_MAX};
        if (status == SM_OK && sm_result_read(&result, set->dst, name) != SM_OK)
            sm_check_report(c, name, UINT64_MAX, sm_last_error());
        if (status == SM_OK) status = sm_set_path(&path, set, name);
        if (status == SM_OK)
            status = sm_check_add(c, (const char *)path.data, length_at(lengths, i), result.bytes);
        sm_result_free(&result);
    }
    sm_buf_free(&path);
    return status;
}

/* A file of records that is none of the set's: whoever reads by a pattern would read it too. */
static sm_status on_file(void *user, sm_walk_event event, const char *path,
                         const sm_file_info *info)
{
    const stray_search *search = user;
    (void)info;
    if (event == SM_WALK_FILE && strchr(path, '/') == NULL && strstr(path, ".tfrecord") != NULL &&
        sm_names_find(&search->known, path) == SM_NO_NAME)
        sm_check_report(search->checking, path, UINT64_MAX, "it is no shard of the set");
    return SM_OK;
}

static sm_status check_strays(sm_checking *c, const sm_set *set)
{
    stray_search search = {.checking = c};
    sm_names_init(&search.known);
    char name[SM_SHARD_NAME_MAX];
    sm_status status = SM_OK;
    for (size_t i = 0; i < set->split_count; i++)
        for (uint32_t k = 0; status == SM_OK && k < set->splits[i].shards + set->splits[i].retried;
             k++) {
            uint32_t number;
            status = sm_set_shard_name(name, set, i, k);
            if (status == SM_OK) status = sm_names_add(&search.known, &number, name);
        }
    if (status == SM_OK) status = sm_io_walk(set->dst, on_file, &search);
    sm_names_free(&search.known);
    return status;
}

/* ---- The whole */

sm_status sm_check_set(sm_checking *checking, const char *dst)
{
    sm_checking *c = checking;
    sm_set set;
    sm_status status = sm_set_load(&set, dst);
    if (status == SM_ERR_NOT_FOUND)
        status = sm_fail(status, "'%s' holds no set: there is no plan.json", dst);
    if (status == SM_ERR_CORRUPT) {
        sm_check_report(c, dst, UINT64_MAX, sm_last_error());
        status = SM_OK;
    } else if (status == SM_OK) {
        if (!set.complete)
            sm_check_report(c, dst, UINT64_MAX, "the set is not finished: there is no _SUCCESS");
        const char *format = json_string_value(json_object_get(set.options, "encode-format"));
        c->keeps = format != NULL &&
                   strcmp(format, sm_choice_name(SM_CHOICE_ENCODE_FORMAT, SM_ENCODE_KEEP)) == 0;
        json_t *info = load_json(c, &set, "dataset_info.json");
        for (size_t i = 0; status == SM_OK && i < set.split_count; i++)
            status = add_split(c, &set, i, info);
        json_decref(info);
        if (status == SM_OK) status = check_features(c, &set);
        if (status == SM_OK) status = check_strays(c, &set);
    }
    sm_set_free(&set);
    return status;
}
