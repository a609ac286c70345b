/* A Gaussian process with a Matern 5/2 kernel, a length a dimension, and fitted parameters. */
#ifndef SM_CHOOSE_GP_H
#define SM_CHOOSE_GP_H

#include <shardmill_choose.h>

enum { SM_GP_DIMENSIONS = 5, SM_GP_PARAMETERS = SM_GP_DIMENSIONS + 2 };

typedef struct sm_gp {
    size_t n, d;
    const double *x;                /* [n][d], borrowed */
    double mean, deviation;         /* of the values, which are standardised by them */
    double theta[SM_GP_PARAMETERS]; /* ln of d lengths, of signal, of noise deviations */
    double *l, *alpha, *y;          /* Cholesky factor, K^-1 y, standardised values */
} sm_gp;

/* Fits to n > 1 values at x by the maximum a posteriori: weak log-normal priors about length 0.7,
 * signal 1 and noise 0.1. start: the parameters of an earlier fit, or NULL. Free it whatever comes.
 */
sm_status sm_gp_fit(sm_gp *gp, const double *x, const double *values, size_t n, size_t d,
                    const double *start);
void sm_gp_free(sm_gp *gp);

void sm_gp_predict(double *mean, double *deviation, const sm_gp *gp, const double *at);

#endif
