/*
 * An allocation of an analysis fails, here and there along its way: it must end with an error, or
 * give the same bytes as undisturbed. The linker hands all that our rooms allocate to the functions
 * below (tests/CMakeLists.txt); jansson's is handed over in main.
 */
#include "analyse/analyse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_fsync(int fd);

enum { NEVER = 1 << 30 };

static long countdown = NEVER; /* at 1 an allocation fails */

static bool fails(void)
{
    return countdown-- == 1;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

static sm_status analyse(sm_buf *json, const char *path)
{
    sm_results table;
    sm_analysis analysis = {0};
    sm_status status = sm_results_read(&table, &path, 1);
    if (status == SM_OK) status = sm_analyse(&analysis, &table);
    if (status == SM_OK) status = sm_analysis_json(json, &analysis);
    sm_analysis_free(&analysis);
    sm_results_free(&table);
    return status;
}

static void survives_allocations_that_fail(void **state)
{
    (void)state;
    static const char path[] = SM_TEST_CORPUS "/grid";
    sm_buf whole, got;
    sm_buf_init(&whole, SIZE_MAX / 2);
    sm_buf_init(&got, SIZE_MAX / 2);
    countdown = NEVER;
    assert_int_equal(analyse(&whole, path), SM_OK);
    const long count = NEVER - countdown;
    assert_true(count > 500);
    /* The rows of the file are all alike. */
    for (long at = 1; at <= count; at += at < 200 || count - at < 100 ? 1 : 17) {
        sm_buf_clear(&got);
        countdown = at;
        sm_status status = analyse(&got, path);
        countdown = NEVER;
        /* jansson does not tell bad JSON from want of memory. */
        if (status == SM_OK) {
            assert_int_equal(got.len, whole.len);
            assert_memory_equal(got.data, whole.data, whole.len);
        } else if (status != SM_ERR_MEMORY && status != SM_ERR_CORRUPT && status != SM_ERR_FORMAT) {
            fail_msg("allocation %ld: %s", at, sm_last_error());
        }
    }
    sm_buf_free(&whole);
    sm_buf_free(&got);
}

int main(void)
{
    json_set_alloc_funcs(__wrap_malloc, free);
    const struct CMUnitTest tests[] = {cmocka_unit_test(survives_allocations_that_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
