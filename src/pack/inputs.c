#include "pack/inputs.h"

#include "core/array.h"
#include "core/json.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/lines.h"

#include <stdlib.h>
#include <string.h>

sm_status sm_inputs_keep_text(sm_inputs *inputs, size_t *offset, const char *text)
{
    const sm_pack_options *o = inputs->options; /* every input and note comes by here */
    if (o != NULL && o->is_cancelled != NULL && o->is_cancelled(o->user))
        return sm_fail(SM_ERR_CANCELLED, "stopped on request");
    size_t at = inputs->text.len;
    sm_status status = sm_buf_append(&inputs->text, text, strlen(text) + 1);
    if (status == SM_OK) *offset = at;
    return status;
}

sm_status sm_inputs_note(sm_inputs *inputs, const char *path, sm_reason reason, const char *message)
{
    sm_note note = {.reason = reason};
    sm_status status =
        sm_array_grow(&inputs->notes, &inputs->note_cap, inputs->note_count, sizeof *inputs->notes);
    if (status == SM_OK) status = sm_inputs_keep_text(inputs, &note.path, path);
    if (status == SM_OK) status = sm_inputs_keep_text(inputs, &note.message, message);
    if (status == SM_OK) inputs->notes[inputs->note_count++] = note;
    return status;
}

sm_status sm_inputs_add(sm_inputs *inputs, sm_input **input, const char *path)
{
    sm_status status =
        sm_array_grow(&inputs->items, &inputs->cap, inputs->count, sizeof *inputs->items);
    if (status != SM_OK) return status;
    sm_input *added = &inputs->items[inputs->count];
    *added = (sm_input){.class_id = SM_NO_CLASS, .split = SM_NO_SPLIT};
    status = sm_inputs_keep_text(inputs, &added->path, path);
    if (status != SM_OK) return status;
    inputs->count++;
    *input = added;
    return SM_OK;
}

sm_status sm_inputs_add_named(sm_inputs *inputs, sm_input **input, const char *path)
{
    sm_buf full;
    sm_buf_init(&full, SM_PATH_LIMIT);
    sm_status status = sm_inputs_full_path(&full, inputs, path);
    if (status == SM_OK) status = sm_inputs_add(inputs, input, path);
    sm_file_info info;
    if (status == SM_OK && sm_io_stat(&info, (const char *)full.data) == SM_OK) {
        (*input)->size = info.size;
        (*input)->version = info.version;
    }
    sm_buf_free(&full);
    return status;
}

sm_status sm_inputs_full_path(sm_buf *full, const sm_inputs *inputs, const char *path)
{
    sm_buf_clear(full);
    bool whole = path[0] == '/' || strstr(path, "://") != NULL;
    size_t base_len = whole ? 0 : strlen(inputs->base);
    sm_status status = sm_buf_append(full, inputs->base, base_len);
    if (status == SM_OK && base_len > 0 && inputs->base[base_len - 1] != '/')
        status = sm_buf_append(full, "/", 1);
    if (status == SM_OK) status = sm_buf_append(full, path, strlen(path) + 1);
    if (status == SM_OK) full->len--;
    return status;
}

/* ---- Classes */

/* The name of the folder that holds path, in folder (cap bytes); "" when path names none. */
static sm_status parent_name(char *folder, size_t cap, const char *path)
{
    const char *end = strrchr(path, '/');
    const char *begin = end;
    while (begin != NULL && begin > path && begin[-1] != '/') begin--;
    size_t len = end == NULL ? 0 : (size_t)(end - begin);
    if (len >= cap) return sm_fail(SM_ERR_LIMIT, "the folder name in '%s' is too long", path);
    memcpy(folder, begin == NULL ? "" : begin, len);
    folder[len] = '\0';
    return SM_OK;
}

static sm_status label_by_folder(sm_inputs *inputs)
{
    char folder[4096], last[4096] = "";
    uint32_t last_id = SM_NO_CLASS;
    for (size_t i = 0; i < inputs->count; i++) {
        const char *path = sm_inputs_text(inputs, inputs->items[i].path);
        sm_status status = parent_name(folder, sizeof folder, path);
        if (status != SM_OK) return status;
        if (folder[0] == '\0') continue;
        if (strcmp(folder, last) != 0) { /* neighbours mostly share their folder */
            status = sm_names_add(&inputs->classes, &last_id, folder);
            if (status != SM_OK) return status;
            memcpy(last, folder, sizeof last);
        }
        inputs->items[i].class_id = last_id;
    }
    return SM_OK;
}

