/*
 * Reading TFRecord files. The uncompressed stream passes through one window of memory; a record
 * that lies in it whole is given away in place. The window grows with data that is really there,
 * never on a length's word alone.
 */
#include "core/crc32c.h"
#include "core/status.h"
#include "io/io.h"
#include "shard/tfrecord.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

enum {
    WINDOW = 1 << 20,
    COMPRESSED = 1 << 18, /* bytes read at once of a gzip file */
    GZIP_WINDOW = 15 + 16 /* the largest window; 16 asks for gzip's header and trailer */
};

#define WINDOW_MAX (SM_TFRECORD_MAX + 4 * (size_t)WINDOW)

struct sm_reader {
    sm_source *source;
    char *path;
    sm_buf window;
    size_t begin;    /* of what is not given away yet; it ends at window.len */
    uint64_t offset; /* of begin, in the uncompressed stream */
    uint64_t record; /* offset of the record that was given or failed on last */
    bool end;        /* the stream has nothing behind the window */
    bool done;       /* nothing will be given any more */

    char problem[256]; /* of the last failure */

    bool gzip, in_member;
    const char *gzip_bad; /* why the stream ends too soon; else NULL */
    z_stream stream;
    uint8_t *compressed;
};

static sm_status fail_at(sm_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static sm_status fail_at(sm_reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->problem, sizeof reader->problem, format, args);
    va_end(args);
    return sm_fail(SM_ERR_CORRUPT, "'%s' at byte %" PRIu64 ": %s", reader->path, reader->record,
                   reader->problem);
}

