/*
 * Files read from front to back. Those of stores come in pieces, which a thread of the source asks
 * for ahead of the reader; a file of one piece needs none. The whole is checked against the
 * checksum that the store has of it.
 */
#include "core/queue.h"
#include "io/store.h"
#include "io/sum.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 8 << 20, AHEAD = 2 };

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
    uint64_t asked, given; /* bytes */
    piece *now;            /* being given out; NULL: none yet */
    size_t at;             /* in it */
    sm_status failed;      /* what every read from now on gives */
    char error[SM_ERROR_MAX];
    bool has_reader;
    pthread_t reader;
    sm_queue ready;
};

static void free_piece(piece *p)
{
    if (p != NULL) sm_buf_free(&p->data);
    free(p);
}

/* The next piece, or why there is none; NULL: no memory. */
static piece *read_piece(sm_source *source)
{
    piece *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    const uint64_t left = source->size - source->asked;
    const uint64_t len = left < PIECE ? left : PIECE;
    sm_buf_init(&made->data, PIECE);
    made->status =
        source->store->read_range(&made->data, source->url, source->asked, len, &source->info);
    if (made->status == SM_OK && made->data.len != len)
        made->status = sm_fail(SM_ERR_CORRUPT, "'%s' changed while it was read", source->url);
    if (made->status != SM_OK)
        memcpy(made->error, sm_last_error(), strnlen(sm_last_error(), SM_ERROR_MAX - 1));
    source->asked += len;
    return made;
}

static void *read_ahead(void *user)
{
    sm_source *source = user;
    bool more = source->asked < source->size;
    while (more) {
        piece *made = read_piece(source);
        more = made != NULL && made->status == SM_OK && source->asked < source->size;
        if (made == NULL || !sm_queue_push(&source->ready, made)) {
            free_piece(made);
            break;
        }
    }
    sm_queue_close(&source->ready);
    return NULL;
}

static sm_status open_pieces(sm_source *source, const char *url)
{
    sm_status status = source->store->stat(&source->info, url);
    if (status != SM_OK) return status;
    if (source->info.kind != SM_FILE_REGULAR)
        return sm_fail(SM_ERR_FORMAT, "'%s' is a folder, not a file", url);
    source->size = source->info.size;
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
    status = store->source_open != NULL ? store->source_open(&made->inner, &made->size, path)
                                        : open_pieces(made, path);
    if (status == SM_OK)
        *source = made;
    else
        sm_source_close(made);
    return status;
}

/* A thread from the second piece on: what is opened for its first bytes alone needs none. */
static sm_status start_reader(sm_source *source)
{
    sm_status status = sm_queue_init(&source->ready, AHEAD);
    if (status != SM_OK) return status;
    int error = pthread_create(&source->reader, NULL, read_ahead, source);
    if (error != 0) return sm_fail_errno(error, "cannot start a thread");
    source->has_reader = true;
    return SM_OK;
}

static sm_status next_piece(sm_source *source)
{
    free_piece(source->now);
    source->now = NULL;
    source->at = 0;
    sm_status status = SM_OK;
    if (source->given == 0 && !source->has_reader) {
        source->now = read_piece(source);
    } else {
        if (!source->has_reader) status = start_reader(source);
        if (status != SM_OK) return status;
        source->now = sm_queue_pop(&source->ready);
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

uint64_t sm_source_size(const sm_source *source)
{
    return source->size;
}

void sm_source_close(sm_source *source)
{
    if (source == NULL) return;
    if (source->inner != NULL) source->store->source_close(source->inner);
    if (source->has_reader) {
        sm_queue_close(&source->ready);
        pthread_join(source->reader, NULL);
        for (piece *left; (left = sm_queue_pop(&source->ready)) != NULL;) free_piece(left);
    }
    sm_queue_destroy(&source->ready);
    sm_sum unused;
    sm_summer_end(&source->summer, &unused);
    free_piece(source->now);
    free(source->url);
    free(source);
}
