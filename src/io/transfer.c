/* Listing and copying between stores: what `shardmill ls` and `shardmill cp` do. */
#include "core/machine.h"
#include "core/queue.h"
#include "io/http_retry.h"
#include "io/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARALLEL = 16,
    PARALLEL_MAX = 256,
    WORKERS_MAX = 16,     /* threads; of more files at once each fetches several small ones */
    TRIES = 3,            /* of a large file that comes damaged */
    SMALL = 1 << 20,      /* bytes of a file that is read whole */
    BATCH_BYTES = 8 << 20 /* of small files read together */
};

static const uint64_t PROGRESS_NS = 100000000;

/* ---- Listing */

typedef struct listing {
    sm_listed_fn *on_file;
    void *user;
} listing;

static sm_status give_listed(void *user, sm_walk_event event, const char *path,
                             const sm_file_info *info)
{
    const listing *l = user;
    if (sm_is_stopping()) return sm_fail(SM_ERR_CANCELLED, "stopped");
    if (event == SM_WALK_UNREADABLE) return sm_fail(SM_ERR_ACCESS, "%s", sm_last_error());
    if (event != SM_WALK_FILE) return SM_OK;
    const sm_listed file = {.name = path, .size = info->size, .mtime_ns = info->mtime_ns};
    return l->on_file(l->user, &file);
}

static const char *last_component(const char *url)
{
    const char *slash = strrchr(url, '/');
    return slash == NULL ? url : slash + 1;
}

SM_API sm_status sm_list_files(const char *url, sm_listed_fn *on_file, void *user)
{
    sm_file_info info;
    listing l = {.on_file = on_file, .user = user};
    sm_status status = sm_io_stat(&info, url);
    if (status != SM_OK) return status;
    if (info.kind == SM_FILE_FOLDER) return sm_io_walk(url, give_listed, &l);
    return give_listed(&l, SM_WALK_FILE, last_component(url), &info);
}

/* ---- Copying */

/* Files that one worker copies: many small ones, or one that is not. */
typedef struct batch {
    sm_buf names; /* relative to src and dst, each with its NUL */
    sm_buf sizes; /* uint64_t each, as listed */
    size_t count;
    uint64_t bytes;
    bool is_small;
} batch;

typedef struct copying {
    const char *src, *dst; /* without slashes behind them */
    const sm_copy_options *options;
    bool is_server_side; /* the store can copy within itself */
    const sm_store *store;
    batch *filling;
    size_t batch_max;
    sm_queue queue;
    atomic_bool stopped;
    pthread_mutex_t lock; /* guards what follows, and the callbacks */
    sm_copy_summary summary;
    sm_progress progress;
    uint64_t started_ns, told_ns;
} copying;

/* What of a worker is used again for every batch. */
typedef struct worker {
    copying *c;
    sm_buf from, to; /* URLs */
    sm_buf folder;   /* that was made last */
    sm_buf *contents;
    sm_buf urls;
    sm_fetch *fetches;
    uint8_t *block;
} worker;

static bool is_stopped(copying *c)
{
    if (!atomic_load(&c->stopped) && c->options->is_cancelled != NULL &&
        c->options->is_cancelled(c->options->user))
        atomic_store(&c->stopped, true);
    return atomic_load(&c->stopped);
}

static void tell_progress(copying *c)
{
    const uint64_t now = sm_clock_ns();
    if (c->options->on_progress == NULL || now - c->told_ns < PROGRESS_NS) return;
    c->told_ns = now;
    c->progress.seconds = (double)(now - c->started_ns) / 1e9;
    c->options->on_progress(c->options->user, &c->progress);
}

static void note_done(copying *c, const char *name, uint64_t bytes, sm_status status)
{
    pthread_mutex_lock(&c->lock);
    c->progress.inputs_done++;
    c->progress.bytes_in += bytes;
    if (status == SM_OK) {
        c->summary.files++;
        c->summary.bytes += bytes;
    } else {
        c->summary.failures++;
        c->progress.failures++;
        if (c->options->on_problem != NULL)
            c->options->on_problem(c->options->user, name, sm_last_error());
    }
    tell_progress(c);
    pthread_mutex_unlock(&c->lock);
}

/* root/name, or root alone for the single file whose name is "". */
static sm_status set_url(sm_buf *url, const char *root, const char *name)
{
    sm_buf_clear(url);
    return *name == '\0' ? sm_buf_printf(url, "%s", root) : sm_buf_printf(url, "%s/%s", root, name);
}

