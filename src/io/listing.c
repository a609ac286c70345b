#include "io/listing.h"

#include "core/array.h"
#include "core/machine.h"
#include "core/queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READERS = 4,        /* threads that read pages; fewer on fewer cores */
    AHEAD = 4,          /* pages that wait to be read */
    DEPTH = 4,          /* of folders that hold one folder alone */
    TEXT_MAX = 64 << 20 /* bytes of a page */
};

typedef struct listing listing;

/* The keys from start on, up to end. */
typedef struct list_lane {
    listing *of;
    unsigned number;
    const char *start, *end; /* NULL: the listing's own */
    char *token;             /* where it goes on; NULL: at start */
    uint64_t asked, given;   /* pages; the latter under the listing's lock */
    atomic_bool ended;       /* a page went past end */
    pthread_t thread;
} list_lane;

/* A page as it came. */
typedef struct raw_page {
    struct raw_page *behind; /* among the spare ones */
    list_lane *lane;
    uint64_t serial; /* in its lane */
    sm_buf text;
    char *next; /* the token that the page behind it was asked for by; NULL: it is the last */
} raw_page;

struct listing {
    const sm_list_source *source;
    const char *url, *prefix;
    sm_list_fn *fn;
    void *user;

    list_lane lanes[SM_LIST_LANES];
    unsigned lane_count;
    sm_buf cuts; /* what the lanes' starts and ends point into */
    sm_queue pages;
    atomic_uint asking; /* lanes */

    pthread_mutex_t spare_lock;
    raw_page *spare; /* for their memory */

    pthread_mutex_t lock; /* guards what follows, and fn */
    pthread_cond_t turn;
    sm_status status; /* the first failure */
    char error[SM_ERROR_MAX];
    atomic_bool stopped;
};

/* ---- Pages */

sm_status sm_list_page_put(sm_list_page *page, sm_list_entry **entry, const char *key, size_t len)
{
    sm_status status =
        sm_array_grow(&page->entries, &page->cap, page->count, sizeof *page->entries);
    if (status != SM_OK) return status;
    *entry = &page->entries[page->count];
    **entry = (sm_list_entry){.key = page->text.len};
    status = sm_buf_append(&page->text, key, len);
    if (status == SM_OK) status = sm_buf_append(&page->text, "", 1);
    if (status == SM_OK) page->count++;
    return status;
}

sm_status sm_list_page_add(sm_list_page *page, const char *key, const sm_file_info *info)
{
    sm_list_entry *entry;
    sm_status status = sm_list_page_put(page, &entry, key, strlen(key));
    if (status == SM_OK) entry->info = *info;
    return status;
}

void sm_list_page_init(sm_list_page *page)
{
    *page = (sm_list_page){0};
    sm_buf_init(&page->text, TEXT_MAX);
    sm_buf_init(&page->folders, TEXT_MAX);
    sm_buf_init(&page->next, TEXT_MAX);
}

void sm_list_page_clear(sm_list_page *page)
{
    sm_buf_clear(&page->text);
    sm_buf_clear(&page->folders);
    sm_buf_clear(&page->next);
    page->count = 0;
}

void sm_list_page_free(sm_list_page *page)
{
    sm_buf_free(&page->text);
    sm_buf_free(&page->folders);
    sm_buf_free(&page->next);
    free(page->entries);
}

static void free_raw(raw_page *raw)
{
    if (raw == NULL) return;
    sm_buf_free(&raw->text);
    free(raw->next);
    free(raw);
}

static const char *next_of(const sm_list_page *page)
{
    return page->next.len == 0 ? NULL : (const char *)page->next.data;
}

static sm_status fail_nonsense(sm_status status, const char *url)
{
    return sm_fail_prefix(status, "cannot list '%s': the store's answer makes no sense", url);
}

/* Asks for a page, and reads it at once. */
static sm_status get_page(sm_list_page *page, const sm_list_source *source, const char *url,
                          const sm_list_wish *wish)
{
    sm_buf text;
    sm_buf_init(&text, TEXT_MAX);
    sm_list_page_clear(page);
    sm_status status = source->ask(&text, url, wish);
    if (status == SM_OK) {
        status = source->read(page, &text);
        if (status != SM_OK) fail_nonsense(status, url);
    }
    sm_buf_free(&text);
    return status;
}

