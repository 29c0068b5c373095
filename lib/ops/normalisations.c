/* Normalisations of activations, and dropout. */
#include <math.h>
#include <string.h>

#include "ops/axes.h"
#include "ops/rows.h"

/* ---- layer_norm, batch_norm -------------------------------------------------------------- */

/* Both make n = (x - mean) / (variance + eps)^(1/2), with the mean and the (biased) variance along
 * some axes, and then y = gain n + bias, with a gain and a bias for each place along some axes.
 * For layer_norm these are the same axes, for batch_norm they are the other ones. */
enum { X, GAIN, BIAS }; /* inputs */
enum { AXES, EPS };     /* attributes; AXES is batch_norm's axis */

struct normal {
  const struct shape *shape;              /* of x */
  axis_set reduced, scaled;               /* the axes of the mean, of the gain */
  size_t rows;                            /* how many means there are */
  double count;                           /* of how many entries each */
  double *mean, *rate, *dot, *sum, *lost; /* a number a row; rate is (variance + eps)^(-1/2) */
  double *scaled_bar;                     /* gain * upstream, like x */
};

enum { NORMAL_ROWS = 5 };

static struct normal describe_normal(const struct call *call, axis_set reduced, axis_set scaled) {
  const struct shape *shape = call->x[X].shape;
  const size_t rows = count_across(shape, reduced);
  double *at = call->scratch;
  return (struct normal){.shape = shape,
                         .reduced = reduced,
                         .scaled = scaled,
                         .rows = rows,
                         .count = (double)count_along(shape, reduced),
                         .mean = at,
                         .rate = at + rows,
                         .dot = at + 2 * rows,
                         .sum = at + 3 * rows,
                         .lost = at + 4 * rows,
                         .scaled_bar = at + NORMAL_ROWS * rows};
}

static struct normal layer_of(const struct call *call) {
  const axis_set axes = axes_of(&call->attr[AXES], call->x[X].shape->rank);
  return describe_normal(call, axes, axes);
}

static struct normal batch_of(const struct call *call) {
  const axis_set axis = axis_of(&call->attr[AXES], call->x[X].shape->rank);
  return describe_normal(call, ~axis, axis);
}

static size_t layer_norm_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                 const struct shape *const *x) {
  (void)count, (void)x;
  return NORMAL_ROWS * count_across(y, axes_of(&attr[AXES], y->rank)) + y->size;
}

static size_t batch_norm_scratch(const struct attr *attr, const struct shape *y, unsigned count,
                                 const struct shape *const *x) {
  (void)count, (void)x;
  return NORMAL_ROWS * count_along(y, axis_of(&attr[AXES], y->rank)) + y->size;
}

static void deviation_terms(double *term, const double *a, const double *b, const double *p,
                            ptrdiff_t step, size_t n) {
  (void)b;
  for (size_t i = 0; i < n; i++) {
    const double x = a[i] - p[(ptrdiff_t)i * step];
    term[i] = x * x;
  }
}

/* Upstream times the deviation from the mean. */
static void dot_terms(double *term, const double *a, const double *b, const double *p,
                      ptrdiff_t step, size_t n) {
  for (size_t i = 0; i < n; i++) term[i] = a[i] * (b[i] - p[(ptrdiff_t)i * step]);
}

/* Walks x, operand 0, with the rows, operand 1, and the gains, operand 2. */
static void start_normal(struct sweep *s, const struct normal *normal) {
  ptrdiff_t strides[3][RANK_MOST];
  shape_strides(normal->shape, strides[0]);
  reduced_strides(normal->shape, normal->reduced, strides[1]);
  reduced_strides(normal->shape, ~normal->scaled, strides[2]);
  sweep_strided(s, normal->shape, 3, (const ptrdiff_t(*)[RANK_MOST])strides, NULL);
}

/* One statement for every entry; `normed` is n, `row` and `place` belong to the mean, the gain. */
#define EACH_NORMED(s, call, normal, statement)                                                    \
  for (start_normal(&s, normal); sweep_more(&s); sweep_next(&s))                                   \
    for (size_t i = 0; i < s.n; i++) {                                                             \
      const size_t at = (size_t)s.at[0] + i;                                                       \
      const size_t row = (size_t)(s.at[1] + (ptrdiff_t)i * s.step[1]);                             \
      const size_t place = (size_t)(s.at[2] + (ptrdiff_t)i * s.step[2]);                           \
      const double normed = ((call)->x[X].at[at] - (normal)->mean[row]) * (normal)->rate[row];     \
      (void)place;                                                                                 \
      statement;                                                                                   \
    }

