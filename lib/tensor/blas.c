#include "tensor/blas.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- OpenBLAS ---------------------------------------------------------------------------- */

/* Fortran's calling convention: everything by address, then the lengths of the texts. */
typedef void dgemm_fn(const char *ta, const char *tb, const int *m, const int *n, const int *k,
                      const double *alpha, const double *a, const int *lda, const double *b,
                      const int *ldb, const double *beta, double *c, const int *ldc, size_t ta_size,
                      size_t tb_size);
typedef void dtrsm_fn(const char *side, const char *upper, const char *transposed, const char *unit,
                      const int *m, const int *n, const double *alpha, const double *a,
                      const int *lda, double *b, const int *ldb, size_t side_size,
                      size_t upper_size, size_t transposed_size, size_t unit_size);
typedef void dgetrf_fn(const int *m, const int *n, double *a, const int *lda, int *pivot,
                       int *info);
typedef void dpotrf_fn(const char *upper, const int *n, double *a, const int *lda, int *info,
                       size_t upper_size);
typedef void dsyev_fn(const char *vectors, const char *upper, const int *n, double *a,
                      const int *lda, double *values, double *room, const int *room_size, int *info,
                      size_t vectors_size, size_t upper_size);

/* The library's entries; NULL what it lacks. */
struct library {
  dgemm_fn *dgemm;
  dtrsm_fn *dtrsm;
  dgetrf_fn *dgetrf;
  dpotrf_fn *dpotrf;
  dsyev_fn *dsyev;
  char *(*config)(void), *(*corename)(void);
  void (*set_threads)(int count);
  char description[80];
};

static const struct {
  const char *name;
  size_t at;
} symbols[] = {{"dgemm_", offsetof(struct library, dgemm)},
               {"dtrsm_", offsetof(struct library, dtrsm)},
               {"dgetrf_", offsetof(struct library, dgetrf)},
               {"dpotrf_", offsetof(struct library, dpotrf)},
               {"dsyev_", offsetof(struct library, dsyev)},
               {"openblas_get_config", offsetof(struct library, config)},
               {"openblas_get_corename", offsetof(struct library, corename)},
               {"openblas_set_num_threads", offsetof(struct library, set_threads)}};

/* The one thing in the library that is written after start: once, by whichever thread first wants
 * it, the others waiting. */
static struct library library;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void describe_library(void) {
  const char *config = library.config ? library.config() : "BLAS ";
  /* The configuration starts with name and version: "OpenBLAS 0.3.21 DYNAMIC_ARCH ...". */
  size_t size = strcspn(config, " ");
  if (config[size]) size += 1 + strcspn(config + size + 1, " ");
  snprintf(library.description, sizeof library.description, "%.*s %s", (int)size, config,
           library.corename ? library.corename() : "");
}

static void open_library(void) {
  void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    strcpy(library.description, "plain loops (libopenblas.so.0 is missing)");
    return;
  }
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    void *entry = dlsym(handle, symbols[i].name);
    memcpy((char *)&library + symbols[i].at, &entry, sizeof entry);
  }
  describe_library();
}

static const struct library *open_blas(void) {
  pthread_once(&library_once, open_library);
  return &library;
}

const char *blas_description(void) { return open_blas()->description; }

void blas_threads(int count) {
  if (open_blas()->set_threads) library.set_threads(count);
}

/* ---- plain loops ------------------------------------------------------------------------- */

/* A matrix whose entry (i, j) is at[i * row + j * column]. */
struct matrix {
  const double *at;
  size_t row, column;
};

static struct matrix transposed(struct matrix x) { return (struct matrix){x.at, x.column, x.row}; }

/* Where a product goes: c = alpha product + beta c. */
struct target {
  double alpha, beta, *at;
  size_t row, column;
};

static void put(const struct target *c, size_t i, size_t j, double product) {
  double *at = c->at + i * c->row + j * c->column;
  /* Without beta the old content is not read: it may be NaN. */
  *at = c->beta == 0 ? c->alpha * product : c->alpha * product + c->beta * *at;
}

/* Two numbers that are added and multiplied side by side: a vector register of every 64-bit
 * processor.  The kernels below name each of their sums, because compilers keep names in registers
 * at any level of optimisation, and arrays only at some. */
typedef double pair __attribute__((vector_size(2 * sizeof(double))));

