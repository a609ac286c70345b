#include "choose/linear.h"

#include <math.h>
#include <string.h>

bool sm_cholesky(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
            if (i > j)
                a[i * n + j] = sum / a[j * n + j];
            else if (sum > 0)
                a[j * n + j] = sqrt(sum);
            else
                return false;
        }
    }
    return true;
}

void sm_solve_lower(const double *l, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) {
        double sum = x[i];
        for (size_t k = 0; k < i; k++) sum -= l[i * n + k] * x[k];
        x[i] = sum / l[i * n + i];
    }
}

void sm_solve_lower_transposed(const double *l, size_t n, double *x)
{
    for (size_t i = n; i-- > 0;) {
        double sum = x[i];
        for (size_t k = i + 1; k < n; k++) sum -= l[k * n + i] * x[k];
        x[i] = sum / l[i * n + i];
    }
}

double sm_half_log_det(const double *l, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += log(l[i * n + i]);
    return sum;
}

/* Least squares over the columns of the passive set alone, from g = A^T A and h = A^T b. */
static bool solve_passive(double *x, const double *g, const double *h, const bool *passive,
                          size_t cols)
{
    double sub[SM_NNLS_COLS * SM_NNLS_COLS], rhs[SM_NNLS_COLS];
    size_t at[SM_NNLS_COLS], n = 0;
    for (size_t j = 0; j < cols; j++)
        if (passive[j]) at[n++] = j;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            sub[i * n + j] = g[at[i] * cols + at[j]] * (i == j ? 1 + 1e-10 : 1);
        rhs[i] = h[at[i]];
    }
    memset(x, 0, cols * sizeof *x);
    if (!sm_cholesky(sub, n)) return false;
    sm_solve_lower(sub, n, rhs);
    sm_solve_lower_transposed(sub, n, rhs);
    for (size_t i = 0; i < n; i++) x[at[i]] = rhs[i];
    return true;
}

/* Moves x towards the unconstrained s until a column reaches zero, and makes that one active. */
static void step_to_boundary(double *x, const double *s, bool *passive, size_t cols)
{
    double step = 1;
    size_t blocks = cols;
    for (size_t j = 0; j < cols; j++)
        if (passive[j] && s[j] <= 0 && x[j] / (x[j] - s[j]) < step) {
            step = x[j] / (x[j] - s[j]);
            blocks = j;
        }
    for (size_t j = 0; j < cols; j++) x[j] += step * (s[j] - x[j]);
    for (size_t j = 0; j < cols; j++)
        if (passive[j] && (j == blocks || x[j] <= 0)) {
            passive[j] = false;
            x[j] = 0;
        }
}

void sm_nnls(double *x, const double *a, const double *b, size_t rows, size_t cols)
{
    double g[SM_NNLS_COLS * SM_NNLS_COLS] = {0}, h[SM_NNLS_COLS] = {0}, s[SM_NNLS_COLS];
    bool passive[SM_NNLS_COLS] = {false};
    double scale = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i++) {
            h[i] += a[r * cols + i] * b[r];
            for (size_t j = 0; j < cols; j++) g[i * cols + j] += a[r * cols + i] * a[r * cols + j];
        }
    for (size_t i = 0; i < cols; i++) scale = fmax(scale, fabs(h[i]));
    memset(x, 0, cols * sizeof *x);
    for (size_t round = 0; round < 3 * cols; round++) {
        size_t enter = cols;
        double steepest = 1e-9 * scale;
        for (size_t j = 0; j < cols; j++) {
            double gradient = h[j];
            for (size_t k = 0; k < cols; k++) gradient -= g[j * cols + k] * x[k];
            if (!passive[j] && gradient > steepest) {
                steepest = gradient;
                enter = j;
            }
        }
        if (enter == cols) return;
        passive[enter] = true;
        for (size_t inner = 0; inner < cols; inner++) {
            if (!solve_passive(s, g, h, passive, cols)) return;
            bool inside = true;
            for (size_t j = 0; j < cols; j++) inside &= !passive[j] || s[j] > 0;
            if (inside) {
                memcpy(x, s, cols * sizeof *x);
                break;
            }
            step_to_boundary(x, s, passive, cols);
        }
    }
}
