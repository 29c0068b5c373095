/* Ops that move entries about: most of them read or write one tensor through a view of another. */
#include <string.h>

#include "ops/axes.h"
#include "ops/loops.h"
#include "ops/rows.h"

/* ---- views ------------------------------------------------------------------------------- */

/* How the entries of one shape lie in another tensor: where the first is, and how far it is to the
 * next along each axis. */
struct view {
  ptrdiff_t at, stride[RANK_MOST];
};

/* A whole tensor. */
static struct view view_all(const struct shape *shape) {
  struct view view = {.at = 0};
  shape_strides(shape, view.stride);
  return view;
}

/* Walks a tensor of that shape, operand 0, together with the view, operand 1. */
static void sweep_view(struct sweep *s, const struct shape *shape, const struct view *view) {
  ptrdiff_t strides[2][RANK_MOST];
  const ptrdiff_t start[2] = {0, view->at};
  shape_strides(shape, strides[0]);
  memcpy(strides[1], view->stride, sizeof strides[1]);
  sweep_strided(s, shape, 2, (const ptrdiff_t(*)[RANK_MOST])strides, start);
}

#define EACH_VIEWED(s, shape, view)                                                                \
  for (sweep_view(&(s), shape, view); sweep_more(&(s)); sweep_next(&(s)))

/* x = what the view shows of `viewed`. */
static void read_view(double *x, const struct shape *shape, const double *viewed,
                      const struct view *view) {
  struct sweep s;
  EACH_VIEWED(s, shape, view) {
    double *to = x + s.at[0];
    const double *from = viewed + s.at[1];
    if (s.step[1] == 1)
      memcpy(to, from, s.n * sizeof *to);
    else
      for (size_t i = 0; i < s.n; i++) to[i] = from[(ptrdiff_t)i * s.step[1]];
  }
}

/* What the view shows of `viewed` becomes x. */
static void write_view(double *viewed, const struct view *view, const double *x,
                       const struct shape *shape) {
  struct sweep s;
  EACH_VIEWED(s, shape, view) {
    double *to = viewed + s.at[1];
    const double *from = x + s.at[0];
    if (s.step[1] == 1)
      memcpy(to, from, s.n * sizeof *to);
    else
      for (size_t i = 0; i < s.n; i++) to[(ptrdiff_t)i * s.step[1]] = from[i];
  }
}

/* x += what the view shows of `viewed`. */
static void add_from_view(double *x, const struct shape *shape, const double *viewed,
                          const struct view *view) {
  struct sweep s;
  EACH_VIEWED(s, shape, view)
  for (size_t i = 0; i < s.n; i++)
    x[s.at[0] + (ptrdiff_t)i] += viewed[s.at[1] + (ptrdiff_t)i * s.step[1]];
}

/* What the view shows of `viewed` += x. */
static void add_to_view(double *viewed, const struct view *view, const double *x,
                        const struct shape *shape) {
  struct sweep s;
  EACH_VIEWED(s, shape, view)
  for (size_t i = 0; i < s.n; i++)
    viewed[s.at[1] + (ptrdiff_t)i * s.step[1]] += x[s.at[0] + (ptrdiff_t)i];
}

static void fill(double *at, size_t n, double value) {
  for (size_t i = 0; i < n; i++) at[i] = value;
}

static struct lay lay_of(const struct view *view) {
  struct lay lay = {.at = view->at};
  memcpy(lay.stride, view->stride, sizeof view->stride);
  return lay;
}

/* An op whose value is a view of its input. */
#define VIEW_KERNELS(name)                                                                         \
  static void name##_loops(const struct attr *attr, const struct shape *y, unsigned count,         \
                           const struct shape *const *x, struct loop_list *out) {                  \
    const struct view view = name##_view(attr, x[0], y);                                           \
    const struct lay to = whole_lay(y), from = lay_of(&view);                                      \
    (void)count;                                                                                   \
    add_copy(out, 0, y, &to, &from);                                                               \
  }                                                                                                \
  static void name##_forward(const struct call *call) {                                            \
    const struct view view = name##_view(call->attr, call->x[0].shape, call->y.shape);             \
    read_view(call->y.at, call->y.shape, call->x[0].at, &view);                                    \
  }                                                                                                \
  static void name##_backward(const struct call *call) {                                           \
    if (!call->x[0].bar) return;                                                                   \
    const struct view view = name##_view(call->attr, call->x[0].shape, call->y.shape);             \
    add_to_view(call->x[0].bar, &view, call->y.bar, call->y.shape);                                \
  }

/* An op that puts its input into a view of its value and fills the rest. */
#define PUT_KERNELS(name, rest)                                                                    \
  static void name##_loops(const struct attr *attr, const struct shape *y, unsigned count,         \
                           const struct shape *const *x, struct loop_list *out) {                  \
    const struct call given = {.attr = attr}, *call = &given;                                      \
    const struct view view = name##_view(attr, y, x[0]);                                           \
    const struct lay to = lay_of(&view), from = whole_lay(x[0]);                                   \
    (void)count, (void)call;                                                                       \
    out->filled = true;                                                                            \
    out->fill = rest;                                                                              \
    add_copy(out, 0, x[0], &to, &from);                                                            \
  }                                                                                                \
  static void name##_forward(const struct call *call) {                                            \
    const struct view view = name##_view(call->attr, call->y.shape, call->x[0].shape);             \
    fill(call->y.at, call->y.shape->size, rest);                                                   \
    write_view(call->y.at, &view, call->x[0].at, call->x[0].shape);                                \
  }                                                                                                \
  static void name##_backward(const struct call *call) {                                           \
    if (!call->x[0].bar) return;                                                                   \
    const struct view view = name##_view(call->attr, call->y.shape, call->x[0].shape);             \
    add_from_view(call->x[0].bar, call->x[0].shape, call->y.bar, &view);                           \
  }

/* ---- the same entries under another shape ------------------------------------------------- */

static void copy_forward(const struct call *call) {
  if (call->y.shape->size)
    memcpy(call->y.at, call->x[0].at, call->y.shape->size * sizeof *call->y.at);
}

static void copy_backward(const struct call *call) {
  if (call->x[0].bar) add_all(call->x[0].bar, call->y.bar, call->y.shape->size);
}

/* The number of entries, as a double: it cannot overflow, and is exact where it matters. */
static double count_entries(const struct dims *dims) {
  double count = 1;
  for (unsigned i = 0; i < dims->rank; i++) count *= (double)dims->at[i];
  return count;
}

static bool complain_reshape(struct infer *infer, const struct dims *wanted) {
  text_puts(infer->why, "shape ");
  dims_print(wanted, infer->why);
  text_puts(infer->why, " does not hold the ");
  text_integer(infer->why, (int64_t)count_entries(&infer->x[0]));
  text_puts(infer->why, count_entries(&infer->x[0]) == 1 ? " entry" : " entries");
  return infer_fail_attr(infer, "shape", ": %0");
}

/* Puts what is missing in the place of the one -1. */
static bool resolve_shape(struct infer *infer, struct dims *shape, unsigned open) {
  const struct dims wanted = *shape;
  const double entries = count_entries(&infer->x[0]);
  shape->at[open] = 1;
  const double rest = count_entries(shape);
  if (rest == 0) return infer_fail_attr(infer, "shape", "beside a 0, -1 could be anything: %0");
  shape->at[open] = (int64_t)(entries / rest);
  return count_entries(shape) == entries || complain_reshape(infer, &wanted);
}

static bool infer_reshape(struct infer *infer) {
  const struct attr *shape = &infer->attr[0];
  if (shape->ints.count > RANK_MOST) return infer_fail_attr(infer, "shape", "more than 32 axes");
  infer->y = make_dims((unsigned)shape->ints.count, shape->ints.at);
  int open = -1;
  for (unsigned i = 0; i < infer->y.rank; i++) {
    if (infer->y.at[i] >= 0) continue;
    if (infer->y.at[i] != -1)
      return infer_fail_attr(infer, "shape", "an axis has 0 or more entries, or -1: the rest");
    if (open >= 0) return infer_fail_attr(infer, "shape", "only one axis can be -1");
    open = (int)i;
  }
  if (open >= 0) return resolve_shape(infer, &infer->y, (unsigned)open);
  return count_entries(&infer->y) == count_entries(&infer->x[0]) ||
         complain_reshape(infer, &infer->y);
}

