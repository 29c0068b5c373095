/* Linear algebra. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/loops.h"
#include "ops/rows.h"
#include "tensor/blas.h"

/* ---- matmul ------------------------------------------------------------------------------ */

/* The matrix or vector is the end of a shape; the axes before it are a batch that broadcasts. */
static struct dims batch_dims(const struct dims *x) {
  return make_dims(x->rank > 2 ? x->rank - 2 : 0, x->at);
}

static void append_dim(struct dims *dims, int64_t dim) { dims->at[dims->rank++] = dim; }

static bool infer_matmul(struct infer *infer) {
  const struct dims *a = &infer->x[0], *b = &infer->x[1];
  if (a->rank == 0) return infer_fail_input(infer, 0, "a scalar is no matrix: %0");
  if (b->rank == 0) return infer_fail_input(infer, 1, "a scalar is no matrix: %1");
  if (a->at[a->rank - 1] != b->at[b->rank > 1 ? b->rank - 2 : 0])
    return infer_fail(infer, "inner sizes differ: %0, %1");
  const struct dims a_batch = batch_dims(a), b_batch = batch_dims(b);
  if (!broadcast_dims(&a_batch, &b_batch, &infer->y))
    return infer_fail(infer, "the axes before the last two do not broadcast: %0, %1");
  if (a->rank > 1) append_dim(&infer->y, a->at[a->rank - 2]);
  if (b->rank > 1) append_dim(&infer->y, b->at[b->rank - 1]);
  return true;
}

/* What matmul computes: `batch` products of m by k and k by n. */
struct product {
  size_t m, n, k, batch;
};

static size_t batch_of(const struct shape *x) {
  size_t batch = 1;
  for (unsigned i = 0; i + 2 < x->rank; i++) batch *= (size_t)x->dim[i];
  return batch;
}

/* How many axes of y belong to the matrices: a vector's side has none. */
static unsigned matrix_axes(const struct shape *a, const struct shape *b) {
  return (a->rank > 1 ? 1U : 0U) + (b->rank > 1 ? 1U : 0U);
}

static struct product find_product(const struct call *call) {
  const struct shape *a = call->x[0].shape, *b = call->x[1].shape;
  struct product p = {1, 1, (size_t)a->dim[a->rank - 1], 1};
  if (a->rank > 1) p.m = (size_t)a->dim[a->rank - 2];
  if (b->rank > 1) p.n = (size_t)b->dim[b->rank - 1];
  const struct shape *y = call->y.shape;
  const unsigned inner = matrix_axes(a, b);
  for (unsigned i = 0; i + inner < y->rank; i++) p.batch *= (size_t)y->dim[i];
  /* One matrix b for a whole batch of a: one product of taller a. */
  if (a->rank > 2 && batch_of(b) == 1) p.m *= p.batch, p.batch = 1;
  return p;
}

/* Where in x item number `at` of y's batch lies, in items.  An item is the last `x_inner` axes of
 * x, the last `y_inner` of y; those before are the batch, in which x is repeated along the axes
 * where it has but one entry. */
static size_t find_item(const struct shape *x, unsigned x_inner, const struct shape *y,
                        unsigned y_inner, size_t at) {
  size_t found = 0, stride = 1;
  unsigned axis = y->rank - y_inner;
  for (unsigned i = x->rank > x_inner ? x->rank - x_inner : 0; i-- > 0;) {
    const size_t n = (size_t)y->dim[--axis], own = (size_t)x->dim[i];
    if (own != 1) found += at % n * stride;
    at /= n;
    stride *= own;
  }
  return found;
}

/* The three matrices of one product, as offsets. */
struct place {
  size_t a, b, y;
};

static struct place find_place(const struct call *call, const struct product *p, size_t at) {
  const struct shape *a = call->x[0].shape, *b = call->x[1].shape;
  if (p->batch == 1) return (struct place){0, 0, 0};
  const unsigned inner = matrix_axes(a, b);
  return (struct place){find_item(a, 2, call->y.shape, inner, at) * p->m * p->k,
                        find_item(b, 2, call->y.shape, inner, at) * p->k * p->n, at * p->m * p->n};
}

static void matmul_forward(const struct call *call) {
  const struct product p = find_product(call);
  for (size_t i = 0; i < p.batch; i++) {
    const struct place at = find_place(call, &p, i);
    gemm(false, false, p.m, p.n, p.k, 1, call->x[0].at + at.a, p.k, call->x[1].at + at.b, p.n, 0,
         call->y.at + at.y, p.n);
  }
}

/* The strides of a batch: the axes before the matrices. */
static void batch_strides(const struct shape *x, unsigned inner, unsigned batch,
                          ptrdiff_t *strides) {
  ptrdiff_t own[RANK_MOST];
  const unsigned axes = x->rank > inner ? x->rank - inner : 0;
  shape_strides(x, own);
  for (unsigned i = 0; i < axes; i++) strides[batch - axes + i] = x->dim[i] == 1 ? 0 : own[i];
}

/* Loops over the batch, the rows of a, the axis that is summed, the columns of b. */
static void matmul_loops(const struct attr *attr, const struct shape *y, unsigned count,
                         const struct shape *const *x, struct loop_list *out) {
  const struct shape *a = x[0], *b = x[1];
  const unsigned inner = matrix_axes(a, b), batch = y->rank - inner;
  ptrdiff_t ours[RANK_MOST], strides[2][RANK_MOST] = {{0}, {0}};
  struct loops *loops = add_nest(out, count);
  (void)attr;
  sum_up(out);
  shape_strides(y, ours);
  batch_strides(a, 2, batch, strides[0]);
  batch_strides(b, 2, batch, strides[1]);
  for (unsigned i = 0; i < batch; i++)
    add_loop(loops, y->dim[i], ours[i], (const ptrdiff_t[]){strides[0][i], strides[1][i]});
  const ptrdiff_t k = (ptrdiff_t)a->dim[a->rank - 1];
  const ptrdiff_t n = b->rank > 1 ? (ptrdiff_t)b->dim[b->rank - 1] : 1;
  if (a->rank > 1)
    add_loop(loops, a->dim[a->rank - 2], b->rank > 1 ? n : 1, (const ptrdiff_t[]){k, 0});
  add_loop(loops, k, 0, (const ptrdiff_t[]){1, n});
  if (b->rank > 1) add_loop(loops, n, 1, (const ptrdiff_t[]){0, 1});
}

/* Whether the first product overwrites the adjoint of input k.  A matrix that serves several
 * products, or none, is cleared here and then added to. */
static bool starts_fresh(const struct call *call, const struct product *p, unsigned k) {
  const struct operand *x = &call->x[k];
  /* x @ x: what the first input has stored stays. */
  bool fresh = x->fresh && !(k == 1 && x->bar == call->x[0].bar);
  if (!fresh || (p->batch > 0 && batch_of(x->shape) == p->batch) || p->batch == 1) return fresh;
  memset(x->bar, 0, x->shape->size * sizeof *x->bar);
  return false;
}

static void matmul_backward(const struct call *call) {
  const struct product p = find_product(call);
  const struct operand *a = &call->x[0], *b = &call->x[1];
  const double a_beta = a->bar && starts_fresh(call, &p, 0) ? 0 : 1;
  for (size_t i = 0; a->bar && i < p.batch; i++) { /* upstream b' */
    const struct place at = find_place(call, &p, i);
    gemm(false, true, p.m, p.k, p.n, 1, call->y.bar + at.y, p.n, b->at + at.b, p.n, a_beta,
         a->bar + at.a, p.k);
  }
  const double b_beta = b->bar && starts_fresh(call, &p, 1) ? 0 : 1;
  for (size_t i = 0; b->bar && i < p.batch; i++) { /* a' upstream */
    const struct place at = find_place(call, &p, i);
    gemm(true, false, p.k, p.n, p.m, 1, a->at + at.a, p.k, call->y.bar + at.y, p.n, b_beta,
         b->bar + at.b, p.n);
  }
}

/* What of input k belongs to a part of y; its inner axis, which y has not, is `inner`. */
static void need_factor(const struct call *call, unsigned k, const struct extent *y,
                        struct extent inner, struct extent *x) {
  const struct shape *own = call->x[k].shape, *result = call->y.shape;
  const unsigned batch = result->rank - matrix_axes(call->x[0].shape, call->x[1].shape);
  const unsigned own_batch = own->rank > 2 ? own->rank - 2 : 0, lead = batch - own_batch;
  for (unsigned i = 0; i < own_batch; i++)
    x[i] = own->dim[i] == 1 ? (struct extent){0, 1} : y[i + lead];
  if (own->rank == 1)
    x[0] = inner;
  else if (k == 0)
    x[own_batch] = y[batch], x[own_batch + 1] = inner;
  else
    x[own_batch] = inner, x[own_batch + 1] = y[result->rank - 1];
}

static void reach_product(const struct call *call, unsigned k, const struct extent *x,
                          struct extent *y) {
  const struct shape *own = call->x[k].shape, *result = call->y.shape;
  const unsigned batch = result->rank - matrix_axes(call->x[0].shape, call->x[1].shape);
  const unsigned own_batch = own->rank > 2 ? own->rank - 2 : 0, lead = batch - own_batch;
  take_all(y, result);
  for (unsigned i = lead; i < batch; i++)
    if (own->dim[i - lead] != 1 || result->dim[i] == 1) y[i] = x[i - lead];
  if (own->rank > 1 && k == 0) y[batch] = x[own_batch];
  if (own->rank > 1 && k == 1) y[result->rank - 1] = x[own_batch + 1];
}

static void meet_product(const struct call *call, unsigned m, const struct extent *moved,
                         const struct extent *y, unsigned k, struct extent *x) {
  const unsigned rank = call->x[m].shape->rank;
  need_factor(call, k, y, moved[m == 0 || rank == 1 ? rank - 1 : rank - 2], x);
}

static const struct op_parts product_parts = {.reach = reach_product, .meet = meet_product};