/* Readers of the file of class names strip white space and drop empty lines, which would give other
 * classes other numbers. */
static sm_status check_class_names(const sm_names *classes)
{
    static const char blanks[] = " \t\n\v\f\r";
    for (size_t i = 0; i < classes->count; i++) {
        const char *name = sm_names_get(classes, i);
        size_t len = strlen(name);
        if (!sm_json_is_utf8(name))
            return sm_fail(
                SM_ERR_USAGE,
                "the class name '%s' is not UTF-8, which the file of class names must be: "
                "rename the folder, or name classes in a --manifest",
                name);
        if (strpbrk(name, "\n\v\f\r") != NULL || strchr(blanks, name[0]) != NULL ||
            strchr(blanks, name[len - 1]) != NULL)
            return sm_fail(SM_ERR_USAGE,
                           "a class name must not begin or end with white space, nor hold a line "
                           "break: '%s'",
                           name);
    }
    return SM_OK;
}

/* Numbers classes by name, or as wanted says when it is not NULL. */
static sm_status number_classes(sm_inputs *inputs, sm_names *wanted)
{
    size_t count = inputs->classes.count;
    uint32_t *new_of_old = malloc((count + 1) * sizeof *new_of_old);
    if (new_of_old == NULL) return sm_fail_memory(count * sizeof *new_of_old);
    sm_status status = SM_OK;
    if (wanted == NULL) {
        status = sm_names_sort(&inputs->classes, new_of_old);
    } else {
        for (size_t i = 0; i < count; i++) {
            int64_t number = sm_names_find(wanted, sm_names_get(&inputs->classes, i));
            new_of_old[i] = number == SM_NO_NAME ? SM_NO_CLASS : (uint32_t)number;
        }
    }
    for (size_t i = 0; status == SM_OK && i < inputs->count; i++) {
        sm_input *input = &inputs->items[i];
        if (input->class_id == SM_NO_CLASS) continue;
        uint32_t old = input->class_id;
        input->class_id = new_of_old[old];
        if (input->class_id == SM_NO_CLASS)
            input->class_id = SM_NO_CLASS - 1; /* has a class, but none that is wanted */
    }
    free(new_of_old);
    return status;
}

/* Takes out the inputs without a class and those of classes that are not wanted, as skips. */
static sm_status drop_classless(sm_inputs *inputs)
{
    size_t kept = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        const sm_input *input = &inputs->items[i];
        if (input->class_id < SM_NO_CLASS - 1) {
            inputs->items[kept++] = *input;
            continue;
        }
        bool none = input->class_id == SM_NO_CLASS;
        sm_buf path; /* the text may move while the note is added */
        sm_buf_init(&path, SM_PATH_LIMIT);
        const char *text = sm_inputs_text(inputs, input->path);
        sm_status status = sm_buf_append(&path, text, strlen(text) + 1);
        if (status == SM_OK)
            status = sm_inputs_note(inputs, (const char *)path.data,
                                    none ? SM_SKIP_NO_CLASS : SM_SKIP_OTHER_CLASS,
                                    none ? "lies in no class folder" : "its class is not listed");
        sm_buf_free(&path);
        if (status != SM_OK) return status;
    }
    inputs->count = kept;
    return SM_OK;
}

static sm_status read_classes(sm_names *classes, const char *path)
{
    sm_lines *lines = NULL;
    sm_buf line;
    sm_buf_init(&line, SM_PATH_LIMIT);
    sm_status status = sm_lines_open(&lines, path);
    for (bool more = true; status == SM_OK;) {
        status = sm_lines_next(lines, &more, &line);
        if (status != SM_OK || !more) break;
        const char *name = (const char *)line.data;
        if (*name == '\0') continue;
        size_t before = classes->count;
        uint32_t number;
        status = sm_names_add(classes, &number, name);
        if (status == SM_OK && classes->count == before)
            status = sm_fail(SM_ERR_USAGE, "'%s' names the class '%s' twice", path, name);
    }
    if (status == SM_OK && classes->count == 0)
        status = sm_fail(SM_ERR_USAGE, "'%s' names no class", path);
    sm_lines_close(lines);
    sm_buf_free(&line);
    return status;
}