static const double *input_or_null(const struct call *call, unsigned k) {
  return k < call->count ? call->x[k].at : NULL;
}

static double *bar_or_null(const struct call *call, unsigned k) {
  return k < call->count ? call->x[k].bar : NULL;
}

static void normalise(const struct call *call, const struct normal *normal) {
  const double *gain = input_or_null(call, GAIN), *bias = input_or_null(call, BIAS);
  struct terms terms = {.a = call->x[X].at};
  sum_along(normal->mean, normal->lost, normal->shape, normal->reduced, terms);
  for (size_t i = 0; i < normal->rows; i++) normal->mean[i] /= normal->count;
  terms.of = deviation_terms, terms.p = normal->mean;
  sum_along(normal->rate, normal->lost, normal->shape, normal->reduced, terms);
  for (size_t i = 0; i < normal->rows; i++)
    normal->rate[i] = 1 / sqrt(normal->rate[i] / normal->count + call->attr[EPS].number);
  struct sweep s;
  EACH_NORMED(s, call, normal,
              call->y.at[at] = (gain ? gain[place] : 1) * normed + (bias ? bias[place] : 0))
}

/* The gradient of x: with h = gain * upstream, it is
 * rate (h - mean(h) - n mean(h n)); Ioffe and Szegedy, Batch Normalization, section 3. */
static void add_slope(const struct call *call, const struct normal *normal) {
  const double *gain = input_or_null(call, GAIN);
  double *h = normal->scaled_bar;
  struct sweep s;
  for (start_normal(&s, normal); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      const size_t at = (size_t)s.at[0] + i;
      h[at] = (gain ? gain[s.at[2] + (ptrdiff_t)i * s.step[2]] : 1) * call->y.bar[at];
    }
  sum_along(normal->sum, normal->lost, normal->shape, normal->reduced, (struct terms){.a = h});
  sum_along(normal->dot, normal->lost, normal->shape, normal->reduced,
            (struct terms){.of = dot_terms, .a = h, .b = call->x[X].at, .p = normal->mean});
  for (size_t i = 0; i < normal->rows; i++) {
    normal->sum[i] /= normal->count;
    normal->dot[i] *= normal->rate[i] / normal->count;
  }
  EACH_NORMED(s, call, normal,
              call->x[X].bar[at] +=
              normal->rate[row] * ((h[at] - normal->sum[row]) - normed * normal->dot[row]))
}

static void normalise_back(const struct call *call, const struct normal *normal) {
  double *gain_bar = bar_or_null(call, GAIN), *bias_bar = bar_or_null(call, BIAS);
  struct sweep s;
  if (call->x[X].bar) add_slope(call, normal);
  if (gain_bar) EACH_NORMED(s, call, normal, gain_bar[place] += call->y.bar[at] * normed)
  if (bias_bar) EACH_NORMED(s, call, normal, (void)normed; bias_bar[place] += call->y.bar[at])
}

static void layer_norm_forward(const struct call *call) {
  const struct normal normal = layer_of(call);
  normalise(call, &normal);
}

static void layer_norm_backward(const struct call *call) {
  const struct normal normal = layer_of(call);
  normalise_back(call, &normal);
}

static void batch_norm_forward(const struct call *call) {
  const struct normal normal = batch_of(call);
  normalise(call, &normal);
}

static void batch_norm_backward(const struct call *call) {
  const struct normal normal = batch_of(call);
  normalise_back(call, &normal);
}

/* Whole along the axes of the mean; a gain or a bias, of the places that it belongs to. */
static void reach_normal(const struct normal *normal, unsigned k, const struct extent *part,
                         struct extent *y) {
  const unsigned rank = normal->shape->rank;
  if (k == X)
    for (unsigned i = 0; i < rank; i++) y[i] = part[i];
  else
    spread_part(y, part, normal->shape, ~normal->scaled, false, NULL);
  take_along(y, normal->shape, normal->reduced);
}

static void need_normal(const struct normal *normal, unsigned k, const struct extent *y,
                        struct extent *part) {
  if (k == X)
    for (unsigned i = 0; i < normal->shape->rank; i++) part[i] = y[i];
  else
    reduce_part(part, y, normal->shape, ~normal->scaled, false);
}

