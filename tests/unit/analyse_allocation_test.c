/*
 * An allocation of an analysis fails, here and there along its way: it must end with an error, or
 * give the same bytes as undisturbed. jansson's allocations fail too: main hands them over.
 */
#include "analyse/analyse.h"

#include "failing_malloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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
    allocations_left = NEVER_FAILS;
    assert_int_equal(analyse(&whole, path), SM_OK);
    const long count = NEVER_FAILS - allocations_left;
    assert_true(count > 500);
    /* The rows of the file are all alike. */
    for (long at = 1; at <= count; at += at < 200 || count - at < 100 ? 1 : 17) {
        sm_buf_clear(&got);
        allocations_left = at;
        sm_status status = analyse(&got, path);
        allocations_left = NEVER_FAILS;
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
