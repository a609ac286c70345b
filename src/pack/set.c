#include "pack/set.h"

#include "core/status.h"
#include "io/io.h"
#include "pack/result.h"
#include "shard/tfds.h"

#include <stdlib.h>
#include <string.h>

enum { PLAN_LIMIT = 1 << 20, FORMAT = 1 };

/* _SUCCESS first: it goes before anything else does. */
const char *const sm_set_files[] = {"_SUCCESS",         "dataset_info.json", "features.json",
                                    "label.labels.txt", "class.labels.txt",  "failures.jsonl",
                                    "warnings.jsonl",   "skipped.jsonl",     NULL};

sm_status sm_set_path(sm_buf *path, const sm_set *set, const char *file)
{
    sm_buf_clear(path);
    return sm_buf_printf(path, *file == '\0' ? "%s%s" : "%s/%s", set->dst, file);
}

/* The name of a shard when its split had so many in all. */
static sm_status name_of(char name[SM_SHARD_NAME_MAX], const sm_set *set, size_t split,
                         uint32_t index, uint32_t total)
{
    return sm_tfds_shard_name(name, SM_SHARD_NAME_MAX, set->name, set->splits[split].name, index,
                              total, set->compression);
}

sm_status sm_set_shard_name(char name[SM_SHARD_NAME_MAX], const sm_set *set, size_t split,
                            uint32_t index)
{
    return name_of(name, set, split, index, set->splits[split].shards + set->splits[split].retried);
}

/* ---- plan.json */

static sm_status take_text(char *text, size_t cap, const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (value == NULL || strlen(value) >= cap)
        return sm_fail(SM_ERR_CORRUPT, "there is no '%s'", key);
    memcpy(text, value, strlen(value) + 1);
    return SM_OK;
}

static sm_status take_fingerprint(char fingerprint[SM_FINGERPRINT_SIZE], const json_t *object,
                                  const char *key)
{
    sm_status status = take_text(fingerprint, SM_FINGERPRINT_SIZE, object, key);
    if (status == SM_OK && strlen(fingerprint) != SM_FINGERPRINT_SIZE - 1)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' is no fingerprint", key);
    return status;
}

static sm_status take_splits(sm_set *set, const json_t *object)
{
    const json_t *list = json_object_get(object, "splits");
    set->split_count = json_array_size(list);
    if (set->split_count > SM_MAX_SPLITS) return sm_fail(SM_ERR_CORRUPT, "too many splits");
    for (size_t i = 0; i < set->split_count; i++) {
        const json_t *split = json_array_get(list, i);
        uint64_t shards, retried;
        sm_status status = take_text(set->splits[i].name, SM_NAME_MAX, split, "name");
        if (status == SM_OK) status = sm_json_get_u64(&shards, split, "shards");
        if (status == SM_OK) status = sm_json_get_u64(&retried, split, "retry_shards");
        if (status != SM_OK) return status;
        if (!sm_tfds_is_name(set->splits[i].name) || shards > SM_MAX_SHARDS_A_SPLIT ||
            retried > SM_MAX_SHARDS_A_SPLIT - shards)
            return sm_fail(SM_ERR_CORRUPT, "split %zu makes no sense", i);
        set->splits[i].shards = (uint32_t)shards;
        set->splits[i].retried = (uint32_t)retried;
    }
    return SM_OK;
}

static sm_status take_set(sm_set *set, const json_t *object)
{
    uint64_t format;
    sm_status status = sm_json_get_u64(&format, object, "format");
    if (status == SM_OK && format != FORMAT)
        return sm_fail(SM_ERR_FORMAT, "it was written by another version of shardmill");
    json_t *options = json_object_get(object, "options");
    if (status == SM_OK && !json_is_object(options))
        status = sm_fail(SM_ERR_CORRUPT, "there are no options");
    char compression[16];
    if (status == SM_OK) status = take_text(set->name, sizeof set->name, options, "name");
    if (status == SM_OK)
        status = take_text(compression, sizeof compression, options, "compression");
    if (status == SM_OK) status = take_fingerprint(set->fingerprint, object, "fingerprint");
    if (status == SM_OK) status = take_fingerprint(set->classes, object, "classes");
    if (status == SM_OK) status = sm_json_get_u64(&set->inputs, object, "inputs");
    if (status == SM_OK && !sm_tfds_is_name(set->name))
        status = sm_fail(SM_ERR_CORRUPT, "the set's name makes no sense");
    if (status == SM_OK) status = take_splits(set, object);
    if (status != SM_OK) return status;
    set->compression = strcmp(compression, "gzip") == 0 ? SM_COMPRESSION_GZIP : SM_COMPRESSION_NONE;
    set->options = json_incref(options);
    return SM_OK;
}