static inline pair load(const double *at) {
  pair x;
  memcpy(&x, at, sizeof x);
  return x;
}

static inline void store(double *at, pair x) { memcpy(at, &x, sizeof x); }

enum { LANES = 8 };

/* Several sums at a time: as many chains of additions as keep the processor busy. */
double dot_product(size_t n, const double *a, const double *b) {
  pair s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  double rest = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    s0 += load(a + i) * load(b + i);
    s1 += load(a + i + 2) * load(b + i + 2);
    s2 += load(a + i + 4) * load(b + i + 4);
    s3 += load(a + i + 6) * load(b + i + 6);
  }
  for (; i < n; i++) rest += a[i] * b[i];
  const pair sum = (s0 + s1) + (s2 + s3);
  return sum[0] + sum[1] + rest;
}

static double strided_dot(size_t n, const double *a, size_t a_step, const double *b,
                          size_t b_step) {
  if (a_step == 1 && b_step == 1) return dot_product(n, a, b);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i * a_step] * b[i * b_step];
  return sum;
}

/* LANES entries of c = a x at once, from a whose columns lie contiguously. */
static void multiply_strip(size_t k, struct matrix a, struct matrix x, double sum[LANES]) {
  pair s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  for (size_t l = 0; l < k; l++) {
    const double *column = a.at + l * a.column, factor = x.at[l * x.row];
    s0 += load(column) * factor;
    s1 += load(column + 2) * factor;
    s2 += load(column + 4) * factor;
    s3 += load(column + 6) * factor;
  }
  store(sum, s0), store(sum + 2, s1), store(sum + 4, s2), store(sum + 6, s3);
}

/* A matrix times a column. */
static void multiply_column(size_t m, size_t k, struct matrix a, struct matrix x,
                            const struct target *c) {
  size_t i = 0;
  if (a.row == 1 && a.column != 1)
    for (; i + LANES <= m; i += LANES) {
      double sum[LANES];
      multiply_strip(k, (struct matrix){a.at + i, a.row, a.column}, x, sum);
      for (size_t r = 0; r < LANES; r++) put(c, i + r, 0, sum[r]);
    }
  for (; i < m; i++) put(c, i, 0, strided_dot(k, a.at + i * a.row, a.column, x.at, x.row));
}

/* row = factor b + beta row, for contiguous rows. */
static void multiply_row(size_t n, double factor, const double *b, double beta, double *row) {
  size_t j = 0;
  if (beta == 0)
    for (; j + 2 <= n; j += 2) store(row + j, load(b + j) * factor);
  else
    for (; j + 2 <= n; j += 2) store(row + j, load(b + j) * factor + load(row + j) * beta);
  for (; j < n; j++) row[j] = beta == 0 ? b[j] * factor : b[j] * factor + row[j] * beta;
}

/* A column times a row. */
static void multiply_outer(size_t m, size_t n, struct matrix a, struct matrix b,
                           const struct target *c) {
  for (size_t i = 0; i < m; i++) {
    const double factor = c->alpha * a.at[i * a.row];
    double *row = c->at + i * c->row;
    if (b.column == 1)
      multiply_row(n, factor, b.at, c->beta, row);
    else
      for (size_t j = 0; j < n; j++) multiply_row(1, factor, b.at + j * b.column, c->beta, row + j);
  }
}

/* General products are made in tiles that stay in registers, from a panel of b that stays in the
 * first cache. */
enum { ROWS = 4, COLUMNS = 4, DEPTH = 256 };

/* Copies `depth` by `n` entries of b, filled up to COLUMNS. */
static void pack_panel(size_t depth, size_t n, struct matrix b, double panel[][COLUMNS]) {
  for (size_t l = 0; l < depth; l++)
    for (size_t j = 0; j < COLUMNS; j++) panel[l][j] = j < n ? b.at[l * b.row + j * b.column] : 0;
}

