#include "analyse/regress.h"

#include "analyse/lapack.h"
#include "analyse/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double least_distance = 1e-9;

static sm_status lapack_failed(const char *what, lapack_int info)
{
    return info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR
               ? sm_fail(SM_ERR_MEMORY, "cannot get memory for a regression")
               : sm_fail(SM_ERR_INTERNAL, "LAPACK's %s failed with %d", what, (int)info);
}

/* ---- Design */

typedef struct qr {
    double *a;     /* n x k: the columns, of length 1; then R and the reflectors; then Q */
    double *tau;   /* k */
    double *r;     /* k x k */
    double *norms; /* k: what the columns were divided by */
} qr;

static void qr_free(qr *q)
{
    free(q->a);
    free(q->tau);
    free(q->r);
    free(q->norms);
}

/* Copies the kept columns, each divided by its length, so that ranks do not depend on units. */
static void load_columns(qr *q, const sm_ols *fit, const double *x)
{
    const size_t n = fit->n;
    for (size_t j = 0; j < fit->k; j++) {
        const double *from = x + fit->kept[j] * n;
        double *to = q->a + j * n, squares = 0;
        for (size_t i = 0; i < n; i++) squares += from[i] * from[i];
        q->norms[j] = squares > 0 ? sqrt(squares) : 1;
        for (size_t i = 0; i < n; i++) to[i] = from[i] / q->norms[j];
    }
}

/* The first column that those before it span, or k. */
static size_t first_dependent(const qr *q, size_t n, size_t k)
{
    for (size_t j = 0; j < k; j++)
        if (j >= n || !(fabs(q->a[j * n + j]) > least_distance)) return j;
    return k;
}

/* Factors the design, leaving out one dependent column at a time: behind one, R says nothing. */
static sm_status factor(qr *q, sm_ols *fit, const double *x, const sm_lapack *lapack)
{
    const size_t n = fit->n;
    for (;;) {
        load_columns(q, fit, x);
        lapack_int info = lapack->dgeqrf(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)fit->k, q->a,
                                         (lapack_int)n, q->tau);
        if (info != 0) return lapack_failed("dgeqrf", info);
        size_t drop = first_dependent(q, n, fit->k);
        if (drop == fit->k) return SM_OK;
        fit->k--;
        memmove(fit->kept + drop, fit->kept + drop + 1, (fit->k - drop) * sizeof *fit->kept);
        if (fit->k == 0) return sm_fail(SM_ERR_LIMIT, "a regression without columns");
    }
}

/* ---- Estimates */

/* b = inverse of R times Q'y; then R is inverted in q->r. */
static sm_status solve(qr *q, sm_ols *fit, const double *y, double *work, const sm_lapack *lapack)
{
    const size_t n = fit->n, k = fit->k;
    memcpy(work, y, n * sizeof *work);
    lapack_int info = lapack->dormqr(LAPACK_COL_MAJOR, 'L', 'T', (lapack_int)n, 1, (lapack_int)k,
                                     q->a, (lapack_int)n, q->tau, work, (lapack_int)n);
    if (info != 0) return lapack_failed("dormqr", info);
    info = lapack->dtrtrs(LAPACK_COL_MAJOR, 'U', 'N', 'N', (lapack_int)k, 1, q->a, (lapack_int)n,
                          work, (lapack_int)n);
    if (info != 0) return lapack_failed("dtrtrs", info);
    for (size_t j = 0; j < k; j++) fit->beta[j] = work[j] / q->norms[j];

    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < k; i++) q->r[j * k + i] = i <= j ? q->a[j * n + i] : 0;
    info = lapack->dtrtri(LAPACK_COL_MAJOR, 'U', 'N', (lapack_int)k, q->r, (lapack_int)k);
    if (info != 0) return lapack_failed("dtrtri", info);
    info = lapack->dorgqr(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)k, (lapack_int)k, q->a,
                          (lapack_int)n, q->tau);
    return info == 0 ? SM_OK : lapack_failed("dorgqr", info);
}

