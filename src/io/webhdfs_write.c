/*
 * Writing a file of HDFS: into a temporary neighbour, piece after piece, which is renamed at
 * commit. A piece that may have arrived although its answer was lost is not sent again before the
 * file's length has told. A request that was given up may still come to a data node and be carried
 * out, whenever that is; so each try has a name of its own, which no earlier one knows: what it
 * makes, or appends to, is never what is being written.
 */
#include "io/http_retry.h"
#include "io/temporary.h"
#include "io/webhdfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { PIECE_SIZE = 32 << 20, OP_MAX = 64 << 10 };

enum { NAMES_MAX = 4096 }; /* far more than a run's patience has tries for */

typedef struct hdfs_sink {
    char *url, *temporary;
    uint64_t number;       /* the temporary's; those of the tries before are the ones below it, */
    unsigned before;       /* so many */
    bool only_new, exists; /* exists: the temporary was made */
    sm_buf piece;
    uint64_t written; /* bytes that HDFS has */
} hdfs_sink;

static void free_sink(hdfs_sink *sink)
{
    sm_buf_free(&sink->piece);
    free(sink->url);
    free(sink->temporary);
    free(sink);
}

/* A hidden neighbour of the file, which the caller frees. */
static sm_status name_of(char **name, const hdfs_sink *sink, uint64_t number)
{
    int folder = (int)(strrchr(sink->url, '/') - sink->url) + 1;
    if (asprintf(name, "%.*s%s%016llx%s", folder, sink->url, TEMPORARY_PREFIX,
                 (unsigned long long)number, TEMPORARY_SUFFIX) >= 0)
        return SM_OK;
    *name = NULL;
    return sm_fail_memory(strlen(sink->url));
}

sm_status sm_hdfs_sink_open(void **sink, const char *url, bool only_new)
{
    sm_hdfs_place place;
    sm_status status = sm_hdfs_place_of(&place, url);
    if (status != SM_OK) return status;
    bool is_folder = strcmp(place.path, "/") == 0 || url[strlen(url) - 1] == '/';
    sm_hdfs_place_free(&place);
    if (is_folder) return sm_fail(SM_ERR_USAGE, "cannot write '%s': it names no file", url);
    hdfs_sink *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    sm_buf_init(&made->piece, PIECE_SIZE);
    made->only_new = only_new;
    made->url = strdup(url);
    if (made->url == NULL)
        status = sm_fail_memory(strlen(url));
    else if (getrandom(&made->number, sizeof made->number, 0) != sizeof made->number)
        status = sm_fail(SM_ERR_IO, "cannot write '%s': no random numbers", url);
    else
        status = name_of(&made->temporary, made, made->number);
    if (status != SM_OK) {
        free_sink(made);
        return status;
    }
    *sink = made;
    return SM_OK;
}

/* ---- Renaming */

static sm_status rename_op(sm_buf *op, const char *to, bool only_new)
{
    sm_hdfs_place place;
    sm_status status = sm_hdfs_place_of(&place, to);
    if (status != SM_OK) return status;
    status =
        sm_buf_printf(op, "RENAME&renameoptions=%s&destination=", only_new ? "NONE" : "OVERWRITE");
    if (status == SM_OK) status = sm_http_append_encoded(op, place.path, false);
    sm_hdfs_place_free(&place);
    return status;
}

/* One try. *yes is false for a gateway that does not know our options and found something there.
 * After an answer that was lost, the file's tag at its new place shows that it was moved. */
static sm_status try_rename(const char *from, const char *to, const char *op, const char *tag,
                            bool *yes)
{
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status = sm_hdfs_ask(&reply, "PUT", from, "rename", op);
    *yes = status == SM_OK && sm_hdfs_said_yes(&reply);
    bool lost = status == SM_ERR_NOT_FOUND && reply.attempts > 1;
    sm_http_reply_free(&reply);
    sm_file_info info;
    if (!lost || sm_hdfs_stat(&info, to) != SM_OK || strcmp(info.tag, tag) != 0) return status;
    *yes = true;
    return SM_OK;
}

