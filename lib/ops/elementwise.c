/* Elementwise ops: the tables unary.def and binary.def make the kernels and the rows. */
#include <math.h>
#include <string.h>

#include "ops/gamma.h"
#include "ops/pairs.h"
#include "ops/rows.h"
#include "tensor/vector_math.h"

/* sigmoid, softplus, modulo */
#define ENTRY_FUNCTION(name, arguments, note, python, ...) static double name arguments __VA_ARGS__
#include "ops/entry.def"
#undef ENTRY_FUNCTION

/* sigmoid(x) sigmoid(-x), which keeps its digits where 1 - y has none left. */
static double sigmoid_slope(double x) {
  double e = exp(-fabs(x));
  return e / ((1 + e) * (1 + e));
}

/* How much of a length is due to one side: 0 where there is none, all where it alone is infinite. */
static double part(double side, double length) {
  if (length == 0) return 0;
  return fabs(side) == INFINITY ? copysign(1, side) : side / length;
}

/* side / length^2, without squares that overflow or vanish. */
static double turn(double side, double length) { return length == 0 ? 0 : side / length / length; }

static double mish_slope(double x) {
  double t = tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
}

/* ---- one input --------------------------------------------------------------------------- */

#define UNARY_FORWARD(name, value)                                                                 \
  static void name##_forward(const struct call *call) {                                            \
    const double *from = call->x[0].at;                                                            \
    double *to = call->y.at;                                                                       \
    for (size_t i = 0; i < call->y.shape->size; i++) {                                             \
      const double x = from[i];                                                                    \
      to[i] = (value);                                                                             \
    }                                                                                              \
  }

#define VECTOR_FORWARD(name, value, many)                                                          \
  UNARY_FORWARD(name##_each, value)                                                                \
  static void name##_forward(const struct call *call) {                                            \
    if (call->y.shape->size < MANY_LEAST)                                                          \
      name##_each_forward(call);                                                                   \
    else                                                                                           \
      many(call->y.at, call->x[0].at, call->y.shape->size);                                        \
  }

#define UNARY_BACKWARD(name, value, slope)                                                         \
  static void name##_backward(const struct call *call) {                                           \
    double *bar = call->x[0].bar;                                                                  \
    if (!bar) return;                                                                              \
    for (size_t i = 0; i < call->y.shape->size; i++) {                                             \
      const double x = call->x[0].at[i], y = call->y.at[i];                                        \
      (void)x, (void)y;                                                                            \
      bar[i] += call->y.bar[i] * (slope);                                                          \
    }                                                                                              \
  }                                                                                                \
  static double name##_scalar(double a, double b, double partial[2]) {                             \
    const double x = a, y = (value);                                                               \
    (void)y, (void)b;                                                                              \
    partial[0] = (slope);                                                                          \
    partial[1] = 0;                                                                                \
    return y;                                                                                      \
  }

#define UNARY_KINK(name, kink)                                                                     \
  static void name##_kinks(const struct call *call, struct kinks *kinks) {                         \
    for (size_t i = 0; i < call->y.shape->size; i++) {                                             \
      const double x = call->x[0].at[i];                                                           \
      if (kink) kinks->add(kinks, 0, i);                                                           \
    }                                                                                              \
  }

#define UNARY_BRANCHES(name, piece)                                                                \
  static uint64_t name##_branches(const struct call *call) {                                       \
    uint64_t branches = 0;                                                                         \
    for (size_t i = 0; i < call->y.shape->size; i++) {                                             \
      const double x = call->x[0].at[i], y = call->y.at[i];                                        \
      (void)x, (void)y;                                                                            \
      branches = join_piece(branches, piece);                                                      \
    }                                                                                              \
    return branches;                                                                               \
  }

#define UNARY(name, symbol, meaning, formula, value, numpy, slope, rule, low, high)                \
  UNARY_FORWARD(name, value) UNARY_BACKWARD(name, value, slope)
#define VECTOR(name, symbol, meaning, formula, value, numpy, slope, rule, low, high, many)         \
  VECTOR_FORWARD(name, value, many) UNARY_BACKWARD(name, value, slope)
