#include "measure/latency.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double share)
{
    if (fabs(value - expected) > share * expected) {
        print_error("%g is not within %g of %g\n", value, share, expected);
        fail();
    }
}

static void nothing_is_zero(void **state)
{
    (void)state;
    static sm_latency l;
    assert_true(sm_latency_mean(&l) == 0);
    assert_true(sm_latency_quantile(&l, 0.5) == 0);
}

static void quantiles_of_a_ramp(void **state)
{
    (void)state;
    sm_latency *l = calloc(1, sizeof *l);
    for (uint64_t i = 1; i <= 100000; i++) sm_latency_add(l, i * 1000);
    assert_near(sm_latency_quantile(l, 0.50), 0.050, 0.017);
    assert_near(sm_latency_quantile(l, 0.95), 0.095, 0.017);
    assert_near(sm_latency_quantile(l, 0.99), 0.099, 0.017);
    assert_near(sm_latency_mean(l), 0.0500005, 1e-9);
    assert_int_equal(l->max_ns, 100000000);
    free(l);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    sm_latency *l = calloc(1, sizeof *l);
    for (uint64_t i = 0; i < 128; i++) sm_latency_add(l, i);
    assert_near(sm_latency_quantile(l, 0.5), 63e-9, 1e-9);
    free(l);
}

static void every_value_has_a_bucket(void **state)
{
    (void)state;
    sm_latency *l = calloc(1, sizeof *l);
    for (int bit = 0; bit < 64; bit++) {
        sm_latency_add(l, 1ull << bit);
        sm_latency_add(l, (1ull << bit) - 1);
    }
    sm_latency_add(l, UINT64_MAX);
    assert_int_equal(l->count, 129);
    assert_true(sm_latency_quantile(l, 1) > 0);
    free(l);
}

static void merging_is_adding(void **state)
{
    (void)state;
    sm_latency *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    for (int i = 0; i < 10; i++) sm_latency_add(a, 1000);
    for (int i = 0; i < 30; i++) sm_latency_add(b, 9000);
    sm_latency_merge(a, b);
    assert_int_equal(a->count, 40);
    assert_int_equal(a->max_ns, 9000);
    assert_near(sm_latency_mean(a), 7000e-9, 1e-9);
    assert_near(sm_latency_quantile(a, 0.2), 1000e-9, 0.017);
    assert_near(sm_latency_quantile(a, 0.9), 9000e-9, 0.017);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_zero),        cmocka_unit_test(quantiles_of_a_ramp),
        cmocka_unit_test(small_values_are_exact), cmocka_unit_test(every_value_has_a_bucket),
        cmocka_unit_test(merging_is_adding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
