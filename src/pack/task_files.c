#include "pack/task_files.h"

#include "core/status.h"
#include "io/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FORMAT = 1,
    FILE_BYTES = 4 << 20,    /* a file of inputs is written when it has so many */
    HEADER_LIMIT = 256 << 20 /* a million classes */
};
static const uint64_t INPUTS_LIMIT = (uint64_t)1 << 30; /* of one shard */

static const char *const column_types[] = {
    [SM_COLUMN_INT64] = "int64", [SM_COLUMN_FLOAT] = "float", [SM_COLUMN_TEXT] = "text"};
enum { COLUMN_TYPES = sizeof column_types / sizeof *column_types };

/* ---- Writing */

/* The path as it is found from another folder; on another machine, if it is shared. */
static sm_status absolute(char **made, const char *path)
{
    *made = NULL;
    if (path[0] == '/' || strstr(path, "://") != NULL) {
        *made = strdup(path);
    } else {
        char *here = getcwd(NULL, 0);
        if (here == NULL) return sm_fail_errno(errno, "cannot tell the working folder");
        if (asprintf(made, "%s%s%s", here, *path == '\0' ? "" : "/", path) < 0) *made = NULL;
        free(here);
    }
    return *made == NULL ? sm_fail_memory(strlen(path)) : SM_OK;
}

/* A list of objects with a name each: names are any bytes. */
static sm_status append_name(json_t *list, json_t **object, const char *name)
{
    json_t *made = json_object();
    sm_status status = made == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON")
                                    : sm_json_set_path(made, "name", name);
    if (status == SM_OK && json_array_append(list, made) != 0)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    json_decref(made); /* the list holds it */
    if (status == SM_OK && object != NULL) *object = made;
    return status;
}

static sm_status fill_header(json_t *header, const sm_run *run)
{
    const sm_plan *plan = run->plan;
    const sm_inputs *inputs = plan->inputs;
    char *dst = NULL, *base = NULL;
    json_t *classes = json_array(), *columns = json_array(), *splits = json_array();
    sm_status status = absolute(&dst, run->dst);
    if (status == SM_OK) status = absolute(&base, inputs->base);
    if (status == SM_OK) status = sm_json_set(header, "format", json_integer(FORMAT));
    if (status == SM_OK)
        status = sm_json_set(header, "made_by", json_string("shardmill " SM_VERSION));
    if (status == SM_OK) status = sm_json_set_path(header, "dst", dst);
    if (status == SM_OK) status = sm_json_set_path(header, "base", base);
    if (status == SM_OK) status = sm_json_set(header, "options", json_incref(plan->options_json));
    if (status == SM_OK) status = sm_json_set(header, "labelled", json_boolean(inputs->labelled));
    if (status == SM_OK)
        status = sm_json_set(header, "memory", json_integer((json_int_t)plan->options->memory));
    for (size_t i = 0; status == SM_OK && i < inputs->classes.count; i++)
        status = append_name(classes, NULL, sm_names_get(&inputs->classes, i));
    for (size_t i = 0; status == SM_OK && i < inputs->column_count; i++) {
        json_t *column = NULL;
        status = append_name(columns, &column, inputs->columns[i].name);
        if (status == SM_OK)
            status =
                sm_json_set(column, "type", json_string(column_types[inputs->columns[i].type]));
    }
    for (size_t i = 0; status == SM_OK && i < plan->split_count; i++)
        status = append_name(splits, NULL, plan->splits[i].name);
    if (status == SM_OK) status = sm_json_set(header, "classes", json_incref(classes));
    if (status == SM_OK) status = sm_json_set(header, "columns", json_incref(columns));
    if (status == SM_OK) status = sm_json_set(header, "splits", json_incref(splits));
    json_decref(classes);
    json_decref(columns);
    json_decref(splits);
    free(dst);
    free(base);
    return status;
}

static sm_status write_header(const sm_task_files *files, const sm_run *run)
{
    sm_buf url, text;
    sm_buf_init(&url, SM_PATH_LIMIT);
    sm_buf_init(&text, HEADER_LIMIT);
    json_t *header = json_object();
    sm_status status = header == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON")
                                      : fill_header(header, run);
    if (status == SM_OK) status = sm_json_append(&text, header, true);
    if (status == SM_OK) status = sm_task_files_header(&url, files);
    if (status == SM_OK) status = sm_io_write_file((const char *)url.data, text.data, text.len);
    json_decref(header);
    sm_buf_free(&text);
    sm_buf_free(&url);
    return status;
}

