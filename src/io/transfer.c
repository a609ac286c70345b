/* Listing and copying between stores: what `shardmill ls` and `shardmill cp` do. */
#include "core/machine.h"
#include "core/queue.h"
#include "io/http_retry.h"
#include "io/store.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARALLEL = 16,
    PARALLEL_MAX = 256,
    LISTED_AHEAD = 4096,  /* files: some pages of a store's listing */
    LARGE_AT_ONCE = 16,   /* of files that are not small: each has buffers of some MiB */
    POURED = 4,           /* so many large ones under way fill a network by a request each */
    POURED_MAX = 1 << 30, /* bytes of a file: a larger one would be the last, and alone */
    TRIES = 3,            /* of a large file that comes damaged */
    ALL_FAIL = 100,       /* so many files that fail, and none that does not: it is not the files */
    SMALL = 1 << 20,      /* bytes of a file that is read whole */
    GROWN = 8 << 20       /* and at most of it, should it have grown since it was listed */
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

typedef struct file {
    uint64_t size; /* as listed */
    char name[];   /* relative to src and dst */
} file;

typedef struct copying {
    const char *src, *dst; /* without slashes behind them */
    const sm_copy_options *options;
    bool is_server_side; /* the store can copy within itself */
    bool to_files;       /* of this machine: who takes bytes of a store need not write to one */
    const sm_store *store;
    sm_queue queue; /* of files */
    sem_t large;    /* how many more of them may begin */
    atomic_bool stopped;
    pthread_mutex_t lock; /* guards what follows, and the callbacks */
    bool is_store_down;   /* it gave no good answer for too long */
    sm_copy_summary summary;
    sm_progress progress;
    uint64_t started_ns, told_ns;
} copying;

/* A thread that copies one file at a time: stores' latencies are waited for side by side, and no
 * file waits for another. What is here is used again for the next file. */
typedef struct worker {
    copying *c;
    sm_buf from, to; /* URLs */
    sm_buf folder;   /* that was made last */
    sm_buf content;  /* of a small file */
    uint8_t *block;  /* of a large one; NULL: none came yet */
} worker;

static bool is_stopped(copying *c)
{
    if (!atomic_load(&c->stopped) && c->options->is_cancelled != NULL &&
        c->options->is_cancelled(c->options->user))
        atomic_store(&c->stopped, true);
    return atomic_load(&c->stopped);
}

static uint64_t count_given_up(void)
{
    sm_traffic traffic;
    sm_io_traffic(&traffic);
    return traffic.given_up;
}

static void tell_progress(copying *c)
{
    const uint64_t now = sm_clock_ns();
    if (c->options->on_progress == NULL || now - c->told_ns < PROGRESS_NS) return;
    c->told_ns = now;
    c->progress.seconds = (double)(now - c->started_ns) / 1e9;
    c->options->on_progress(c->options->user, &c->progress);
}

static bool all_fail(const copying *c)
{
    return c->summary.files == 0 && c->summary.failures >= ALL_FAIL;
}

/* is_store_down: so the file failed, and so would all others. */
static void note_done(copying *c, const char *name, uint64_t bytes, sm_status status,
                      bool is_store_down)
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
        c->is_store_down = c->is_store_down || is_store_down;
        if (is_store_down || all_fail(c)) atomic_store(&c->stopped, true);
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

