#include "core/status.h"
#include "shard/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include <cmocka.h>

enum { LEN = 500000 };

static uint8_t *make_data(void)
{
    uint8_t *data = malloc(LEN);
    assert_non_null(data);
    uint32_t state = 1;
    for (size_t i = 0; i < LEN; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(i % 1000 < 700 ? state >> 24 : i >> 8);
    }
    return data;
}

/* One member, by zlib itself; returns how much of in it takes. */
static size_t expect_inflated(const uint8_t *expected, size_t len, const uint8_t *in, size_t in_len)
{
    uint8_t *out = malloc(len + 1);
    assert_non_null(out);
    z_stream stream = {
        .next_in = in, .avail_in = (uInt)in_len, .next_out = out, .avail_out = (uInt)len + 1};
    assert_int_equal(inflateInit2(&stream, 31), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, len);
    assert_memory_equal(out, expected, len);
    size_t taken = stream.total_in;
    inflateEnd(&stream);
    free(out);
    return taken;
}

static void two_files_one_behind_the_other(void **state)
{
    (void)state;
    uint8_t *data = make_data();
    sm_gzip *gzip;
    sm_buf out;
    sm_buf_init(&out, SIZE_MAX);
    assert_int_equal(sm_gzip_open(&gzip), SM_OK);
    for (size_t at = 0; at < LEN; at += 1000)
        assert_int_equal(sm_gzip_write(gzip, &out, data + at, 1000), SM_OK);
    assert_int_equal(sm_gzip_finish(gzip, &out), SM_OK);
    size_t first = out.len;
    assert_true(first < LEN);
    assert_int_equal(sm_gzip_write(gzip, &out, NULL, 0), SM_OK);
    assert_int_equal(sm_gzip_write(gzip, &out, data, LEN), SM_OK);
    assert_int_equal(sm_gzip_finish(gzip, &out), SM_OK);
    size_t second = out.len;
    assert_int_equal(sm_gzip_finish(gzip, &out), SM_OK); /* of nothing */

    assert_int_equal(expect_inflated(data, LEN, out.data, out.len), first);
    assert_int_equal(expect_inflated(data, LEN, out.data + first, out.len - first), second - first);
    assert_int_equal(expect_inflated(data, 0, out.data + second, out.len - second),
                     out.len - second);
    /* the same bytes however the data came in pieces, and no time in the header */
    assert_int_equal(second - first, first);
    assert_memory_equal(out.data, out.data + first, first);
    assert_memory_equal(out.data + 4, "\0\0\0\0", 4);
    sm_gzip_free(gzip);
    sm_buf_free(&out);
    free(data);
}

static void begins_anew_after_reset(void **state)
{
    (void)state;
    uint8_t *data = make_data();
    sm_gzip *gzip;
    sm_buf out;
    assert_int_equal(sm_gzip_open(&gzip), SM_OK);
    sm_buf_init(&out, 70000); /* soon full */
    assert_int_equal(sm_gzip_write(gzip, &out, data, LEN), SM_ERR_LIMIT);
    sm_gzip_reset(gzip);
    sm_buf_free(&out);
    sm_buf_init(&out, 70000);
    assert_int_equal(sm_gzip_write(gzip, &out, data, 100), SM_OK);
    assert_int_equal(sm_gzip_finish(gzip, &out), SM_OK);
    assert_int_equal(expect_inflated(data, 100, out.data, out.len), out.len);
    sm_gzip_free(gzip);
    sm_gzip_free(NULL);
    sm_buf_free(&out);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_files_one_behind_the_other),
        cmocka_unit_test(begins_anew_after_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
