#include "choose/gp.h"

#include "choose/linear.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 25 };

/* Matern 5/2 of the distance that the lengths give. */
static double matern(double r)
{
    return (1 + sqrt(5) * r + 5 * r * r / 3) * exp(-sqrt(5) * r);
}

static double distance(const double *a, const double *b, const double *theta, size_t d)
{
    double square = 0;
    for (size_t k = 0; k < d; k++) {
        double s = (a[k] - b[k]) * exp(-theta[k]);
        square += s * s;
    }
    return sqrt(square);
}

/* Fills gp->l and gp->alpha for theta; false when the covariance has no factor. */
static bool factor(sm_gp *gp, const double *theta)
{
    size_t n = gp->n;
    double signal = exp(2 * theta[gp->d]), noise = exp(2 * theta[gp->d + 1]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            gp->l[i * n + j] =
                signal * matern(distance(gp->x + i * gp->d, gp->x + j * gp->d, theta, gp->d)) +
                (i == j ? noise + 1e-8 : 0);
    if (!sm_cholesky(gp->l, n)) return false;
    memcpy(gp->alpha, gp->y, n * sizeof *gp->alpha);
    sm_solve_lower(gp->l, n, gp->alpha);
    sm_solve_lower_transposed(gp->l, n, gp->alpha);
    return true;
}

/* -ln posterior of theta, and its gradient (Rasmussen and Williams, 2006, equations 5.8 and 5.9).
 */
static double objective(double *gradient, sm_gp *gp, const double *theta, double *inverse)
{
    size_t n = gp->n, d = gp->d;
    if (!factor(gp, theta)) {
        memset(gradient, 0, (d + 2) * sizeof *gradient);
        return 1e10;
    }
    double value = sm_half_log_det(gp->l, n);
    for (size_t i = 0; i < n; i++) value += 0.5 * gp->y[i] * gp->alpha[i];
    for (size_t i = 0; i < n; i++) { /* columns of K^-1 */
        double *column = inverse + i * n;
        memset(column, 0, n * sizeof *column);
        column[i] = 1;
        sm_solve_lower(gp->l, n, column);
        sm_solve_lower_transposed(gp->l, n, column);
    }
    memset(gradient, 0, (d + 2) * sizeof *gradient);
    double signal = exp(2 * theta[d]), noise = exp(2 * theta[d + 1]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double a = gp->alpha[i] * gp->alpha[j] - inverse[i * n + j];
            double r = distance(gp->x + i * d, gp->x + j * d, theta, d);
            double slope = signal * (5.0 / 3) * (1 + sqrt(5) * r) * exp(-sqrt(5) * r);
            for (size_t k = 0; k < d; k++) {
                double s = (gp->x[i * d + k] - gp->x[j * d + k]) * exp(-theta[k]);
                gradient[k] -= 0.5 * a * slope * s * s;
            }
            gradient[d] -= a * signal * matern(r);
            if (i == j) gradient[d + 1] -= a * noise;
        }
    for (size_t k = 0; k < d + 2; k++) {
        double centre = k < d ? log(0.7) : k == d ? 0 : log(0.1), spread = k == d ? 0.7 : 1;
        double z = (theta[k] - centre) / spread;
        value += 0.5 * z * z;
        gradient[k] += z / spread;
    }
    return value;
}

/* Keeps theta where the fit is well posed. */
static void clip(double *theta, size_t d)
{
    for (size_t k = 0; k < d + 2; k++) {
        double low = k < d ? -3 : k == d ? -2 : 0.5 * log(1e-4);
        double high = k < d ? 3 : k == d ? 2 : 0.5 * log(0.1);
        theta[k] = fmin(fmax(theta[k], low), high);
    }
}

/* The BFGS update of the inverse Hessian h (Nocedal and Wright, 2006, equation 6.17). */
static void update_inverse(double *h, const double *step, const double *change, size_t n)
{
    double sy = 0, hy[SM_GP_PARAMETERS] = {0}, yhy = 0;
    for (size_t i = 0; i < n; i++) sy += step[i] * change[i];
    if (sy < 1e-10) return;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) hy[i] += h[i * n + j] * change[j];
    for (size_t i = 0; i < n; i++) yhy += change[i] * hy[i];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            h[i * n + j] += (sy + yhy) / (sy * sy) * step[i] * step[j] -
                            (hy[i] * step[j] + step[i] * hy[j]) / sy;
}