/* Makes the folder that url lies in, unless it is the one made last. */
static sm_status make_folder_of(worker *w, const char *url)
{
    const char *slash = strrchr(url, '/');
    if (slash == NULL || slash == url) return SM_OK;
    const size_t len = (size_t)(slash - url);
    if (w->folder.len == len + 1 && memcmp(w->folder.data, url, len) == 0) return SM_OK;
    sm_buf_clear(&w->folder);
    sm_status status = sm_buf_append(&w->folder, url, len);
    if (status == SM_OK) status = sm_buf_append(&w->folder, "", 1);
    if (status == SM_OK) status = sm_io_make_folder((const char *)w->folder.data);
    if (status != SM_OK) sm_buf_clear(&w->folder);
    return status;
}

static sm_status open_target(worker *w, sm_sink **sink, const char *name)
{
    sm_status status = set_url(&w->to, w->c->dst, name);
    const char *to = (const char *)w->to.data;
    if (status == SM_OK) status = make_folder_of(w, to);
    if (status == SM_OK) status = sm_sink_open(sink, to);
    if (status == SM_OK) sm_sink_relax(*sink);
    return status;
}

static sm_status put_whole(worker *w, const char *name, const sm_buf *content)
{
    sm_sink *sink = NULL;
    sm_status status = open_target(w, &sink, name);
    if (status != SM_OK) return status;
    status = sm_sink_write(sink, content->data, content->len);
    if (status == SM_OK) return sm_sink_commit(sink);
    sm_sink_abandon(sink);
    return status;
}

/* Bytes of a file that is on its way; taken back when it is over, and note_done counts it. */
static void add_progress(copying *c, uint64_t bytes, bool back)
{
    pthread_mutex_lock(&c->lock);
    c->progress.bytes_in = back ? c->progress.bytes_in - bytes : c->progress.bytes_in + bytes;
    tell_progress(c);
    pthread_mutex_unlock(&c->lock);
}

static sm_status stream(worker *w, sm_source *source, sm_sink *sink, uint64_t *bytes)
{
    for (;;) {
        size_t got;
        if (is_stopped(w->c)) return sm_fail(SM_ERR_CANCELLED, "stopped");
        sm_status status = sm_source_read(source, &got, w->block, SMALL);
        if (status == SM_OK) status = sm_sink_write(sink, w->block, got);
        if (status != SM_OK) return status;
        *bytes += got;
        add_progress(w->c, got, false);
        if (got < SMALL) return SM_OK;
    }
}

static sm_status copy_once(worker *w, const char *name, uint64_t *bytes)
{
    sm_source *source = NULL;
    sm_sink *sink = NULL;
    *bytes = 0;
    sm_status status = sm_source_open(&source, (const char *)w->from.data);
    if (status == SM_OK) status = open_target(w, &sink, name);
    if (status == SM_OK) status = stream(w, source, sink, bytes);
    if (status == SM_OK)
        status = sm_sink_commit(sink);
    else
        sm_sink_abandon(sink);
    sm_source_close(source);
    add_progress(w->c, *bytes, true);
    return status;
}

/* What came damaged, or changed meanwhile, is copied anew: nothing of it is to be seen yet. */
static sm_status copy_stream(worker *w, const char *name, uint64_t *bytes)
{
    sm_status status = SM_ERR_CORRUPT;
    for (int i = 0; i < TRIES && status == SM_ERR_CORRUPT; i++) status = copy_once(w, name, bytes);
    return status;
}

static sm_status copy_large(worker *w, const char *name, uint64_t *bytes)
{
    sm_status status = set_url(&w->from, w->c->src, name);
    if (status == SM_OK && w->c->is_server_side) status = set_url(&w->to, w->c->dst, name);
    if (status != SM_OK) return status;
    if (!w->c->is_server_side) return copy_stream(w, name, bytes);
    return w->c->store->copy((const char *)w->from.data, (const char *)w->to.data);
}