static bool infer_flatten(struct infer *infer) {
  const struct dims *x = &infer->x[0];
  unsigned start = 0;
  if (x->rank > 0 && !infer_place(infer, "start_axis", infer->attr[0].integer, x->rank, &start))
    return false;
  infer->y = make_dims(start, x->at);
  const struct dims rest = make_dims(x->rank - start, x->at + start);
  const double entries = count_entries(&rest);
  infer->y.at[infer->y.rank++] = entries < 0x1p62 ? (int64_t)entries : 0;
  return true;
}

/* The places of the new axes are counted in the result. */
static bool infer_expand_dims(struct infer *infer) {
  const struct attr *axes = &infer->attr[0];
  const struct dims *x = &infer->x[0];
  if (x->rank + axes->ints.count > RANK_MOST)
    return infer_fail_attr(infer, "axis", "more than 32 axes: %0");
  const unsigned rank = x->rank + (unsigned)axes->ints.count;
  axis_set fresh = 0;
  for (size_t i = 0; i < axes->ints.count; i++) {
    unsigned place;
    if (!infer_place(infer, "axis", axes->ints.at[i], rank, &place)) return false;
    if (has_axis(fresh, place)) return infer_fail_attr(infer, "axis", "an axis is given twice");
    fresh |= (axis_set)1 << place;
  }
  infer->y.rank = rank;
  for (unsigned i = 0, from = 0; i < rank; i++)
    infer->y.at[i] = has_axis(fresh, i) ? 1 : x->at[from++];
  return true;
}

static bool infer_squeeze(struct infer *infer) {
  const struct attr *axes = &infer->attr[0];
  const struct dims *x = &infer->x[0];
  axis_set gone;
  if (!infer_axes(infer, "axis", axes, &gone)) return false;
  infer->y.rank = 0;
  for (unsigned i = 0; i < x->rank; i++) {
    if (!has_axis(gone, i) || (!axes->given && x->at[i] != 1))
      infer->y.at[infer->y.rank++] = x->at[i];
    else if (x->at[i] != 1)
      return infer_fail_attr(infer, "axis", "only an axis of size 1 can be dropped: %0");
  }
  return true;
}

/* ---- broadcasting ------------------------------------------------------------------------ */

static bool infer_broadcast_to(struct infer *infer) {
  if (!infer_dims(infer, "shape", &infer->attr[0], &infer->y)) return false;
  if (broadcasts_to(&infer->x[0], &infer->y)) return true;
  text_puts(infer->why, "cannot be broadcast to ");
  dims_print(&infer->y, infer->why);
  return infer_fail_attr(infer, "shape", ": %0");
}

static void broadcast_to_forward(const struct call *call) {
  broadcast_into(call->y.at, call->y.shape, call->x[0].at, call->x[0].shape);
}

static void broadcast_to_backward(const struct call *call) {
  if (call->x[0].bar) add_reduced(call->x[0].bar, call->x[0].shape, call->y.bar, call->y.shape);
}

static bool infer_sum_to(struct infer *infer) {
  if (!infer_dims(infer, "shape", &infer->attr[0], &infer->y)) return false;
  if (broadcasts_to(&infer->y, &infer->x[0])) return true;
  dims_print(&infer->y, infer->why);
  return infer_fail_attr(infer, "shape", " does not broadcast to the input: %0");
}

static void sum_to_forward(const struct call *call) {
  if (call->y.shape == call->x[0].shape) {
    copy_forward(call);
    return;
  }
  fill(call->y.at, call->y.shape->size, 0);
  add_reduced(call->y.at, call->y.shape, call->x[0].at, call->x[0].shape);
}

static void sum_to_backward(const struct call *call) {
  if (!call->x[0].bar) return;
  struct view view = {.at = 0};
  broadcast_strides(call->y.shape, call->x[0].shape, view.stride);
  add_from_view(call->x[0].bar, call->x[0].shape, call->y.bar, &view);
}

/* The axes along which y has the sum of x. */
static bool is_summed(const struct call *call, unsigned axis) {
  const struct shape *x = call->x[0].shape, *y = call->y.shape;
  const unsigned lead = x->rank - y->rank;
  return axis < lead || (y->dim[axis - lead] == 1 && x->dim[axis] != 1);
}

static void reach_sum(const struct call *call, unsigned k, const struct extent *x,
                      struct extent *y) {
  const unsigned lead = call->x[k].shape->rank - call->y.shape->rank;
  for (unsigned i = 0; i < call->y.shape->rank; i++)
    y[i] = is_summed(call, i + lead) ? (struct extent){0, 1} : x[i + lead];
}

static void meet_sum(const struct call *call, unsigned m, const struct extent *moved,
                     const struct extent *y, unsigned k, struct extent *x) {
  (void)m;
  const unsigned lead = call->x[k].shape->rank - call->y.shape->rank;
  for (unsigned i = 0; i < call->x[k].shape->rank; i++)
    x[i] = is_summed(call, i) ? moved[i] : y[i - lead];
}

static const struct op_parts sum_parts = {.reach = reach_sum, .meet = meet_sum};

static void sum_to_loops(const struct attr *attr, const struct shape *y, unsigned count,
                         const struct shape *const *x, struct loop_list *out) {
  const struct lay from = whole_lay(x[0]);
  struct lay to = {.at = 0};
  (void)attr, (void)count;
  if (y != x[0]) sum_up(out);
  broadcast_strides(y, x[0], to.stride);
  add_copy(out, 0, x[0], &to, &from);
}

/* ---- transpose, flip --------------------------------------------------------------------- */

/* The axis of the input that becomes axis i: all in reverse order where nothing is given. */
static unsigned source_axis(const struct attr *axes, unsigned i, unsigned rank) {
  int64_t axis = axes->given ? axes->ints.at[i] : (int64_t)(rank - 1 - i);
  normalise_axis(&axis, rank);
  return (unsigned)axis;
}

static bool infer_transpose(struct infer *infer) {
  const struct attr *axes = &infer->attr[0];
  const struct dims *x = &infer->x[0];
  axis_set seen;
  if (!infer_axes(infer, "axes", axes, &seen)) return false;
  if (axes->given && axes->ints.count != x->rank)
    return infer_fail_attr(infer, "axes", "every axis must be named once: %0");
  infer->y.rank = x->rank;
  for (unsigned i = 0; i < x->rank; i++) infer->y.at[i] = x->at[source_axis(axes, i, x->rank)];
  return true;
}

static struct view transpose_view(const struct attr *attr, const struct shape *x,
                                  const struct shape *y) {
  ptrdiff_t strides[RANK_MOST];
  struct view view = {.at = 0};
  shape_strides(x, strides);
  for (unsigned i = 0; i < y->rank; i++) view.stride[i] = strides[source_axis(attr, i, y->rank)];
  return view;
}

VIEW_KERNELS(transpose)

static void reach_transpose(const struct call *call, unsigned k, const struct extent *x,
                            struct extent *y) {
  (void)k;
  for (unsigned i = 0; i < call->y.shape->rank; i++)
    y[i] = x[source_axis(&call->attr[0], i, call->y.shape->rank)];
}

static void need_transpose(const struct call *call, unsigned k, const struct extent *y,
                           struct extent *x) {
  (void)k;
  for (unsigned i = 0; i < call->y.shape->rank; i++)
    x[source_axis(&call->attr[0], i, call->y.shape->rank)] = y[i];
}

static const struct op_parts transpose_parts = {.reach = reach_transpose, .need = need_transpose};

static bool infer_flip(struct infer *infer) {
  axis_set axes;
  return infer_axes(infer, "axis", &infer->attr[0], &axes) && infer_same(infer);
}

