/* Least squares against certified values, and where there is nothing to fit. */
#include "analyse/regress.h"
#include "analyse/robust.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_close(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * fabs(want)))
        fail_msg("%.17g is not %.17g to %g", got, want, tolerance);
}

/* NIST's Statistical Reference Datasets, "Longley" (public domain): columns that hang together so
 * closely that careless programs give no correct digit. */
static void longley(void **state)
{
    (void)state;
    static const double y[16] = {60323, 61122, 60171, 61187, 63221, 63639, 64989, 63761,
                                 66019, 67857, 68169, 66513, 68655, 69564, 69331, 70551};
    static const double x[7][16] = {
        {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
        {83, 88.5, 88.2, 89.5, 96.2, 98.1, 99, 100, 101.2, 104.6, 108.4, 110.8, 112.6, 114.2, 115.7,
         116.9},
        {234289, 259426, 258054, 284599, 328975, 346999, 365385, 363112, 397469, 419180, 442769,
         444546, 482704, 502601, 518173, 554894},
        {2356, 2325, 3682, 3351, 2099, 1932, 1870, 3578, 2904, 2822, 2936, 4681, 3813, 3931, 4806,
         4007},
        {1590, 1456, 1616, 1650, 3099, 3594, 3547, 3350, 3048, 2857, 2798, 2637, 2552, 2514, 2572,
         2827},
        {107608, 108632, 109773, 110929, 112075, 113270, 115094, 116219, 117388, 118734, 120445,
         121950, 123366, 125368, 127852, 130081},
        {1947, 1948, 1949, 1950, 1951, 1952, 1953, 1954, 1955, 1956, 1957, 1958, 1959, 1960, 1961,
         1962}};
    static const double certified[7][2] = {{-3482258.63459582, 890420.383607373},
                                           {15.0618722713733, 84.9149257747669},
                                           {-0.358191792925910e-01, 0.334910077722432e-01},
                                           {-2.02022980381683, 0.488399681651699},
                                           {-1.03322686717359, 0.214274163161675},
                                           {-0.511041056535807e-01, 0.226073200069370},
                                           {1829.15146461355, 455.478499142212}};
    sm_ols fit;
    assert_int_equal(sm_ols_fit(&fit, x[0], 16, 7, y), SM_OK);
    assert_int_equal(fit.k, 7);
    for (size_t j = 0; j < 7; j++) {
        expect_close(fit.beta[j], certified[j][0], 1e-8);
        expect_close(fit.se[j], certified[j][1], 1e-8);
    }
    expect_close(fit.r2, 0.995479004577296, 1e-12);
    expect_close(fit.sigma, 304.854073561965, 1e-9);
    expect_close(fit.f, 330.285339234588, 1e-8);
    sm_ols_free(&fit);
}

static void a_line_without_error(void **state)
{
    (void)state;
    const double x[] = {1, 1, 1, 1, 0, 1, 2, 3}, y[] = {5, 7, 9, 11};
    sm_ols fit;
    assert_int_equal(sm_ols_fit(&fit, x, 4, 2, y), SM_OK);
    expect_close(fit.beta[0], 5, 1e-12);
    expect_close(fit.beta[1], 2, 1e-12);
    expect_close(fit.r2, 1, 1e-12);
    sm_ols_free(&fit);
}

/* Each column that those before it span goes, and only that one. */
static void dependent_columns_are_dropped(void **state)
{
    (void)state;
    const double x[] = {1, 1, 1,  1, 1,  /* intercept */
                        1, 2, 4,  3, 9,  /* kept */
                        3, 3, 3,  3, 3,  /* the intercept, times 3 */
                        5, 7, 11, 9, 21, /* 3 + 2 times the second */
                        0, 0, 0,  0, 0,  /* nothing */
                        2, 7, 1,  8, 2}; /* kept */
    const double y[] = {1, 4, 2, 5, 3};
    sm_ols fit;
    assert_int_equal(sm_ols_fit(&fit, x, 5, 6, y), SM_OK);
    assert_int_equal(fit.k, 3);
    assert_int_equal(fit.kept[0], 0);
    assert_int_equal(fit.kept[1], 1);
    assert_int_equal(fit.kept[2], 5);
    sm_ols_free(&fit);
}

/* Units must not decide what is dependent. */
static void sizes_of_columns_do_not_matter(void **state)
{
    (void)state;
    double x[12] = {1, 1, 1, 1, 1e-12, 2e-12, 4e-12, 3e-12, 2e15, 7e15, 1e15, 8e15};
    const double y[] = {1, 4, 2, 5};
    sm_ols fit;
    assert_int_equal(sm_ols_fit(&fit, x, 4, 3, y), SM_OK);
    assert_int_equal(fit.k, 3);
    sm_ols_free(&fit);
}

static void too_few_rows(void **state)
{
    (void)state;
    const double x[] = {1, 1, 3, 4}, y[] = {1, 2};
    sm_ols fit;
    memset(&fit, 0x5a, sizeof fit);
    sm_ols before = fit;
    assert_int_equal(sm_ols_fit(&fit, x, 2, 2, y), SM_ERR_LIMIT);
    assert_int_equal(sm_ols_fit(&fit, x, 0, 2, y), SM_ERR_LIMIT);
    assert_memory_equal(&fit, &before, sizeof fit); /* untouched on failure */
}

static void huber_passes_over_what_is_far_off(void **state)
{
    (void)state;
    double x[40], y[20], beta[2], se[2];
    for (size_t i = 0; i < 20; i++) {
        x[i] = 1;
        x[20 + i] = (double)i;
        y[i] = 3 + 2 * (double)i + (i % 2 == 0 ? 0.01 : -0.01);
    }
    y[7] = 1000;
    assert_int_equal(sm_huber_fit(beta, se, x, 20, 2, y), SM_OK);
    expect_close(beta[0], 3, 0.01);
    expect_close(beta[1], 2, 0.01);
    assert_true(se[0] > 0 && se[1] > 0);
    assert_int_equal(sm_huber_fit(beta, se, x, 20, 1, y), SM_OK);
    assert_int_equal(sm_huber_fit(beta, se, x, 1, 1, y), SM_ERR_LIMIT);
    for (size_t i = 0; i < 20; i++) x[20 + i] = 4;
    assert_int_equal(sm_huber_fit(beta, se, x, 20, 2, y), SM_ERR_LIMIT);
}

static void huber_on_an_exact_line(void **state)
{
    (void)state;
    const double x[] = {1, 1, 1, 1, 1, 2, 3, 4}, y[] = {3, 5, 7, 9};
    double beta[2], se[2];
    assert_int_equal(sm_huber_fit(beta, se, x, 4, 2, y), SM_OK);
    expect_close(beta[0], 1, 1e-9);
    expect_close(beta[1], 2, 1e-9);
    assert_true(se[0] < 1e-9 && se[1] < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longley),
        cmocka_unit_test(a_line_without_error),
        cmocka_unit_test(dependent_columns_are_dropped),
        cmocka_unit_test(sizes_of_columns_do_not_matter),
        cmocka_unit_test(too_few_rows),
        cmocka_unit_test(huber_passes_over_what_is_far_off),
        cmocka_unit_test(huber_on_an_exact_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
