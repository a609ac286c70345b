#include "measure/dataset.h"

#include "core/array.h"
#include "image/image.h"
#include "io/io.h"
#include "measure/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct listing {
    sm_dataset *dataset;
    size_t cap;
    sm_buf path;
    const char *root; /* what paths begin with; "": they are whole */
    size_t of_format[SM_MEASURE_FORMATS];
    uint8_t *formats; /* of each object */
    size_t formats_cap;
} listing;

const char *sm_dataset_path(const sm_dataset *dataset, size_t object)
{
    return (const char *)dataset->text.data + dataset->objects[object].path;
}

/* ---- What a file is, by its name */

static bool ends_with(const char *name, size_t len, const char *ending)
{
    const size_t n = strlen(ending);
    return len >= n && memcmp(name + len - n, ending, n) == 0;
}

/* "flowers-train.tfrecord-00000-of-00016", "a.tfrecords", "b.tfrec"; no ".json" behind it. */
static bool is_tfrecord_name(const char *name)
{
    const char *at = strstr(name, ".tfrec");
    if (at == NULL) return false;
    at += strlen(".tfrec");
    if (strncmp(at, "ord", 3) == 0) at += 3;
    if (*at == 's') at++;
    if (*at == '-') at += 1 + strspn(at + 1, "0123456789of-");
    return *at == '\0' || strcmp(at, ".gz") == 0;
}

static sm_measure_format format_of_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (is_tfrecord_name(name)) return SM_MEASURE_TFRECORD;
    if (ends_with(name, strlen(name), ".tar")) return SM_MEASURE_WEBDATASET;
    return sm_is_image_name(name) ? SM_MEASURE_FILES : SM_MEASURE_AUTO;
}

/* ---- Listing */

static sm_status add(listing *l, const char *path, uint64_t size)
{
    sm_dataset *d = l->dataset;
    sm_status status = sm_array_grow(&d->objects, &l->cap, d->count, sizeof *d->objects);
    if (status == SM_OK) status = sm_array_grow(&l->formats, &l->formats_cap, d->count, 1);
    if (status != SM_OK) return status;
    d->objects[d->count] = (sm_object){.path = d->text.len, .size = size};
    l->formats[d->count] = (uint8_t)format_of_name(path);
    l->of_format[l->formats[d->count]]++;
    if (*l->root != '\0') {
        status = sm_buf_append_str(&d->text, l->root);
        if (status == SM_OK && !ends_with(l->root, strlen(l->root), "/"))
            status = sm_buf_append(&d->text, "/", 1);
    }
    if (status == SM_OK) status = sm_buf_append(&d->text, path, strlen(path) + 1);
    if (status == SM_OK) d->count++;
    return status;
}

static sm_status on_entry(void *user, sm_walk_event event, const char *path,
                          const sm_file_info *info)
{
    if (event == SM_WALK_UNREADABLE || event == SM_WALK_BROKEN)
        return sm_fail(SM_ERR_ACCESS, "%s", sm_last_error());
    return event == SM_WALK_FILE ? add(user, path, info->size) : SM_OK;
}

/* ---- Choosing */

static sm_status choose_format(sm_measure_format *format, const listing *l)
{
    sm_measure_format found = SM_MEASURE_AUTO;
    for (int i = SM_MEASURE_FILES; i < SM_MEASURE_FORMATS; i++) {
        if (l->of_format[i] == 0) continue;
        if (found != SM_MEASURE_AUTO)
            return sm_fail(SM_ERR_USAGE,
                           "'%s' holds more than one format (%s, %s): name the folder of one, or "
                           "say --format",
                           l->dataset->source, sm_measure_format_name((int)found),
                           sm_measure_format_name(i));
        found = (sm_measure_format)i;
    }
    if (found == SM_MEASURE_AUTO)
        return sm_fail(SM_ERR_NOT_FOUND,
                       "'%s' holds no image files, TFRecord files or tar files by their names; "
                       "--format says what other names are",
                       l->dataset->source);
    *format = found;
    return SM_OK;
}

/* Keeps what is of the format, or all where no name is. */
static void keep(const listing *l)
{
    sm_dataset *d = l->dataset;
    size_t kept = 0;
    const bool all = l->of_format[d->format] == 0;
    for (size_t i = 0; i < d->count; i++) {
        if (!all && l->formats[i] != (uint8_t)d->format) continue;
        d->objects[kept++] = d->objects[i];
        d->bytes += d->objects[i].size;
        if (d->objects[i].size > d->largest) d->largest = d->objects[i].size;
    }
    d->count = kept;
}

static int by_path(const void *left, const void *right, void *text)
{
    const sm_object *a = left, *b = right;
    return strcmp((const char *)text + a->path, (const char *)text + b->path);
}

static sm_status list(listing *l, const char *root)
{
    sm_file_info info;
    sm_status status = sm_io_stat(&info, root);
    if (status != SM_OK) return status;
    l->root = info.kind == SM_FILE_FOLDER ? root : "";
    return info.kind == SM_FILE_FOLDER ? sm_io_walk(root, on_entry, l) : add(l, root, info.size);
}

static sm_status make_counts(sm_dataset *dataset)
{
    if (dataset->format == SM_MEASURE_FILES) return SM_OK;
    dataset->images = malloc(dataset->count * sizeof *dataset->images);
    if (dataset->images == NULL) return sm_fail_memory(dataset->count * sizeof *dataset->images);
    for (size_t i = 0; i < dataset->count; i++) dataset->images[i] = UINT64_MAX;
    return SM_OK;
}

sm_status sm_dataset_open(sm_dataset *dataset, const char *source, sm_measure_format format)
{
    *dataset = (sm_dataset){.source = source, .is_remote = sm_io_is_remote(source)};
    sm_buf_init(&dataset->text, SIZE_MAX / 2);
    listing l = {.dataset = dataset};
    const char *path = source;
    if (strncmp(path, "file://", 7) == 0) path += 7;
    char *root = sm_io_trimmed(path);
    sm_status status = root == NULL ? sm_fail_memory(strlen(path)) : list(&l, root);
    if (status == SM_OK && format == SM_MEASURE_AUTO) status = choose_format(&format, &l);
    if (status == SM_OK) {
        dataset->format = format;
        keep(&l);
        if (dataset->count == 0) status = sm_fail(SM_ERR_NOT_FOUND, "'%s' holds no files", source);
    }
    if (status == SM_OK) status = make_counts(dataset);
    if (status == SM_OK) {
        qsort_r(dataset->objects, dataset->count, sizeof *dataset->objects, by_path,
                dataset->text.data);
        if (!dataset->is_remote) sm_evidence_place(dataset, root);
    }
    free(root);
    free(l.formats);
    if (status != SM_OK) sm_dataset_close(dataset);
    return status;
}

int64_t sm_dataset_images(const sm_dataset *dataset)
{
    if (dataset->format == SM_MEASURE_FILES) return (int64_t)dataset->count;
    int64_t sum = 0;
    for (size_t i = 0; sum >= 0 && i < dataset->count; i++)
        sum = dataset->images[i] == UINT64_MAX ? -1 : sum + (int64_t)dataset->images[i];
    return sum;
}

void sm_dataset_close(sm_dataset *dataset)
{
    free(dataset->images);
    sm_buf_free(&dataset->text);
    free(dataset->objects);
    *dataset = (sm_dataset){0};
}
