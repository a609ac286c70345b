/* Ordinary least squares by QR (LAPACK), with what is needed to trust it or not. The numbers are
 * those of statsmodels' OLS (tests/test_analysis.py). */
#ifndef SM_ANALYSE_REGRESS_H
#define SM_ANALYSE_REGRESS_H

#include "core/status.h"

typedef struct sm_ols {
    size_t n;       /* rows */
    size_t columns; /* of the design */
    size_t k;       /* of these, kept */
    size_t *kept;   /* k: their numbers; the others are linear combinations of those before them */

    /* k each: coefficient, standard error, t, two-sided p, 95% interval; and the standard error
     * that holds when the spread of the residuals is not the same everywhere (HC3). */
    double *beta, *se, *t, *p, *low, *high, *hc3;
    /* n each. Cook's distance is not a number where a row alone settles a coefficient. */
    double *fitted, *residual, *leverage, *cook;

    double df;    /* n - k */
    double sigma; /* standard deviation of the residuals */
    double r2, adjusted_r2;
    double f, f_p;
    double log_likelihood, aic, aicc, bic; /* aicc counts sigma as a parameter */

    double skew, kurtosis, jarque_bera, jarque_bera_p; /* kurtosis: 3 for a normal distribution */
    double breusch_pagan, breusch_pagan_p;             /* Koenker's form */
} sm_ols;

/*
 * Fits y = x b. x is column-major, n rows; its first column is the intercept's ones. A column that
 * is (to 1e-9 of its length) a combination of those before it is dropped. SM_ERR_LIMIT when there
 * are not more rows than kept columns; SM_ERR_NOT_FOUND where the machine has no LAPACK.
 */
sm_status sm_ols_fit(sm_ols *fit, const double *x, size_t n, size_t columns, const double *y);
void sm_ols_free(sm_ols *fit);

#endif