static bool is_there(const sm_set *set, const char *file)
{
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_file_info info;
    bool there = sm_set_path(&path, set, file) == SM_OK &&
                 sm_io_stat(&info, (const char *)path.data) == SM_OK;
    sm_buf_free(&path);
    return there;
}

sm_status sm_set_load(sm_set *set, const char *dst)
{
    *set = (sm_set){.dst = dst};
    sm_buf path, text;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_buf_init(&text, PLAN_LIMIT);
    sm_status status = sm_set_path(&path, set, "plan.json");
    if (status == SM_OK) status = sm_io_read_file(&text, (const char *)path.data, NULL);
    if (status == SM_OK) {
        json_error_t error;
        json_t *object = json_loadb((const char *)text.data, text.len, 0, &error);
        status = object == NULL ? sm_fail(SM_ERR_CORRUPT, "%s", error.text) : take_set(set, object);
        if (status != SM_OK)
            sm_fail_prefix(status, "'%s' cannot be understood", (const char *)path.data);
        json_decref(object);
    }
    if (status == SM_OK) set->complete = is_there(set, "_SUCCESS");
    sm_buf_free(&path);
    sm_buf_free(&text);
    return status;
}

sm_status sm_set_from_plan(sm_set *set, const sm_plan *plan, const char *dst)
{
    *set = (sm_set){.dst = dst,
                    .options = json_incref(plan->options_json),
                    .compression = plan->options->compression,
                    .split_count = plan->split_count,
                    .inputs = plan->inputs->count};
    memcpy(set->name, plan->name, sizeof set->name);
    memcpy(set->fingerprint, plan->fingerprint, sizeof set->fingerprint);
    memcpy(set->classes, plan->classes, sizeof set->classes);
    for (size_t i = 0; i < plan->split_count; i++) {
        memcpy(set->splits[i].name, plan->splits[i].name, SM_NAME_MAX);
        set->splits[i].shards = plan->splits[i].shards;
    }
    return SM_OK;
}

void sm_set_free(sm_set *set)
{
    json_decref(set->options);
    *set = (sm_set){0};
}

static sm_status fill_splits(json_t *list, const sm_set *set)
{
    for (size_t i = 0; i < set->split_count; i++) {
        const sm_set_split *split = &set->splits[i];
        json_t *object =
            json_pack("{s:s, s:I, s:I}", "name", split->name, "shards", (json_int_t)split->shards,
                      "retry_shards", (json_int_t)split->retried);
        if (object == NULL || json_array_append_new(list, object) != 0)
            return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    }
    return SM_OK;
}

sm_status sm_set_write(const sm_set *set)
{
    sm_buf path, text;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_buf_init(&text, PLAN_LIMIT);
    json_t *splits = json_array();
    sm_status status = fill_splits(splits, set);
    json_t *object =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:O, s:O}", "format", FORMAT, "made_by", "shardmill",
                  "fingerprint", set->fingerprint, "classes", set->classes, "inputs",
                  (json_int_t)set->inputs, "options", set->options, "splits", splits);
    if (status == SM_OK && object == NULL)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    if (status == SM_OK) status = sm_json_append(&text, object, true);
    if (status == SM_OK) status = sm_set_path(&path, set, "plan.json");
    if (status == SM_OK) status = sm_io_write_file((const char *)path.data, text.data, text.len);
    json_decref(object);
    json_decref(splits);
    sm_buf_free(&path);
    sm_buf_free(&text);
    return status;
}

/* ---- Files */

static sm_status remove_file(const sm_set *set, const char *folder, const char *file,
                             const char *ending)
{
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_status status = sm_buf_printf(&path, "%s/%s%s%s", set->dst, folder, file, ending);
    if (status == SM_OK) status = sm_io_remove((const char *)path.data);
    sm_buf_free(&path);
    return status;
}

sm_status sm_set_open(sm_set *set)
{
    set->complete = false;
    return remove_file(set, "", "_SUCCESS", "");
}