#define NORMAL_PARTS(name)                                                                         \
  static void reach_##name(const struct call *call, unsigned k, const struct extent *x,            \
                           struct extent *y) {                                                     \
    const struct normal normal = name##_of(call);                                                  \
    reach_normal(&normal, k, x, y);                                                                \
  }                                                                                                \
  static void need_##name(const struct call *call, unsigned k, const struct extent *y,             \
                          struct extent *x) {                                                      \
    const struct normal normal = name##_of(call);                                                  \
    need_normal(&normal, k, y, x);                                                                 \
  }                                                                                                \
  static const struct op_parts name##_parts = {.reach = reach_##name, .need = need_##name};

NORMAL_PARTS(layer)
NORMAL_PARTS(batch)

/* ---- local_response_norm ----------------------------------------------------------------- */

enum { SIZE, ALPHA, BETA, K }; /* attributes */

/* Axis 1 holds the channels. */
struct channels {
  size_t items, channels, entries; /* x is items x channels x entries */
  size_t below, above;             /* how far a window reaches */
  double alpha, beta;              /* alpha is divided by the window's size */
};

static struct channels channels_of(const struct call *call) {
  const struct shape *shape = call->x[0].shape;
  const size_t size = (size_t)call->attr[SIZE].integer;
  return (struct channels){.items = (size_t)shape->dim[0],
                           .channels = (size_t)shape->dim[1],
                           .entries = count_along(shape, ~(axis_set)3),
                           .below = size / 2,
                           .above = (size - 1) / 2,
                           .alpha = call->attr[ALPHA].number / (double)size,
                           .beta = call->attr[BETA].number};
}

/* to[c] = the sum of from[c - below] ... from[c + above], for each item and entry. */
static void sum_windows(double *to, const double *from, const struct channels *c, size_t below,
                        size_t above) {
  for (size_t item = 0; item < c->items; item++)
    for (size_t channel = 0; channel < c->channels; channel++) {
      const size_t first = channel > below ? channel - below : 0;
      const size_t last = above < c->channels - channel ? channel + above : c->channels - 1;
      double *sum = to + (item * c->channels + channel) * c->entries;
      memset(sum, 0, c->entries * sizeof *sum);
      for (size_t j = first; j <= last; j++) {
        const double *term = from + (item * c->channels + j) * c->entries;
        for (size_t i = 0; i < c->entries; i++) sum[i] += term[i];
      }
    }
}

/* The divisors' bases, k + alpha (sum of squares), stay in scratch. */
static void local_response_norm_forward(const struct call *call) {
  const struct channels c = channels_of(call);
  const size_t size = call->y.shape->size;
  double *base = call->scratch, *square = base + size;
  for (size_t i = 0; i < size; i++) square[i] = call->x[0].at[i] * call->x[0].at[i];
  sum_windows(base, square, &c, c.below, c.above);
  for (size_t i = 0; i < size; i++) {
    base[i] = call->attr[K].number + c.alpha * base[i];
    call->y.at[i] = call->x[0].at[i] * pow(base[i], -c.beta);
  }
}

/* Whole along the channels. */
static void reach_channels(const struct call *call, unsigned k, const struct extent *x,
                           struct extent *y) {
  (void)k;
  for (unsigned i = 0; i < call->y.shape->rank; i++) y[i] = x[i];
  take_along(y, call->y.shape, (axis_set)2);
}

static const struct op_parts channel_parts = {.reach = reach_channels, .need = reach_channels};

/* An entry reaches its own result, and as a square those whose windows hold it: from
 * `above` before to `below` behind. */
static void local_response_norm_backward(const struct call *call) {
  const struct channels c = channels_of(call);
  const size_t size = call->y.shape->size;
  const double *base = call->scratch, *x = call->x[0].at;
  double *term = call->scratch + size, *sum = term + size, *bar = call->x[0].bar;
  if (!bar) return;
  for (size_t i = 0; i < size; i++) term[i] = call->y.bar[i] * call->y.at[i] / base[i];
  sum_windows(sum, term, &c, c.above, c.below);
  for (size_t i = 0; i < size; i++)
    bar[i] += call->y.bar[i] * pow(base[i], -c.beta) - 2 * c.alpha * c.beta * x[i] * sum[i];
}

static size_t local_response_norm_scratch(const struct attr *attr, const struct shape *y,
                                          unsigned count, const struct shape *const *x) {
  (void)attr, (void)count, (void)x;
  return 3 * y->size;
}

/* ---- dropout ----------------------------------------------------------------------------- */

enum { RATE, SEED }; /* attributes */

/* A number in [0, 1) for every index: splitmix64 (Steele, Lea, Flood, Fast Splittable Pseudorandom
 * Number Generators) at that place of its sequence, so that neither order nor shape matter. */