static const struct op_sample matmul_samples[] = {{"2,3;3,4", ""},       {"3;3", ""},
                                                  {"2,3;3", ""},         {"3;3,2", ""},
                                                  {"1,1;1,1", ""},       {"0,3;3,2", ""},
                                                  {"2,0;0,3", ""},       {"0;0", ""},
                                                  {"2,3;3,0", ""},       {"4,2,3;3,2", ""},
                                                  {"2,3;4,3,2", ""},     {"4,2,3;4,3,2", ""},
                                                  {"2,1,2,3;3,3,2", ""}, {"2,1,2,3;1,3,3,2", ""},
                                                  {"3;2,3,2", ""},       {"2,3,2;2", ""},
                                                  {"2,2,3,2;2", ""},     {"3;2,2,3,1", ""},
                                                  {"0,2,3;3,2", ""},     {"0,2,3;1,3,2", ""},
                                                  {"5,2,3;1,3,2", ""},   {NULL, NULL}};

/* ---- vectors ----------------------------------------------------------------------------- */

static bool need_vectors(struct infer *infer, const char *hint) {
  for (unsigned k = 0; k < 2; k++) {
    if (infer->x[k].rank == 1) continue;
    text_puts(infer->why, "wants two vectors: ");
    infer->describe(infer, k);
    return infer_fail_input(infer, k, hint);
  }
  return true;
}

static bool infer_dot(struct infer *infer) {
  if (!need_vectors(infer, " (for matrices write a @ b)")) return false;
  if (infer->x[0].at[0] != infer->x[1].at[0]) return infer_fail(infer, "sizes differ: %0, %1");
  return infer_scalar(infer);
}

static void dot_forward(const struct call *call) {
  *call->y.at = dot_product(call->x[0].shape->size, call->x[0].at, call->x[1].at);
}

static void add_multiple(double *bar, const double *x, double factor, size_t n) {
  for (size_t i = 0; i < n; i++) bar[i] += factor * x[i];
}

static void dot_backward(const struct call *call) {
  for (unsigned k = 0; k < 2; k++)
    if (call->x[k].bar)
      add_multiple(call->x[k].bar, call->x[1 - k].at, *call->y.bar, call->x[k].shape->size);
}

static void reach_number(const struct call *call, unsigned k, const struct extent *x,
                         struct extent *y) {
  (void)call, (void)k, (void)x, (void)y;
}

static void meet_dot(const struct call *call, unsigned m, const struct extent *moved,
                     const struct extent *y, unsigned k, struct extent *x) {
  (void)call, (void)m, (void)y, (void)k;
  x[0] = moved[0];
}

static const struct op_parts dot_parts = {.reach = reach_number, .meet = meet_dot};

static void reach_outer(const struct call *call, unsigned k, const struct extent *x,
                        struct extent *y) {
  take_all(y, call->y.shape);
  y[k] = x[0];
}

static void need_outer(const struct call *call, unsigned k, const struct extent *y,
                       struct extent *x) {
  (void)call;
  x[0] = y[k];
}

static const struct op_parts outer_parts = {.reach = reach_outer, .need = need_outer};

static bool infer_outer(struct infer *infer) {
  if (!need_vectors(infer, "")) return false;
  infer->y = infer->x[0];
  append_dim(&infer->y, infer->x[1].at[0]);
  return true;
}

static void outer_forward(const struct call *call) {
  const size_t m = call->x[0].shape->size, n = call->x[1].shape->size;
  gemm(false, false, m, n, 1, 1, call->x[0].at, 1, call->x[1].at, n, 0, call->y.at, n);
}

static void outer_backward(const struct call *call) {
  const struct operand *a = &call->x[0], *b = &call->x[1];
  const size_t m = a->shape->size, n = b->shape->size;
  if (a->bar) gemm(false, false, m, 1, n, 1, call->y.bar, n, b->at, 1, 1, a->bar, 1);
  if (b->bar) gemm(true, false, n, 1, m, 1, call->y.bar, n, a->at, 1, 1, b->bar, 1);
}

static const struct op_sample dot_samples[] = {
    {"3;3", ""}, {"1;1", ""}, {"0;0", ""}, {"20;20", ""}, {NULL, NULL}};
static const struct op_sample outer_samples[] = {{"3;2", ""}, {"1;1", ""}, {"1;3", ""},
                                                 {"0;3", ""}, {"2;0", ""}, {NULL, NULL}};

/* ---- diagonals --------------------------------------------------------------------------- */

static bool infer_diag(struct infer *infer) {
  const struct dims *x = &infer->x[0];
  infer->y = *x;
  if (x->rank == 1)
    append_dim(&infer->y, x->at[0]);
  else if (x->rank == 2)
    infer->y = make_dims(1, &x->at[x->at[0] > x->at[1]]);
  else
    return infer_fail_input(infer, 0, "wants a vector or a matrix: %0");
  return true;
}

/* The diagonal of a matrix: its length and the distance between its entries. */
static size_t diagonal(const struct shape *matrix, size_t *step) {
  const size_t m = (size_t)matrix->dim[0], n = (size_t)matrix->dim[1];
  *step = n + 1;
  return m < n ? m : n;
}

static void diag_forward(const struct call *call) {
  const bool spread = call->x[0].shape->rank == 1;
  size_t step, n = diagonal(spread ? call->y.shape : call->x[0].shape, &step);
  if (spread) memset(call->y.at, 0, call->y.shape->size * sizeof *call->y.at);
  for (size_t i = 0; i < n; i++)
    call->y.at[spread ? i * step : i] = call->x[0].at[spread ? i : i * step];
}

static void diag_backward(const struct call *call) {
  if (!call->x[0].bar) return;
  const bool spread = call->x[0].shape->rank == 1;
  size_t step, n = diagonal(spread ? call->y.shape : call->x[0].shape, &step);
  for (size_t i = 0; i < n; i++)
    call->x[0].bar[spread ? i : i * step] += call->y.bar[spread ? i * step : i];
}

static const struct op_sample diag_samples[] = {{"3", ""},   {"1", ""},   {"0", ""},
                                                {"3,3", ""}, {"2,3", ""}, {"3,2", ""},
                                                {"1,1", ""}, {"0,2", ""}, {NULL, NULL}};

static bool infer_trace(struct infer *infer) {
  if (infer->x[0].rank != 2) return infer_fail_input(infer, 0, "wants a matrix: %0");
  return infer_scalar(infer);
}

static void trace_forward(const struct call *call) {
  size_t step;
  const size_t n = diagonal(call->x[0].shape, &step);
  *call->y.at = pairwise_sum(call->x[0].at, n, (ptrdiff_t)step);
}

static void trace_backward(const struct call *call) {
  size_t step;
  const size_t n = diagonal(call->x[0].shape, &step);
  for (size_t i = 0; call->x[0].bar && i < n; i++) call->x[0].bar[i * step] += *call->y.bar;
}

static const struct op_sample trace_samples[] = {{"3,3", ""}, {"1,1", ""}, {"2,3", ""}, {"3,2", ""},
                                                 {"0,0", ""}, {"0,2", ""}, {NULL, NULL}};

/* ---- cross ------------------------------------------------------------------------------- */

static bool infer_cross(struct infer *infer) {
  static const char *const complaints[] = {"the last axis has not 3 entries: %0",
                                           "the last axis has not 3 entries: %1"};
  for (unsigned k = 0; k < 2; k++) {
    const struct dims *x = &infer->x[k];
    if (x->rank == 0 || x->at[x->rank - 1] != 3) return infer_fail_input(infer, k, complaints[k]);
  }
  return infer_broadcast(infer);
}

/* c += a x b */
static void add_cross(double *c, const double *a, const double *b) {
  c[0] += a[1] * b[2] - a[2] * b[1];
  c[1] += a[2] * b[0] - a[0] * b[2];
  c[2] += a[0] * b[1] - a[1] * b[0];
}

static void cross_forward(const struct call *call) {
  const struct operand *a = &call->x[0], *b = &call->x[1], *y = &call->y;
  for (size_t i = 0; i < y->shape->size / 3; i++) {
    memset(y->at + 3 * i, 0, 3 * sizeof *y->at);
    add_cross(y->at + 3 * i, a->at + 3 * find_item(a->shape, 1, y->shape, 1, i),
              b->at + 3 * find_item(b->shape, 1, y->shape, 1, i));
  }
}

static void cross_backward(const struct call *call) {
  const struct operand *a = &call->x[0], *b = &call->x[1], *y = &call->y;
  for (size_t i = 0; i < y->shape->size / 3; i++) {
    const size_t at_a = 3 * find_item(a->shape, 1, y->shape, 1, i);
    const size_t at_b = 3 * find_item(b->shape, 1, y->shape, 1, i);
    if (a->bar) add_cross(a->bar + at_a, b->at + at_b, y->bar + 3 * i);
    if (b->bar) add_cross(b->bar + at_b, y->bar + 3 * i, a->at + at_a);
  }
}

/* As ops whose inputs broadcast, whole along the last axis. */
static void reach_cross(const struct call *call, unsigned k, const struct extent *x,
                        struct extent *y) {
  entry_parts.reach(call, k, x, y);
  y[call->y.shape->rank - 1] = (struct extent){0, 3};
}

static void need_cross(const struct call *call, unsigned k, const struct extent *y,
                       struct extent *x) {
  entry_parts.need(call, k, y, x);
  x[call->x[k].shape->rank - 1] = (struct extent){0, 3};
}

static const struct op_parts cross_parts = {.reach = reach_cross, .need = need_cross};

static const struct op_sample cross_samples[] = {
    {"3;3", ""},   {"2,3;3", ""},           {"3;2,3", ""}, {"2,1,3;4,3", ""},
    {"0,3;3", ""}, {"2,1,2,3;1,2,1,3", ""}, {NULL, NULL}};

/* ---- square matrices --------------------------------------------------------------------- */

/* The first input is one square matrix or a batch of them. */
static bool need_square(struct infer *infer) {
  const struct dims *x = &infer->x[0];
  if (x->rank < 2 || x->at[x->rank - 1] != x->at[x->rank - 2])
    return infer_fail_input(infer, 0, "wants a square matrix: %0");
  return true;
}

static bool infer_square(struct infer *infer) { return need_square(infer) && infer_same(infer); }

/* One number a matrix. */
static bool infer_determinant(struct infer *infer) {
  if (!need_square(infer)) return false;
  infer->y = make_dims(infer->x[0].rank - 2, infer->x[0].at);
  return true;
}

/* How the ops on square matrices share out their scratch. */
struct workspace {
  size_t n, count; /* the matrices: how large and how many */
  double *factors; /* as many as there are matrices */
  double *right;   /* as many as the result has */
  double *matrix;  /* one */
  double *vectors; /* three of n */
  int *pivots;     /* 2 n for each matrix */
};

