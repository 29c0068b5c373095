#include "ops/kernel.h"

#include <string.h>

bool infer_same(struct infer *infer) {
  infer->y = infer->x[0];
  return true;
}

bool infer_scalar(struct infer *infer) {
  infer->y.rank = 0;
  return true;
}

bool infer_broadcast(struct infer *infer) {
  infer->y = infer->x[0];
  for (unsigned i = 1; i < infer->count; i++) {
    if (broadcast_dims(&infer->y, &infer->x[i], &infer->y)) continue;
    /* Name the first pair that does not fit. */
    unsigned j = 0;
    struct dims joined;
    while (j + 1 < i && broadcast_dims(&infer->x[j], &infer->x[i], &joined)) j++;
    text_puts(infer->why, "shapes do not broadcast: ");
    infer->describe(infer, j);
    text_puts(infer->why, ", ");
    infer->describe(infer, i);
    infer->blame_input = (int)i;
    return false;
  }
  return true;
}

int apart_as(const struct shape *y, int to, const struct shape *x, unsigned axis) {
  return to >= 0 && (unsigned)to < y->rank && y->dim[to] == x->dim[axis] ? to : -1;
}

int apart_entries(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                  unsigned k, unsigned axis) {
  (void)attr;
  return apart_as(y, (int)axis + (int)y->rank - (int)x[k]->rank, x[k], axis);
}

/* Axes that have as many entries, and as many before them. */
int apart_order(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                unsigned k, unsigned axis) {
  (void)attr;
  int64_t before = 1, passed = 1;
  for (unsigned i = 0; i < axis; i++) before *= x[k]->dim[i];
  for (unsigned to = 0; to < y->rank && passed <= before; passed *= y->dim[to++])
    if (passed == before && y->dim[to] == x[k]->dim[axis]) return (int)to;
  return -1;
}

int apart_batch(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                unsigned k, unsigned axis) {
  (void)attr;
  return axis + 2 < x[k]->rank ? apart_as(y, (int)axis, x[k], axis) : -1;
}

int apart_items(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                unsigned k, unsigned axis) {
  (void)attr;
  return axis < 2 ? apart_as(y, (int)axis, x[k], axis) : -1;
}

const struct op_sample unary_samples[] = {{"", ""},    {"3", ""},       {"0", ""},
                                          {"2,3", ""}, {"2,1,3,2", ""}, {NULL, NULL}};

const struct op_sample binary_samples[] = {{";", ""},     {"3;3", ""},           {"2,3;3", ""},
                                           {"3;2,3", ""}, {"2,1;1,3", ""},       {";2,3", ""},
                                           {"2,3;", ""},  {"0,3;3", ""},         {"2,1,3;4,1", ""},
                                           {"1;1,1", ""}, {"2,1,3,1;4,1,2", ""}, {NULL, NULL}};

/* ---- parts ------------------------------------------------------------------------------- */

void take_all(struct extent *part, const struct shape *shape) {
  for (unsigned i = 0; i < shape->rank; i++) part[i] = (struct extent){0, shape->dim[i]};
}

/* Whether an operand is repeated along axis i of the result. */
static bool is_repeated(const struct shape *x, const struct shape *y, unsigned i) {
  const unsigned lead = y->rank - x->rank;
  return i < lead || (x->dim[i - lead] == 1 && y->dim[i] != 1);
}

static void reach_entries(const struct call *call, unsigned k, const struct extent *x,
                          struct extent *y) {
  const struct shape *from = call->x[k].shape, *to = call->y.shape;
  for (unsigned i = 0; i < to->rank; i++)
    y[i] =
        is_repeated(from, to, i) ? (struct extent){0, to->dim[i]} : x[i - (to->rank - from->rank)];
}

static void need_entries(const struct call *call, unsigned k, const struct extent *y,
                         struct extent *x) {
  const struct shape *from = call->x[k].shape, *to = call->y.shape;
  const unsigned lead = to->rank - from->rank;
  for (unsigned i = 0; i < from->rank; i++)
    x[i] = is_repeated(from, to, i + lead) ? (struct extent){0, 1} : y[i + lead];
}

const struct op_parts entry_parts = {.reach = reach_entries, .need = need_entries};

/* ---- sums -------------------------------------------------------------------------------- */