static double uniform_at(uint64_t seed, uint64_t index) {
  uint64_t bits = seed * 0xd1342543de82ef95U + (index + 1) * 0x9e3779b97f4a7c15U;
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
  bits ^= bits >> 31;
  return (double)(bits >> 11) * 0x1p-53;
}

/* What an entry is multiplied by; 0 says that it is dropped. */
static double kept_scale(const struct call *call, size_t index) {
  const double rate = call->attr[RATE].number;
  return uniform_at((uint64_t)call->attr[SEED].integer, index) < rate ? 0 : 1 / (1 - rate);
}

static void dropout_forward(const struct call *call) {
  for (size_t i = 0; i < call->y.shape->size; i++) {
    const double scale = kept_scale(call, i);
    call->y.at[i] = scale == 0 ? 0 : scale * call->x[0].at[i];
  }
}

static void dropout_backward(const struct call *call) {
  if (!call->x[0].bar) return;
  for (size_t i = 0; i < call->y.shape->size; i++) {
    const double scale = kept_scale(call, i);
    if (scale != 0) call->x[0].bar[i] += scale * call->y.bar[i];
  }
}

/* ---- shape rules ------------------------------------------------------------------------- */

/* The gain and the bias, where given, have the shape of x along `scaled`. */
static bool infer_scaled(struct infer *infer, axis_set scaled) {
  if (!(infer->attr[EPS].number >= 0))
    return infer_fail_attr(infer, "eps", "eps must not be negative");
  const struct dims dims = reduce_dims(&infer->x[X], ~scaled, false);
  for (unsigned k = GAIN; k < infer->count; k++)
    if (!same_dims(&dims, &infer->x[k]))
      return infer_fail_input(infer, k,
                              k == GAIN ? "gain must be as large as x along the axes: %0, %1"
                                        : "bias must be as large as x along the axes: %0, %2");
  return infer_same(infer);
}

static bool infer_layer_norm(struct infer *infer) {
  axis_set axes;
  if (!infer_axes(infer, "axes", &infer->attr[AXES], &axes)) return false;
  /* For the gain to broadcast to x, the axes must be the last ones: the others are the first, a
   * number below a power of two. */
  const axis_set all = infer->x[X].rank ? ((axis_set)2 << (infer->x[X].rank - 1)) - 1 : 0;
  const axis_set others = all & ~axes;
  if (infer->count > GAIN && (others & (others + 1)))
    return infer_fail_attr(infer, "axes", "with a gain, axes must be the last ones: %0");
  return infer_scaled(infer, axes);
}

static bool infer_batch_norm(struct infer *infer) {
  axis_set axis;
  return infer_axis(infer, "axis", &infer->attr[AXES], &axis) && infer_scaled(infer, axis);
}

static bool infer_local_response_norm(struct infer *infer) {
  if (infer->attr[SIZE].integer < 1) return infer_fail_attr(infer, "size", "size must be positive");
  if (infer->x[0].rank < 3)
    return infer_fail_input(infer, 0, "x must have items, channels and one more axis: %0");
  return infer_same(infer);
}

static bool infer_dropout(struct infer *infer) {
  const double rate = infer->attr[RATE].number;
  if (!(rate >= 0 && rate < 1))
    return infer_fail_attr(infer, "rate", "rate must be at least 0 and less than 1");
  return infer_same(infer);
}

/* ---- which axes are kept apart ------------------------------------------------------------- */

static int apart_layers(const struct attr *attr, const struct shape *y,
                        const struct shape *const *x, unsigned k, unsigned axis) {
  return k ? apart_entries(attr, y, x, k, axis) : apart_beside_axes(attr, y, x, k, axis);
}

static int apart_channels(const struct attr *attr, const struct shape *y,
                          const struct shape *const *x, unsigned k, unsigned axis) {
  int64_t channels = attr[0].integer;
  normalise_axis(&channels, y->rank);
  return k || axis == channels ? apart_as(y, (int)channels, x[k], axis) : -1;
}

static int apart_but_channels(const struct attr *attr, const struct shape *y,
                              const struct shape *const *x, unsigned k, unsigned axis) {
  (void)attr;
  return axis == 1 ? -1 : apart_as(y, (int)axis, x[k], axis);
}

/* ---- the rows ---------------------------------------------------------------------------- */

static const int64_t last[] = {-1};

