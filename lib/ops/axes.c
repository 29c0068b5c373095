#include "ops/axes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/vector_math.h"

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

int apart_beside_axis(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                      unsigned k, unsigned axis) {
  if (has_axis(axis_of(&attr[0], y->rank), axis)) return -1;
  return apart_as(y, (int)axis, x[k], axis);
}

int apart_beside_axes(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                      unsigned k, unsigned axis) {
  if (has_axis(axes_of(&attr[0], y->rank), axis)) return -1;
  return apart_as(y, (int)axis, x[k], axis);
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

/* ---- parts ------------------------------------------------------------------------------- */

void take_along(struct extent *part, const struct shape *shape, axis_set axes) {
  for (unsigned i = 0; i < shape->rank; i++)
    if (has_axis(axes, i)) part[i] = (struct extent){0, shape->dim[i]};
}

void reduce_part(struct extent *y, const struct extent *x, const struct shape *shape, axis_set axes,
                 bool keep) {
  for (unsigned i = 0; i < shape->rank; i++)
    if (!has_axis(axes, i))
      *y++ = x[i];
    else if (keep)
      *y++ = (struct extent){0, 1};
}

void spread_part(struct extent *x, const struct extent *y, const struct shape *shape, axis_set axes,
                 bool keep, const struct extent *moved) {
  for (unsigned i = 0; i < shape->rank; i++) {
    const bool reduced = has_axis(axes, i);
    x[i] = !reduced ? *y : moved ? moved[i] : (struct extent){0, shape->dim[i]};
    if (!reduced || keep) y++;
  }
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

enum { PIECE = 256, BUNDLE = 8, LANES = 8 };

/* Inner loops of a sweep along which entries go to the same results: several at a time, so that
 * the results are read and written once for all of them. */
struct bundle {
  size_t count, n; /* loops, their length */
  ptrdiff_t from[BUNDLE], to, step;
};

/* The next of them; false where there is none. */
static bool next_bundle(struct bundle *bundle, struct sweep *s) {
  bundle->count = 0;
  bundle->n = s->n, bundle->to = s->at[1], bundle->step = s->step[1];
  for (; sweep_more(s) && s->at[1] == bundle->to && bundle->count < BUNDLE; sweep_next(s))
    bundle->from[bundle->count++] = s->at[0];
  return bundle->count > 0;
}

/* y += the sum of eight terms, entry by entry. */
static void add_eight(double *restrict y, double *restrict lost, const double *const term[BUNDLE],
                      size_t n) {
  const double *t0 = term[0], *t1 = term[1], *t2 = term[2], *t3 = term[3];
  const double *t4 = term[4], *t5 = term[5], *t6 = term[6], *t7 = term[7];
  for (size_t i = 0; i < n; i++)
    add_exactly(&y[i], &lost[i],
                ((t0[i] + t1[i]) + (t2[i] + t3[i])) + ((t4[i] + t5[i]) + (t6[i] + t7[i])));
}

static void add_one(double *restrict y, double *restrict lost, const double *restrict term,
                    size_t n) {
  for (size_t i = 0; i < n; i++) add_exactly(&y[i], &lost[i], term[i]);
}

/* Where terms [first, first + n) of an inner loop are: in the tensor, or made in `buffer`. */
static const double *terms_of(const struct terms *terms, const struct bundle *bundle, size_t loop,
                              size_t first, size_t n, double *buffer) {
  const ptrdiff_t at = bundle->from[loop] + (ptrdiff_t)first;
  if (!terms->of) return terms->a + at;
  const ptrdiff_t to = bundle->to + (ptrdiff_t)first * bundle->step;
  terms->of(buffer, terms->a + at, terms->b ? terms->b + at : NULL, terms->p ? terms->p + to : NULL,
            bundle->step, n);
  return buffer;
}

/* Adds the terms of loops whose entries go to one result each. */
static void add_across(double *y, double *lost, const struct bundle *bundle,
                       const struct terms *terms) {
  double buffer[BUNDLE][PIECE];
  const double *term[BUNDLE];
  for (size_t first = 0, n; first < bundle->n; first += n) {
    n = bundle->n - first < PIECE ? bundle->n - first : PIECE;
    for (size_t k = 0; k < bundle->count; k++)
      term[k] = terms_of(terms, bundle, k, first, n, buffer[k]);
    double *to = y + bundle->to + first, *rest = lost + bundle->to + first;
    if (bundle->count == BUNDLE)
      add_eight(to, rest, term, n);
    else
      for (size_t k = 0; k < bundle->count; k++) add_one(to, rest, term[k], n);
  }
}

/* Adds the terms of loops whose entries all go to the same result. */
static void add_within(double *y, double *lost, const struct bundle *bundle,
                       const struct terms *terms) {
  double buffer[PIECE];
  const size_t piece = terms->of ? PIECE : bundle->n;
  for (size_t k = 0; k < bundle->count; k++)
    for (size_t first = 0, n; first < bundle->n; first += n) {
      n = bundle->n - first < piece ? bundle->n - first : piece;
      const double *term = terms_of(terms, bundle, k, first, n, buffer);
      add_exactly(&y[bundle->to], &lost[bundle->to], pairwise_sum(term, n, 1));
    }
}

void sum_along(double *y, double *lost, const struct shape *shape, axis_set axes,
               struct terms terms) {
  size_t count = count_across(shape, axes);
  memset(y, 0, count * sizeof *y);
  memset(lost, 0, count * sizeof *lost);
  struct sweep s;
  struct bundle bundle;
  sweep_along(&s, shape, axes);
  while (next_bundle(&bundle, &s))
    (bundle.step == 0 ? add_within : add_across)(y, lost, &bundle, &terms);
  for (size_t i = 0; i < count; i++) y[i] = exact_sum(y[i], lost[i]);
}

/* `beats` says whether x takes the place of y; a NaN always does, and keeps it. */
#define EXTREME_ALONG(name, nothing, beats)                                                        \
  static inline double name##_of(double y, double x) {                                             \
    const double best = x beats y ? x : y;                                                         \
    return x != x ? x : best; /* two choices, no branch */                                         \
  }                                                                                                \
                                                                                                   \
  static double name##_within(const double *x, size_t n, double best) {                            \
    double lane[LANES];                                                                            \
    size_t i = 0;                                                                                  \
    for (size_t k = 0; k < LANES; k++) lane[k] = best;                                             \
    for (; i + LANES <= n; i += LANES)                                                             \
      for (size_t k = 0; k < LANES; k++) lane[k] = name##_of(lane[k], x[i + k]);                   \
    for (; i < n; i++) best = name##_of(best, x[i]);                                               \
    for (size_t k = 0; k < LANES; k++) best = name##_of(best, lane[k]);                            \
    return best;                                                                                   \
  }                                                                                                \
                                                                                                   \
  static void name##_across(double *restrict y, const double *x, const struct bundle *bundle) {    \
    size_t k = 0;                                                                                  \
    for (; k + 4 <= bundle->count; k += 4) {                                                       \
      const double *x0 = x + bundle->from[k], *x1 = x + bundle->from[k + 1];                       \
      const double *x2 = x + bundle->from[k + 2], *x3 = x + bundle->from[k + 3];                   \
      for (size_t i = 0; i < bundle->n; i++)                                                       \
        y[i] = name##_of(y[i], name##_of(name##_of(x0[i], x1[i]), name##_of(x2[i], x3[i])));       \
    }                                                                                              \
    for (; k < bundle->count; k++)                                                                 \
      for (size_t i = 0; i < bundle->n; i++)                                                       \
        y[i] = name##_of(y[i], x[bundle->from[k] + (ptrdiff_t)i]);                                 \
  }                                                                                                \
                                                                                                   \
  void name##_along(double *y, const struct shape *shape, axis_set axes, const double *x) {        \
    const size_t count = count_across(shape, axes);                                                \
    for (size_t i = 0; i < count; i++) y[i] = (nothing);                                           \
    struct sweep s;                                                                                \
    struct bundle bundle;                                                                          \
    sweep_along(&s, shape, axes);                                                                  \
    while (next_bundle(&bundle, &s)) {                                                             \
      double *to = y + bundle.to;                                                                  \
      if (bundle.step == 0)                                                                        \
        for (size_t k = 0; k < bundle.count; k++)                                                  \
          *to = name##_within(x + bundle.from[k], bundle.n, *to);                                  \
      else                                                                                         \
        name##_across(to, x, &bundle);                                                             \
    }                                                                                              \
  }

