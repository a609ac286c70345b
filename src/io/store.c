/* The scheme table, and io.h's functions on top of it. */
#include "io/store.h"

#include "core/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sm_store *const stores[] = {&sm_store_gs,      &sm_store_s3,   &sm_store_http,
                                         &sm_store_https,   &sm_store_hdfs, &sm_store_webhdfs,
                                         &sm_store_swebhdfs};

/* The length of the scheme in front of "://"; 0: a plain path. */
static size_t scheme_len(const char *url)
{
    const size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    const bool first = *url >= 'a' && *url <= 'z';
    return first && strncmp(url + len, "://", 3) == 0 ? len : 0;
}

sm_status sm_store_of(const sm_store **store, const char **url)
{
    const size_t len = scheme_len(*url);
    if (len == 0) {
        *store = &sm_store_file;
        return SM_OK;
    }
    if (len == 4 && strncmp(*url, "file", 4) == 0) {
        static const char host[] = "localhost/";
        *store = &sm_store_file;
        *url += 7;
        if (strncmp(*url, host, strlen(host)) == 0) *url += strlen(host) - 1;
        return SM_OK;
    }
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
        if (strlen(stores[i]->scheme) == len && strncmp(stores[i]->scheme, *url, len) == 0) {
            *store = stores[i];
            return SM_OK;
        }
    return sm_fail(SM_ERR_USAGE,
                   "'%s': '%.*s://' is no store that shardmill knows; a folder of that name is "
                   "'./%s'",
                   *url, (int)len, *url, *url);
}

sm_status sm_store_cannot(const char *url, const char *done)
{
    return sm_fail(SM_ERR_USAGE, "'%.*s://' cannot be %s: '%s'", (int)scheme_len(url), url, done,
                   url);
}

bool sm_io_is_remote(const char *path)
{
    const sm_store *store;
    return sm_store_of(&store, &path) != SM_OK || store != &sm_store_file;
}

sm_status sm_io_may_write(const char *path)
{
    const sm_store *store;
    const char *place = path;
    sm_status status = sm_store_of(&store, &place);
    if (status != SM_OK || store->sink_open != NULL) return status;
    return sm_store_cannot(path, "written");
}

char *sm_io_trimmed(const char *path)
{
    const size_t scheme = scheme_len(path), least = scheme == 0 ? 1 : scheme + 3;
    size_t len = strlen(path);
    while (len > least && path[len - 1] == '/') len--;
    return strndup(path, len);
}

/* ---- Looking and reading */

sm_status sm_io_stat(sm_file_info *info, const char *path)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &path);
    return status == SM_OK ? store->stat(info, path) : status;
}

sm_status sm_io_read_file(sm_buf *buf, const char *path, sm_file_info *info)
{
    sm_fetch fetch = {.url = path, .buf = buf};
    const sm_store *store;
    sm_status status = sm_store_of(&store, &fetch.url);
    if (status != SM_OK) return status;
    store->fetch_many(&fetch, 1);
    if (fetch.status != SM_OK) return fetch.status; /* the row's line is still this thread's */
    if (info != NULL) *info = fetch.info;
    return SM_OK;
}

sm_status sm_io_read_part(sm_buf *buf, const char *path, uint64_t offset, uint64_t len,
                          sm_file_info *info)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &path);
    if (status != SM_OK) return status;
    if (store->read_part == NULL) return sm_store_cannot(path, "read in parts");
    const sm_file_part part = {.offset = offset, .length = len, .into = buf};
    return store->read_part(path, &part, info);
}

sm_status sm_io_read_range(sm_buf *buf, const char *path, uint64_t offset, uint64_t len)
{
    sm_file_info info = {0};
    return sm_io_read_part(buf, path, offset, len, &info);
}

