#include "choose/fastmath.h"
#include "choose/linear.h"
#include "choose/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) <= (most))

static void solves_by_cholesky(void **state)
{
    (void)state;
    double a[9] = {4, 0, 0, 2, 5, 0, 1, 3, 6}, x[3] = {11, 21, 25}; /* A (1 2 3)^T */
    assert_true(sm_cholesky(a, 3));
    assert_near(2 * sm_half_log_det(a, 3), log(67), 1e-12);
    sm_solve_lower(a, 3, x);
    sm_solve_lower_transposed(a, 3, x);
    for (int i = 0; i < 3; i++) assert_near(x[i], i + 1, 1e-12);
}

static void says_when_there_is_no_factor(void **state)
{
    (void)state;
    double a[4] = {1, 0, 2, 1};
    assert_false(sm_cholesky(a, 2));
}

/* The non-negative solution, found by trying every set of columns. */
static void least_squares_are_not_negative(void **state)
{
    (void)state;
    sm_rng rng;
    sm_rng_init(&rng, 5, 0);
    for (int round = 0; round < 200; round++) {
        double a[6 * 2], b[6], x[2], least = INFINITY, found = 0;
        for (int i = 0; i < 12; i++) a[i] = sm_rng_uniform(&rng);
        for (int i = 0; i < 6; i++) b[i] = sm_rng_normal(&rng);
        sm_nnls(x, a, b, 6, 2);
        assert_true(x[0] >= 0 && x[1] >= 0);
        for (double u = 0; u < 3; u += 0.01)
            for (double v = 0; v < 3; v += 0.01) {
                double error = 0;
                for (int i = 0; i < 6; i++) error += pow(a[2 * i] * u + a[2 * i + 1] * v - b[i], 2);
                least = fmin(least, error);
            }
        for (int i = 0; i < 6; i++) found += pow(a[2 * i] * x[0] + a[2 * i + 1] * x[1] - b[i], 2);
        assert_true(found <= least + 1e-9);
    }
}

static void recovers_ernests_weights(void **state)
{
    (void)state;
    double a[8 * 4], b[8], x[4];
    for (int i = 0; i < 8; i++) {
        double n = 2 << i, row[4] = {1, 1 / n, log(n), n};
        for (int k = 0; k < 4; k++) a[4 * i + k] = row[k];
        b[i] = 10 + 300 / n + 0.2 * n;
    }
    sm_nnls(x, a, b, 8, 4);
    assert_near(x[0], 10, 1e-3);
    assert_near(x[1], 300, 1e-2);
    assert_near(x[2], 0, 1e-3);
    assert_near(x[3], 0.2, 1e-4);
}

static void fast_functions_agree_with_libm(void **state)
{
    (void)state;
    for (double x = -80; x < 80; x += 0.0371)
        assert_near(sm_expf((float)x) / exp((float)x), 1, 2e-6);
    for (double x = 1e-9; x < 1e9; x *= 1.0173)
        assert_near(sm_logf((float)x), log((float)x), 2e-6 + 1e-6 * fabs(log(x)));
    for (double x = -8; x < 8; x += 0.01)
        assert_near(sm_normal_cdf((float)x), 0.5 * erfc(-x / sqrt(2)), 1e-6);
    for (double p = 0.001; p < 0.9995; p += 0.001)
        assert_near(0.5 * erfc(-sm_normal_quantile(p) / sqrt(2)), p, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves_by_cholesky),
        cmocka_unit_test(says_when_there_is_no_factor),
        cmocka_unit_test(least_squares_are_not_negative),
        cmocka_unit_test(recovers_ernests_weights),
        cmocka_unit_test(fast_functions_agree_with_libm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