static size_t square_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                             const struct shape *const *x) {
  (void)attr, (void)count;
  const size_t n = (size_t)x[0]->dim[x[0]->rank - 1];
  return x[0]->size + y->size + n * n + 3 * n + batch_of(x[0]) * n;
}

static struct workspace find_workspace(const struct call *call) {
  const struct shape *x = call->x[0].shape;
  struct workspace w = {.n = (size_t)x->dim[x->rank - 1], .count = batch_of(x)};
  w.factors = call->scratch;
  w.right = w.factors + x->size;
  w.matrix = w.right + call->y.shape->size;
  w.vectors = w.matrix + w.n * w.n;
  w.pivots = (int *)(void *)(w.vectors + 3 * w.n); /* two integers have room in a double */
  return w;
}

static double *factors_of(const struct workspace *w, size_t i) {
  return w->factors + i * w->n * w->n;
}

static int *pivots_of(const struct workspace *w, size_t i) { return w->pivots + i * 2 * w->n; }

static void swap_entries(double *a, double *b) {
  const double kept = *a;
  *a = *b, *b = kept;
}

static void swap_places(int *a, int *b) {
  const int kept = *a;
  *a = *b, *b = kept;
}

static void clear(double *at, size_t n) {
  if (n) memset(at, 0, n * sizeof *at);
}

static void copy(double *to, const double *from, size_t n) {
  if (n) memcpy(to, from, n * sizeof *to);
}

/* ---- the condition of a matrix ----------------------------------------------------------- */

/* x = g o (a'^-1 x), the transpose of a^-1 diag(g). */
static double apply_scaled(const struct workspace *w, const double *lu, const int *pivot,
                           const double *g, double *x) {
  double norm = 0;
  lu_solve(true, w->n, 1, lu, pivot, x);
  for (size_t i = 0; i < w->n; i++) norm += fabs(x[i] *= g[i]);
  return norm;
}

/* The entry of z = a^-1 (g o sign(y)) that is largest; true where it exceeds z . x. */
static bool find_better(const struct workspace *w, const double *lu, const int *pivot,
                        const double *g, const double *x, double *y, size_t *found) {
  for (size_t i = 0; i < w->n; i++) y[i] = y[i] < 0 ? -g[i] : g[i];
  lu_solve(false, w->n, 1, lu, pivot, y);
  double product = 0;
  *found = 0;
  for (size_t i = 0; i < w->n; i++) {
    product += y[i] * x[i];
    if (fabs(y[i]) > fabs(y[*found])) *found = i;
  }
  return fabs(y[*found]) > product;
}

/* From a second start, in case the climb began on a plain: entries of growing size and changing
 * sign. */
static double estimate_again(const struct workspace *w, const double *lu, const int *pivot,
                             const double *g, double *x) {
  const double n = (double)w->n;
  for (size_t i = 0; i < w->n; i++) x[i] = (i % 2 ? -1 : 1) * (1 + (double)i / (n > 1 ? n - 1 : 1));
  return 2 * apply_scaled(w, lu, pivot, g, x) / (3 * n);
}

/* An estimate of the norm of |a^-1| |a| (Skeel's condition number, which does not mind rows of
 * different sizes), found by climbing: N. J. Higham, Accuracy and Stability of Numerical
 * Algorithms, algorithm 15.1 (Hager's) with the refinement that LAPACK uses. */
static double estimate_condition(const struct workspace *w, const double *a, const double *lu,
                                 const int *pivot) {
  const size_t n = w->n;
  double *g = w->vectors, *x = g + n, *y = x + n, best = 0;
  for (size_t i = 0; i < n; i++) {
    g[i] = 0;
    for (size_t j = 0; j < n; j++) g[i] += fabs(a[i * n + j]);
    x[i] = 1 / (double)n;
  }
  for (int round = 0; round < 5; round++) {
    size_t found;
    copy(y, x, n);
    best = fmax(best, apply_scaled(w, lu, pivot, g, y));
    if (!find_better(w, lu, pivot, g, x, y, &found)) break;
    clear(x, n);
    x[found] = 1;
  }
  return fmax(best, estimate_again(w, lu, pivot, g, x));
}

static const char singular[] = "is singular; its condition number is about";

/* Factors matrix number i; false after a complaint where it is singular to working precision. */
static bool factor_matrix(const struct call *call, const struct workspace *w, size_t i) {
  const double *a = call->x[0].at + i * w->n * w->n;
  double *lu = factors_of(w, i);
  copy(lu, a, w->n * w->n);
  const bool regular = lu_factor(w->n, lu, pivots_of(w, i));
  const double condition = regular && w->n ? estimate_condition(w, a, lu, pivots_of(w, i))
                           : regular       ? 1
                                           : INFINITY;
  if (!(condition > 1 / DBL_EPSILON)) return true;
  call_fail(call, 0, i * w->n * w->n, singular, condition);
  return false;
}

static bool factor_matrices(const struct call *call, const struct workspace *w) {
  for (size_t i = 0; i < w->count; i++)
    if (!factor_matrix(call, w, i)) {
      clear(call->y.at, call->y.shape->size);
      return false;
    }
  return true;
}

/* ---- inv, logdet ------------------------------------------------------------------------- */

/* The inverse from the factors. */
static void invert(const struct workspace *w, size_t i, double *inverse) {
  clear(inverse, w->n * w->n);
  for (size_t k = 0; k < w->n; k++) inverse[k * w->n + k] = 1;
  lu_solve(false, w->n, w->n, factors_of(w, i), pivots_of(w, i), inverse);
}

static void inv_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  if (!factor_matrices(call, &w)) return;
  for (size_t i = 0; i < w.count; i++) invert(&w, i, call->y.at + i * w.n * w.n);
}

/* -y' upstream y' */
static void inv_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const size_t n = w.n;
  for (size_t i = 0; call->x[0].bar && i < w.count; i++) {
    const double *y = call->y.at + i * n * n, *g = call->y.bar + i * n * n;
    gemm(true, false, n, n, n, 1, y, n, g, n, 0, w.matrix, n);
    gemm(false, true, n, n, n, -1, w.matrix, n, y, n, 1, call->x[0].bar + i * n * n, n);
  }
}

/* The sign of the exchanges, times the signs on the diagonal. */
static double sign_of(size_t n, const double *lu, const int *pivot) {
  double sign = 1;
  for (size_t k = 0; k < n; k++) {
    if (pivot[k] != (int)k) sign = -sign;
    if (lu[k * n + k] < 0) sign = -sign;
  }
  return sign;
}

static void logdet_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  if (!factor_matrices(call, &w)) return;
  for (size_t i = 0; i < w.count; i++) {
    const double *lu = factors_of(&w, i);
    double sum = 0;
    for (size_t k = 0; k < w.n; k++) sum += log(fabs(lu[k * w.n + k]));
    call->y.at[i] = sign_of(w.n, lu, pivots_of(&w, i)) < 0 ? NAN : sum;
  }
}

static void logdet_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  for (size_t i = 0; call->x[0].bar && i < w.count; i++) {
    invert(&w, i, w.matrix);
    for (size_t r = 0; r < w.n; r++)
      for (size_t c = 0; c < w.n; c++)
        call->x[0].bar[(i * w.n + r) * w.n + c] += call->y.bar[i] * w.matrix[c * w.n + r];
  }
}

static const struct op_sample square_samples[] = {{"3,3", ""},     {"1,1", ""},   {"2,2", ""},
                                                  {"0,0", ""},     {"2,3,3", ""}, {"0,2,2", ""},
                                                  {"2,1,3,3", ""}, {NULL, NULL}};

/* ---- det, cofactor ----------------------------------------------------------------------- */

static void det_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  for (size_t i = 0; i < w.count; i++) {
    double *lu = factors_of(&w, i), product = 1;
    copy(lu, call->x[0].at + i * w.n * w.n, w.n * w.n);
    lu_factor(w.n, lu, pivots_of(&w, i));
    for (size_t k = 0; k < w.n; k++) product *= fabs(lu[k * w.n + k]);
    call->y.at[i] = product * sign_of(w.n, lu, pivots_of(&w, i));
  }
}

/* Factors with exchanges of rows and of columns, so that what is left after `rank` steps is 0 in a
 * singular matrix: a[rows[i]][columns[j]] = (L U)_ij.  Returns the sign of the exchanges. */
static double factor_completely(size_t n, double *a, int *rows, int *columns, size_t *rank) {
  double sign = 1;
  for (size_t k = 0; k < n; k++) rows[k] = columns[k] = (int)k;
  for (*rank = 0; *rank < n; ++*rank) {
    const size_t k = *rank;
    size_t r = k, c = k;
    for (size_t i = k; i < n; i++)
      for (size_t j = k; j < n; j++)
        if (fabs(a[i * n + j]) > fabs(a[r * n + c])) r = i, c = j;
    if (a[r * n + c] == 0) break;
    if ((r == k) != (c == k)) sign = -sign;
    for (size_t j = 0; j < n; j++) swap_entries(&a[k * n + j], &a[r * n + j]);
    for (size_t i = 0; i < n; i++) swap_entries(&a[i * n + k], &a[i * n + c]);
    swap_places(&rows[k], &rows[r]);
    swap_places(&columns[k], &columns[c]);
    for (size_t i = k + 1; i < n; i++) {
      const double factor = a[i * n + k] /= a[k * n + k];
      for (size_t j = k + 1; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return sign;
}

/* The cofactors of U, the upper triangle of lu, whose last diagonal entry mu may be 0:
 *   U = [U1 u; 0 mu]  gives  det(U1) [mu U1'^-1, 0; -(U1^-1 u)', 1]. */
static void triangle_cofactors(size_t n, const double *lu, double *vector, double *out) {
  const struct triangle inner = {lu, n, false, false};
  const double last = lu[n * n - 1];
  double det = 1;
  for (size_t k = 0; k + 1 < n; k++) det *= lu[k * n + k], vector[k] = lu[k * n + n - 1];
  clear(out, n * n);
  for (size_t k = 0; k + 1 < n; k++) out[k * n + k] = det * last;
  triangle_solve(inner, true, n - 1, n - 1, out, n);
  triangle_solve(inner, false, n - 1, 1, vector, 1);
  for (size_t k = 0; k + 1 < n; k++) out[(n - 1) * n + k] = -det * vector[k];
  out[n * n - 1] = det;
}

/* The matrix of cofactors, right for singular matrices too: cofactors of a product are the product
 * of the cofactors, and a = rows' L U columns'. */
static void find_cofactors(const struct workspace *w, const double *a, double *out) {
  const size_t n = w->n;
  double *lu = w->factors;
  int *rows = w->pivots, *columns = rows + n;
  size_t rank;
  clear(out, n * n);
  if (n == 0) return;
  copy(lu, a, n * n);
  const double sign = factor_completely(n, lu, rows, columns, &rank);
  if (rank + 1 < n) return; /* every minor is 0 */
  triangle_cofactors(n, lu, w->vectors, w->matrix);
  triangle_solve((struct triangle){lu, n, true, true}, true, n, n, w->matrix, n);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++)
      out[(size_t)rows[i] * n + (size_t)columns[j]] = sign * w->matrix[i * n + j];
}

static size_t det_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                          const struct shape *const *x) {
  const size_t n = (size_t)x[0]->dim[x[0]->rank - 1];
  return square_scratch(attr, y, count, x) + n * n;
}

static void det_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const size_t entries = w.n * w.n;
  double *cofactors =
      call->scratch + square_scratch(call->attr, call->y.shape, 1, &call->x[0].shape);
  for (size_t i = 0; call->x[0].bar && i < w.count; i++) {
    find_cofactors(&w, call->x[0].at + i * entries, cofactors);
    add_multiple(call->x[0].bar + i * entries, cofactors, call->y.bar[i], entries);
  }
}