static void fit_values(sm_ols *fit, const double *x, const double *y)
{
    for (size_t i = 0; i < fit->n; i++) {
        double value = 0;
        for (size_t j = 0; j < fit->k; j++) value += fit->beta[j] * x[fit->kept[j] * fit->n + i];
        fit->fitted[i] = value;
        fit->residual[i] = y[i] - value;
    }
}

static void goodness(sm_ols *fit, const double *y)
{
    const double n = (double)fit->n, k = (double)fit->k;
    double mean = 0, total = 0, rest = 0;
    for (size_t i = 0; i < fit->n; i++) mean += y[i] / n;
    for (size_t i = 0; i < fit->n; i++) {
        total += (y[i] - mean) * (y[i] - mean);
        rest += fit->residual[i] * fit->residual[i];
    }
    fit->df = n - k;
    fit->sigma = sqrt(rest / fit->df);
    fit->r2 = total > 0 ? 1 - rest / total : NAN;
    fit->adjusted_r2 = 1 - (1 - fit->r2) * (n - 1) / fit->df;
    fit->f = k > 1 ? (total - rest) / (k - 1) / (rest / fit->df) : NAN;
    fit->f_p = sm_f_tail(fit->f, k - 1, fit->df);
    fit->log_likelihood = -n / 2 * (log(2 * acos(-1)) + log(rest / n) + 1);
    fit->aic = -2 * fit->log_likelihood + 2 * k;
    fit->bic = -2 * fit->log_likelihood + k * log(n);
    const double all = k + 1; /* with sigma */
    fit->aicc = n > all + 1 ? -2 * fit->log_likelihood + 2 * all * n / (n - all - 1) : NAN;
}

/* Standard errors from (X'X)^-1 = R^-1 R^-T; HC3's from Q, row by row. */
static void errors(sm_ols *fit, const qr *q)
{
    const size_t n = fit->n, k = fit->k;
    const double wide = sm_t_quantile(0.975, fit->df);
    for (size_t i = 0; i < n; i++) {
        double h = 0;
        for (size_t j = 0; j < k; j++) h += q->a[j * n + i] * q->a[j * n + i];
        fit->leverage[i] = h;
        double e = fit->residual[i], free = 1 - h;
        fit->cook[i] =
            free > 1e-12 ? e * e / ((double)k * fit->sigma * fit->sigma) * h / (free * free) : NAN;
    }
    for (size_t j = 0; j < k; j++) {
        double variance = 0, robust = 0;
        for (size_t c = j; c < k; c++) variance += q->r[c * k + j] * q->r[c * k + j];
        for (size_t i = 0; i < n; i++) {
            double row = 0; /* of R^-1 Q': what y[i] adds to b[j] */
            for (size_t c = j; c < k; c++) row += q->r[c * k + j] * q->a[c * n + i];
            double share = row * fit->residual[i] / (1 - fit->leverage[i]);
            robust += fit->leverage[i] < 1 - 1e-12 ? share * share : NAN;
        }
        fit->se[j] = fit->sigma * sqrt(variance) / q->norms[j];
        fit->hc3[j] = sqrt(robust) / q->norms[j];
        fit->t[j] = fit->beta[j] / fit->se[j];
        fit->p[j] = sm_t_two_sided(fit->t[j], fit->df);
        fit->low[j] = fit->beta[j] - wide * fit->se[j];
        fit->high[j] = fit->beta[j] + wide * fit->se[j];
    }
}

/* Jarque and Bera's test of normal residuals. */
static void test_normality(sm_ols *fit)
{
    const double n = (double)fit->n;
    double mean = 0, m2 = 0, m3 = 0, m4 = 0;
    for (size_t i = 0; i < fit->n; i++) mean += fit->residual[i] / n;
    for (size_t i = 0; i < fit->n; i++) {
        double d = fit->residual[i] - mean;
        m2 += d * d / n;
        m3 += d * d * d / n;
        m4 += d * d * d * d / n;
    }
    fit->skew = m3 / pow(m2, 1.5);
    fit->kurtosis = m4 / (m2 * m2);
    double excess = fit->kurtosis - 3;
    fit->jarque_bera = n / 6 * (fit->skew * fit->skew + excess * excess / 4);
    fit->jarque_bera_p = sm_chi2_tail(fit->jarque_bera, 2);
}

