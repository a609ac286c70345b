#include "measure/scan.h"

#include "core/crc32c.h"
#include "image/image.h"
#include "shard/tfrecord.h"

#include <inttypes.h>
#include <string.h>

enum { TAR_BLOCK = 512 };

/* An element: of TFRecord a record with its frame, of tar a header and its member, padded. */
typedef struct element {
    size_t head;      /* bytes that tell its size */
    uint64_t whole;   /* all bytes */
    size_t data, len; /* where in it the data is */
    bool is_image;
} element;

static sm_status fail_at(const sm_scan *scan, const char *reason)
{
    return sm_fail(SM_ERR_CORRUPT, "'%s' at byte %" PRIu64 ": %s", scan->path, scan->offset,
                   reason);
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- TFRecord */

static sm_status look_at_record(element *e, const sm_scan *scan, const uint8_t *head)
{
    if (load32(head + 8) != sm_crc32c_mask(sm_crc32c(0, head, 8)))
        return fail_at(scan, "a record's length checksum is wrong (of gzip-compressed shards only "
                             "unpacked ones can be measured)");
    const uint64_t len = load32(head) | (uint64_t)load32(head + 4) << 32;
    if (len > SM_TFRECORD_MAX) return fail_at(scan, "a record is longer than a record may be");
    e->data = SM_TFRECORD_HEADER;
    e->len = (size_t)len;
    e->whole = SM_TFRECORD_HEADER + len + SM_TFRECORD_FOOTER;
    e->is_image = true;
    return SM_OK;
}

static sm_status check_record(const element *e, const sm_scan *scan, const uint8_t *all)
{
    const uint8_t *data = all + e->data;
    if (load32(data + e->len) == sm_crc32c_mask(sm_crc32c(0, data, e->len))) return SM_OK;
    return fail_at(scan, "a record's data checksum is wrong");
}

/* ---- tar (POSIX ustar; GNU's base-256 sizes) */

/* False when field holds no number. */
static bool read_tar_number(uint64_t *value, const uint8_t *field, size_t len)
{
    uint64_t number = 0;
    size_t i = 0;
    if (field[0] == 0x80) {
        for (i = 1; i < len; i++) {
            if (number >> 56 != 0) return false;
            number = number << 8 | field[i];
        }
        *value = number;
        return true;
    }
    while (i < len && field[i] == ' ') i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
        number = number << 3 | (uint64_t)(field[i] - '0');
    *value = number;
    return i == len || field[i] == '\0' || field[i] == ' ';
}

static bool is_sound_header(const uint8_t *head)
{
    uint64_t stored, sum = 8 * ' '; /* the checksum's own field counts as spaces */
    for (size_t i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? 0 : head[i];
    return read_tar_number(&stored, head + 148, 8) && stored == sum;
}

static sm_status look_at_member(element *e, sm_scan *scan, const uint8_t *head)
{
    static const uint8_t zeros[TAR_BLOCK];
    *e = (element){.head = TAR_BLOCK, .whole = TAR_BLOCK};
    if (memcmp(head, zeros, TAR_BLOCK) == 0) {
        scan->at_end = true;
        return SM_OK;
    }
    uint64_t size;
    if (!is_sound_header(head)) return fail_at(scan, "this is no header of a tar file");
    if (!read_tar_number(&size, head + 124, 12) || size > SM_TFRECORD_MAX)
        return fail_at(scan, "a member is larger than a picture may be");
    e->data = TAR_BLOCK;
    e->len = (size_t)size;
    e->whole = TAR_BLOCK + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    e->is_image = head[156] == '0' || head[156] == '\0';
    return SM_OK;
}

/* ---- Both */

static size_t head_of(const sm_scan *scan)
{
    return scan->format == SM_MEASURE_TFRECORD ? SM_TFRECORD_HEADER : TAR_BLOCK;
}

static sm_status look_at(element *e, sm_scan *scan, const uint8_t *head)
{
    return scan->format == SM_MEASURE_TFRECORD ? look_at_record(e, scan, head)
                                               : look_at_member(e, scan, head);
}

/* An element that is there whole. */
static sm_status take(const element *e, sm_scan *scan, const uint8_t *all, sm_scan_fn *fn,
                      void *user)
{
    sm_status status = SM_OK;
    bool is_image = e->is_image;
    if (scan->format == SM_MEASURE_TFRECORD)
        status = check_record(e, scan, all);
    else if (is_image)
        is_image = sm_sniff(all + e->data, e->len) != SM_FORMAT_UNKNOWN;
    scan->offset += e->whole;
    return status == SM_OK && is_image ? fn(user, all + e->data, e->len) : status;
}

/* Adds of *data up to what makes carry `need` bytes long. */
static sm_status fill_carry(sm_scan *scan, uint64_t need, const uint8_t **data, size_t *len)
{
    const uint64_t missing = need > scan->carry.len ? need - scan->carry.len : 0;
    const size_t n = missing < *len ? (size_t)missing : *len;
    sm_status status = sm_buf_append(&scan->carry, *data, n);
    *data += n;
    *len -= n;
    return status;
}

/* Goes on with the element that an earlier block began. */
static sm_status complete(sm_scan *scan, const uint8_t **data, size_t *len, sm_scan_fn *fn,
                          void *user)
{
    element e = {0};
    sm_status status = fill_carry(scan, head_of(scan), data, len);
    if (status != SM_OK || scan->carry.len < head_of(scan)) return status;
    status = look_at(&e, scan, scan->carry.data);
    if (status == SM_OK) status = fill_carry(scan, e.whole, data, len);
    if (status != SM_OK || scan->carry.len < e.whole) return status;
    sm_buf_clear(&scan->carry);
    return take(&e, scan, scan->carry.data, fn, user);
}

sm_status sm_scan_feed(sm_scan *scan, const uint8_t *data, size_t len, sm_scan_fn *fn, void *user)
{
    sm_status status = SM_OK;
    while (status == SM_OK && len > 0 && !scan->at_end) {
        element e = {0};
        const bool has_head = scan->carry.len == 0 && len >= head_of(scan);
        if (has_head) status = look_at(&e, scan, data);
        if (status != SM_OK) break;
        if (has_head && e.whole <= len) {
            status = take(&e, scan, data, fn, user);
            data += e.whole;
            len -= (size_t)e.whole;
        } else {
            status = complete(scan, &data, &len, fn, user);
        }
    }
    return status;
}

sm_status sm_scan_end(const sm_scan *scan)
{
    return scan->carry.len == 0 || scan->at_end ? SM_OK
                                                : fail_at(scan, "the file ends within a record");
}

void sm_scan_init(sm_scan *scan)
{
    *scan = (sm_scan){0};
    sm_buf_init(&scan->carry, SM_TFRECORD_MAX + 2 * TAR_BLOCK);
}

void sm_scan_begin(sm_scan *scan, sm_measure_format format, const char *path)
{
    scan->format = format;
    scan->path = path;
    scan->offset = 0;
    scan->at_end = false;
    sm_buf_clear(&scan->carry);
}

void sm_scan_free(sm_scan *scan)
{
    sm_buf_free(&scan->carry);
}
