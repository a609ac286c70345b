/* Distributions against SciPy 1.17.1 (scipy.stats.t, f, chi2); tests/test_analysis.py compares what
 * is made of them. */
#include "analyse/stats.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_close(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * fabs(want)))
        fail_msg("%.17g is not %.17g to %g", got, want, tolerance);
}

static void quantiles_of_t(void **state)
{
    (void)state;
    static const double table[][3] = {
        {0.975, 1, 12.706204736174694},   {0.975, 2, 4.302652729749462},
        {0.975, 9, 2.262157162798205},    {0.995, 3, 5.840909309733355},
        {0.6, 0.5, 0.3979754267847907},   {1e-9, 4, -234.02761040611892},
        {0.9999, 1e6, 3.719030274762571}, {0.025, 30, -2.042272456301238},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect_close(sm_t_quantile(table[i][0], table[i][1]), table[i][2], 1e-9);
    assert_true(sm_t_quantile(0.5, 3) == 0);
    assert_true(isnan(sm_t_quantile(0, 3)) && isnan(sm_t_quantile(1, 3)));
    assert_true(isnan(sm_t_quantile(0.9, 0)) && isnan(sm_t_quantile(NAN, 3)));
}

static void tails_of_t(void **state)
{
    (void)state;
    static const double table[][3] = {
        {0, 5, 1},
        {1, 1, 0.5},
        {-2.5, 7, 0.04099221858575289},
        {12.7, 3, 0.0010530526821985991},
        {40, 200, 2.2487396535202197e-97},
        {1e-8, 3, 0.999999992648948},
        {1e10, 2, 1e-20},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect_close(sm_t_two_sided(table[i][0], table[i][1]), table[i][2], 1e-9);
    expect_close(sm_t_cdf(-2.5, 7), 0.020496109292876444, 1e-9);
    expect_close(sm_t_cdf(12.7, 3), 0.9994734736589007, 1e-12);
    assert_true(sm_t_two_sided(INFINITY, 3) == 0 && sm_t_two_sided(1e300, 3) == 0);
    assert_true(isnan(sm_t_two_sided(NAN, 3)) && isnan(sm_t_two_sided(1, 0)));
}

/* The quantile is the other way round, over many sizes. */
static void quantiles_and_tails_agree(void **state)
{
    (void)state;
    for (double df = 0.5; df < 1e7; df *= 3.7)
        for (double p = 1e-12; p < 0.5; p *= 5)
            expect_close(sm_t_cdf(sm_t_quantile(p, df), df), p, 1e-7);
}

static void tails_of_f(void **state)
{
    (void)state;
    static const double table[][4] = {
        {1, 1, 1, 0.5},
        {3.5, 2, 10, 0.07042962777237427},
        {0.01, 5, 5, 0.9999475708664215},
        {250, 3, 200, 2.1575373573349042e-67},
        {1e-6, 1, 1e5, 0.9992021175668878},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect_close(sm_f_tail(table[i][0], table[i][1], table[i][2]), table[i][3], 1e-9);
    assert_true(sm_f_tail(0, 1, 1) == 1 && sm_f_tail(INFINITY, 1, 1) == 0);
    assert_true(isnan(sm_f_tail(NAN, 1, 1)) && isnan(sm_f_tail(1, 0, 1)));
}

static void tails_of_chi2(void **state)
{
    (void)state;
    static const double table[][3] = {
        {0.5, 1, 0.47950012218695337},   {5.99, 2, 0.05003662708658629},
        {30, 10, 0.000856641210775301},  {1000, 900, 0.010994608942135844},
        {200, 3, 4.218541107192018e-43}, {1e-6, 7, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect_close(sm_chi2_tail(table[i][0], table[i][1]), table[i][2], 1e-9);
    assert_true(sm_chi2_tail(0, 1) == 1 && sm_chi2_tail(INFINITY, 1) == 0);
    assert_true(isnan(sm_chi2_tail(NAN, 1)) && isnan(sm_chi2_tail(1, 0)));
}

static void summaries(void **state)
{
    (void)state;
    const double values[] = {10, 12, 11, 13.5, 9};
    sm_summary s = sm_summarize(values, 5, 0.95);
    expect_close(s.mean, 11.1, 1e-12);
    expect_close(s.sd, 1.746424919657298, 1e-12);
    expect_close(s.low, 8.931527051695632, 1e-9);
    expect_close(s.high, 13.268472948304368, 1e-9);
    s = sm_summarize(values, 1, 0.95);
    assert_true(s.mean == 10 && isnan(s.sd) && isnan(s.low) && isnan(s.high));
    assert_true(isnan(sm_summarize(values, 0, 0.95).mean));
    const double far[] = {1e15 + 1, 1e15 + 2, 1e15 + 3}; /* squares would lose these */
    expect_close(sm_summarize(far, 3, 0.95).sd, 1, 1e-12);
}

static void medians(void **state)
{
    (void)state;
    double odd[] = {5, -1, 3}, even[] = {4, 1, 3, 2}, one[] = {7};
    assert_true(sm_median(odd, 3) == 3 && sm_median(even, 4) == 2.5 && sm_median(one, 1) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_of_t),
        cmocka_unit_test(tails_of_t),
        cmocka_unit_test(quantiles_and_tails_agree),
        cmocka_unit_test(tails_of_f),
        cmocka_unit_test(tails_of_chi2),
        cmocka_unit_test(summaries),
        cmocka_unit_test(medians),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
