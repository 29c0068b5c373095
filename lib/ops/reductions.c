/* Reductions: the entries along some axes become one.  Their first attribute is `axis`, their
 * second `keepdims`.  In the rules, the shape kept(x, axis) is the one that broadcasts to x. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/axes.h"
#include "ops/loops.h"
#include "ops/rows.h"

enum { AXIS, KEEPDIMS, OWN }; /* attributes; OWN is norm's ord and var's and std's ddof */

static axis_set reduced_axes(const struct call *call) {
  return axes_of(&call->attr[AXIS], call->x[0].shape->rank);
}

/* How many entries become one. */
static size_t reduced_count(const struct call *call) {
  return count_along(call->x[0].shape, reduced_axes(call));
}

static void sum_terms(const struct call *call, double *y, double *lost, struct terms terms) {
  terms.a = call->x[0].at;
  sum_along(y, lost, call->x[0].shape, reduced_axes(call), terms);
}

static size_t one_a_result(const struct attr *attr, const struct shape *y, unsigned count,
                           const struct shape *const *x) {
  (void)attr, (void)count, (void)x;
  return y->size;
}

static size_t two_a_result(const struct attr *attr, const struct shape *y, unsigned count,
                           const struct shape *const *x) {
  return 2 * one_a_result(attr, y, count, x);
}

static size_t three_a_result(const struct attr *attr, const struct shape *y, unsigned count,
                             const struct shape *const *x) {
  return 3 * one_a_result(attr, y, count, x);
}

/* ---- parts ------------------------------------------------------------------------------- */

static bool keeps_axes(const struct call *call) {
  return call->attr[KEEPDIMS].given && call->attr[KEEPDIMS].truth;
}

static void reach_reduced(const struct call *call, unsigned k, const struct extent *x,
                          struct extent *y) {
  reduce_part(y, x, call->x[k].shape, reduced_axes(call), keeps_axes(call));
}

static void need_reduced(const struct call *call, unsigned k, const struct extent *y,
                         struct extent *x) {
  spread_part(x, y, call->x[k].shape, reduced_axes(call), keeps_axes(call), NULL);
}

static void meet_reduced(const struct call *call, unsigned m, const struct extent *moved,
                         const struct extent *y, unsigned k, struct extent *x) {
  (void)m;
  spread_part(x, y, call->x[k].shape, reduced_axes(call), keeps_axes(call), moved);
}

static double share_of_mean(const struct call *call, const struct call *part) {
  return (double)reduced_count(part) / (double)reduced_count(call);
}

static const struct op_parts reduced_parts = {.reach = reach_reduced, .need = need_reduced};
static const struct op_parts sum_parts = {.reach = reach_reduced, .meet = meet_reduced};
static const struct op_parts mean_parts = {
    .reach = reach_reduced, .meet = meet_reduced, .share = share_of_mean};

/* name_spread: adds `slope` to the adjoint of every entry.  It is an expression over the entry x,
 * its result y, the upstream gradient g, the result's number p in `per_result` (y itself where there
 * is none), and n, how many entries become one. */
#define SPREAD(name, slope)                                                                        \
  static void name##_spread(const struct call *call, const double *per_result) {                   \
    if (!call->x[0].bar) return;                                                                   \
    const double n = (double)reduced_count(call);                                                  \
    (void)n;                                                                                       \
    struct sweep s;                                                                                \
    for (sweep_along(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s)) {  \
      const double *px = call->x[0].at + s.at[0];                                                  \
      double *bar = call->x[0].bar + s.at[0];                                                      \
      for (size_t i = 0; i < s.n; i++) {                                                           \
        const size_t to = (size_t)(s.at[1] + (ptrdiff_t)i * s.step[1]);                            \
        const double x = px[i], y = call->y.at[to], g = call->y.bar[to];                           \
        const double p = per_result[to];                                                           \
        (void)x, (void)y, (void)g, (void)p;                                                        \
        bar[i] += (slope);                                                                         \
      }                                                                                            \
    }                                                                                              \
  }

/* name_report: reports every entry for which `kink` holds, an expression as above. */
#define REPORT(name, kink)                                                                         \
  static void name##_report(const struct call *call, struct kinks *kinks,                          \
                            const double *per_result) {                                            \
    const double n = (double)reduced_count(call);                                                  \
    (void)n;                                                                                       \
    struct sweep s;                                                                                \
    for (sweep_along(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s))    \
      for (size_t i = 0; i < s.n; i++) {                                                           \
        const size_t at = (size_t)s.at[0] + i, to = (size_t)(s.at[1] + (ptrdiff_t)i * s.step[1]);  \
        const double x = call->x[0].at[at], y = call->y.at[to];                                    \
        const double p = per_result[to];                                                           \
        (void)x, (void)y, (void)p;                                                                 \
        if (kink) kinks->add(kinks, 0, at);                                                        \
      }                                                                                            \
  }

/* ---- sum, mean --------------------------------------------------------------------------- */

static void sum_forward(const struct call *call) {
  sum_terms(call, call->y.at, call->scratch, (struct terms){.of = NULL});
}

SPREAD(sum, g)

static void sum_backward(const struct call *call) { sum_spread(call, call->y.at); }

static void mean_forward(const struct call *call) {
  sum_forward(call);
  const double n = (double)reduced_count(call);
  for (size_t i = 0; i < call->y.shape->size; i++) call->y.at[i] /= n;
}

