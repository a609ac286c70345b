/* Task lines and result lines. Both come from outside: every field is checked. */
#include "core/status.h"
#include "pack/task.h"
#include "shard/tfds.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {[SM_TASK_PACK] = "pack",
                                    [SM_TASK_LIST] = "list",
                                    [SM_TASK_PROBE] = "probe",
                                    [SM_TASK_TRIAL] = "trial"};
enum { KINDS = sizeof kinds / sizeof *kinds };

static sm_status take_text(char *text, size_t cap, const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (value == NULL || strlen(value) >= cap)
        return sm_fail(SM_ERR_CORRUPT, "there is no '%s'", key);
    memcpy(text, value, strlen(value) + 1);
    return SM_OK;
}

static sm_status take_url(char **url, const json_t *object, const char *key)
{
    sm_buf text;
    sm_buf_init(&text, SM_PATH_LIMIT);
    sm_status status = sm_json_get_path(&text, object, key);
    if (status == SM_OK && (*url = strdup((const char *)text.data)) == NULL)
        status = sm_fail_memory(text.len);
    sm_buf_free(&text);
    return status;
}

static sm_status take_upto(uint64_t *value, const json_t *object, const char *key, uint64_t max)
{
    sm_status status = sm_json_get_u64(value, object, key);
    if (status == SM_OK && *value > max)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' is more than it can be", key);
    return status;
}

/* Whether the line is of the type, and of a version that we know. */
static sm_status check_type(const json_t *object, const char *type)
{
    const char *found = json_string_value(json_object_get(object, "type"));
    uint64_t version;
    if (found == NULL || strcmp(found, type) != 0)
        return sm_fail(SM_ERR_FORMAT, "its type is not \"%s\"", type);
    sm_status status = sm_json_get_u64(&version, object, "version");
    if (status == SM_OK && version != SM_TASK_VERSION)
        status = sm_fail(SM_ERR_FORMAT,
                         "it is of version %llu, and this shardmill (" SM_VERSION
                         ") speaks version %d: use the same one everywhere",
                         (unsigned long long)version, SM_TASK_VERSION);
    return status;
}

static sm_status take_pack(sm_task *task, const json_t *object)
{
    uint64_t split = 0, index = 0, shards = 0;
    sm_status status = take_url(&task->url, object, "header");
    if (status == SM_OK) status = take_url(&task->other, object, "inputs");
    if (status == SM_OK) status = sm_json_get_u64(&task->place.offset, object, "offset");
    if (status == SM_OK) status = sm_json_get_u64(&task->place.length, object, "length");
    if (status == SM_OK) status = take_upto(&task->count, object, "count", UINT32_MAX - 1);
    if (status == SM_OK) status = take_upto(&split, object, "split", SM_MAX_SPLITS - 1);
    if (status == SM_OK) status = take_upto(&shards, object, "shards", SM_MAX_SHARDS_A_SPLIT);
    if (status == SM_OK) status = take_upto(&index, object, "index", SM_MAX_SHARDS_A_SPLIT);
    if (status == SM_OK && index >= shards)
        status = sm_fail(SM_ERR_CORRUPT, "'index' is more than it can be");
    if (status == SM_OK) status = take_text(task->file, sizeof task->file, object, "file");
    if (status == SM_OK)
        status = take_text(task->fingerprint, sizeof task->fingerprint, object, "fingerprint");
    task->split = (uint16_t)split;
    task->index = (uint32_t)index;
    task->shards = (uint32_t)shards;
    task->retry = json_is_true(json_object_get(object, "retry"));
    return status;
}

static sm_status take_task(sm_task *task, const json_t *object)
{
    sm_status status = check_type(object, "task");
    if (sm_json_get_u64(&task->id, object, "id") != SM_OK && status == SM_OK)
        return sm_fail(SM_ERR_CORRUPT, "'id' is no whole number");
    if (status != SM_OK) return status;
    const char *kind = json_string_value(json_object_get(object, "kind"));
    int number = 0;
    while (number < KINDS && (kind == NULL || strcmp(kind, kinds[number]) != 0)) number++;
    task->kind = (sm_task_kind)number;
    switch (task->kind) {
    case SM_TASK_PACK: return take_pack(task, object);
    case SM_TASK_LIST:
        status = take_url(&task->url, object, "url");
        return status == SM_OK ? take_url(&task->other, object, "out") : status;
    case SM_TASK_PROBE: return SM_OK;
    case SM_TASK_TRIAL:
        task->line = json_dumps(object, JSON_COMPACT);
        return task->line == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    default: return sm_fail(SM_ERR_FORMAT, "this shardmill (" SM_VERSION ") knows no such kind");
    }
}

sm_status sm_task_read(sm_task *task, const char *line, size_t len)
{
    *task = (sm_task){0};
    json_error_t error;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    sm_status status =
        object == NULL ? sm_fail(SM_ERR_FORMAT, "%s", error.text) : take_task(task, object);
    if (status != SM_OK) sm_fail_prefix(status, "the task line cannot be understood");
    json_decref(object);
    return status;
}