/* An input: "SIZE VERSION CLASS", its path, its columns; a NUL behind each. */
static sm_status append_input(sm_buf *text, const sm_inputs *inputs, const sm_input *input)
{
    const char *path = sm_inputs_text(inputs, input->path);
    sm_status status = sm_buf_printf(
        text, "%llu %llu %lu", (unsigned long long)input->size, (unsigned long long)input->version,
        (unsigned long)(inputs->labelled ? input->class_id : SM_NO_CLASS));
    if (status == SM_OK) status = sm_buf_append(text, "", 1);
    if (status == SM_OK) status = sm_buf_append(text, path, strlen(path) + 1);
    const char *column = sm_inputs_text(inputs, input->columns);
    for (size_t i = 0; status == SM_OK && i < inputs->column_count; i++) {
        status = sm_buf_append(text, column, strlen(column) + 1);
        column += strlen(column) + 1;
    }
    return status;
}

static sm_status flush_inputs(const sm_task_files *files, uint32_t *file, sm_buf *text)
{
    sm_buf url;
    sm_buf_init(&url, SM_PATH_LIMIT);
    sm_status status = sm_task_files_inputs(&url, files, (*file)++);
    if (status == SM_OK) status = sm_io_write_file((const char *)url.data, text->data, text->len);
    sm_buf_free(&url);
    sm_buf_clear(text);
    return status;
}

static sm_status write_inputs(sm_task_files *files, const sm_run *run, const sm_job *jobs,
                              size_t count)
{
    const sm_inputs *inputs = run->plan->inputs;
    sm_buf text;
    sm_buf_init(&text, FILE_BYTES + (size_t)INPUTS_LIMIT);
    uint32_t file = 0;
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < count; i++) {
        const sm_shard *shard = jobs[i].shard;
        files->places[i] = (sm_task_place){.file = file, .offset = text.len};
        for (size_t k = 0; status == SM_OK && k < shard->count; k++)
            status = append_input(&text, inputs, &inputs->items[shard->first + k]);
        files->places[i].length = text.len - files->places[i].offset;
        if (status == SM_OK && files->places[i].length > INPUTS_LIMIT)
            status = sm_fail(SM_ERR_LIMIT, "the names of the pictures of '%s' take more than 1 GiB",
                             jobs[i].file);
        if (status == SM_OK && (text.len >= FILE_BYTES || i + 1 == count))
            status = flush_inputs(files, &file, &text);
    }
    sm_buf_free(&text);
    return status;
}

sm_status sm_task_files_write(sm_task_files *files, const sm_run *run, const sm_job *jobs,
                              size_t count)
{
    *files = (sm_task_files){0};
    files->places = calloc(count + 1, sizeof *files->places);
    if (files->places == NULL) return sm_fail_memory(count * sizeof *files->places);
    char *dst = NULL;
    sm_status status = absolute(&dst, run->dst);
    if (status == SM_OK &&
        asprintf(&files->folder, "%s/" SM_TASKS_FOLDER "/%s", dst, run->plan->fingerprint) < 0) {
        files->folder = NULL;
        status = sm_fail_memory(strlen(dst));
    }
    free(dst);
    if (status == SM_OK) status = sm_io_make_folder(files->folder);
    if (status == SM_OK) status = write_inputs(files, run, jobs, count);
    if (status == SM_OK) status = write_header(files, run);
    return status;
}

void sm_task_files_free(sm_task_files *files)
{
    free(files->folder);
    free(files->places);
    *files = (sm_task_files){0};
}

sm_status sm_task_files_header(sm_buf *url, const sm_task_files *files)
{
    sm_buf_clear(url);
    return sm_buf_printf(url, "%s/header.json", files->folder);
}

sm_status sm_task_files_inputs(sm_buf *url, const sm_task_files *files, uint32_t file)
{
    sm_buf_clear(url);
    return sm_buf_printf(url, "%s/inputs-%05lu", files->folder, (unsigned long)file);
}

