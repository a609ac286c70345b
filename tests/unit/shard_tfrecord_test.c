#include "core/status.h"
#include "shard/tfrecord.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* What tf.io.TFRecordWriter writes for b"" and b"hello". */
static const uint8_t by_tensorflow[] = {
    0, 0, 0, 0, 0, 0,    0,    0,    0x29, 0x03, 0x98, 0x07, 0xd8, 0xea, 0x82, 0xa2, 5,    0,   0,
    0, 0, 0, 0, 0, 0xea, 0xb2, 0x04, 0x3e, 'h',  'e',  'l',  'l',  'o',  0xbb, 0x1f, 0x1c, 0x19};

static void frames_as_tensorflow(void **state)
{
    (void)state;
    sm_buf buf;
    size_t start;
    sm_buf_init(&buf, 1000);
    assert_int_equal(sm_tfrecord_begin(&start, &buf), SM_OK);
    assert_int_equal(start, 0);
    assert_int_equal(sm_tfrecord_end(&buf, start), SM_OK);
    assert_int_equal(sm_tfrecord_begin(&start, &buf), SM_OK);
    assert_int_equal(start, 16);
    assert_int_equal(sm_buf_append(&buf, "hello", 5), SM_OK);
    assert_int_equal(sm_tfrecord_end(&buf, start), SM_OK);
    assert_int_equal(buf.len, sizeof by_tensorflow);
    assert_memory_equal(buf.data, by_tensorflow, sizeof by_tensorflow);
    sm_buf_free(&buf);
}

/* At every cap: whole, or as before. */
static void leaves_the_buffer_as_it_was_on_failure(void **state)
{
    (void)state;
    for (size_t max = 3; max <= 3 + 21; max++) {
        sm_buf buf;
        size_t start = 99;
        sm_buf_init(&buf, max);
        assert_int_equal(sm_buf_append(&buf, "abc", 3), SM_OK);
        sm_status status = sm_tfrecord_begin(&start, &buf);
        if (max < 15) {
            assert_int_equal(status, SM_ERR_LIMIT);
            assert_int_equal(start, 99);
        } else if (max >= 20) {
            assert_int_equal(sm_buf_append(&buf, "hello", 5), SM_OK);
            status = sm_tfrecord_end(&buf, start);
        } else {
            status = sm_tfrecord_end(&buf, start);
            assert_int_equal(status, max < 19 ? SM_ERR_LIMIT : SM_OK);
        }
        if (status != SM_OK) assert_int_equal(buf.len, 3);
        assert_memory_equal(buf.data, "abc", 3);
        sm_buf_free(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_as_tensorflow),
        cmocka_unit_test(leaves_the_buffer_as_it_was_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
