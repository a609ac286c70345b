/* sm_verify: a packed set, or one file of records, held against what it says of itself. */
#include "pack/verify.h"
#include "core/array.h"
#include "core/machine.h"
#include "core/status.h"
#include "image/image.h"
#include "io/io.h"
#include "shard/tfrecord.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sm_verify_options_init(sm_verify_options *options)
{
    *options = (sm_verify_options){0};
}

void sm_check_report(sm_checking *checking, const char *file, uint64_t offset, const char *message)
{
    char copy[SM_ERROR_MAX]; /* message may be the thread's error line */
    snprintf(copy, sizeof copy, "%s", message);
    pthread_mutex_lock(&checking->lock);
    checking->sums.problems++;
    if (checking->options->on_problem != NULL)
        checking->options->on_problem(checking->options->user, file, offset, copy);
    pthread_mutex_unlock(&checking->lock);
}

sm_status sm_check_add(sm_checking *checking, const char *path, uint64_t records, uint64_t bytes)
{
    sm_status status =
        sm_array_grow(&checking->tasks, &checking->cap, checking->count, sizeof *checking->tasks);
    if (status != SM_OK) return status;
    char *copy = strdup(path);
    if (copy == NULL) return sm_fail_memory(strlen(path));
    checking->tasks[checking->count++] = (sm_check_task){copy, records, bytes};
    return SM_OK;
}

static bool is_cancelled(const sm_checking *c)
{
    return c->options->is_cancelled != NULL && c->options->is_cancelled(c->options->user);
}

/* ---- Records */

static void check_picture(sm_checking *c, sm_picture *picture, const sm_check_task *t,
                          uint64_t offset, const uint8_t *data, size_t len)
{
    sm_picture_info info;
    const uint8_t *rgb;
    sm_status status = c->options->decode ? sm_picture_pixels(picture, &info, &rgb, data, len)
                                          : sm_picture_probe(picture, &info, data, len);
    if (status != SM_OK || (info.warnings > 0 && !c->keeps)) {
        char text[sizeof info.message + 32];
        snprintf(text, sizeof text, "its picture: %s", info.message);
        sm_check_report(c, t->path, offset, text);
    }
}

static void check_example(sm_checking *c, sm_picture *picture, const sm_check_task *t,
                          uint64_t offset, const uint8_t *data, size_t len)
{
    size_t position = 0;
    sm_feature feature;
    do {
        if (sm_example_next(&feature, &position, data, len) != SM_OK) {
            sm_check_report(c, t->path, offset, sm_last_error());
            return;
        }
    } while (feature.name != NULL);

    const uint8_t *image;
    size_t image_len;
    if (sm_example_find(&feature, data, len, "image") != SM_OK ||
        sm_feature_bytes(&image, &image_len, &feature, 0) != SM_OK)
        sm_check_report(c, t->path, offset,
                        "the record has no picture: no feature 'image' of bytes");
    else
        check_picture(c, picture, t, offset, image, image_len);
}

static sm_status check_records(sm_checking *c, sm_picture *picture, const sm_check_task *t,
                               sm_reader *reader)
{
    uint64_t records = 0;
    const uint8_t *data;
    size_t len;
    bool damaged = false;
    for (;;) {
        if (is_cancelled(c)) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
        sm_status status = sm_reader_next(reader, &data, &len);
        if (status == SM_ERR_CORRUPT) {
            sm_check_report(c, t->path, sm_reader_offset(reader), sm_reader_problem(reader));
            damaged = true;
            records++; /* it was one; when nothing more can be read the count is not told */
            continue;
        }
        if (status != SM_OK) return status;
        if (data == NULL) break;
        check_example(c, picture, t, sm_reader_offset(reader), data, len);
        records++;
    }
    if (!damaged && t->records != UINT64_MAX && records != t->records) {
        char text[128];
        snprintf(text, sizeof text, "it holds %llu records; the metadata say %llu",
                 (unsigned long long)records, (unsigned long long)t->records);
        sm_check_report(c, t->path, UINT64_MAX, text);
    }
    pthread_mutex_lock(&c->lock);
    c->sums.records += records;
    c->sums.shards++;
    pthread_mutex_unlock(&c->lock);
    return SM_OK;
}