static struct view flip_view(const struct attr *attr, const struct shape *x,
                             const struct shape *y) {
  const axis_set axes = axes_of(attr, y->rank);
  struct view view = view_all(x);
  for (unsigned i = 0; i < x->rank; i++) {
    if (!has_axis(axes, i)) continue;
    view.at += (x->dim[i] - 1) * view.stride[i];
    view.stride[i] = -view.stride[i];
  }
  return view;
}

VIEW_KERNELS(flip)

/* ---- slices ------------------------------------------------------------------------------ */

enum { START, STOP, STEP, AXES, PUT_SHAPE }; /* attributes of slice and put_slice */

/* What a slice takes of one axis. */
struct span {
  int64_t start, step, count;
};

/* Which entry of the lists is about an axis; past their ends where none is. */
static size_t find_entry(const struct attr *attr, unsigned axis, unsigned rank) {
  if (!attr[AXES].given) return axis;
  for (size_t i = 0; i < attr[AXES].ints.count; i++) {
    int64_t named = attr[AXES].ints.at[i];
    if (normalise_axis(&named, rank) && named == (int64_t)axis) return i;
  }
  return SIZE_MAX;
}

static bool has_entry(const struct attr *list, size_t i) {
  return list->given && i < list->ints.count;
}

/* A bound as Python has it: negative ones count from the end, and those outside are moved in. */
static int64_t clamp_bound(const struct attr *list, size_t i, int64_t n, bool forward,
                           int64_t otherwise) {
  if (!has_entry(list, i)) return otherwise;
  const int64_t low = forward ? 0 : -1, high = forward ? n : n - 1;
  int64_t bound = list->ints.at[i];
  if (bound < 0) bound += n;
  return bound < low ? low : bound > high ? high : bound;
}

static struct span find_span(const struct attr *attr, unsigned axis, unsigned rank, int64_t n) {
  const size_t i = find_entry(attr, axis, rank);
  int64_t step = has_entry(&attr[STEP], i) ? attr[STEP].ints.at[i] : 1;
  const bool forward = step > 0;
  const int64_t start = clamp_bound(&attr[START], i, n, forward, forward ? 0 : n - 1);
  const int64_t stop = clamp_bound(&attr[STOP], i, n, forward, forward ? n : -1);
  const int64_t length = forward ? stop - start : start - stop;
  const uint64_t stride = forward ? (uint64_t)step : 0 - (uint64_t)step;
  const int64_t count = length > 0 ? (int64_t)((uint64_t)(length - 1) / stride) + 1 : 0;
  if (count <= 1) step = 1; /* never taken: a huge one must not overflow */
  return (struct span){start, step, count};
}

static bool check_slice_lists(struct infer *infer, unsigned rank) {
  static const char *const names[] = {"start", "stop", "step"};
  const struct attr *attr = infer->attr;
  const size_t most = attr[AXES].given ? attr[AXES].ints.count : rank;
  for (unsigned k = START; k <= STEP; k++)
    if (attr[k].given && attr[k].ints.count > most)
      return infer_fail_attr(infer, names[k],
                             attr[AXES].given ? "more entries than axes"
                                              : "more entries than axes: %0");
  for (size_t i = 0; attr[STEP].given && i < attr[STEP].ints.count; i++)
    if (attr[STEP].ints.at[i] == 0) return infer_fail_attr(infer, "step", "the step is 0");
  axis_set seen = 0;
  for (size_t i = 0; attr[AXES].given && i < attr[AXES].ints.count; i++) {
    unsigned place;
    if (!infer_place(infer, "axes", attr[AXES].ints.at[i], rank, &place)) return false;
    if (has_axis(seen, place)) return infer_fail_attr(infer, "axes", "an axis is given twice");
    seen |= (axis_set)1 << place;
  }
  return true;
}

/* The shape of a slice of x. */
static struct dims slice_dims(const struct attr *attr, const struct dims *x) {
  struct dims y = {.rank = x->rank};
  for (unsigned i = 0; i < x->rank; i++) y.at[i] = find_span(attr, i, x->rank, x->at[i]).count;
  return y;
}

static bool infer_slice(struct infer *infer) {
  if (!check_slice_lists(infer, infer->x[0].rank)) return false;
  infer->y = slice_dims(infer->attr, &infer->x[0]);
  return true;
}

static struct view slice_view(const struct attr *attr, const struct shape *x,
                              const struct shape *y) {
  struct view view = view_all(x);
  for (unsigned i = 0; i < y->rank; i++) {
    const struct span span = find_span(attr, i, y->rank, x->dim[i]);
    view.at += span.start * view.stride[i];
    view.stride[i] *= span.step;
  }
  return view;
}

VIEW_KERNELS(slice)

static bool infer_put_slice(struct infer *infer) {
  if (!infer_dims(infer, "shape", &infer->attr[PUT_SHAPE], &infer->y)) return false;
  if (!check_slice_lists(infer, infer->y.rank)) return false;
  const struct dims slice = slice_dims(infer->attr, &infer->y);
  if (same_dims(&slice, &infer->x[0])) return true;
  text_puts(infer->why, "the slice is ");
  dims_print(&slice, infer->why);
  return infer_fail_input(infer, 0, ": %0");
}

#define put_slice_view slice_view
PUT_KERNELS(put_slice, 0)

/* ---- pad, crop --------------------------------------------------------------------------- */

enum { PADS, VALUE }; /* attributes of pad; crop has the first */

static int64_t pad_before(const struct attr *pads, unsigned axis) {
  return pads->ints.at[2 * axis];
}
static int64_t pad_after(const struct attr *pads, unsigned axis) {
  return pads->ints.at[2 * axis + 1];
}

static bool check_pads(struct infer *infer) {
  const struct attr *pads = &infer->attr[PADS];
  const int64_t most = INT64_C(1) << 53;
  if (pads->ints.count != 2 * (size_t)infer->x[0].rank)
    return infer_fail_attr(infer, "pads", "wants [before, after] for every axis: %0");
  for (size_t i = 0; i < pads->ints.count; i++)
    if (pads->ints.at[i] < 0 || pads->ints.at[i] > most)
      return infer_fail_attr(infer, "pads", "pads are counts of entries: 0 or more");
  return true;
}

static bool infer_pad(struct infer *infer) {
  if (!check_pads(infer)) return false;
  infer->y = infer->x[0];
  for (unsigned i = 0; i < infer->y.rank; i++)
    infer->y.at[i] += pad_before(&infer->attr[PADS], i) + pad_after(&infer->attr[PADS], i);
  return true;
}

static bool infer_crop(struct infer *infer) {
  if (!check_pads(infer)) return false;
  infer->y = infer->x[0];
  for (unsigned i = 0; i < infer->y.rank; i++) {
    infer->y.at[i] -= pad_before(&infer->attr[PADS], i) + pad_after(&infer->attr[PADS], i);
    if (infer->y.at[i] < 0) return infer_fail_attr(infer, "pads", "more than there is: %0");
  }
  return true;
}

/* The inner part of the larger shape. */
static struct view crop_view(const struct attr *attr, const struct shape *larger,
                             const struct shape *smaller) {
  struct view view = view_all(larger);
  for (unsigned i = 0; i < smaller->rank; i++)
    view.at += pad_before(&attr[PADS], i) * view.stride[i];
  return view;
}

VIEW_KERNELS(crop)
#define pad_view crop_view
PUT_KERNELS(pad, call->attr[VALUE].number)

/* ---- tile -------------------------------------------------------------------------------- */

enum { REPS, TILE_SHAPE }; /* attributes of tile; sum_tiles has both */

