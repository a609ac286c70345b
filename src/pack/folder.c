/* Inputs of a folder tree, a glob, or a list of paths. */
#include "core/status.h"
#include "image/image.h"
#include "io/io.h"
#include "pack/inputs.h"
#include "pack/lines.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A folder being walked; prefix goes before the paths that the walk gives ("" or "folder/"). */
typedef struct collecting {
    sm_inputs *inputs;
    const char *prefix;
    sm_buf path, full;
} collecting;

/* Whether the file's first bytes are an image's. One that cannot be read counts as an image: it
 * then fails when it is packed, and is named. */
static sm_status has_image_content(bool *is_image, collecting *c)
{
    *is_image = true;
    sm_status status = sm_inputs_full_path(&c->full, c->inputs, (const char *)c->path.data);
    if (status != SM_OK) return status;
    sm_source *source;
    if (sm_source_open(&source, (const char *)c->full.data) != SM_OK) return SM_OK;
    uint8_t head[SM_SNIFF_BYTES];
    size_t got;
    if (sm_source_read(source, &got, head, sizeof head) == SM_OK)
        *is_image = sm_sniff(head, got) != SM_FORMAT_UNKNOWN;
    sm_source_close(source);
    return SM_OK;
}

static sm_status add_file(collecting *c, const sm_file_info *info)
{
    const char *path = (const char *)c->path.data;
    if (!sm_is_image_name(path)) {
        bool is_image;
        sm_status status = has_image_content(&is_image, c);
        if (status != SM_OK) return status;
        if (!is_image)
            return sm_inputs_note(c->inputs, path, SM_SKIP_NOT_AN_IMAGE,
                                  "neither its name nor its content is an image's");
    }
    sm_input *input;
    sm_status status = sm_inputs_add(c->inputs, &input, path);
    if (status != SM_OK) return status;
    input->size = info->size;
    input->version = info->version;
    return SM_OK;
}

static sm_status on_entry(void *user, sm_walk_event event, const char *path,
                          const sm_file_info *info)
{
    collecting *c = user;
    char reason[SM_ERROR_MAX]; /* before anything else can fail */
    snprintf(reason, sizeof reason, "%s", sm_last_error());

    sm_buf_clear(&c->path);
    sm_status status = sm_buf_append_str(&c->path, c->prefix);
    if (status == SM_OK) status = sm_buf_append(&c->path, path, strlen(path) + 1);
    if (status != SM_OK) return status;
    const char *name = (const char *)c->path.data;
    sm_input *input;
    switch (event) {
    case SM_WALK_FILE: return add_file(c, info);
    case SM_WALK_HIDDEN:
        return sm_inputs_note(c->inputs, name, SM_SKIP_HIDDEN, "its name begins with a dot");
    case SM_WALK_SPECIAL:
        return sm_inputs_note(c->inputs, name, SM_SKIP_SPECIAL_FILE, "a FIFO, socket or device");
    case SM_WALK_LOOP:
        return sm_inputs_note(c->inputs, name, SM_SKIP_LINK_LOOP, "a link to a folder above it");
    case SM_WALK_BROKEN: return sm_inputs_add(c->inputs, &input, name);
    case SM_WALK_UNREADABLE:
        return sm_inputs_note(c->inputs, name, SM_FAIL_UNREADABLE_FOLDER, reason);
    }
    return SM_OK;
}

/* Inputs and notes are compared through this while qsort runs; one thread plans at a time. */
static _Thread_local const char *sorted_text;

static int by_path(const void *left, const void *right)
{
    /* sm_input and sm_note both begin with the path's offset. */
    const size_t *a = left, *b = right;
    return strcmp(sorted_text + *a, sorted_text + *b);
}

