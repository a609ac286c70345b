#include "shard/tfrecord.h"

#include "core/crc32c.h"
#include "core/status.h"

#include <string.h>

static void store_le(uint8_t *p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (uint8_t)(value >> (8 * i));
}

sm_status sm_tfrecord_begin(size_t *start, sm_buf *buf)
{
    sm_status status = sm_buf_reserve(buf, SM_TFRECORD_HEADER);
    if (status != SM_OK) return status;
    memset(buf->data + buf->len, 0, SM_TFRECORD_HEADER);
    *start = buf->len;
    buf->len += SM_TFRECORD_HEADER;
    return SM_OK;
}

sm_status sm_tfrecord_end(sm_buf *buf, size_t start)
{
    size_t len = buf->len - start - SM_TFRECORD_HEADER;
    sm_status status =
        len > SM_TFRECORD_MAX
            ? sm_fail(SM_ERR_LIMIT, "a record of %zu bytes is larger than a record may be (%zu)",
                      len, SM_TFRECORD_MAX)
            : sm_buf_reserve(buf, SM_TFRECORD_FOOTER);
    if (status != SM_OK) {
        buf->len = start;
        return status;
    }
    uint8_t *header = buf->data + start;
    store_le(header, len, 8);
    store_le(header + 8, sm_crc32c_mask(sm_crc32c(0, header, 8)), 4);
    uint32_t crc = sm_crc32c(0, header + SM_TFRECORD_HEADER, len);
    store_le(buf->data + buf->len, sm_crc32c_mask(crc), SM_TFRECORD_FOOTER);
    buf->len += SM_TFRECORD_FOOTER;
    return SM_OK;
}