sm_status sm_task_files_remove(const char *dst)
{
    sm_buf url;
    sm_buf_init(&url, SM_PATH_LIMIT);
    sm_status status = sm_buf_printf(&url, "%s/" SM_TASKS_FOLDER, dst);
    if (status == SM_OK) status = sm_io_remove_tree((const char *)url.data);
    sm_buf_free(&url);
    return status;
}

/* ---- Reading a header: whoever can write DST can write it, so nothing in it is trusted */

static sm_status take_path(char **path, const json_t *header, const char *key)
{
    sm_buf text;
    sm_buf_init(&text, SM_PATH_LIMIT);
    sm_status status = sm_json_get_path(&text, header, key);
    if (status == SM_OK && strlen((const char *)text.data) != text.len)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' holds a NUL", key);
    if (status == SM_OK && (*path = strdup((const char *)text.data)) == NULL)
        status = sm_fail_memory(text.len);
    sm_buf_free(&text);
    return status;
}

static sm_status take_classes(sm_inputs *inputs, const json_t *header)
{
    const json_t *classes = json_object_get(header, "classes");
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < json_array_size(classes); i++) {
        char *name = NULL;
        uint32_t number;
        status = take_path(&name, json_array_get(classes, i), "name");
        if (status == SM_OK) status = sm_names_add(&inputs->classes, &number, name);
        if (status == SM_OK && number != i)
            status = sm_fail(SM_ERR_CORRUPT, "the class '%s' is there twice", name);
        free(name);
    }
    return status;
}

static sm_status take_columns(sm_inputs *inputs, const json_t *header)
{
    const json_t *columns = json_object_get(header, "columns");
    if (json_array_size(columns) > SM_MAX_COLUMNS)
        return sm_fail(SM_ERR_CORRUPT, "there are too many columns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *object = json_array_get(columns, i);
        const char *type = json_string_value(json_object_get(object, "type"));
        int number = 0;
        while (number < COLUMN_TYPES && (type == NULL || strcmp(type, column_types[number]) != 0))
            number++;
        if (number == COLUMN_TYPES) return sm_fail(SM_ERR_CORRUPT, "a column has no known type");
        sm_status status = take_path(&inputs->columns[i].name, object, "name");
        if (status != SM_OK) return status;
        inputs->columns[i].type = (sm_column_type)number;
        inputs->column_count++;
    }
    return SM_OK;
}

static sm_status take_header(sm_task_plan *task)
{
    const json_t *header = task->header;
    const char *split_names[SM_MAX_SPLITS];
    const json_t *splits = json_object_get(header, "splits");
    uint64_t format;
    sm_status status = sm_json_get_u64(&format, header, "format");
    if (status == SM_OK && format != FORMAT)
        return sm_fail(SM_ERR_FORMAT, "it is of another version of shardmill than " SM_VERSION);
    if (status == SM_OK) status = take_path(&task->dst, header, "dst");
    if (status == SM_OK) status = take_path(&task->inputs.base, header, "base");
    if (status == SM_OK) status = sm_json_get_u64(&task->memory, header, "memory");
    if (status == SM_OK) status = take_classes(&task->inputs, header);
    if (status == SM_OK) status = take_columns(&task->inputs, header);
    if (status == SM_OK)
        status = sm_options_from_json(&task->options, json_object_get(header, "options"));
    task->inputs.labelled = json_is_true(json_object_get(header, "labelled"));
    const size_t count = json_array_size(splits);
    if (status == SM_OK && (count == 0 || count > SM_MAX_SPLITS))
        status = sm_fail(SM_ERR_CORRUPT, "%zu splits make no sense", count);
    for (size_t i = 0; status == SM_OK && i < count; i++) {
        split_names[i] = json_string_value(json_object_get(json_array_get(splits, i), "name"));
        if (split_names[i] == NULL || strlen(split_names[i]) >= SM_NAME_MAX)
            status = sm_fail(SM_ERR_CORRUPT, "a split has no name");
    }
    if (status == SM_OK)
        status = sm_plan_restore(&task->plan, &task->inputs, &task->options, split_names, count);
    return status;
}

