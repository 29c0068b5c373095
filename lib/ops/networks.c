/* The ops of networks: softmax and losses.
 *
 * The losses compare scores, along the last axis, with what was right.  Then `reduction` makes
 * one number of them: their mean or sum, or none of it. */
#include <math.h>
#include <string.h>

#include "ops/axes.h"
#include "ops/rows.h"
#include "tensor/vector_math.h"

/* ---- softmax, log_softmax ---------------------------------------------------------------- */

static axis_set softmax_axis(const struct call *call) {
  return axis_of(&call->attr[0], call->x[0].shape->rank);
}

static size_t softmax_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                              const struct shape *const *x) {
  (void)count, (void)x;
  return 3 * count_across(y, axis_of(&attr[0], y->rank));
}

/* y = f(x, y, p, q) for every entry, or bar += that: an expression over the entries x, y and g of
 * x, y and the upstream gradient, and p and q, the numbers of its row in scratch. */
#define EACH_OF_ROWS(name, target, assign, expression)                                             \
  static void name(const struct call *call) {                                                      \
    const double *ps = call->scratch;                                                              \
    const double *qs = ps + count_across(call->x[0].shape, softmax_axis(call));                    \
    struct sweep s;                                                                                \
    for (sweep_along(&s, call->x[0].shape, softmax_axis(call)); sweep_more(&s); sweep_next(&s))    \
      for (size_t i = 0; i < s.n; i++) {                                                           \
        const size_t at = (size_t)s.at[0] + i, row = (size_t)(s.at[1] + (ptrdiff_t)i * s.step[1]); \
        const double x = call->x[0].at[at], y = call->y.at[at], p = ps[row], q = qs[row];          \
        (void)x, (void)y, (void)p, (void)q;                                                        \
        target[at] assign(expression);                                                             \
      }                                                                                            \
  }

EACH_OF_ROWS(softmax_powers, call->y.at, =, exp_below(x, p))
EACH_OF_ROWS(softmax_scaled, call->y.at, =, y / q)
EACH_OF_ROWS(softmax_slope, call->x[0].bar, +=, y *(call->y.bar[at] - p))

/* The same as softmax_powers, in stretches that are still in the cache when they are read again. */
static void softmax_many_powers(const struct call *call) {
  enum { STRETCH = 4096 };
  double *y = call->y.at;
  size_t ready = 0, done = 0;
  struct sweep s;
  for (sweep_along(&s, call->y.shape, softmax_axis(call)); sweep_more(&s); sweep_next(&s)) {
    distances(y + ready, call->x[0].at + ready, call->scratch + s.at[1], s.step[1], s.n);
    ready += s.n;
    if (ready - done < STRETCH) continue;
    exp_many(y + done, y + done, ready - done);
    done = ready;
  }
  exp_many(y + done, y + done, ready - done);
}

/* The largest of each row is taken out first, so that nothing overflows. */
static void softmax_forward(const struct call *call) {
  const struct shape *shape = call->y.shape;
  const axis_set axis = softmax_axis(call);
  const size_t rows = count_across(shape, axis);
  double *largest = call->scratch, *sum = largest + rows, *lost = sum + rows;
  max_along(largest, shape, axis, call->x[0].at);
  (shape->size < MANY_LEAST ? softmax_powers : softmax_many_powers)(call);
  sum_along(sum, lost, shape, axis, (struct terms){.a = call->y.at});
  softmax_scaled(call);
}

static void softmax_backward(const struct call *call) {
  const struct shape *shape = call->y.shape;
  const axis_set axis = softmax_axis(call);
  double *dot = call->scratch, *lost = dot + count_across(shape, axis);
  if (!call->x[0].bar) return;
  sum_along(dot, lost, shape, axis,
            (struct terms){.of = product_terms, .a = call->y.at, .b = call->y.bar});
  softmax_slope(call);
}

static void reach_softmax(const struct call *call, unsigned k, const struct extent *x,
                          struct extent *y) {
  (void)k;
  for (unsigned i = 0; i < call->y.shape->rank; i++) y[i] = x[i];
  take_along(y, call->y.shape, softmax_axis(call));
}

static const struct op_parts softmax_parts = {.reach = reach_softmax, .need = reach_softmax};

EACH_OF_ROWS(log_softmax_values, call->y.at, =, (x == p ? 0 : x - p) - q)
EACH_OF_ROWS(log_softmax_slope, call->x[0].bar, +=, call->y.bar[at] - exp(y) * p)

static void log_softmax_forward(const struct call *call) {
  const struct shape *shape = call->y.shape;
  const axis_set axis = softmax_axis(call);
  const size_t rows = count_across(shape, axis);
  double *largest = call->scratch, *sum = largest + rows, *lost = sum + rows;
  max_along(largest, shape, axis, call->x[0].at);
  sum_along(sum, lost, shape, axis,
            (struct terms){.of = exp_terms(shape), .a = call->x[0].at, .p = largest});
  for (size_t i = 0; i < rows; i++) sum[i] = log(sum[i]);
  log_softmax_values(call);
}

static void log_softmax_backward(const struct call *call) {
  const struct shape *shape = call->y.shape;
  const axis_set axis = softmax_axis(call);
  double *sum = call->scratch, *lost = sum + count_across(shape, axis);
  if (!call->x[0].bar) return;
  sum_along(sum, lost, shape, axis, (struct terms){.a = call->y.bar});
  log_softmax_slope(call);
}