SPREAD(mean, g / n)

static void mean_backward(const struct call *call) { mean_spread(call, call->y.at); }

/* ---- max, min ---------------------------------------------------------------------------- */

static void max_forward(const struct call *call) {
  max_along(call->y.at, call->x[0].shape, reduced_axes(call), call->x[0].at);
}

static void min_forward(const struct call *call) {
  min_along(call->y.at, call->x[0].shape, reduced_axes(call), call->x[0].at);
}

/* How many entries attain each result: value = y, an expression over the entry x. */
#define COUNT_WINNERS(name, value)                                                                 \
  static void name(const struct call *call, double *winners) {                                     \
    memset(winners, 0, call->y.shape->size * sizeof *winners);                                     \
    struct sweep s;                                                                                \
    for (sweep_along(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s)) {  \
      const double *px = call->x[0].at + s.at[0], *py = call->y.at + s.at[1];                      \
      double *to = winners + s.at[1];                                                              \
      size_t won = 0;                                                                              \
      for (size_t i = 0; s.step[1] == 0 && i < s.n; i++) {                                         \
        const double x = px[i];                                                                    \
        won += (value) == *py;                                                                     \
      }                                                                                            \
      *to += (double)won;                                                                          \
      for (size_t i = 0; s.step[1] == 1 && i < s.n; i++) {                                         \
        const double x = px[i];                                                                    \
        to[i] += (value) == py[i] ? 1.0 : 0.0;                                                     \
      }                                                                                            \
    }                                                                                              \
  }

COUNT_WINNERS(count_winners, x)
COUNT_WINNERS(count_sizes, fabs(x))

/* What each of them gets.  Nothing attains a NaN: that result's gradient is NaN. */
static void share_upstream(const struct call *call, double *winners) {
  for (size_t i = 0; i < call->y.shape->size; i++)
    winners[i] = winners[i] > 0 ? call->y.bar[i] / winners[i] : NAN;
}

SPREAD(extreme, x == y || y != y ? p : 0)
REPORT(extreme, x == y && p > 1)

static void extreme_backward(const struct call *call) {
  count_winners(call, call->scratch);
  share_upstream(call, call->scratch);
  extreme_spread(call, call->scratch);
}

