/* Convolutions and pooling over the last two axes, and their adjoints: maps from the shape of a
 * result back to that of an input, which the derivative rules need. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops/kernel.h"
#include "ops/rows.h"
#include "tensor/blas.h"

/* ---- windows ----------------------------------------------------------------------------- */

/* How a window slides, along one of the two axes. */
struct slide {
  int64_t in, out; /* sizes of input and result */
  int64_t taps;    /* size of the window */
  int64_t stride, padding, dilation;
};

struct window {
  struct slide y, x; /* the last axis but one, the last */
};

/* One of two numbers, of which the second may be left out. */
static int64_t one_of(const struct attr *attr, unsigned axis, int64_t fallback) {
  if (!attr->given) return fallback;
  return attr->ints.at[attr->ints.count > 1 ? axis : 0];
}

/* The size of the result: only windows that lie in the padded input count. */
static int64_t slide_out(const struct slide *s) {
  const int64_t reach = s->dilation * (s->taps - 1) + 1, room = s->in + 2 * s->padding - reach;
  return room < 0 ? 0 : room / s->stride + 1;
}

/* Where tap `tap` of window `place` reads; it may lie in the padding. */
static int64_t tap_at(const struct slide *s, int64_t place, int64_t tap) {
  return place * s->stride + tap * s->dilation - s->padding;
}

/* The places 0 <= at < out from which a tap reads an entry, not padding. */
struct span {
  int64_t from, to;
};

static struct span span_of(const struct slide *s, int64_t tap) {
  const int64_t first = tap_at(s, 0, tap), room = s->in - first;
  struct span span = {first < 0 ? (-first + s->stride - 1) / s->stride : 0,
                      room > 0 ? (room - 1) / s->stride + 1 : 0};
  if (span.to > s->out) span.to = s->out;
  if (span.from > span.to) span.from = span.to;
  return span;
}

/* ---- conv2d: three products -------------------------------------------------------------- */

enum { STRIDE, PADDING, DILATION, GROUPS, CONV_SHAPE }; /* attributes */

/* A convolution and where it works.  x is items x groups x in x window.y.in x window.x.in, w is
 * groups x out x in x taps, g (shaped like the result) items x groups x out x places. */
struct conv {
  struct window window;
  size_t items, groups, in, out; /* in, out: channels a group */
  size_t entries, places, taps;  /* of a channel, of its result; in * what a window holds */
  double *column;                /* taps x places: what each tap reads in each place */
};

static struct slide conv_slide(const struct attr *attr, unsigned axis, int64_t in, int64_t taps) {
  struct slide s = {.in = in,
                    .taps = taps,
                    .stride = one_of(&attr[STRIDE], axis, 1),
                    .padding = one_of(&attr[PADDING], axis, 0),
                    .dilation = one_of(&attr[DILATION], axis, 1)};
  s.out = slide_out(&s);
  return s;
}

static struct conv conv_of(const struct attr *attr, const int64_t *x, const int64_t *w) {
  const size_t groups = (size_t)attr[GROUPS].integer;
  struct conv c = {.window = {conv_slide(attr, 0, x[2], w[2]), conv_slide(attr, 1, x[3], w[3])},
                   .items = (size_t)x[0],
                   .groups = groups,
                   .in = (size_t)w[1],
                   .out = (size_t)w[0] / groups};
  c.entries = (size_t)(x[2] * x[3]);
  c.places = (size_t)(c.window.y.out * c.window.x.out);
  c.taps = c.in * (size_t)(w[2] * w[3]);
  return c;
}

static struct conv conv_at(const struct call *call, const struct shape *x, const struct shape *w) {
  struct conv c = conv_of(call->attr, x->dim, w->dim);
  c.column = call->scratch;
  return c;
}

/* Whether there is anything to multiply and to add. */
static bool has_work(const struct conv *c) { return c->taps && c->places && c->out; }

static bool reads_straight(const struct slide *s) {
  return s->taps == 1 && s->stride == 1 && s->padding == 0;
}

/* Whether the column is the input itself. */
static bool is_straight(const struct conv *c) {
  return reads_straight(&c->window.x) && reads_straight(&c->window.y);
}

/* One row of the column: the entry of the window that it is about. */
struct tap {
  size_t plane; /* where the channel's entries start */
  int64_t y, x; /* in the window */
};

static struct tap tap_of(const struct conv *c, size_t row) {
  const size_t width = (size_t)c->window.x.taps, height = (size_t)c->window.y.taps;
  return (struct tap){row / (width * height) * c->entries, (int64_t)(row / width % height),
                      (int64_t)(row % width)};
}

/* Where the row of entries starts that a tap reads in a row of places; false in the padding. */
static bool find_row(const struct conv *c, const struct tap *tap, int64_t place, size_t *start) {
  const int64_t at = tap_at(&c->window.y, place, tap->y);
  *start = tap->plane + (size_t)(at * c->window.x.in);
  return at >= 0 && at < c->window.y.in;
}

/* row = what a tap reads in a row of places; `from` is NULL in the padding. */
static void read_row(double *row, const double *from, const struct slide *s, int64_t tap) {
  const struct span span = from ? span_of(s, tap) : (struct span){s->out, s->out};
  for (int64_t i = 0; i < span.from; i++) row[i] = 0;
  for (int64_t i = span.from; i < span.to; i++) row[i] = from[tap_at(s, i, tap)];
  for (int64_t i = span.to; i < s->out; i++) row[i] = 0;
}

static void add_row(double *to, const double *row, const struct slide *s, int64_t tap) {
  const struct span span = span_of(s, tap);
  for (int64_t i = span.from; i < span.to; i++) to[tap_at(s, i, tap)] += row[i];
}