static bool infer_softmax(struct infer *infer) {
  axis_set axis;
  return infer_axis(infer, "axis", &infer->attr[0], &axis) && infer_same(infer);
}

/* ---- losses: from a number each to one ---------------------------------------------------- */

enum { REDUCTION, MARGIN }; /* attributes */
enum reduction { NONE, MEAN, SUM };
static const char *const reductions[] = {"none", "mean", "sum", NULL};

static enum reduction reduction_of(const struct call *call) {
  return (enum reduction)call->attr[REDUCTION].word;
}

/* What a loss counts in the result, of `count`: dL/dloss, which stays put for all but `none`. */
static const double *weights(const struct call *call, size_t count, double *shared,
                             ptrdiff_t *step) {
  *step = reduction_of(call) == NONE;
  if (*step) return call->y.bar;
  *shared = reduction_of(call) == MEAN ? call->y.bar[0] / (double)count : call->y.bar[0];
  return shared;
}

/* The result of losses that are not wanted one by one. */
static void set_result(const struct call *call, double sum, size_t count) {
  call->y.at[0] = reduction_of(call) == MEAN ? sum / (double)count : sum;
}

/* ---- losses of rows: the last axis holds the classes -------------------------------------- */

struct rows {
  size_t count, classes;
};

static axis_set last_axis(const struct shape *shape) { return (axis_set)1 << (shape->rank - 1); }

static struct rows rows_of(const struct shape *shape) {
  const axis_set axis = last_axis(shape);
  return (struct rows){count_across(shape, axis), count_along(shape, axis)};
}

/* Where the rows' losses go: to y or, to be reduced, to the start of scratch. */
static double *row_losses(const struct call *call) {
  return reduction_of(call) == NONE ? call->y.at : call->scratch;
}

static void reduce_rows(const struct call *call, size_t rows) {
  if (reduction_of(call) != NONE) set_result(call, pairwise_sum(call->scratch, rows, 1), rows);
}

static double share_of_reduced(const struct call *call, size_t whole, size_t part) {
  return reduction_of(call) == MEAN ? (double)part / (double)whole : 1;
}

/* Losses are sums over rows, whether of logits or of what is one a row. */
static void reach_rows(const struct call *call, unsigned k, const struct extent *x,
                       struct extent *y) {
  (void)k;
  for (unsigned i = 0; i < call->y.shape->rank; i++) y[i] = x[i];
}

static void meet_rows(const struct call *call, unsigned m, const struct extent *moved,
                      const struct extent *y, unsigned k, struct extent *x) {
  (void)m;
  const unsigned rows = call->x[0].shape->rank - 1;
  for (unsigned i = 0; i < rows; i++) x[i] = reduction_of(call) == NONE ? y[i] : moved[i];
  if (call->x[k].shape->rank > rows) x[rows] = (struct extent){0, call->x[0].shape->dim[rows]};
}

static double share_of_rows(const struct call *call, const struct call *part) {
  return share_of_reduced(call, rows_of(call->x[0].shape).count, rows_of(part->x[0].shape).count);
}

static const struct op_parts row_parts = {
    .reach = reach_rows, .meet = meet_rows, .share = share_of_rows};

static const char bad_label[] = "is no class: an integer, from 0, along the last axis";

/* The class that label `row` names; false, after a complaint, where there is none. */
static bool read_label(const struct call *call, size_t row, size_t classes, size_t *label) {
  const double value = call->x[1].at[row];
  if (!is_index(value, classes)) {
    call_fail(call, 1, row, bad_label, value);
    return false;
  }
  *label = (size_t)value;
  return true;
}

/* -y log p, where a class that never is right costs nothing however unlikely it is held. */
static void cross_terms(double *term, const double *a, const double *b, const double *p,
                        ptrdiff_t step, size_t n) {
  (void)p, (void)step;
  for (size_t i = 0; i < n; i++) term[i] = b[i] == 0 && a[i] == a[i] ? 0 : -b[i] * log(a[i]);
}

static size_t cross_entropy_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                    const struct shape *const *x) {
  (void)attr, (void)count, (void)y;
  return 2 * rows_of(x[0]).count;
}

static void cross_entropy_forward(const struct call *call) {
  const struct shape *shape = call->x[0].shape;
  const size_t rows = rows_of(shape).count;
  sum_along(row_losses(call), call->scratch + rows, shape, last_axis(shape),
            (struct terms){.of = cross_terms, .a = call->x[0].at, .b = call->x[1].at});
  reduce_rows(call, rows);
}

static void cross_entropy_backward(const struct call *call) {
  const struct rows rows = rows_of(call->x[0].shape);
  double shared, *p_bar = call->x[0].bar, *label_bar = call->x[1].bar;
  ptrdiff_t step;
  const double *w = weights(call, rows.count, &shared, &step);
  for (size_t row = 0, at = 0; row < rows.count; row++, w += step)
    for (size_t j = 0; j < rows.classes; j++, at++) {
      const double p = call->x[0].at[at], label = call->x[1].at[at];
      if (p_bar && label != 0) p_bar[at] -= *w * (label / p);
      if (label_bar) label_bar[at] -= *w * log(p);
    }
}

/* A label that starts to count where p is 0 costs infinitely much, as log(0) says. */
static void cross_entropy_kinks(const struct call *call, struct kinks *kinks) {
  for (size_t i = 0; call->x[1].bar && i < call->x[1].shape->size; i++)
    if (call->x[0].at[i] <= 0 && call->x[1].at[i] == 0) kinks->add(kinks, 1, i);
}