/* Which entry each result is, the first of equals. */
static uint64_t extreme_branches(const struct call *call) {
  uint64_t branches = 0;
  struct sweep s;
  for (sweep_along(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      const double y = call->y.at[s.at[1] + (ptrdiff_t)i * s.step[1]];
      if (call->x[0].at[s.at[0] + (ptrdiff_t)i] == y)
        branches = join_piece(branches, (double)(s.at[0] + (ptrdiff_t)i));
    }
  return branches;
}

static void extreme_kinks(const struct call *call, struct kinks *kinks) {
  count_winners(call, call->scratch);
  extreme_report(call, kinks, call->scratch);
}

/* ---- logsumexp --------------------------------------------------------------------------- */

/* The largest is taken out first, so that nothing overflows.  It and the sum of the rest stay in
 * scratch: entry x contributes e^(x - largest) / sum.  Where the largest is infinite, the entries
 * that attain it share equally. */
static void logsumexp_forward(const struct call *call) {
  const size_t results = call->y.shape->size;
  double *largest = call->scratch, *sum = largest + results, *lost = sum + results;
  max_along(largest, call->x[0].shape, reduced_axes(call), call->x[0].at);
  sum_terms(call, sum, lost, (struct terms){.of = exp_terms(call->x[0].shape), .p = largest});
  for (size_t i = 0; i < results; i++) call->y.at[i] = largest[i] + log(sum[i]);
}

SPREAD(logsumexp, g *exp_below(x, p) / per_result[call->y.shape->size + to])

static void logsumexp_backward(const struct call *call) { logsumexp_spread(call, call->scratch); }

/* ---- norm -------------------------------------------------------------------------------- */

static void absolute_terms(double *term, const double *a, const double *b, const double *p,
                           ptrdiff_t step, size_t n) {
  (void)b, (void)p, (void)step;
  for (size_t i = 0; i < n; i++) term[i] = fabs(a[i]);
}

static void square_terms(double *term, const double *a, const double *b, const double *p,
                         ptrdiff_t step, size_t n) {
  (void)b;
  for (size_t i = 0; i < n; i++) {
    const double x = a[i] * p[(ptrdiff_t)i * step];
    term[i] = x * x;
  }
}

static void norm_1_forward(const struct call *call) {
  sum_terms(call, call->y.at, call->scratch, (struct terms){.of = absolute_terms});
}

static void norm_inf_forward(const struct call *call) {
  double *y = call->y.at, *least = call->scratch;
  max_forward(call);
  min_along(least, call->x[0].shape, reduced_axes(call), call->x[0].at);
  for (size_t i = 0; i < call->y.shape->size; i++) {
    if (-least[i] > y[i]) y[i] = -least[i];
    if (y[i] <= 0) y[i] = 0; /* -0, and -inf of nothing */
  }
}

/* The power of two that brings a number into the range where squares are exact enough; 1 where it
 * is there already. */
static double scale_of(double size) {
  int exponent;
  if (!(size > 0 && size < INFINITY)) return 1;
  frexp(size, &exponent);
  if (abs(exponent) < 400) return 1;
  return ldexp(1, exponent > 1000 ? -1000 : exponent < -1000 ? 1000 : -exponent);
}

static void norm_2_forward(const struct call *call) {
  double *scale = call->scratch, *lost = scale + call->y.shape->size, *y = call->y.at;
  norm_inf_forward(call);
  for (size_t i = 0; i < call->y.shape->size; i++) scale[i] = scale_of(y[i]);
  sum_terms(call, y, lost, (struct terms){.of = square_terms, .p = scale});
  for (size_t i = 0; i < call->y.shape->size; i++) y[i] = sqrt(y[i]) / scale[i];
}

static double sign_of(double x) { return (x > 0) - (x < 0); }

SPREAD(norm_1, g *sign_of(x))
SPREAD(norm_2, y == 0 ? 0 : fabs(x) == INFINITY ? g * sign_of(x) : g * (x / y))
SPREAD(norm_inf, fabs(x) == y || y != y ? p * sign_of(x) : 0)
REPORT(norm_1, x == 0)
REPORT(norm_2, y == 0)
REPORT(norm_inf, fabs(x) == y && (p > 1 || y == 0))

static void norm_1_backward(const struct call *call) { norm_1_spread(call, call->y.at); }
static void norm_2_backward(const struct call *call) { norm_2_spread(call, call->y.at); }

static void norm_inf_backward(const struct call *call) {
  count_sizes(call, call->scratch);
  share_upstream(call, call->scratch);
  norm_inf_spread(call, call->scratch);
}

static void norm_1_kinks(const struct call *call, struct kinks *kinks) {
  norm_1_report(call, kinks, call->y.at);
}

static void norm_2_kinks(const struct call *call, struct kinks *kinks) {
  norm_2_report(call, kinks, call->y.at);
}

static void norm_inf_kinks(const struct call *call, struct kinks *kinks) {
  count_sizes(call, call->scratch);
  norm_inf_report(call, kinks, call->scratch);
}

static const struct norm {
  double ord;
  forward_fn *forward;
  backward_fn *backward;
  kink_fn *kinks;
} norms[] = {{1, norm_1_forward, norm_1_backward, norm_1_kinks},
             {2, norm_2_forward, norm_2_backward, norm_2_kinks},
             {INFINITY, norm_inf_forward, norm_inf_backward, norm_inf_kinks}};

enum { NORMS = sizeof norms / sizeof *norms };

static const struct norm *norm_of(const struct attr *attr) {
  for (size_t i = 0; i < NORMS; i++)
    if (norms[i].ord == attr[OWN].number) return &norms[i];
  return NULL;
}

static void norm_forward(const struct call *call) { norm_of(call->attr)->forward(call); }
static void norm_backward(const struct call *call) { norm_of(call->attr)->backward(call); }
/* The signs, and with ord = inf which entries are the largest; with 2 there is but one piece. */
static uint64_t norm_branches(const struct call *call) {
  const double ord = call->attr[OWN].number;
  uint64_t branches = 0;
  struct sweep s;
  if (ord == 2) return 0;
  for (sweep_along(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      const double x = call->x[0].at[s.at[0] + (ptrdiff_t)i];
      const double y = call->y.at[s.at[1] + (ptrdiff_t)i * s.step[1]];
      const int sign = (x > 0) - (x < 0);
      branches = join_piece(branches, ord == 1 || fabs(x) == y ? sign : 2);
    }
  return branches;
}

static void norm_kinks(const struct call *call, struct kinks *kinks) {
  norm_of(call->attr)->kinks(call, kinks);
}

/* ---- var, std ---------------------------------------------------------------------------- */

static void deviation_terms(double *term, const double *a, const double *b, const double *p,
                            ptrdiff_t step, size_t n) {
  (void)b;
  for (size_t i = 0; i < n; i++) {
    const double x = a[i] - p[(ptrdiff_t)i * step];
    term[i] = x * x;
  }
}

/* What the sum of squares is divided by. */
static double freedom(const struct call *call) {
  return (double)reduced_count(call) - (double)call->attr[OWN].integer;
}

/* Two passes; the means stay in scratch. */
static void var_forward(const struct call *call) {
  const size_t results = call->y.shape->size;
  const double n = (double)reduced_count(call), divisor = freedom(call);
  double *mean = call->scratch, *lost = mean + results;
  sum_terms(call, mean, lost, (struct terms){.of = NULL});
  for (size_t i = 0; i < results; i++) mean[i] /= n;
  sum_terms(call, call->y.at, lost, (struct terms){.of = deviation_terms, .p = mean});
  for (size_t i = 0; i < results; i++) call->y.at[i] /= divisor;
}

static void std_forward(const struct call *call) {
  var_forward(call);
  for (size_t i = 0; i < call->y.shape->size; i++) call->y.at[i] = sqrt(call->y.at[i]);
}

SPREAD(var, 2 * g * (x - p) / (n - (double)call->attr[OWN].integer))
SPREAD(std, y == 0 ? 0 : g * ((x - p) / y) / (n - (double)call->attr[OWN].integer))
REPORT(std, y == 0 && n > 1)

static void var_backward(const struct call *call) { var_spread(call, call->scratch); }
static void std_backward(const struct call *call) { std_spread(call, call->scratch); }
static void std_kinks(const struct call *call, struct kinks *kinks) {
  std_report(call, kinks, call->y.at);
}

/* ---- argmax, argmin ---------------------------------------------------------------------- */

/* Walks x together with its results and with the place of each entry among those that become
 * one: the strides of the reduced axes alone. */
static void sweep_places(struct sweep *s, const struct shape *shape, axis_set axes) {
  ptrdiff_t strides[3][RANK_MOST];
  shape_strides(shape, strides[0]);
  reduced_strides(shape, axes, strides[1]);
  reduced_strides(shape, ~axes, strides[2]);
  sweep_strided(s, shape, 3, (const ptrdiff_t(*)[RANK_MOST])strides, NULL);
}

/* The first of equals; the first NaN where there is one. */
#define PLACE_OF(name, nothing, beats)                                                             \
  static void name##_forward(const struct call *call) {                                            \
    double *best = call->scratch;                                                                  \
    for (size_t i = 0; i < call->y.shape->size; i++) best[i] = (nothing), call->y.at[i] = 0;       \
    struct sweep s;                                                                                \
    for (sweep_places(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s))   \
      for (size_t i = 0; i < s.n; i++) {                                                           \
        const ptrdiff_t step = (ptrdiff_t)i, to = s.at[1] + step * s.step[1];                      \
        const double x = call->x[0].at[s.at[0] + step];                                            \
        if (!(x beats best[to] || (x != x && best[to] == best[to]))) continue;                     \
        best[to] = x;                                                                              \
        call->y.at[to] = (double)(s.at[2] + step * s.step[2]);                                     \
      }                                                                                            \
  }

PLACE_OF(argmax, -INFINITY, >)
PLACE_OF(argmin, INFINITY, <)

static uint64_t place_branches(const struct call *call) {
  uint64_t branches = 0;
  for (size_t i = 0; i < call->y.shape->size; i++) branches = join_piece(branches, call->y.at[i]);
  return branches;
}

/* ---- cumsum ------------------------------------------------------------------------------ */

/* A tensor around one axis: before x along x after entries. */
struct around {
  size_t before, along, after;
};

static struct around around_axis(const struct call *call) {
  const struct shape *shape = call->x[0].shape;
  axis_set axis = axis_of(&call->attr[AXIS], shape->rank);
  /* axis - 1 has the bits below: the axes before. */
  return (struct around){count_along(shape, axis - 1), count_along(shape, axis),
                         count_along(shape, ~axis & ~(axis - 1))};
}

static void cumsum_forward(const struct call *call) {
  const struct around a = around_axis(call);
  const double *x = call->x[0].at;
  double *y = call->y.at, *sum = call->scratch, *lost = sum + a.after;
  for (size_t i = 0; i < a.before; i++) {
    memset(sum, 0, 2 * a.after * sizeof *sum);
    for (size_t j = 0; j < a.along; j++)
      for (size_t k = 0; k < a.after; k++) {
        add_exactly(&sum[k], &lost[k], *x++);
        *y++ = exact_sum(sum[k], lost[k]);
      }
  }
}

/* The running sums from the end; `sum` has a number for each entry after the axis. */
static void cumsum_backward(const struct call *call) {
  if (!call->x[0].bar) return;
  const struct around a = around_axis(call);
  double *sum = call->scratch, *lost = sum + a.after;
  for (size_t i = 0; i < a.before; i++) {
    memset(sum, 0, 2 * a.after * sizeof *sum);
    for (size_t j = a.along; j-- > 0;)
      for (size_t k = 0; k < a.after; k++) {
        const size_t at = (i * a.along + j) * a.after + k;
        add_exactly(&sum[k], &lost[k], call->y.bar[at]);
        call->x[0].bar[at] += exact_sum(sum[k], lost[k]);
      }
  }
}

static size_t cumsum_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                             const struct shape *const *x) {
  (void)count, (void)x;
  axis_set axis = axis_of(&attr[AXIS], y->rank);
  return 2 * count_along(y, ~axis & ~(axis - 1));
}