static void cofactor_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  for (size_t i = 0; i < w.count; i++)
    find_cofactors(&w, call->x[0].at + i * w.n * w.n, call->y.at + i * w.n * w.n);
}

/* (sum(upstream o y) y - y upstream' y) / det(x) */
static void add_cofactor_slope(const struct workspace *w, const double *x, const double *y,
                               const double *g, double *bar) {
  const size_t n = w->n;
  const double det = dot_product(n, x, y), sum = dot_product(n * n, g, y);
  gemm(false, true, n, n, n, 1, y, n, g, n, 0, w->matrix, n);
  gemm(false, false, n, n, n, -1 / det, w->matrix, n, y, n, 1, bar, n);
  add_multiple(bar, y, sum / det, n * n);
}

static void cofactor_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const size_t entries = w.n * w.n;
  for (size_t i = 0; call->x[0].bar && i < w.count; i++) {
    const double *g = call->y.bar + i * entries;
    double *bar = call->x[0].bar + i * entries;
    if (w.n == 2)
      bar[0] += g[3], bar[1] -= g[2], bar[2] -= g[1], bar[3] += g[0];
    else if (w.n > 2)
      add_cofactor_slope(&w, call->x[0].at + i * entries, call->y.at + i * entries, g, bar);
  }
}

static void cofactor_kinks(const struct call *call, struct kinks *kinks) {
  const struct workspace w = find_workspace(call);
  for (size_t i = 0; w.n > 2 && i < w.count; i++) {
    const size_t at = i * w.n * w.n;
    if (dot_product(w.n, call->x[0].at + at, call->y.at + at) == 0) kinks->add(kinks, 0, at);
  }
}

/* ---- solve, triangular_solve ------------------------------------------------------------- */

/* b is a vector, the same for all matrices, or matrices in a batch that broadcasts with a's. */
static bool infer_solve(struct infer *infer) {
  if (!need_square(infer)) return false;
  const struct dims *a = &infer->x[0], *b = &infer->x[1];
  if (b->rank == 0) return infer_fail_input(infer, 1, "a scalar is no right-hand side: %1");
  if (b->at[b->rank > 1 ? b->rank - 2 : 0] != a->at[a->rank - 1])
    return infer_fail(infer, "sizes differ: %0, %1");
  const struct dims a_batch = batch_dims(a), b_batch = batch_dims(b);
  if (!broadcast_dims(&a_batch, &b_batch, &infer->y))
    return infer_fail(infer, "the axes before the last two do not broadcast: %0, %1");
  append_dim(&infer->y, a->at[a->rank - 1]);
  if (b->rank > 1) append_dim(&infer->y, b->at[b->rank - 1]);
  return true;
}

static bool infer_triangular_solve(struct infer *infer) {
  if (infer->x[0].rank > 2 && infer->x[1].rank == 1)
    return infer_fail(infer, "a batch of matrices wants matrices on the right: %0, %1");
  return infer_solve(infer);
}

/* The systems of one call: y's batch of right-hand sides of n by m. */
struct systems {
  size_t n, m, count;
  unsigned inner; /* y's axes that belong to one right-hand side */
};

static struct systems find_systems(const struct call *call) {
  const struct shape *a = call->x[0].shape, *b = call->x[1].shape, *y = call->y.shape;
  struct systems s = {.n = (size_t)a->dim[a->rank - 1], .m = 1, .count = 1};
  s.inner = b->rank > 1 ? 2 : 1;
  if (b->rank > 1) s.m = (size_t)b->dim[b->rank - 1];
  for (unsigned i = 0; i + s.inner < y->rank; i++) s.count *= (size_t)y->dim[i];
  return s;
}

static size_t find_left(const struct call *call, const struct systems *s, size_t i) {
  return find_item(call->x[0].shape, 2, call->y.shape, s->inner, i);
}

static size_t find_right(const struct call *call, const struct systems *s, size_t i) {
  return find_item(call->x[1].shape, s->inner, call->y.shape, s->inner, i) * s->n * s->m;
}

static void solve_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const struct systems s = find_systems(call);
  if (!factor_matrices(call, &w)) return;
  for (size_t i = 0; i < s.count; i++) {
    const size_t left = find_left(call, &s, i);
    double *y = call->y.at + i * s.n * s.m;
    copy(y, call->x[1].at + find_right(call, &s, i), s.n * s.m);
    lu_solve(false, s.n, s.m, factors_of(&w, left), pivots_of(&w, left), y);
  }
}

/* What flows to b is a'^-1 upstream; what flows to a is minus that times y'. */
static void solve_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const struct systems s = find_systems(call);
  const size_t entries = s.n * s.m;
  for (size_t i = 0; i < s.count; i++) {
    const size_t left = find_left(call, &s, i);
    double *flow = w.right + i * entries;
    copy(flow, call->y.bar + i * entries, entries);
    lu_solve(true, s.n, s.m, factors_of(&w, left), pivots_of(&w, left), flow);
    if (call->x[1].bar) add_all(call->x[1].bar + find_right(call, &s, i), flow, entries);
    if (call->x[0].bar)
      gemm(false, true, s.n, s.n, s.m, -1, flow, s.m, call->y.at + i * entries, s.m, 1,
           call->x[0].bar + left * s.n * s.n, s.n);
  }
}

enum { LOWER, TRANSPOSE }; /* attributes of triangular_solve */

static struct triangle find_triangle(const struct call *call, size_t n, size_t left) {
  return (struct triangle){call->x[0].at + left * n * n, n, call->attr[LOWER].truth, false};
}

/* False after a complaint where a diagonal entry is 0. */
static bool check_diagonals(const struct call *call, const struct workspace *w) {
  for (size_t i = 0; i < w->count; i++)
    for (size_t k = 0; k < w->n; k++) {
      const size_t at = (i * w->n + k) * w->n + k;
      if (call->x[0].at[at] != 0) continue;
      call_fail(call, 0, at, singular, INFINITY);
      clear(call->y.at, call->y.shape->size);
      return false;
    }
  return true;
}

static void triangular_solve_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const struct systems s = find_systems(call);
  if (!check_diagonals(call, &w)) return;
  for (size_t i = 0; i < s.count; i++) {
    double *y = call->y.at + i * s.n * s.m;
    copy(y, call->x[1].at + find_right(call, &s, i), s.n * s.m);
    triangle_solve(find_triangle(call, s.n, find_left(call, &s, i)), call->attr[TRANSPOSE].truth,
                   s.n, s.m, y, s.m);
  }
}

/* bar += x within a triangle. */
static void add_triangle(double *bar, const double *x, size_t n, bool lower) {
  for (size_t i = 0; i < n; i++) {
    const size_t from = lower ? 0 : i, count = lower ? i + 1 : n - i;
    add_all(bar + i * n + from, x + i * n + from, count);
  }
}

static void triangular_solve_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const struct systems s = find_systems(call);
  const bool lower = call->attr[LOWER].truth, transpose = call->attr[TRANSPOSE].truth;
  const size_t entries = s.n * s.m;
  for (size_t i = 0; i < s.count; i++) {
    const size_t left = find_left(call, &s, i);
    double *flow = w.right + i * entries;
    const double *y = call->y.at + i * entries;
    copy(flow, call->y.bar + i * entries, entries);
    triangle_solve(find_triangle(call, s.n, left), !transpose, s.n, s.m, flow, s.m);
    if (call->x[1].bar) add_all(call->x[1].bar + find_right(call, &s, i), flow, entries);
    if (!call->x[0].bar) continue;
    gemm(false, true, s.n, s.n, s.m, -1, transpose ? y : flow, s.m, transpose ? flow : y, s.m, 0,
         w.matrix, s.n);
    add_triangle(call->x[0].bar + left * s.n * s.n, w.matrix, s.n, lower);
  }
}

static const struct op_sample solve_samples[] = {
    {"3,3;3", ""},       {"3,3;3,2", ""},   {"1,1;1", ""},           {"0,0;0", ""},
    {"2,2;2,0", ""},     {"2,3,3;3", ""},   {"2,3,3;3,2", ""},       {"3,3;2,3,1", ""},
    {"2,3,3;2,3,2", ""}, {"0,2,2;2,3", ""}, {"2,1,3,3;1,2,3,2", ""}, {NULL, NULL}};
static const struct op_sample triangular_samples[] = {{"3,3;3", ""},
                                                      {"3,3;3,2", "lower=false"},
                                                      {"3,3;3,2", "transpose=true"},
                                                      {"3,3;3", "lower=false, transpose=true"},
                                                      {"3,3;3", "lower=false"},
                                                      {"3,3;3", "transpose=true"},
                                                      {"3,3;3,2", "lower=false, transpose=true"},
                                                      {"3,3;3,2", ""},
                                                      {"1,1;1", ""},
                                                      {"0,0;0,2", ""},
                                                      {"2,1,3,3;1,2,3,2", ""},
                                                      {"3,3;2,3,1", "transpose=true"},
                                                      {NULL, NULL}};

