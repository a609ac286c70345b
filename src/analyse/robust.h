/* A line or a level through data of which some are far off. */
#ifndef SM_ANALYSE_ROBUST_H
#define SM_ANALYSE_ROBUST_H

#include "core/status.h"

/*
 * A robust line or level: Huber's M-estimator (c = 1.345, scale by the median absolute residual),
 * as statsmodels' RLM does it, with its H1 covariance. k is 1 or 2 columns, x column-major. Returns
 * SM_ERR_LIMIT when n <= k or the columns are not independent. beta and se have k.
 */
sm_status sm_huber_fit(double *beta, double *se, const double *x, size_t n, size_t k,
                       const double *y);

#endif