static axis_set cumsum_axis(const struct call *call) {
  return axis_of(&call->attr[AXIS], call->x[0].shape->rank);
}

static void reach_cumsum(const struct call *call, unsigned k, const struct extent *x,
                         struct extent *y) {
  for (unsigned i = 0; i < call->y.shape->rank; i++) {
    y[i] = x[i];
    if (has_axis(cumsum_axis(call), i) && x[i].from < x[i].to) y[i].to = call->x[k].shape->dim[i];
  }
}

/* What moves comes first: the sums that it is in start there. */
static void meet_cumsum(const struct call *call, unsigned m, const struct extent *moved,
                        const struct extent *y, unsigned k, struct extent *x) {
  (void)m, (void)moved;
  for (unsigned i = 0; i < call->x[k].shape->rank; i++) x[i] = y[i];
}

static const struct op_parts cumsum_parts = {.reach = reach_cumsum, .meet = meet_cumsum};

/* ---- prod, prod_others ------------------------------------------------------------------- */

/* The product of all entries but one, for each of them, is the product of those before it times
 * that of those behind it; no quotient, so it is right with zeros.
 *
 * With directions u, v, ... (tensors like x) it is differentiated along them: x + e u + f v + ...
 * takes the place of x, where e^2 = f^2 = ... = 0, and of the products only the coefficient of
 * e f ... is wanted.  Such a number has a coefficient for every set of directions; they lie in the
 * order of the sets as binary numbers.  As the derivative of that along w only has one direction
 * more, prod can be differentiated as often as one likes. */