static bool names_shard(const sm_set *set, const char *file)
{
    char name[SM_SHARD_NAME_MAX];
    for (size_t i = 0; set != NULL && i < set->split_count; i++)
        for (uint32_t k = 0; k < set->splits[i].shards + set->splits[i].retried; k++)
            if (sm_set_shard_name(name, set, i, k) == SM_OK && strcmp(name, file) == 0) return true;
    return false;
}

sm_status sm_set_remove(sm_set *set, const sm_set *keep)
{
    sm_status status = sm_set_open(set);
    for (size_t i = 0; status == SM_OK && sm_set_files[i] != NULL; i++)
        status = remove_file(set, "", sm_set_files[i], "");
    char name[SM_SHARD_NAME_MAX];
    for (size_t i = 0; i < set->split_count; i++) {
        /* Two sets with the same first name share them all: no need to compare each with each. */
        const sm_set_split *split = &set->splits[i];
        for (uint32_t k = 0; status == SM_OK && k < split->shards + split->retried; k++) {
            status = sm_set_shard_name(name, set, i, k);
            if (status == SM_OK && k == 0 && names_shard(keep, name)) break;
            if (status == SM_OK) status = remove_file(set, "stats/", name, ".json");
            if (status == SM_OK) status = remove_file(set, "", name, "");
        }
    }
    return status;
}

bool sm_set_has_whole(const sm_set *set, const char *file, const char *fingerprint,
                      uint64_t *failures)
{
    sm_result result;
    if (sm_result_read(&result, set->dst, file) != SM_OK) return false;
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_file_info info;
    bool whole = (fingerprint == NULL || strcmp(result.fingerprint, fingerprint) == 0) &&
                 sm_set_path(&path, set, file) == SM_OK &&
                 sm_io_stat(&info, (const char *)path.data) == SM_OK &&
                 info.kind == SM_FILE_REGULAR && info.size == result.bytes;
    if (whole && failures != NULL) *failures += json_array_size(result.failures);
    sm_buf_free(&path);
    sm_result_free(&result);
    return whole;
}

/* Renames a shard, and writes its result anew under the new name. */
static sm_status rename_shard(const sm_set *set, const char *from, const char *to)
{
    sm_result result;
    sm_buf old_path, new_path;
    sm_buf_init(&old_path, SM_PATH_LIMIT);
    sm_buf_init(&new_path, SM_PATH_LIMIT);
    sm_status status = SM_OK;
    if (sm_result_read(&result, set->dst, from) == SM_OK) {
        memcpy(result.file, to, strlen(to) + 1);
        status = sm_result_write(&result, set->dst);
        sm_result_free(&result);
    }
    if (status == SM_OK) status = sm_set_path(&old_path, set, from);
    if (status == SM_OK) status = sm_set_path(&new_path, set, to);
    if (status == SM_OK && is_there(set, from))
        status = sm_io_rename((const char *)old_path.data, (const char *)new_path.data);
    if (status == SM_OK) status = remove_file(set, "stats/", from, ".json");
    sm_buf_free(&old_path);
    sm_buf_free(&new_path);
    return status;
}

sm_status sm_set_settle(const sm_set *set)
{
    char now[SM_SHARD_NAME_MAX], before[SM_SHARD_NAME_MAX];
    sm_status status = SM_OK;
    for (size_t i = 0; i < set->split_count; i++) {
        const sm_set_split *split = &set->splits[i];
        const uint32_t total = split->shards + split->retried;
        /* One that was packed, but did not get into the plan. */
        status = name_of(now, set, i, total, total + 1);
        if (status == SM_OK) status = remove_file(set, "stats/", now, ".json");
        if (status == SM_OK) status = remove_file(set, "", now, "");
        if (status != SM_OK) return status;
        /* The retry before last cannot have been cut off: the last one settled it. */
        if (split->retried == 0) continue;
        for (uint32_t k = 0; status == SM_OK && k + 1 < total; k++) {
            status = name_of(now, set, i, k, total);
            if (status == SM_OK) status = name_of(before, set, i, k, total - 1);
            if (status == SM_OK && !sm_set_has_whole(set, now, NULL, NULL))
                status = rename_shard(set, before, now);
            else if (status == SM_OK)
                status = remove_file(set, "stats/", before, ".json");
        }
    }
    return status;
}