/* ---- cholesky ---------------------------------------------------------------------------- */

/* out = (x + x') / 2 */
static void symmetrise(size_t n, const double *x, double *out) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) out[i * n + j] = (x[i * n + j] + x[j * n + i]) / 2;
}

static void complain_indefinite(const struct call *call, const struct workspace *w, size_t i) {
  const size_t at = i * w->n * w->n;
  double *lu = factors_of(w, i), condition = INFINITY;
  symmetrise(w->n, call->x[0].at + at, lu);
  copy(w->matrix, lu, w->n * w->n);
  if (lu_factor(w->n, lu, pivots_of(w, i)))
    condition = estimate_condition(w, w->matrix, lu, pivots_of(w, i));
  call_fail(call, 0, at, "is not positive definite; its condition number is about", condition);
  clear(call->y.at, call->y.shape->size);
}

static void cholesky_forward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const size_t n = w.n;
  for (size_t i = 0; i < w.count; i++) {
    double *y = call->y.at + i * n * n;
    symmetrise(n, call->x[0].at + i * n * n, y);
    if (!cholesky_factor(n, y)) {
      complain_indefinite(call, &w, i);
      return;
    }
    for (size_t r = 0; r < n; r++) clear(y + r * n + r + 1, n - r - 1);
  }
}

static void transpose_square(size_t n, double *a) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < i; j++) swap_entries(&a[i * n + j], &a[j * n + i]);
}

/* L'^-1 k L^-1 / 2, where k is symmetric and has the lower triangle of L' upstream: I. Murray,
 * Differentiation of the Cholesky decomposition. */
static void cholesky_backward(const struct call *call) {
  const struct workspace w = find_workspace(call);
  const size_t n = w.n;
  for (size_t i = 0; call->x[0].bar && i < w.count; i++) {
    const double *y = call->y.at + i * n * n;
    const struct triangle lower = {y, n, true, false};
    gemm(true, false, n, n, n, 1, y, n, call->y.bar + i * n * n, n, 0, w.matrix, n);
    for (size_t r = 0; r < n; r++)
      for (size_t c = r + 1; c < n; c++) w.matrix[r * n + c] = w.matrix[c * n + r];
    triangle_solve(lower, true, n, n, w.matrix, n);
    transpose_square(n, w.matrix);
    triangle_solve(lower, true, n, n, w.matrix, n);
    add_multiple(call->x[0].bar + i * n * n, w.matrix, 0.5, n * n);
  }
}

/* Matrices that tests make positive definite; for logdet likewise. */
static const struct op_sample positive_samples[] = {{"1,1", ""},     {"2,2", ""},     {"3,3", ""},
                                                    {"0,0", ""},     {"3,1,1", ""},   {"0,1,1", ""},
                                                    {"2,3,1,1", ""}, {"2,1,3,3", ""}, {NULL, NULL}};

/* ---- einsum ------------------------------------------------------------------------------ */

enum { TERMS = 8, LETTERS = 52 };

/* The letters of one operand: "ij". */
struct subscript {
  unsigned rank;
  char at[RANK_MOST];
};

/* "ij,jk->ik": term 0 is the result, then come the inputs. */
struct spec {
  unsigned inputs;
  struct subscript term[TERMS + 1];
};

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Without "->" the result has the letters that occur once, in alphabetical order. */
static void imply_result(struct spec *spec) {
  unsigned times[256] = {0};
  for (unsigned k = 1; k <= spec->inputs; k++)
    for (unsigned i = 0; i < spec->term[k].rank; i++) times[(unsigned char)spec->term[k].at[i]]++;
  spec->term[0].rank = 0;
  for (unsigned c = 0; c < 128 && spec->term[0].rank < RANK_MOST; c++)
    if (times[c] == 1) spec->term[0].at[spec->term[0].rank++] = (char)c;
}

/* Returns what is wrong with the text, or NULL. */
static const char *read_spec(const char *text, size_t size, struct spec *spec) {
  struct subscript *term = &spec->term[1];
  spec->inputs = 1;
  spec->term[0].rank = term->rank = 0;
  for (size_t i = 0; i < size; i++) {
    const bool arrow = text[i] == '-' && i + 1 < size && text[i + 1] == '>';
    if (text[i] == ' ') continue;
    if (is_letter(text[i])) {
      if (term->rank == RANK_MOST) return "more than 32 axes";
      term->at[term->rank++] = text[i];
    } else if (text[i] == ',' && term != spec->term) {
      if (spec->inputs == TERMS) return "more than 8 inputs";
      term = &spec->term[++spec->inputs];
      term->rank = 0;
    } else if (arrow && term != spec->term) {
      term = spec->term;
      i++;
    } else
      return "letters, commas and one -> make it: \"ij,jk->ik\"";
  }
  if (term != spec->term) imply_result(spec);
  return NULL;
}

static void print_subscript(const struct subscript *term, struct text *out) {
  text_add(out, term->at, term->rank);
}

void einsum_adjoint(const char *spec_text, size_t size, unsigned position, struct text *out) {
  struct spec spec;
  if (read_spec(spec_text, size, &spec) || position >= spec.inputs) return;
  print_subscript(&spec.term[0], out);
  for (unsigned k = 1; k <= spec.inputs; k++) {
    if (k == position + 1) continue;
    text_char(out, ',');
    print_subscript(&spec.term[k], out);
  }
  text_puts(out, "->");
  print_subscript(&spec.term[position + 1], out);
}

bool einsum_is_plain(const char *text, size_t size) {
  struct spec spec;
  unsigned times[256] = {0};
  bool plain = !read_spec(text, size, &spec);
  for (unsigned k = 1; plain && k <= spec.inputs; k++)
    for (unsigned i = 0; i < spec.term[k].rank; i++) times[(unsigned char)spec.term[k].at[i]] = 1;
  for (unsigned i = 0; plain && i < spec.term[0].rank; i++)
    plain = times[(unsigned char)spec.term[0].at[i]]-- == 1;
  return plain;
}

/* A spec with the sizes of its letters and, for each term, the stride along each letter: 0 where
 * the term has it not, the sum where it has it twice (a diagonal). */
struct contraction {
  unsigned terms, letters;
  char letter[LETTERS];
  int64_t size[LETTERS];
  ptrdiff_t stride[TERMS + 1][LETTERS];
};

static unsigned find_letter(const struct contraction *c, char letter) {
  unsigned i = 0;
  while (i < c->letters && c->letter[i] != letter) i++;
  return i;
}

/* Adds a term's letters; returns one whose size does not fit, or -1. */
static int add_letters(struct contraction *c, const struct subscript *term,
                       const struct dims *dims) {
  for (unsigned i = 0; i < term->rank; i++) {
    const unsigned at = find_letter(c, term->at[i]);
    if (at < c->letters) {
      if (c->size[at] != dims->at[i]) return term->at[i];
      continue;
    }
    c->letter[c->letters] = term->at[i];
    c->size[c->letters++] = dims->at[i];
  }
  return -1;
}

static void add_strides(struct contraction *c, const struct subscript *term, ptrdiff_t *strides,
                        const struct shape *shape) {
  ptrdiff_t own[RANK_MOST];
  shape_strides(shape, own);
  memset(strides, 0, LETTERS * sizeof *strides);
  for (unsigned i = 0; i < term->rank; i++) strides[find_letter(c, term->at[i])] += own[i];
}

enum { SPEC, RESULT_SHAPE }; /* attributes */

static bool complain_letter(struct infer *infer, const char *what, int letter, const char *rest) {
  text_puts(infer->why, what);
  text_char(infer->why, (char)letter);
  return infer_fail_attr(infer, "spec", rest);
}

/* The inputs' letters and sizes. */
static bool infer_letters(struct infer *infer, const struct spec *spec, struct contraction *c) {
  for (unsigned k = 0; k < infer->count; k++) {
    const struct subscript *term = &spec->term[k + 1];
    if (term->rank != infer->x[k].rank) {
      text_puts(infer->why, "\"");
      print_subscript(term, infer->why);
      text_puts(infer->why, "\" does not name the axes: ");
      infer->describe(infer, k);
      return infer_fail_input(infer, k, "");
    }
    const int letter = add_letters(c, term, &infer->x[k]);
    if (letter < 0) continue;
    complain_letter(infer, "two sizes for ", letter, ": ");
    infer->describe(infer, k);
    return false;
  }
  return true;
}

static bool complain_spec(struct infer *infer, unsigned inputs) {
  text_printf(infer->why, "spec is for %u input%s, not %u", inputs, inputs == 1 ? "" : "s",
              infer->count);
  return infer_fail_attr(infer, "spec", "");
}

static bool infer_einsum(struct infer *infer) {
  struct spec spec;
  struct contraction c = {.letters = 0};
  const struct attr *text = &infer->attr[SPEC], *shape = &infer->attr[RESULT_SHAPE];
  const char *wrong = read_spec(text->text.at, text->text.size, &spec);
  if (wrong) return infer_fail_attr(infer, "spec", wrong);
  if (spec.inputs != infer->count) return complain_spec(infer, spec.inputs);
  if (!infer_letters(infer, &spec, &c)) return false;
  const struct subscript *result = &spec.term[0];
  if (shape->given) {
    if (!infer_dims(infer, "shape", shape, &infer->y)) return false;
    if (infer->y.rank != result->rank || add_letters(&c, result, &infer->y) >= 0)
      return infer_fail_attr(infer, "shape", "it does not fit the specification");
    return true;
  }
  infer->y.rank = result->rank;
  for (unsigned i = 0; i < result->rank; i++) {
    const unsigned at = find_letter(&c, result->at[i]);
    if (at == c.letters)
      return complain_letter(infer, "no input has ", result->at[i],
                             ", and no shape tells its size");
    infer->y.at[i] = c.size[at];
  }
  return true;
}

/* Everything about a call; false where nothing is to be added up. */
static bool find_contraction(const struct call *call, struct contraction *c) {
  struct spec spec;
  read_spec(call->attr[SPEC].text.at, call->attr[SPEC].text.size, &spec);
  c->terms = spec.inputs + 1;
  c->letters = 0;
  for (unsigned k = 0; k < c->terms; k++) {
    const struct dims dims = shape_dims(k ? call->x[k - 1].shape : call->y.shape);
    add_letters(c, &spec.term[k], &dims);
  }
  for (unsigned k = 0; k < c->terms; k++)
    add_strides(c, &spec.term[k], c->stride[k], k ? call->x[k - 1].shape : call->y.shape);
  for (unsigned i = 0; i < c->letters; i++)
    if (c->size[i] == 0) return false;
  return true;
}