static void multiply_tile(size_t depth, const double *const a[ROWS], size_t step,
                          const double panel[][COLUMNS], double sum[ROWS][COLUMNS]) {
  const double *const a0 = a[0], *const a1 = a[1], *const a2 = a[2], *const a3 = a[3];
  pair s00 = {0}, s01 = {0}, s10 = {0}, s11 = {0}, s20 = {0}, s21 = {0}, s30 = {0}, s31 = {0};
  for (size_t l = 0; l < depth; l++) {
    const pair left = load(panel[l]), right = load(panel[l] + 2);
    s00 += a0[l * step] * left, s01 += a0[l * step] * right;
    s10 += a1[l * step] * left, s11 += a1[l * step] * right;
    s20 += a2[l * step] * left, s21 += a2[l * step] * right;
    s30 += a3[l * step] * left, s31 += a3[l * step] * right;
  }
  store(sum[0], s00), store(sum[0] + 2, s01), store(sum[1], s10), store(sum[1] + 2, s11);
  store(sum[2], s20), store(sum[2] + 2, s21), store(sum[3], s30), store(sum[3] + 2, s31);
}

/* The rows of a times one panel. */
static void multiply_panel(size_t m, size_t n, size_t depth, struct matrix a,
                           const double panel[][COLUMNS], const struct target *c) {
  for (size_t i = 0; i < m; i += ROWS) {
    const double *rows[ROWS];
    double sum[ROWS][COLUMNS];
    for (size_t r = 0; r < ROWS; r++) /* past the end the last row serves again, for nothing */
      rows[r] = a.at + (i + r < m ? i + r : m - 1) * a.row;
    multiply_tile(depth, rows, a.column, panel, sum);
    for (size_t r = 0; r < ROWS && i + r < m; r++)
      for (size_t j = 0; j < n; j++) put(c, i + r, j, sum[r][j]);
  }
}

static void multiply_tiled(size_t m, size_t n, size_t k, struct matrix a, struct matrix b,
                           const struct target *c) {
  double panel[DEPTH][COLUMNS];
  for (size_t j = 0; j < n; j += COLUMNS) {
    struct target strip = *c;
    strip.at += j * c->column;
    const size_t width = n - j < COLUMNS ? n - j : COLUMNS;
    for (size_t l = 0; l < k; l += DEPTH) {
      const size_t depth = k - l < DEPTH ? k - l : DEPTH;
      const struct matrix left = {a.at + l * a.column, a.row, a.column};
      const struct matrix right = {b.at + l * b.row + j * b.column, b.row, b.column};
      pack_panel(depth, width, right, panel);
      multiply_panel(m, width, depth, left, (const double(*)[COLUMNS])panel, &strip);
      strip.beta = 1; /* the next piece adds to this one */
    }
  }
}

/* Nothing to add up: c = beta c. */
static void multiply_empty(size_t m, size_t n, const struct target *c) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) put(c, i, j, 0);
}

static void multiply_plain(size_t m, size_t n, size_t k, struct matrix a, struct matrix b,
                           const struct target *c) {
  if (k == 0)
    multiply_empty(m, n, c);
  else if (k == 1)
    multiply_outer(m, n, a, b, c);
  else if (n == 1)
    multiply_column(m, k, a, b, c);
  else if (m == 1) {
    const struct target turned = {c->alpha, c->beta, c->at, c->column, c->row};
    multiply_column(n, k, transposed(b), transposed(a), &turned);
  } else
    multiply_tiled(m, n, k, a, b, c);
}

/* ---- the choice -------------------------------------------------------------------------- */

/* Multiply-adds from which OpenBLAS serves.  Opening it costs as much time as it saves on some
 * twenty products of this size: a net that is computed once loses a millisecond at most, one that
 * is trained or checked gains a factor of three. */
static const double worth_opening = 1e6;

static bool fits_int(size_t value) { return value <= INT_MAX; }

/* Thin products are limited by memory, where a plain loop is as fast. */
static bool wants_library(size_t m, size_t n, size_t k) {
  return m > 1 && n > 1 && k > 1 && (double)m * (double)n * (double)k >= worth_opening &&
         fits_int(m) && fits_int(n) && fits_int(k);
}

void gemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
          const double *b, size_t ldb, double beta, double *c, size_t ldc) {
  const bool fits = fits_int(lda) && fits_int(ldb) && fits_int(ldc);
  if (wants_library(m, n, k) && fits && open_blas()->dgemm) {
    /* Fortran reads a row-major matrix as its transpose: c' = op(b)' op(a)'. */
    const int im = (int)m, in = (int)n, ik = (int)k;
    const int ia = (int)lda, ib = (int)ldb, ic = (int)ldc;
    library.dgemm(tb ? "T" : "N", ta ? "T" : "N", &in, &im, &ik, &alpha, b, &ib, a, &ia, &beta, c,
                  &ic, 1, 1);
    return;
  }
  const struct matrix left = {a, ta ? 1 : lda, ta ? lda : 1};
  const struct matrix right = {b, tb ? 1 : ldb, tb ? ldb : 1};
  const struct target target = {alpha, beta, c, ldc, 1};
  multiply_plain(m, n, k, left, right, &target);
}