/* Fetches the files of a batch side by side, and writes one after the other. */
static void copy_small(worker *w, const batch *b)
{
    const char *name = (const char *)b->names.data;
    sm_status status = SM_OK;
    size_t *offsets = malloc(b->count * sizeof *offsets);
    if (offsets == NULL) status = sm_fail_memory(b->count * sizeof *offsets);
    sm_buf_clear(&w->urls);
    for (size_t i = 0; offsets != NULL && i < b->count && status == SM_OK; i++) {
        status = set_url(&w->from, w->c->src, name);
        offsets[i] = w->urls.len;
        if (status == SM_OK) status = sm_buf_append(&w->urls, w->from.data, w->from.len + 1);
        sm_buf_clear(&w->contents[i]);
        name += strlen(name) + 1;
    }
    for (size_t i = 0; offsets != NULL && i < b->count && status == SM_OK; i++)
        w->fetches[i] =
            (sm_fetch){.url = (const char *)w->urls.data + offsets[i], .buf = &w->contents[i]};
    free(offsets);
    if (status == SM_OK) sm_io_fetch_many(w->fetches, b->count);
    name = (const char *)b->names.data;
    for (size_t i = 0; i < b->count && !is_stopped(w->c); i++, name += strlen(name) + 1) {
        sm_status one = status;
        if (one == SM_OK && w->fetches[i].status != SM_OK)
            one = sm_fail(w->fetches[i].status, "%s", w->fetches[i].error);
        if (one == SM_OK) one = put_whole(w, name, &w->contents[i]);
        if (one == SM_ERR_CANCELLED) return;
        note_done(w->c, name, w->contents[i].len, one);
    }
}

static void free_batch(batch *b)
{
    if (b == NULL) return;
    sm_buf_free(&b->names);
    sm_buf_free(&b->sizes);
    free(b);
}

static void copy_batch(worker *w, const batch *b)
{
    if (b->is_small && !w->c->is_server_side) {
        copy_small(w, b);
        return;
    }
    const char *name = (const char *)b->names.data;
    for (size_t i = 0; i < b->count; i++, name += strlen(name) + 1) {
        uint64_t bytes;
        memcpy(&bytes, b->sizes.data + i * sizeof bytes, sizeof bytes);
        sm_status status = copy_large(w, name, &bytes);
        if (status == SM_ERR_CANCELLED) return;
        note_done(w->c, name, bytes, status);
    }
}

static void *work(void *user)
{
    copying *c = user;
    worker w = {.c = c};
    sm_buf *bufs[] = {&w.from, &w.to, &w.folder, &w.urls};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) sm_buf_init(bufs[i], SIZE_MAX / 2);
    w.contents = calloc(c->batch_max, sizeof *w.contents);
    w.fetches = calloc(c->batch_max, sizeof *w.fetches);
    w.block = sm_alloc_pages(SMALL);
    const bool good = w.contents != NULL && w.fetches != NULL && w.block != NULL;
    for (size_t i = 0; good && i < c->batch_max; i++) sm_buf_init(&w.contents[i], BATCH_BYTES);
    for (batch *b; (b = sm_queue_pop(&c->queue)) != NULL; free_batch(b)) {
        if (is_stopped(c)) continue;
        if (good) {
            copy_batch(&w, b);
        } else {
            sm_fail_memory(SMALL);
            atomic_store(&c->stopped, true);
        }
    }
    for (size_t i = 0; w.contents != NULL && i < c->batch_max; i++) sm_buf_free(&w.contents[i]);
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) sm_buf_free(bufs[i]);
    free(w.contents);
    free(w.fetches);
    free(w.block);
    return NULL;
}

/* ---- What is to be copied */

static sm_status hand_over(copying *c)
{
    batch *b = c->filling;
    if (b == NULL) return SM_OK;
    c->filling = NULL;
    if (sm_queue_push(&c->queue, b)) return SM_OK;
    free_batch(b);
    return sm_fail(SM_ERR_INTERNAL, "the queue of files was closed");
}

static sm_status add_file(copying *c, const char *name, uint64_t size)
{
    const bool small = size <= SMALL;
    sm_status status = SM_OK;
    if (is_stopped(c)) return sm_fail(SM_ERR_CANCELLED, "stopped");
    if (c->filling != NULL &&
        (!small || c->filling->count == c->batch_max || c->filling->bytes + size > BATCH_BYTES))
        status = hand_over(c);
    if (status != SM_OK) return status;
    if (c->filling == NULL) {
        c->filling = calloc(1, sizeof *c->filling);
        if (c->filling == NULL) return sm_fail_memory(sizeof *c->filling);
        c->filling->is_small = small;
        sm_buf_init(&c->filling->names, SIZE_MAX / 2);
        sm_buf_init(&c->filling->sizes, SIZE_MAX / 2);
    }
    status = sm_buf_append(&c->filling->names, name, strlen(name) + 1);
    if (status == SM_OK) status = sm_buf_append(&c->filling->sizes, &size, sizeof size);
    if (status != SM_OK) return status;
    c->filling->count++;
    c->filling->bytes += size;
    pthread_mutex_lock(&c->lock);
    c->progress.inputs_total++;
    c->progress.bytes_in_total += size;
    pthread_mutex_unlock(&c->lock);
    return small ? SM_OK : hand_over(c);
}