/* The column of a group's planes. */
static const double *make_column(const struct conv *c, const double *planes) {
  if (is_straight(c)) return planes;
  double *to = c->column;
  for (size_t row = 0, start; row < c->taps; row++) {
    const struct tap tap = tap_of(c, row);
    for (int64_t place = 0; place < c->window.y.out; place++, to += c->window.x.out)
      read_row(to, find_row(c, &tap, place, &start) ? planes + start : NULL, &c->window.x, tap.x);
  }
  return c->column;
}

/* The adjoint of that: hands the column's entries back to where they would have been read. */
static void add_column(const struct conv *c, double *planes) {
  const double *from = c->column;
  for (size_t row = 0, start; row < c->taps; row++) {
    const struct tap tap = tap_of(c, row);
    for (int64_t place = 0; place < c->window.y.out; place++, from += c->window.x.out)
      if (find_row(c, &tap, place, &start)) add_row(planes + start, from, &c->window.x, tap.x);
  }
}

/* y += conv(x, w) */
static void add_conv(const struct conv *c, double *y, const double *x, const double *w) {
  if (!has_work(c)) return;
  for (size_t item = 0; item < c->items; item++)
    for (size_t group = 0; group < c->groups; group++, x += c->in * c->entries) {
      gemm(false, false, c->out, c->places, c->taps, 1, w + group * c->out * c->taps, c->taps,
           make_column(c, x), c->places, 1, y, c->places);
      y += c->out * c->places;
    }
}

/* x += the x whose products with conv's linear map in x are g's: each place hands its upstream
 * back to what its window read. */
static void add_conv_input(const struct conv *c, double *x, const double *g, const double *w) {
  if (!has_work(c)) return;
  const bool straight = is_straight(c);
  for (size_t item = 0; item < c->items; item++)
    for (size_t group = 0; group < c->groups; group++, x += c->in * c->entries) {
      gemm(true, false, c->taps, c->places, c->out, 1, w + group * c->out * c->taps, c->taps, g,
           c->places, straight, straight ? x : c->column, c->places);
      if (!straight) add_column(c, x);
      g += c->out * c->places;
    }
}

/* w += the same for conv's linear map in w. */
static void add_conv_weight(const struct conv *c, double *w, const double *g, const double *x) {
  if (!has_work(c)) return;
  for (size_t item = 0; item < c->items; item++)
    for (size_t group = 0; group < c->groups; group++, x += c->in * c->entries) {
      gemm(false, true, c->out, c->taps, c->places, 1, g, c->places, make_column(c, x), c->places,
           1, w + group * c->out * c->taps, c->taps);
      g += c->out * c->places;
    }
}

static void clear(const struct operand *y) { memset(y->at, 0, y->shape->size * sizeof *y->at); }

static size_t column_size(const struct attr *attr, const struct shape *x, const struct shape *w) {
  const struct conv c = conv_of(attr, x->dim, w->dim);
  if (is_straight(&c) || !has_work(&c)) return 0;
  /* What no memory holds must not wrap around to what it does. */
  const size_t most = SIZE_MAX / sizeof(double) / 2;
  return c.taps > most / c.places ? most : c.taps * c.places;
}

/* ---- conv2d(x, w, b), conv2d_input(g, w), conv2d_weight(g, x) ----------------------------- */

static size_t conv2d_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                             const struct shape *const *x) {
  (void)y, (void)count;
  return column_size(attr, x[0], x[1]);
}

static void conv2d_forward(const struct call *call) {
  const struct conv c = conv_at(call, call->x[0].shape, call->x[1].shape);
  const size_t channels = c.groups * c.out;
  for (size_t i = 0; i < c.items * channels; i++)
    for (size_t j = 0; j < c.places; j++)
      call->y.at[i * c.places + j] = call->count > 2 ? call->x[2].at[i % channels] : 0;
  add_conv(&c, call->y.at, call->x[0].at, call->x[1].at);
}

static void conv2d_backward(const struct call *call) {
  const struct operand *x = &call->x[0], *w = &call->x[1], *g = &call->y;
  const struct conv c = conv_at(call, x->shape, w->shape);
  const size_t channels = c.groups * c.out;
  if (x->bar) add_conv_input(&c, x->bar, g->bar, w->at);
  if (w->bar) add_conv_weight(&c, w->bar, g->bar, x->at);
  if (call->count < 3 || !call->x[2].bar) return;
  for (size_t i = 0; i < c.items * channels; i++)
    call->x[2].bar[i % channels] += pairwise_sum(g->bar + i * c.places, c.places, 1);
}

/* Items and channels go by parts; rows and columns are whole, as padding goes around the whole.  So
 * are the channels where they fall into groups. */
enum { CONV_X, CONV_W, CONV_B };

static bool has_groups(const struct call *call) { return call->attr[GROUPS].integer != 1; }

static void reach_conv2d(const struct call *call, unsigned k, const struct extent *x,
                         struct extent *y) {
  take_all(y, call->y.shape);
  if (k == CONV_X) y[0] = x[0];
  if (k != CONV_X && !has_groups(call)) y[1] = x[0];
}

static void meet_conv2d(const struct call *call, unsigned m, const struct extent *moved,
                        const struct extent *y, unsigned k, struct extent *x) {
  take_all(x, call->x[k].shape);
  if (k == CONV_X) x[0] = y[0];
  if (has_groups(call)) return;
  if (k != CONV_X) x[0] = y[1];
  if (k != CONV_B && m != CONV_B) x[1] = moved[1];
}

static const struct op_parts conv_parts = {.reach = reach_conv2d, .meet = meet_conv2d};

static size_t conv2d_input_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                   const struct shape *const *x) {
  (void)count;
  return column_size(attr, y, x[1]);
}

static void conv2d_input_forward(const struct call *call) {
  const struct conv c = conv_at(call, call->y.shape, call->x[1].shape);
  clear(&call->y);
  add_conv_input(&c, call->y.at, call->x[0].at, call->x[1].at);
}