void sm_task_free(sm_task *task)
{
    free(task->url);
    free(task->other);
    free(task->line);
    *task = (sm_task){0};
}

sm_status sm_task_write(sm_buf *line, const sm_task *task)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"offset", task->place.offset}, {"length", task->place.length},
                   {"count", task->count},         {"split", task->split},
                   {"index", task->index},         {"shards", task->shards}};
    json_t *object = json_pack("{s:s, s:i, s:s, s:I}", "type", "task", "version", SM_TASK_VERSION,
                               "kind", kinds[task->kind], "id", (json_int_t)task->id);
    sm_status status =
        object == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    if (status == SM_OK) status = sm_json_set_path(object, "header", task->url);
    if (status == SM_OK) status = sm_json_set_path(object, "inputs", task->other);
    for (size_t i = 0; status == SM_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = sm_json_set(object, numbers[i].key, json_integer((json_int_t)numbers[i].value));
    if (status == SM_OK) status = sm_json_set(object, "file", json_string(task->file));
    if (status == SM_OK)
        status = sm_json_set(object, "fingerprint", json_string(task->fingerprint));
    if (status == SM_OK) status = sm_json_set(object, "retry", json_boolean(task->retry));
    if (status == SM_OK) status = sm_json_dump(line, object, SM_TASK_LINE_STYLE);
    json_decref(object);
    return status;
}

/* ---- Results */

/* Whether the same would happen at another time, or on another machine. */
static bool is_final(sm_status status)
{
    switch (status) {
    case SM_ERR_IO:
    case SM_ERR_MEMORY:
    case SM_ERR_NOT_FOUND:
    case SM_ERR_NO_SPACE:
    case SM_ERR_CANCELLED: return false;
    default: return true;
    }
}

sm_status sm_task_failed(sm_buf *line, uint64_t id, sm_status status, const char *message)
{
    json_t *object = json_pack("{s:s, s:i, s:I, s:s, s:s, s:b}", "type", "result", "version",
                               SM_TASK_VERSION, "id", (json_int_t)id, "status", "error", "error",
                               sm_status_name(status), "final", (int)is_final(status));
    sm_status failed =
        object == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    if (failed == SM_OK) failed = sm_json_set(object, "message", sm_json_text(message));
    if (failed == SM_OK) failed = sm_json_dump(line, object, SM_TASK_LINE_STYLE);
    json_decref(object);
    return failed;
}

static sm_status status_named(const char *name)
{
    for (int i = SM_OK + 1; name != NULL && i < SM_ERR_INTERNAL; i++)
        if (strcmp(sm_status_name((sm_status)i), name) == 0) return (sm_status)i;
    return SM_ERR_INTERNAL;
}

static uint64_t take_seconds(const json_t *object, const char *key)
{
    double seconds =
        json_number_value(json_object_get(json_object_get(object, "stage_seconds"), key));
    return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

static sm_status take_good(sm_task_result *result, const json_t *object)
{
    sm_status status =
        take_text(result->fingerprint, sizeof result->fingerprint, object, "fingerprint");
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {{"inputs", &result->inputs},
                   {"records", &result->records},
                   {"failures", &result->failures},
                   {"bytes_in", &result->bytes_in},
                   {"bytes", &result->bytes_out}};
    for (size_t i = 0; status == SM_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = sm_json_get_u64(numbers[i].value, object, numbers[i].key);
    result->read_ns = take_seconds(object, "read");
    result->decode_ns = take_seconds(object, "decode");
    result->resize_ns = take_seconds(object, "resize");
    result->encode_ns = take_seconds(object, "encode");
    result->write_ns = take_seconds(object, "write");
    return status;
}

static sm_status take_result(sm_task_result *result, const json_t *object)
{
    sm_status status = check_type(object, "result");
    if (status == SM_OK) status = sm_json_get_u64(&result->id, object, "id");
    if (status != SM_OK) return status;
    const char *word = json_string_value(json_object_get(object, "status"));
    result->good = word != NULL && strcmp(word, "ok") == 0;
    if (result->good) return take_good(result, object);
    const char *message = json_string_value(json_object_get(object, "message"));
    result->final = json_is_true(json_object_get(object, "final"));
    result->status = status_named(json_string_value(json_object_get(object, "error")));
    snprintf(result->message, sizeof result->message, "%s",
             message == NULL ? "for no reason given" : message);
    return SM_OK;
}

sm_status sm_task_result_read(sm_task_result *result, const char *line, size_t len)
{
    *result = (sm_task_result){0};
    json_error_t error;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    sm_status status =
        object == NULL ? sm_fail(SM_ERR_FORMAT, "%s", error.text) : take_result(result, object);
    if (status != SM_OK) sm_fail_prefix(status, "a result line cannot be understood");
    json_decref(object);
    return status;
}