static sm_status settle_classes(sm_inputs *inputs, const char *classes_file)
{
    sm_names wanted;
    sm_names_init(&wanted);
    sm_status status = SM_OK;
    if (classes_file != NULL) status = read_classes(&wanted, classes_file);
    if (status == SM_OK) status = number_classes(inputs, classes_file == NULL ? NULL : &wanted);
    if (status == SM_OK) status = drop_classless(inputs);
    if (status == SM_OK && classes_file != NULL) {
        sm_names swap = inputs->classes;
        inputs->classes = wanted;
        wanted = swap;
    }
    if (status == SM_OK) status = check_class_names(&inputs->classes);
    sm_names_free(&wanted);
    return status;
}

/* ---- Collecting */

static sm_status set_base(sm_inputs *inputs, const char *src, const char *beside)
{
    const char *slash = src == NULL && beside != NULL ? strrchr(beside, '/') : NULL;
    if (src != NULL)
        inputs->base = strdup(src);
    else if (slash != NULL)
        inputs->base = strndup(beside, (size_t)(slash - beside) + 1);
    else
        inputs->base = strdup("");
    return inputs->base == NULL ? sm_fail_memory(1) : SM_OK;
}

static sm_status collect(sm_inputs *inputs, const char *src, const sm_pack_options *options)
{
    const char *table = options->list_file != NULL ? options->list_file : options->manifest_file;
    sm_file_info info;
    sm_status status;
    if (table != NULL) {
        status = set_base(inputs, src, table);
        if (status != SM_OK) return status;
        return options->list_file != NULL ? sm_inputs_collect_list(inputs, table)
                                          : sm_inputs_collect_manifest(inputs, table);
    }
    if (sm_io_is_remote(src)) { /* prefixes are no folders that could be looked at */
        status = set_base(inputs, src, NULL);
        return status != SM_OK ? status : sm_inputs_collect_folder(inputs, src);
    }
    if (sm_io_stat(&info, src) == SM_OK) {
        if (info.kind != SM_FILE_FOLDER)
            return sm_fail(SM_ERR_USAGE,
                           "'%s' is not a folder: give a folder or a glob, or name a file of paths "
                           "with --list or --manifest",
                           src);
        status = set_base(inputs, src, NULL);
        return status != SM_OK ? status : sm_inputs_collect_folder(inputs, src);
    }
    if (strpbrk(src, "*?[") == NULL)
        return sm_fail_prefix(sm_io_stat(&info, src), "there are no pictures");
    status = set_base(inputs, NULL, NULL);
    return status != SM_OK ? status : sm_inputs_collect_glob(inputs, src);
}

sm_status sm_inputs_collect(sm_inputs *inputs, const char *src, const sm_pack_options *options)
{
    *inputs = (sm_inputs){.options = options};
    sm_buf_init(&inputs->text, SIZE_MAX / 2);
    sm_names_init(&inputs->classes);
    sm_names_init(&inputs->splits);

    sm_status status = collect(inputs, src, options);
    if (status != SM_OK) return status;
    size_t found = inputs->count;
    bool by_folder = options->labels == SM_LABELS_FOLDER && options->manifest_file == NULL;
    if (by_folder) {
        inputs->labelled = true;
        status = label_by_folder(inputs);
    } else if (options->labels == SM_LABELS_NONE) {
        inputs->labelled = false;
    }
    bool needs_labels = options->classes_file != NULL || options->schema == SM_SCHEMA_FAST_AND_LEAN;
    if (status == SM_OK && needs_labels && !inputs->labelled)
        status = sm_fail(SM_ERR_USAGE, "'%s' has no column named label: %s needs it",
                         options->manifest_file,
                         options->classes_file != NULL ? "--classes" : "--schema fast-and-lean");
    if (status == SM_OK && inputs->labelled) status = settle_classes(inputs, options->classes_file);
    if (status == SM_OK && inputs->count == 0 && found > 0)
        status = sm_fail(SM_ERR_USAGE,
                         by_folder ? "none of the %zu pictures lies in a folder that names its "
                                     "class: use --labels none, or --manifest"
                                   : "none of the %zu pictures has a class that is wanted",
                         found);
    return status;
}

void sm_inputs_free(sm_inputs *inputs)
{
    free(inputs->base);
    sm_buf_free(&inputs->text);
    free(inputs->items);
    free(inputs->notes);
    sm_names_free(&inputs->classes);
    sm_names_free(&inputs->splits);
    for (size_t i = 0; i < inputs->column_count; i++) free(inputs->columns[i].name);
    *inputs = (sm_inputs){0};
}