static void conv2d_input_backward(const struct call *call) {
  const struct operand *g = &call->x[0], *w = &call->x[1];
  const struct conv c = conv_at(call, call->y.shape, w->shape);
  if (g->bar) add_conv(&c, g->bar, call->y.bar, w->at);
  if (w->bar) add_conv_weight(&c, w->bar, g->at, call->y.bar);
}

static size_t conv2d_weight_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                    const struct shape *const *x) {
  (void)count;
  return column_size(attr, x[1], y);
}

static void conv2d_weight_forward(const struct call *call) {
  const struct conv c = conv_at(call, call->x[1].shape, call->y.shape);
  clear(&call->y);
  add_conv_weight(&c, call->y.at, call->x[0].at, call->x[1].at);
}

static void conv2d_weight_backward(const struct call *call) {
  const struct operand *g = &call->x[0], *x = &call->x[1];
  const struct conv c = conv_at(call, x->shape, call->y.shape);
  if (g->bar) add_conv(&c, g->bar, x->at, call->y.bar);
  if (x->bar) add_conv_input(&c, x->bar, g->at, call->y.bar);
}

/* ---- pooling ----------------------------------------------------------------------------- */

enum { POOL_SIZE, POOL_STRIDE, POOL_PADDING, POOL_SHAPE }; /* attributes */

static struct slide pool_slide(const struct attr *attr, unsigned axis, int64_t in) {
  struct slide s = {.in = in,
                    .taps = one_of(&attr[POOL_SIZE], axis, 1),
                    .padding = one_of(&attr[POOL_PADDING], axis, 0),
                    .dilation = 1};
  s.stride = one_of(&attr[POOL_STRIDE], axis, s.taps);
  s.out = slide_out(&s);
  return s;
}

static struct window pool_of(const struct attr *attr, unsigned rank, const int64_t *x) {
  return (struct window){pool_slide(attr, 0, x[rank - 2]), pool_slide(attr, 1, x[rank - 1])};
}

/* The entries from .. to - 1 of a window along one axis, without the padding. */
static struct span entries_of(const struct slide *s, int64_t place) {
  const int64_t first = tap_at(s, place, 0), end = first + s->taps;
  return (struct span){first < 0 ? 0 : first, end < s->in ? end : s->in};
}

/* The windows of a tensor, whose axes but the last two count planes. */
struct pool {
  struct window window;
  size_t count;         /* windows */
  size_t plane, places; /* entries of a plane of x, of the result */
};

static struct pool pool_at(const struct call *call, const struct shape *x, size_t windows) {
  struct pool p = {.window = pool_of(call->attr, x->rank, x->dim), .count = windows};
  p.plane = (size_t)(p.window.y.in * p.window.x.in);
  p.places = (size_t)(p.window.y.out * p.window.x.out);
  p.count = p.places ? windows : 0;
  return p;
}

/* The entries of window `i`, as two spans and the flat index of its plane's first entry. */
struct view {
  struct span y, x;
  size_t start;
};

static struct view view_of(const struct pool *p, size_t i) {
  const size_t place = i % p->places, width = (size_t)p->window.x.out;
  return (struct view){entries_of(&p->window.y, (int64_t)(place / width)),
                       entries_of(&p->window.x, (int64_t)(place % width)),
                       i / p->places * p->plane};
}

#define EACH_ENTRY(pool, view, at, statement)                                                      \
  for (int64_t row = (view).y.from; row < (view).y.to; row++)                                      \
    for (int64_t column = (view).x.from; column < (view).x.to; column++) {                         \
      const size_t at = (view).start + (size_t)(row * (pool)->window.x.in + column);               \
      statement;                                                                                   \
    }

/* The index of the largest entry of window `i`, the first of equals; of the first NaN. */
static size_t find_winner(const struct pool *p, const double *x, size_t i) {
  const struct view view = view_of(p, i);
  size_t winner = SIZE_MAX;
  EACH_ENTRY(p, view, at,
             if (winner == SIZE_MAX || x[at] > x[winner] ||
                 (x[at] != x[at] && x[winner] == x[winner])) winner = at)
  return winner;
}

/* The winners stay in scratch. */
static void max_pool2d_forward(const struct call *call) {
  const struct operand *x = &call->x[0];
  const struct pool p = pool_at(call, x->shape, call->y.shape->size);
  for (size_t i = 0; i < p.count; i++) {
    const size_t winner = find_winner(&p, x->at, i);
    call->scratch[i] = (double)winner;
    call->y.at[i] = x->at[winner];
  }
}

/* Which entry each window's is, in the channels' own count. */
static uint64_t winner_branches(const struct call *call, const struct operand *x, size_t windows) {
  const struct pool p = pool_at(call, x->shape, windows);
  uint64_t branches = 0;
  for (size_t i = 0; i < p.count; i++)
    branches = join_piece(branches, (double)find_winner(&p, x->at, i));
  return branches;
}

static uint64_t max_pool2d_branches(const struct call *call) {
  uint64_t branches = 0;
  for (size_t i = 0; i < call->y.shape->size; i++)
    branches = join_piece(branches, call->scratch[i]);
  return branches;
}
static uint64_t scatter_branches(const struct call *call) {
  return winner_branches(call, &call->x[1], call->x[0].shape->size);
}
static uint64_t gather_branches(const struct call *call) {
  return winner_branches(call, &call->x[1], call->y.shape->size);
}

/* Items and channels go by parts, rows and columns are whole. */
static void reach_pool(const struct call *call, unsigned k, const struct extent *x,
                       struct extent *y) {
  (void)k;
  take_all(y, call->y.shape);
  for (unsigned i = 0; i + 2 < call->y.shape->rank; i++) y[i] = x[i];
}