#define EDGED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high, kink,          \
              convention)                                                                          \
  UNARY_FORWARD(name, value) UNARY_BACKWARD(name, value, slope) UNARY_KINK(name, kink)
#define KINKED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high, kink,         \
               convention, piece)                                                                  \
  UNARY_FORWARD(name, value)                                                                       \
  UNARY_BACKWARD(name, value, slope) UNARY_KINK(name, kink) UNARY_BRANCHES(name, piece)
#define STEPPED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high)              \
  UNARY_FORWARD(name, value) UNARY_BACKWARD(name, value, slope) UNARY_BRANCHES(name, y)
#define LINEAR UNARY
#define STOPPED UNARY
#include "ops/unary.def"
#undef UNARY
#undef VECTOR
#undef EDGED
#undef KINKED
#undef STEPPED
#undef LINEAR
#undef STOPPED

/* ---- two inputs -------------------------------------------------------------------------- */

#define BINARY_KINKS(name, kink_a, kink_b)                                                         \
  static void name##_kinks(const struct call *call, struct kinks *kinks) {                         \
    struct sweep s;                                                                                \
    for (START_PAIR(s, call); sweep_more(&s); sweep_next(&s))                                      \
      for (size_t i = 0; i < s.n; i++) {                                                           \
        const double a = call->x[0].at[s.at[1] + (ptrdiff_t)i * s.step[1]];                        \
        const double b = call->x[1].at[s.at[2] + (ptrdiff_t)i * s.step[2]];                        \
        const double y = call->y.at[s.at[0] + (ptrdiff_t)i];                                       \
        (void)a, (void)b, (void)y;                                                                 \
        if (call->x[0].bar && (kink_a)) kinks->add(kinks, 0, (size_t)s.at[0] + i);                 \
        if (call->x[1].bar && (kink_b)) kinks->add(kinks, 1, (size_t)s.at[0] + i);                 \
      }                                                                                            \
  }

#define BINARY_BRANCHES(name, piece)                                                               \
  static uint64_t name##_branches(const struct call *call) {                                       \
    uint64_t branches = 0;                                                                         \
    struct sweep s;                                                                                \
    for (START_PAIR(s, call); sweep_more(&s); sweep_next(&s)) {                                    \
      const double *pa = call->x[0].at + s.at[1], *pb = call->x[1].at + s.at[2];                   \
      const double *py = call->y.at + s.at[0];                                                     \
      EACH_PAIR(s.n, pa, s.step[1], pb, s.step[2], const double y = py[i]; (void)y;                \
                branches = join_piece(branches, piece))                                            \
    }                                                                                              \
    return branches;                                                                               \
  }

#define BINARY(name, symbol, meaning, formula, value, numpy, slope_a, slope_b, rule_a, rule_b,     \
               kink_a, kink_b, convention, low_a, high_a, low_b, high_b, ...)                      \
  PAIR_FORWARD(name, value)                                                                        \
  PAIR_BACKWARD(name##_backward, 0, g *(slope_a))                                                  \
  PAIR_BACKWARD(name##_backward, 1, g *(slope_b))                                                  \
  static void name##_backward(const struct call *call) {                                           \
    if (call->x[0].bar) name##_backward_0(call);                                                   \
    if (call->x[1].bar) name##_backward_1(call);                                                   \
  }                                                                                                \
  BINARY_KINKS(name, kink_a, kink_b)                                                               \
  static double name##_scalar(double a, double b, double partial[2]) {                             \
    const double y = (value);                                                                      \
    partial[0] = (slope_a);                                                                        \
    partial[1] = (slope_b);                                                                        \
    return y;                                                                                      \
  }
#define COMPARE(name, symbol, meaning, formula, value, numpy)                                      \
  PAIR_FORWARD(name, value)                                                                        \
  BINARY_BRANCHES(name, y)                                                                         \
  static double name##_scalar(double a, double b, double partial[2]) {                             \
    partial[0] = partial[1] = 0;                                                                   \
    return (value);                                                                                \
  }
#include "ops/binary.def"
#undef BINARY
#undef COMPARE