/* What softmax_cross_entropy keeps in scratch, a number each for every row. */
struct scores {
  double *losses, *largest, *sum, *share, *lost;
};

enum { SCORES = sizeof(struct scores) / sizeof(double *) };

static struct scores scores_of(const struct call *call, size_t rows) {
  double *at = call->scratch;
  return (struct scores){row_losses(call), at + rows, at + 2 * rows, at + 3 * rows, at + 4 * rows};
}

static size_t softmax_cross_entropy_scratch(const struct attr *attr, const struct shape *y,
                                            unsigned count, const struct shape *const *x) {
  (void)attr, (void)count, (void)y;
  return SCORES * rows_of(x[0]).count;
}

/* Whether the labels are integers, one a row, and no distributions. */
static bool are_integers(const struct call *call) {
  return call->x[1].shape->rank < call->x[0].shape->rank;
}

static double far_below(double x, double most) { return x == most ? 0 : most - x; }

/* y (largest - x), where a class that never is right costs nothing. */
static void distance_terms(double *term, const double *a, const double *b, const double *p,
                           ptrdiff_t step, size_t n) {
  for (size_t i = 0; i < n; i++)
    term[i] = b[i] == 0 && a[i] == a[i] ? 0 : b[i] * far_below(a[i], p[(ptrdiff_t)i * step]);
}

/* The loss of a row is the sum of y_j (log sum - (x_j - largest)): two sums, both of numbers of
 * one sign where y is a distribution. */
static void score_distributions(const struct call *call, const struct scores *scores) {
  const struct shape *shape = call->x[0].shape;
  const axis_set axis = last_axis(shape);
  sum_along(scores->share, scores->lost, shape, axis, (struct terms){.a = call->x[1].at});
  sum_along(
      scores->losses, scores->lost, shape, axis,
      (struct terms){
          .of = distance_terms, .a = call->x[0].at, .b = call->x[1].at, .p = scores->largest});
  for (size_t row = 0; row < rows_of(shape).count; row++)
    scores->losses[row] += scores->share[row] * log(scores->sum[row]);
}

static void score_labels(const struct call *call, const struct scores *scores) {
  const struct rows rows = rows_of(call->x[0].shape);
  for (size_t row = 0, label; row < rows.count; row++) {
    scores->losses[row] = NAN;
    if (!read_label(call, row, rows.classes, &label)) continue;
    const double x = call->x[0].at[row * rows.classes + label];
    scores->losses[row] = far_below(x, scores->largest[row]) + log(scores->sum[row]);
  }
}

/* Rows are as long as there are classes, most often short.  Such rows are done side by side: entry j
 * of row i is number j * SIDE + i, so that a vector holds a number of each. */
enum { SHORT_ROW = 64, SIDE = 16 };

/* Up to SIDE rows that lie one after the other, side by side; the last is repeated. */
static void put_beside(double *to, const double *from, size_t rows, size_t classes) {
  for (size_t i = 0; i < SIDE; i++) {
    const double *row = from + (i < rows ? i : rows - 1) * classes;
    for (size_t j = 0; j < classes; j++) to[j * SIDE + i] = row[j];
  }
}

/* As max_along does: a NaN wins. */
static void find_largest(double *restrict largest, const double *restrict x, size_t classes) {
  for (size_t i = 0; i < SIDE; i++) largest[i] = -INFINITY;
  for (size_t j = 0; j < classes; j++, x += SIDE)
    for (size_t i = 0; i < SIDE; i++) {
      const double best = x[i] > largest[i] ? x[i] : largest[i];
      largest[i] = x[i] != x[i] ? x[i] : best;
    }
}

/* sum = the sum of e^(x - largest) */
static void sum_powers(double *restrict sum, const double *restrict x,
                       const double *restrict largest, size_t classes, bool many) {
  double power[SHORT_ROW * SIDE];
  for (size_t at = 0; at < classes * SIDE; at += SIDE)
    distances(power + at, x + at, largest, 1, SIDE);
  if (many)
    exp_many(power, power, classes * SIDE);
  else
    for (size_t i = 0; i < classes * SIDE; i++) power[i] = exp(power[i]);
  for (size_t i = 0; i < SIDE; i++) sum[i] = 0;
  for (size_t at = 0; at < classes * SIDE; at += SIDE)
    for (size_t i = 0; i < SIDE; i++) sum[i] += power[at + i];
}

/* The sums of y and of y (largest - x), as score_distributions has them. */
static void weigh_distances(double *restrict share, double *restrict loss, const double *restrict x,
                            const double *restrict y, const double *restrict largest,
                            size_t classes) {
  for (size_t i = 0; i < SIDE; i++) share[i] = loss[i] = 0;
  for (size_t j = 0; j < classes; j++, x += SIDE, y += SIDE)
    for (size_t i = 0; i < SIDE; i++) {
      const double below = x[i] == largest[i] ? 0 : largest[i] - x[i], term = y[i] * below;
      share[i] += y[i];
      loss[i] += y[i] == 0 && x[i] == x[i] ? 0 : term;
    }
}