static void need_pool(const struct call *call, unsigned k, const struct extent *y,
                      struct extent *x) {
  take_all(x, call->x[k].shape);
  for (unsigned i = 0; i + 2 < call->y.shape->rank; i++) x[i] = y[i];
}

static const struct op_parts pool_parts = {.reach = reach_pool, .need = need_pool};

static void max_pool2d_backward(const struct call *call) {
  double *bar = call->x[0].bar;
  for (size_t i = 0; bar && i < call->y.shape->size; i++)
    bar[(size_t)call->scratch[i]] += call->y.bar[i];
}

static size_t max_pool2d_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                 const struct shape *const *x) {
  (void)attr, (void)count, (void)x;
  return y->size;
}

/* Every entry that ties for a window is reported, once for the window. */
static void max_pool2d_kinks(const struct call *call, struct kinks *kinks) {
  const struct operand *x = &call->x[0];
  const struct pool p = pool_at(call, x->shape, call->y.shape->size);
  for (size_t i = 0; i < p.count; i++) {
    const struct view view = view_of(&p, i);
    size_t winners = 0;
    EACH_ENTRY(&p, view, at, winners += x->at[at] == call->y.at[i])
    if (winners < 2) continue;
    EACH_ENTRY(&p, view, at, if (x->at[at] == call->y.at[i]) kinks->add(kinks, 0, at))
  }
}

/* to[winner of x's window i] += from[i] */
static void scatter(const struct call *call, double *to, const double *from, size_t windows) {
  const struct pool p = pool_at(call, call->x[1].shape, windows);
  for (size_t i = 0; i < p.count; i++) to[find_winner(&p, call->x[1].at, i)] += from[i];
}

/* to[i] += from[winner of x's window i] */
static void gather(const struct call *call, double *to, const double *from, size_t windows) {
  const struct pool p = pool_at(call, call->x[1].shape, windows);
  for (size_t i = 0; i < p.count; i++) to[i] += from[find_winner(&p, call->x[1].at, i)];
}

static void max_pool2d_scatter_forward(const struct call *call) {
  clear(&call->y);
  scatter(call, call->y.at, call->x[0].at, call->x[0].shape->size);
}

static void max_pool2d_scatter_backward(const struct call *call) {
  const struct operand *g = &call->x[0];
  if (g->bar) gather(call, g->bar, call->y.bar, g->shape->size);
}

static void max_pool2d_gather_forward(const struct call *call) {
  clear(&call->y);
  gather(call, call->y.at, call->x[0].at, call->y.shape->size);
}

static void max_pool2d_gather_backward(const struct call *call) {
  if (call->x[0].bar) scatter(call, call->x[0].bar, call->y.bar, call->y.shape->size);
}

/* Padding counts as zeros, so that every window has as many entries. */
static double window_size(const struct pool *p) {
  return (double)p->window.y.taps * (double)p->window.x.taps;
}

/* y += the means of x's windows */
static void add_means(const struct pool *p, double *y, const double *x) {
  for (size_t i = 0; i < p->count; i++) {
    const struct view view = view_of(p, i);
    double sum = 0;
    EACH_ENTRY(p, view, at, sum += x[at])
    y[i] += sum / window_size(p);
  }
}

/* x += what each window's mean hands back to it */
static void spread_means(const struct pool *p, double *x, const double *y) {
  for (size_t i = 0; i < p->count; i++) {
    const struct view view = view_of(p, i);
    const double share = y[i] / window_size(p);
    EACH_ENTRY(p, view, at, x[at] += share)
  }
}

static void avg_pool2d_forward(const struct call *call) {
  const struct pool p = pool_at(call, call->x[0].shape, call->y.shape->size);
  clear(&call->y);
  add_means(&p, call->y.at, call->x[0].at);
}

static void avg_pool2d_backward(const struct call *call) {
  const struct pool p = pool_at(call, call->x[0].shape, call->y.shape->size);
  if (call->x[0].bar) spread_means(&p, call->x[0].bar, call->y.bar);
}

static void avg_pool2d_adjoint_forward(const struct call *call) {
  const struct pool p = pool_at(call, call->y.shape, call->x[0].shape->size);
  clear(&call->y);
  spread_means(&p, call->y.at, call->x[0].at);
}

static void avg_pool2d_adjoint_backward(const struct call *call) {
  const struct pool p = pool_at(call, call->y.shape, call->x[0].shape->size);
  if (call->x[0].bar) add_means(&p, call->x[0].bar, call->y.bar);
}

/* ---- shape rules ------------------------------------------------------------------------- */

enum { LARGEST = 1 << 30 }; /* of what is added and multiplied here */

/* Whether attributes first .. are one number or two each, and at least what `least` says. */
static bool check_pairs(struct infer *infer, size_t count, const int64_t *least) {
  char text[80];
  for (size_t k = 0; k < count; k++) {
    const struct attr *attr = &infer->attr[k];
    const char *name = infer->op->attrs[k].name;
    if (!attr->given) continue;
    bool fits = attr->ints.count == 1 || attr->ints.count == 2;
    for (size_t i = 0; fits && i < attr->ints.count; i++)
      fits = attr->ints.at[i] >= least[k] && attr->ints.at[i] <= LARGEST;
    if (fits) continue;
    snprintf(text, sizeof text, "%s must be a number or two, at least %d", name, (int)least[k]);
    return infer_fail_attr(infer, name, text);
  }
  return true;
}

