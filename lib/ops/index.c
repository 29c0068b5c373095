/* Ops that are told by integers which entries to take.  Indices count from 0; they are inputs that
 * hold integers as doubles, and nothing flows back to them. */
#include <string.h>

#include "ops/kernel.h"
#include "ops/rows.h"

static const char no_index[] = "is no index of an axis of that size";

/* Reads index number `at` of input 1 for an axis of n entries; false after a complaint. */
static bool read_index(const struct call *call, unsigned input, size_t at, size_t n, size_t *out) {
  const double value = call->x[input].at[at];
  *out = 0;
  if (is_index(value, n)) {
    *out = (size_t)value;
    return true;
  }
  call_fail(call, input, at, no_index, value);
  return false;
}

static void fill_zeros(const struct operand *y) {
  if (y->shape->size) memset(y->at, 0, y->shape->size * sizeof *y->at);
}

/* ---- pick -------------------------------------------------------------------------------- */

/* One index for all rows, or one for each. */
static bool check_rows(struct infer *infer, const struct dims *rows) {
  if (infer->x[1].rank == 0 || same_dims(&infer->x[1], rows)) return true;
  text_puts(infer->why, "the index is a scalar or ");
  dims_print(rows, infer->why);
  return infer_fail_input(infer, 1, ": %0, %1");
}

static bool infer_pick(struct infer *infer) {
  const struct dims *x = &infer->x[0];
  if (x->rank == 0) return infer_fail_input(infer, 0, "nothing to pick from: %0");
  infer->y = make_dims(x->rank - 1, x->at);
  return check_rows(infer, &infer->y);
}

static bool infer_put_pick(struct infer *infer) {
  if (!infer_dims(infer, "shape", &infer->attr[0], &infer->y)) return false;
  if (infer->y.rank == 0) return infer_fail_attr(infer, "shape", "there is no last axis");
  const struct dims rows = make_dims(infer->y.rank - 1, infer->y.at);
  if (same_dims(&infer->x[0], &rows)) return check_rows(infer, &rows);
  text_puts(infer->why, "one entry a row makes ");
  dims_print(&rows, infer->why);
  return infer_fail_input(infer, 0, ": %0");
}

/* The flat index of the entry that is picked from a row; false where there is none. */
static bool find_pick(const struct call *call, const struct shape *table, size_t row,
                      size_t *found) {
  const size_t n = (size_t)table->dim[table->rank - 1];
  size_t index;
  if (!read_index(call, 1, call->x[1].shape->rank ? row : 0, n, &index)) return false;
  *found = row * n + index;
  return true;
}

static void pick_forward(const struct call *call) {
  size_t at;
  fill_zeros(&call->y);
  for (size_t row = 0; row < call->y.shape->size; row++)
    if (find_pick(call, call->x[0].shape, row, &at)) call->y.at[row] = call->x[0].at[at];
}

static void pick_backward(const struct call *call) {
  size_t at;
  for (size_t row = 0; call->x[0].bar && row < call->y.shape->size; row++)
    if (find_pick(call, call->x[0].shape, row, &at)) call->x[0].bar[at] += call->y.bar[row];
}

static void put_pick_forward(const struct call *call) {
  size_t at;
  fill_zeros(&call->y);
  for (size_t row = 0; row < call->x[0].shape->size; row++)
    if (find_pick(call, call->y.shape, row, &at)) call->y.at[at] = call->x[0].at[row];
}

static void put_pick_backward(const struct call *call) {
  size_t at;
  for (size_t row = 0; call->x[0].bar && row < call->x[0].shape->size; row++)
    if (find_pick(call, call->y.shape, row, &at)) call->x[0].bar[row] += call->y.bar[at];
}

/* ---- take, scatter_add ------------------------------------------------------------------- */

/* A tensor seen as `before` blocks of n slabs of `after` entries; slabs are taken by index. */
struct slabs {
  size_t before, n, after;
};

static struct slabs find_slabs(const struct shape *table, int64_t axis) {
  struct slabs slabs = {1, 1, 1};
  normalise_axis(&axis, table->rank);
  for (unsigned i = 0; i < table->rank; i++) {
    size_t *part = i < axis ? &slabs.before : i == axis ? &slabs.n : &slabs.after;
    *part *= (size_t)table->dim[i];
  }
  return slabs;
}