void sm_io_fetch_many(sm_fetch *fetches, size_t count)
{
    /* Neighbours of one store go together. */
    for (size_t at = 0; at < count;) {
        const sm_store *first, *other;
        sm_fetch *fetch = &fetches[at];
        fetch->status = sm_store_of(&first, &fetch->url);
        if (fetch->status != SM_OK) {
            snprintf(fetch->error, sizeof fetch->error, "%s", sm_last_error());
            at++;
            continue;
        }
        size_t run = 1;
        while (at + run < count && sm_store_of(&other, &fetches[at + run].url) == SM_OK &&
               other == first)
            run++;
        first->fetch_many(fetch, run);
        at += run;
    }
}

/* ---- Writing */

size_t sm_upload_piece(size_t least)
{
    enum { UNIT_KIB = 256, DEFAULT_KIB = 8192, MOST_KIB = 1 << 20 };
    const unsigned long kib = sm_env_number("SHARDMILL_UPLOAD_KIB", MOST_KIB, DEFAULT_KIB);
    const size_t piece = (kib < UNIT_KIB ? UNIT_KIB : kib - kib % UNIT_KIB) << 10;
    return piece < least ? least : piece;
}

struct sm_sink {
    const sm_store *store;
    void *inner;
};

sm_status sm_sink_open(sm_sink **sink, const char *path)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &path);
    if (status != SM_OK) return status;
    if (store->sink_open == NULL) return sm_store_cannot(path, "written");
    sm_sink *made = malloc(sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->store = store;
    status = store->sink_open(&made->inner, path, false);
    if (status == SM_OK)
        *sink = made;
    else
        free(made);
    return status;
}

void sm_sink_relax(sm_sink *sink)
{
    if (sink->store->sink_relax != NULL) sink->store->sink_relax(sink->inner);
}

sm_status sm_sink_write(sm_sink *sink, const void *data, size_t len)
{
    return sink->store->sink_write(sink->inner, data, len);
}

sm_status sm_sink_commit(sm_sink *sink)
{
    sm_status status = sink->store->sink_commit(sink->inner);
    free(sink);
    return status;
}

static bool same_store(sm_sink *const *sinks, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (sinks[i]->store != sinks[0]->store) return false;
    return count > 0;
}

sm_status sm_sink_commit_many(sm_sink **sinks, size_t count)
{
    void *inner[SM_COMMIT_MAX];
    sm_status status = SM_OK;
    if (count <= SM_COMMIT_MAX && same_store(sinks, count) &&
        sinks[0]->store->sink_commit_many != NULL) {
        for (size_t i = 0; i < count; i++) inner[i] = sinks[i]->inner;
        status = sinks[0]->store->sink_commit_many(inner, count);
        for (size_t i = 0; i < count; i++) free(sinks[i]);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (status == SM_OK)
            status = sm_sink_commit(sinks[i]);
        else
            sm_sink_abandon(sinks[i]);
    }
    return status;
}

void sm_sink_abandon(sm_sink *sink)
{
    if (sink == NULL) return;
    sink->store->sink_abandon(sink->inner);
    free(sink);
}

sm_status sm_io_write_file(const char *path, const void *data, size_t len)
{
    sm_sink *sink = NULL;
    sm_status status = sm_sink_open(&sink, path);
    if (status != SM_OK || sink == NULL) return status;
    status = sm_sink_write(sink, data, len);
    if (status == SM_OK) return sm_sink_commit(sink);
    sm_sink_abandon(sink);
    return status;
}

sm_status sm_io_remove(const char *path)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &path);
    if (status != SM_OK) return status;
    return store->remove == NULL ? sm_store_cannot(path, "removed from") : store->remove(path);
}

sm_status sm_io_rename(const char *from, const char *to)
{
    const sm_store *store, *other;
    sm_status status = sm_store_of(&store, &from);
    if (status == SM_OK) status = sm_store_of(&other, &to);
    if (status != SM_OK) return status;
    if (store != other)
        return sm_fail(SM_ERR_USAGE, "cannot rename '%s' to '%s': they are of two stores", from,
                       to);
    if (store->rename != NULL) return store->rename(from, to);
    if (store->copy == NULL) return sm_store_cannot(from, "written");
    status = store->copy(from, to);
    return status == SM_OK ? store->remove(from) : status;
}