static void score_side(const struct call *call, const struct scores *scores, size_t first,
                       size_t rows, size_t classes) {
  double x[SHORT_ROW * SIDE], y[SHORT_ROW * SIDE];
  double largest[SIDE], sum[SIDE], share[SIDE], loss[SIDE];
  put_beside(x, call->x[0].at + first * classes, rows, classes);
  find_largest(largest, x, classes);
  sum_powers(sum, x, largest, classes, call->x[0].shape->size >= MANY_LEAST);
  memcpy(scores->largest + first, largest, rows * sizeof *largest);
  memcpy(scores->sum + first, sum, rows * sizeof *sum);
  if (are_integers(call)) return;
  put_beside(y, call->x[1].at + first * classes, rows, classes);
  weigh_distances(share, loss, x, y, largest, classes);
  memcpy(scores->share + first, share, rows * sizeof *share);
  for (size_t i = 0; i < rows; i++) scores->losses[first + i] = loss[i] + share[i] * log(sum[i]);
}

static void sum_long_rows(const struct call *call, const struct scores *scores) {
  const struct shape *shape = call->x[0].shape;
  max_along(scores->largest, shape, last_axis(shape), call->x[0].at);
  sum_along(scores->sum, scores->lost, shape, last_axis(shape),
            (struct terms){.of = exp_terms(shape), .a = call->x[0].at, .p = scores->largest});
}

static void softmax_cross_entropy_forward(const struct call *call) {
  const struct rows rows = rows_of(call->x[0].shape);
  const struct scores scores = scores_of(call, rows.count);
  const bool are_short = rows.classes <= SHORT_ROW;
  for (size_t row = 0; are_short && row < rows.count; row += SIDE)
    score_side(call, &scores, row, rows.count - row < SIDE ? rows.count - row : SIDE, rows.classes);
  if (!are_short) sum_long_rows(call, &scores);
  if (are_integers(call))
    score_labels(call, &scores);
  else if (!are_short)
    score_distributions(call, &scores);
  reduce_rows(call, rows.count);
}

/* bar += w (softmax(x) share - y): y is a distribution or, where `labels` is NULL, one-hot. */
static void slope_of_row(double *bar, const double *x, const double *labels, double largest,
                         double scale, double w, size_t classes) {
  for (size_t j = 0; j < classes; j++)
    bar[j] += w * (exp_below(x[j], largest) * scale - (labels ? labels[j] : 0));
}

static void softmax_cross_entropy_backward(const struct call *call) {
  const struct rows rows = rows_of(call->x[0].shape);
  const struct scores scores = scores_of(call, rows.count);
  const bool integers = are_integers(call);
  double shared, *bar = call->x[0].bar, *label_bar = integers ? NULL : call->x[1].bar;
  ptrdiff_t step;
  const double *w = weights(call, rows.count, &shared, &step);
  for (size_t row = 0, at = 0, label = 0; row < rows.count; row++, at += rows.classes, w += step) {
    const double *x = call->x[0].at + at, largest = scores.largest[row], sum = scores.sum[row];
    if (integers && !read_label(call, row, rows.classes, &label)) continue;
    if (bar)
      slope_of_row(bar + at, x, integers ? NULL : call->x[1].at + at, largest,
                   (integers ? 1 : scores.share[row]) / sum, *w, rows.classes);
    if (bar && integers) bar[at + label] -= *w;
    for (size_t j = 0; label_bar && j < rows.classes; j++)
      label_bar[at + j] += *w * (far_below(x[j], largest) + log(sum));
  }
}

/* ---- hinge ------------------------------------------------------------------------------- */

/* By how much class j comes too close to the right one: the terms of the sum where positive. */
static double violation(const struct call *call, const double *scores, size_t j, size_t label) {
  return j == label ? -INFINITY : scores[j] - scores[label] + call->attr[MARGIN].number;
}

static double hinge_of_row(const struct call *call, const double *scores, size_t label,
                           size_t classes) {
  double sum = 0, lost = 0;
  for (size_t j = 0; j < classes; j++) {
    const double term = violation(call, scores, j, label);
    if (!(term <= 0)) add_exactly(&sum, &lost, term);
  }
  return exact_sum(sum, lost);
}

static void hinge_forward(const struct call *call) {
  const struct rows rows = rows_of(call->x[0].shape);
  double *losses = row_losses(call);
  for (size_t row = 0, label; row < rows.count; row++) {
    losses[row] = NAN;
    if (read_label(call, row, rows.classes, &label))
      losses[row] = hinge_of_row(call, call->x[0].at + row * rows.classes, label, rows.classes);
  }
  reduce_rows(call, rows.count);
}

static void hinge_backward(const struct call *call) {
  const struct rows rows = rows_of(call->x[0].shape);
  double shared, *bar = call->x[0].bar;
  ptrdiff_t step;
  const double *w = weights(call, rows.count, &shared, &step);
  if (!bar) return;
  for (size_t row = 0, at = 0, label = 0; row < rows.count; row++, at += rows.classes, w += step) {
    if (!read_label(call, row, rows.classes, &label)) continue;
    size_t violations = 0;
    for (size_t j = 0; j < rows.classes; j++) {
      if (violation(call, call->x[0].at + at, j, label) <= 0) continue;
      bar[at + j] += *w;
      violations++;
    }
    bar[at + label] -= *w * (double)violations;
  }
}

static void hinge_kinks(const struct call *call, struct kinks *kinks) {
  const struct rows rows = rows_of(call->x[0].shape);
  for (size_t row = 0, at = 0; row < rows.count; row++, at += rows.classes) {
    if (!is_index(call->x[1].at[row], rows.classes)) continue;
    const size_t label = (size_t)call->x[1].at[row];
    for (size_t j = 0; j < rows.classes; j++)
      if (violation(call, call->x[0].at + at, j, label) == 0) kinks->add(kinks, 0, at + j);
  }
}