/* The dims of x with the ones of the indices in the place of an axis. */
static bool replace_axis(struct infer *infer, const struct dims *x, unsigned axis,
                         const struct dims *indices) {
  if (x->rank - 1 + indices->rank > RANK_MOST)
    return infer_fail(infer, "more than 32 axes: %0, %1");
  struct dims *y = &infer->y;
  y->rank = 0;
  for (unsigned i = 0; i < axis; i++) y->at[y->rank++] = x->at[i];
  for (unsigned i = 0; i < indices->rank; i++) y->at[y->rank++] = indices->at[i];
  for (unsigned i = axis + 1; i < x->rank; i++) y->at[y->rank++] = x->at[i];
  return true;
}

static bool infer_take(struct infer *infer) {
  unsigned axis;
  return infer_place(infer, "axis", infer->attr[0].integer, infer->x[0].rank, &axis) &&
         replace_axis(infer, &infer->x[0], axis, &infer->x[1]);
}

enum { SCATTER_AXIS, SCATTER_SIZE };

/* The axes of the updates in the place of the indices become one axis of that size. */
static bool infer_scatter_add(struct infer *infer) {
  const struct dims *updates = &infer->x[0], *indices = &infer->x[1];
  const int64_t size = infer->attr[SCATTER_SIZE].integer;
  if (size < 0) return infer_fail_attr(infer, "size", "size must not be negative");
  if (updates->rank < indices->rank)
    return infer_fail_input(infer, 0, "the updates have fewer axes than the indices: %0, %1");
  const unsigned rank = updates->rank - indices->rank + 1;
  if (rank > RANK_MOST) return infer_fail(infer, "more than 32 axes: %0");
  unsigned axis;
  if (!infer_place(infer, "axis", infer->attr[SCATTER_AXIS].integer, rank, &axis)) return false;
  const struct dims replaced = make_dims(indices->rank, updates->at + axis);
  if (!same_dims(&replaced, indices))
    return infer_fail_input(
        infer, 0, "from the axis on, the updates have not the shape of the indices: %0, %1");
  infer->y.rank = rank;
  for (unsigned i = 0; i < rank; i++)
    infer->y.at[i] = i < axis    ? updates->at[i]
                     : i == axis ? size
                                 : updates->at[i + indices->rank - 1];
  return true;
}

/* What both do, forwards and backwards: slab number index[i] of a table and slab number i of what
 * was taken from it. */
static void read_slabs(const struct call *call, struct slabs table, const double *from, double *to,
                       bool add) {
  const size_t count = call->x[1].shape->size;
  for (size_t b = 0; b < table.before; b++)
    for (size_t i = 0; i < count; i++) {
      size_t index;
      if (!read_index(call, 1, i, table.n, &index)) continue;
      const double *source = from + (b * table.n + index) * table.after;
      double *target = to + (b * count + i) * table.after;
      if (add)
        add_all(target, source, table.after);
      else
        memcpy(target, source, table.after * sizeof *target);
    }
}

static void add_slabs(const struct call *call, struct slabs table, const double *from, double *to) {
  const size_t count = call->x[1].shape->size;
  for (size_t b = 0; b < table.before; b++)
    for (size_t i = 0; i < count; i++) {
      size_t index;
      if (!read_index(call, 1, i, table.n, &index)) continue;
      add_all(to + (b * table.n + index) * table.after, from + (b * count + i) * table.after,
              table.after);
    }
}

static struct slabs take_table(const struct call *call) {
  return find_slabs(call->x[0].shape, call->attr[0].integer);
}

static struct slabs scatter_table(const struct call *call) {
  return find_slabs(call->y.shape, call->attr[SCATTER_AXIS].integer);
}

static void take_forward(const struct call *call) {
  const bool possible = call->x[0].shape->size > 0;
  if (!possible) fill_zeros(&call->y); /* with indices, but nothing to take: complaints follow */
  read_slabs(call, take_table(call), call->x[0].at, call->y.at, false);
}

static void take_backward(const struct call *call) {
  if (call->x[0].bar) add_slabs(call, take_table(call), call->y.bar, call->x[0].bar);
}