/* tag is from's. */
static sm_status move(const char *from, const char *to, const char *tag, bool only_new)
{
    sm_buf op;
    sm_buf_init(&op, OP_MAX);
    bool yes = false;
    sm_status status = rename_op(&op, to, only_new);
    if (status == SM_OK) status = try_rename(from, to, (const char *)op.data, tag, &yes);
    if (status == SM_OK && !yes && !only_new) {
        status = sm_hdfs_remove(to);
        if (status == SM_OK) status = try_rename(from, to, (const char *)op.data, tag, &yes);
    }
    if (status == SM_OK && !yes)
        status =
            sm_fail(SM_ERR_CONFLICT, "cannot rename '%s' to '%s': something is there", from, to);
    sm_buf_free(&op);
    return status;
}

sm_status sm_hdfs_move(const char *from, const char *to, bool only_new)
{
    sm_file_info info;
    sm_status status = sm_hdfs_stat(&info, from);
    return status == SM_OK ? move(from, to, info.tag, only_new) : status;
}

/* ---- Pieces */

/* Asks the name node where the piece goes. */
static sm_status locate(char **location, const hdfs_sink *sink)
{
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status = sink->exists ? sm_hdfs_ask(&reply, "POST", sink->temporary, "write",
                                                  "APPEND&noredirect=true")
                                    : sm_hdfs_ask(&reply, "PUT", sink->temporary, "write",
                                                  "CREATE&overwrite=true&noredirect=true");
    *location = status == SM_OK ? sm_hdfs_location(&reply) : NULL;
    if (status == SM_OK && *location == NULL)
        status = sm_fail(SM_ERR_FORMAT, "cannot write '%s': the name node named no data node",
                         sink->url);
    sm_http_reply_free(&reply);
    return status;
}

/* A writer before us, who may be ourselves, still holds the file for a while. */
static bool is_held(const char *exception)
{
    return strcmp(exception, "AlreadyBeingCreatedException") == 0 ||
           strcmp(exception, "RecoveryInProgressException") == 0;
}

/* Sends the piece to a data node. passing: trying again may help. */
static sm_status send_piece(hdfs_sink *sink, bool *passing)
{
    char *location, exception[SM_HDFS_EXCEPTION_MAX] = "";
    sm_http *http;
    sm_http_request request;
    sm_http_reply reply;
    *passing = false;
    sm_status status = locate(&location, sink);
    if (status != SM_OK) return status;
    sm_http_request_init(&request, sink->exists ? "POST" : "PUT");
    sm_http_reply_init(&reply);
    request.label = sink->url;
    request.once = true; /* what came of it, the name node knows */
    request.data = sink->piece.len == 0 ? "" : (const void *)sink->piece.data;
    request.len = sink->piece.len;
    status = sm_buf_printf(&request.url, "%s", location);
    if (status == SM_OK)
        status = sm_http_add_header(&request, "Content-Type", "application/octet-stream");
    if (status == SM_OK) status = sm_http_mine(&http);
    if (status == SM_OK) {
        status = sm_http_perform(http, &request, &reply);
        *passing = status == SM_ERR_IO;
    }
    if (status == SM_OK) {
        status = sm_hdfs_judge(&reply, "write", sink->url, exception);
        *passing = sm_is_passing_status(reply.status) || is_held(exception);
    }
    sm_http_request_free(&request);
    sm_http_reply_free(&reply);
    free(location);
    return status;
}

/* Takes the next name, and the file to it if it was made. */
static sm_status take_another_name(hdfs_sink *sink)
{
    char *name;
    if (sink->before == NAMES_MAX)
        return sm_fail(SM_ERR_IO, "cannot write '%s': gave up after %u tries", sink->url,
                       sink->before);
    sm_status status = name_of(&name, sink, sink->number + 1);
    if (status == SM_OK && sink->exists) status = sm_hdfs_move(sink->temporary, name, true);
    if (status != SM_OK) {
        free(name);
        return status;
    }
    free(sink->temporary);
    sink->temporary = name;
    sink->number++;
    sink->before++;
    return SM_OK;
}