/* Breusch and Pagan's test of equal spread: n R^2 of the squared residuals on the same design. */
static void test_spread(sm_ols *fit, const qr *q)
{
    const size_t n = fit->n;
    double mean = 0, total = 0, explained = 0;
    for (size_t i = 0; i < n; i++) mean += fit->residual[i] * fit->residual[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = fit->residual[i] * fit->residual[i] - mean;
        total += d * d;
    }
    for (size_t j = 0; j < fit->k; j++) {
        double along = 0;
        for (size_t i = 0; i < n; i++)
            along += q->a[j * n + i] * (fit->residual[i] * fit->residual[i] - mean);
        explained += along * along;
    }
    fit->breusch_pagan = total > 0 ? (double)n * explained / total : NAN;
    fit->breusch_pagan_p = sm_chi2_tail(fit->breusch_pagan, (double)fit->k - 1);
}

static sm_status allocate(sm_ols *fit, qr *q, double **work)
{
    const size_t n = fit->n, k = fit->columns;
    double **const by_column[] = {&fit->beta, &fit->se,  &fit->t, &fit->p,  &fit->low,
                                  &fit->high, &fit->hc3, &q->tau, &q->norms};
    double **const by_row[] = {&fit->fitted, &fit->residual, &fit->leverage, &fit->cook, work};
    bool good = (fit->kept = calloc(k, sizeof *fit->kept)) != NULL;
    for (size_t i = 0; i < sizeof by_column / sizeof *by_column; i++)
        good = (*by_column[i] = calloc(k, sizeof(double))) != NULL && good;
    for (size_t i = 0; i < sizeof by_row / sizeof *by_row; i++)
        good = (*by_row[i] = calloc(n, sizeof(double))) != NULL && good;
    good = (q->r = calloc(k * k, sizeof(double))) != NULL && good;
    good = (q->a = calloc(n * k, sizeof(double))) != NULL && good;
    return good ? SM_OK : sm_fail_memory(n * k * sizeof(double));
}

sm_status sm_ols_fit(sm_ols *fit, const double *x, size_t n, size_t columns, const double *y)
{
    if (n == 0 || columns == 0) return sm_fail(SM_ERR_LIMIT, "a regression without data");
    const sm_lapack *lapack;
    sm_status status = sm_lapack_get(&lapack);
    if (status != SM_OK) return status;
    sm_ols made = {.n = n, .columns = columns, .k = columns};
    qr q = {0};
    double *work = NULL;
    status = allocate(&made, &q, &work);
    if (status == SM_OK) {
        for (size_t j = 0; j < columns; j++) made.kept[j] = j;
        status = factor(&q, &made, x, lapack);
    }
    if (status == SM_OK && made.n <= made.k)
        status = sm_fail(SM_ERR_LIMIT, "%zu trials are too few for %zu coefficients", n, made.k);
    if (status == SM_OK) status = solve(&q, &made, y, work, lapack);
    if (status == SM_OK) {
        fit_values(&made, x, y);
        goodness(&made, y);
        errors(&made, &q);
        test_normality(&made);
        test_spread(&made, &q);
        *fit = made;
    } else {
        sm_ols_free(&made);
    }
    qr_free(&q);
    free(work);
    return status;
}

void sm_ols_free(sm_ols *fit)
{
    double *const owned[] = {fit->beta,     fit->se,       fit->t,   fit->p,
                             fit->low,      fit->high,     fit->hc3, fit->fitted,
                             fit->residual, fit->leverage, fit->cook};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(fit->kept);
    *fit = (sm_ols){0};
}