static uint64_t load_le(const uint8_t *p, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* ---- The uncompressed stream ----------------------------------------------------------------- */

/* Has compressed bytes ready, or finds the end of the file. */
static sm_status refill(sm_reader *reader)
{
    if (reader->stream.avail_in > 0) return SM_OK;
    size_t got;
    sm_status status = sm_source_read(reader->source, &got, reader->compressed, COMPRESSED);
    if (status != SM_OK) return status;
    reader->stream.next_in = reader->compressed;
    reader->stream.avail_in = (uInt)got;
    reader->end = got == 0;
    if (reader->end && reader->in_member) reader->gzip_bad = "it is cut short";
    return SM_OK;
}

/* As sm_source_read. What lies in front of damage is given; gzip_bad then tells of it. */
static sm_status inflate_some(sm_reader *reader, size_t *got, uint8_t *data, size_t room)
{
    z_stream *stream = &reader->stream;
    stream->next_out = data;
    stream->avail_out = (uInt)room;
    while (stream->avail_out > 0) {
        sm_status status = refill(reader);
        if (status != SM_OK) return status;
        if (reader->end) break;
        reader->in_member = true; /* what follows a member must be one: inflate checks its magic */
        int result = inflate(stream, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            reader->in_member = false;
            inflateReset(stream);
        } else if (result == Z_MEM_ERROR) {
            return sm_fail(SM_ERR_MEMORY, "cannot read '%s': memory is short", reader->path);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            reader->gzip_bad = stream->msg != NULL ? stream->msg : zError(result);
            reader->end = true;
            break;
        }
    }
    *got = room - stream->avail_out;
    return SM_OK;
}

static sm_status read_some(sm_reader *reader, size_t room)
{
    size_t got = 0;
    uint8_t *data = reader->window.data + reader->window.len;
    sm_status status;
    if (reader->gzip) {
        status = inflate_some(reader, &got, data, room);
    } else {
        status = sm_source_read(reader->source, &got, data, room);
        reader->end = got < room;
    }
    if (status == SM_OK) reader->window.len += got;
    return status;
}

static size_t at_most(size_t value, size_t limit)
{
    return value < limit ? value : limit;
}

static size_t at_least(size_t value, size_t limit)
{
    return value > limit ? value : limit;
}

/* Has need bytes in the window, or all up to the stream's end; *got says how many there are. */
static sm_status fill(sm_reader *reader, size_t *got, size_t need)
{
    sm_buf *window = &reader->window;
    if (window->len - reader->begin < need && !reader->end && reader->begin > 0) {
        memmove(window->data, window->data + reader->begin, window->len - reader->begin);
        window->len -= reader->begin;
        reader->begin = 0;
    }
    while (window->len - reader->begin < need && !reader->end) {
        size_t missing = need - window->len;
        sm_status status = SM_OK;
        if (window->cap == window->len)
            status = sm_buf_reserve(window, at_least(at_most(missing, window->len), WINDOW));
        size_t room = at_most(window->cap - window->len, at_least(missing, WINDOW));
        if (status == SM_OK) status = read_some(reader, room);
        if (status != SM_OK) return status;
    }
    *got = at_most(window->len - reader->begin, need);
    return SM_OK;
}

/* ---- Records --------------------------------------------------------------------------------- */

static sm_status fail_short(sm_reader *reader, const char *part, size_t got, size_t need)
{
    if (reader->gzip_bad != NULL)
        return fail_at(reader, "the gzip stream is damaged: %s", reader->gzip_bad);
    return fail_at(reader, "the file ends within a record's %s: %zu bytes of %zu are there", part,
                   got, need);
}

/* The record's length, checked, when its header is whole and sound. */
static sm_status read_header(sm_reader *reader, size_t *length)
{
    size_t got;
    sm_status status = fill(reader, &got, SM_TFRECORD_HEADER);
    if (status != SM_OK) return status;
    const uint8_t *header = reader->window.data + reader->begin;
    if (got < SM_TFRECORD_HEADER) return fail_short(reader, "header", got, SM_TFRECORD_HEADER);

    uint32_t stored = (uint32_t)load_le(header + 8, 4);
    uint32_t computed = sm_crc32c_mask(sm_crc32c(0, header, 8));
    if (stored != computed)
        return fail_at(reader,
                       "record's length checksum is wrong (stored %08" PRIx32
                       ", computed %08" PRIx32 ")",
                       stored, computed);

    uint64_t claimed = load_le(header, 8), size = sm_source_size(reader->source);
    if (claimed > SM_TFRECORD_MAX)
        return fail_at(reader, "record has %" PRIu64 " bytes, more than a record may have (%zu)",
                       claimed, SM_TFRECORD_MAX);
    uint64_t last = reader->offset + SM_TFRECORD_HEADER + claimed + SM_TFRECORD_FOOTER;
    if (!reader->gzip && last > size)
        return fail_at(reader,
                       "the file ends within a record: it goes to byte %" PRIu64
                       ", the file to %" PRIu64,
                       last, size);
    *length = (size_t)claimed;
    return SM_OK;
}

static sm_status read_record(sm_reader *reader, const uint8_t **data, size_t *len)
{
    size_t length = 0, got;
    sm_status status = read_header(reader, &length);
    if (status != SM_OK) return status;
    size_t whole = SM_TFRECORD_HEADER + length + SM_TFRECORD_FOOTER;
    status = fill(reader, &got, whole);
    if (status != SM_OK) return status;
    if (got < whole) return fail_short(reader, "data", got, whole);

    const uint8_t *content = reader->window.data + reader->begin + SM_TFRECORD_HEADER;
    uint32_t stored = (uint32_t)load_le(content + length, 4);
    uint32_t computed = sm_crc32c_mask(sm_crc32c(0, content, length));
    reader->begin += whole;
    reader->offset += whole;
    reader->done = false; /* the length was sound: the next record can be found */
    if (stored != computed)
        return fail_at(reader,
                       "record's data checksum is wrong (stored %08" PRIx32 ", computed %08" PRIx32
                       ")",
                       stored, computed);
    *data = content;
    *len = length;
    return SM_OK;
}

sm_status sm_reader_next(sm_reader *reader, const uint8_t **data, size_t *len)
{
    if (!reader->done) {
        size_t got;
        sm_status status = fill(reader, &got, 1);
        reader->done = true; /* unless a record turns out sound enough to go on behind it */
        if (status != SM_OK) return status;
        if (got > 0 || reader->gzip_bad != NULL) {
            reader->record = reader->offset;
            return read_record(reader, data, len);
        }
    }
    *data = NULL;
    *len = 0;
    return SM_OK;
}

uint64_t sm_reader_offset(const sm_reader *reader)
{
    return reader->record;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* A record of 35,615 bytes begins as a gzip file does, so that the length's checksum decides. */
static bool is_gzip(const uint8_t *head, size_t len)
{
    static const uint8_t magic[] = {0x1f, 0x8b};
    if (len < sizeof magic || memcmp(head, magic, sizeof magic) != 0) return false;
    return len < SM_TFRECORD_HEADER ||
           sm_crc32c_mask(sm_crc32c(0, head, 8)) != (uint32_t)load_le(head + 8, 4);
}

static sm_status begin_gzip(sm_reader *reader, const uint8_t *head, size_t len)
{
    reader->compressed = sm_alloc_pages(COMPRESSED);
    if (reader->compressed == NULL) return sm_fail_memory(COMPRESSED);
    int result = inflateInit2(&reader->stream, GZIP_WINDOW);
    if (result != Z_OK)
        return sm_fail(SM_ERR_MEMORY, "cannot read '%s': %s", reader->path, zError(result));
    reader->gzip = true;
    memcpy(reader->compressed, head, len);
    reader->stream.next_in = reader->compressed;
    reader->stream.avail_in = (uInt)len;
    return SM_OK;
}

static sm_status begin(sm_reader *reader, const char *path)
{
    reader->path = strdup(path);
    if (reader->path == NULL) return sm_fail_memory(strlen(path) + 1);
    sm_status status = sm_buf_reserve(&reader->window, WINDOW);
    if (status == SM_OK) status = sm_source_open(&reader->source, path);
    if (status != SM_OK) return status;

    uint8_t head[SM_TFRECORD_HEADER];
    size_t len;
    status = sm_source_read(reader->source, &len, head, sizeof head);
    if (status != SM_OK) return status;
    if (is_gzip(head, len)) return begin_gzip(reader, head, len);
    return sm_buf_append(&reader->window, head, len);
}

sm_status sm_reader_open(sm_reader **reader, const char *path)
{
    sm_reader *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    sm_buf_init(&made->window, WINDOW_MAX);
    sm_status status = begin(made, path);
    if (status != SM_OK) {
        sm_reader_close(made);
        return status;
    }
    *reader = made;
    return SM_OK;
}

void sm_reader_close(sm_reader *reader)
{
    if (reader == NULL) return;
    if (reader->gzip) inflateEnd(&reader->stream);
    free(reader->compressed);
    sm_buf_free(&reader->window);
    sm_source_close(reader->source);
    free(reader->path);
    free(reader);
}

const char *sm_reader_problem(const sm_reader *reader)
{
    return reader->problem;
}