static void add_letter(struct loops *loops, const struct contraction *c, unsigned letter) {
  ptrdiff_t strides[TERMS];
  for (unsigned k = 1; k < c->terms; k++) strides[k - 1] = c->stride[k][letter];
  add_loop(loops, c->size[letter], c->stride[0][letter], strides);
}

/* Loops over the letters of the result but the last, then those that are summed over, then it. */
static void einsum_loops(const struct attr *attr, const struct shape *y, unsigned count,
                         const struct shape *const *x, struct loop_list *out) {
  struct operand operands[TERMS];
  struct contraction c = {.letters = 0};
  for (unsigned k = 0; k < count; k++) operands[k] = (struct operand){.shape = x[k]};
  const struct call call = {.attr = attr, .count = count, .y = {.shape = y}, .x = operands};
  find_contraction(&call, &c);
  sum_up(out);
  struct loops *loops = add_nest(out, count);
  unsigned last = c.letters;
  for (unsigned i = 0; i < c.letters; i++)
    if (c.stride[0][i] && (last == c.letters || c.stride[0][i] <= c.stride[0][last])) last = i;
  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < c.letters; i++)
      if (i != last && (c.stride[0][i] != 0) == (pass == 0)) add_letter(loops, &c, i);
  if (last < c.letters) add_letter(loops, &c, last);
}

/* The adding up, forwards and backwards: to one term are added the products of others (those whose
 * factor is not NULL), over all values of all letters. */
struct task {
  const struct contraction *c;
  unsigned target;
  double *to;
  const double *factor[TERMS + 1];
};

/* A matrix product inside a task: three letters and how the terms lie along them. */
struct block {
  unsigned m, n, k, left, right; /* letters; terms */
  bool left_turned, right_turned;
  size_t left_row, right_row, to_row;
};

/* Whether a term is a matrix along two letters, possibly stored transposed. */
static bool is_matrix(const struct contraction *c, unsigned term, unsigned row, unsigned column,
                      bool *turned, size_t *distance) {
  const ptrdiff_t down = c->stride[term][row], along = c->stride[term][column];
  *turned = along != 1;
  *distance = (size_t)(*turned ? along : down);
  if (*turned) return down == 1 && along >= c->size[row];
  return down >= c->size[column];
}

static bool fits_block(const struct task *task, struct block *b) {
  const struct contraction *c = task->c;
  bool turned;
  return is_matrix(c, task->target, b->m, b->n, &turned, &b->to_row) && !turned &&
         is_matrix(c, b->left, b->m, b->k, &b->left_turned, &b->left_row) &&
         is_matrix(c, b->right, b->k, b->n, &b->right_turned, &b->right_row);
}

/* Whether a letter belongs to exactly these two of the three terms. */
static bool joins(const struct contraction *c, unsigned letter, unsigned a, unsigned b,
                  unsigned other) {
  return c->stride[a][letter] && c->stride[b][letter] && !c->stride[other][letter];
}

/* The largest product of two matrices that the factors `left` and `right` allow. */
static double improve_block(const struct task *task, unsigned left, unsigned right,
                            struct block *best, double size) {
  const struct contraction *c = task->c;
  for (unsigned m = 0; m < c->letters; m++)
    for (unsigned n = 0; joins(c, m, task->target, left, right) && n < c->letters; n++)
      for (unsigned k = 0; joins(c, n, task->target, right, left) && k < c->letters; k++) {
        struct block b = {.m = m, .n = n, .k = k, .left = left, .right = right};
        const double product = (double)c->size[m] * (double)c->size[n] * (double)c->size[k];
        if (!joins(c, k, left, right, task->target) || product <= size || !fits_block(task, &b))
          continue;
        *best = b;
        size = product;
      }
  return size;
}

/* With two factors, as most have, the inner loops are left to gemm. */
static bool find_block(const struct task *task, struct block *block) {
  unsigned factors[2], count = 0;
  for (unsigned k = 0; k < task->c->terms; k++) {
    if (!task->factor[k]) continue;
    if (count == 2) return false;
    factors[count++] = k;
  }
  if (count < 2) return false;
  const double size = improve_block(task, factors[0], factors[1], block, 0);
  return improve_block(task, factors[1], factors[0], block, size) > 0;
}

/* All letters but the inner ones, counted through. */
struct walk {
  unsigned count, letter[LETTERS];
  int64_t index[LETTERS];
  ptrdiff_t at[TERMS + 1];
};

static void start_walk(struct walk *walk, const struct contraction *c, unsigned inner_count,
                       const unsigned *inner) {
  memset(walk, 0, sizeof *walk);
  for (unsigned i = 0; i < c->letters; i++) {
    bool outer = true;
    for (unsigned k = 0; k < inner_count; k++) outer = outer && inner[k] != i;
    if (outer) walk->letter[walk->count++] = i;
  }
}

static bool next_step(struct walk *walk, const struct contraction *c) {
  for (unsigned i = walk->count; i-- > 0;) {
    const unsigned letter = walk->letter[i];
    const bool wrap = ++walk->index[i] == c->size[letter];
    for (unsigned k = 0; k < c->terms; k++)
      walk->at[k] += c->stride[k][letter] * (wrap ? 1 - c->size[letter] : 1);
    if (!wrap) return true;
    walk->index[i] = 0;
  }
  return false;
}

static void add_blocks(const struct task *task, const struct block *b) {
  const struct contraction *c = task->c;
  struct walk walk;
  start_walk(&walk, c, 3, (const unsigned[]){b->m, b->n, b->k});
  do
    gemm(b->left_turned, b->right_turned, (size_t)c->size[b->m], (size_t)c->size[b->n],
         (size_t)c->size[b->k], 1, task->factor[b->left] + walk.at[b->left], b->left_row,
         task->factor[b->right] + walk.at[b->right], b->right_row, 1,
         task->to + walk.at[task->target], b->to_row);
  while (next_step(&walk, c));
}

/* The product of all factors at one step of the walk, `i` entries on along a letter. */
static double product_at(const struct task *task, const struct walk *walk, unsigned letter,
                         int64_t i) {
  double product = 1;
  for (unsigned k = 0; k < task->c->terms; k++)
    if (task->factor[k]) product *= task->factor[k][walk->at[k] + i * task->c->stride[k][letter]];
  return product;
}

/* The sum along a letter, without the rounding errors of a long one. */
static double sum_products(const struct task *task, const struct walk *walk, unsigned letter,
                           int64_t n) {
  double sum = 0, lost = 0;
  for (int64_t i = 0; i < n; i++) add_exactly(&sum, &lost, product_at(task, walk, letter, i));
  return exact_sum(sum, lost);
}

/* The letter of the inner loop: the last one, or one that is summed over and so long that its sums
 * are worth being exact. */
static unsigned choose_inner(const struct task *task) {
  const struct contraction *c = task->c;
  int64_t longest = 1;
  for (unsigned i = 0; i < c->letters; i++)
    if (c->stride[task->target][i]) longest *= c->size[i];
  unsigned inner = c->letters ? c->letters - 1 : 0;
  for (unsigned i = 0; i < c->letters; i++)
    if (!c->stride[task->target][i] && c->size[i] > longest) longest = c->size[i], inner = i;
  return inner;
}

static void add_products(const struct task *task) {
  const struct contraction *c = task->c;
  struct block block = {.m = 0};
  struct walk walk;
  if (find_block(task, &block)) {
    add_blocks(task, &block);
    return;
  }
  /* Without letters there is one product. */
  const unsigned inner = choose_inner(task);
  const int64_t n = c->letters ? c->size[inner] : 1;
  const ptrdiff_t step = c->letters ? c->stride[task->target][inner] : 0;
  start_walk(&walk, c, 1, &inner);
  do {
    double *to = task->to + walk.at[task->target];
    if (step == 0) *to += sum_products(task, &walk, inner, n);
    for (int64_t i = 0; step && i < n; i++) to[i * step] += product_at(task, &walk, inner, i);
  } while (next_step(&walk, c));
}

static void einsum_forward(const struct call *call) {
  struct contraction c;
  clear(call->y.at, call->y.shape->size);
  if (!find_contraction(call, &c)) return;
  struct task task = {.c = &c, .target = 0, .to = call->y.at};
  for (unsigned k = 1; k < c.terms; k++) task.factor[k] = call->x[k - 1].at;
  add_products(&task);
}

/* The values of each letter that a part of a term leaves. */
static void narrow_letters(const struct subscript *term, const struct extent *part,
                           struct extent *letters) {
  for (unsigned i = 0; i < term->rank; i++) {
    struct extent *letter = &letters[(unsigned char)term->at[i]];
    if (part[i].from > letter->from) letter->from = part[i].from;
    if (part[i].to < letter->to) letter->to = part[i].to;
    if (letter->to < letter->from) letter->to = letter->from;
  }
}

enum { CHARACTERS = 128 };

static void start_letters(const struct call *call, struct spec *spec, struct extent *letters) {
  read_spec(call->attr[SPEC].text.at, call->attr[SPEC].text.size, spec);
  for (unsigned i = 0; i < CHARACTERS; i++) letters[i] = (struct extent){0, INT64_MAX};
  for (unsigned k = 0; k <= call->count; k++) {
    struct extent whole[RANK_MOST];
    take_all(whole, k ? call->x[k - 1].shape : call->y.shape);
    narrow_letters(&spec->term[k], whole, letters);
  }
}

static void part_of_letters(const struct subscript *term, const struct extent *letters,
                            struct extent *part) {
  for (unsigned i = 0; i < term->rank; i++) part[i] = letters[(unsigned char)term->at[i]];
}

static void reach_einsum(const struct call *call, unsigned k, const struct extent *x,
                         struct extent *y) {
  struct spec spec;
  struct extent letters[CHARACTERS];
  start_letters(call, &spec, letters);
  narrow_letters(&spec.term[k + 1], x, letters);
  part_of_letters(&spec.term[0], letters, y);
}

static void meet_einsum(const struct call *call, unsigned m, const struct extent *moved,
                        const struct extent *y, unsigned k, struct extent *x) {
  struct spec spec;
  struct extent letters[CHARACTERS];
  start_letters(call, &spec, letters);
  narrow_letters(&spec.term[0], y, letters);
  narrow_letters(&spec.term[m + 1], moved, letters);
  part_of_letters(&spec.term[k + 1], letters, x);
}