/* The shape of x, repeated; x and the repetitions are filled up with 1s in front. */
static bool tile_dims(struct infer *infer, const struct dims *x, struct dims *y) {
  const struct attr *reps = &infer->attr[REPS];
  if (reps->ints.count > RANK_MOST) return infer_fail_attr(infer, "reps", "more than 32 axes");
  const unsigned count = (unsigned)reps->ints.count;
  y->rank = count > x->rank ? count : x->rank;
  for (unsigned i = 0; i < y->rank; i++) {
    const int64_t n = i + x->rank < y->rank ? 1 : x->at[i + x->rank - y->rank];
    const int64_t times = i + count < y->rank ? 1 : reps->ints.at[i + count - y->rank];
    if (times < 0) return infer_fail_attr(infer, "reps", "reps must not be negative");
    if (n && times > INT64_MAX / n) return infer_fail_attr(infer, "reps", "too many: %0");
    y->at[i] = n * times;
  }
  return true;
}

static bool infer_tile(struct infer *infer) { return tile_dims(infer, &infer->x[0], &infer->y); }

static bool infer_sum_tiles(struct infer *infer) {
  struct dims tiled;
  if (!infer_dims(infer, "shape", &infer->attr[TILE_SHAPE], &infer->y)) return false;
  if (!tile_dims(infer, &infer->y, &tiled)) return false;
  if (same_dims(&tiled, &infer->x[0])) return true;
  text_puts(infer->why, "the tiles make ");
  dims_print(&tiled, infer->why);
  return infer_fail_input(infer, 0, ": %0");
}

static size_t count_tiles(const struct shape *tiled, const struct shape *tile) {
  return tile->size ? tiled->size / tile->size : 0;
}

/* Where tile number `at` lies; there may be more axes than the tile has. */
static struct view tile_view(const struct shape *tiled, const struct shape *tile, size_t at) {
  ptrdiff_t strides[RANK_MOST];
  struct view view = {.at = 0};
  shape_strides(tiled, strides);
  const unsigned lead = tiled->rank - tile->rank;
  for (unsigned i = tiled->rank; i-- > 0;) {
    const int64_t n = i < lead ? 1 : tile->dim[i - lead];
    const size_t times = (size_t)(tiled->dim[i] / n);
    view.at += (ptrdiff_t)(at % times) * n * strides[i];
    at /= times;
    if (i >= lead) view.stride[i - lead] = strides[i];
  }
  return view;
}

static void tile_forward(const struct call *call) {
  const struct shape *tile = call->x[0].shape, *tiled = call->y.shape;
  for (size_t i = 0; i < count_tiles(tiled, tile); i++) {
    const struct view view = tile_view(tiled, tile, i);
    write_view(call->y.at, &view, call->x[0].at, tile);
  }
}

/* Loops over the tiles and within one; input 0 is the tile, or (`sums`) the tiles. */
static void loop_tiles(const struct shape *tiled, const struct shape *tile, bool sums,
                       struct loop_list *out) {
  const struct lay all = whole_lay(tiled), one = whole_lay(tile);
  const unsigned lead = tiled->rank - tile->rank;
  struct loops *loops = add_nest(out, 1);
  for (unsigned i = 0; i < tiled->rank; i++) {
    const int64_t n = i < lead ? 1 : tile->dim[i - lead];
    const ptrdiff_t far = all.stride[i] * (ptrdiff_t)n, none = 0;
    add_loop(loops, n ? tiled->dim[i] / n : 0, sums ? 0 : far, sums ? &far : &none);
  }
  for (unsigned i = 0; i < tile->rank; i++) {
    const ptrdiff_t within = all.stride[lead + i], own = one.stride[i];
    add_loop(loops, tile->dim[i], sums ? own : within, sums ? &within : &own);
  }
}

static void tile_loops(const struct attr *attr, const struct shape *y, unsigned count,
                       const struct shape *const *x, struct loop_list *out) {
  (void)attr, (void)count;
  loop_tiles(y, x[0], false, out);
}

static void sum_tiles_loops(const struct attr *attr, const struct shape *y, unsigned count,
                            const struct shape *const *x, struct loop_list *out) {
  (void)attr, (void)count;
  sum_up(out);
  loop_tiles(x[0], y, true, out);
}

static void add_tiles(double *sum, const struct shape *tile, const double *tiles,
                      const struct shape *tiled) {
  for (size_t i = 0; i < count_tiles(tiled, tile); i++) {
    const struct view view = tile_view(tiled, tile, i);
    add_from_view(sum, tile, tiles, &view);
  }
}

static void tile_backward(const struct call *call) {
  if (call->x[0].bar) add_tiles(call->x[0].bar, call->x[0].shape, call->y.bar, call->y.shape);
}

static void sum_tiles_forward(const struct call *call) {
  fill(call->y.at, call->y.shape->size, 0);
  add_tiles(call->y.at, call->y.shape, call->x[0].at, call->x[0].shape);
}

static void sum_tiles_backward(const struct call *call) {
  const struct shape *tile = call->y.shape, *tiled = call->x[0].shape;
  for (size_t i = 0; call->x[0].bar && i < count_tiles(tiled, tile); i++) {
    const struct view view = tile_view(tiled, tile, i);
    add_to_view(call->x[0].bar, &view, call->y.bar, tile);
  }
}

/* ---- concat, stack ----------------------------------------------------------------------- */

static bool complain_parts(struct infer *infer, unsigned input, const char *what) {
  text_puts(infer->why, what);
  infer->describe(infer, 0);
  text_puts(infer->why, ", ");
  infer->describe(infer, input);
  infer->blame_input = (int)input;
  return false;
}

static bool infer_concat(struct infer *infer) {
  unsigned axis;
  if (!infer_place(infer, "axis", infer->attr[0].integer, infer->x[0].rank, &axis)) return false;
  infer->y = infer->x[0];
  for (unsigned k = 1; k < infer->count; k++) {
    struct dims part = infer->x[k];
    if (part.rank != infer->y.rank) return complain_parts(infer, k, "ranks differ: ");
    const int64_t own = part.at[axis];
    part.at[axis] = infer->y.at[axis];
    if (!same_dims(&part, &infer->y))
      return complain_parts(infer, k, "sizes differ beside the axis that is joined: ");
    if (own > INT64_MAX - infer->y.at[axis]) return complain_parts(infer, k, "too large: ");
    infer->y.at[axis] += own;
  }
  return true;
}

static bool infer_stack(struct infer *infer) {
  const struct dims *x = &infer->x[0];
  unsigned axis;
  if (x->rank == RANK_MOST) return infer_fail(infer, "more than 32 axes: %0");
  if (!infer_place(infer, "axis", infer->attr[0].integer, x->rank + 1, &axis)) return false;
  for (unsigned k = 1; k < infer->count; k++)
    if (!same_dims(&infer->x[k], x)) return complain_parts(infer, k, "shapes differ: ");
  infer->y.rank = x->rank + 1;
  for (unsigned i = 0; i < infer->y.rank; i++)
    infer->y.at[i] = i == axis ? (int64_t)infer->count : x->at[i - (i > axis)];
  return true;
}

/* The place of a part in y, `offset` entries along the axis.  What is stacked has one axis less
 * than y. */
static struct view part_view(const struct shape *y, int64_t axis, bool stacked, int64_t offset) {
  struct view view = view_all(y);
  normalise_axis(&axis, y->rank);
  view.at = offset * view.stride[axis];
  for (unsigned i = (unsigned)axis; stacked && i + 1 < y->rank; i++)
    view.stride[i] = view.stride[i + 1];
  return view;
}

/* How many entries of y's axis a part takes. */
static int64_t part_extent(const struct call *call, unsigned k, bool stacked) {
  int64_t axis = call->attr[0].integer;
  if (stacked) return 1;
  normalise_axis(&axis, call->y.shape->rank);
  return call->x[k].shape->dim[axis];
}

static void join_parts(const struct call *call, bool stacked) {
  int64_t offset = 0;
  for (unsigned k = 0; k < call->count; k++) {
    const struct view view = part_view(call->y.shape, call->attr[0].integer, stacked, offset);
    write_view(call->y.at, &view, call->x[k].at, call->x[k].shape);
    offset += part_extent(call, k, stacked);
  }
}

