/* Dense linear algebra for the few dozen trials that a search has; row-major, lower triangles. */
#ifndef SM_CHOOSE_LINEAR_H
#define SM_CHOOSE_LINEAR_H

#include <stdbool.h>
#include <stddef.h>

/* a = L L^T in place, in the lower triangle of the n x n matrix a; the upper one is let be. False
 * when a is not positive definite. */
bool sm_cholesky(double *a, size_t n);

/* x := L^-1 x, and x := L^-T x. */
void sm_solve_lower(const double *l, size_t n, double *x);
void sm_solve_lower_transposed(const double *l, size_t n, double *x);

/* sum of ln L_ii: half the logarithm of the determinant. */
double sm_half_log_det(const double *l, size_t n);

/*
 * min |A x - b| for x >= 0 (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23).
 * a is rows x cols, cols at most SM_NNLS_COLS. By the normal equations: cols are few, and well
 * scaled.
 */
enum { SM_NNLS_COLS = 8 };
void sm_nnls(double *x, const double *a, const double *b, size_t rows, size_t cols);

#endif