/* Complains about the shapes of the first two inputs. */
/* `blamed` are the dims that do not do: an input's or, for adjoint ops, those of `shape`. */
static bool complain(struct infer *infer, const struct dims *blamed, const char *what) {
  text_puts(infer->why, what);
  for (unsigned k = 0; k < infer->count; k++)
    if (blamed == &infer->x[k]) infer->blame_input = (int)k;
  if (blamed == &infer->y) infer->blame_attr = "shape";
  for (unsigned k = 0; k < infer->count && k < 2; k++) {
    text_puts(infer->why, k ? ", " : ": ");
    infer->describe(infer, k);
  }
  return false;
}

/* The shape of the convolution of x and w. */
static bool infer_conv(struct infer *infer, const struct dims *x, const struct dims *w,
                       struct dims *y) {
  if (!check_pairs(infer, GROUPS, (const int64_t[]){1, 0, 1})) return false;
  const int64_t groups = infer->attr[GROUPS].integer;
  if (groups < 1) return infer_fail_attr(infer, "groups", "groups must be positive");
  if (x->rank != 4) return complain(infer, x, "x must be items, channels, rows, columns");
  if (w->rank != 4)
    return complain(infer, w, "w must be channels of the result, channels, rows, columns");
  if (w->at[0] % groups)
    return infer_fail_attr(infer, "groups", "groups must divide the channels of the result");
  if (x->at[1] % groups || x->at[1] / groups != w->at[1])
    return complain(infer, w, "x must have the channels of w, times groups");
  if (w->at[2] < 1 || w->at[3] < 1 || w->at[2] > LARGEST || w->at[3] > LARGEST)
    return complain(infer, w, "w must have rows and columns");
  const struct slide sy = conv_slide(infer->attr, 0, x->at[2], w->at[2]);
  const struct slide sx = conv_slide(infer->attr, 1, x->at[3], w->at[3]);
  if (sy.out < 1 || sx.out < 1) return complain(infer, w, "w is larger than x with its padding");
  *y = make_dims(4, (const int64_t[]){x->at[0], w->at[0], sy.out, sx.out});
  return true;
}

static bool infer_conv2d(struct infer *infer) {
  if (!infer_conv(infer, &infer->x[0], &infer->x[1], &infer->y)) return false;
  if (infer->count > 2 && (infer->x[2].rank != 1 || infer->x[2].at[0] != infer->y.at[1]))
    return infer_fail_input(infer, 2, "b must be a number for each channel of the result: %1, %2");
  return true;
}

/* Reads the attribute `shape` of an adjoint op. */
static bool read_shape(struct infer *infer, size_t attr, struct dims *dims) {
  const struct attr *shape = &infer->attr[attr];
  bool fits = shape->ints.count <= RANK_MOST;
  for (size_t i = 0; fits && i < shape->ints.count; i++) fits = shape->ints.at[i] >= 0;
  if (!fits) return infer_fail_attr(infer, "shape", "shape must be sizes, none negative");
  *dims = make_dims((unsigned)shape->ints.count, shape->ints.at);
  return true;
}

/* The gradient that an adjoint op is handed must have the shape of the result. */
static bool check_gradient(struct infer *infer, const struct dims *result) {
  if (same_dims(result, &infer->x[0])) return true;
  text_puts(infer->why, "the gradient must have the shape of the result, ");
  dims_print(result, infer->why);
  return complain(infer, &infer->x[0], "");
}

static bool infer_conv2d_input(struct infer *infer) {
  struct dims result;
  return read_shape(infer, CONV_SHAPE, &infer->y) &&
         infer_conv(infer, &infer->y, &infer->x[1], &result) && check_gradient(infer, &result);
}

static bool infer_conv2d_weight(struct infer *infer) {
  struct dims result;
  return read_shape(infer, CONV_SHAPE, &infer->y) &&
         infer_conv(infer, &infer->x[1], &infer->y, &result) && check_gradient(infer, &result);
}

/* The shape of the pooled x. */
static bool infer_pooled(struct infer *infer, const struct dims *x, struct dims *y) {
  if (!check_pairs(infer, POOL_SHAPE, (const int64_t[]){1, 1, 0})) return false;
  if (x->rank < 2) return complain(infer, x, "x must have rows and columns");
  const struct window w = pool_of(infer->attr, x->rank, x->at);
  if (2 * w.y.padding > w.y.taps || 2 * w.x.padding > w.x.taps)
    return infer_fail_attr(infer, "padding", "padding must be at most half the size");
  if (w.y.in < 1 || w.x.in < 1 || w.y.out < 1 || w.x.out < 1)
    return infer_fail_attr(infer, "size", "the window is larger than x with its padding: %0");
  *y = *x;
  y->at[x->rank - 2] = w.y.out;
  y->at[x->rank - 1] = w.x.out;
  return true;
}

static bool infer_pool(struct infer *infer) { return infer_pooled(infer, &infer->x[0], &infer->y); }

static bool infer_max_pool2d_scatter(struct infer *infer) {
  struct dims result;
  infer->y = infer->x[1];
  return infer_pooled(infer, &infer->x[1], &result) && check_gradient(infer, &result);
}

static bool infer_max_pool2d_gather(struct infer *infer) {
  if (!same_dims(&infer->x[0], &infer->x[1]))
    return infer_fail_input(infer, 0, "both must have the same shape: %0, %1");
  return infer_pooled(infer, &infer->x[1], &infer->y);
}

static bool infer_avg_pool2d_adjoint(struct infer *infer) {
  struct dims result;
  return read_shape(infer, POOL_SHAPE, &infer->y) && infer_pooled(infer, &infer->y, &result) &&
         check_gradient(infer, &result);
}

/* ---- which axes are kept apart ------------------------------------------------------------- */

/* Axis `from` of input k becomes axis `to` of y. */
static int apart_if(bool is, const struct shape *y, int to, const struct shape *x, unsigned axis) {
  return is ? apart_as(y, to, x, axis) : -1;
}

/* Items of x; what goes out of w and b. */
static int apart_convolved(const struct attr *attr, const struct shape *y,
                           const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  return apart_if(axis == 0, y, k > 0, x[k], axis);
}

