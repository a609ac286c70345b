/* sm_verify: a packed set, or one file of records, held against what it says of itself. */
#include "core/json.h"
#include "core/machine.h"
#include "core/status.h"
#include "image/image.h"
#include "io/io.h"
#include "pack/result.h"
#include "pack/set.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_LIMIT = 1 << 16, INFO_LIMIT = 1 << 30 };

/* A shard to check. */
typedef struct task {
    char *path;
    uint64_t records; /* as the metadata have it; UINT64_MAX: not known */
    uint64_t bytes;
} task;

typedef struct checking {
    const sm_verify_options *options;
    task *tasks;
    size_t count;
    atomic_size_t next;
    pthread_mutex_t lock; /* of what follows, and of on_problem */
    sm_verify_summary sums;
    sm_status status; /* an error that is not the set's */
    char error[SM_ERROR_MAX];
} checking;

void sm_verify_options_init(sm_verify_options *options)
{
    *options = (sm_verify_options){0};
}

static void report(checking *c, const char *file, uint64_t offset, const char *message)
{
    char copy[SM_ERROR_MAX]; /* message may be the thread's error line */
    strncpy(copy, message, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    pthread_mutex_lock(&c->lock);
    c->sums.problems++;
    if (c->options->on_problem != NULL)
        c->options->on_problem(c->options->user, file, offset, copy);
    pthread_mutex_unlock(&c->lock);
}

static bool is_cancelled(const checking *c)
{
    return c->options->is_cancelled != NULL && c->options->is_cancelled(c->options->user);
}

/* ---- Records */

static void check_picture(checking *c, sm_picture *picture, const task *t, uint64_t offset,
                          const uint8_t *data, size_t len)
{
    sm_picture_info info;
    const uint8_t *rgb;
    sm_status status = c->options->decode ? sm_picture_pixels(picture, &info, &rgb, data, len)
                                          : sm_picture_probe(picture, &info, data, len);
    if (status != SM_OK || info.warnings > 0) {
        char text[sizeof info.message + 32];
        snprintf(text, sizeof text, "its picture: %s", info.message);
        report(c, t->path, offset, text);
    }
}

static void check_example(checking *c, sm_picture *picture, const task *t, uint64_t offset,
                          const uint8_t *data, size_t len)
{
    size_t position = 0;
    sm_feature feature;
    do {
        if (sm_example_next(&feature, &position, data, len) != SM_OK) {
            report(c, t->path, offset, sm_last_error());
            return;
        }
    } while (feature.name != NULL);

    const uint8_t *image;
    size_t image_len;
    if (sm_example_find(&feature, data, len, "image") != SM_OK ||
        sm_feature_bytes(&image, &image_len, &feature, 0) != SM_OK)
        report(c, t->path, offset, "the record has no picture: no feature 'image' of bytes");
    else
        check_picture(c, picture, t, offset, image, image_len);
}

static sm_status check_records(checking *c, sm_picture *picture, const task *t, sm_reader *reader)
{
    uint64_t records = 0;
    const uint8_t *data;
    size_t len;
    bool damaged = false;
    for (;;) {
        if (is_cancelled(c)) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
        sm_status status = sm_reader_next(reader, &data, &len);
        if (status == SM_ERR_CORRUPT) {
            report(c, t->path, sm_reader_offset(reader), sm_last_error());
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
        report(c, t->path, UINT64_MAX, text);
    }
    pthread_mutex_lock(&c->lock);
    c->sums.records += records;
    c->sums.shards++;
    pthread_mutex_unlock(&c->lock);
    return SM_OK;
}

static sm_status check_shard(checking *c, sm_picture *picture, const task *t)
{
    sm_file_info info;
    sm_reader *reader;
    sm_status status = sm_io_stat(&info, t->path);
    if (status == SM_OK) status = sm_reader_open(&reader, t->path);
    if (status != SM_OK) {
        report(c, t->path, UINT64_MAX, sm_last_error());
        return SM_OK;
    }
    pthread_mutex_lock(&c->lock);
    c->sums.bytes += info.size;
    pthread_mutex_unlock(&c->lock);
    if (t->bytes != UINT64_MAX && info.size != t->bytes) {
        char text[128];
        snprintf(text, sizeof text, "it has %llu bytes; its statistics say %llu",
                 (unsigned long long)info.size, (unsigned long long)t->bytes);
        report(c, t->path, UINT64_MAX, text);
    }
    status = check_records(c, picture, t, reader);
    sm_reader_close(reader);
    return status;
}

static void *check_shards(void *arg)
{
    checking *c = arg;
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
            strncpy(c->error, sm_last_error(), sizeof c->error - 1);
        }
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

static sm_status run_threads(checking *c)
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

/* ---- The set */

static sm_status add_task(checking *c, const char *path, uint64_t records, uint64_t bytes)
{
    task *grown = realloc(c->tasks, (c->count + 1) * sizeof *grown);
    if (grown == NULL) return sm_fail_memory((c->count + 1) * sizeof *grown);
    c->tasks = grown;
    char *copy = strdup(path);
    if (copy == NULL) return sm_fail_memory(strlen(path));
    c->tasks[c->count++] = (task){copy, records, bytes};
    return SM_OK;
}

/* dataset_info.json; NULL with a problem reported when it is not there or cannot be understood. */
static json_t *load_info(checking *c, const sm_set *set)
{
    sm_buf path, text;
    sm_buf_init(&path, PATH_LIMIT);
    sm_buf_init(&text, INFO_LIMIT);
    json_t *info = NULL;
    if (sm_set_path(&path, set, "dataset_info.json") == SM_OK &&
        sm_io_read_file(&text, (const char *)path.data, NULL) == SM_OK) {
        json_error_t error;
        info = json_loadb((const char *)text.data, text.len, 0, &error);
        if (info == NULL) sm_fail(SM_ERR_CORRUPT, "%s", error.text);
    }
    if (info == NULL) report(c, (const char *)path.data, UINT64_MAX, sm_last_error());
    sm_buf_free(&path);
    sm_buf_free(&text);
    return info;
}

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

static sm_status add_split(checking *c, const sm_set *set, size_t split, const json_t *info)
{
    const sm_set_split *s = &set->splits[split];
    const json_t *lengths = lengths_of(info, s->name);
    size_t shards = s->shards + s->retried;
    char name[SM_SHARD_NAME_MAX];
    sm_buf path;
    sm_buf_init(&path, PATH_LIMIT);
    if (info != NULL && json_array_size(lengths) != shards) {
        snprintf(name, sizeof name, "split '%s' has %zu shards; the metadata say %zu", s->name,
                 shards, json_array_size(lengths));
        report(c, set->dst, UINT64_MAX, name);
    }
    sm_status status = SM_OK;
    for (uint32_t i = 0; status == SM_OK && i < shards; i++) {
        status = sm_set_shard_name(name, set, split, i);
        sm_result result = {.bytes = UINT64_MAX};
        if (status == SM_OK && sm_result_read(&result, set->dst, name) != SM_OK)
            report(c, name, UINT64_MAX, sm_last_error());
        if (status == SM_OK) status = sm_set_path(&path, set, name);
        if (status == SM_OK)
            status = add_task(c, (const char *)path.data, length_at(lengths, i), result.bytes);
        sm_result_free(&result);
    }
    sm_buf_free(&path);
    return status;
}

static sm_status add_set(checking *c, const char *dst)
{
    sm_set set;
    sm_status status = sm_set_load(&set, dst);
    if (status == SM_ERR_NOT_FOUND)
        status = sm_fail(status, "'%s' holds no set: there is no plan.json", dst);
    if (status == SM_ERR_CORRUPT) {
        report(c, dst, UINT64_MAX, sm_last_error());
        status = SM_OK;
    } else if (status == SM_OK) {
        if (!set.complete)
            report(c, dst, UINT64_MAX, "the set is not finished: there is no _SUCCESS");
        json_t *info = load_info(c, &set);
        for (size_t i = 0; status == SM_OK && i < set.split_count; i++)
            status = add_split(c, &set, i, info);
        json_decref(info);
    }
    sm_set_free(&set);
    return status;
}

sm_status sm_verify(sm_verify_summary *summary, const char *path, const sm_verify_options *options)
{
    const uint64_t begin = sm_clock_ns();
    checking c = {.options = options};
    pthread_mutex_init(&c.lock, NULL);
    sm_file_info info;
    char *folder = sm_io_trimmed(path);
    sm_status status = folder == NULL ? sm_fail_memory(strlen(path)) : sm_io_stat(&info, path);
    if (status == SM_OK)
        status = info.kind == SM_FILE_FOLDER ? add_set(&c, folder)
                                             : add_task(&c, path, UINT64_MAX, UINT64_MAX);
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