static void split_parts(const struct call *call, bool stacked) {
  int64_t offset = 0;
  for (unsigned k = 0; k < call->count; k++) {
    const struct view view = part_view(call->y.shape, call->attr[0].integer, stacked, offset);
    if (call->x[k].bar) add_from_view(call->x[k].bar, call->x[k].shape, call->y.bar, &view);
    offset += part_extent(call, k, stacked);
  }
}

static void loop_parts(const struct attr *attr, const struct shape *y, unsigned count,
                       const struct shape *const *x, bool stacked, struct loop_list *out) {
  int64_t offset = 0, axis = attr[0].integer;
  normalise_axis(&axis, y->rank);
  for (unsigned k = 0; k < count; k++) {
    const struct view view = part_view(y, axis, stacked, offset);
    const struct lay to = lay_of(&view), from = whole_lay(x[k]);
    add_copy(out, k, x[k], &to, &from);
    offset += stacked ? 1 : x[k]->dim[axis];
  }
}

static void concat_loops(const struct attr *attr, const struct shape *y, unsigned count,
                         const struct shape *const *x, struct loop_list *out) {
  loop_parts(attr, y, count, x, false, out);
}

static void stack_loops(const struct attr *attr, const struct shape *y, unsigned count,
                        const struct shape *const *x, struct loop_list *out) {
  loop_parts(attr, y, count, x, true, out);
}

static void concat_forward(const struct call *call) { join_parts(call, false); }
static void concat_backward(const struct call *call) { split_parts(call, false); }
static void stack_forward(const struct call *call) { join_parts(call, true); }
static void stack_backward(const struct call *call) { split_parts(call, true); }

/* ---- roll -------------------------------------------------------------------------------- */

enum { SHIFT, ROLL_AXIS };

static bool infer_roll(struct infer *infer) {
  const struct attr *shift = &infer->attr[SHIFT], *axis = &infer->attr[ROLL_AXIS];
  axis_set axes;
  if (!infer_axes(infer, "axis", axis, &axes)) return false;
  const size_t wanted = axis->given ? axis->ints.count : 1;
  if (shift->ints.count != wanted)
    return infer_fail_attr(infer, "shift",
                           axis->given ? "wants one shift for every axis"
                                       : "wants an axis for every shift");
  return infer_same(infer);
}

/* A shift as one of 0 .. n - 1. */
static size_t wrap_shift(int64_t shift, size_t n) {
  const int64_t size = (int64_t)n, rest = n ? shift % size : 0;
  return (size_t)(rest < 0 ? rest + size : rest);
}

/* A tensor seen as rows that are rolled by one shift; without axes the whole is one row.  The rows
 * change places as the axes before the last are rolled. */
struct roll {
  size_t length, last;     /* of a row; how far rows are rolled within */
  size_t shift[RANK_MOST]; /* by axis before it */
  unsigned outer;          /* how many of them there are */
};

static struct roll find_roll(const struct attr *attr, const struct shape *x) {
  const struct attr *shift = &attr[SHIFT], *axis = &attr[ROLL_AXIS];
  struct roll roll = {.length = x->size};
  if (!axis->given) {
    roll.last = wrap_shift(shift->ints.at[0], x->size);
    return roll;
  }
  if (x->rank == 0) return roll;
  roll.outer = x->rank - 1;
  roll.length = (size_t)x->dim[roll.outer];
  for (size_t i = 0; i < axis->ints.count; i++) {
    int64_t at = axis->ints.at[i];
    normalise_axis(&at, x->rank);
    const size_t wrapped = wrap_shift(shift->ints.at[i], (size_t)x->dim[at]);
    if (at == roll.outer)
      roll.last = wrapped;
    else
      roll.shift[at] = wrapped;
  }
  return roll;
}

/* Where row number `row` goes. */
static size_t roll_row(const struct shape *x, const struct roll *roll, size_t row) {
  size_t to = 0, stride = 1;
  for (unsigned i = roll->outer; i-- > 0;) {
    const size_t n = (size_t)x->dim[i];
    to += (row % n + roll->shift[i]) % n * stride;
    row /= n;
    stride *= n;
  }
  return to;
}

/* Axis by axis, what is rolled beyond the end and what is not: every choice of these is a piece. */
static void roll_loops(const struct attr *attr, const struct shape *y, unsigned count,
                       const struct shape *const *x, struct loop_list *out) {
  struct roll roll = find_roll(attr, x[0]);
  const struct lay whole = whole_lay(y);
  const bool flat = !attr[ROLL_AXIS].given; /* the whole is one row */
  const unsigned rank = flat ? 1 : y->rank;
  unsigned rolled[RANK_MOST], axes = 0;
  (void)count;
  if (rank) roll.shift[rank - 1] = roll.last;
  for (unsigned i = 0; i < rank; i++)
    if (roll.shift[i]) rolled[axes++] = i;
  for (size_t piece = 0; piece < (size_t)1 << axes; piece++) {
    struct loops *loops = add_nest(out, 1);
    for (unsigned i = 0, k = 0; i < rank; i++) {
      const int64_t n = flat ? (int64_t)y->size : y->dim[i], shift = (int64_t)roll.shift[i];
      const ptrdiff_t stride = flat ? 1 : whole.stride[i];
      const bool turns = k < axes && rolled[k] == i;
      const bool beyond = turns && piece >> k & 1;
      if (turns) k++;
      loops->y.at += beyond ? 0 : shift * stride;
      loops->factors[0].lay.at += beyond ? (n - shift) * stride : 0;
      add_loop(loops, beyond ? shift : n - shift, stride, &stride);
    }
  }
}

/* Each row in two pieces, which change places. */
static void roll_forward(const struct call *call) {
  const struct roll roll = find_roll(call->attr, call->x[0].shape);
  const size_t keep = roll.length - roll.last;
  for (size_t row = 0; row * roll.length < call->y.shape->size; row++) {
    const double *from = call->x[0].at + row * roll.length;
    double *to = call->y.at + roll_row(call->x[0].shape, &roll, row) * roll.length;
    memcpy(to + roll.last, from, keep * sizeof *to);
    memcpy(to, from + keep, roll.last * sizeof *to);
  }
}

static void roll_backward(const struct call *call) {
  if (!call->x[0].bar) return;
  const struct roll roll = find_roll(call->attr, call->x[0].shape);
  const size_t keep = roll.length - roll.last;
  for (size_t row = 0; row * roll.length < call->y.shape->size; row++) {
    double *to = call->x[0].bar + row * roll.length;
    const double *from = call->y.bar + roll_row(call->x[0].shape, &roll, row) * roll.length;
    add_all(to, from + roll.last, keep);
    add_all(to + keep, from, roll.last);
  }
}

/* ---- triangles --------------------------------------------------------------------------- */

static bool infer_triangle(struct infer *infer) {
  if (infer->x[0].rank < 2) return infer_fail_input(infer, 0, "wants a matrix: %0");
  return infer_same(infer);
}

/* y = x, or y += x, for the entries with j - i <= k (lower) or j - i >= k. */
static void copy_triangle(double *y, const double *x, const struct shape *shape, int64_t k,
                          bool lower, bool add) {
  const int64_t m = shape->dim[shape->rank - 2], n = shape->dim[shape->rank - 1];
  if (k > n) k = n;
  if (k < -m) k = -m;
  for (size_t row = 0; shape->size && row < shape->size / (size_t)n; row++) {
    const int64_t edge = (int64_t)(row % (size_t)m) + k + lower; /* the first beyond the triangle */
    const size_t split = (size_t)(edge < 0 ? 0 : edge > n ? n : edge);
    const size_t from = lower ? 0 : split, count = lower ? split : (size_t)n - split;
    const size_t at = row * (size_t)n + from;
    if (add)
      add_all(y + at, x + at, count);
    else
      memcpy(y + at, x + at, count * sizeof *y);
  }
}