static void sort_by_path(sm_inputs *inputs)
{
    sorted_text = (const char *)inputs->text.data;
    if (inputs->count > 0) qsort(inputs->items, inputs->count, sizeof *inputs->items, by_path);
    if (inputs->note_count > 0)
        qsort(inputs->notes, inputs->note_count, sizeof *inputs->notes, by_path);
}

static sm_status walk_folder(sm_inputs *inputs, const char *folder, const char *prefix)
{
    collecting c = {.inputs = inputs, .prefix = prefix};
    sm_buf_init(&c.path, SM_PATH_LIMIT);
    sm_buf_init(&c.full, SM_PATH_LIMIT);
    sm_status status = sm_io_walk(folder, on_entry, &c);
    sm_buf_free(&c.path);
    sm_buf_free(&c.full);
    return status;
}

sm_status sm_inputs_collect_folder(sm_inputs *inputs, const char *src)
{
    sm_status status = walk_folder(inputs, src, "");
    /* The folder itself: then there is nothing to count, and it is the user's mistake. */
    for (size_t i = 0; status == SM_OK && i < inputs->note_count; i++) {
        const sm_note *note = &inputs->notes[i];
        if (note->reason == SM_FAIL_UNREADABLE_FOLDER &&
            *sm_inputs_text(inputs, note->path) == '\0')
            status = sm_fail(SM_ERR_ACCESS, "%s", sm_inputs_text(inputs, note->message));
    }
    if (status == SM_OK) sort_by_path(inputs);
    return status;
}

/* One path that the pattern matched: a file, or a folder with all that is in it. */
static sm_status add_match(sm_inputs *inputs, const char *path)
{
    sm_file_info info;
    sm_status status;
    sm_input *input;
    if (sm_io_stat(&info, path) != SM_OK) return sm_inputs_add(inputs, &input, path);
    if (info.kind == SM_FILE_SPECIAL)
        return sm_inputs_note(inputs, path, SM_SKIP_SPECIAL_FILE, "a FIFO, socket or device");

    collecting c = {.inputs = inputs, .prefix = ""};
    sm_buf_init(&c.path, SM_PATH_LIMIT);
    sm_buf_init(&c.full, SM_PATH_LIMIT);
    status = sm_buf_append(&c.path, path, strlen(path) + 1);
    if (status == SM_OK && info.kind == SM_FILE_REGULAR) {
        status = add_file(&c, &info);
    } else if (status == SM_OK) {
        c.path.len--;
        status = sm_buf_append(&c.path, "/", 2);
        if (status == SM_OK) status = walk_folder(inputs, path, (const char *)c.path.data);
    }
    sm_buf_free(&c.path);
    sm_buf_free(&c.full);
    return status;
}

sm_status sm_inputs_collect_glob(sm_inputs *inputs, const char *pattern)
{
    glob_t matches;
    int failed = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &matches);
    if (failed == GLOB_NOMATCH) return sm_fail(SM_ERR_NOT_FOUND, "nothing matches '%s'", pattern);
    if (failed != 0)
        return sm_fail(failed == GLOB_NOSPACE ? SM_ERR_MEMORY : SM_ERR_ACCESS,
                       "cannot list what matches '%s'", pattern);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < matches.gl_pathc; i++)
        status = add_match(inputs, matches.gl_pathv[i]);
    globfree(&matches);
    if (status == SM_OK) sort_by_path(inputs);
    return status;
}

sm_status sm_inputs_collect_list(sm_inputs *inputs, const char *list_file)
{
    sm_lines *lines = NULL;
    sm_buf line;
    sm_buf_init(&line, SM_PATH_LIMIT);
    sm_status status = sm_lines_open(&lines, list_file);
    for (bool more = true; status == SM_OK;) {
        status = sm_lines_next(lines, &more, &line);
        if (status != SM_OK || !more) break;
        sm_input *input;
        if (line.len > 0) status = sm_inputs_add_named(inputs, &input, (const char *)line.data);
    }
    sm_lines_close(lines);
    sm_buf_free(&line);
    return status;
}