sm_status sm_task_plan_read(sm_task_plan *task, const char *header)
{
    *task = (sm_task_plan){0};
    sm_buf_init(&task->inputs.text, SIZE_MAX / 2);
    sm_names_init(&task->inputs.classes);
    sm_names_init(&task->inputs.splits);
    sm_buf text;
    sm_buf_init(&text, HEADER_LIMIT);
    sm_status status = sm_io_read_file(&text, header, NULL);
    if (status == SM_ERR_NOT_FOUND)
        sm_fail_prefix(status, "the tasks are gone, or their store is not seen from here");
    if (status == SM_OK) {
        json_error_t error;
        task->header =
            json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
        status =
            task->header == NULL ? sm_fail(SM_ERR_CORRUPT, "%s", error.text) : take_header(task);
        if (status != SM_OK) sm_fail_prefix(status, "'%s' cannot be understood", header);
    }
    sm_buf_free(&text);
    return status;
}

/* ---- Reading inputs */

/* The next NUL-ended string of text from *at on; NULL when there is none. */
static const char *next_text(const sm_buf *text, size_t *at)
{
    const char *begin = (const char *)text->data + *at;
    const char *end = *at < text->len ? memchr(begin, '\0', text->len - *at) : NULL;
    if (end != NULL) *at += (size_t)(end - begin) + 1;
    return end == NULL ? NULL : begin;
}

/* A decimal number and the byte behind it. */
static bool take_number(uint64_t *value, const char **text, char behind)
{
    char *end;
    errno = 0;
    if (**text < '0' || **text > '9') return false;
    *value = strtoull(*text, &end, 10);
    if (errno != 0 || *end != behind) return false;
    *text = end + (behind != '\0');
    return true;
}

static bool take_numbers(sm_input *input, const sm_inputs *inputs, const char *text)
{
    uint64_t class_id;
    if (!take_number(&input->size, &text, ' ') || !take_number(&input->version, &text, ' ') ||
        !take_number(&class_id, &text, '\0'))
        return false;
    input->class_id = (uint32_t)class_id;
    return inputs->labelled ? class_id < inputs->classes.count : class_id == SM_NO_CLASS;
}

/* The text stays where it is, and inputs point into it. */
static sm_status take_inputs(sm_inputs *inputs, size_t count, uint16_t split)
{
    const sm_buf *text = &inputs->text;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        sm_input *input = &inputs->items[i];
        *input = (sm_input){.split = split};
        const char *numbers = next_text(text, &at);
        input->path = at;
        bool good =
            numbers != NULL && take_numbers(input, inputs, numbers) && next_text(text, &at) != NULL;
        input->columns = at;
        for (size_t c = 0; good && c < inputs->column_count; c++)
            good = next_text(text, &at) != NULL;
        if (!good) return sm_fail(SM_ERR_CORRUPT, "input %zu of the task makes no sense", i);
        if (inputs->column_count == 0) input->columns = input->path; /* of which none are read */
    }
    inputs->count = count;
    return at == text->len ? SM_OK : sm_fail(SM_ERR_CORRUPT, "the task has more inputs");
}

sm_status sm_task_plan_inputs(sm_task_plan *task, const char *file, sm_task_place place,
                              size_t count, uint16_t split)
{
    enum { LEAST = sizeof "0 0 0" + 1 }; /* bytes of an input */
    sm_inputs *inputs = &task->inputs;
    if (place.length > INPUTS_LIMIT || count > place.length / LEAST ||
        split >= task->plan.split_count)
        return sm_fail(SM_ERR_CORRUPT, "the task's numbers make no sense");
    inputs->items = calloc(count + 1, sizeof *inputs->items);
    if (inputs->items == NULL) return sm_fail_memory(count * sizeof *inputs->items);
    sm_status status = sm_io_read_range(&inputs->text, file, place.offset, place.length);
    if (status == SM_OK && inputs->text.len != place.length)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' is too short for the task", file);
    if (status == SM_OK) status = take_inputs(inputs, count, split);
    if (status == SM_OK) task->plan.splits[split].inputs = count;
    return status;
}

void sm_task_plan_free(sm_task_plan *task)
{
    sm_plan_free(&task->plan);
    sm_inputs_free(&task->inputs);
    json_decref(task->header);
    free(task->dst);
    *task = (sm_task_plan){0};
}