#define TRIANGLE_KERNELS(name, lower)                                                              \
  static void name##_forward(const struct call *call) {                                            \
    fill(call->y.at, call->y.shape->size, 0);                                                      \
    copy_triangle(call->y.at, call->x[0].at, call->y.shape, call->attr[0].integer, lower, false);  \
  }                                                                                                \
  static void name##_backward(const struct call *call) {                                           \
    if (call->x[0].bar)                                                                            \
      copy_triangle(call->x[0].bar, call->y.bar, call->y.shape, call->attr[0].integer, lower,      \
                    true);                                                                         \
  }

TRIANGLE_KERNELS(tril, true)
TRIANGLE_KERNELS(triu, false)

/* ---- zeros_like, ones_like --------------------------------------------------------------- */

static void zeros_like_forward(const struct call *call) {
  fill(call->y.at, call->y.shape->size, 0);
}

static void ones_like_forward(const struct call *call) { fill(call->y.at, call->y.shape->size, 1); }

/* ---- the rows ---------------------------------------------------------------------------- */

static const struct attr_spec shape_attrs[] = {
    {"shape", "the shape of the result", .type = ATTR_INTS, .required = true}, {.name = NULL}};
static const struct attr_spec reshape_attrs[] = {
    {"shape", "the shape of the result; one axis may be -1: the rest", .type = ATTR_INTS,
     .required = true},
    {.name = NULL}};
static const struct attr_spec flatten_attrs[] = {
    {"start_axis", "the first of the axes that become one", .type = ATTR_INT,
     .fallback = {.given = true, .integer = 0}},
    {.name = NULL}};
static const struct attr_spec expand_attrs[] = {
    {"axis", "where in the result the new axes are", .type = ATTR_INTS, .required = true},
    {.name = NULL}};
static const struct attr_spec squeeze_attrs[] = {
    {"axis", "the axes of size 1 to drop; default: all", .type = ATTR_INTS}, {.name = NULL}};
static const struct attr_spec transpose_attrs[] = {
    {"axes", "for each axis of the result, which one of x it is; default: reversed",
     .type = ATTR_INTS},
    {.name = NULL}};
static const struct attr_spec flip_attrs[] = {
    {"axis", "the axes to reverse; default: all", .type = ATTR_INTS}, {.name = NULL}};
static const struct attr_spec slice_attrs[] = {
    {"start", "the first entry, by axis; negative: from the end", .type = ATTR_INTS},
    {"stop", "the entry before which to end, by axis", .type = ATTR_INTS},
    {"step", "from one entry to the next, by axis; may be negative", .type = ATTR_INTS},
    {"axes", "the axes that these are for; default: the first ones; the others stay whole",
     .type = ATTR_INTS},
    {.name = NULL}};
static const struct attr_spec put_slice_attrs[] = {
    {"start", "the first entry, by axis; negative: from the end", .type = ATTR_INTS},
    {"stop", "the entry before which to end, by axis", .type = ATTR_INTS},
    {"step", "from one entry to the next, by axis; may be negative", .type = ATTR_INTS},
    {"axes", "the axes that these are for; default: the first ones; the others stay whole",
     .type = ATTR_INTS},
    {"shape", "the shape of the result", .type = ATTR_INTS, .required = true},
    {.name = NULL}};
static const struct attr_spec pad_attrs[] = {
    {"pads", "[before, after] for every axis", .type = ATTR_PAIRS, .required = true},
    {"value", "what the new entries are", .type = ATTR_NUMBER,
     .fallback = {.given = true, .number = 0}},
    {.name = NULL}};
static const struct attr_spec crop_attrs[] = {
    {"pads", "[before, after] for every axis: how many entries to drop", .type = ATTR_PAIRS,
     .required = true},
    {.name = NULL}};
static const struct attr_spec tile_attrs[] = {
    {"reps", "how often x is repeated along each axis; fewer: the last axes", .type = ATTR_INTS,
     .required = true},
    {.name = NULL}};
static const struct attr_spec sum_tiles_attrs[] = {
    {"reps", "how often a tile is repeated along each axis", .type = ATTR_INTS, .required = true},
    {"shape", "the shape of one tile", .type = ATTR_INTS, .required = true},
    {.name = NULL}};
static const struct attr_spec concat_attrs[] = {{"axis", "the axis along which to join",
                                                 .type = ATTR_INT,
                                                 .fallback = {.given = true, .integer = 0}},
                                                {.name = NULL}};
static const struct attr_spec stack_attrs[] = {{"axis", "where in the result the new axis is",
                                                .type = ATTR_INT,
                                                .fallback = {.given = true, .integer = 0}},
                                               {.name = NULL}};
static const struct attr_spec roll_attrs[] = {
    {"shift", "how far entries move on, by axis", .type = ATTR_INTS, .required = true},
    {"axis", "the axes; default: all entries in one row", .type = ATTR_INTS},
    {.name = NULL}};
static const struct attr_spec triangle_attrs[] = {
    {"k", "which diagonal bounds the triangle; above the main one it is positive", .type = ATTR_INT,
     .fallback = {.given = true, .integer = 0}},
    {.name = NULL}};

#define SAMPLES(name, ...)                                                                         \
  static const struct op_sample name##_samples[] = {__VA_ARGS__, {NULL, NULL}}

SAMPLES(reshape, {"2,3", "shape=[3, -1]"}, {"", "shape=[1, 1]"}, {"1,1", "shape=[]"},
        {"6", "shape=[2, 1, 3, 1]"}, {"0,3", "shape=[3, 0]"}, {"2,1,3,2", "shape=[4, 3]"},
        {"4", "shape=-1"});
SAMPLES(flatten, {"2,3", ""}, {"", ""}, {"3", ""}, {"0,2", ""}, {"2,3,1,2", "start_axis=1"},
        {"2,3,2", "start_axis=-1"});
SAMPLES(expand_dims, {"2,3", "axis=0"}, {"2,3", "axis=-1"}, {"", "axis=[0, 1]"}, {"0", "axis=1"},
        {"2,3", "axis=[0, -2]"}, {"2,1,3,2", "axis=2"});
SAMPLES(squeeze, {"2,1", "axis=1"}, {"1,2,1,3", ""}, {"1,2,1,3", "axis=[0, -2]"}, {"1", ""},
        {"", ""}, {"0,1", "axis=-1"});
SAMPLES(broadcast_to, {"3", "shape=[2, 3]"}, {"", "shape=[2]"}, {"2,1", "shape=[2, 3]"},
        {"3", "shape=[3]"}, {"1", "shape=[0]"}, {"0,1", "shape=[0, 3]"},
        {"2,1,3,1", "shape=[2, 2, 3, 2]"}, {"", "shape=[]"});
SAMPLES(sum_to, {"2,3", "shape=[3]"}, {"2,3", "shape=[2, 1]"}, {"2,3", "shape=[]"},
        {"2,3", "shape=[2, 3]"}, {"0,3", "shape=[3]"}, {"0,3", "shape=[1, 1]"}, {"", "shape=[]"},
        {"2,3,2,2", "shape=[3, 1, 2]"});
SAMPLES(transpose, {"2,3", ""}, {"3", ""}, {"", ""}, {"0,3", ""}, {"2,3,1,2", ""},
        {"2,3,4", "axes=[1, 2, 0]"}, {"2,3,1,2", "axes=[-1, 0, 2, 1]"}, {"2,3", "axes=[0, 1]"});
SAMPLES(flip, {"3", ""}, {"", ""}, {"2,3", ""}, {"2,3", "axis=1"}, {"0,2", "axis=0"},
        {"2,1,3,2", "axis=[0, -2]"});
SAMPLES(slice, {"5", "start=1, stop=4"}, {"5", "step=-1"}, {"5", "start=-2, stop=-9, step=-2"},
        {"3,4", "start=[0, 1], stop=[2, 9], step=[1, 2]"}, {"3,4", "start=[1]"},
        {"3,4", "stop=-1, axes=-1"}, {"3,4", "start=2, stop=1"}, {"0,2", "start=0, stop=3"},
        {"", ""}, {"2,3,4,2", "start=[2, 1], stop=[0, 3], step=[-1, 1], axes=[2, 1]"},
        {"1", "start=-7, stop=7, step=100"});
