/*
 * Files read from front to back. Those of stores come in pieces, of which several are asked for at
 * once ahead of the reader; a file of one piece needs no thread. Or they are poured: one request,
 * of which nothing is kept. The whole is checked against the checksum that the store has of it.
 */
#include "io/store.h"
#include "io/sum.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 8 << 20,
    READERS = 3,        /* pieces asked for at once: one connection alone rarely fills a network */
    SLOTS = READERS + 1 /* pieces asked for or waiting */
};

typedef struct piece {
    sm_buf data;
    sm_status status;
    char error[SM_ERROR_MAX];
} piece;

struct sm_source {
    const sm_store *store;
    uint64_t size;
    void *inner; /* of a store that opens its files itself; then nothing below is used */

    char *url;
    sm_file_info info; /* as it was when opened; what is read must still be that */
    sm_summer summer;
    uint64_t given;   /* bytes */
    piece *now;       /* being given out; NULL: none yet */
    size_t at;        /* in it */
    sm_status failed; /* what every read from now on gives */
    char error[SM_ERROR_MAX];
    pthread_t readers[READERS];
    unsigned reader_count;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    uint64_t count, asked, taken; /* pieces */
    piece *ready[SLOTS];          /* by number; NULL: not yet */
    piece *spare;                 /* for its memory; NULL: none */
    bool stopped;                 /* no more are asked for */
    bool lost;                    /* for want of memory, one will not come */
};

static void free_piece(piece *p)
{
    if (p != NULL) sm_buf_free(&p->data);
    free(p);
}

/* An empty piece; NULL: no memory. */
static piece *new_piece(sm_source *source)
{
    pthread_mutex_lock(&source->lock);
    piece *made = source->spare;
    source->spare = NULL;
    pthread_mutex_unlock(&source->lock);
    if (made != NULL) {
        sm_buf_clear(&made->data);
        return made;
    }
    made = calloc(1, sizeof *made);
    if (made != NULL) sm_buf_init(&made->data, PIECE);
    return made;
}

/* The piece of that number, or why there is none; NULL: no memory. info is what it must be of. */
static piece *read_piece(sm_source *source, uint64_t number, sm_file_info *info)
{
    piece *made = new_piece(source);
    if (made == NULL) return NULL;
    const uint64_t offset = number * PIECE, left = source->size - offset;
    const uint64_t len = left < PIECE ? left : PIECE;
    const sm_file_part part = {.offset = offset, .length = len, .into = &made->data};
    made->status = source->store->read_part(source->url, &part, info);
    if (made->status == SM_OK && made->data.len != len)
        made->status = sm_fail(SM_ERR_CORRUPT, "'%s' changed while it was read", source->url);
    if (made->status != SM_OK) snprintf(made->error, sizeof made->error, "%s", sm_last_error());
    return made;
}

/* Takes the number of a piece to ask for; false: there is none left. */
static bool take_number(sm_source *source, uint64_t *number)
{
    pthread_mutex_lock(&source->lock);
    while (!source->stopped && source->asked < source->count &&
           source->asked - source->taken >= SLOTS)
        pthread_cond_wait(&source->changed, &source->lock);
    const bool any = !source->stopped && source->asked < source->count;
    if (any) *number = source->asked++;
    pthread_mutex_unlock(&source->lock);
    return any;
}

static void *read_ahead(void *user)
{
    sm_source *source = user;
    sm_file_info info = source->info; /* the same for all, and changed by none */
    for (uint64_t number; take_number(source, &number);) {
        piece *made = read_piece(source, number, &info);
        pthread_mutex_lock(&source->lock);
        if (made == NULL || made->status != SM_OK) source->stopped = true;
        source->lost = source->lost || made == NULL;
        source->ready[number % SLOTS] = made;
        pthread_cond_broadcast(&source->changed);
        pthread_mutex_unlock(&source->lock);
    }
    return NULL;
}

static sm_status open_pieces(sm_source *source, const char *url)
{
    sm_status status = source->store->stat(&source->info, url);
    if (status != SM_OK) return status;
    if (source->info.kind != SM_FILE_REGULAR)
        return sm_fail(SM_ERR_FORMAT, "'%s' is a folder, not a file", url);
    source->size = source->info.size;
    source->count = source->size / PIECE + (source->size % PIECE > 0);
    source->url = strdup(url);
    if (source->url == NULL) return sm_fail_memory(strlen(url));
    return sm_summer_init(&source->summer, source->info.sum.kind);
}

sm_status sm_source_open(sm_source **source, const char *path)
{
    const sm_store *store;
    sm_status status = sm_store_of(&store, &path);
    if (status != SM_OK) return status;
    sm_source *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->store = store;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    status = store->source_open != NULL ? store->source_open(&made->inner, &made->size, path)
                                        : open_pieces(made, path);
    if (status == SM_OK)
        *source = made;
    else
        sm_source_close(made);
    return status;
}

/* Threads from the second piece on: what is opened for its first bytes alone needs none. */
static sm_status start_readers(sm_source *source)
{
    int error = 0;
    while (error == 0 && source->reader_count < READERS &&
           source->reader_count + 1 < source->count) {
        error = pthread_create(&source->readers[source->reader_count], NULL, read_ahead, source);
        if (error == 0) source->reader_count++;
    }
    return source->reader_count > 0 ? SM_OK : sm_fail_errno(error, "cannot start a thread");
}