enum { DIRECTIONS_MOST = 6 };

struct factors {
  const double *x, *direction[DIRECTIONS_MOST];
  unsigned directions;
};

/* product *= factor, at entry `at`. */
static void multiply_factor(double *product, const struct factors *factors, size_t at) {
  for (size_t set = (size_t)1 << factors->directions; set-- > 0;) {
    double sum = product[set] * factors->x[at];
    for (unsigned k = 0; k < factors->directions; k++)
      if (set >> k & 1) sum += product[set ^ (size_t)1 << k] * factors->direction[k][at];
    product[set] = sum;
  }
}

/* The coefficient of all directions in a product of two. */
static double full_coefficient(const double *a, const double *b, unsigned directions) {
  const size_t full = ((size_t)1 << directions) - 1;
  double sum = 0;
  for (size_t set = 0; set <= full; set++) sum += a[set] * b[full ^ set];
  return sum;
}

static void reset_products(double *product, size_t count, unsigned directions) {
  memset(product, 0, (count << directions) * sizeof *product);
  for (size_t i = 0; i < count; i++) product[i << directions] = 1;
}

/* bar += weight * the product of the others; weight (NULL: 1) has a number a result. */
static void add_others(const struct call *call, double *bar, const double *weight,
                       const struct factors *factors) {
  const struct shape *shape = call->x[0].shape;
  const axis_set axes = reduced_axes(call);
  const size_t results = count_across(shape, axes);
  const unsigned width = factors->directions; /* as a shift */
  double *before = call->scratch, *product = before + (shape->size << width);
  struct sweep s;
  reset_products(product, results, width);
  for (sweep_along(&s, shape, axes); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      const size_t at = (size_t)s.at[0] + i, to = (size_t)(s.at[1] + (ptrdiff_t)i * s.step[1]);
      memcpy(before + (at << width), product + (to << width), sizeof *product << width);
      multiply_factor(product + (to << width), factors, at);
    }
  reset_products(product, results, width);
  for (sweep_back(&s, shape, axes); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      const size_t at = (size_t)(s.at[0] + (ptrdiff_t)i * s.step[0]);
      const size_t to = (size_t)(s.at[1] + (ptrdiff_t)i * s.step[1]);
      double others = full_coefficient(before + (at << width), product + (to << width), width);
      bar[at] += weight ? weight[to] * others : others;
      multiply_factor(product + (to << width), factors, at);
    }
}

static void prod_forward(const struct call *call) {
  double *y = call->y.at;
  for (size_t i = 0; i < call->y.shape->size; i++) y[i] = 1;
  struct sweep s;
  for (sweep_along(&s, call->x[0].shape, reduced_axes(call)); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++)
      y[s.at[1] + (ptrdiff_t)i * s.step[1]] *= call->x[0].at[s.at[0] + (ptrdiff_t)i];
}

static void prod_backward(const struct call *call) {
  if (call->x[0].bar)
    add_others(call, call->x[0].bar, call->y.bar, &(struct factors){.x = call->x[0].at});
}

static size_t prod_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                           const struct shape *const *x) {
  (void)attr, (void)count;
  return x[0]->size + y->size;
}

/* x, and as directions all further inputs but `k` (0: none is left out). */
static struct factors factors_without(const struct call *call, unsigned k) {
  struct factors factors = {.x = call->x[0].at};
  for (unsigned i = 1; i < call->count; i++)
    if (i != k) factors.direction[factors.directions++] = call->x[i].at;
  return factors;
}

static void prod_others_forward(const struct call *call) {
  const struct factors factors = factors_without(call, 0);
  memset(call->y.at, 0, call->y.shape->size * sizeof *call->y.at);
  add_others(call, call->y.at, NULL, &factors);
}

/* Rows of x and of the directions, whole along the axes. */
static void reach_others(const struct call *call, unsigned k, const struct extent *x,
                         struct extent *y) {
  (void)k;
  for (unsigned i = 0; i < call->y.shape->rank; i++) y[i] = x[i];
  take_along(y, call->y.shape, reduced_axes(call));
}

static const struct op_parts others_parts = {.reach = reach_others, .need = reach_others};

static void prod_others_backward(const struct call *call) {
  for (unsigned k = 0; k < call->count; k++) {
    if (!call->x[k].bar) continue;
    struct factors factors = factors_without(call, k);
    factors.direction[factors.directions++] = call->y.bar;
    add_others(call, call->x[k].bar, NULL, &factors);
  }
}

/* Backward has at most a direction for every input. */
static size_t prod_others_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                  const struct shape *const *x) {
  (void)x;
  return (y->size + count_across(y, axes_of(&attr[AXIS], y->rank))) << count;
}

/* ---- sum, as loops of generated code ------------------------------------------------------- */

static void sum_loops(const struct attr *attr, const struct shape *y, unsigned count,
                      const struct shape *const *x, struct loop_list *out) {
  const struct lay from = whole_lay(x[0]);
  struct lay to = {.at = 0};
  (void)y, (void)count;
  sum_up(out);
  reduced_strides(x[0], axes_of(&attr[AXIS], x[0]->rank), to.stride);
  add_copy(out, 0, x[0], &to, &from);
}