static void scatter_add_forward(const struct call *call) {
  fill_zeros(&call->y);
  add_slabs(call, scatter_table(call), call->x[0].at, call->y.at);
}

static void scatter_add_backward(const struct call *call) {
  if (call->x[0].bar) read_slabs(call, scatter_table(call), call->y.bar, call->x[0].bar, true);
}

/* ---- one_hot ----------------------------------------------------------------------------- */

static bool infer_one_hot(struct infer *infer) {
  const int64_t depth = infer->attr[0].integer;
  if (depth < 0) return infer_fail_attr(infer, "depth", "depth must not be negative");
  if (infer->x[0].rank == RANK_MOST) return infer_fail(infer, "more than 32 axes: %0");
  infer->y = infer->x[0];
  infer->y.at[infer->y.rank++] = depth;
  return true;
}

static void one_hot_forward(const struct call *call) {
  const size_t depth = (size_t)call->attr[0].integer;
  fill_zeros(&call->y);
  for (size_t row = 0; row < call->x[0].shape->size; row++) {
    size_t index;
    if (read_index(call, 0, row, depth, &index)) call->y.at[row * depth + index] = 1;
  }
}

/* ---- which axes are kept apart ------------------------------------------------------------- */

/* The rows, of which one entry each is taken or put; one index may serve all. */
static int apart_picked(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  const unsigned rows = y->rank < x[k]->rank ? y->rank : x[k]->rank;
  return axis < rows ? apart_as(y, (int)axis, x[k], axis) : -1;
}

/* The axes before and after that of the indices. */
static int apart_taken(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                       unsigned k, unsigned axis) {
  int64_t at = attr[0].integer;
  normalise_axis(&at, x[k]->rank);
  if (axis == at) return -1;
  return apart_as(y, (int)axis + (axis > at ? (int)x[1]->rank - 1 : 0), x[k], axis);
}

static int apart_scattered(const struct attr *attr, const struct shape *y,
                           const struct shape *const *x, unsigned k, unsigned axis) {
  int64_t at = attr[SCATTER_AXIS].integer, indices = x[1]->rank;
  normalise_axis(&at, y->rank);
  if (axis >= at && axis < at + indices) return -1;
  return apart_as(y, (int)axis - (axis >= at ? (int)indices - 1 : 0), x[k], axis);
}

/* ---- the rows ---------------------------------------------------------------------------- */

static const struct attr_spec put_pick_attrs[] = {
    {"shape", "the shape of the result", .type = ATTR_INTS, .required = true}, {.name = NULL}};
static const struct attr_spec take_attrs[] = {{"axis", "the axis that the indices are for",
                                               .type = ATTR_INT,
                                               .fallback = {.given = true, .integer = 0}},
                                              {.name = NULL}};
static const struct attr_spec scatter_add_attrs[] = {
    {"axis", "the axis of the result that the indices are for", .type = ATTR_INT,
     .fallback = {.given = true, .integer = 0}},
    {"size", "how many entries that axis has", .type = ATTR_INT, .required = true},
    {.name = NULL}};
static const struct attr_spec one_hot_attrs[] = {
    {"depth", "how many entries a row has", .type = ATTR_INT, .required = true}, {.name = NULL}};

/* Indices for the tests are 0, 1 and 2: the axes they are for have three entries or more. */
#define SAMPLES(name, ...)                                                                         \
  static const struct op_sample name##_samples[] = {__VA_ARGS__, {NULL, NULL}}

SAMPLES(pick, {"3;", ""}, {"2,3;2", ""}, {"2,4;", ""}, {"0,3;0", ""}, {"1,3;1", ""},
        {"2,1,2,3;2,1,2", ""}, {"0,3;", ""});
SAMPLES(put_pick, {";", "shape=[3]"}, {"2;2", "shape=[2, 3]"}, {"2;", "shape=[2, 4]"},
        {"0;0", "shape=[0, 3]"}, {"2,1,2;2,1,2", "shape=[2, 1, 2, 3]"});