#define EPS_SPEC                                                                                   \
  {                                                                                                \
    .name = "eps", .meaning = "what is added to the variance", .type = ATTR_NUMBER, .fallback = {  \
      .given = true,                                                                               \
      .number = 1e-5                                                                               \
    }                                                                                              \
  }

static const struct attr_spec layer_attrs[] = {
    {.name = "axes",
     .meaning = "the axes of mean and variance",
     .type = ATTR_INTS,
     .fallback = {.given = true, .list = true, .ints = {1, last}}},
    EPS_SPEC,
    {.name = NULL}};

static const struct attr_spec batch_attrs[] = {
    {.name = "axis",
     .meaning = "the axis of the channels; mean and variance are along all others",
     .type = ATTR_INT,
     .fallback = {.given = true, .integer = 1}},
    EPS_SPEC,
    {.name = NULL}};

static const struct attr_spec response_attrs[] = {
    {.name = "size",
     .meaning = "how many neighbouring channels count",
     .type = ATTR_INT,
     .required = true},
    {.name = "alpha",
     .meaning = "the weight of their mean square",
     .type = ATTR_NUMBER,
     .fallback = {.given = true, .number = 1e-4}},
    {.name = "beta",
     .meaning = "the divisor's exponent",
     .type = ATTR_NUMBER,
     .fallback = {.given = true, .number = 0.75}},
    {.name = "k",
     .meaning = "what is added to the weighted mean square",
     .type = ATTR_NUMBER,
     .fallback = {.given = true, .number = 1}},
    {.name = NULL}};

static const struct attr_spec dropout_attrs[] = {{.name = "rate",
                                                  .meaning = "the share of entries that become 0",
                                                  .type = ATTR_NUMBER,
                                                  .fallback = {.given = true, .number = 0.5}},
                                                 {.name = "seed",
                                                  .meaning = "which entries these are",
                                                  .type = ATTR_INT,
                                                  .fallback = {.given = true, .integer = 0}},
                                                 {.name = NULL}};

static const struct op_sample layer_samples[] = {{"3", ""},
                                                 {"2,3", ""},
                                                 {"2,3", "axes=0, eps=0.1"},
                                                 {"2,3;3", ""},
                                                 {"2,3;3;3", "eps=0.01"},
                                                 {"2,3,4;3,4;3,4", "axes=[1, 2]"},
                                                 {"2,3,4", "axes=[0, 2]"},
                                                 {"0,3;3;3", ""},
                                                 {NULL, NULL}};

static const struct op_sample batch_samples[] = {
    {"4,3", ""},         {"4,3;3;3", ""},          {"3,2;3", "axis=0"}, {"2,3,2;3;3", "eps=0.1"},
    {"2,3,2,2;3;3", ""}, {"2,2,3;3;3", "axis=-1"}, {"4,0;0;0", ""},     {NULL, NULL}};

static const struct op_sample response_samples[] = {{"2,5,3", "size=3, alpha=0.5"},
                                                    {"1,4,2,2", "size=2, alpha=1, beta=0.5, k=2"},
                                                    {"2,3,1", "size=9, alpha=0.2"},
                                                    {"2,3,2", "size=1, alpha=0.3"},
                                                    {"0,3,2", "size=3"},
                                                    {NULL, NULL}};

static const struct op_sample dropout_samples[] = {{"", "rate=0.1"},    {"3,4", "seed=7"},
                                                   {"2,3,2", "rate=0"}, {"40", "rate=0.3, seed=-1"},
                                                   {"0", ""},           {NULL, NULL}};

/* The rules, from a mean and the gain brought to x's axes: add_slope as text. */
#define RATE_OF(mean) "(" mean("(x - " mean("x") ") ** 2") " + eps) ** (-0.5)"
#define NORMED(mean) "(x - " mean("x") ") * " RATE_OF(mean)
#define SLOPE(mean, h)                                                                             \
  RATE_OF(mean) " * (" h " - " mean(h) " - " NORMED(mean) " * " mean(h " * " NORMED(mean)) ")"

#define LAYER_MEAN(of) "mean(" of ", axis=axes, keepdims=true)"

/* What belongs to a channel, with axes of 1 behind it so that it broadcasts to x. */
#define CHANNEL "[shape(x)[axis]] + [1] * (rank(x) - 1 - axis % rank(x))"
#define BATCH_MEAN(of) "(sum_to(" of ", shape=" CHANNEL ") / (size(x) // shape(x)[axis]))"
#define BATCH_GAIN "reshape(gain, shape=" CHANNEL ")"