/* After a failure: SM_OK when the piece may be sent again, or is there after all (*there). */
static sm_status look_at_damage(hdfs_sink *sink, bool *there)
{
    sm_file_info info;
    sm_status status = sink->exists ? take_another_name(sink) : SM_OK;
    if (status == SM_OK) status = sm_hdfs_stat(&info, sink->temporary);
    *there = status == SM_OK && info.size == sink->written + sink->piece.len;
    if (*there) return SM_OK;
    if (!sink->exists && (status == SM_OK || status == SM_ERR_NOT_FOUND))
        return take_another_name(sink); /* it is made anew */
    if (status != SM_OK || info.size == sink->written) return status;
    return sm_fail(SM_ERR_IO, "cannot write '%s': a data node failed in the middle of a piece",
                   sink->url);
}

static sm_status flush_piece(hdfs_sink *sink)
{
    sm_backoff backoff;
    sm_backoff_init(&backoff);
    for (;;) {
        bool passing, there;
        sm_status status = send_piece(sink, &passing);
        if (status == SM_OK) break;
        if (!passing || !sm_backoff_sleep(&backoff, 0)) return status;
        status = look_at_damage(sink, &there);
        if (status != SM_OK) return status;
        if (there) break;
    }
    sink->exists = true;
    sink->written += sink->piece.len;
    sm_buf_clear(&sink->piece);
    return SM_OK;
}

sm_status sm_hdfs_sink_write(void *opaque, const void *data, size_t len)
{
    hdfs_sink *sink = opaque;
    const uint8_t *next = data;
    while (len > 0) {
        size_t room = PIECE_SIZE - sink->piece.len;
        size_t n = len < room ? len : room;
        sm_status status = sm_buf_append(&sink->piece, next, n);
        if (status == SM_OK && n == room) status = flush_piece(sink);
        if (status != SM_OK) return status;
        next += n;
        len -= n;
    }
    return SM_OK;
}

/* ---- Commit */

/* Ends what tries that were given up made, and what a late one may have made since. What comes
 * later still is a leftover, removed one day later. */
static void remove_earlier(const hdfs_sink *sink)
{
    sm_status status = SM_OK; /* a name node that fails once has no more of our time */
    for (unsigned i = 1; status == SM_OK && i <= sink->before; i++) {
        char *name;
        status = name_of(&name, sink, sink->number - i);
        if (status == SM_OK) status = sm_hdfs_remove(name);
        free(name);
    }
}

/* After a failure, which stays this thread's error. */
static void remove_all(const hdfs_sink *sink)
{
    if (!sink->exists && sink->before == 0) return;
    char line[SM_ERROR_MAX];
    snprintf(line, sizeof line, "%s", sm_last_error());
    /* What cannot be removed is a leftover too. */
    if (sm_hdfs_remove(sink->temporary) == SM_OK) remove_earlier(sink);
    sm_fail(SM_OK, "%s", line);
}

sm_status sm_hdfs_sink_commit(void *opaque)
{
    hdfs_sink *sink = opaque;
    sm_file_info info;
    sm_status status = sink->piece.len > 0 || !sink->exists ? flush_piece(sink) : SM_OK;
    if (status == SM_OK) status = sm_hdfs_stat(&info, sink->temporary);
    if (status == SM_OK && info.size != sink->written)
        status = sm_fail(SM_ERR_IO, "cannot write '%s': HDFS has %llu of its %llu bytes", sink->url,
                         (unsigned long long)info.size, (unsigned long long)sink->written);
    if (status == SM_OK) status = move(sink->temporary, sink->url, info.tag, sink->only_new);
    if (status == SM_ERR_CONFLICT)
        sm_fail(status, "cannot write '%s': there is one already", sink->url);
    if (status == SM_OK)
        remove_earlier(sink);
    else
        remove_all(sink);
    free_sink(sink);
    return status;
}

void sm_hdfs_sink_abandon(void *opaque)
{
    hdfs_sink *sink = opaque;
    if (sink == NULL) return;
    remove_all(sink);
    free_sink(sink);
}