/* Below the negative half of b's axis the angle jumps by 2 pi. */
BINARY_BRANCHES(atan2, b < 0 && a < 0)
BINARY_BRANCHES(mod, floor(a / b))

/* ---- the rows ---------------------------------------------------------------------------- */

#define UNARY_ROW(id, sign, what, text, rule, least_x, most_x, ...)                                \
  {.name = #id,                                                                                    \
   .symbol = sign,                                                                                 \
   .family = "elementwise",                                                                        \
   .meaning = what,                                                                                \
   .formula = text,                                                                                \
   .inputs = {"x"},                                                                                \
   .least = 1,                                                                                     \
   .most = 1,                                                                                      \
   .infer = infer_same,                                                                            \
   .forward = id##_forward,                                                                        \
   .backward = id##_backward,                                                                      \
   .scalar = id##_scalar,                                                                          \
   .apart = apart_entries,                                                                         \
   .rules = {rule},                                                                                \
   .parts = &entry_parts,                                                                          \
   .samples = unary_samples,                                                                       \
   .domain = {{least_x, most_x}},                                                                  \
   __VA_ARGS__},
#define UNARY(name, symbol, meaning, formula, value, numpy, slope, rule, low, high)                \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .convention = NULL)
#define VECTOR(name, symbol, meaning, formula, value, numpy, slope, rule, low, high, many)         \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .convention = NULL)
#define EDGED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high, kink,          \
              convention_)                                                                         \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .kinks = name##_kinks,                     \
            .convention = convention_, .undefined = {#kink})
#define KINKED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high, kink,         \
               convention_, piece)                                                                 \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .kinks = name##_kinks,                     \
            .convention = convention_, .undefined = {#kink}, .branches = name##_branches)
#define STEPPED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high)              \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .branches = name##_branches)
#define LINEAR(name, symbol, meaning, formula, value, numpy, slope, rule, low, high)               \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .linear = {1})
#define STOPPED(name, symbol, meaning, formula, value, numpy, slope, rule, low, high)              \
  UNARY_ROW(name, symbol, meaning, formula, rule, low, high,                                       \
            .code = {.entry = #value, .python = numpy}, .linear = {1}, .stops = true)

const struct op unary_ops[] = {
#include "ops/unary.def"
    {.name = NULL}};
#undef UNARY
#undef VECTOR
#undef EDGED
#undef KINKED
#undef STEPPED
#undef LINEAR
#undef STOPPED

#define BINARY_ROW(id, sign, what, text, ...)                                                      \
  {.name = #id,                                                                                    \
   .symbol = sign,                                                                                 \
   .family = "elementwise, broadcasting",                                                          \
   .meaning = what,                                                                                \
   .formula = text,                                                                                \
   .inputs = {"a", "b"},                                                                           \
   .least = 2,                                                                                     \
   .most = 2,                                                                                      \
   .infer = infer_broadcast,                                                                       \
   .forward = id##_forward,                                                                        \
   .scalar = id##_scalar,                                                                          \
   .apart = apart_entries,                                                                         \
   .parts = &entry_parts,                                                                          \
   .samples = binary_samples,                                                                      \
   __VA_ARGS__},
#define BINARY(name, symbol, meaning, formula, value, numpy, slope_a, slope_b, rule_a, rule_b,     \
               kink_a, kink_b, convention_, low_a, high_a, low_b, high_b, ...)                     \
  BINARY_ROW(name, symbol, meaning, formula, .code = {.entry = #value, .python = numpy},           \
             .backward = name##_backward, .rules = {rule_a, rule_b}, .kinks = name##_kinks,        \
             .convention = convention_, .undefined = {#kink_a, #kink_b},                           \
             .domain = {{low_a, high_a}, {low_b, high_b}}, __VA_ARGS__)
#define COMPARE(name, symbol, meaning, formula, value, numpy)                                      \
  BINARY_ROW(name, symbol, meaning, formula,                                                       \
             .code = {.entry = #value " ? 1.0 : 0.0", .python = numpy}, .rules = {NULL},           \
             .branches = name##_branches)

const struct op binary_ops[] = {
#include "ops/binary.def"
    {.name = NULL}};
