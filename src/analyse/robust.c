#include "analyse/robust.h"

#include "analyse/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One or two columns are small enough for normal equations. */
static const double huber_c = 1.345, mad_normal = 0.6744897501960817;

/* (X'WX)^-1 of up to two columns; false when they are not independent. */
static bool invert_moments(double inverse[2][2], const double *x, const double *w, size_t n,
                           size_t k)
{
    double aa = 0, ab = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        double weight = w == NULL ? 1 : w[i], a = x[i], b = k == 2 ? x[n + i] : 0;
        aa += weight * a * a;
        ab += weight * a * b;
        bb += weight * b * b;
    }
    if (k == 1) {
        inverse[0][0] = 1 / aa;
        return aa > 0;
    }
    double determinant = aa * bb - ab * ab;
    if (!(determinant > 1e-12 * aa * bb)) return false;
    inverse[0][0] = bb / determinant;
    inverse[0][1] = inverse[1][0] = -ab / determinant;
    inverse[1][1] = aa / determinant;
    return true;
}

static bool weighted_fit(double *beta, const double *x, const double *w, size_t n, size_t k,
                         const double *y)
{
    double inverse[2][2] = {{0}}, moment[2] = {0};
    if (!invert_moments(inverse, x, w, n, k)) return false;
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < n; i++) moment[j] += (w == NULL ? 1 : w[i]) * x[j * n + i] * y[i];
    for (size_t j = 0; j < k; j++) {
        beta[j] = 0;
        for (size_t c = 0; c < k; c++) beta[j] += inverse[j][c] * moment[c];
    }
    return true;
}

static double residual_at(const double *beta, const double *x, size_t n, size_t k, const double *y,
                          size_t i)
{
    double value = y[i];
    for (size_t j = 0; j < k; j++) value -= beta[j] * x[j * n + i];
    return value;
}

/* Huber (1981), equation 6.5 of chapter 7: what statsmodels calls H1. */
static void huber_errors(double *se, const double *beta, double scale, const double *x, size_t n,
                         size_t k, const double *y)
{
    double squares = 0, inside = 0, inverse[2][2] = {{0}};
    for (size_t i = 0; i < n; i++) {
        double e = scale > 0 ? fabs(residual_at(beta, x, n, k, y, i)) / scale : 0;
        inside += e <= huber_c ? 1 : 0;
        squares += e <= huber_c ? e * e : huber_c * huber_c;
    }
    double m = inside / (double)n;
    double factor = 1 + (double)k / (double)n * (m - m * m) / (m * m);
    double variance = factor * factor * squares * scale * scale / ((double)(n - k) * m * m);
    invert_moments(inverse, x, NULL, n, k);
    for (size_t j = 0; j < k; j++) se[j] = sqrt(variance * inverse[j][j]);
}

sm_status sm_huber_fit(double *beta, double *se, const double *x, size_t n, size_t k,
                       const double *y)
{
    enum { MOST_ROUNDS = 500 };
    if (k < 1 || k > 2) return sm_fail(SM_ERR_INTERNAL, "a robust fit of %zu columns", k);
    if (n <= k) return sm_fail(SM_ERR_LIMIT, "%zu trials are too few for a line", n);
    double *w = calloc(n, sizeof *w), *away = calloc(n, sizeof *away);
    double found[2] = {0}, scale = 0;
    sm_status status = w == NULL || away == NULL ? sm_fail_memory(n * sizeof *w) : SM_OK;
    bool independent = status == SM_OK && weighted_fit(found, x, NULL, n, k, y);
    for (int round = 0; independent && round < MOST_ROUNDS; round++) {
        for (size_t i = 0; i < n; i++) away[i] = fabs(residual_at(found, x, n, k, y, i));
        scale = sm_median(away, n) / mad_normal;
        if (!(scale > 0)) break; /* more than half of them lie on the line */
        for (size_t i = 0; i < n; i++) {
            double e = fabs(residual_at(found, x, n, k, y, i)) / scale;
            w[i] = e <= huber_c ? 1 : huber_c / e;
        }
        double before[2] = {found[0], found[1]}, moved = 0;
        independent = weighted_fit(found, x, w, n, k, y);
        for (size_t j = 0; j < k; j++) {
            double change = found[j] == before[j] ? 0 : fabs(1 - before[j] / found[j]);
            if (change > moved) moved = change;
        }
        if (moved < 1e-12) break;
    }
    if (status == SM_OK && !independent)
        status = sm_fail(SM_ERR_LIMIT, "the read sizes are too alike for a line");
    if (status == SM_OK) {
        huber_errors(se, found, scale, x, n, k, y);
        memcpy(beta, found, k * sizeof *beta);
    }
    free(w);
    free(away);
    return status;
}
