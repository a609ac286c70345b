/* Shards cut into blocks at every place: the same pictures come out. */
#include "measure/scan.h"

#include "core/crc32c.h"
#include "shard/tfrecord.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct seen {
    size_t count, bytes;
    uint32_t crc;
    size_t stop_at; /* 0: never */
} seen;

static sm_status note(void *user, const uint8_t *data, size_t len)
{
    seen *s = user;
    s->count++;
    s->bytes += len;
    s->crc = sm_crc32c(s->crc, data, len);
    return s->count == s->stop_at ? SM_ERR_CANCELLED : SM_OK;
}

static void add_record(sm_buf *buf, size_t len)
{
    size_t start;
    assert_int_equal(sm_tfrecord_begin(&start, buf), SM_OK);
    assert_int_equal(sm_buf_reserve(buf, len), SM_OK);
    for (size_t i = 0; i < len; i++) buf->data[buf->len++] = (uint8_t)(i * 7 + len);
    assert_int_equal(sm_tfrecord_end(buf, start), SM_OK);
}

static void add_member(sm_buf *buf, const char *name, char kind, const char *data, size_t len)
{
    char head[512] = "";
    snprintf(head, 100, "%s", name);
    snprintf(head + 124, 12, "%011zo", len);
    head[156] = kind;
    memset(head + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof head; i++) sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    assert_int_equal(sm_buf_append(buf, head, sizeof head), SM_OK);
    assert_int_equal(sm_buf_append(buf, data, len), SM_OK);
    memset(head, 0, sizeof head);
    assert_int_equal(sm_buf_append(buf, head, (512 - len % 512) % 512), SM_OK);
}

/* Feeds buf in blocks of a size. */
static sm_status feed(seen *s, const sm_buf *buf, sm_measure_format format, size_t block)
{
    sm_scan scan;
    sm_scan_init(&scan);
    sm_scan_begin(&scan, format, "shard");
    sm_status status = SM_OK;
    *s = (seen){.stop_at = s->stop_at};
    for (size_t at = 0; at < buf->len && status == SM_OK; at += block) {
        const size_t len = buf->len - at < block ? buf->len - at : block;
        status = sm_scan_feed(&scan, buf->data + at, len, note, s);
    }
    if (status == SM_OK) status = sm_scan_end(&scan);
    sm_scan_free(&scan);
    return status;
}

static void same_in_any_blocks(const sm_buf *buf, sm_measure_format format, size_t count)
{
    seen whole = {0}, cut = {0};
    assert_int_equal(feed(&whole, buf, format, buf->len), SM_OK);
    assert_int_equal(whole.count, count);
    for (size_t block = 1; block < 1500; block += block < 40 ? 1 : 37) {
        assert_int_equal(feed(&cut, buf, format, block), SM_OK);
        assert_int_equal(cut.count, count);
        assert_int_equal(cut.bytes, whole.bytes);
        assert_int_equal(cut.crc, whole.crc);
    }
}

static void records_in_any_blocks(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 0, 3000, 17, 511};
    sm_buf buf;
    sm_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) add_record(&buf, sizes[i]);
    same_in_any_blocks(&buf, SM_MEASURE_TFRECORD, 7);
    sm_buf_free(&buf);
}

static void every_flipped_byte_is_found(void **state)
{
    (void)state;
    sm_buf buf;
    sm_buf_init(&buf, 1 << 20);
    add_record(&buf, 60);
    add_record(&buf, 5);
    for (size_t i = 0; i < buf.len; i++) {
        seen s = {0};
        buf.data[i] ^= 0x10;
        assert_int_equal(feed(&s, &buf, SM_MEASURE_TFRECORD, 33), SM_ERR_CORRUPT);
        assert_non_null(strstr(sm_last_error(), "'shard' at byte"));
        buf.data[i] ^= 0x10;
    }
    sm_buf_free(&buf);
}

static void every_cut_is_found(void **state)
{
    (void)state;
    sm_buf buf;
    sm_buf_init(&buf, 1 << 20);
    add_record(&buf, 60);
    const size_t len = buf.len;
    for (buf.len = 1; buf.len < len; buf.len++) {
        seen s = {0};
        assert_int_equal(feed(&s, &buf, SM_MEASURE_TFRECORD, 7), SM_ERR_CORRUPT);
        assert_int_equal(s.count, 0);
    }
    sm_buf_free(&buf);
}

static void make_tar(sm_buf *buf)
{
    char jpeg[1000] = "\xff\xd8\xff\xe0";
    sm_buf_init(buf, 1 << 20);
    add_member(buf, "a.jpg", '0', jpeg, sizeof jpeg);
    add_member(buf, "a.cls", '0', "3", 1);
    add_member(buf, "folder/", '5', "", 0);
    add_member(buf, "b.jpg", '0', jpeg, 512);
    add_member(buf, "b.json", '0', "{}", 2);
    add_member(buf, "pax", 'x', jpeg, 30); /* a header of the format, whatever it looks like */
    add_member(buf, "c.png", '\0', "\x89PNG\r\n\x1a\n", 8);
}

static void members_in_any_blocks(void **state)
{
    (void)state;
    sm_buf buf;
    make_tar(&buf);
    same_in_any_blocks(&buf, SM_MEASURE_WEBDATASET, 3);
    static const char zeros[10240];
    assert_int_equal(sm_buf_append(&buf, zeros, sizeof zeros), SM_OK);
    assert_int_equal(sm_buf_append(&buf, "rubbish behind the end", 22), SM_OK);
    same_in_any_blocks(&buf, SM_MEASURE_WEBDATASET, 3);
    sm_buf_free(&buf);
}

static void what_is_no_tar_is_told(void **state)
{
    (void)state;
    sm_buf buf;
    seen s = {0};
    make_tar(&buf);
    buf.data[3] ^= 1; /* the first member's name: its header's sum is wrong */
    assert_int_equal(feed(&s, &buf, SM_MEASURE_WEBDATASET, 4096), SM_ERR_CORRUPT);
    buf.data[3] ^= 1;
    buf.len -= 200;
    assert_int_equal(feed(&s, &buf, SM_MEASURE_WEBDATASET, 4096), SM_ERR_CORRUPT);
    sm_buf_free(&buf);
}

static void who_is_fed_can_stop(void **state)
{
    (void)state;
    sm_buf buf;
    seen s = {.stop_at = 2};
    sm_buf_init(&buf, 1 << 20);
    for (int i = 0; i < 5; i++) add_record(&buf, 10);
    assert_int_equal(feed(&s, &buf, SM_MEASURE_TFRECORD, 8), SM_ERR_CANCELLED);
    assert_int_equal(s.count, 2);
    sm_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_in_any_blocks),  cmocka_unit_test(every_flipped_byte_is_found),
        cmocka_unit_test(every_cut_is_found),     cmocka_unit_test(members_in_any_blocks),
        cmocka_unit_test(what_is_no_tar_is_told), cmocka_unit_test(who_is_fed_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