static uint64_t hinge_branches(const struct call *call) {
  const struct rows rows = rows_of(call->x[0].shape);
  uint64_t branches = 0;
  for (size_t row = 0, at = 0; row < rows.count; row++, at += rows.classes) {
    if (!is_index(call->x[1].at[row], rows.classes)) continue;
    const size_t label = (size_t)call->x[1].at[row];
    for (size_t j = 0; j < rows.classes; j++)
      branches = join_piece(branches, violation(call, call->x[0].at + at, j, label) > 0);
  }
  return branches;
}

static size_t hinge_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                            const struct shape *const *x) {
  (void)attr, (void)count, (void)y;
  return rows_of(x[0]).count;
}

/* ---- losses of entries: two inputs that broadcast ----------------------------------------- */

/* The shape that the inputs broadcast to; y has it only where nothing is reduced. */
union joined {
  struct shape shape;
  struct {
    size_t size;
    unsigned rank;
    int64_t dim[RANK_MOST];
  } room;
};

static void join_inputs(const struct call *call, union joined *joined) {
  struct dims a = shape_dims(call->x[0].shape), b = shape_dims(call->x[1].shape);
  broadcast_dims(&a, &b, &a);
  joined->room.size = 1;
  joined->room.rank = a.rank;
  for (unsigned i = 0; i < a.rank; i++) {
    joined->room.dim[i] = a.at[i];
    joined->room.size *= (size_t)a.at[i];
  }
}

static void start_pairs(struct sweep *s, const struct call *call, const union joined *joined) {
  sweep_start(s, &joined->shape, 2, (const struct shape *[]){call->x[0].shape, call->x[1].shape});
}

enum { PIECE = 256 }; /* entries that are summed at a time */

/* bar += terms, along a step that is 0 where the input is repeated. */
static void add_terms(double *bar, ptrdiff_t step, const double *term, size_t n) {
  if (step == 0)
    *bar += pairwise_sum(term, n, 1);
  else
    for (size_t i = 0; i < n; i++) bar[(ptrdiff_t)i * step] += term[i];
}

/* One statement for every piece of every inner loop of the sweep: entries pa[i * step_a] and
 * pb[i * step_b], i < n; `first` is the joined index of the first. */
#define EACH_PIECE(s, call, joined, statement)                                                     \
  for (start_pairs(&s, call, &joined); sweep_more(&s); sweep_next(&s))                             \
    for (size_t from = 0, n; from < s.n; from += n) {                                              \
      n = s.n - from < PIECE ? s.n - from : PIECE;                                                 \
      const ptrdiff_t first = s.at[0] + (ptrdiff_t)from;                                           \
      const ptrdiff_t at_a = s.at[1] + (ptrdiff_t)from * s.step[1];                                \
      const ptrdiff_t at_b = s.at[2] + (ptrdiff_t)from * s.step[2];                                \
      statement                                                                                    \
    }

#define EACH_PAIR(s, call, target, expression)                                                     \
  for (size_t i = 0; i < n; i++) {                                                                 \
    const double a = call->x[0].at[at_a + (ptrdiff_t)i * s.step[1]];                               \
    const double b = call->x[1].at[at_b + (ptrdiff_t)i * s.step[2]];                               \
    (void)a, (void)b;                                                                              \
    target[i] = (expression);                                                                      \
  }

#define ENTRY_SLOPE(name, k, at_k, slope)                                                          \
  static void name##_backward_##k(const struct call *call) {                                       \
    struct sweep s;                                                                                \
    union joined joined;                                                                           \
    join_inputs(call, &joined);                                                                    \
    double shared, term[PIECE];                                                                    \
    ptrdiff_t step;                                                                                \
    const double *w = weights(call, joined.shape.size, &shared, &step);                            \
    EACH_PIECE(s, call, joined, {                                                                  \
      EACH_PAIR(s, call, term, w[(first + (ptrdiff_t)i) * step] * (slope))                         \
      add_terms(call->x[k].bar + at_k, s.step[k + 1], term, n);                                    \
    })                                                                                             \
  }

/* The kernels of a loss, from C expressions over a and b. */
#define ENTRY_LOSS(name, loss, slope_a, slope_b)                                                   \
  static void name##_forward(const struct call *call) {                                            \
    struct sweep s;                                                                                \
    union joined joined;                                                                           \
    join_inputs(call, &joined);                                                                    \
    const bool all = reduction_of(call) == NONE;                                                   \
    double sum = 0, lost = 0, term[PIECE];                                                         \
    EACH_PIECE(s, call, joined, {                                                                  \
      double *to = all ? call->y.at + first : term;                                                \
      EACH_PAIR(s, call, to, loss)                                                                 \
      if (!all) add_exactly(&sum, &lost, pairwise_sum(term, n, 1));                                \
    })                                                                                             \
    if (!all) set_result(call, exact_sum(sum, lost), joined.shape.size);                           \
  }                                                                                                \
  ENTRY_SLOPE(name, 0, at_a, slope_a)                                                              \
  ENTRY_SLOPE(name, 1, at_b, slope_b)                                                              \
  static void name##_backward(const struct call *call) {                                           \
    if (call->x[0].bar) name##_backward_0(call);                                                   \
    if (call->x[1].bar) name##_backward_1(call);                                                   \
  }

