#include "core/crc32c.h"
#include "core/status.h"
#include "shard/gzip.h"
#include "shard/tfrecord.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A file in memory ------------------------------------------------------------------------ */

typedef struct memory_file {
    int fd;
    char path[32];
} memory_file;

static memory_file make_file(const void *data, size_t len)
{
    memory_file file = {.fd = memfd_create("shard_reader_test", MFD_CLOEXEC)};
    assert_true(file.fd >= 0);
    for (const uint8_t *p = data; len > 0;) {
        ssize_t wrote = write(file.fd, p, len);
        assert_true(wrote > 0);
        p += wrote;
        len -= (size_t)wrote;
    }
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static void append_record(sm_buf *buf, size_t len, uint8_t seed)
{
    size_t start;
    assert_int_equal(sm_tfrecord_begin(&start, buf), SM_OK);
    assert_int_equal(sm_buf_reserve(buf, len), SM_OK);
    for (size_t i = 0; i < len; i++) buf->data[buf->len + i] = (uint8_t)(seed + i * 31);
    buf->len += len;
    assert_int_equal(sm_tfrecord_end(buf, start), SM_OK);
}

static void compress(sm_buf *out, const void *data, size_t len)
{
    sm_gzip *gzip;
    assert_int_equal(sm_gzip_open(&gzip), SM_OK);
    assert_int_equal(sm_gzip_write(gzip, out, data, len), SM_OK);
    assert_int_equal(sm_gzip_finish(gzip, out), SM_OK);
    sm_gzip_free(gzip);
}

static bool is_record(const uint8_t *data, size_t len, size_t expected, uint8_t seed)
{
    if (len != expected) return false;
    for (size_t i = 0; i < len; i++)
        if (data[i] != (uint8_t)(seed + i * 31)) return false;
    return true;
}

/* ---- Sound files ----------------------------------------------------------------------------- */

static const size_t lengths[] = {0, 1, 7, 100000, (1 << 20) - 16, 1 << 20, 5000000, 3};
enum { COUNT = sizeof lengths / sizeof lengths[0] };

static void expect_records(const void *bytes, size_t len, int times)
{
    memory_file file = make_file(bytes, len);
    sm_reader *reader;
    const uint8_t *data;
    size_t data_len;
    uint64_t offset = 0;
    assert_int_equal(sm_reader_open(&reader, file.path), SM_OK);
    for (size_t i = 0; i < COUNT * (size_t)times; i++) {
        size_t expected = lengths[i % COUNT];
        assert_int_equal(sm_reader_next(reader, &data, &data_len), SM_OK);
        assert_non_null(data);
        assert_true(is_record(data, data_len, expected, (uint8_t)(i % COUNT)));
        assert_int_equal(sm_reader_offset(reader), offset);
        offset += expected + SM_TFRECORD_HEADER + SM_TFRECORD_FOOTER;
    }
    for (int again = 0; again < 2; again++) {
        data = bytes;
        assert_int_equal(sm_reader_next(reader, &data, &data_len), SM_OK);
        assert_null(data);
        assert_int_equal(data_len, 0);
    }
    sm_reader_close(reader);
    close(file.fd);
}

static void reads_records_of_all_sizes(void **state)
{
    (void)state;
    sm_buf plain, gzip;
    sm_buf_init(&plain, SIZE_MAX);
    sm_buf_init(&gzip, SIZE_MAX);
    for (size_t i = 0; i < COUNT; i++) append_record(&plain, lengths[i], (uint8_t)i);
    expect_records(plain.data, plain.len, 1);
    compress(&gzip, plain.data, plain.len);
    expect_records(gzip.data, gzip.len, 1);
    compress(&gzip, NULL, 0);
    compress(&gzip, plain.data, plain.len);
    expect_records(gzip.data, gzip.len, 2);
    sm_buf_free(&plain);
    sm_buf_free(&gzip);
}

static void reads_an_empty_file(void **state)
{
    (void)state;
    sm_buf gzip;
    sm_buf_init(&gzip, SIZE_MAX);
    compress(&gzip, NULL, 0);
    for (int compressed = 0; compressed < 2; compressed++) {
        memory_file file = make_file(gzip.data, compressed ? gzip.len : 0);
        sm_reader *reader;
        const uint8_t *data = gzip.data;
        size_t len;
        assert_int_equal(sm_reader_open(&reader, file.path), SM_OK);
        assert_int_equal(sm_reader_next(reader, &data, &len), SM_OK);
        assert_null(data);
        sm_reader_close(reader);
        close(file.fd);
    }
    sm_buf_free(&gzip);
}

/* Lengths whose bytes are those that gzip begins with: two of them, and eight. */
static void takes_no_record_for_gzip(void **state)
{
    (void)state;
    static const size_t lens[] = {0x8b1f, 0x088b1f};
    for (int i = 0; i < 2; i++) {
        sm_buf buf;
        sm_buf_init(&buf, SIZE_MAX);
        append_record(&buf, lens[i], 5);
        memory_file file = make_file(buf.data, buf.len);
        sm_reader *reader;
        const uint8_t *data;
        size_t len;
        assert_int_equal(sm_reader_open(&reader, file.path), SM_OK);
        assert_int_equal(sm_reader_next(reader, &data, &len), SM_OK);
        assert_true(is_record(data, len, lens[i], 5));
        sm_reader_close(reader);
        close(file.fd);
        sm_buf_free(&buf);
    }
}

static void says_what_cannot_be_opened(void **state)
{
    (void)state;
    sm_reader *reader = NULL;
    assert_int_equal(sm_reader_open(&reader, "/nowhere/x.tfrecord"), SM_ERR_NOT_FOUND);
    assert_non_null(strstr(sm_last_error(), "/nowhere/x.tfrecord"));
    assert_int_not_equal(sm_reader_open(&reader, "/"), SM_OK);
    assert_null(reader);
    sm_reader_close(NULL);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

enum { SMALL_RECORDS = 3, SMALL_LEN = 20, SMALL_WHOLE = SMALL_LEN + 16 };

static void make_small(sm_buf *buf)
{
    sm_buf_init(buf, SIZE_MAX);
    for (int i = 0; i < SMALL_RECORDS; i++) append_record(buf, SMALL_LEN, (uint8_t)i);
}

typedef struct outcome {
    int good, bad, calls;
    uint64_t bad_offset; /* of the last */
    char error[SM_ERROR_MAX];
} outcome;

/* Reads to the end through all failures; every good record must be one that was written. */
static outcome read_through(const void *bytes, size_t len)
{
    outcome result = {0};
    memory_file file = make_file(bytes, len);
    sm_reader *reader;
    assert_int_equal(sm_reader_open(&reader, file.path), SM_OK);
    for (;;) {
        const uint8_t *data = NULL;
        size_t data_len = 0;
        sm_status status = sm_reader_next(reader, &data, &data_len);
        assert_true(++result.calls < 20);
        if (status == SM_OK && data == NULL) break;
        if (status == SM_OK) {
            uint64_t number = sm_reader_offset(reader) / SMALL_WHOLE;
            assert_true(is_record(data, data_len, SMALL_LEN, (uint8_t)number));
            result.good++;
        } else {
            assert_int_equal(status, SM_ERR_CORRUPT);
            result.bad++;
            result.bad_offset = sm_reader_offset(reader);
            snprintf(result.error, sizeof result.error, "%s", sm_last_error());
            assert_non_null(strstr(result.error, file.path));
        }
    }
    sm_reader_close(reader);
    close(file.fd);
    return result;
}

static void finds_every_flipped_bit(void **state)
{
    (void)state;
    sm_buf buf;
    make_small(&buf);
    for (size_t bit = 0; bit < 8 * buf.len; bit++) {
        size_t at = bit / 8, record = at / SMALL_WHOLE;
        buf.data[at] ^= (uint8_t)(1 << bit % 8);
        outcome result = read_through(buf.data, buf.len);
        assert_int_equal(result.bad, 1);
        assert_int_equal(result.bad_offset, record * SMALL_WHOLE);
        /* behind a bad length nothing can be found; behind bad data the rest is */
        bool length = at % SMALL_WHOLE < SM_TFRECORD_HEADER;
        assert_int_equal(result.good, length ? record : SMALL_RECORDS - 1);
        assert_non_null(
            strstr(result.error, length ? "length checksum is wrong" : "data checksum is wrong"));
        buf.data[at] ^= (uint8_t)(1 << bit % 8);
    }
    sm_buf_free(&buf);
}

static void finds_every_cut(void **state)
{
    (void)state;
    sm_buf buf;
    make_small(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        outcome result = read_through(buf.data, len);
        size_t whole = len / SMALL_WHOLE;
        assert_int_equal(result.good, whole);
        assert_int_equal(result.bad, len % SMALL_WHOLE == 0 ? 0 : 1);
        if (result.bad) {
            assert_int_equal(result.bad_offset, whole * SMALL_WHOLE);
            assert_non_null(strstr(result.error, "the file ends within a record"));
        }
    }
    sm_buf_free(&buf);
}

/* Only what carries nothing may change unseen: in gzip's header the time, the system and the like,
 * and the bits that fill up the last byte. */
static void finds_damage_in_gzip(void **state)
{
    (void)state;
    sm_buf buf, gzip;
    make_small(&buf);
    sm_buf_init(&gzip, SIZE_MAX);
    compress(&gzip, buf.data, buf.len);
    for (size_t len = 3; len < gzip.len; len++) {
        outcome result = read_through(gzip.data, len);
        assert_int_equal(result.bad, 1);
        assert_non_null(strstr(result.error, "the gzip stream is damaged: it is cut short"));
    }
    for (size_t bit = 0; bit < 8 * gzip.len; bit++) {
        gzip.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        outcome result = read_through(gzip.data, gzip.len);
        if (result.bad == 0) {
            bool padding = bit / 8 == gzip.len - 9; /* the deflated data's last byte */
            assert_true(padding || (bit / 8 >= 3 && bit / 8 <= 9));
            assert_int_equal(result.good, SMALL_RECORDS);
        }
        gzip.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(sm_buf_append_str(&gzip, "garbage"), SM_OK);
    outcome result = read_through(gzip.data, gzip.len);
    assert_int_equal(result.good, SMALL_RECORDS);
    assert_int_equal(result.bad, 1);
    assert_int_equal(result.bad_offset, SMALL_RECORDS * SMALL_WHOLE);
    assert_non_null(strstr(result.error, "the gzip stream is damaged: "));
    sm_buf_free(&buf);
    sm_buf_free(&gzip);
}

static void write_header(uint8_t header[SM_TFRECORD_HEADER], uint64_t len)
{
    for (int i = 0; i < 8; i++) header[i] = (uint8_t)(len >> (8 * i));
    uint32_t crc = sm_crc32c_mask(sm_crc32c(0, header, 8));
    for (int i = 0; i < 4; i++) header[8 + i] = (uint8_t)(crc >> (8 * i));
}

/* Lengths with the right checksum that nothing follows: no memory may be taken for them, which the
 * sanitizers' limits watch; in gzip the claim cannot be held against the file's size. */
static void refuses_lengths_that_cannot_be(void **state)
{
    (void)state;
    static const uint64_t claims[] = {
        UINT64_MAX, UINT64_MAX - 16, (uint64_t)1 << 63, ((uint64_t)1 << 30) + 1, 1 << 30, 1000};
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        uint8_t header[SM_TFRECORD_HEADER];
        write_header(header, claims[i]);
        outcome result = read_through(header, sizeof header);
        bool too_large = claims[i] > SM_TFRECORD_MAX;
        assert_int_equal(result.bad, 1);
        assert_non_null(strstr(result.error, too_large ? "more than a record may have"
                                                       : "the file ends within a record"));
        sm_buf gzip;
        sm_buf_init(&gzip, SIZE_MAX);
        compress(&gzip, header, sizeof header);
        result = read_through(gzip.data, gzip.len);
        assert_int_equal(result.bad, 1);
        assert_non_null(strstr(result.error, too_large ? "more than a record may have"
                                                       : "the file ends within a record's data"));
        sm_buf_free(&gzip);
    }
}

static void names_file_and_offset(void **state)
{
    (void)state;
    sm_buf buf;
    make_small(&buf);
    buf.data[SMALL_WHOLE + SM_TFRECORD_HEADER] ^= 1;
    outcome result = read_through(buf.data, buf.len);
    const char *tail =
        strstr(result.error, "' at byte 36: record's data checksum is wrong (stored ");
    assert_non_null(tail);
    assert_non_null(strstr(tail, ", computed "));
    sm_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_records_of_all_sizes),
        cmocka_unit_test(reads_an_empty_file),
        cmocka_unit_test(takes_no_record_for_gzip),
        cmocka_unit_test(says_what_cannot_be_opened),
        cmocka_unit_test(finds_every_flipped_bit),
        cmocka_unit_test(finds_every_cut),
        cmocka_unit_test(finds_damage_in_gzip),
        cmocka_unit_test(refuses_lengths_that_cannot_be),
        cmocka_unit_test(names_file_and_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
