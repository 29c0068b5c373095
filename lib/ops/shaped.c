/* Elementwise ops of one input with attributes. */
#include <math.h>

#include "ops/gamma.h"
#include "ops/kernel.h"
#include "ops/rows.h"

/* ---- the functions: y and dy/dx of one number, given the op's attributes ----------------------- */

typedef double entry_fn(const struct attr *attr, double x);

static double leaky_relu_value(const struct attr *attr, double x) {
  return x > 0 ? x : attr[0].number * x;
}
static double leaky_relu_slope(const struct attr *attr, double x) {
  return x > 0 ? 1 : attr[0].number;
}

/* Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2015. */
static double elu_value(const struct attr *attr, double x) {
  return x > 0 ? x : attr[0].number * expm1(x);
}
static double elu_slope(const struct attr *attr, double x) {
  return x > 0 ? 1 : attr[0].number * exp(x);
}

static double low_of(const struct attr *attr) { return attr[0].given ? attr[0].number : -INFINITY; }
static double high_of(const struct attr *attr) { return attr[1].given ? attr[1].number : INFINITY; }

static double clip_value(const struct attr *attr, double x) {
  return x < low_of(attr) ? low_of(attr) : x > high_of(attr) ? high_of(attr) : x;
}
static double clip_slope(const struct attr *attr, double x) {
  return x >= low_of(attr) && x <= high_of(attr);
}

/* Hendrycks and Gimpel, Gaussian Error Linear Units, 2016: x Phi(x), and its fit by tanh. */
#define ROOT_HALF 0.70710678118654752  /* 2^(-1/2) */
#define DENSITY 0.39894228040143268    /* (2 pi)^(-1/2) */
#define GELU_SCALE 0.79788456080286536 /* (2 / pi)^(1/2) */
#define GELU_CUBE 0.044715

static bool is_fit(const struct attr *attr) { return attr[0].word == 1; }
static double gelu_tanh(double x) { return tanh(GELU_SCALE * (x + GELU_CUBE * x * x * x)); }