/* ---- shape rules ------------------------------------------------------------------------- */

static bool infer_reduced(struct infer *infer) {
  axis_set axes;
  if (!infer_axes(infer, "axis", &infer->attr[AXIS], &axes)) return false;
  infer->y = reduce_dims(&infer->x[0], axes, infer->attr[KEEPDIMS].truth);
  return true;
}

static bool has_zero(const struct dims *dims) {
  for (unsigned i = 0; i < dims->rank; i++)
    if (dims->at[i] == 0) return true;
  return false;
}

/* There must be something to choose from. */
static bool infer_chosen(struct infer *infer) {
  if (!infer_reduced(infer)) return false;
  if (has_zero(&infer->x[0]) && !has_zero(&infer->y))
    return infer_fail_input(infer, 0, "there is nothing to choose from: %0");
  return true;
}

static bool infer_norm(struct infer *infer) {
  if (!norm_of(infer->attr)) return infer_fail_attr(infer, "ord", "ord must be 1, 2 or inf");
  return infer_reduced(infer);
}

static bool infer_var(struct infer *infer) {
  axis_set axes;
  if (!infer_axes(infer, "axis", &infer->attr[AXIS], &axes)) return false;
  const int64_t ddof = infer->attr[OWN].integer;
  if (ddof < 0) return infer_fail_attr(infer, "ddof", "ddof must not be negative");
  int64_t n = 1;
  for (unsigned i = 0; i < infer->x[0].rank; i++)
    if (has_axis(axes, i)) n *= infer->x[0].at[i];
  if (ddof > 0 && ddof >= n)
    return infer_fail_attr(infer, "ddof", "ddof must be less than the number of entries: %0");
  return infer_reduced(infer);
}

static bool infer_cumsum(struct infer *infer) {
  axis_set axis;
  return infer_axis(infer, "axis", &infer->attr[AXIS], &axis) && infer_same(infer);
}

static bool infer_others(struct infer *infer) {
  axis_set axes;
  if (infer->count > DIRECTIONS_MOST) return infer_fail(infer, "more than 6 inputs");
  for (unsigned k = 1; k < infer->count; k++)
    if (!same_dims(&infer->x[0], &infer->x[k])) {
      infer->blame_input = (int)k;
      text_puts(infer->why, "shapes differ: ");
      infer->describe(infer, 0);
      text_puts(infer->why, ", ");
      infer->describe(infer, k);
      return false;
    }
  return infer_axes(infer, "axis", &infer->attr[AXIS], &axes) && infer_same(infer);
}

/* The axes that are not reduced; those behind reduced ones move forward where these are not kept. */
static int apart_reduced(const struct attr *attr, const struct shape *y,
                         const struct shape *const *x, unsigned k, unsigned axis) {
  const axis_set axes = axes_of(&attr[AXIS], x[k]->rank);
  int to = 0;
  for (unsigned i = 0; i < axis; i++) to += attr[KEEPDIMS].truth || !has_axis(axes, i);
  return has_axis(axes, axis) ? -1 : apart_as(y, to, x[k], axis);
}

/* ---- the rows ---------------------------------------------------------------------------- */

#define AXIS_SPEC                                                                                  \
  { .name = "axis", .meaning = "the axes to reduce; all", .type = ATTR_INTS }
#define KEEPDIMS_SPEC                                                                              \
  {                                                                                                \
    .name = "keepdims", .meaning = "whether a reduced axis stays, with 1 entry",                   \
    .type = ATTR_BOOL, .fallback = {                                                               \
      .given = true,                                                                               \
      .truth = false                                                                               \
    }                                                                                              \
  }

static const struct attr_spec reduction_attrs[] = {AXIS_SPEC, KEEPDIMS_SPEC, {.name = NULL}};

static const struct attr_spec norm_attrs[] = {
    AXIS_SPEC,
    KEEPDIMS_SPEC,
    {.name = "ord",
     .meaning = "1: sum of sizes, 2: Euclid's, inf: the largest size",
     .type = ATTR_NUMBER,
     .fallback = {.given = true, .number = 2}},
    {.name = NULL}};

static const struct attr_spec var_attrs[] = {
    AXIS_SPEC,
    KEEPDIMS_SPEC,
    {.name = "ddof",
     .meaning = "what is taken off the number of entries that the sum is divided by",
     .type = ATTR_INT,
     .fallback = {.given = true, .integer = 0}},
    {.name = NULL}};

static const struct attr_spec cumsum_attrs[] = {
    {.name = "axis", .meaning = "the axis to add along", .type = ATTR_INT, .required = true},
    {.name = NULL}};

static const struct attr_spec others_attrs[] = {AXIS_SPEC, {.name = NULL}};

#define SOME_AXES                                                                                  \
  {"", ""}, {"1", ""}, {"3", ""}, {"2,3", ""}, {"2,3", "axis=0"},                                  \
      {"2,3", "axis=-1, keepdims=true"}, {"2,3,2", "axis=1"}, {"2,3,2", "axis=[0, 2]"},            \
      {"2,3", "axis=[]"}, {"0,3", "axis=1"}, {                                                     \
    "2,1,3,2", "axis=[-3, 2], keepdims=true"                                                       \
  }
#define OF_NOTHING                                                                                 \
  {"0", ""}, {"2,0", "axis=1"}, { "0,3", "axis=0, keepdims=true" }