static void reach_joined(const struct call *call, unsigned k, const struct extent *x,
                         struct extent *y) {
  if (reduction_of(call) == NONE) entry_parts.reach(call, k, x, y);
}

/* As ops whose inputs broadcast do, to the shape of the single losses. */
static void meet_joined(const struct call *call, unsigned m, const struct extent *moved,
                        const struct extent *y, unsigned k, struct extent *x) {
  struct extent losses[RANK_MOST];
  union joined joined;
  struct call unreduced = *call;
  join_inputs(call, &joined);
  unreduced.y.shape = &joined.shape;
  if (reduction_of(call) != NONE) entry_parts.reach(&unreduced, m, moved, losses);
  entry_parts.need(&unreduced, k, reduction_of(call) == NONE ? y : losses, x);
}

static double share_of_joined(const struct call *call, const struct call *part) {
  union joined whole, some;
  join_inputs(call, &whole);
  join_inputs(part, &some);
  return share_of_reduced(call, whole.shape.size, some.shape.size);
}

static const struct op_parts joined_parts = {
    .reach = reach_joined, .meet = meet_joined, .share = share_of_joined};

static double squared(double x) { return x * x; }

/* y softplus(-x) + (1 - y) softplus(x), which share log(1 + e^-|x|); a class that never is right
 * costs nothing. */
static double binary_loss(double x, double y) {
  double loss = log1p(exp(-fabs(x)));
  if (x < 0 && y != 0) loss -= y * x;
  if (x > 0 && y != 1) loss += (1 - y) * x;
  return loss;
}

/* sigmoid(x) - y, without losing the digits of a small difference. */
static double binary_slope(double x, double y) {
  const double e = exp(-fabs(x)), small = e / (1 + e), large = 1 / (1 + e);
  return x >= 0 ? (1 - y) * large - y * small : (1 - y) * small - y * large;
}

ENTRY_LOSS(mse, squared(a - b), 2 * (a - b), 2 * (b - a))
ENTRY_LOSS(sigmoid_cross_entropy, binary_loss(a, b), binary_slope(a, b), -a)

/* ---- shape rules of losses ---------------------------------------------------------------- */

/* Answers with the shape of the single losses, or with [] where they are reduced. */
static bool infer_loss(struct infer *infer, const struct dims *losses) {
  infer->y = *losses;
  if (infer->attr[REDUCTION].word != NONE) infer->y.rank = 0;
  return true;
}

static bool infer_entry_loss(struct infer *infer) {
  if (!infer_broadcast(infer)) return false;
  const struct dims joined = infer->y;
  return infer_loss(infer, &joined);
}

/* The shape of the rows' losses; false, after a complaint, where there are no classes. */
static bool infer_rows(struct infer *infer, struct dims *rows) {
  const struct dims *x = &infer->x[0];
  if (x->rank == 0 || x->at[x->rank - 1] == 0)
    return infer_fail_input(infer, 0, "the last axis must hold the classes: %0");
  *rows = make_dims(x->rank - 1, x->at);
  return true;
}

static bool infer_cross_entropy(struct infer *infer) {
  struct dims rows;
  if (!infer_rows(infer, &rows)) return false;
  if (!same_dims(&infer->x[0], &infer->x[1]))
    return infer_fail_input(infer, 1, "both must have the same shape: %0, %1");
  return infer_loss(infer, &rows);
}

static bool infer_softmax_cross_entropy(struct infer *infer) {
  struct dims rows;
  if (!infer_rows(infer, &rows)) return false;
  if (!same_dims(&infer->x[0], &infer->x[1]) && !same_dims(&rows, &infer->x[1]))
    return infer_fail_input(
        infer, 1, "there must be a class, or a number for every class, for each row: %0, %1");
  return infer_loss(infer, &rows);
}

static bool infer_hinge(struct infer *infer) {
  struct dims rows;
  if (!infer_rows(infer, &rows)) return false;
  if (!same_dims(&rows, &infer->x[1]))
    return infer_fail_input(infer, 1, "there must be a class for each row: %0, %1");
  return infer_loss(infer, &rows);
}

/* ---- which axes are kept apart ------------------------------------------------------------- */

/* A loss of each row: those before the classes. */
static int apart_rows(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                      unsigned k, unsigned axis) {
  return attr[0].word == NONE && axis < y->rank ? apart_as(y, (int)axis, x[k], axis) : -1;
}

static int apart_losses(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  return attr[0].word == NONE ? apart_entries(attr, y, x, k, axis) : -1;
}

/* ---- the rows ---------------------------------------------------------------------------- */

static const struct attr_spec softmax_attrs[] = {
    {.name = "axis",
     .meaning = "the axis along which the results add up to 1",
     .type = ATTR_INT,
     .fallback = {.given = true, .integer = -1}},
    {.name = NULL}};

#define REDUCTION_SPEC                                                                             \
  {                                                                                                \
    .name = "reduction",                                                                           \
    .meaning = "none: the loss of each row or entry; mean or sum: one number", .type = ATTR_WORD,  \
    .fallback = {.given = true, .word = MEAN}, .words = reductions                                 \
  }

static const struct attr_spec loss_attrs[] = {REDUCTION_SPEC, {.name = NULL}};

static const struct attr_spec hinge_attrs[] = {
    REDUCTION_SPEC,
    {.name = "margin",
     .meaning = "by how much the right class has to lead",
     .type = ATTR_NUMBER,
     .fallback = {.given = true, .number = 1}},
    {.name = NULL}};

