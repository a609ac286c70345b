/*
 * Bytes as a TFRecord file: as they are; then, so that chance need not find checksums, with every
 * checksum put right, plain and compressed, which must read alike.
 */
#include "core/crc32c.h"
#include "core/status.h"
#include "fuzz.h"
#include "shard/gzip.h"
#include "shard/tfrecord.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One file in memory, written anew for each input. */
static void open_on(sm_reader **reader, const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0) fd = memfd_create("tfrecord_fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
    for (size_t at = 0; at < size;) {
        ssize_t wrote = pwrite(fd, data + at, size - at, (off_t)at);
        FUZZ_CHECK(wrote > 0);
        at += (size_t)wrote;
    }
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FUZZ_CHECK(sm_reader_open(reader, path) == SM_OK);
}

/* Reads to the end, past what is damaged; gives one number for all that was seen. */
static uint32_t read_all(const uint8_t *data, size_t size)
{
    sm_reader *reader;
    uint32_t seen = 0;
    uint64_t last = 0;
    open_on(&reader, data, size);
    for (size_t count = 0;; count++) {
        const uint8_t *record = NULL;
        size_t len = 0;
        sm_status status = sm_reader_next(reader, &record, &len);
        uint64_t offset = sm_reader_offset(reader);
        FUZZ_CHECK(status == SM_OK || status == SM_ERR_CORRUPT);
        if (status == SM_OK && record == NULL) break;
        FUZZ_CHECK(count == 0 ? offset == 0 : offset > last || status != SM_OK);
        last = offset;
        seen = sm_crc32c(seen, &status, sizeof status);
        seen = sm_crc32c(seen, &offset, sizeof offset);
        seen = sm_crc32c(seen, record, len);
    }
    sm_reader_close(reader);
    return seen;
}

static void put_le32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (8 * i));
}

/* Puts right the checksums of all records that lie whole in data. */
static void mend(uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= SM_TFRECORD_HEADER;) {
        uint64_t len = 0;
        for (int i = 7; i >= 0; i--) len = len << 8 | data[at + (size_t)i];
        put_le32(data + at + 8, sm_crc32c_mask(sm_crc32c(0, data + at, 8)));
        size_t rest = size - at - SM_TFRECORD_HEADER;
        if (rest < SM_TFRECORD_FOOTER || len > rest - SM_TFRECORD_FOOTER) break;
        const uint8_t *content = data + at + SM_TFRECORD_HEADER;
        at += SM_TFRECORD_HEADER + (size_t)len;
        put_le32(data + at, sm_crc32c_mask(sm_crc32c(0, content, (size_t)len)));
        at += SM_TFRECORD_FOOTER;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(data, size);
    if (size < SM_TFRECORD_HEADER) return 0;

    sm_buf mended, compressed;
    sm_gzip *gzip;
    sm_buf_init(&mended, SIZE_MAX);
    sm_buf_init(&compressed, SIZE_MAX);
    FUZZ_CHECK(sm_buf_append(&mended, data, size) == SM_OK);
    mend(mended.data, mended.len);
    FUZZ_CHECK(sm_gzip_open(&gzip) == SM_OK);
    FUZZ_CHECK(sm_gzip_write(gzip, &compressed, mended.data, mended.len) == SM_OK);
    FUZZ_CHECK(sm_gzip_finish(gzip, &compressed) == SM_OK);
    FUZZ_CHECK(read_all(mended.data, mended.len) == read_all(compressed.data, compressed.len));
    sm_gzip_free(gzip);
    sm_buf_free(&compressed);
    sm_buf_free(&mended);
    return 0;
}
