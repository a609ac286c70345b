/* The filters, as their definitions have them. */
#ifndef SM_TESTS_IMAGE_FORMULA_H
#define SM_TESTS_IMAGE_FORMULA_H

#include <shardmill.h>

#include <math.h>

static inline double formula_sinc(double x)
{
    const double pi = acos(-1.0);
    return x == 0.0 ? 1.0 : sin(pi * x) / (pi * x);
}

/* The weight of a sample x away from the centre, before weights are made to add up to 1. */
static inline double formula_at(sm_filter filter, double x, double step)
{
    const double stretch = step > 1.0 ? step : 1.0;
    switch (filter) {
    case SM_FILTER_BILINEAR: return fmax(0.0, 1.0 - fabs(x));
    case SM_FILTER_AREA: return fmax(0.0, fmin(x + 0.5, step / 2) - fmax(x - 0.5, -step / 2));
    case SM_FILTER_TRIANGLE: return fmax(0.0, 1.0 - fabs(x / stretch));
    case SM_FILTER_LANCZOS3: break;
    }
    x /= stretch;
    return fabs(x) < 3.0 ? formula_sinc(x) * formula_sinc(x / 3.0) : 0.0;
}

#endif
