/*
 * The five LAPACK functions of the regressions, loaded when the first one is made: linked, they
 * would cost every start of the program the loading of a BLAS, and their Fortran libraries would
 * have to be wherever a worker runs.
 *
 * The prototypes are those of LAPACKE, LAPACK's C interface (netlib.org/lapack/lapacke.html), with
 * its 32-bit integers (LP64). The same interface since LAPACK 3.4.
 */
#ifndef SM_ANALYSE_LAPACK_H
#define SM_ANALYSE_LAPACK_H

#include "core/status.h"

typedef int32_t lapack_int;

enum {
    LAPACK_COL_MAJOR = 102,
    LAPACK_WORK_MEMORY_ERROR = -1010,
    LAPACK_TRANSPOSE_MEMORY_ERROR = -1011
};

typedef struct sm_lapack {
    /* QR; Q or its transpose times c; Q itself */
    lapack_int (*dgeqrf)(int layout, lapack_int m, lapack_int n, double *a, lapack_int lda,
                         double *tau);
    lapack_int (*dormqr)(int layout, char side, char trans, lapack_int m, lapack_int n,
                         lapack_int k, const double *a, lapack_int lda, const double *tau,
                         double *c, lapack_int ldc);
    lapack_int (*dorgqr)(int layout, lapack_int m, lapack_int n, lapack_int k, double *a,
                         lapack_int lda, const double *tau);
    /* Triangular matrices: the inverse; solving a x = b */
    lapack_int (*dtrtri)(int layout, char uplo, char diag, lapack_int n, double *a, lapack_int lda);
    lapack_int (*dtrtrs)(int layout, char uplo, char trans, char diag, lapack_int n,
                         lapack_int nrhs, const double *a, lapack_int lda, double *b,
                         lapack_int ldb);
} sm_lapack;

/* The process's LAPACK, which stays loaded. From any thread. SM_ERR_NOT_FOUND, saying what to
 * install, when there is none that can be used; this is looked up once. */
sm_status sm_lapack_get(const sm_lapack **lapack);

#endif