static sm_status put_whole(worker *w, const char *name)
{
    sm_sink *sink = NULL;
    sm_status status = open_target(w, &sink, name);
    if (status != SM_OK) return status;
    status = sm_sink_write(sink, w->content.data, w->content.len);
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

/* A file that is poured. */
typedef struct poured {
    copying *c;
    sm_sink *sink;
    uint64_t *bytes;
} poured;

static sm_status take_poured(void *user, const void *data, size_t len)
{
    const poured *p = user;
    if (is_stopped(p->c)) return sm_fail(SM_ERR_CANCELLED, "stopped");
    sm_status status = sm_sink_write(p->sink, data, len);
    if (status != SM_OK) return status;
    *p->bytes += len;
    add_progress(p->c, len, false);
    return SM_OK;
}

/* Whether a file is one of several that are under way. */
static bool is_one_of_several(copying *c, const sm_source *source)
{
    int more;
    sem_getvalue(&c->large, &more);
    return LARGE_AT_ONCE - more >= POURED && sm_source_size(source) <= POURED_MAX;
}

static sm_status copy_bytes(worker *w, sm_source *source, sm_sink *sink, uint64_t *bytes)
{
    if (w->c->to_files && sm_source_pours(source) && is_one_of_several(w->c, source)) {
        poured p = {.c = w->c, .sink = sink, .bytes = bytes};
        return sm_source_pour(source, take_poured, &p);
    }
    if (w->block == NULL) w->block = sm_alloc_pages(SMALL);
    return w->block == NULL ? sm_fail_memory(SMALL) : stream(w, source, sink, bytes);
}

static sm_status copy_once(worker *w, const char *name, uint64_t *bytes)
{
    sm_source *source = NULL;
    sm_sink *sink = NULL;
    *bytes = 0;
    sm_status status = sm_source_open(&source, (const char *)w->from.data);
    if (status == SM_OK) status = open_target(w, &sink, name);
    if (status == SM_OK) status = copy_bytes(w, source, sink, bytes);
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
    while (sem_wait(&w->c->large) != 0) continue; /* a signal came */
    sm_status status = copy_stream(w, name, bytes);
    sem_post(&w->c->large);
    return status;
}

/* bytes: what the listing said; then what came. */
static sm_status copy_small(worker *w, const char *name, uint64_t *bytes)
{
    sm_buf_clear(&w->content);
    sm_fetch fetch = {.url = (const char *)w->from.data, .buf = &w->content, .expected = *bytes};
    sm_io_fetch_many(&fetch, 1);
    if (fetch.status != SM_OK) return sm_fail(fetch.status, "%s", fetch.error);
    *bytes = w->content.len;
    return put_whole(w, name);
}

static sm_status copy_file(worker *w, const file *f, uint64_t *bytes)
{
    *bytes = f->size;
    sm_status status = set_url(&w->from, w->c->src, f->name);
    if (status != SM_OK) return status;
    if (w->c->is_server_side) {
        status = set_url(&w->to, w->c->dst, f->name);
        if (status != SM_OK) return status;
        return w->c->store->copy((const char *)w->from.data, (const char *)w->to.data);
    }
    return f->size <= SMALL ? copy_small(w, f->name, bytes) : copy_large(w, f->name, bytes);
}

static void *work(void *user)
{
    worker w = {.c = user};
    sm_buf *bufs[] = {&w.from, &w.to, &w.folder, &w.content};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) sm_buf_init(bufs[i], SIZE_MAX / 2);
    w.content.max = GROWN;
    for (file *f; (f = sm_queue_pop(&w.c->queue)) != NULL; free(f)) {
        uint64_t bytes;
        if (is_stopped(w.c)) continue;
        const uint64_t given_up = count_given_up();
        sm_status status = copy_file(&w, f, &bytes);
        if (status != SM_ERR_CANCELLED)
            note_done(w.c, f->name, bytes, status, count_given_up() > given_up);
    }
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) sm_buf_free(bufs[i]);
    free(w.block);
    return NULL;
}

/* ---- What is to be copied */

static sm_status add_file(copying *c, const char *name, uint64_t size)
{
    if (is_stopped(c)) return sm_fail(SM_ERR_CANCELLED, "stopped");
    const size_t len = strlen(name) + 1;
    file *f = malloc(sizeof *f + len);
    if (f == NULL) return sm_fail_memory(sizeof *f + len);
    f->size = size;
    memcpy(f->name, name, len);
    pthread_mutex_lock(&c->lock);
    c->progress.inputs_total++;
    c->progress.bytes_in_total += size;
    pthread_mutex_unlock(&c->lock);
    if (sm_queue_push(&c->queue, f)) return SM_OK;
    free(f);
    return sm_fail(SM_ERR_INTERNAL, "the queue of files was closed");
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
        note_done(c, path, 0, SM_ERR_ACCESS, false);
    }
    return SM_OK;
}

static sm_status why_stopped(const copying *c)
{
    if (c->is_store_down)
        return sm_fail(SM_ERR_IO,
                       "stopped with %llu files copied: the store gave no good answer for too long",
                       (unsigned long long)c->summary.files);
    if (all_fail(c))
        return sm_fail(SM_ERR_IO, "stopped: none of the first %d files could be copied", ALL_FAIL);
    return sm_fail(SM_ERR_CANCELLED, "stopped before all was copied");
}

static sm_status copy_all(copying *c, uint64_t size)
{
    pthread_t threads[PARALLEL_MAX];
    size_t count = 0, wanted = c->options->parallel == 0 ? PARALLEL : c->options->parallel;
    if (wanted > PARALLEL_MAX) wanted = PARALLEL_MAX;
    if (!c->options->recursive) wanted = 1;
    sm_status status = sm_queue_init(&c->queue, LISTED_AHEAD);
    if (status != SM_OK) return status;
    while (count < wanted && pthread_create(&threads[count], NULL, work, c) == 0) count++;
    if (count == 0)
        status = sm_fail(SM_ERR_MEMORY, "cannot start a thread");
    else if (c->options->recursive)
        status = sm_io_walk(c->src, add_walked, c);
    else
        status = add_file(c, "", size);
    if (status != SM_OK) atomic_store(&c->stopped, true);
    sm_queue_close(&c->queue);
    for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    sm_queue_destroy(&c->queue);
    const bool was_stopped = status == SM_OK || status == SM_ERR_CANCELLED;
    return was_stopped && atomic_load(&c->stopped) ? why_stopped(c) : status;
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
    c->to_files = to == &sm_store_file;
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
    sem_init(&c.large, 0, LARGE_AT_ONCE);
    status =
        from == NULL || to == NULL ? sm_fail_memory(strlen(src) + strlen(dst)) : find_stores(&c);
    if (status == SM_OK) status = copy_all(&c, info.size);
    c.summary.seconds = (double)(sm_clock_ns() - c.started_ns) / 1e9;
    if (summary != NULL) *summary = c.summary;
    sem_destroy(&c.large);
    pthread_mutex_destroy(&c.lock);
    free(from);
    free(to);
    return status;
}
