#include "ops/axes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- sets of axes ------------------------------------------------------------------------ */

static axis_set single(int64_t axis, unsigned rank) {
  normalise_axis(&axis, rank);
  return (axis_set)1 << axis;
}

axis_set axes_of(const struct attr *axes, unsigned rank) {
  if (!axes->given) return (axis_set)ALL_AXES;
  axis_set set = 0;
  for (size_t i = 0; i < axes->ints.count; i++) set |= single(axes->ints.at[i], rank);
  return set;
}

axis_set axis_of(const struct attr *axis, unsigned rank) { return single(axis->integer, rank); }

static bool complain(struct infer *infer, const char *name, int64_t axis, const char *what) {
  char text[80];
  snprintf(text, sizeof text, "axis %lld %s", (long long)axis, what);
  return infer_fail_attr(infer, name, text);
}

static bool check_axis(struct infer *infer, const char *name, int64_t axis, axis_set *set) {
  int64_t place = axis;
  if (!normalise_axis(&place, infer->x[0].rank))
    return complain(infer, name, axis, "is out of range: %0");
  if (has_axis(*set, (unsigned)place)) return complain(infer, name, axis, "is given twice");
  *set |= (axis_set)1 << place;
  return true;
}

bool infer_axes(struct infer *infer, const char *name, const struct attr *axes, axis_set *set) {
  *set = axes->given ? 0 : (axis_set)ALL_AXES;
  for (size_t i = 0; axes->given && i < axes->ints.count; i++)
    if (!check_axis(infer, name, axes->ints.at[i], set)) return false;
  return true;
}

bool infer_axis(struct infer *infer, const char *name, const struct attr *axis, axis_set *set) {
  *set = 0;
  return check_axis(infer, name, axis->integer, set);
}

size_t count_along(const struct shape *shape, axis_set axes) {
  size_t count = 1;
  for (unsigned i = 0; i < shape->rank; i++)
    if (has_axis(axes, i)) count *= (size_t)shape->dim[i];
  return count;
}

size_t count_across(const struct shape *shape, axis_set axes) { return count_along(shape, ~axes); }

struct dims reduce_dims(const struct dims *dims, axis_set axes, bool keep) {
  struct dims left = {.rank = 0};
  for (unsigned i = 0; i < dims->rank; i++)
    if (!has_axis(axes, i))
      left.at[left.rank++] = dims->at[i];
    else if (keep)
      left.at[left.rank++] = 1;
  return left;
}

/* ---- walking ----------------------------------------------------------------------------- */

void reduced_strides(const struct shape *shape, axis_set axes, ptrdiff_t *strides) {
  ptrdiff_t stride = 1;
  for (unsigned i = shape->rank; i-- > 0;) {
    strides[i] = has_axis(axes, i) ? 0 : stride;
    if (!has_axis(axes, i)) stride *= shape->dim[i];
  }
}

void sweep_along(struct sweep *sweep, const struct shape *shape, axis_set axes) {
  ptrdiff_t strides[2][RANK_MOST];
  shape_strides(shape, strides[0]);
  reduced_strides(shape, axes, strides[1]);
  sweep_strided(sweep, shape, 2, (const ptrdiff_t(*)[RANK_MOST])strides, NULL);
}

void sweep_back(struct sweep *sweep, const struct shape *shape, axis_set axes) {
  ptrdiff_t strides[2][RANK_MOST], last[2] = {0, 0};
  shape_strides(shape, strides[0]);
  reduced_strides(shape, axes, strides[1]);
  for (unsigned k = 0; k < 2; k++)
    for (unsigned i = 0; i < shape->rank; i++) {
      last[k] += (shape->dim[i] - 1) * strides[k][i];
      strides[k][i] = -strides[k][i];
    }
  sweep_strided(sweep, shape, 2, (const ptrdiff_t(*)[RANK_MOST])strides, last);
}

/* ---- reducing ---------------------------------------------------------------------------- */

enum { PIECE = 256, LANES = 8 };

/* y += term, entry by entry; the fixed length lets compilers use vectors. */
static void add_terms(double *restrict y, double *restrict lost, const double *restrict term,
                      size_t n) {
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = i; k < i + LANES; k++) add_exactly(&y[k], &lost[k], term[k]);
  for (; i < n; i++) add_exactly(&y[i], &lost[i], term[i]);
}

/* Adds the terms of one inner loop of a sweep. */
static void add_run(double *y, double *lost, const struct sweep *s, struct terms terms) {
  double buffer[PIECE];
  size_t piece = terms.of ? PIECE : s->n;
  for (size_t from = 0, n; from < s->n; from += n) {
    n = s->n - from < piece ? s->n - from : piece;
    ptrdiff_t at = s->at[0] + (ptrdiff_t)from, to = s->at[1] + (ptrdiff_t)from * s->step[1];
    const double *term = terms.a + at;
    if (terms.of) {
      terms.of(buffer, terms.a + at, terms.b ? terms.b + at : NULL, terms.p ? terms.p + to : NULL,
               s->step[1], n);
      term = buffer;
    }
    if (s->step[1] == 0)
      add_exactly(&y[to], &lost[to], pairwise_sum(term, n, 1));
    else
      add_terms(y + to, lost + to, term, n);
  }
}

void sum_along(double *y, double *lost, const struct shape *shape, axis_set axes,
               struct terms terms) {
  size_t count = count_across(shape, axes);
  memset(y, 0, count * sizeof *y);
  memset(lost, 0, count * sizeof *lost);
  struct sweep s;
  for (sweep_along(&s, shape, axes); sweep_more(&s); sweep_next(&s)) add_run(y, lost, &s, terms);
  for (size_t i = 0; i < count; i++) y[i] = exact_sum(y[i], lost[i]);
}

/* `beats` says whether x takes the place of y; a NaN always does, and keeps it. */
#define EXTREME_ALONG(name, nothing, beats)                                                        \
  void name##_along(double *y, const struct shape *shape, axis_set axes, const double *x) {        \
    size_t count = count_across(shape, axes);                                                      \
    for (size_t i = 0; i < count; i++) y[i] = (nothing);                                           \
    struct sweep s;                                                                                \
    for (sweep_along(&s, shape, axes); sweep_more(&s); sweep_next(&s)) {                           \
      const double *from = x + s.at[0];                                                            \
      double *to = y + s.at[1], best = *to;                                                        \
      if (s.step[1] == 0) {                                                                        \
        for (size_t i = 0; i < s.n; i++)                                                           \
          if (from[i] beats best || from[i] != from[i]) best = from[i];                            \
        *to = best;                                                                                \
      } else                                                                                       \
        for (size_t i = 0; i < s.n; i++)                                                           \
          if (from[i] beats to[i] || from[i] != from[i]) to[i] = from[i];                          \
    }                                                                                              \
  }

EXTREME_ALONG(max, -INFINITY, >)
EXTREME_ALONG(min, INFINITY, <)

double exp_below(double x, double most) { return x == most ? 1 : exp(x - most); }

void exp_terms(double *term, const double *a, const double *b, const double *p, ptrdiff_t step,
               size_t n) {
  (void)b;
  for (size_t i = 0; i < n; i++) term[i] = exp_below(a[i], p[(ptrdiff_t)i * step]);
}

void product_terms(double *term, const double *a, const double *b, const double *p, ptrdiff_t step,
                   size_t n) {
  (void)p, (void)step;
  for (size_t i = 0; i < n; i++) term[i] = a[i] * b[i];
}