/* ---- triangles --------------------------------------------------------------------------- */

/* b -= factor x */
static void subtract_multiple(double *b, const double *x, double factor, size_t n) {
  for (size_t j = 0; j < n; j++) b[j] -= factor * x[j];
}

/* Row i of b, of which the rows that t's row i refers to, from `first` on, are solved already. */
static void solve_row(struct triangle t, bool transposed, size_t i, size_t first, size_t count,
                      size_t m, double *b, size_t ldb) {
  double *row = b + i * ldb;
  if (m == 1 && ldb == 1 && !transposed)
    *row -= dot_product(count, t.at + i * t.row + first, b + first);
  else
    for (size_t l = first; l < first + count; l++)
      subtract_multiple(row, b + l * ldb, t.at[transposed ? l * t.row + i : i * t.row + l], m);
  for (size_t j = 0; !t.unit && j < m; j++) row[j] /= t.at[i * t.row + i];
}

static void solve_plain(struct triangle t, bool transposed, size_t n, size_t m, double *b,
                        size_t ldb) {
  if (t.lower != transposed) /* from the first row down */
    for (size_t i = 0; i < n; i++) solve_row(t, transposed, i, 0, i, m, b, ldb);
  else
    for (size_t i = n; i-- > 0;) solve_row(t, transposed, i, i + 1, n - i - 1, m, b, ldb);
}

void triangle_solve(struct triangle t, bool transposed, size_t n, size_t m, double *b, size_t ldb) {
  const bool fits = fits_int(t.row) && fits_int(ldb);
  if (!wants_library(n, n, m) || !fits || !open_blas()->dtrsm) {
    solve_plain(t, transposed, n, m, b, ldb);
    return;
  }
  /* Fortran sees b' and t': x' op(t)' = b'. */
  const int im = (int)m, in = (int)n, row = (int)t.row, ib = (int)ldb;
  const double one = 1;
  library.dtrsm("R", t.lower ? "U" : "L", transposed ? "T" : "N", t.unit ? "U" : "N", &im, &in,
                &one, t.at, &row, b, &ib, 1, 1, 1, 1);
}

/* ---- L U --------------------------------------------------------------------------------- */

static void swap_numbers(double *a, double *b) {
  const double kept = *a;
  *a = *b, *b = kept;
}

static size_t find_largest(const double *row, size_t from, size_t n) {
  size_t best = from;
  for (size_t j = from; j < n; j++)
    if ((row[j] < 0 ? -row[j] : row[j]) > (row[best] < 0 ? -row[best] : row[best])) best = j;
  return best;
}

static bool factor_plain(size_t n, double *a, int *pivot) {
  bool regular = true;
  for (size_t k = 0; k < n; k++) {
    double *row = a + k * n;
    const size_t p = find_largest(row, k, n);
    pivot[k] = (int)p;
    for (size_t i = 0; p != k && i < n; i++) swap_numbers(&a[i * n + k], &a[i * n + p]);
    if (row[k] == 0) {
      regular = false;
      continue;
    }
    for (size_t j = k + 1; j < n; j++) row[j] /= row[k];
    for (size_t i = k + 1; i < n; i++)
      subtract_multiple(a + i * n + k + 1, row + k + 1, a[i * n + k], n - k - 1);
  }
  return regular;
}

bool lu_factor(size_t n, double *a, int *pivot) {
  if (!wants_library(n, n, n) || !open_blas()->dgetrf) return factor_plain(n, a, pivot);
  const int in = (int)n;
  int info;
  library.dgetrf(&in, &in, a, &in, pivot, &info);
  for (size_t k = 0; k < n; k++) pivot[k]--; /* Fortran counts from 1 */
  return info == 0;
}

static void swap_rows(double *b, size_t i, size_t k, size_t m) {
  for (size_t j = 0; i != k && j < m; j++) swap_numbers(&b[i * m + j], &b[k * m + j]);
}

