#include "pack/result.h"

#include "core/status.h"
#include "io/io.h"

#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

sm_status sm_result_init(sm_result *result)
{
    *result =
        (sm_result){.failures = json_array(), .warnings = json_array(), .recovered = json_array()};
    if (result->failures == NULL || result->warnings == NULL || result->recovered == NULL) {
        sm_result_free(result);
        return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    }
    return SM_OK;
}

void sm_result_free(sm_result *result)
{
    json_decref(result->failures);
    json_decref(result->warnings);
    json_decref(result->recovered);
    *result = (sm_result){0};
}

sm_status sm_result_describe(json_t **object, const sm_plan *plan, const sm_input *input)
{
    const sm_inputs *inputs = plan->inputs;
    json_t *made = json_object();
    if (made == NULL) return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    sm_status status = sm_json_set_path(made, "path", sm_inputs_text(inputs, input->path));
    if (status == SM_OK && inputs->labelled)
        status = sm_json_set(made, "label",
                             sm_json_text(sm_names_get(&inputs->classes, input->class_id)));
    if (status == SM_OK)
        status = sm_json_set(made, "split", sm_json_text(plan->splits[input->split].name));
    if (status != SM_OK) {
        json_decref(made);
        return status;
    }
    *object = made;
    return SM_OK;
}

sm_status sm_result_recovered(sm_names *names, const sm_result *result)
{
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < json_array_size(result->recovered); i++) {
        uint32_t number;
        sm_buf_clear(&path);
        status = sm_json_get_path(&path, json_array_get(result->recovered, i), "path");
        if (status == SM_OK) status = sm_names_add(names, &number, (const char *)path.data);
    }
    sm_buf_free(&path);
    return status;
}

static sm_status result_path(sm_buf *path, const char *dst, const char *file)
{
    sm_buf_init(path, SM_PATH_LIMIT);
    return sm_buf_printf(path, "%s/stats/%s.json", dst, file);
}

static sm_status fill_object(json_t *object, const sm_result *result)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"inputs", result->inputs},
                   {"records", result->records},
                   {"bytes", result->bytes},
                   {"example_bytes", result->example_bytes},
                   {"bytes_in", result->bytes_in}};
    const struct {
        const char *key;
        json_t *array;
    } arrays[] = {{"failures", result->failures},
                  {"warnings", result->warnings},
                  {"recovered", result->recovered}};
    sm_status status = sm_json_set(object, "file", sm_json_text(result->file));
    if (status == SM_OK)
        status = sm_json_set(object, "fingerprint", sm_json_text(result->fingerprint));
    for (size_t i = 0; status == SM_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = sm_json_set(object, numbers[i].key, json_integer((json_int_t)numbers[i].value));
    for (size_t i = 0; status == SM_OK && i < sizeof arrays / sizeof *arrays; i++)
        status = sm_json_set(object, arrays[i].key, json_incref(arrays[i].array));
    return status;
}

sm_status sm_result_prepare(sm_sink **sink, const sm_result *result, const char *dst)
{
    sm_buf path, text;
    sm_buf_init(&text, FILE_LIMIT);
    sm_status status = result_path(&path, dst, result->file);
    json_t *object = json_object();
    if (status == SM_OK && object == NULL)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    if (status == SM_OK) status = fill_object(object, result);
    if (status == SM_OK) status = sm_json_append(&text, object, true);
    if (status == SM_OK) status = sm_sink_open(sink, (const char *)path.data);
    if (status == SM_OK) {
        status = sm_sink_write(*sink, text.data, text.len);
        if (status != SM_OK) sm_sink_abandon(*sink);
    }
    json_decref(object);
    sm_buf_free(&text);
    sm_buf_free(&path);
    return status;
}

sm_status sm_result_write(const sm_result *result, const char *dst)
{
    sm_sink *sink;
    sm_status status = sm_result_prepare(&sink, result, dst);
    return status == SM_OK ? sm_sink_commit(sink) : status;
}

static sm_status take_array(json_t **array, const json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (!json_is_array(found)) return sm_fail(SM_ERR_CORRUPT, "there is no list '%s'", key);
    *array = json_incref(found);
    return SM_OK;
}

static sm_status take_fields(sm_result *result, const json_t *object)
{
    const char *fingerprint = json_string_value(json_object_get(object, "fingerprint"));
    if (fingerprint == NULL || strlen(fingerprint) != SM_FINGERPRINT_SIZE - 1)
        return sm_fail(SM_ERR_CORRUPT, "there is no fingerprint");
    memcpy(result->fingerprint, fingerprint, strlen(fingerprint) + 1);
    sm_status status = sm_json_get_u64(&result->inputs, object, "inputs");
    if (status == SM_OK) status = sm_json_get_u64(&result->records, object, "records");
    if (status == SM_OK) status = sm_json_get_u64(&result->bytes, object, "bytes");
    if (status == SM_OK) status = sm_json_get_u64(&result->example_bytes, object, "example_bytes");
    if (status == SM_OK) status = sm_json_get_u64(&result->bytes_in, object, "bytes_in");
    if (status == SM_OK) status = take_array(&result->failures, object, "failures");
    if (status == SM_OK) status = take_array(&result->warnings, object, "warnings");
    if (status == SM_OK) status = take_array(&result->recovered, object, "recovered");
    return status;
}

sm_status sm_result_read(sm_result *result, const char *dst, const char *file)
{
    sm_result read = {0};
    sm_buf path, text;
    sm_buf_init(&text, FILE_LIMIT);
    sm_status status = result_path(&path, dst, file);
    if (status == SM_OK) status = sm_io_read_file(&text, (const char *)path.data, NULL);
    if (status == SM_OK) {
        json_error_t error;
        json_t *object = json_loadb((const char *)text.data, text.len, 0, &error);
        status =
            object == NULL ? sm_fail(SM_ERR_CORRUPT, "%s", error.text) : take_fields(&read, object);
        if (status != SM_OK) sm_fail_prefix(status, "'%s'", (const char *)path.data);
        json_decref(object);
    }
    sm_buf_free(&text);
    sm_buf_free(&path);
    if (status != SM_OK) {
        sm_result_free(&read);
        return status;
    }
    memcpy(read.file, file, strlen(file) + 1);
    *result = read;
    return SM_OK;
}
