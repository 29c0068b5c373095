/* The one door to BLAS and LAPACK.
 *
 * Small products are plain loops; a product that is large enough to be worth it opens OpenBLAS
 * (which costs over a millisecond) on first want.  Which of the two serves depends on the sizes
 * only, so that the same call gives the same bits whatever was computed before.  Where the library
 * is missing, the plain loops serve every size. */
#ifndef BPGRAPH_TENSOR_BLAS_H
#define BPGRAPH_TENSOR_BLAS_H

#include <stdbool.h>
#include <stddef.h>

/* c = alpha op(a) op(b) + beta c, all row-major: op(a) is m by k, op(b) k by n, and `ta`, `tb` say
 * that a, b are stored transposed; `lda`, `ldb`, `ldc` are the distances between stored rows.
 * With beta == 0 c is only written: it may hold anything, NaN included.  alpha is not 0.  NaN and
 * infinity pass through products as IEEE has it: nothing is skipped because a factor is 0. */
void gemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
          const double *b, size_t ldb, double beta, double *c, size_t ldc);

/* The sum of a[i] b[i]. */
double dot_product(size_t n, const double *a, const double *b);

/* Matrices in what follows are n by n and row-major, their rows n apart unless said otherwise. */

/* a = L U P in place: L with its diagonal below, U with a diagonal of ones above, and P the
 * exchange of column k with column pivot[k], k = 0 ... n - 1, in this order.  (This is what LAPACK
 * makes of the transpose.)  False where a pivot is 0. */
bool lu_factor(size_t n, double *a, int *pivot);

/* Overwrites b, n by m, with the solution x of a x = b or, transposed, a' x = b. */
void lu_solve(bool transposed, size_t n, size_t m, const double *lu, const int *pivot, double *b);

/* The lower triangle of a becomes L with a = L L'; nothing else is read or written.  False where
 * there is none: a is not positive definite. */
bool cholesky_factor(size_t n, double *a);

/* A triangle of a matrix whose rows are `row` apart; with `unit` its diagonal counts as ones. */
struct triangle {
  const double *at;
  size_t row;
  bool lower, unit;
};

/* Overwrites b, n by m with rows `ldb` apart, with the solution x of t x = b or, transposed,
 * t' x = b. */
void triangle_solve(struct triangle t, bool transposed, size_t n, size_t m, double *b, size_t ldb);

/* The eigenvalues of a symmetric matrix, ascending, of which only the lower triangle is read.
 * Overwrites a; `room` has 3 n doubles.  False where they cannot be computed: a is not finite. */
bool symmetric_eigenvalues(size_t n, double *a, double *values, double *room);

/* What serves large products, "OpenBLAS 0.3.21 Zen"; opens it. */
const char *blas_description(void);

/* How many threads OpenBLAS may use; opens it.  (How many it starts when it is opened, its
 * environment says: the program sets that, the library never does.) */
void blas_threads(int count);

#endif