/* ---- Folders */

sm_status sm_io_make_folder(const char *path)
{
    const sm_store *store;
    sm_status status = sm_io_may_write(path);
    if (status == SM_OK) status = sm_store_of(&store, &path);
    if (status != SM_OK) return status;
    return store->make_folder == NULL ? SM_OK : store->make_folder(path);
}

typedef struct removal {
    const sm_store *store;
    const char *folder;
} removal;

static sm_status remove_listed(void *user, unsigned lane, const char *key, const sm_file_info *info)
{
    (void)lane, (void)info;
    const removal *r = user;
    sm_buf url;
    sm_buf_init(&url, SM_PATH_LIMIT);
    sm_status status = sm_buf_printf(&url, "%s/%s", r->folder, key);
    if (status == SM_OK) status = r->store->remove((const char *)url.data);
    sm_buf_free(&url);
    return status;
}

sm_status sm_io_remove_tree(const char *path)
{
    removal r = {.folder = path};
    sm_status status = sm_store_of(&r.store, &r.folder);
    if (status != SM_OK) return status;
    if (r.store->remove_tree != NULL) return r.store->remove_tree(r.folder);
    if (r.store->list == NULL || r.store->remove == NULL)
        return sm_store_cannot(path, "removed from");
    return r.store->list(r.folder, remove_listed, &r);
}

sm_status sm_io_remove_leftovers(const char *folder)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &folder);
    return status != SM_OK || store->remove_leftovers == NULL ? status
                                                              : store->remove_leftovers(folder);
}

sm_status sm_lock_take(sm_lock **lock, const char *folder)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &folder);
    if (status != SM_OK) return status;
    if (store->lock != NULL) return store->lock(lock, folder);
    *lock = NULL;
    return SM_OK;
}

/* ---- A walk made of a listing */

typedef struct listed_walk {
    sm_walk_fn *fn;
    void *user;
    /* What a lane told last as hidden, with its NUL: its objects follow each other. */
    sm_buf hidden[SM_LIST_LANES];
} listed_walk;

/* How long the part of key is that ends with its first component that begins with a dot; 0: none.
 */
static size_t hidden_len(const char *key)
{
    for (const char *part = key; part != NULL;) {
        const size_t len = strcspn(part, "/");
        if (*part == '.') return (size_t)(part - key) + len;
        part = part[len] == '\0' ? NULL : part + len + 1;
    }
    return 0;
}

static sm_status walk_hidden(listed_walk *w, sm_buf *last, const char *key, size_t len)
{
    if (last->len == len + 1 && memcmp(last->data, key, len) == 0) return SM_OK;
    sm_buf_clear(last);
    sm_status status = sm_buf_append(last, key, len);
    if (status == SM_OK) status = sm_buf_append(last, "", 1);
    if (status != SM_OK) return status;
    return w->fn(w->user, SM_WALK_HIDDEN, (const char *)last->data, NULL);
}

static sm_status walk_object(void *user, unsigned lane, const char *key, const sm_file_info *info)
{
    listed_walk *w = user;
    const size_t len = strlen(key), hidden = hidden_len(key);
    if (hidden > 0) return walk_hidden(w, &w->hidden[lane], key, hidden);
    if (len == 0 || key[len - 1] == '/') return SM_OK;
    return w->fn(w->user, SM_WALK_FILE, key, info);
}

sm_status sm_io_walk(const char *root, sm_walk_fn *fn, void *user)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &root);
    if (status != SM_OK) return status;
    if (store->walk != NULL) return store->walk(root, fn, user);
    if (store->list == NULL) return sm_store_cannot(root, "listed");
    listed_walk w = {.fn = fn, .user = user};
    for (int i = 0; i < SM_LIST_LANES; i++) sm_buf_init(&w.hidden[i], SIZE_MAX / 2);
    status = store->list(root, walk_object, &w);
    for (int i = 0; i < SM_LIST_LANES; i++) sm_buf_free(&w.hidden[i]);
    return status;
}