static sm_status add_walked(void *user, sm_walk_event event, const char *path,
                            const sm_file_info *info)
{
    copying *c = user;
    if (event == SM_WALK_FILE) return add_file(c, path, info->size);
    if (event == SM_WALK_UNREADABLE || event == SM_WALK_BROKEN) {
        pthread_mutex_lock(&c->lock);
        c->progress.inputs_total++;
        pthread_mutex_unlock(&c->lock);
        note_done(c, path, 0, SM_ERR_ACCESS);
    }
    return SM_OK;
}

static sm_status copy_all(copying *c, uint64_t size)
{
    pthread_t threads[WORKERS_MAX];
    size_t count = 0;
    const uint32_t parallel = c->options->parallel == 0 ? PARALLEL : c->options->parallel;
    const size_t wanted = parallel < WORKERS_MAX ? parallel : WORKERS_MAX;
    /* parallel files at once, shared among the threads. */
    c->batch_max = (parallel < PARALLEL_MAX ? parallel : PARALLEL_MAX) / wanted;
    sm_status status = sm_queue_init(&c->queue, 2 * wanted);
    if (status != SM_OK) return status;
    while (count < wanted && pthread_create(&threads[count], NULL, work, c) == 0) count++;
    if (count == 0)
        status = sm_fail(SM_ERR_MEMORY, "cannot start a thread");
    else if (c->options->recursive)
        status = sm_io_walk(c->src, add_walked, c);
    else
        status = add_file(c, "", size);
    if (status == SM_OK) status = hand_over(c);
    free_batch(c->filling);
    c->filling = NULL;
    if (status != SM_OK) atomic_store(&c->stopped, true);
    sm_queue_close(&c->queue);
    for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    sm_queue_destroy(&c->queue);
    if (status == SM_OK && atomic_load(&c->stopped))
        status = sm_fail(SM_ERR_CANCELLED, "stopped before all was copied");
    return status;
}

/* Where a single file goes: dst itself, or below it when it is a folder. */
static char *name_of_single(const char *src, const char *dst)
{
    sm_file_info info;
    const size_t len = strlen(dst);
    const bool slash = len > 0 && dst[len - 1] == '/';
    if (!slash && (sm_io_stat(&info, dst) != SM_OK || info.kind != SM_FILE_FOLDER))
        return strdup(dst);
    char *name = NULL, *folder = sm_io_trimmed(dst);
    if (folder == NULL || asprintf(&name, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/",
                                   last_component(src)) < 0)
        name = NULL;
    free(folder);
    return name;
}

static sm_status find_stores(copying *c)
{
    const sm_store *from, *to;
    const char *src = c->src, *dst = c->dst;
    sm_status status = sm_store_of(&from, &src);
    if (status == SM_OK) status = sm_store_of(&to, &dst);
    if (status != SM_OK) return status;
    c->store = from;
    c->is_server_side = from == to && from->copy != NULL;
    return SM_OK;
}

SM_API void sm_copy_options_init(sm_copy_options *options)
{
    *options = (sm_copy_options){0};
}

SM_API sm_status sm_copy_files(sm_copy_summary *summary, const char *src, const char *dst,
                               const sm_copy_options *options)
{
    sm_file_info info;
    sm_status status = sm_io_may_write(dst);
    if (status == SM_OK) status = sm_io_stat(&info, src);
    if (status != SM_OK) return status;
    if (info.kind == SM_FILE_FOLDER && !options->recursive)
        return sm_fail(SM_ERR_USAGE, "'%s' is a folder: copy what is in it with -r", src);
    if (info.kind != SM_FILE_FOLDER && options->recursive)
        return sm_fail(SM_ERR_USAGE, "'%s' is a file: copy it without -r", src);
    char *from = options->recursive ? sm_io_trimmed(src) : strdup(src);
    char *to = options->recursive ? sm_io_trimmed(dst) : name_of_single(src, dst);
    copying c = {.src = from, .dst = to, .options = options, .started_ns = sm_clock_ns()};
    pthread_mutex_init(&c.lock, NULL);
    status =
        from == NULL || to == NULL ? sm_fail_memory(strlen(src) + strlen(dst)) : find_stores(&c);
    if (status == SM_OK) status = copy_all(&c, info.size);
    c.summary.seconds = (double)(sm_clock_ns() - c.started_ns) / 1e9;
    if (summary != NULL) *summary = c.summary;
    pthread_mutex_destroy(&c.lock);
    free(from);
    free(to);
    return status;
}