static const struct op_sample softmax_samples[] = {
    {"3", ""},   {"2,3", ""},        {"2,3", "axis=0"}, {"2,3,2", "axis=1"}, {"2,3,2", "axis=-3"},
    {"0", ""},   {"0,3", "axis=-1"}, {"2,0", "axis=0"}, {"1", ""},           {"2,1,3,2", "axis=2"},
    {NULL, NULL}};

static const struct op_sample row_samples[] = {{"3;3", ""},
                                               {"2,3;2,3", ""},
                                               {"2,3;2,3", "reduction=none"},
                                               {"2,3;2,3", "reduction=sum"},
                                               {"2,2,3;2,2,3", ""},
                                               {"0,3;0,3", "reduction=sum"},
                                               {"3;3", "reduction=none"},
                                               {NULL, NULL}};

static const struct op_sample scored_samples[] = {{"3;3", ""},
                                                  {"2,3;2,3", ""},
                                                  {"2,3;2,3", "reduction=none"},
                                                  {"2,3;2,3", "reduction=sum"},
                                                  {"2,2,3;2,2,3", ""},
                                                  {"0,3;0,3", "reduction=sum"},
                                                  {"3;", ""},
                                                  {"2,3;2", ""},
                                                  {"2,3;2", "reduction=none"},
                                                  {"2,2,3;2,2", "reduction=sum"},
                                                  {"0,3;0", "reduction=none"},
                                                  {NULL, NULL}};

static const struct op_sample hinge_samples[] = {{"3;", ""},
                                                 {"2,3;2", ""},
                                                 {"2,3;2", "margin=0.5, reduction=none"},
                                                 {"2,4;2", "reduction=sum"},
                                                 {"2,2,3;2,2", ""},
                                                 {"0,3;0", "reduction=none"},
                                                 {NULL, NULL}};

static const struct op_sample entry_samples[] = {{";", ""},
                                                 {"3;3", ""},
                                                 {"2,3;2,3", "reduction=none"},
                                                 {"2,3;2,3", "reduction=sum"},
                                                 {"2,3;3", ""},
                                                 {"2,1;1,3", ""},
                                                 {";2,3", "reduction=none"},
                                                 {"0,3;3", "reduction=sum"},
                                                 {"2,1,3,1;4,1,2", "reduction=none"},
                                                 {NULL, NULL}};

/* Rules of losses of rows: `each` is a row's gradient, as if it were the only one. */
#define ROW_WEIGHT "reshape(upstream, shape=shape(y) + [1])"
#define ROW_MEAN(x, each) ROW_WEIGHT " / (size(" x ") // shape(" x ")[-1]) * (" each ")"
#define ROW_SUM(each) ROW_WEIGHT " * (" each ")"
#define ROW_RULE(x, each) "reduction == mean: " ROW_MEAN(x, each) "; " ROW_SUM(each)
#define ROW_CASE(guard, x, each)                                                                   \
  guard " and reduction == mean: " ROW_MEAN(x, each) "; " guard ": " ROW_SUM(each)

/* Rules of losses of entries, for input x of a and b. */
#define ENTRY_RULE(a, b, x, each)                                                                  \
  "reduction == mean: "                                                                            \
  "sum_to(upstream / size(" a " - " b ") * (" each "), shape=" x ".shape); "                       \
  "sum_to(upstream * (" each "), shape=" x ".shape)"

#define VIOLATED                                                                                   \
  "(scores - expand_dims(pick(scores, label), axis=-1) + margin > 0)"                              \
  " * (1 - one_hot(label, depth=shape(scores)[-1]))"

#define NETWORK(id, what, text, shape_rule, scratch_, ...)                                         \
  {                                                                                                \
    .name = #id, .family = "networks", .meaning = what, .formula = text, .infer = shape_rule,      \
    .forward = id##_forward, .backward = id##_backward, .scratch = scratch_, __VA_ARGS__           \
  }
#define INPUTS(count, ...) .least = (count), .most = (count), .inputs = {__VA_ARGS__}