sm_status sm_list_any(bool *any, const sm_list_source *source, const char *url, const char *prefix)
{
    sm_list_page page;
    sm_list_page_init(&page);
    sm_status status = get_page(&page, source, url, &(sm_list_wish){.prefix = prefix, .any = true});
    /* A token without objects: the store looked through some, and has more to look through. */
    *any = page.count > 0 || next_of(&page) != NULL;
    sm_list_page_free(&page);
    return status;
}

/* ---- Failing */

static void stop(listing *l, sm_status status)
{
    pthread_mutex_lock(&l->lock);
    if (l->status == SM_OK && !atomic_load(&l->stopped)) {
        l->status = status;
        snprintf(l->error, sizeof l->error, "%s", sm_last_error());
    }
    atomic_store(&l->stopped, true);
    pthread_cond_broadcast(&l->turn);
    pthread_mutex_unlock(&l->lock);
    sm_queue_close(&l->pages);
}

/* ---- Asking, a thread a lane */

/* An empty page; NULL: no memory. */
static raw_page *new_raw(list_lane *lane)
{
    listing *l = lane->of;
    pthread_mutex_lock(&l->spare_lock);
    raw_page *raw = l->spare;
    if (raw != NULL) l->spare = raw->behind;
    pthread_mutex_unlock(&l->spare_lock);
    if (raw == NULL) {
        raw = calloc(1, sizeof *raw);
        if (raw == NULL) return NULL;
        sm_buf_init(&raw->text, TEXT_MAX);
    }
    sm_buf_clear(&raw->text);
    raw->lane = lane;
    raw->serial = lane->asked++;
    return raw;
}

static void put_away(listing *l, raw_page *raw)
{
    free(raw->next);
    raw->next = NULL;
    pthread_mutex_lock(&l->spare_lock);
    raw->behind = l->spare;
    l->spare = raw;
    pthread_mutex_unlock(&l->spare_lock);
}

/* The token of raw's next page. That of a page whose text does not show it at once is read with the
 * whole page. */
static sm_status find_next(const listing *l, raw_page *raw)
{
    sm_list_page page;
    sm_status status = l->source->find_token(&raw->next, raw->text.data, raw->text.len);
    if (status != SM_OK || raw->next != NULL) return status;
    sm_list_page_init(&page);
    status = l->source->read(&page, &raw->text);
    if (status == SM_OK && next_of(&page) != NULL) {
        raw->next = strdup(next_of(&page));
        if (raw->next == NULL) status = sm_fail_memory(page.next.len);
    }
    sm_list_page_free(&page);
    return status;
}

static sm_status ask_next(list_lane *lane, raw_page *raw)
{
    const listing *l = lane->of;
    const sm_list_wish wish = {.prefix = l->prefix, .start = lane->start, .token = lane->token};
    sm_status status = l->source->ask(&raw->text, l->url, &wish);
    if (status != SM_OK) return status;
    status = find_next(l, raw);
    if (status == SM_OK && lane->token != NULL && raw->next != NULL &&
        strcmp(lane->token, raw->next) == 0)
        status = sm_fail(SM_ERR_FORMAT, "one page comes again and again");
    return status == SM_OK ? SM_OK : fail_nonsense(status, l->url);
}

/* Moves the lane behind raw; false: that was its last page. */
static bool move_on(list_lane *lane, const raw_page *raw)
{
    free(lane->token);
    lane->token = raw->next == NULL ? NULL : strdup(raw->next);
    if (lane->token == NULL && raw->next != NULL) stop(lane->of, sm_fail_memory(1));
    return lane->token != NULL;
}

static void *ask_pages(void *user)
{
    list_lane *lane = user;
    listing *l = lane->of;
    for (bool more = true; more && !atomic_load(&lane->ended) && !atomic_load(&l->stopped);) {
        raw_page *raw = new_raw(lane);
        sm_status status = raw == NULL ? sm_fail_memory(sizeof *raw) : ask_next(lane, raw);
        more = status == SM_OK && move_on(lane, raw);
        if (status != SM_OK) stop(l, status);
        if (status != SM_OK || !sm_queue_push(&l->pages, raw)) {
            free_raw(raw);
            more = false;
        }
    }
    if (atomic_fetch_sub(&l->asking, 1) == 1) sm_queue_close(&l->pages);
    return NULL;
}