static const struct op_sample reduction_samples[] = {SOME_AXES, {NULL, NULL}};
static const struct op_sample sum_samples[] = {SOME_AXES, OF_NOTHING, {NULL, NULL}};
static const struct op_sample norm_samples[] = {SOME_AXES,
                                                {"2,3", "ord=1"},
                                                {"2,3,2", "ord=1, axis=1"},
                                                {"2,3", "ord=inf"},
                                                {"2,3,2", "ord=inf, axis=[0, 2], keepdims=true"},
                                                {NULL, NULL}};
static const struct op_sample var_samples[] = {{"3", ""},
                                               {"2,3", "ddof=1"},
                                               {"2,3", "axis=0, ddof=1"},
                                               {"2,3", "axis=-1, keepdims=true"},
                                               {"2,3,2", "axis=1, ddof=2"},
                                               {"2,3,2", "axis=[0, 2]"},
                                               {"0,3", "axis=1"},
                                               {"2,1,3,2", "axis=[-3, 2], keepdims=true, ddof=1"},
                                               {NULL, NULL}};
static const struct op_sample cumsum_samples[] = {
    {"3", "axis=0"},    {"2,3", "axis=0"}, {"2,3", "axis=-1"}, {"2,3,2", "axis=1"},
    {"2,0", "axis=-1"}, {"0", "axis=0"},   {NULL, NULL}};
static const struct op_sample others_samples[] = {{"", ""},
                                                  {"3", ""},
                                                  {"2,3", ""},
                                                  {"2,3", "axis=0"},
                                                  {"2,3,2", "axis=[0, 2]"},
                                                  {"0,3", "axis=0"},
                                                  {"3;3", ""},
                                                  {"2,3;2,3", "axis=-1"},
                                                  {"4;4;4", ""},
                                                  {NULL, NULL}};

/* A call in Python, without what goes without saying. */
#define REDUCED(call)                                                                              \
  "not given(axis) and not keepdims => " call ")\n"                                                \
  "not keepdims => " call ", axis={axis})\n" call ", axis={axis}, keepdims=True)"

/* What the rules say for g, for y, brought to the shape that broadcasts to x. */
#define UPSTREAM "reshape(upstream, shape=kept(x, axis))"
#define RESULT "reshape(y, shape=kept(x, axis))"
#define WINS(size) "(" size " == " RESULT ")"
#define SHARE(size) UPSTREAM " * " WINS(size) " / sum(" WINS(size) ", axis=axis, keepdims=true)"
#define DEVIATION "(x - mean(x, axis=axis, keepdims=true))"

#define ALONG(id, what, text, shape_rule, apart_, ...)                                             \
  {                                                                                                \
    .name = #id, .family = "reductions", .meaning = what, .formula = text, .inputs = {"x"},        \
    .least = 1, .most = 1, .infer = shape_rule, .forward = id##_forward, .apart = apart_,          \
    __VA_ARGS__                                                                                    \
  }
#define REDUCTION(id, what, text, shape_rule, ...)                                                 \
  ALONG(id, what, text, shape_rule, apart_reduced, __VA_ARGS__)
#define SMOOTH(id, attrs_, samples_, rule, scratch_)                                               \
  .attrs = attrs_, .samples = samples_, .backward = id##_backward, .rules = {rule},                \
  .scratch = scratch_
#define KINKED(id, kinks_, where, convention_)                                                     \
  .kinks = kinks_, .undefined = {where}, .convention = convention_

