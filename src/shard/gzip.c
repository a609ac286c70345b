#include "shard/gzip.h"

#include "core/status.h"

#include <stdlib.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

enum {
    LEVEL = 6,
    GZIP_WINDOW = 15 + 16, /* the largest window; 16 asks for gzip's header and trailer */
    MEMORY_LEVEL = 8,
    ROOM = 64 * 1024 /* made in out before every call of deflate */
};

struct sm_gzip {
    z_stream stream;
};

sm_status sm_gzip_open(sm_gzip **gzip)
{
    sm_gzip *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    int result = deflateInit2(&made->stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                              Z_DEFAULT_STRATEGY);
    if (result != Z_OK) {
        free(made);
        return sm_fail(result == Z_MEM_ERROR ? SM_ERR_MEMORY : SM_ERR_INTERNAL,
                       "cannot set up gzip compression: %s", zError(result));
    }
    *gzip = made;
    return SM_OK;
}

/* Runs deflate until it has taken all its input (or, to finish, given all its output). */
static sm_status run(sm_gzip *gzip, sm_buf *out, int flush)
{
    z_stream *stream = &gzip->stream;
    for (;;) {
        sm_status status = sm_buf_reserve(out, ROOM);
        if (status != SM_OK) return status;
        stream->next_out = out->data + out->len;
        stream->avail_out = ROOM;
        int result = deflate(stream, flush);
        out->len += ROOM - stream->avail_out;
        if (result == Z_STREAM_END) return SM_OK;
        /* Z_BUF_ERROR: nothing was left to do */
        if (result != Z_OK && result != Z_BUF_ERROR)
            return sm_fail(SM_ERR_INTERNAL, "cannot compress: %s", zError(result));
        if (flush == Z_NO_FLUSH && stream->avail_out > 0) return SM_OK;
    }
}

sm_status sm_gzip_write(sm_gzip *gzip, sm_buf *out, const void *data, size_t len)
{
    static const size_t most = (size_t)1 << 30; /* zlib counts in unsigned int */
    const uint8_t *p = data;
    while (len > 0) {
        size_t part = len < most ? len : most;
        gzip->stream.next_in = p;
        gzip->stream.avail_in = (uInt)part;
        sm_status status = run(gzip, out, Z_NO_FLUSH);
        if (status != SM_OK) return status;
        p += part;
        len -= part;
    }
    return SM_OK;
}

sm_status sm_gzip_finish(sm_gzip *gzip, sm_buf *out)
{
    gzip->stream.next_in = NULL;
    gzip->stream.avail_in = 0;
    sm_status status = run(gzip, out, Z_FINISH);
    if (status == SM_OK) sm_gzip_reset(gzip);
    return status;
}

void sm_gzip_reset(sm_gzip *gzip)
{
    deflateReset(&gzip->stream);
}

void sm_gzip_free(sm_gzip *gzip)
{
    if (gzip == NULL) return;
    deflateEnd(&gzip->stream);
    free(gzip);
}