double pairwise_sum(const double *at, size_t n, ptrdiff_t step) {
  enum { BLOCK = 128, LANES = 8 };
  if (n > BLOCK) {
    size_t half = n / 2 / LANES * LANES;
    return pairwise_sum(at, half, step) + pairwise_sum(at + (ptrdiff_t)half * step, n - half, step);
  }
  double lane[LANES] = {0};
  size_t i = 0;
  if (step == 1)
    for (; i + LANES <= n; i += LANES)
      for (size_t k = 0; k < LANES; k++) lane[k] += at[i + k];
  else
    for (; i + LANES <= n; i += LANES)
      for (size_t k = 0; k < LANES; k++) lane[k] += at[(ptrdiff_t)(i + k) * step];
  double rest = 0;
  for (; i < n; i++) rest += at[(ptrdiff_t)i * step];
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7])) +
         rest;
}

/* Sums of up to that many entries side by side, and what rounding loses of them. */
enum { COLUMNS = 256 };
struct sums {
  double sum[COLUMNS], lost[COLUMNS];
};

static void add_columns(struct sums *sums, const double *g, ptrdiff_t step, size_t n) {
  for (size_t i = 0; i < n; i++) add_exactly(&sums->sum[i], &sums->lost[i], g[(ptrdiff_t)i * step]);
}

static void clear_columns(struct sums *sums, size_t n) {
  for (size_t i = 0; i < n; i++) sums->sum[i] = sums->lost[i] = 0;
}

static void flush_columns(const struct sums *sums, double *to, ptrdiff_t step, size_t n) {
  for (size_t i = 0; to && i < n; i++)
    to[(ptrdiff_t)i * step] += exact_sum(sums->sum[i], sums->lost[i]);
}

/* What of the inner loops goes to the same entries is summed up first, some columns at a time, so
 * that sums over many rows lose no digits. */
static size_t reduce_columns(double *bar, const struct shape *shape, const double *from,
                             const struct shape *from_shape, size_t column) {
  struct sums sums;
  struct sweep s;
  double *to = NULL;
  size_t width = 0, n = 0;
  for (sweep_start(&s, from_shape, 1, &shape); sweep_more(&s); sweep_next(&s)) {
    const double *g = from + s.at[0] + (ptrdiff_t)column * s.step[0];
    double *next = bar + s.at[1] + (ptrdiff_t)column * s.step[1];
    if (next != to) {
      flush_columns(&sums, to, s.step[1], n);
      width = s.step[1] ? s.n : 1;
      n = width - column < COLUMNS ? width - column : COLUMNS;
      clear_columns(&sums, n);
    }
    to = next;
    if (s.step[1] == 0)
      add_exactly(&sums.sum[0], &sums.lost[0], pairwise_sum(g, s.n, s.step[0]));
    else
      add_columns(&sums, g, s.step[0], n);
  }
  flush_columns(&sums, to, s.step[1], n);
  return width;
}

void add_reduced(double *bar, const struct shape *shape, const double *from,
                 const struct shape *from_shape) {
  if (shape->size == from_shape->size) {
    add_all(bar, from, shape->size);
    return;
  }
  for (size_t column = 0, width = 1; column < width; column += COLUMNS)
    width = reduce_columns(bar, shape, from, from_shape, column);
}

void broadcast_into(double *out, const struct shape *shape, const double *x,
                    const struct shape *x_shape) {
  struct sweep s;
  for (sweep_start(&s, shape, 1, &x_shape); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++)
      out[s.at[0] + (ptrdiff_t)i * s.step[0]] = x[s.at[1] + (ptrdiff_t)i * s.step[1]];
}

bool is_index(double value, size_t n) {
  return value >= 0 && value < (double)n && value == (double)(size_t)value;
}

void add_all(double *to, const double *from, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] += from[i];
}

bool infer_place(struct infer *infer, const char *name, int64_t axis, unsigned rank,
                 unsigned *place) {
  const int64_t written = axis;
  if (normalise_axis(&axis, rank)) {
    *place = (unsigned)axis;
    return true;
  }
  text_puts(infer->why, "axis ");
  text_integer(infer->why, written);
  return infer_fail_attr(infer, name, " is out of range: %0");
}

bool infer_dims(struct infer *infer, const char *name, const struct attr *dims, struct dims *out) {
  if (dims->ints.count > RANK_MOST) return infer_fail_attr(infer, name, "more than 32 axes");
  *out = make_dims((unsigned)dims->ints.count, dims->ints.at);
  for (unsigned i = 0; i < out->rank; i++)
    if (out->at[i] < 0) {
      dims_print(out, infer->why);
      return infer_fail_attr(infer, name, " is no shape: an axis has 0 or more entries");
    }
  return true;
}