const struct op reduction_ops[] = {
    REDUCTION(sum, "the sum of the entries along the axes", "x_1 + ... + x_n", infer_reduced,
              .parts = &sum_parts, .linear = {1},
              SMOOTH(sum, reduction_attrs, sum_samples, "broadcast_to(" UPSTREAM ", shape=x.shape)",
                     one_a_result),
              .algebra = ALGEBRA_SUM, .code = {.loops = sum_loops, .python = REDUCED("np.sum(x")}),
    REDUCTION(mean, "the mean of the entries along the axes", "(x_1 + ... + x_n) / n",
              infer_reduced, .parts = &mean_parts, .linear = {1},
              SMOOTH(mean, reduction_attrs, reduction_samples,
                     "broadcast_to(" UPSTREAM " / count(x, axis), shape=x.shape)", one_a_result),
              .code = {.python = REDUCED("np.mean(x"),
                       .composed = "sum(x, axis=axis, keepdims=keepdims) / count(x, axis)"}),
    REDUCTION(prod, "the product of the entries along the axes", "x_1 ... x_n", infer_reduced,
              .parts = &reduced_parts,
              SMOOTH(prod, reduction_attrs, sum_samples, UPSTREAM " * prod_others(x, axis=axis)",
                     prod_scratch),
              .code = {.row = "prod_row(x, n, step)", .python = REDUCED("np.prod(x")}),
    REDUCTION(max, "the largest entry along the axes", "max(x_1, ..., x_n)", infer_chosen,
              .of_several = "maximum", .parts = &reduced_parts, .branches = extreme_branches,
              SMOOTH(extreme, reduction_attrs, reduction_samples, SHARE("x"), one_a_result),
              KINKED(max, extreme_kinks, "several entries are the largest", "shared equally"),
              .code = {.row = "max_row(x, n, step)", .python = REDUCED("np.max(x")}),
    REDUCTION(min, "the smallest entry along the axes", "min(x_1, ..., x_n)", infer_chosen,
              .of_several = "minimum", .parts = &reduced_parts, .branches = extreme_branches,
              SMOOTH(extreme, reduction_attrs, reduction_samples, SHARE("x"), one_a_result),
              KINKED(min, extreme_kinks, "several entries are the smallest", "shared equally"),
              .code = {.row = "min_row(x, n, step)", .python = REDUCED("np.min(x")}),
    REDUCTION(
        logsumexp, "the logarithm of the sum of the exponentials; stable",
        "ln(e^x_1 + ... + e^x_n)", infer_reduced, .parts = &reduced_parts,
        SMOOTH(logsumexp, reduction_attrs, reduction_samples, UPSTREAM " * exp(x - " RESULT ")",
               three_a_result),
        .code = {.row = "logsumexp_row(x, n, step)", .python = "logsumexp(x, {axis}, {keepdims})"}),
    REDUCTION(norm, "a norm of the entries along the axes, as of a vector",
              "(|x_1|^ord + ... + |x_n|^ord)^(1/ord)", infer_norm, .parts = &reduced_parts,
              .branches = norm_branches,
              SMOOTH(norm, norm_attrs, norm_samples,
                     "ord == 1: " UPSTREAM " * sign(x); "
                     "ord == 2: " UPSTREAM " * where(abs(x) == inf, sign(x), x / where(" RESULT
                     " == 0, 1, " RESULT ")); " SHARE("abs(x)") " * sign(x)",
                     two_a_result),
              KINKED(norm, norm_kinks,
                     "ord == 1 and x == 0, or y == 0, or ord == inf and several are the largest",
                     "0 at 0; shared equally between the largest"),
              .code = {.row = "norm_row(x, n, step, {ord})",
                       .python = "norm(x, {ord}, {axis}, {keepdims})"}),
    REDUCTION(
        var, "the variance of the entries along the axes",
        "((x_1 - mean)^2 + ... + (x_n - mean)^2) / (n - ddof)", infer_var, .parts = &reduced_parts,
        SMOOTH(var, var_attrs, var_samples,
               "2 * " UPSTREAM " * " DEVIATION " / (count(x, axis) - ddof)", two_a_result),
        .code = {.row = "var_row(x, n, step, {ddof})", .python = REDUCED("np.var(x, ddof={ddof}")}),
    REDUCTION(std, "the standard deviation of the entries along the axes", "var(x)^(1/2)",
              infer_var, .parts = &reduced_parts,
              SMOOTH(std, var_attrs, var_samples,
                     UPSTREAM " * " DEVIATION " / where(" RESULT " == 0, 1, " RESULT
                              ") / (count(x, axis) - ddof)",
                     two_a_result),
              KINKED(std, std_kinks, "y == 0", "0"),
              .code = {.row = "sqrt(var_row(x, n, step, {ddof}))",
                       .python = REDUCED("np.std(x, ddof={ddof}")}),
    REDUCTION(argmax, "the index of the largest entry, the first of equals",
              "argmax(x_1, ..., x_n)", infer_chosen, .parts = &reduced_parts,
              .branches = place_branches, .attrs = reduction_attrs, .samples = reduction_samples,
              .scratch = one_a_result,
              .code = {.row = "argmax_row(x, n, step)",
                       .python = "find_most(np.argmax, x, {axis}, {keepdims})"}),
    REDUCTION(argmin, "the index of the smallest entry, the first of equals",
              "argmin(x_1, ..., x_n)", infer_chosen, .parts = &reduced_parts,
              .branches = place_branches, .attrs = reduction_attrs, .samples = reduction_samples,
              .scratch = one_a_result,
              .code = {.row = "argmin_row(x, n, step)",
                       .python = "find_most(np.argmin, x, {axis}, {keepdims})"}),
    ALONG(cumsum, "the running sums along an axis", "y_i = x_1 + ... + x_i", infer_cumsum,
          apart_beside_axis, .parts = &cumsum_parts, .linear = {1},
          SMOOTH(cumsum, cumsum_attrs, cumsum_samples,
                 "flip(cumsum(flip(upstream, axis=axis), axis=axis), axis=axis)", cumsum_scratch),
          .code = {.rows = "cumsum_row(y, x, n, step)", .python = "np.cumsum(x, axis={axis})"}),
    {.name = "prod_others",
     .code = {.rows = "inputs == 1 => others_row(y, a, n, step)\n"
                      "inputs == 2 => others_along_row(y, a, b, n, step)",
              .python = "inputs == 1 => prod_others(a, {axis})\n"
                        "inputs == 2 => prod_others_along(a, b, {axis})"},
     .family = "adjoint ops",
     .meaning = "for every entry, the product of all others along the axes; further inputs are "
                "directions along which that is differentiated",
     .formula = "y_i = product of x_j, j != i",
     .inputs = {"x"},
     .least = 1,
     .most = OP_ANY,
     .attrs = others_attrs,
     .infer = infer_others,
     .forward = prod_others_forward,
     .backward = prod_others_backward,
     .scratch = prod_others_scratch,
     .apart = apart_beside_axes,
     .parts = &others_parts,
     .rules = {"position == 0: prod_others(x, others, upstream, axis=axis); "
               "prod_others(others, upstream, axis=axis)"},
     .samples = others_samples},
    {.name = NULL}};