/* Items of g; what goes into w. */
static int apart_convolved_back(const struct attr *attr, const struct shape *y,
                                const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  return apart_if(axis == k, y, (int)k, x[k], axis);
}

/* What goes out of w and into it: the channels of g and of x. */
static int apart_weights(const struct attr *attr, const struct shape *y,
                         const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  return apart_if(axis == 1, y, (int)k, x[k], axis);
}

/* ---- the rows ---------------------------------------------------------------------------- */

static const int64_t zero[] = {0}, one[] = {1};

#define ONE_OR_TWO(name_, what, number)                                                            \
  {                                                                                                \
    .name = name_, .meaning = what, .type = ATTR_INTS, .fallback = {                               \
      .given = true,                                                                               \
      .ints = {1, number}                                                                          \
    }                                                                                              \
  }
#define SHAPE_SPEC                                                                                 \
  { .name = "shape", .meaning = "the shape of the answer", .type = ATTR_INTS, .required = true }

#define CONV_SPECS                                                                                 \
  ONE_OR_TWO("stride",                                                                             \
             "how far it is from one window to the next, down and to the right; one number: both", \
             one),                                                                                 \
      ONE_OR_TWO("padding",                                                                        \
                 "how many zeros are put above and below, left and right; one number: both",       \
                 zero),                                                                            \
      ONE_OR_TWO(                                                                                  \
          "dilation",                                                                              \
          "how far apart the entries of w lie on x, down and to the right; one number: both",      \
          one),                                                                                    \
  {                                                                                                \
    .name = "groups", .meaning = "into how many groups the channels fall, each by itself",         \
    .type = ATTR_INT, .fallback = {                                                                \
      .given = true,                                                                               \
      .integer = 1                                                                                 \
    }                                                                                              \
  }

#define POOL_SPECS                                                                                 \
  {.name = "size",                                                                                 \
   .meaning = "the window's rows and columns; one number: both",                                   \
   .type = ATTR_INTS,                                                                              \
   .required = true},                                                                              \
      {.name = "stride",                                                                           \
       .meaning = "how far apart the windows are; as their size",                                  \
       .type = ATTR_INTS},                                                                         \
      ONE_OR_TWO("padding",                                                                        \
                 "how many entries are put above and below, left and right; one number: both",     \
                 zero)

static const struct attr_spec conv_attrs[] = {CONV_SPECS, {.name = NULL}};
static const struct attr_spec conv_adjoint_attrs[] = {CONV_SPECS, SHAPE_SPEC, {.name = NULL}};
static const struct attr_spec pool_attrs[] = {POOL_SPECS, {.name = NULL}};
static const struct attr_spec pool_adjoint_attrs[] = {POOL_SPECS, SHAPE_SPEC, {.name = NULL}};

static const struct op_sample conv_samples[] = {
    {"1,1,3,3;1,1,2,2", ""},
    {"2,2,4,3;3,2,2,2;3", ""},
    {"1,2,5,4;2,2,3,2", "stride=2, padding=1"},
    {"2,2,3,3;3,2,1,1;3", ""},
    {"1,2,3,3;2,2,1,1", "stride=2"},
    {"1,1,5,6;1,1,2,3", "dilation=[2, 1], padding=[0, 2]"},
    {"2,4,3,3;6,2,2,2;6", "groups=2, padding=1, stride=[1, 2]"},
    {"0,1,3,3;2,1,2,2;2", ""},
    {NULL, NULL}};

static const struct op_sample conv_input_samples[] = {
    {"1,1,2,2;1,1,2,2", "shape=[1, 1, 3, 3]"},
    {"1,2,3,3;2,2,3,2", "shape=[1, 2, 5, 4], stride=2, padding=1"},
    {"2,3,3,3;3,2,1,1", "shape=[2, 2, 3, 3]"},
    {"2,6,4,2;6,2,2,2", "shape=[2, 4, 3, 3], groups=2, padding=1, stride=[1, 2]"},
    {"1,1,3,8;1,1,2,3", "shape=[1, 1, 5, 6], dilation=[2, 1], padding=[0, 2]"},
    {NULL, NULL}};

static const struct op_sample conv_weight_samples[] = {
    {"1,1,2,2;1,1,3,3", "shape=[1, 1, 2, 2]"},
    {"1,2,3,3;1,2,5,4", "shape=[2, 2, 3, 2], stride=2, padding=1"},
    {"2,3,3,3;2,2,3,3", "shape=[3, 2, 1, 1]"},
    {"2,6,4,2;2,4,3,3", "shape=[6, 2, 2, 2], groups=2, padding=1, stride=[1, 2]"},
    {"1,1,3,8;1,1,5,6", "shape=[1, 1, 2, 3], dilation=[2, 1], padding=[0, 2]"},
    {NULL, NULL}};

static const struct op_sample pool_samples[] = {{"1,1,4,4", "size=2"},
                                                {"2,3,5,4", "size=[3, 2], stride=1"},
                                                {"1,2,5,5", "size=3, stride=2, padding=1"},
                                                {"4,3", "size=2, stride=[2, 1], padding=[1, 0]"},
                                                {"0,1,3,3", "size=2"},
                                                {NULL, NULL}};

static const struct op_sample scatter_samples[] = {
    {"1,1,2,2;1,1,4,4", "size=2"},
    {"1,2,3,3;1,2,5,5", "size=3, stride=2, padding=1"},
    {NULL, NULL}};

static const struct op_sample gather_samples[] = {
    {"1,1,4,4;1,1,4,4", "size=2"},
    {"1,2,5,5;1,2,5,5", "size=3, stride=2, padding=1"},
    {NULL, NULL}};

