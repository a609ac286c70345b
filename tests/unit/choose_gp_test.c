#include "choose/gp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) <= (most))

enum { N = 15 };

static double truth(double x)
{
    return 3 + sin(4 * x);
}

static void follows_a_smooth_function(void **state)
{
    (void)state;
    double x[2 * N], y[N], mean, deviation;
    for (int i = 0; i < N; i++) {
        x[2 * i] = i / (N - 1.0);
        x[2 * i + 1] = (i * 7 % N) / (N - 1.0); /* of no influence */
        y[i] = truth(x[2 * i]);
    }
    sm_gp gp;
    assert_int_equal(sm_gp_fit(&gp, x, y, N, 2, NULL), SM_OK);
    for (double at = 0.05; at < 1; at += 0.1) {
        double place[2] = {at, 0.5};
        sm_gp_predict(&mean, &deviation, &gp, place);
        assert_near(mean, truth(at), 0.06);
        assert_true(fabs(mean - truth(at)) < 4 * deviation);
    }
    assert_true(gp.theta[1] > gp.theta[0]); /* the length of what has no influence is longer */
    double far[2] = {3, 0.5}, near_deviation;
    double known[2] = {x[10], x[11]};
    sm_gp_predict(&mean, &near_deviation, &gp, known);
    sm_gp_predict(&mean, &deviation, &gp, far);
    assert_true(deviation > 5 * near_deviation);
    sm_gp_free(&gp);
}

static void equal_values_are_no_trouble(void **state)
{
    (void)state;
    double x[3] = {0, 0.5, 1}, y[3] = {2, 2, 2}, mean, deviation, at = 0.25;
    sm_gp gp;
    assert_int_equal(sm_gp_fit(&gp, x, y, 3, 1, NULL), SM_OK);
    sm_gp_predict(&mean, &deviation, &gp, &at);
    assert_near(mean, 2, 1e-9);
    assert_true(isfinite(deviation));
    sm_gp_free(&gp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_smooth_function),
        cmocka_unit_test(equal_values_are_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