SAMPLES(put_slice, {"3", "shape=[5], start=1, stop=4"}, {"5", "shape=[5], step=-1"},
        {"2,2", "shape=[3, 4], start=[0, 1], stop=[2, 9], step=[1, 2]"},
        {"0", "shape=[3], start=2, stop=1"}, {"", "shape=[]"},
        {"3,3", "shape=[3, 4], stop=-1, axes=-1"},
        {"2,2,2,2", "shape=[2, 3, 4, 2], start=[2, 1], stop=[0, 3], step=[-1, 1], axes=[2, 1]"});
SAMPLES(pad, {"3", "pads=[[1, 2]]"}, {"2,3", "pads=[[0, 1], [2, 0]], value=1.5"}, {"", "pads=[]"},
        {"0", "pads=[[1, 1]]"}, {"1", "pads=[[0, 0]]"},
        {"2,1,3,2", "pads=[[0, 0], [1, 1], [0, 2], [1, 0]]"});
SAMPLES(crop, {"5", "pads=[[1, 2]]"}, {"2,3", "pads=[[0, 1], [2, 0]]"}, {"", "pads=[]"},
        {"2", "pads=[[1, 1]]"}, {"0", "pads=[[0, 0]]"},
        {"2,3,3,2", "pads=[[0, 0], [1, 1], [0, 2], [1, 0]]"});
SAMPLES(tile, {"3", "reps=2"}, {"2,3", "reps=2"}, {"2,3", "reps=[3, 1]"}, {"3", "reps=[2, 2]"},
        {"", "reps=[2, 3]"}, {"0", "reps=2"}, {"3", "reps=0"}, {"2,1,3,2", "reps=[1, 2, 2]"},
        {"2", "reps=[]"});
SAMPLES(sum_tiles, {"6", "reps=2, shape=[3]"}, {"2,6", "reps=2, shape=[2, 3]"},
        {"2,6", "reps=[2, 2], shape=[3]"}, {"2,3", "reps=[2, 3], shape=[]"},
        {"0", "reps=2, shape=[0]"}, {"0", "reps=0, shape=[3]"},
        {"2,2,6,2", "reps=[2, 2, 1], shape=[2, 1, 3, 2]"});
SAMPLES(concat, {"2;3", ""}, {"2", ""}, {"2,3;1,3;2,3", ""}, {"2,3;2,1", "axis=-1"},
        {"0,2;1,2", ""}, {"2,1,3,2;2,2,3,2", "axis=1"}, {"0;0", ""});
SAMPLES(stack, {";", ""}, {"3;3", ""}, {"3;3;3", "axis=-1"}, {"2,3;2,3", "axis=1"}, {"0,2;0,2", ""},
        {"2,3", "axis=2"}, {"2,1,3,2;2,1,3,2", "axis=-2"});
SAMPLES(roll, {"5", "shift=2"}, {"2,3", "shift=-1"}, {"2,3", "shift=1, axis=0"},
        {"2,3", "shift=[1, -4], axis=[0, 1]"}, {"0", "shift=1"}, {"", "shift=1"},
        {"0,3", "shift=2, axis=-1"}, {"2,1,3,2", "shift=[1, 1], axis=[2, 0]"}, {"1", "shift=7"});
SAMPLES(triangle, {"3,3", ""}, {"2,4", "k=1"}, {"4,2", "k=-1"}, {"1,1", ""}, {"0,3", ""},
        {"3,0", ""}, {"2,3,3", "k=-9"}, {"2,3,3", "k=9"}, {"2,1,3,2", "k=1"});

/* ---- which axes are kept apart -------------------------------------------------------------- */

static int apart_transposed(const struct attr *attr, const struct shape *y,
                            const struct shape *const *x, unsigned k, unsigned axis) {
  if (!attr[0].given) return (int)(y->rank - 1 - axis);
  for (unsigned to = 0; to < y->rank; to++) {
    int64_t from = attr[0].ints.at[to];
    if (normalise_axis(&from, x[k]->rank) && from == axis) return (int)to;
  }
  return -1;
}

/* A slice or what a slice is put into: the axes that it takes whole. */
static int apart_sliced(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  const struct span span = find_span(attr, axis, y->rank, x[k]->dim[axis]);
  return span.start == 0 && span.step == 1 ? apart_as(y, (int)axis, x[k], axis) : -1;
}

static int apart_padded(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  return pad_before(&attr[PADS], axis) ? -1 : apart_as(y, (int)axis, x[k], axis);
}

static int apart_rolled(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  if (has_axis(axes_of(&attr[ROLL_AXIS], y->rank), axis)) return -1;
  return apart_as(y, (int)axis, x[k], axis);
}

static int apart_stacked(const struct attr *attr, const struct shape *y,
                         const struct shape *const *x, unsigned k, unsigned axis) {
  int64_t at = attr[0].integer;
  normalise_axis(&at, y->rank);
  return apart_as(y, (int)axis + (axis >= at), x[k], axis);
}