static const struct op_parts einsum_parts = {.reach = reach_einsum, .meet = meet_einsum};

static void einsum_backward(const struct call *call) {
  struct contraction c;
  if (!find_contraction(call, &c)) return;
  for (unsigned target = 1; target < c.terms; target++) {
    struct task task = {.c = &c, .target = target, .to = call->x[target - 1].bar};
    if (!task.to) continue;
    task.factor[0] = call->y.bar;
    for (unsigned k = 1; k < c.terms; k++)
      if (k != target) task.factor[k] = call->x[k - 1].at;
    add_products(&task);
  }
}

static const struct op_sample einsum_samples[] = {{"2,3;3,4", "spec=\"ij,jk->ik\""},
                                                  {"2,3;3,4", "spec=\"ij,jk\""},
                                                  {"3,3", "spec=\"ii->\""},
                                                  {"3,3", "spec=\"ii->i\""},
                                                  {"2,3", "spec=\"ij->j\""},
                                                  {"2,3", "spec=\"ij->ji\""},
                                                  {"3", "spec=\"i->ii\""},
                                                  {"3", "spec=\"i->ji\", shape=[2, 3]"},
                                                  {"2,3;4,3", "spec=\"ij,kj->\""},
                                                  {"2,3;3;4,3", "spec=\"ij,j,kj->ki\""},
                                                  {"2,1,3,2;2,1,4,2", "spec=\"bhqd,bhkd->bhqk\""},
                                                  {"2,2,3;3,2", "spec=\"bij,jk->bik\""},
                                                  {"3;2", "spec=\"i,j->ij\""},
                                                  {";3", "spec=\",i->i\""},
                                                  {"", "spec=\"->\""},
                                                  {"0,2;2,3", "spec=\"ij,jk->ik\""},
                                                  {"2,0;0,3", "spec=\"ij,jk->ik\""},
                                                  {NULL, NULL}};

/* ---- which axes are kept apart ------------------------------------------------------------- */

/* An axis of the batch of input k, as the batches broadcast: y has `own` axes of its own behind
 * them, the input has `inner`. */
static int apart_batched(const struct shape *y, unsigned own, const struct shape *x, unsigned inner,
                         unsigned axis) {
  if (axis + inner >= x->rank) return -1;
  return apart_as(y, (int)(axis + y->rank + inner) - (int)(own + x->rank), x, axis);
}

/* The rows of a, the columns of b, and the batch; the axes in between are summed over. */
static int apart_product(const struct attr *attr, const struct shape *y,
                         const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  const bool rows = x[0]->rank > 1, columns = x[1]->rank > 1;
  const unsigned own = rows + columns, inner = x[k]->rank > 1 ? 2 : 1;
  if (k == 0 && rows && axis + 2 == x[0]->rank) return (int)(y->rank - own);
  if (k == 1 && columns && axis + 1 == x[1]->rank) return (int)y->rank - 1;
  return apart_batched(y, own, x[k], inner, axis);
}

/* The columns of b, and the batch. */
static int apart_solved(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  const bool vector = x[1]->rank == 1;
  if (k == 1 && !vector && axis + 1 == x[1]->rank) return (int)y->rank - 1;
  return apart_batched(y, vector ? 1 : 2, x[k], k == 1 && vector ? 1 : 2, axis);
}

static int apart_outer(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                       unsigned k, unsigned axis) {
  (void)attr;
  return apart_as(y, (int)k, x[k], axis);
}

static int apart_diagonal(const struct attr *attr, const struct shape *y,
                          const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  return apart_as(y, 0, x[k], axis);
}

static int apart_vectors(const struct attr *attr, const struct shape *y,
                         const struct shape *const *x, unsigned k, unsigned axis) {
  return axis + 1 < x[k]->rank ? apart_entries(attr, y, x, k, axis) : -1;
}

/* The letters that the result has, too. */
static int apart_letters(const struct attr *attr, const struct shape *y,
                         const struct shape *const *x, unsigned k, unsigned axis) {
  struct spec spec;
  if (read_spec(attr[SPEC].text.at, attr[SPEC].text.size, &spec)) return -1;
  const char letter = spec.term[k + 1].at[axis];
  for (unsigned to = 0; to < spec.term[0].rank; to++)
    if (spec.term[0].at[to] == letter) return apart_as(y, (int)to, x[k], axis);
  return -1;
}

/* ---- the rows ---------------------------------------------------------------------------- */

/* ---- loops of generated code ------------------------------------------------------------------ */

static void outer_loops(const struct attr *attr, const struct shape *y, unsigned count,
                        const struct shape *const *x, struct loop_list *out) {
  struct loops *loops = add_nest(out, count);
  (void)attr, (void)x;
  add_loop(loops, y->dim[0], (ptrdiff_t)y->dim[1], (const ptrdiff_t[]){1, 0});
  add_loop(loops, y->dim[1], 1, (const ptrdiff_t[]){0, 1});
}

static void diag_loops(const struct attr *attr, const struct shape *y, unsigned count,
                       const struct shape *const *x, struct loop_list *out) {
  struct loops *loops = add_nest(out, count);
  size_t far;
  const int64_t n = (int64_t)diagonal(y->rank == 2 ? y : x[0], &far);
  const ptrdiff_t one = 1, step = (ptrdiff_t)far;
  (void)attr;
  out->filled = y->rank == 2;
  if (y->rank == 2)
    add_loop(loops, n, step, &one);
  else
    add_loop(loops, n, 1, &step);
}

static void trace_loops(const struct attr *attr, const struct shape *y, unsigned count,
                        const struct shape *const *x, struct loop_list *out) {
  struct loops *loops = add_nest(out, count);
  size_t far;
  const int64_t n = (int64_t)diagonal(x[0], &far);
  const ptrdiff_t step = (ptrdiff_t)far;
  (void)attr, (void)y;
  sum_up(out);
  add_loop(loops, n, 0, &step);
}

static const struct attr_spec triangular_attrs[] = {
    {"lower", "the lower triangle of a counts, else the upper one", .type = ATTR_BOOL,
     .fallback = {.given = true, .truth = true}},
    {"transpose", "a' in the place of a", .type = ATTR_BOOL,
     .fallback = {.given = true, .truth = false}},
    {.name = NULL}};

static const struct attr_spec einsum_attrs[] = {
    {"spec", "the letters of the inputs' axes, then those of the result: \"ij,jk->ik\"",
     .type = ATTR_TEXT, .required = true},
    {"shape", "the shape of the result: along letters that no input has, it repeats",
     .type = ATTR_INTS},
    {.name = NULL}};

/* What flows to b, where `transpose` is the one or the other. */
#define BACK_SOLVED "triangular_solve(a, upstream, lower=lower, transpose=true)"
#define BACK_SOLVED_TURNED "triangular_solve(a, upstream, lower=lower, transpose=false)"