/* ---- Reading and giving out */

static sm_status give(list_lane *lane, const sm_list_page *page)
{
    const listing *l = lane->of;
    const size_t prefix_len = strlen(l->prefix);
    for (size_t i = 0; i < page->count; i++) {
        const char *key = (const char *)page->text.data + page->entries[i].key;
        if (strncmp(key, l->prefix, prefix_len) != 0)
            return sm_fail(SM_ERR_FORMAT,
                           "cannot list '%s': the store told of '%s', which is not below it",
                           l->url, key);
        if (lane->end != NULL && strcmp(key, lane->end) >= 0) {
            atomic_store(&lane->ended, true);
            return SM_OK;
        }
        sm_status status = l->fn(l->user, lane->number, key + prefix_len, &page->entries[i].info);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

/* The page behind raw was asked for by a token that only looked like its own, or is missing. */
static sm_status check_next(const raw_page *raw, const sm_list_page *page)
{
    const char *next = next_of(page);
    if (next == NULL ? raw->next == NULL : raw->next != NULL && strcmp(next, raw->next) == 0)
        return SM_OK;
    return sm_fail(SM_ERR_FORMAT, "it is not clear where the next page is");
}

static sm_status give_in_turn(listing *l, const raw_page *raw, const sm_list_page *page)
{
    list_lane *lane = raw->lane;
    sm_status status = SM_OK;
    pthread_mutex_lock(&l->lock);
    while (!atomic_load(&l->stopped) && !atomic_load(&lane->ended) && lane->given != raw->serial)
        pthread_cond_wait(&l->turn, &l->lock);
    if (!atomic_load(&l->stopped) && !atomic_load(&lane->ended)) status = give(lane, page);
    lane->given++;
    pthread_cond_broadcast(&l->turn);
    pthread_mutex_unlock(&l->lock);
    return status;
}

static void *read_pages(void *user)
{
    listing *l = user;
    sm_list_page page;
    sm_list_page_init(&page);
    for (raw_page *raw; (raw = sm_queue_pop(&l->pages)) != NULL; put_away(l, raw)) {
        if (atomic_load(&l->stopped) || atomic_load(&raw->lane->ended)) continue;
        sm_list_page_clear(&page);
        sm_status status = l->source->read(&page, &raw->text);
        if (status == SM_OK) status = check_next(raw, &page);
        if (status != SM_OK)
            fail_nonsense(status, l->url);
        else
            status = give_in_turn(l, raw, &page);
        if (status != SM_OK) stop(l, status);
    }
    sm_list_page_free(&page);
    return NULL;
}

/* ---- Where to cut */

/* The folders of what is listed; where there is one alone, those in it. */
static sm_status find_folders(sm_list_page *page, const listing *l)
{
    char *prefix = strdup(l->prefix);
    sm_status status = prefix == NULL ? sm_fail_memory(1) : SM_OK;
    for (int depth = 0; status == SM_OK && depth < DEPTH; depth++) {
        const sm_list_wish wish = {.prefix = prefix, .folders = true};
        status = get_page(page, l->source, l->url, &wish);
        const char *first = (const char *)page->folders.data;
        const bool alone = status == SM_OK && page->count == 0 && page->folders.len > 0 &&
                           strlen(first) + 1 == page->folders.len && strcmp(first, prefix) != 0 &&
                           next_of(page) == NULL;
        if (!alone) break;
        free(prefix);
        prefix = strdup(first);
        if (prefix == NULL) status = sm_fail_memory(1);
    }
    free(prefix);
    return status;
}

/* Keeps the folders behind last, if they come in order, and tells how many they are. */
static sm_status keep_behind(sm_buf *cuts, size_t *count, const sm_buf *folders, const char *last)
{
    const char *before = last;
    sm_status status = SM_OK;
    *count = 0;
    for (size_t at = 0; at < folders->len && status == SM_OK;) {
        const char *folder = (const char *)folders->data + at;
        at += strlen(folder) + 1;
        if (strcmp(folder, before) <= 0) continue;
        status = sm_buf_append(cuts, folder, strlen(folder) + 1);
        before = folder;
        ++*count;
    }
    return status;
}

/* Shares the keys behind the first page, whose last key is `last`, among the lanes. */
static sm_status cut(listing *l, const char *last)
{
    sm_list_page page;
    size_t count = 0;
    sm_list_page_init(&page);
    sm_status status = find_folders(&page, l);
    if (status == SM_OK) status = keep_behind(&l->cuts, &count, &page.folders, last);
    sm_list_page_free(&page);
    if (status != SM_OK || count == 0) return status;
    const size_t lanes = count + 1 < SM_LIST_LANES ? count + 1 : SM_LIST_LANES;
    const char *folder = (const char *)l->cuts.data;
    for (size_t i = 0, taken = 1; i < count && taken < lanes; i++, folder += strlen(folder) + 1) {
        if (i != (taken - 1) * count / (lanes - 1)) continue;
        l->lanes[taken - 1].end = l->lanes[taken].start = folder;
        taken++;
    }
    l->lane_count = (unsigned)lanes;
    return SM_OK;
}

/* ---- The whole */

static sm_status run(listing *l)
{
    pthread_t readers[READERS];
    unsigned started = 0, reading = 0;
    const uint32_t cores = sm_machine_threads();
    atomic_store(&l->asking, l->lane_count);
    for (; started < l->lane_count; started++) {
        list_lane *lane = &l->lanes[started];
        int error = pthread_create(&lane->thread, NULL, ask_pages, lane);
        if (error == 0) continue;
        stop(l, sm_fail_errno(error, "cannot start a thread"));
        break;
    }
    /* This thread reads too. */
    while (reading + 1 < cores && reading < READERS - 1 &&
           pthread_create(&readers[reading], NULL, read_pages, l) == 0)
        reading++;
    read_pages(l);
    for (unsigned i = 0; i < reading; i++) pthread_join(readers[i], NULL);
    sm_queue_close(&l->pages);
    for (unsigned i = 0; i < started; i++) pthread_join(l->lanes[i].thread, NULL);
    for (raw_page *left; (left = sm_queue_pop(&l->pages)) != NULL;) free_raw(left);
    for (raw_page *next; l->spare != NULL; l->spare = next) {
        next = l->spare->behind;
        free_raw(l->spare);
    }
    return l->status == SM_OK ? SM_OK : sm_fail(l->status, "%s", l->error);
}

/* Gives the first page; when there are others, shares them among lanes. */
static sm_status begin(listing *l, bool *more)
{
    sm_list_page page;
    sm_list_page_init(&page);
    sm_status status = get_page(&page, l->source, l->url, &(sm_list_wish){.prefix = l->prefix});
    if (status == SM_OK) status = give(&l->lanes[0], &page);
    *more = status == SM_OK && next_of(&page) != NULL;
    if (*more) {
        l->lanes[0].token = strdup(next_of(&page));
        if (l->lanes[0].token == NULL) status = sm_fail_memory(page.next.len);
    }
    if (*more && status == SM_OK && page.count > 0)
        status = cut(l, (const char *)page.text.data + page.entries[page.count - 1].key);
    sm_list_page_free(&page);
    return status;
}

sm_status sm_list_all(const sm_list_source *source, const char *url, const char *prefix,
                      sm_list_fn *fn, void *user)
{
    listing l = {.source = source, .url = url, .prefix = prefix, .fn = fn, .user = user};
    bool more = false;
    for (unsigned i = 0; i < SM_LIST_LANES; i++) l.lanes[i] = (list_lane){.of = &l, .number = i};
    l.lane_count = 1;
    sm_buf_init(&l.cuts, TEXT_MAX);
    sm_status status = begin(&l, &more);
    if (status == SM_OK && more) {
        pthread_mutex_init(&l.spare_lock, NULL);
        pthread_mutex_init(&l.lock, NULL);
        pthread_cond_init(&l.turn, NULL);
        status = sm_queue_init(&l.pages, AHEAD);
        if (status == SM_OK) status = run(&l);
        sm_queue_destroy(&l.pages);
        pthread_cond_destroy(&l.turn);
        pthread_mutex_destroy(&l.lock);
        pthread_mutex_destroy(&l.spare_lock);
    }
    for (unsigned i = 0; i < SM_LIST_LANES; i++) free(l.lanes[i].token);
    sm_buf_free(&l.cuts);
    return status;
}