static const struct op_sample average_samples[] = {
    {"1,1,2,2", "size=2, shape=[1, 1, 4, 4]"},
    {"1,2,3,3", "size=3, stride=2, padding=1, shape=[1, 2, 5, 5]"},
    {NULL, NULL}};

#define SLIDES "stride=stride, padding=padding, dilation=dilation, groups=groups)"
#define CONV(x, w) "conv2d(" x ", " w ", " SLIDES
#define CONV_INPUT(g, w, like) "conv2d_input(" g ", " w ", shape=" like ".shape, " SLIDES
#define CONV_WEIGHT(g, x, like) "conv2d_weight(" g ", " x ", shape=" like ".shape, " SLIDES
#define POOL(op, ...) op "(" __VA_ARGS__ ", size=size, stride=stride, padding=padding)"

#define ROW(id, heading, what, text, shape_rule, attrs_, samples_, ...)                            \
  {                                                                                                \
    .name = #id, .family = heading, .meaning = what, .formula = text, .attrs = attrs_,             \
    .samples = samples_, .infer = shape_rule, .forward = id##_forward, .backward = id##_backward,  \
    __VA_ARGS__                                                                                    \
  }
#define INPUTS(from, to, ...) .least = (from), .most = (to), .inputs = {__VA_ARGS__}