const struct op linear_ops[] = {
    {.name = "matmul",
     .symbol = "@",
     .family = "linear algebra",
     .meaning = "product of matrices or vectors; axes before the last two are a batch that "
                "broadcasts (numpy.matmul)",
     .formula = "y_ij = sum_l a_il b_lj",
     .inputs = {"a", "b"},
     .code = {.loops = matmul_loops, .python = "a @ b"},
     .least = 2,
     .most = 2,
     .infer = infer_matmul,
     .forward = matmul_forward,
     .backward = matmul_backward,
     .apart = apart_product,
     .stores = true,
     .rules = {"rank(a) == 1 and rank(b) == 1: upstream * b;"
               "rank(a) == 1 and rank(b) == 2: b @ upstream;"
               "rank(a) == 1: sum_to(squeeze(b @ expand_dims(upstream, axis=-1), axis=-1), "
               "shape=a.shape);"
               "rank(a) == 2 and rank(b) == 1: outer(upstream, b);"
               "rank(b) == 1: expand_dims(upstream, axis=-1) * b;"
               "rank(a) == 2 and rank(b) == 2: upstream @ b.T;"
               "sum_to(upstream @ b.mT, shape=a.shape)",
               "rank(a) == 1 and rank(b) == 1: upstream * a;"
               "rank(a) == 2 and rank(b) == 1: upstream @ a;"
               "rank(b) == 1: sum_to(squeeze(expand_dims(upstream, axis=-2) @ a, axis=-2), "
               "shape=b.shape);"
               "rank(a) == 1 and rank(b) == 2: outer(a, upstream);"
               "rank(a) == 1: expand_dims(a, axis=-1) * expand_dims(upstream, axis=-2);"
               "rank(a) == 2 and rank(b) == 2: a.T @ upstream;"
               "sum_to(a.mT @ upstream, shape=b.shape)"},
     .parts = &product_parts,
     .linear = {1, 2},
     .samples = matmul_samples},
    {.name = "dot",
     .family = "linear algebra",
     .meaning = "inner product of two vectors",
     .formula = "y = sum_i a_i b_i",
     .inputs = {"a", "b"},
     .code = {.loops = matmul_loops, .python = "a @ b"},
     .least = 2,
     .most = 2,
     .infer = infer_dot,
     .forward = dot_forward,
     .backward = dot_backward,
     .rules = {"upstream * b", "upstream * a"},
     .parts = &dot_parts,
     .linear = {1, 2},
     .samples = dot_samples},
    {.name = "outer",
     .family = "linear algebra",
     .meaning = "outer product of two vectors",
     .formula = "y_ij = a_i b_j",
     .inputs = {"a", "b"},
     .code = {.loops = outer_loops, .python = "np.outer(a, b)"},
     .least = 2,
     .most = 2,
     .infer = infer_outer,
     .forward = outer_forward,
     .backward = outer_backward,
     .algebra = ALGEBRA_OUTER,
     .apart = apart_outer,
     .rules = {"upstream @ b", "a @ upstream"},
     .parts = &outer_parts,
     .linear = {1, 2},
     .samples = outer_samples},
    {.name = "diag",
     .family = "linear algebra",
     .meaning = "the matrix with a vector on its diagonal; of a matrix, its diagonal",
     .formula = "y_ii = x_i; y_i = x_ii",
     .inputs = {"x"},
     .code = {.loops = diag_loops, .python = "np.diag(x)"},
     .least = 1,
     .most = 1,
     .infer = infer_diag,
     .forward = diag_forward,
     .backward = diag_backward,
     .apart = apart_diagonal,
     .rules = {"rank(x) == 1: diag(upstream);"
               "x.shape[0] == x.shape[1]: diag(upstream);"
               "put_slice(diag(upstream), shape=x.shape, stop=[size(y), size(y)])"},
     .moves = true,
     .samples = diag_samples},
    {.name = "trace",
     .family = "linear algebra",
     .meaning = "sum of the diagonal",
     .formula = "y = sum_i x_ii",
     .inputs = {"x"},
     .code = {.loops = trace_loops, .python = "np.trace(x)"},
     .least = 1,
     .most = 1,
     .infer = infer_trace,
     .forward = trace_forward,
     .backward = trace_backward,
     .rules = {"x.shape[0] == x.shape[1]: upstream * diag(ones_like(diag(x)));"
               "put_slice(upstream * diag(ones_like(diag(x))), shape=x.shape, "
               "stop=[size(diag(x)), size(diag(x))])"},
     .linear = {1},
     .samples = trace_samples},
    {.name = "cross",
     .family = "linear algebra",
     .meaning = "cross product of vectors of 3 along the last axis",
     .formula = "y = a x b",
     .inputs = {"a", "b"},
     .code = {.whole = "cross(y, a, b)", .core = {1, 1}, .python = "cross(a, b)"},
     .least = 2,
     .most = 2,
     .infer = infer_cross,
     .forward = cross_forward,
     .backward = cross_backward,
     .apart = apart_vectors,
     .rules = {"sum_to(cross(b, upstream), shape=a.shape)",
               "sum_to(cross(upstream, a), shape=b.shape)"},
     .parts = &cross_parts,
     .linear = {1, 2},
     .samples = cross_samples},
    {.name = "inv",
     .family = "linear algebra",
     .meaning = "inverse of a matrix, or of each in a batch; a singular one is an error",
     .formula = "y = x^-1",
     .inputs = {"x"},
     .code = {.whole = "solve(y, x, NULL, {x.shape[-1]}, {x.shape[-1]}, work)",
              .core = {2},
              .work = "x.shape[-1] * x.shape[-1]",
              .python = "np.linalg.inv(x)"},
     .least = 1,
     .most = 1,
     .infer = infer_square,
     .forward = inv_forward,
     .backward = inv_backward,
     .apart = apart_batch,
     .scratch = square_scratch,
     .rules = {"-y.mT @ upstream @ y.mT"},
     .samples = square_samples},
    {.name = "det",
     .family = "linear algebra",
     .meaning = "determinant of a matrix, or of each in a batch",
     .formula = "y = det x",
     .inputs = {"x"},
     .code = {.whole = "determinant(y, x, {x.shape[-1]}, work)",
              .core = {2},
              .work = "x.shape[-1] * x.shape[-1]",
              .python = "np.linalg.det(x)"},
     .least = 1,
     .most = 1,
     .infer = infer_determinant,
     .forward = det_forward,
     .backward = det_backward,
     .apart = apart_batch,
     .scratch = det_scratch,
     .rules = {"expand_dims(upstream, axis=[-2, -1]) * cofactor(x)"},
     .samples = square_samples},
    {.name = "logdet",
     .family = "linear algebra",
     .meaning = "logarithm of the determinant, NaN where that is negative; a singular matrix is an "
                "error",
     .formula = "y = ln det x",
     .inputs = {"x"},
     .code = {.whole = "logdet(y, x, {x.shape[-1]}, work)",
              .core = {2},
              .work = "x.shape[-1] * x.shape[-1]",
              .python = "logdet(x)"},
     .least = 1,
     .most = 1,
     .infer = infer_determinant,
     .forward = logdet_forward,
     .backward = logdet_backward,
     .apart = apart_batch,
     .scratch = square_scratch,
     .rules = {"expand_dims(upstream, axis=[-2, -1]) * inv(x).mT"},
     .samples = positive_samples,
     .domain = {{0.5, 2}}},
    {.name = "cofactor",
     .family = "adjoint ops",
     .meaning =
         "the matrix of cofactors, det(x) inv(x).mT also where x is singular: the derivative "
         "of det",
     .formula = "y_ij = (-1)^(i+j) det(x without row i and column j)",
     .inputs = {"x"},
     .code = {.whole = "cofactor(y, x, {x.shape[-1]}, work)",
              .core = {2},
              .work = "x.shape[-1] * x.shape[-1]",
              .python = "cofactor(x)"},
     .least = 1,
     .most = 1,
     .infer = infer_square,
     .forward = cofactor_forward,
     .backward = cofactor_backward,
     .apart = apart_batch,
     .scratch = square_scratch,
     .rules = {"x.shape[-1] == 1: zeros_like(x);"
               "x.shape[-1] == 2: cofactor(upstream);"
               "(sum(upstream * y, axis=[-2, -1], keepdims=true) * y - y @ upstream.mT @ y)"
               " / expand_dims(det(x), axis=[-2, -1])"},
     .kinks = cofactor_kinks,
     .convention = "not finite",
     .undefined = {"x is singular and has three rows or more"},
     .samples = square_samples},
    {.name = "solve",
     .family = "linear algebra",
     .meaning = "the solution x of a x = b, for a vector b or matrices; a singular a is an error",
     .formula = "y = a^-1 b",
     .inputs = {"a", "b"},
     .code = {.whole = "rank(b) == 1 => solve(y, a, b, {a.shape[-1]}, 1, work)\n"
                       "solve(y, a, b, {a.shape[-1]}, {b.shape[-1]}, work)",
              .core = {2, 2},
              .work = "a.shape[-1] * a.shape[-1]",
              .python = "solve(a, b)"},
     .least = 2,
     .most = 2,
     .infer = infer_solve,
     .forward = solve_forward,
     .backward = solve_backward,
     .apart = apart_solved,
     .scratch = square_scratch,
     .rules = {"rank(a) == 2 and rank(b) == 1: -outer(solve(a.T, upstream), y);"
               "rank(b) == 1: -solve(a.mT, expand_dims(upstream, axis=-1)) @ "
               "expand_dims(y, axis=-2);"
               "sum_to(-solve(a.mT, upstream) @ y.mT, shape=a.shape)",
               "rank(a) == 2 and rank(b) == 1: solve(a.T, upstream);"
               "rank(b) == 1: sum_to(squeeze(solve(a.mT, expand_dims(upstream, axis=-1)), "
               "axis=-1), shape=b.shape);"
               "sum_to(solve(a.mT, upstream), shape=b.shape)"},
     .linear = {0, 2},
     .samples = solve_samples},
    {.name = "triangular_solve",
     .family = "linear algebra",
     .meaning = "the solution x of a x = b for a triangular a, of which only that triangle is read",
     .formula = "y = a^-1 b",
     .inputs = {"a", "b"},
     .code =
         {.whole =
              "rank(b) == 1 => triangular_solve(y, a, b, {a.shape[-1]}, 1, {lower}, {transpose})\n"
              "triangular_solve(y, a, b, {a.shape[-1]}, {b.shape[-1]}, {lower}, {transpose})",
          .core = {2, 2},
          .python = "triangular_solve(a, b, {lower}, {transpose})"},
     .least = 2,
     .most = 2,
     .attrs = triangular_attrs,
     .infer = infer_triangular_solve,
     .forward = triangular_solve_forward,
     .backward = triangular_solve_backward,
     .apart = apart_solved,
     .scratch = square_scratch,
     .rules = {"rank(b) == 1 and lower and transpose: -tril(outer(y, " BACK_SOLVED_TURNED "));"
               "rank(b) == 1 and lower: -tril(outer(" BACK_SOLVED ", y));"
               "rank(b) == 1 and transpose: -triu(outer(y, " BACK_SOLVED_TURNED "));"
               "rank(b) == 1: -triu(outer(" BACK_SOLVED ", y));"
               "lower and transpose: sum_to(-tril(y @ " BACK_SOLVED_TURNED ".mT), shape=a.shape);"
               "lower: sum_to(-tril(" BACK_SOLVED " @ y.mT), shape=a.shape);"
               "transpose: sum_to(-triu(y @ " BACK_SOLVED_TURNED ".mT), shape=a.shape);"
               "sum_to(-triu(" BACK_SOLVED " @ y.mT), shape=a.shape)",
               "transpose: sum_to(" BACK_SOLVED_TURNED ", shape=b.shape);"
               "sum_to(" BACK_SOLVED ", shape=b.shape)"},
     .linear = {0, 2},
     .samples = triangular_samples,
     .domain = {{0.5, 2}, {-2, 2}}},
    {.name = "cholesky",
     .family = "linear algebra",
     .meaning =
         "the lower triangle L with L L' = (x + x') / 2; an error where that is not positive "
         "definite",
     .formula = "y y' = (x + x') / 2",
     .inputs = {"x"},
     .code = {.whole = "cholesky(y, x, {x.shape[-1]})",
              .core = {2},
              .python = "np.linalg.cholesky((x + np.swapaxes(x, -1, -2)) / 2)"},
     .least = 1,
     .most = 1,
     .infer = infer_square,
     .forward = cholesky_forward,
     .backward = cholesky_backward,
     .apart = apart_batch,
     .scratch = square_scratch,
     .rules = {"0.5 * triangular_solve(y, triangular_solve(y, tril(y.mT @ upstream) + "
               "tril(y.mT @ upstream, k=-1).mT, transpose=true).mT, transpose=true)"},
     .samples = positive_samples,
     .domain = {{0.5, 2}}},
    {.name = "einsum",
     .family = "linear algebra",
     .meaning = "sum of products over named axes (numpy.einsum); a letter twice in one term means "
                "its diagonal",
     .formula = "ij,jk->ik: y_ik = sum_j a_ij b_jk",
     .inputs = {"x"},
     .code = {.loops = einsum_loops,
              .python =
                  "plain(spec) => np.einsum({spec}, inputs)\neinsum({spec}, {shape(y)}, inputs)"},
     .least = 1,
     .most = OP_ANY,
     .attrs = einsum_attrs,
     .infer = infer_einsum,
     .forward = einsum_forward,
     .backward = einsum_backward,
     .apart = apart_letters,
     .rules = {"einsum(upstream, others, spec=adjoint(spec, position), shape=x.shape)"},
     .parts = &einsum_parts,
     .linear = {LINEAR_EACH},
     .samples = einsum_samples},
    {.name = NULL}};