static sm_status check_shard(sm_checking *c, sm_picture *picture, const sm_check_task *t)
{
    sm_file_info info;
    sm_reader *reader;
    sm_status status = sm_io_stat(&info, t->path);
    if (status == SM_OK) status = sm_reader_open(&reader, t->path);
    if (status == SM_ERR_CANCELLED) return status;
    if (status != SM_OK) {
        sm_check_report(c, t->path, UINT64_MAX, sm_last_error());
        return SM_OK;
    }
    pthread_mutex_lock(&c->lock);
    c->sums.bytes += info.size;
    pthread_mutex_unlock(&c->lock);
    if (t->bytes != UINT64_MAX && info.size != t->bytes) {
        char text[128];
        snprintf(text, sizeof text, "it has %llu bytes; its statistics say %llu",
                 (unsigned long long)info.size, (unsigned long long)t->bytes);
        sm_check_report(c, t->path, UINT64_MAX, text);
    }
    status = check_records(c, picture, t, reader);
    sm_reader_close(reader);
    return status;
}

static void *check_shards(void *arg)
{
    sm_checking *c = arg;
    sm_pack_options defaults;
    sm_pack_options_init(&defaults);
    defaults.picture.resize_mode = SM_RESIZE_NO;
    defaults.picture.decode = SM_DECODE_EXACT;
    sm_picture *picture = NULL;
    sm_status status = sm_picture_new(&picture, &defaults.picture);
    for (size_t i; status == SM_OK && (i = atomic_fetch_add(&c->next, 1)) < c->count;)
        status = check_shard(c, picture, &c->tasks[i]);
    sm_picture_free(picture);
    if (status != SM_OK) {
        atomic_store(&c->next, c->count); /* the others need not begin another */
        pthread_mutex_lock(&c->lock);
        if (c->status == SM_OK) {
            c->status = status;
            snprintf(c->error, sizeof c->error, "%s", sm_last_error());
        }
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

static sm_status run_threads(sm_checking *c)
{
    size_t count = c->options->threads > 0 ? c->options->threads : sm_machine_threads();
    if (count > c->count) count = c->count;
    pthread_t *threads = calloc(count + 1, sizeof *threads);
    if (threads == NULL) return sm_fail_memory(count * sizeof *threads);
    size_t started = 0;
    int error = 0;
    while (started < count && error == 0) {
        error = pthread_create(&threads[started], NULL, check_shards, c);
        if (error == 0) started++;
    }
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    if (error != 0) return sm_fail_errno(error, "cannot start a thread");
    return c->status == SM_OK ? SM_OK : sm_fail(c->status, "%s", c->error);
}

sm_status sm_verify(sm_verify_summary *summary, const char *path, const sm_verify_options *options)
{
    const uint64_t begin = sm_clock_ns();
    sm_checking c = {.options = options};
    pthread_mutex_init(&c.lock, NULL);
    sm_file_info info;
    char *folder = sm_io_trimmed(path);
    sm_status status = folder == NULL ? sm_fail_memory(strlen(path)) : sm_io_stat(&info, path);
    if (status == SM_OK)
        status = info.kind == SM_FILE_FOLDER ? sm_check_set(&c, folder)
                                             : sm_check_add(&c, path, UINT64_MAX, UINT64_MAX);
    if (status == SM_OK) status = run_threads(&c);
    for (size_t i = 0; i < c.count; i++) free(c.tasks[i].path);
    free(c.tasks);
    free(folder);
    pthread_mutex_destroy(&c.lock);
    c.sums.seconds = (double)(sm_clock_ns() - begin) / 1e9;
    if (summary != NULL) *summary = c.sums;
    if (status == SM_OK && c.sums.problems > 0)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' has %llu problems", path,
                         (unsigned long long)c.sums.problems);
    return status;
}