EXTREME_ALONG(max, -INFINITY, >)
EXTREME_ALONG(min, INFINITY, <)

void distances(double *to, const double *x, const double *most, ptrdiff_t step, size_t n) {
  if (step == 0)
    for (size_t i = 0; i < n; i++) to[i] = x[i] == *most ? 0 : x[i] - *most;
  else
    for (size_t i = 0; i < n; i++) to[i] = x[i] == most[i] ? 0 : x[i] - most[i];
}

double exp_below(double x, double most) { return x == most ? 1 : exp(x - most); }

static void few_exp_terms(double *term, const double *a, const double *b, const double *p,
                          ptrdiff_t step, size_t n) {
  (void)b;
  for (size_t i = 0; i < n; i++) term[i] = exp_below(a[i], p[(ptrdiff_t)i * step]);
}

static void many_exp_terms(double *term, const double *a, const double *b, const double *p,
                           ptrdiff_t step, size_t n) {
  (void)b;
  distances(term, a, p, step, n);
  exp_many(term, term, n);
}

make_terms *exp_terms(const struct shape *shape) {
  return shape->size < MANY_LEAST ? few_exp_terms : many_exp_terms;
}

void product_terms(double *term, const double *a, const double *b, const double *p, ptrdiff_t step,
                   size_t n) {
  (void)p, (void)step;
  for (size_t i = 0; i < n; i++) term[i] = a[i] * b[i];
}
