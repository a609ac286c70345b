/* Fails from each allocation on, in turn: the picture fails, and the workshop goes on. */
#include "image/image.h"

#include "image_samples.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A sanitizer has its own allocator, which must not be replaced; clang does not tell of one. */
#if defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CAN_FAIL 1
#else
#define CAN_FAIL 0
#endif

static long countdown = -1; /* allocations until all fail; below 0: never */
static bool failed;

#if CAN_FAIL

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#define VISIBLE __attribute__((visibility("default"))) /* or libjpeg would not call it */

static bool fails(void)
{
    if (countdown < 0) return false;
    if (countdown > 0) {
        countdown--;
        return false;
    }
    failed = true;
    errno = ENOMEM;
    return true;
}

VISIBLE void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

VISIBLE void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

VISIBLE void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

VISIBLE void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

#endif

static const sm_picture_options options = {.width = 64,
                                           .height = 48,
                                           .encode_quality = 95,
                                           .resize_mode = SM_RESIZE_BORDER,
                                           .orient = true,
                                           .max_pixels = 178000000};

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    if (!CAN_FAIL) skip();
    sample s = {.width = 90, .height = 70, .orientation = 6, .progressive = true};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    bool done = false;
    for (long i = 0; !done && i < 1000; i++) {
        sm_picture *picture = NULL;
        sm_picture_info info = {0};
        sm_buf out;
        sm_buf_init(&out, 1 << 20);
        countdown = i;
        failed = false;
        sm_status made = sm_picture_new(&picture, &options);
        sm_status status =
            made == SM_OK ? sm_picture_convert(picture, &info, &out, data, len) : made;
        countdown = -1;
        done = !failed; /* there were fewer allocations than that */
        assert_int_equal(status, done ? SM_OK : SM_ERR_MEMORY);
        if (made == SM_OK && !done) {
            assert_int_equal(info.reason, SM_FAIL_OUT_OF_MEMORY);
            assert_int_equal(out.len, 0);
            assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_OK);
        }
        assert_int_equal(info.reason, SM_REASON_NONE);
        sm_buf_free(&out);
        sm_picture_free(picture);
    }
    assert_true(done);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