SAMPLES(take, {"3;", ""}, {"3,2;4", ""}, {"3,2;", ""}, {"2,3;2,2", "axis=1"}, {"2,3;", "axis=-1"},
        {"3;0", ""}, {"3,0;2", ""}, {"2,3,1,2;2", "axis=1"}, {"0,3;2", "axis=1"},
        {"3,1;2,1,2", ""});
SAMPLES(scatter_add, {";", "size=3"}, {"4,2;4", "size=3"}, {"2;", "size=3"},
        {"2,2,2;2,2", "axis=1, size=4"}, {"2;", "axis=-1, size=3"}, {"0;0", "size=3"},
        {"2,2,1,2;2", "axis=1, size=3"}, {"2,0;2", "size=3"});
SAMPLES(one_hot, {"", "depth=3"}, {"4", "depth=3"}, {"0", "depth=3"}, {"2,1,2", "depth=4"},
        {"1", "depth=3"});

#define ROW(id, heading, ...)                                                                      \
  {                                                                                                \
    .name = #id, .family = heading, .infer = infer_##id, .forward = id##_forward,                  \
    .samples = id##_samples, __VA_ARGS__                                                           \
  }
#define TWO_INPUTS(id) .least = 2, .most = 2, .indices = 2, .backward = id##_backward

const struct op index_ops[] = {
    ROW(pick, "index", .meaning = "one entry of every row along the last axis, by its index",
        .formula = "y_i = x_(i, index_i)", .inputs = {"x", "index"}, TWO_INPUTS(pick),
        .apart = apart_picked, .moves = true, .rules = {"put_pick(upstream, index, shape=x.shape)"},
        .domain = {{-2, 2}, {0, 3}},
        .code = {.whole = "pick(y, x, index, {size(y)}, {x.shape[-1]}, {rank(index) > 0})",
                 .python = "pick(x, index)"}),
    ROW(put_pick, "adjoint ops",
        .meaning = "rows of zeros with one entry of g each: the adjoint of pick",
        .formula = "y_(i, index_i) = g_i", .inputs = {"g", "index"}, TWO_INPUTS(put_pick),
        .apart = apart_picked, .moves = true, .attrs = put_pick_attrs,
        .rules = {"pick(upstream, index)"}, .domain = {{-2, 2}, {0, 3}},
        .code = {.whole = "put_pick(y, g, index, {size(g)}, {y.shape[-1]}, {rank(index) > 0})",
                 .python = "put_pick(g, index, {shape})"}),
    ROW(take, "index", .symbol = "[]",
        .meaning = "slabs of x along an axis, by their indices; a scalar index drops the axis",
        .formula = "y_i = x_(indices_i)", .inputs = {"x", "indices"}, TWO_INPUTS(take),
        .apart = apart_taken, .moves = true, .attrs = take_attrs,
        .rules = {"scatter_add(upstream, indices, axis=axis, size=x.shape[axis])"},
        .domain = {{-2, 2}, {0, 3}},
        .code = {.whole = "take(y, x, indices, {above(x, axis)}, {x.shape[axis]}, {below(x, "
                          "axis)}, {size(indices)})",
                 .python = "take(x, indices, {axis})"}),
    ROW(scatter_add, "index",
        .meaning = "updates added up by index into zeros: the adjoint of take",
        .formula = "y_k = sum over indices_i = k of updates_i", .inputs = {"updates", "indices"},
        TWO_INPUTS(scatter_add), .apart = apart_scattered, .linear = {1},
        .attrs = scatter_add_attrs, .rules = {"take(upstream, indices, axis=axis)"},
        .domain = {{-2, 2}, {0, 3}},
        .code = {.whole = "scatter_add(y, updates, indices, {above(y, axis)}, {size}, {below(y, "
                          "axis)}, {size(indices)})",
                 .python = "scatter_add(updates, indices, {axis}, {size})"}),
    ROW(one_hot, "index", .meaning = "rows of zeros with a 1 where the index says",
        .formula = "y_(i, index_i) = 1", .inputs = {"index"}, .least = 1, .most = 1, .indices = 1,
        .attrs = one_hot_attrs, .domain = {{0, 3}},
        .code = {.whole = "one_hot(y, index, {size(index)}, {depth})",
                 .python = "one_hot(index, {depth})"}),
    {.name = NULL}};