static double gelu_value(const struct attr *attr, double x) {
  return is_fit(attr) ? 0.5 * x * (1 + gelu_tanh(x)) : 0.5 * x * erfc(-x * ROOT_HALF);
}
static double gelu_slope(const struct attr *attr, double x) {
  if (!is_fit(attr)) return 0.5 * erfc(-x * ROOT_HALF) + x * DENSITY * exp(-0.5 * x * x);
  double t = gelu_tanh(x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * GELU_SCALE * (1 + 3 * GELU_CUBE * x * x);
}

static double polygamma_value(const struct attr *attr, double x) {
  return polygamma((int)attr[0].integer, x);
}
static double polygamma_slope(const struct attr *attr, double x) {
  return polygamma((int)attr[0].integer + 1, x);
}

/* ---- kernels ----------------------------------------------------------------------------------- */

static void each_value(const struct call *call, entry_fn *value) {
  for (size_t i = 0; i < call->y.shape->size; i++)
    call->y.at[i] = value(call->attr, call->x[0].at[i]);
}

static void add_slopes(const struct call *call, entry_fn *slope) {
  if (!call->x[0].bar) return;
  for (size_t i = 0; i < call->y.shape->size; i++)
    call->x[0].bar[i] += call->y.bar[i] * slope(call->attr, call->x[0].at[i]);
}

static void kinks_at(const struct call *call, struct kinks *kinks, double place) {
  for (size_t i = 0; i < call->y.shape->size; i++)
    if (call->x[0].at[i] == place) kinks->add(kinks, 0, i);
}

#define KERNELS(name)                                                                              \
  static void name##_forward(const struct call *call) { each_value(call, name##_value); }          \
  static void name##_backward(const struct call *call) { add_slopes(call, name##_slope); }

KERNELS(leaky_relu)
KERNELS(elu)
KERNELS(clip)
KERNELS(gelu)
KERNELS(polygamma)

static void leaky_relu_kinks(const struct call *call, struct kinks *kinks) {
  if (call->attr[0].number != 1) kinks_at(call, kinks, 0);
}

static void elu_kinks(const struct call *call, struct kinks *kinks) {
  if (call->attr[0].number != 1) kinks_at(call, kinks, 0);
}

static void clip_kinks(const struct call *call, struct kinks *kinks) {
  if (call->attr[0].given) kinks_at(call, kinks, call->attr[0].number);
  if (call->attr[1].given && high_of(call->attr) != low_of(call->attr))
    kinks_at(call, kinks, call->attr[1].number);
}

/* ---- branches ---------------------------------------------------------------------------------- */

static uint64_t positive_branches(const struct call *call) {
  uint64_t branches = 0;
  for (size_t i = 0; i < call->y.shape->size; i++)
    branches = join_piece(branches, call->x[0].at[i] > 0);
  return branches;
}

static uint64_t clip_branches(const struct call *call) {
  uint64_t branches = 0;
  for (size_t i = 0; i < call->y.shape->size; i++) {
    const double x = call->x[0].at[i];
    branches = join_piece(branches, (x > high_of(call->attr)) - (x < low_of(call->attr)));
  }
  return branches;
}

/* ---- shape rules that check the attributes ----------------------------------------------------- */

static bool infer_clip(struct infer *infer) {
  if (low_of(infer->attr) > high_of(infer->attr))
    return infer_fail_attr(infer, "min", "min is above max");
  return infer_same(infer);
}

static bool infer_polygamma(struct infer *infer) {
  if (infer->attr[0].integer < 0 || infer->attr[0].integer > 100)
    return infer_fail_attr(infer, "n", "n must be from 0 to 100");
  return infer_same(infer);
}

/* ---- the rows ---------------------------------------------------------------------------------- */

#define ATTR(id, kind, what, ...)                                                                  \
  {                                                                                                \
    .name = id, .meaning = what, .type = kind, .fallback = { __VA_ARGS__ }                         \
  }
#define ATTRS(...)                                                                                 \
  (const struct attr_spec[]) {                                                                     \
    __VA_ARGS__, { .name = NULL }                                                                  \
  }
#define SAMPLES(...)                                                                               \
  (const struct op_sample[]) {                                                                     \
    __VA_ARGS__, { NULL, NULL }                                                                    \
  }

static const char *const gelu_words[] = {"none", "tanh", NULL};

#define ROW(id, what, text, ...)                                                                   \
  {                                                                                                \
    .name = #id, .family = "elementwise", .meaning = what, .formula = text, .inputs = {"x"},       \
    .least = 1, .most = 1, .forward = id##_forward, .backward = id##_backward,                     \
    .apart = apart_entries, .parts = &entry_parts, __VA_ARGS__                                     \
  }

const struct op shaped_ops[] = {
    ROW(leaky_relu, "rectifier that leaks", "x > 0 ? x : alpha x", .infer = infer_same,
        .attrs = ATTRS(ATTR("alpha", ATTR_NUMBER, "slope below 0", .given = true, .number = 0.01)),
        .rules = {"upstream * where(x > 0, 1, alpha)"}, .kinks = leaky_relu_kinks,
        .branches = positive_branches, .convention = "the left slope",
        .undefined = {"x == 0 and alpha != 1"},
        .samples = SAMPLES({"3", ""}, {"", "alpha=0.3"}, {"0", ""}, {"2,1,3,2", "alpha=-1"}),
        .code = {.entry = "x > 0 ? x : {alpha} * x", .python = "np.where(x > 0, x, {alpha} * x)"}),
    ROW(elu, "exponential linear unit", "x > 0 ? x : alpha (e^x - 1)", .infer = infer_same,
        .attrs = ATTRS(
            ATTR("alpha", ATTR_NUMBER, "how far down it goes below 0", .given = true, .number = 1)),
        .rules = {"upstream * where(x > 0, 1, alpha * exp(minimum(x, 0)))"}, .kinks = elu_kinks,
        .branches = positive_branches, .convention = "the left slope",
        .undefined = {"x == 0 and alpha != 1"},
        .samples = SAMPLES({"3", ""}, {"", "alpha=0.3"}, {"0", ""}, {"2,1,3,2", "alpha=2"}),
        .code = {.entry = "x > 0 ? x : {alpha} * expm1(x)",
                 .python = "np.where(x > 0, x, {alpha} * np.expm1(np.minimum(x, 0)))"}),
    ROW(clip, "x kept between two bounds", "min(max(x, min), max)", .infer = infer_clip,
        .attrs = ATTRS(ATTR("min", ATTR_NUMBER, "lower bound; left out: none", .given = false),
                       ATTR("max", ATTR_NUMBER, "upper bound; left out: none", .given = false)),
        .rules = {"given(min) and given(max): upstream * (x >= min) * (x <= max); "
                  "given(min): upstream * (x >= min); given(max): upstream * (x <= max); upstream"},
        .kinks = clip_kinks, .branches = clip_branches, .convention = "1",
        .undefined = {"x == min or x == max"},
        .samples = SAMPLES({"3", "min=-1, max=1"}, {"", "min=0.1"}, {"2,3", "max=0.2"}, {"0", ""}),
        .code = {.entry = "given(min) and given(max) => clip(x, {min}, {max})\ngiven(min) => "
                          "clip(x, {min}, INFINITY)\ngiven(max) => clip(x, -INFINITY, {max})\nx",
                 .python = "given(min) and given(max) => np.clip(x, {min}, {max})\ngiven(min) => "
                           "np.maximum(x, {min})\ngiven(max) => np.minimum(x, {max})\nx"}),
    ROW(gelu, "Gaussian error linear unit; approximate=tanh is the usual fit", "x Phi(x)",
        .infer = infer_same,
        .attrs = ATTRS({.name = "approximate",
                        .meaning = "none: exact, tanh: the fit",
                        .type = ATTR_WORD,
                        .words = gelu_words,
                        .fallback = {.given = true, .word = 0}}),
        .rules = {"approximate == none: upstream * (0.5 * erfc(-x * 0.70710678118654752) + x * "
                  "0.39894228040143268 * exp(-0.5 * x ** 2)); "
                  "upstream * (0.5 * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x ** 3))) + "
                  "0.5 * x * (1 - tanh(0.79788456080286536 * (x + 0.044715 * x ** 3)) ** 2) * "
                  "0.79788456080286536 * (1 + 0.134145 * x ** 2))"},
        .samples = SAMPLES({"3", ""}, {"", "approximate=tanh"}, {"0", ""},
                           {"2,1,3,2", "approximate=tanh"}),
        .code = {.entry = "approximate == none => 0.5 * x * erfc(-x * 0.70710678118654752)\n0.5 * "
                          "x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)))",
                 .python = "approximate == none => 0.5 * x * erfc(-x * 0.70710678118654752)\n0.5 * "
                           "x * (1 + np.tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)))"}),
    ROW(polygamma, "n-th derivative of digamma", "psi^(n)(x)", .infer = infer_polygamma,
        .attrs = ATTRS({.name = "n",
                        .meaning = "how often digamma is differentiated: from 0 to 100",
                        .type = ATTR_INT,
                        .required = true}),
        .rules = {"upstream * polygamma(x, n=n + 1)"},
        .samples = SAMPLES({"3", "n=0"}, {"", "n=1"}, {"2,3", "n=2"}, {"0", "n=3"}),
        .domain = {{0.5, 4}},
        .code = {.entry = "polygamma({n}, x)", .python = "polygamma({n}, x)"}),
    {.name = NULL}};