const struct op network_ops[] = {
    NETWORK(softmax, "exponentials, divided by their sum along an axis", "e^x_i / sum_j e^x_j",
            infer_softmax, softmax_scratch, INPUTS(1, "x"), .attrs = softmax_attrs,
            .apart = apart_beside_axis, .parts = &softmax_parts, .samples = softmax_samples,
            .rules = {"y * (upstream - sum(upstream * y, axis=axis, keepdims=true))"},
            .code = {.rows = "softmax_row(y, x, n, step)", .python = "softmax(x, {axis})"}),
    NETWORK(log_softmax, "the logarithm of softmax; stable", "x_i - ln sum_j e^x_j", infer_softmax,
            softmax_scratch, INPUTS(1, "x"), .attrs = softmax_attrs, .apart = apart_beside_axis,
            .parts = &softmax_parts, .samples = softmax_samples,
            .rules = {"upstream - exp(y) * sum(upstream, axis=axis, keepdims=true)"},
            .code = {.rows = "log_softmax_row(y, x, n, step)", .python = "log_softmax(x, {axis})"}),
    NETWORK(
        cross_entropy, "the cross-entropy of probabilities p, along the last axis",
        "-sum_j labels_j ln p_j", infer_cross_entropy, cross_entropy_scratch,
        INPUTS(2, "p", "labels"), .apart = apart_rows, .parts = &row_parts, .attrs = loss_attrs,
        .samples = row_samples,
        .rules = {ROW_RULE("p", "-labels / where((p == 0) * (labels == 0), 1, p)"),
                  ROW_RULE("p", "-log(p)")},
        .kinks = cross_entropy_kinks, .convention = "not finite",
        .undefined = {NULL, "labels == 0 and p <= 0"}, .domain = {{0.1, 1}, {0.1, 1}},
        .code =
            {.row = "reduction == none => cross_entropy_row(p, labels, n, step)",
             .python = "reduction == none => cross_entropy(p, labels)",
             .composed =
                 "reduction == mean => mean(cross_entropy(p, labels, reduction=none))\nreduction "
                 "== sum => sum(cross_entropy(p, labels, reduction=none))"}),
    NETWORK(
        softmax_cross_entropy,
        "the cross-entropy of softmax(logits), along the last axis; labels are "
        "one-hot, a "
        "distribution, or integers; stable",
        "-sum_j labels_j ln softmax(logits)_j", infer_softmax_cross_entropy,
        softmax_cross_entropy_scratch, INPUTS(2, "logits", "labels"), .apart = apart_rows,
        .parts = &row_parts, .linear = {0, 2}, .labels = 1 << 1, .attrs = loss_attrs,
        .samples = scored_samples,
        .rules = {ROW_CASE("rank(labels) < rank(logits)", "logits",
                           "softmax(logits) - one_hot(labels, "
                           "depth=shape(logits)[-1])") "; " ROW_RULE("logits", "softmax(logits) "
                                                                               "* sum(labels, "
                                                                               "axis=-1, "
                                                                               "keepdims=true)"
                                                                               " - labels"),
                  "rank(labels) < rank(logits): zeros_like(labels); " ROW_RULE(
                      "logits", "-log_softmax(logits)")},
        .domain = {{-2, 2}, {0, 1}},
        .code =
            {.row =
                 "reduction == none and rank(labels) < rank(logits) => label_loss_row(logits, "
                 "labels, n, step)\nreduction == none => softmax_loss_row(logits, labels, n, step)",
             .python =
                 "reduction == none and rank(labels) < rank(logits) => -pick(log_softmax(logits, "
                 "-1), labels)\nreduction == none => softmax_loss(logits, labels)",
             .composed = "reduction == mean => mean(softmax_cross_entropy(logits, labels, "
                         "reduction=none))\nreduction == sum => sum(softmax_cross_entropy(logits, "
                         "labels, reduction=none))"}),
    NETWORK(hinge, "the multi-class SVM loss of scores, along the last axis",
            "sum_(j != label) max(0, scores_j - scores_label + margin)", infer_hinge, hinge_scratch,
            INPUTS(2, "scores", "label"), .apart = apart_rows, .parts = &row_parts,
            .branches = hinge_branches, .indices = 1 << 1, .attrs = hinge_attrs,
            .samples = hinge_samples,
            .rules = {ROW_RULE("scores",
                               VIOLATED " - one_hot(label, depth=shape(scores)[-1]) * sum(" VIOLATED
                                        ", axis=-1, keepdims=true)"),
                      NULL},
            .kinks = hinge_kinks, .convention = "0", .undefined = {"a margin is just reached"},
            .domain = {{-2, 2}, {0, 3}},
            .code = {.row = "reduction == none => hinge_row(scores, label, n, step, {margin})",
                     .python = "reduction == none => hinge(scores, label, {margin})",
                     .composed = "reduction == mean => mean(hinge(scores, label, reduction=none, "
                                 "margin=margin))\nreduction == sum => sum(hinge(scores, label, "
                                 "reduction=none, margin=margin))"}),
    NETWORK(mse, "the mean squared difference", "(a - b)^2", infer_entry_loss, NULL,
            INPUTS(2, "a", "b"), .apart = apart_losses, .parts = &joined_parts, .attrs = loss_attrs,
            .samples = entry_samples,
            .rules = {ENTRY_RULE("a", "b", "a", "2 * (a - b)"),
                      ENTRY_RULE("a", "b", "b", "2 * (b - a)")},
            .code = {.composed = "reduction == mean => mean(square(a - b))\nreduction == sum => "
                                 "sum(square(a - b))\nsquare(a - b)"}),
    NETWORK(sigmoid_cross_entropy, "the cross-entropy of sigmoid(logits), entry by entry; stable",
            "-labels ln sigmoid(logits) - (1 - labels) ln sigmoid(-logits)", infer_entry_loss, NULL,
            INPUTS(2, "logits", "labels"), .apart = apart_losses, .parts = &joined_parts,
            .attrs = loss_attrs, .samples = entry_samples,
            .rules = {ENTRY_RULE("logits", "labels", "logits",
                                 "(1 - labels) * sigmoid(logits) - labels * sigmoid(-logits)"),
                      ENTRY_RULE("logits", "labels", "labels", "zeros_like(labels) - logits")},
            .domain = {{-3, 3}, {0, 1}},
            .code = {.composed =
                         "reduction == mean => mean(labels * softplus(-logits) + (1 - labels) "
                         "* softplus(logits))\nreduction == sum => sum(labels * "
                         "softplus(-logits) + (1 - labels) * softplus(logits))\nlabels * "
                         "softplus(-logits) + (1 - labels) * softplus(logits)"}),
    {.name = NULL}};