/* One input. */
#define ROW(id, heading, ...)                                                                      \
  { .name = #id, .family = heading, .least = 1, .most = 1, .infer = infer_##id, __VA_ARGS__ }
#define KERNELS(id) .forward = id##_forward, .backward = id##_backward, .samples = id##_samples
/* The same entries under another shape. */
#define COPIES(id)                                                                                 \
  .forward = copy_forward, .backward = copy_backward, .samples = id##_samples,                     \
  .apart = apart_order, .moves = true, .algebra = ALGEBRA_RESHAPE,                                 \
  .rules = {"reshape(upstream, shape=x.shape)"}

const struct op shape_ops[] = {
    ROW(reshape, "shape", .meaning = "the same entries in the same order, under another shape",
        .formula = "y = x", .inputs = {"x"}, .attrs = reshape_attrs, COPIES(reshape),
        .code = {.same = true, .python = "np.reshape(x, {shape(y)})"}),
    ROW(flatten, "shape", .meaning = "the axes from start_axis on as one", .formula = "y = x",
        .inputs = {"x"}, .attrs = flatten_attrs, COPIES(flatten),
        .code = {.same = true, .python = "np.reshape(x, {shape(y)})"}),
    ROW(expand_dims, "shape", .meaning = "new axes of size 1", .formula = "y = x", .inputs = {"x"},
        .attrs = expand_attrs, COPIES(expand_dims),
        .code = {.same = true, .python = "np.reshape(x, {shape(y)})"}),
    ROW(squeeze, "shape", .meaning = "without axes of size 1", .formula = "y = x", .inputs = {"x"},
        .attrs = squeeze_attrs, COPIES(squeeze),
        .code = {.same = true, .python = "np.reshape(x, {shape(y)})"}),
    ROW(broadcast_to, "shape", .meaning = "x repeated to a shape, as broadcasting does",
        .formula = "y_ij = x_j", .inputs = {"x"}, .attrs = shape_attrs, KERNELS(broadcast_to),
        .apart = apart_entries, .parts = &entry_parts, .linear = {1},
        .algebra = ALGEBRA_BROADCAST_TO, .rules = {"sum_to(upstream, shape=x.shape)"},
        .code = {.entry = "x", .python = "np.broadcast_to(x, {shape}).copy()"}),
    ROW(sum_to, "adjoint ops",
        .meaning = "x summed to a shape that broadcasts to it: the adjoint of broadcasting",
        .formula = "y_j = sum_i x_ij", .inputs = {"x"}, .attrs = shape_attrs, KERNELS(sum_to),
        .apart = apart_entries, .parts = &sum_parts, .linear = {1}, .algebra = ALGEBRA_SUM_TO,
        .rules = {"broadcast_to(upstream, shape=x.shape)"},
        .code = {.loops = sum_to_loops, .python = "sum_to(x, {shape})"}),
    ROW(transpose, "shape", .symbol = ".T",
        .meaning = "the axes in another order; x.T for a matrix", .formula = "y_ij = x_ji",
        .inputs = {"x"}, .attrs = transpose_attrs, KERNELS(transpose), .apart = apart_transposed,
        .parts = &transpose_parts, .linear = {1},
        .rules = {"transpose(upstream, axes=inverse(axes, x))"},
        .code = {.loops = transpose_loops,
                 .python = "given(axes) => np.transpose(x, {axes})\nnp.transpose(x)"}),
    ROW(flip, "shape", .meaning = "the entries along some axes in reverse order",
        .formula = "y_i = x_(n-1-i)", .inputs = {"x"}, .attrs = flip_attrs, KERNELS(flip),
        .apart = apart_beside_axes, .moves = true, .rules = {"flip(upstream, axis=axis)"},
        .code = {.loops = flip_loops, .python = "np.flip(x, axis={axis})"}),
    ROW(slice, "shape", .symbol = "[:]",
        .meaning = "every step-th entry from start to before stop, by axis; bounds as in Python",
        .formula = "y_i = x_(start + i step)", .inputs = {"x"}, .attrs = slice_attrs,
        KERNELS(slice), .apart = apart_sliced, .moves = true,
        .rules = {"put_slice(upstream, shape=x.shape, start=start, stop=stop, step=step, "
                  "axes=axes)"},
        .code = {.loops = slice_loops,
                 .python = "x[slices({rank(x)}, {start}, {stop}, {step}, {axes})]"}),
    ROW(put_slice, "adjoint ops",
        .meaning = "zeros of a shape, with g in the place of a slice: the adjoint of slice",
        .formula = "y_(start + i step) = g_i", .inputs = {"g"}, .attrs = put_slice_attrs,
        KERNELS(put_slice), .apart = apart_sliced, .moves = true,
        .rules = {"slice(upstream, start=start, stop=stop, step=step, axes=axes)"},
        .code = {.loops = put_slice_loops,
                 .python = "put_slice(g, {shape}, {start}, {stop}, {step}, {axes})"}),
    ROW(pad, "shape", .meaning = "entries added before and after, along each axis",
        .formula = "y_(before + i) = x_i, else value", .inputs = {"x"}, .attrs = pad_attrs,
        KERNELS(pad), .apart = apart_padded, .moves = true, .rules = {"crop(upstream, pads=pads)"},
        .code = {.loops = pad_loops,
                 .python = "rank(x) == 0 => x\nnp.pad(x, {pads}, constant_values={value})"}),
    ROW(crop, "adjoint ops",
        .meaning = "entries dropped before and after, along each axis: the adjoint of pad",
        .formula = "y_i = x_(before + i)", .inputs = {"x"}, .attrs = crop_attrs, KERNELS(crop),
        .apart = apart_padded, .moves = true, .rules = {"pad(upstream, pads=pads)"},
        .code = {.loops = crop_loops, .python = "crop(x, {pads})"}),
    ROW(tile, "shape", .meaning = "x repeated side by side", .formula = "y_i = x_(i mod n)",
        .inputs = {"x"}, .attrs = tile_attrs, KERNELS(tile), .apart = apart_entries, .moves = true,
        .rules = {"sum_tiles(upstream, reps=reps, shape=x.shape)"},
        .code = {.loops = tile_loops, .python = "np.tile(x, {reps})"}),
    ROW(sum_tiles, "adjoint ops", .meaning = "the sum of equal tiles: the adjoint of tile",
        .formula = "y_i = sum_k g_(i + k n)", .inputs = {"g"}, .attrs = sum_tiles_attrs,
        KERNELS(sum_tiles), .apart = apart_entries, .linear = {1},
        .rules = {"tile(upstream, reps=reps)"},
        .code = {.loops = sum_tiles_loops, .python = "sum_tiles(g, {reps}, {shape})"}),
    /* Rolled back the other way: forwards, in reverse order. */
    ROW(roll, "shape",
        .meaning = "the entries moved on along axes; what leaves at the end enters in front",
        .formula = "y_i = x_((i - shift) mod n)", .inputs = {"x"}, .attrs = roll_attrs,
        KERNELS(roll), .apart = apart_rolled, .moves = true,
        .rules = {"flip(roll(flip(upstream, axis=axis), shift=shift, axis=axis), axis=axis)"},
        .code = {.loops = roll_loops, .python = "np.roll(x, {shift}, axis={axis})"}),
    {.name = "tril",
     .code = {.whole = "lower_triangle(y, x, {x.shape[-2]}, {x.shape[-1]}, {k})",
              .core = {2},
              .python = "np.tril(x, {k})"},
     .family = "shape",
     .meaning = "the lower triangle of a matrix, 0 above it",
     .formula = "y_ij = x_ij where j - i <= k, else 0",
     .inputs = {"x"},
     .least = 1,
     .most = 1,
     .attrs = triangle_attrs,
     .infer = infer_triangle,
     .forward = tril_forward,
     .backward = tril_backward,
     .apart = apart_entries,
     .rules = {"tril(upstream, k=k)"},
     .moves = true,
     .samples = triangle_samples},
    {.name = "triu",
     .code = {.whole = "upper_triangle(y, x, {x.shape[-2]}, {x.shape[-1]}, {k})",
              .core = {2},
              .python = "np.triu(x, {k})"},
     .family = "shape",
     .meaning = "the upper triangle of a matrix, 0 below it",
     .formula = "y_ij = x_ij where j - i >= k, else 0",
     .inputs = {"x"},
     .least = 1,
     .most = 1,
     .attrs = triangle_attrs,
     .infer = infer_triangle,
     .forward = triu_forward,
     .backward = triu_backward,
     .apart = apart_entries,
     .rules = {"triu(upstream, k=k)"},
     .moves = true,
     .samples = triangle_samples},
    {.name = "concat",
     .code = {.loops = concat_loops, .python = "np.concatenate([inputs], axis={axis})"},
     .family = "shape",
     .meaning = "the inputs one after the other along an axis",
     .formula = "y = [x_0, x_1, ...]",
     .inputs = {"x"},
     .least = 1,
     .most = OP_ANY,
     .attrs = concat_attrs,
     .infer = infer_concat,
     .forward = concat_forward,
     .backward = concat_backward,
     .apart = apart_beside_axis,
     .rules = {"slice(upstream, start=before(axis), stop=before(axis) + x.shape[axis], axes=axis)"},
     .moves = true,
     .samples = concat_samples},
    {.name = "stack",
     .code = {.loops = stack_loops, .python = "np.stack([inputs], axis={axis})"},
     .family = "shape",
     .meaning = "the inputs one after the other along a new axis",
     .formula = "y_k = x_k",
     .inputs = {"x"},
     .least = 1,
     .most = OP_ANY,
     .attrs = stack_attrs,
     .infer = infer_stack,
     .forward = stack_forward,
     .backward = stack_backward,
     .apart = apart_stacked,
     .rules = {"take(upstream, position, axis=axis)"},
     .moves = true,
     .samples = stack_samples},
    {.name = "zeros_like",
     .code = {.entry = "0.0", .python = "np.zeros({shape(x)})"},
     .family = "adjoint ops",
     .meaning = "zeros of the shape of x",
     .formula = "y = 0",
     .inputs = {"x"},
     .least = 1,
     .most = 1,
     .infer = infer_same,
     .forward = zeros_like_forward,
     .algebra = ALGEBRA_ZEROS,
     .parts = &entry_parts,
     .linear = {1},
     .samples = unary_samples},
    {.name = "ones_like",
     .code = {.entry = "1.0", .python = "np.ones({shape(x)})"},
     .family = "adjoint ops",
     .meaning = "ones of the shape of x",
     .formula = "y = 1",
     .inputs = {"x"},
     .least = 1,
     .most = 1,
     .infer = infer_same,
     .forward = ones_like_forward,
     .algebra = ALGEBRA_ONES,
     .parts = &entry_parts,
     .samples = unary_samples},
    {.name = NULL}};