void lu_solve(bool transposed, size_t n, size_t m, const double *lu, const int *pivot, double *b) {
  const struct triangle lower = {lu, n, true, false}, upper = {lu, n, false, true};
  if (transposed) {
    for (size_t k = 0; k < n; k++) swap_rows(b, k, (size_t)pivot[k], m);
    triangle_solve(upper, true, n, m, b, m);
    triangle_solve(lower, true, n, m, b, m);
  } else {
    triangle_solve(lower, false, n, m, b, m);
    triangle_solve(upper, false, n, m, b, m);
    for (size_t k = n; k-- > 0;) swap_rows(b, k, (size_t)pivot[k], m);
  }
}

/* ---- Cholesky ---------------------------------------------------------------------------- */

static bool cholesky_plain(size_t n, double *a) {
  for (size_t i = 0; i < n; i++) {
    double *row = a + i * n;
    for (size_t j = 0; j < i; j++)
      row[j] = (row[j] - dot_product(j, row, a + j * n)) / a[j * n + j];
    const double square = row[i] - dot_product(i, row, row);
    if (square <= 0) return false; /* a NaN goes through, and shows in the result */
    row[i] = sqrt(square);
  }
  return true;
}

bool cholesky_factor(size_t n, double *a) {
  if (!wants_library(n, n, n) || !open_blas()->dpotrf) return cholesky_plain(n, a);
  const int in = (int)n;
  int info;
  library.dpotrf("U", &in, a, &in, &info, 1); /* the lower triangle, seen by Fortran */
  return info == 0;
}

/* ---- eigenvalues ------------------------------------------------------------------------- */

/* Turns axes i and k so that a[i][k] becomes 0.  (Golub and Van Loan, Matrix Computations, 8.5) */
static void rotate(size_t n, double *a, size_t i, size_t k) {
  const double off = a[i * n + k], theta = (a[k * n + k] - a[i * n + i]) / (2 * off);
  const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + hypot(theta, 1));
  const double c = 1 / hypot(t, 1), s = t * c;
  for (size_t j = 0; j < n; j++) {
    const double x = a[j * n + i], y = a[j * n + k];
    if (j == i || j == k) continue;
    a[j * n + i] = a[i * n + j] = c * x - s * y;
    a[j * n + k] = a[k * n + j] = s * x + c * y;
  }
  a[i * n + i] -= t * off;
  a[k * n + k] += t * off;
  a[i * n + k] = a[k * n + i] = 0;
}

/* Jacobi's method: sweeps over all pairs, until what is off the diagonal does not count. */
static bool eigenvalues_plain(size_t n, double *a) {
  enum { SWEEPS = 60 };
  for (size_t i = 0; i < n; i++)
    for (size_t k = i + 1; k < n; k++) a[i * n + k] = a[k * n + i];
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    bool done = true;
    for (size_t i = 0; i < n; i++)
      for (size_t k = i + 1; k < n; k++) {
        const double small = 0x1p-54 * hypot(a[i * n + i], a[k * n + k]);
        if (fabs(a[i * n + k]) <= small) continue; /* NaN goes on, and never ends */
        rotate(n, a, i, k);
        done = false;
      }
    if (done) return true;
  }
  return false;
}

static void sort_ascending(size_t n, double *at) {
  for (size_t i = 1; i < n; i++)
    for (size_t k = i; k > 0 && at[k - 1] > at[k]; k--) swap_numbers(&at[k - 1], &at[k]);
}

enum { JACOBI = 30 }; /* times n^3: the multiply-adds of its sweeps, more or less */

bool symmetric_eigenvalues(size_t n, double *a, double *values, double *room) {
  for (size_t i = 0; i < n * n; i++)
    if (!isfinite(a[i])) return false;
  if (wants_library(n, n, JACOBI * n) && fits_int(3 * n) && open_blas()->dsyev) {
    const int in = (int)n, room_size = 3 * in;
    int info;
    library.dsyev("N", "U", &in, a, &in, values, room, &room_size, &info, 1, 1);
    return info == 0;
  }
  if (!eigenvalues_plain(n, a)) return false;
  for (size_t i = 0; i < n; i++) values[i] = a[i * n + i];
  sort_ascending(n, values);
  return true;
}