/* Minimises by BFGS with backtracking, within the bounds. */
static double minimise(double *theta, sm_gp *gp, double *inverse)
{
    size_t n = gp->d + 2;
    double h[SM_GP_PARAMETERS * SM_GP_PARAMETERS] = {0}, g[SM_GP_PARAMETERS];
    double next[SM_GP_PARAMETERS], next_g[SM_GP_PARAMETERS], step[SM_GP_PARAMETERS];
    for (size_t i = 0; i < n; i++) h[i * n + i] = 0.3;
    double value = objective(g, gp, theta, inverse);
    for (int round = 0; round < ROUNDS; round++) {
        double slope = 0, length = 1, next_value = INFINITY;
        for (size_t i = 0; i < n; i++) {
            step[i] = 0;
            for (size_t j = 0; j < n; j++) step[i] -= h[i * n + j] * g[j];
            slope += step[i] * g[i];
        }
        for (int halving = 0; halving < 12; halving++, length *= 0.5) {
            for (size_t i = 0; i < n; i++) next[i] = theta[i] + length * step[i];
            clip(next, gp->d);
            next_value = objective(next_g, gp, next, inverse);
            if (next_value <= value + 1e-4 * length * slope) break;
        }
        if (!(next_value < value - 1e-7)) break;
        for (size_t i = 0; i < n; i++) {
            step[i] = next[i] - theta[i];
            double change = next_g[i] - g[i];
            theta[i] = next[i];
            g[i] = next_g[i];
            next_g[i] = change;
        }
        update_inverse(h, step, next_g, n);
        value = next_value;
    }
    return value;
}

static void standardise(sm_gp *gp, const double *values)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < gp->n; i++) sum += values[i];
    gp->mean = sum / (double)gp->n;
    for (size_t i = 0; i < gp->n; i++) square += (values[i] - gp->mean) * (values[i] - gp->mean);
    gp->deviation = sqrt(square / (double)gp->n);
    if (!(gp->deviation > 0)) gp->deviation = 1;
    for (size_t i = 0; i < gp->n; i++) gp->y[i] = (values[i] - gp->mean) / gp->deviation;
}

sm_status sm_gp_fit(sm_gp *gp, const double *x, const double *values, size_t n, size_t d,
                    const double *start)
{
    *gp = (sm_gp){.n = n, .d = d, .x = x};
    double *block = malloc((2 * n * n + 2 * n) * sizeof *block);
    if (block == NULL) return sm_fail_memory((2 * n * n + 2 * n) * sizeof *block);
    gp->l = block;
    gp->alpha = block + n * n;
    gp->y = gp->alpha + n;
    double *inverse = gp->y + n;
    standardise(gp, values);
    double least = INFINITY;
    for (int attempt = start == NULL; attempt < 2; attempt++) {
        double theta[SM_GP_PARAMETERS];
        for (size_t k = 0; k < d + 2; k++) theta[k] = k < d ? log(0.7) : k == d ? 0 : log(0.1);
        if (attempt == 0) memcpy(theta, start, (d + 2) * sizeof *theta);
        double value = minimise(theta, gp, inverse);
        if (value < least) {
            least = value;
            memcpy(gp->theta, theta, sizeof theta);
        }
    }
    return factor(gp, gp->theta) ? SM_OK : sm_fail(SM_ERR_INTERNAL, "a covariance has no factor");
}

void sm_gp_free(sm_gp *gp)
{
    free(gp->l);
    *gp = (sm_gp){0};
}

void sm_gp_predict(double *mean, double *deviation, const sm_gp *gp, const double *at)
{
    double column[SM_CHOOSE_MAX_TRIALS];
    double signal = exp(2 * gp->theta[gp->d]), sum = 0, known = 0;
    for (size_t i = 0; i < gp->n; i++) {
        column[i] = signal * matern(distance(at, gp->x + i * gp->d, gp->theta, gp->d));
        sum += column[i] * gp->alpha[i];
    }
    sm_solve_lower(gp->l, gp->n, column);
    for (size_t i = 0; i < gp->n; i++) known += column[i] * column[i];
    *mean = gp->mean + gp->deviation * sum;
    *deviation = gp->deviation * sqrt(fmax(signal - known, 1e-12));
}
