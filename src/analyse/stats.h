/*
 * Distributions and summaries, checked against SciPy (tests/test_analysis.py).
 *
 * The regularised incomplete beta function is the continued fraction of DLMF 8.17.22, the
 * incomplete gamma function the series 8.7.1 and the continued fraction 8.9.2
 * (https://dlmf.nist.gov), both by Lentz's method; quantiles are Newton's steps on them, kept
 * within a bracket.
 */
#ifndef SM_ANALYSE_STATS_H
#define SM_ANALYSE_STATS_H

#include <stddef.h>

/* Student's t with df > 0 degrees of freedom. */
double sm_t_two_sided(double t, double df); /* P(|T| > |t|) */
double sm_t_cdf(double t, double df);
double sm_t_quantile(double p, double df); /* 0 < p < 1; else not a number */

/* Upper tails. */
double sm_f_tail(double f, double df1, double df2);
double sm_chi2_tail(double x, double df);

typedef struct sm_summary {
    size_t n;
    double mean;
    double sd;        /* of the sample (n - 1); not a number when n < 2 */
    double low, high; /* of the mean's interval, Student's t; not numbers when n < 2 */
} sm_summary;

/* confidence as 0.95. n = 0 gives not-a-number throughout. */
sm_summary sm_summarize(const double *values, size_t n, double confidence);

/* Sorts values. n > 0. */
double sm_median(double *values, size_t n);

#endif