/* Waits for the next piece of the readers; NULL: they had no memory. */
static piece *take_ready(sm_source *source)
{
    pthread_mutex_lock(&source->lock);
    piece **slot = &source->ready[source->taken % SLOTS];
    /* Those before one that failed still come. */
    while (*slot == NULL && !source->lost) pthread_cond_wait(&source->changed, &source->lock);
    piece *taken = *slot;
    *slot = NULL;
    source->taken++;
    pthread_cond_broadcast(&source->changed);
    pthread_mutex_unlock(&source->lock);
    return taken;
}

static void give_back(sm_source *source, piece *used)
{
    pthread_mutex_lock(&source->lock);
    piece *other = source->spare;
    source->spare = used;
    pthread_mutex_unlock(&source->lock);
    free_piece(other);
}

static sm_status next_piece(sm_source *source)
{
    give_back(source, source->now);
    source->now = NULL;
    source->at = 0;
    if (source->given == 0) {
        source->asked = source->taken = 1;
        source->now = read_piece(source, 0, &source->info);
    } else {
        sm_status status = source->reader_count == 0 ? start_readers(source) : SM_OK;
        if (status != SM_OK) return status;
        source->now = take_ready(source);
    }
    if (source->now == NULL) return sm_fail_memory(PIECE);
    if (source->now->status != SM_OK) return sm_fail(source->now->status, "%s", source->now->error);
    sm_summer_add(&source->summer, source->now->data.data, source->now->data.len);
    return SM_OK;
}

/* All has been given: is it what the store has? */
static sm_status check_whole(sm_source *source)
{
    sm_sum sum;
    sm_summer_end(&source->summer, &sum);
    if (sm_sum_agrees(&sum, &source->info.sum)) return SM_OK;
    return sm_fail(SM_ERR_CORRUPT,
                   "'%s' came damaged: its checksum is not the one the store has; who reads it "
                   "from front to back must begin anew: run again",
                   source->url);
}

static sm_status read_pieces(sm_source *source, size_t *got, uint8_t *data, size_t len)
{
    size_t done = 0;
    while (done < len && source->given < source->size) {
        if (source->now == NULL || source->at == source->now->data.len) {
            sm_status status = next_piece(source);
            if (status != SM_OK) return status;
        }
        const size_t left = source->now->data.len - source->at;
        const size_t n = left < len - done ? left : len - done;
        memcpy(data + done, source->now->data.data + source->at, n);
        source->at += n;
        source->given += n;
        done += n;
        if (source->given == source->size) {
            sm_status status = check_whole(source);
            if (status != SM_OK) return status;
        }
    }
    *got = done;
    return SM_OK;
}

sm_status sm_source_read(sm_source *source, size_t *got, void *data, size_t len)
{
    if (source->inner != NULL) return source->store->source_read(source->inner, got, data, len);
    if (source->failed != SM_OK) return sm_fail(source->failed, "%s", source->error);
    source->failed = read_pieces(source, got, data, len);
    if (source->failed != SM_OK)
        memcpy(source->error, sm_last_error(), strnlen(sm_last_error(), SM_ERROR_MAX - 1));
    return source->failed;
}

/* What a reader took so far of what is poured. */
typedef struct pouring {
    sm_source *source;
    sm_take_fn *take;
    void *user;
} pouring;

static sm_status take_poured(void *user, const void *data, size_t len)
{
    const pouring *p = user;
    sm_summer_add(&p->source->summer, data, len);
    p->source->given += len;
    return p->take(p->user, data, len);
}

bool sm_source_pours(const sm_source *source)
{
    return source->inner == NULL && source->store->pours;
}

sm_status sm_source_pour(sm_source *source, sm_take_fn *take, void *user)
{
    pouring p = {.source = source, .take = take, .user = user};
    const sm_file_part all = {.length = source->size, .take = take_poured, .take_user = &p};
    sm_status status = source->store->read_part(source->url, &all, &source->info);
    if (status == SM_OK && source->given != source->size)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' changed while it was read", source->url);
    return status == SM_OK ? check_whole(source) : status;
}

uint64_t sm_source_size(const sm_source *source)
{
    return source->size;
}

void sm_source_close(sm_source *source)
{
    if (source == NULL) return;
    if (source->inner != NULL) source->store->source_close(source->inner);
    pthread_mutex_lock(&source->lock);
    source->stopped = true;
    pthread_cond_broadcast(&source->changed);
    pthread_mutex_unlock(&source->lock);
    for (unsigned i = 0; i < source->reader_count; i++) pthread_join(source->readers[i], NULL);
    for (unsigned i = 0; i < SLOTS; i++) free_piece(source->ready[i]);
    sm_sum unused;
    sm_summer_end(&source->summer, &unused);
    free_piece(source->now);
    free_piece(source->spare);
    pthread_cond_destroy(&source->changed);
    pthread_mutex_destroy(&source->lock);
    free(source->url);
    free(source);
}