const struct op convolution_ops[] =
    {ROW(conv2d, "networks",
         "the convolution (cross-correlation) of items, channels, rows, columns with w, plus b",
         "y_nohw = b_o + sum_cij x_nc(h+i)(w+j) w_ocij", infer_conv2d, conv_attrs, conv_samples,
         INPUTS(2, 3, "x", "w", "b"), .scratch = conv2d_scratch, .apart = apart_convolved,
         .parts = &conv_parts, .linear = {5, 6, 5},
         .rules = {CONV_INPUT("upstream", "w", "x"), CONV_WEIGHT("upstream", "x", "w"),
                   "sum(upstream, axis=[0, 2, 3])"},
         .code =
             {.whole =
                  "conv2d(y, x, w, b, {x.shape[0]}, {groups}, {w.shape[1]}, {w.shape[0] // "
                  "groups}, {x.shape[2]}, {x.shape[3]}, {w.shape[2]}, {w.shape[3]}, {y.shape[2]}, "
                  "{y.shape[3]}, {pair(stride)}, {pair(padding)}, {pair(dilation)})",
              .python =
                  "conv2d(x, w, b, {groups}, {pair(stride)}, {pair(padding)}, {pair(dilation)})"}),
     ROW(max_pool2d, "networks", "the largest entry of each window of rows and columns",
         "y_hw = max_ij x_(h+i)(w+j)", infer_pool, pool_attrs, pool_samples, INPUTS(1, 1, "x"),
         .scratch = max_pool2d_scratch, .apart = apart_items, .parts = &pool_parts,
         .branches = max_pool2d_branches, .rules = {POOL("max_pool2d_scatter", "upstream, x")},
         .kinks = max_pool2d_kinks, .convention = "all to the first",
         .undefined = {"several entries of a window are the largest"},
         .code =
             {.whole = "given(stride) => max_pool2d(y, x, {size(x) // x.shape[-1] // x.shape[-2]}, "
                       "{x.shape[-2]}, {x.shape[-1]}, {pair(size)}, {y.shape[-2]}, {y.shape[-1]}, "
                       "{pair(stride)}, {pair(padding)})\nmax_pool2d(y, x, {size(x) // x.shape[-1] "
                       "// x.shape[-2]}, {x.shape[-2]}, {x.shape[-1]}, {pair(size)}, "
                       "{y.shape[-2]}, {y.shape[-1]}, {pair(size)}, {pair(padding)})",
              .python =
                  "given(stride) => max_pool2d(x, {pair(size)}, {pair(stride)}, "
                  "{pair(padding)})\nmax_pool2d(x, {pair(size)}, {pair(size)}, {pair(padding)})"}),
     ROW(avg_pool2d, "networks",
         "the mean of each window of rows and columns; padding counts as zeros",
         "y_hw = mean_ij x_(h+i)(w+j)", infer_pool, pool_attrs, pool_samples, INPUTS(1, 1, "x"),
         .apart = apart_items, .parts = &pool_parts, .linear = {1},
         .rules = {POOL("avg_pool2d_adjoint", "upstream, shape=x.shape")},
         .code =
             {.whole = "given(stride) => avg_pool2d(y, x, {size(x) // x.shape[-1] // x.shape[-2]}, "
                       "{x.shape[-2]}, {x.shape[-1]}, {pair(size)}, {y.shape[-2]}, {y.shape[-1]}, "
                       "{pair(stride)}, {pair(padding)})\navg_pool2d(y, x, {size(x) // x.shape[-1] "
                       "// x.shape[-2]}, {x.shape[-2]}, {x.shape[-1]}, {pair(size)}, "
                       "{y.shape[-2]}, {y.shape[-1]}, {pair(size)}, {pair(padding)})",
              .python =
                  "given(stride) => avg_pool2d(x, {pair(size)}, {pair(stride)}, "
                  "{pair(padding)})\navg_pool2d(x, {pair(size)}, {pair(size)}, {pair(padding)})"}),
     ROW(conv2d_input, "adjoint ops", "the gradient of conv2d by x: the transposed convolution",
         "x_nc(h+i)(w+j) = sum g_nohw w_ocij", infer_conv2d_input, conv_adjoint_attrs,
         conv_input_samples, INPUTS(2, 2, "g", "w"), .scratch = conv2d_input_scratch,
         .apart = apart_convolved_back, .linear = {1, 2},
         .rules = {CONV("upstream", "w"), CONV_WEIGHT("g", "upstream", "w")},
         .code =
             {.whole =
                  "conv2d_input(y, g, w, {y.shape[0]}, {groups}, {w.shape[1]}, {w.shape[0] // "
                  "groups}, {y.shape[2]}, {y.shape[3]}, {w.shape[2]}, {w.shape[3]}, {g.shape[2]}, "
                  "{g.shape[3]}, {pair(stride)}, {pair(padding)}, {pair(dilation)})",
              .python = "conv2d_input(g, w, {shape}, {groups}, {pair(stride)}, {pair(padding)}, "
                        "{pair(dilation)})"}),
     ROW(conv2d_weight, "adjoint ops", "the gradient of conv2d by w",
         "w_ocij = sum_nhw g_nohw x_nc(h+i)(w+j)", infer_conv2d_weight, conv_adjoint_attrs,
         conv_weight_samples, INPUTS(2, 2, "g", "x"), .scratch = conv2d_weight_scratch,
         .apart = apart_weights, .linear = {1, 2},
         .rules = {CONV("x", "upstream"), CONV_INPUT("g", "upstream", "x")},
         .code =
             {.whole =
                  "conv2d_weight(y, g, x, {x.shape[0]}, {groups}, {y.shape[1]}, {y.shape[0] // "
                  "groups}, {x.shape[2]}, {x.shape[3]}, {y.shape[2]}, {y.shape[3]}, {g.shape[2]}, "
                  "{g.shape[3]}, {pair(stride)}, {pair(padding)}, {pair(dilation)})",
              .python = "conv2d_weight(g, x, {shape}, {groups}, {pair(stride)}, {pair(padding)}, "
                        "{pair(dilation)})"}),
     ROW(max_pool2d_scatter, "adjoint ops",
         "the gradient of max_pool2d: each entry of g goes where the largest of x's window is",
         "x_winner(h, w) = sum g_hw", infer_max_pool2d_scatter, pool_attrs, scatter_samples,
         INPUTS(2, 2, "g", "x"), .apart = apart_items, .parts = &pool_parts, .linear = {1},
         .branches = scatter_branches, .rules = {POOL("max_pool2d_gather", "upstream, x"), NULL},
         .code = {.whole =
                      "given(stride) => max_pool2d_scatter(y, g, x, {size(x) // x.shape[-1] // "
                      "x.shape[-2]}, {x.shape[-2]}, {x.shape[-1]}, {pair(size)}, {g.shape[-2]}, "
                      "{g.shape[-1]}, {pair(stride)}, {pair(padding)})\nmax_pool2d_scatter(y, g, "
                      "x, {size(x) // x.shape[-1] // x.shape[-2]}, {x.shape[-2]}, {x.shape[-1]}, "
                      "{pair(size)}, {g.shape[-2]}, {g.shape[-1]}, {pair(size)}, {pair(padding)})",
                  .python = "given(stride) => max_pool2d_scatter(g, x, {pair(size)}, "
                            "{pair(stride)}, {pair(padding)})\nmax_pool2d_scatter(g, x, "
                            "{pair(size)}, {pair(size)}, {pair(padding)})"}),
     ROW(max_pool2d_gather, "adjoint ops",
         "the entries of u that are where the largest of each of x's windows is",
         "y_hw = u_winner(h, w)", infer_max_pool2d_gather, pool_attrs, gather_samples,
         INPUTS(2, 2, "u", "x"), .apart = apart_items, .parts = &pool_parts, .linear = {1},
         .branches = gather_branches, .rules = {POOL("max_pool2d_scatter", "upstream, x"), NULL},
         .code = {.whole =
                      "given(stride) => max_pool2d_gather(y, u, x, {size(x) // x.shape[-1] // "
                      "x.shape[-2]}, {x.shape[-2]}, {x.shape[-1]}, {pair(size)}, {y.shape[-2]}, "
                      "{y.shape[-1]}, {pair(stride)}, {pair(padding)})\nmax_pool2d_gather(y, u, x, "
                      "{size(x) // x.shape[-1] // x.shape[-2]}, {x.shape[-2]}, {x.shape[-1]}, "
                      "{pair(size)}, {y.shape[-2]}, {y.shape[-1]}, {pair(size)}, {pair(padding)})",
                  .python = "given(stride) => max_pool2d_gather(u, x, {pair(size)}, "
                            "{pair(stride)}, {pair(padding)}, {shape(y)})\nmax_pool2d_gather(u, x, "
                            "{pair(size)}, {pair(size)}, {pair(padding)}, {shape(y)})"}),
     ROW(avg_pool2d_adjoint, "adjoint ops", "the gradient of avg_pool2d",
         "x_(h+i)(w+j) = sum g_hw / size", infer_avg_pool2d_adjoint, pool_adjoint_attrs,
         average_samples, INPUTS(1, 1, "g"), .apart = apart_items, .linear = {1},
         .rules = {POOL("avg_pool2d", "upstream")},
         .code = {.whole =
                      "given(stride) => avg_pool2d_adjoint(y, g, {size(y) // y.shape[-1] // "
                      "y.shape[-2]}, {y.shape[-2]}, {y.shape[-1]}, {pair(size)}, {g.shape[-2]}, "
                      "{g.shape[-1]}, {pair(stride)}, {pair(padding)})\navg_pool2d_adjoint(y, g, "
                      "{size(y) // y.shape[-1] // y.shape[-2]}, {y.shape[-2]}, {y.shape[-1]}, "
                      "{pair(size)}, {g.shape[-2]}, {g.shape[-1]}, {pair(size)}, {pair(padding)})",
                  .python = "given(stride) => avg_pool2d_adjoint(g, {pair(size)}, {pair(stride)}, "
                            "{pair(padding)}, {shape})\navg_pool2d_adjoint(g, {pair(size)}, "
                            "{pair(size)}, {pair(padding)}, {shape})"}),
     {.name = NULL}};
