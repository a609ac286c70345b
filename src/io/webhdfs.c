/* The store of hdfs://, webhdfs:// and swebhdfs:// URLs: folders. */
#include "io/webhdfs.h"

#include "core/array.h"
#include "io/temporary.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH_MAX = 256, KEY_MAX = 64 << 10, OP_MAX = 64 << 10, LEFTOVER_SECONDS = 24 * 60 * 60 };

static const int64_t NS_PER_SECOND = 1000000000;

/* ---- A folder's entries, page after page */

typedef sm_status entry_fn(void *user, const char *name, const sm_file_info *info);

/* Set once a server says that it cannot list in pages. */
static atomic_bool lacks_pages;

static sm_status tell_entries(const json_t *statuses, const char *url, entry_fn *fn, void *user)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(statuses, i, entry)
    {
        sm_file_info info = {0};
        const char *name = json_string_value(json_object_get(entry, "pathSuffix"));
        if (name == NULL || strchr(name, '/') != NULL)
            return sm_fail(SM_ERR_FORMAT, "'%s': the name node told no name", url);
        sm_status status = sm_hdfs_info_of(&info, entry, url);
        /* Without a name it is url itself, which is no folder. */
        if (status == SM_OK && *name != '\0') status = fn(user, name, &info);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static sm_status get_json(json_t **json, const char *url, const char *op, int *http_status)
{
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status = sm_hdfs_ask(&reply, "GET", url, "list", op);
    if (status == SM_OK) status = sm_hdfs_json(json, &reply, url);
    *http_status = reply.status;
    sm_http_reply_free(&reply);
    return status;
}

/* All at once, for servers that cannot do otherwise. */
static sm_status each_at_once(const char *url, entry_fn *fn, void *user)
{
    json_t *json = NULL;
    int http_status;
    sm_status status = get_json(&json, url, "LISTSTATUS", &http_status);
    if (status == SM_OK)
        status = tell_entries(json_object_get(json_object_get(json, "FileStatuses"), "FileStatus"),
                              url, fn, user);
    json_decref(json);
    return status;
}

/* A page of a folder. */
typedef struct hdfs_page {
    json_t *json;
    const json_t *statuses; /* of json */
    uint64_t left;          /* entries behind it */
} hdfs_page;

static const char *page_name(const hdfs_page *page, size_t i)
{
    return json_string_value(json_object_get(json_array_get(page->statuses, i), "pathSuffix"));
}

/* Asks for the entries behind `after` (NULL: from the first). */
static sm_status get_page(hdfs_page *page, const char *url, const char *after, int *http_status)
{
    sm_buf op;
    sm_buf_init(&op, OP_MAX);
    sm_status status = sm_buf_printf(&op, "LISTSTATUS_BATCH");
    /* Name nodes know the lower case alone, whatever their manual says; gateways the other. */
    static const char *const names[] = {"startafter", "startAfter"};
    for (size_t i = 0; i < 2 && status == SM_OK && after != NULL; i++) {
        status = sm_buf_printf(&op, "&%s=", names[i]);
        if (status == SM_OK) status = sm_http_append_encoded(&op, after, false);
    }
    if (status == SM_OK) status = get_json(&page->json, url, (const char *)op.data, http_status);
    sm_buf_free(&op);
    if (status != SM_OK) return status;
    const json_t *listing = json_object_get(page->json, "DirectoryListing");
    const json_t *partial = json_object_get(listing, "partialListing");
    page->statuses = json_object_get(json_object_get(partial, "FileStatuses"), "FileStatus");
    status = sm_json_get_u64(&page->left, listing, "remainingEntries");
    const char *first = page_name(page, 0);
    if (status == SM_OK && after != NULL && first != NULL && strcmp(first, after) <= 0)
        status = sm_fail(SM_ERR_FORMAT, "'%s': the name node gives one page again and again", url);
    return status;
}

static sm_status each_entry(const char *url, entry_fn *fn, void *user)
{
    if (atomic_load(&lacks_pages)) return each_at_once(url, fn, user);
    sm_status status = SM_OK;
    char *after = NULL;
    for (bool more = true; status == SM_OK && more;) {
        hdfs_page page = {0};
        int http_status = 0;
        status = get_page(&page, url, after, &http_status);
        if (status != SM_OK && http_status == 400 && after == NULL) {
            status = each_at_once(url, fn, user);
            if (status == SM_OK) atomic_store(&lacks_pages, true);
            break;
        }
        if (status == SM_OK) status = tell_entries(page.statuses, url, fn, user);
        size_t count = json_array_size(page.statuses);
        more = page.left > 0 && count > 0;
        if (status == SM_OK && more) {
            free(after);
            after = strdup(page_name(&page, count - 1));
            if (after == NULL) status = sm_fail_memory(1);
        }
        json_decref(page.json);
    }
    free(after);
    return status;
}

/* ---- Listing what lies below, in the order of the keys' bytes */

typedef struct hdfs_walk {
    const char *root;
    sm_buf key; /* of the folder being listed, with a slash behind it; "" of the root */
    unsigned depth;
    sm_list_fn *fn;
    void *user;
} hdfs_walk;

/* Folders of one folder that wait for their turn: "a/…" comes behind "a.txt", but before "a0". */
typedef struct hdfs_level {
    hdfs_walk *walk;
    char **waiting;
    size_t count, cap;
} hdfs_level;

static sm_status list_folder(hdfs_walk *walk);

/* Appends name and what stands behind it to the walk's key; a NUL that does not count, too. */
static sm_status push_key(hdfs_walk *walk, const char *name, const char *behind)
{
    return sm_buf_printf(&walk->key, "%s%s", name, behind);
}

static sm_status enter(hdfs_walk *walk, const char *name)
{
    size_t len = walk->key.len;
    if (walk->depth == DEPTH_MAX)
        return sm_fail(SM_ERR_LIMIT, "'%s' has folders more than %d deep", walk->root, DEPTH_MAX);
    sm_status status = push_key(walk, name, "/");
    walk->depth++;
    if (status == SM_OK) status = list_folder(walk);
    walk->depth--;
    walk->key.len = len;
    return status;
}

/* Whether the folder `name` comes before `other`: as if a slash stood behind its name. */
static bool is_before(const char *name, const char *other, bool other_is_folder)
{
    size_t len = strlen(name), other_len = strlen(other);
    int order = strncmp(name, other, len < other_len ? len : other_len);
    if (order != 0) return order < 0;
    if (len == other_len) return true;
    if (len < other_len) return (unsigned char)'/' < (unsigned char)other[len];
    return other_is_folder && (unsigned char)name[other_len] < (unsigned char)'/';
}

/* Enters the waiting folders that come before next; all of them when that is NULL. */
static sm_status enter_waiting(hdfs_level *level, const char *next)
{
    while (level->count > 0) {
        size_t first = 0;
        for (size_t i = 1; i < level->count; i++)
            if (is_before(level->waiting[i], level->waiting[first], true)) first = i;
        char *name = level->waiting[first];
        if (next != NULL && !is_before(name, next, false)) return SM_OK;
        level->waiting[first] = level->waiting[--level->count];
        sm_status status = enter(level->walk, name);
        free(name);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static sm_status take_entry(void *user, const char *name, const sm_file_info *info)
{
    hdfs_level *level = user;
    hdfs_walk *walk = level->walk;
    sm_status status = enter_waiting(level, name);
    if (status != SM_OK) return status;
    if (info->kind == SM_FILE_FOLDER) {
        status = sm_array_grow(&level->waiting, &level->cap, level->count, sizeof *level->waiting);
        char *copy = status == SM_OK ? strdup(name) : NULL;
        if (status == SM_OK && copy == NULL) status = sm_fail_memory(strlen(name));
        if (status == SM_OK) level->waiting[level->count++] = copy;
        return status;
    }
    if (info->kind != SM_FILE_REGULAR) return SM_OK;
    size_t len = walk->key.len;
    status = push_key(walk, name, "");
    if (status == SM_OK) status = walk->fn(walk->user, 0, (const char *)walk->key.data, info);
    walk->key.len = len;
    return status;
}

static sm_status list_folder(hdfs_walk *walk)
{
    char *url;
    size_t root = strlen(walk->root);
    const char *slash = root > 0 && walk->root[root - 1] == '/' ? "" : "/";
    if (asprintf(&url, "%s%s%.*s", walk->root, slash, (int)walk->key.len,
                 walk->key.len == 0 ? "" : (const char *)walk->key.data) < 0)
        return sm_fail_memory(root);
    hdfs_level level = {.walk = walk};
    sm_status status = each_entry(url, take_entry, &level);
    if (status == SM_OK) status = enter_waiting(&level, NULL);
    while (level.count > 0) free(level.waiting[--level.count]);
    free(level.waiting);
    free(url);
    return status;
}

static sm_status hdfs_list(const char *url, sm_list_fn *fn, void *user)
{
    hdfs_walk walk = {.root = url, .fn = fn, .user = user};
    sm_buf_init(&walk.key, KEY_MAX);
    sm_status status = list_folder(&walk);
    sm_buf_free(&walk.key);
    return status;
}

/* ---- Removing, making, what was left */

static sm_status ask_for_yes(const char *method, const char *url, const char *what, const char *op,
                             bool *yes)
{
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status = sm_hdfs_ask(&reply, method, url, what, op);
    *yes = status == SM_OK && sm_hdfs_said_yes(&reply);
    sm_http_reply_free(&reply);
    return status;
}

sm_status sm_hdfs_remove(const char *url)
{
    bool was_there; /* or not: both are fine */
    sm_status status = ask_for_yes("DELETE", url, "remove", "DELETE&recursive=false", &was_there);
    return status == SM_ERR_NOT_FOUND ? SM_OK : status;
}

static sm_status hdfs_remove_tree(const char *url)
{
    bool was_there;
    sm_status status = ask_for_yes("DELETE", url, "remove", "DELETE&recursive=true", &was_there);
    return status == SM_ERR_NOT_FOUND ? SM_OK : status;
}

static sm_status hdfs_make_folder(const char *url)
{
    bool made;
    sm_status status = ask_for_yes("PUT", url, "make the folder", "MKDIRS", &made);
    if (status == SM_OK && !made)
        status = sm_fail(SM_ERR_CONFLICT, "cannot make the folder '%s': a file is in its way", url);
    return status;
}

static sm_status hdfs_rename(const char *from, const char *to)
{
    return sm_hdfs_move(from, to, false);
}

static sm_status remove_if_left(void *user, const char *name, const sm_file_info *info)
{
    const char *folder = user;
    size_t len = strlen(name), prefix = strlen(TEMPORARY_PREFIX), suffix = strlen(TEMPORARY_SUFFIX);
    if (info->kind != SM_FILE_REGULAR || len <= prefix + suffix ||
        strncmp(name, TEMPORARY_PREFIX, prefix) != 0 ||
        strcmp(name + len - suffix, TEMPORARY_SUFFIX) != 0)
        return SM_OK;
    /* Others may be writing here now: nothing locks a folder of HDFS. */
    if (info->mtime_ns / NS_PER_SECOND + LEFTOVER_SECONDS > (int64_t)time(NULL)) return SM_OK;
    char *url;
    if (asprintf(&url, "%s/%s", folder, name) < 0) return sm_fail_memory(len);
    sm_status status = sm_hdfs_remove(url);
    free(url);
    return status;
}

static sm_status hdfs_remove_leftovers(const char *folder)
{
    char *copy = strdup(folder);
    if (copy == NULL) return sm_fail_memory(strlen(folder));
    sm_status status = each_entry(folder, remove_if_left, copy);
    free(copy);
    return status == SM_ERR_NOT_FOUND ? SM_OK : status;
}

/* clang-format off */
#define HDFS_ROW                                                                                   \
    .stat = sm_hdfs_stat, .read_part = sm_hdfs_read_part, .fetch_many = sm_hdfs_fetch_many,      \
    .list = hdfs_list, .sink_open = sm_hdfs_sink_open, .sink_write = sm_hdfs_sink_write,           \
    .sink_commit = sm_hdfs_sink_commit, .sink_abandon = sm_hdfs_sink_abandon,                      \
    .remove = sm_hdfs_remove, .rename = hdfs_rename, .make_folder = hdfs_make_folder,              \
    .remove_tree = hdfs_remove_tree, .remove_leftovers = hdfs_remove_leftovers
/* clang-format on */

const sm_store sm_store_hdfs = {.scheme = "hdfs", HDFS_ROW};
const sm_store sm_store_webhdfs = {.scheme = "webhdfs", HDFS_ROW};
const sm_store sm_store_swebhdfs = {.scheme = "swebhdfs", HDFS_ROW};