/* The matrix of 1 where a window (row) holds a channel (column). */
#define BAND                                                                                       \
  "tril(triu(broadcast_to(1, shape=[x.shape[1], x.shape[1]]), k=-(size // 2)), k=(size - 1) // 2)"
#define BASE "(k + alpha / size * reshape(" BAND " @ flatten(x ** 2, start_axis=2), shape=x.shape))"

#define NORMALISATION(id, what, text, shape_rule, attrs_, samples_, ...)                           \
  {                                                                                                \
    .name = #id, .family = "networks", .meaning = what, .formula = text, .least = 1,               \
    .attrs = attrs_, .samples = samples_, .infer = shape_rule, .forward = id##_forward,            \
    .backward = id##_backward, __VA_ARGS__                                                         \
  }

const struct op normalisation_ops[] = {
    NORMALISATION(
        layer_norm, "normalised along the axes, then scaled and shifted",
        "gain (x - mean) / (var + eps)^(1/2) + bias", infer_layer_norm, layer_attrs, layer_samples,
        .most = 3, .inputs = {"x", "gain", "bias"}, .scratch = layer_norm_scratch,
        .apart = apart_layers, .parts = &layer_parts, .linear = {0, 6, 6},
        .rules = {"given(gain): " SLOPE(LAYER_MEAN, "(upstream * gain)") "; " SLOPE(LAYER_MEAN,
                                                                                    "upstream"),
                  "sum_to(upstream * " NORMED(LAYER_MEAN) ", shape=gain.shape)",
                  "sum_to(upstream, shape=bias.shape)"},
        .code = {.composed = "given(gain) and given(bias) => " NORMED(
                     LAYER_MEAN) " * gain + "
                                 "bias\ngiven(gain) "
                                 "=> " NORMED(LAYER_MEAN) " * gain\n" NORMED(LAYER_MEAN)}),
    NORMALISATION(
        batch_norm, "normalised along all axes but one, then scaled and shifted",
        "gain (x - mean) / (var + eps)^(1/2) + bias", infer_batch_norm, batch_attrs, batch_samples,
        .most = 3, .inputs = {"x", "gain", "bias"}, .scratch = batch_norm_scratch,
        .apart = apart_channels, .parts = &batch_parts, .linear = {0, 6, 6},
        .rules = {"size(x) == 0: zeros_like(x); "
                  "given(gain): " SLOPE(BATCH_MEAN, "(upstream * " BATCH_GAIN
                                                    ")") "; " SLOPE(BATCH_MEAN, "upstream"),
                  "size(x) == 0: zeros_like(gain); "
                  "reshape(sum_to(upstream * " NORMED(BATCH_MEAN) ", shape=" CHANNEL
                                                                  "), shape=gain.shape)",
                  "reshape(sum_to(upstream, shape=" CHANNEL "), shape=bias.shape)"},
        .code = {.composed = "size(x) == 0 => x\ngiven(gain) and given(bias) => " NORMED(
                     BATCH_MEAN) " * " BATCH_GAIN " + reshape(bias, shape=" CHANNEL
                                 ")\ngiven(gain) => " NORMED(BATCH_MEAN) " * " BATCH_GAIN
                                                                         "\n" NORMED(BATCH_MEAN)}),
    NORMALISATION(local_response_norm,
                  "divided by a power of the mean square of neighbouring channels (axis 1)",
                  "x_c / (k + alpha / size * sum_j x_j^2)^beta, j from c - size // 2",
                  infer_local_response_norm, response_attrs, response_samples, .most = 1,
                  .inputs = {"x"}, .scratch = local_response_norm_scratch,
                  .apart = apart_but_channels, .parts = &channel_parts,
                  .rules = {"upstream * " BASE
                            " ** (-beta) - 2 * alpha * beta / size * x * reshape(" BAND
                            ".mT @ flatten(upstream * x * " BASE
                            " ** (-beta - 1), start_axis=2), shape=x.shape)"},
                  .code = {.composed = "x * " BASE " ** (-beta)"}),
    NORMALISATION(dropout, "some entries become 0, the others are scaled up; the same for a seed",
                  "0 or x / (1 - rate)", infer_dropout, dropout_attrs, dropout_samples, .most = 1,
                  .inputs = {"x"}, .apart = apart_entries, .moves = true,
                  .rules = {"dropout(upstream, rate=rate, seed=seed)"},
                  .code = {.whole = "dropout(y, x, {size(x)}, {rate}, {seed})",
                           .python = "dropout(x, {rate}, {seed})"}),
    {.name = NULL}};
