#include "analyse/stats.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_STEPS = 20000 };

static const double tiny = 1e-300, precision = 1e-15;

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign); /* lgamma writes a variable that threads share */
}

/* One step of the modified Lentz method: the next partial fraction numerator / (1 + ...). */
static double lentz(double *c, double *d, double numerator, double denominator)
{
    *d = denominator + numerator * *d;
    if (fabs(*d) < tiny) *d = tiny;
    *c = denominator + numerator / *c;
    if (fabs(*c) < tiny) *c = tiny;
    *d = 1 / *d;
    return *c * *d;
}

/* The continued fraction of I_x(a, b); converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    double value = d;
    for (int m = 1; m <= MOST_STEPS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        value *= lentz(&c, &d, even, 1);
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double step = lentz(&c, &d, odd, 1);
        value *= step;
        if (fabs(step - 1) < precision) break;
    }
    return value;
}

/* I_x(a, b), with y = 1 - x given apart: near 1, x alone has lost it. */
static double incomplete_beta(double x, double y, double a, double b)
{
    if (!(x > 0)) return isnan(x) ? NAN : 0;
    if (!(y > 0)) return isnan(y) ? NAN : 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(y, b, a) / b;
}

double sm_t_two_sided(double t, double df)
{
    if (isnan(t) || !(df > 0)) return NAN;
    if (isinf(t)) return 0;
    double square = t * t, whole = df + square;
    if (isinf(whole)) return 0;
    return incomplete_beta(df / whole, square / whole, df / 2, 0.5);
}

double sm_t_cdf(double t, double df)
{
    double tail = sm_t_two_sided(t, df) / 2;
    return t > 0 ? 1 - tail : tail;
}

static double t_density(double t, double df)
{
    return exp(log_gamma((df + 1) / 2) - log_gamma(df / 2) - log(df * acos(-1)) / 2 -
               (df + 1) / 2 * log1p(t * t / df));
}

double sm_t_quantile(double p, double df)
{
    if (!(p > 0 && p < 1) || !(df > 0)) return NAN;
    if (p == 0.5) return 0;
    const double tail = p < 0.5 ? p : 1 - p;
    double low = 0, high = 1;
    while (sm_t_two_sided(high, df) / 2 > tail && high < 1e300) {
        low = high;
        high *= 2;
    }
    double t = (low + high) / 2;
    for (int i = 0; i < 200; i++) {
        double over = sm_t_two_sided(t, df) / 2 - tail;
        if (over > 0)
            low = t;
        else
            high = t;
        double next = t + over / t_density(t, df);
        if (!(next > low && next < high)) next = (low + high) / 2;
        double moved = fabs(next - t);
        t = next;
        if (moved <= 1e-14 * t) break;
    }
    return p < 0.5 ? -t : t;
}

double sm_f_tail(double f, double df1, double df2)
{
    if (isnan(f) || !(df1 > 0) || !(df2 > 0)) return NAN;
    if (f <= 0) return 1;
    if (isinf(f)) return 0;
    double whole = df2 + df1 * f;
    return incomplete_beta(df2 / whole, df1 * f / whole, df2 / 2, df1 / 2);
}

/* P(a, x) by its series: for x < a + 1. */
static double gamma_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int n = 1; n <= MOST_STEPS && term > sum * precision; n++) {
        term *= x / (a + n);
        sum += term;
    }
    return sum * exp(-x + a * log(x) - log_gamma(a));
}

/* Q(a, x) by its continued fraction: for x >= a + 1. */
static double gamma_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, value = d;
    for (int n = 1; n <= MOST_STEPS; n++) {
        b += 2;
        double step = lentz(&c, &d, -n * (n - a), b);
        value *= step;
        if (fabs(step - 1) < precision) break;
    }
    return value * exp(-x + a * log(x) - log_gamma(a));
}

double sm_chi2_tail(double x, double df)
{
    if (isnan(x) || !(df > 0)) return NAN;
    if (x <= 0) return 1;
    if (isinf(x)) return 0;
    double a = df / 2, half = x / 2;
    return half < a + 1 ? 1 - gamma_series(a, half) : gamma_fraction(a, half);
}

sm_summary sm_summarize(const double *values, size_t n, double confidence)
{
    sm_summary s = {.n = n, .mean = NAN, .sd = NAN, .low = NAN, .high = NAN};
    if (n == 0) return s;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    s.mean = sum / (double)n;
    if (n < 2) return s;
    for (size_t i = 0; i < n; i++) squares += (values[i] - s.mean) * (values[i] - s.mean);
    const double df = (double)(n - 1);
    s.sd = sqrt(squares / df);
    double half = sm_t_quantile(0.5 + confidence / 2, df) * s.sd / sqrt((double)n);
    s.low = s.mean - half;
    s.high = s.mean + half;
    return s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double sm_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
