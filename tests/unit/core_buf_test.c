#include "core/buf.h"
#include "core/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void takes_no_memory_before_it_must(void **state)
{
    (void)state;
    sm_buf buf;
    sm_buf_init(&buf, 100);
    assert_int_equal(sm_buf_append(&buf, NULL, 0), SM_OK);
    assert_int_equal(sm_buf_reserve(&buf, 0), SM_OK);
    assert_null(buf.data);
    sm_buf_free(&buf);
    sm_buf zeroed = {0};
    assert_int_equal(sm_buf_append(&zeroed, "a", 1), SM_ERR_LIMIT);
    sm_buf_free(&zeroed);
}

static void grows_and_keeps_its_content(void **state)
{
    (void)state;
    sm_buf buf;
    sm_buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        assert_int_equal(sm_buf_append(&buf, &byte, 1), SM_OK);
        assert_true(buf.cap >= buf.len);
    }
    assert_int_equal(buf.len, 100000);
    for (size_t i = 0; i < buf.len; i++) assert_int_equal(buf.data[i], (uint8_t)(i * 7));
    assert_true(buf.cap <= 2 * buf.len); /* doubled, not more */
    size_t cap = buf.cap;
    sm_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.cap, cap);
    sm_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(sm_buf_append_str(&buf, "again"), SM_OK); /* usable after free */
    sm_buf_free(&buf);
}

static void is_on_a_page_when_large(void **state)
{
    (void)state;
    for (size_t size = 128 << 10; size <= 16 << 20; size += size / 3) {
        sm_buf buf;
        sm_buf_init(&buf, SIZE_MAX / 2);
        assert_int_equal(sm_buf_append_str(&buf, "kept"), SM_OK);
        assert_int_equal(sm_buf_reserve(&buf, size), SM_OK);
        assert_int_equal((uintptr_t)buf.data % 4096, 0);
        assert_int_equal(sm_buf_reserve(&buf, 3 * size), SM_OK); /* wherever realloc puts it */
        assert_memory_equal(buf.data, "kept", 4);
        sm_buf_free(&buf);
    }
    void *pages = sm_alloc_pages(100001);
    assert_non_null(pages);
    assert_int_equal((uintptr_t)pages % 4096, 0);
    free(pages);
    assert_null(sm_alloc_pages(SIZE_MAX));
}

static void stops_at_its_cap(void **state)
{
    (void)state;
    static const uint8_t bytes[1000];
    for (size_t max = 1; max < 1000; max += 37) {
        sm_buf buf;
        sm_buf_init(&buf, max);
        assert_int_equal(sm_buf_append(&buf, bytes, max), SM_OK);
        assert_true(buf.cap <= max);
        assert_int_equal(sm_buf_append(&buf, bytes, 1), SM_ERR_LIMIT);
        assert_int_equal(buf.len, max);
        assert_int_equal(sm_buf_append(&buf, bytes, 0), SM_OK);
        sm_buf_free(&buf);
        assert_int_equal(sm_buf_append(&buf, bytes, max + 1), SM_ERR_LIMIT);
        assert_null(buf.data);
    }
}

static void refuses_sizes_that_overflow(void **state)
{
    (void)state;
    sm_buf buf;
    sm_buf_init(&buf, SIZE_MAX - 1);
    assert_int_equal(sm_buf_append_str(&buf, "abc"), SM_OK);
    assert_int_equal(sm_buf_reserve(&buf, SIZE_MAX), SM_ERR_LIMIT);
    assert_int_equal(sm_buf_reserve(&buf, SIZE_MAX - 2), SM_ERR_LIMIT);
    assert_memory_equal(buf.data, "abc", 3);
    sm_buf_free(&buf);
}

static void formats(void **state)
{
    (void)state;
    sm_buf buf;
    sm_buf_init(&buf, 300);
    assert_int_equal(sm_buf_append_str(&buf, "x="), SM_OK);
    assert_int_equal(sm_buf_printf(&buf, "%d, %s", 42, "yes"), SM_OK);
    assert_int_equal(buf.len, 9);
    assert_string_equal((char *)buf.data, "x=42, yes"); /* the NUL is there, and not counted */
    assert_int_equal(sm_buf_printf(&buf, "%s", ""), SM_OK);
    assert_int_equal(buf.len, 9);
    assert_int_equal(sm_buf_printf(&buf, "%290d", 1), SM_OK); /* up to the last byte, for the NUL */
    assert_int_equal(buf.len, 299);
    assert_int_equal(sm_buf_printf(&buf, "%d", 1), SM_ERR_LIMIT);
    assert_int_equal(buf.len, 299);
    sm_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_no_memory_before_it_must),
        cmocka_unit_test(grows_and_keeps_its_content),
        cmocka_unit_test(is_on_a_page_when_large),
        cmocka_unit_test(stops_at_its_cap),
        cmocka_unit_test(refuses_sizes_that_overflow),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
