/* Elementwise ops of two or more inputs, and of three. */
#include <math.h>
#include <string.h>

#include "ops/pairs.h"
#include "ops/rows.h"

/* Walks y together with input k. */
#define EACH_WITH(s, call, k)                                                                      \
  for (sweep_start(&s, (call)->y.shape, 1, &(call)->x[k].shape); sweep_more(&s); sweep_next(&s))

/* y = combine(x_0, x_1), then y = combine(y, x_k), entry by entry. */
#define FOLD(name, combine)                                                                        \
  PAIR_FORWARD(name##_two, combine)                                                                \
  static void name##_forward(const struct call *call) {                                            \
    struct sweep s;                                                                                \
    name##_two_forward(call);                                                                      \
    for (unsigned k = 2; k < call->count; k++) EACH_WITH(s, call, k) {                             \
        double *py = call->y.at + s.at[0];                                                         \
        const double *px = call->x[k].at + s.at[1];                                                \
        EACH_PAIR(s.n, py, 1, px, s.step[1], py[i] = (combine))                                    \
      }                                                                                            \
  }

FOLD(add, a + b)
FOLD(mul, a *b)
/* A NaN on either side is the answer, as in NumPy. */
FOLD(maximum, a > b || a != a ? a : b)
FOLD(minimum, a < b || a != a ? a : b)

static void add_backward(const struct call *call) {
  for (unsigned k = 0; k < call->count; k++)
    if (call->x[k].bar) add_reduced(call->x[k].bar, call->x[k].shape, call->y.bar, call->y.shape);
}

static size_t entries_of_y(const struct attr *attr, const struct shape *y, unsigned count,
                           const struct shape *const *x) {
  (void)attr, (void)count, (void)x;
  return y->size;
}

static size_t entries_beyond_two(const struct attr *attr, const struct shape *y, unsigned count,
                                 const struct shape *const *x) {
  return count > 2 ? entries_of_y(attr, y, count, x) : 0;
}

/* The product of the others, never a quotient: right with zeros among the factors. */
static void mul_many_backward(const struct call *call) {
  double *product = call->scratch;
  struct sweep s;
  for (unsigned k = 0; k < call->count; k++) {
    if (!call->x[k].bar) continue;
    memcpy(product, call->y.bar, call->y.shape->size * sizeof *product);
    for (unsigned j = 0; j < call->count; j++) {
      if (j == k) continue;
      EACH_WITH(s, call, j) {
        const double *px = call->x[j].at + s.at[1];
        for (size_t i = 0; i < s.n; i++)
          product[s.at[0] + (ptrdiff_t)i] *= px[(ptrdiff_t)i * s.step[1]];
      }
    }
    add_reduced(call->x[k].bar, call->x[k].shape, product, call->y.shape);
  }
}

/* Two inputs, the most common case, want no scratch. */
PAIR_BACKWARD(mul_two, 0, g *b)
PAIR_BACKWARD(mul_two, 1, g *a)

static void mul_backward(const struct call *call) {
  if (call->count > 2) {
    mul_many_backward(call);
    return;
  }
  if (call->x[0].bar) mul_two_0(call);
  if (call->x[1].bar) mul_two_1(call);
}

/* How many inputs attain y, entry by entry. */
static void count_winners(const struct call *call, double *winners) {
  struct sweep s;
  memset(winners, 0, call->y.shape->size * sizeof *winners);
  for (unsigned k = 0; k < call->count; k++) EACH_WITH(s, call, k) {
      const double *px = call->x[k].at + s.at[1], *py = call->y.at + s.at[0];
      for (size_t i = 0; i < s.n; i++)
        winners[s.at[0] + (ptrdiff_t)i] += px[(ptrdiff_t)i * s.step[1]] == py[i];
    }
}

/* maximum, minimum: the winners share what comes from above. */
static size_t twice_entries_of_y(const struct attr *attr, const struct shape *y, unsigned count,
                                 const struct shape *const *x) {
  return 2 * entries_of_y(attr, y, count, x);
}

static void extreme_many_backward(const struct call *call) {
  double *winners = call->scratch, *share = winners + call->y.shape->size;
  count_winners(call, winners);
  struct sweep s;
  for (unsigned k = 0; k < call->count; k++) {
    if (!call->x[k].bar) continue;
    EACH_WITH(s, call, k) {
      const double *px = call->x[k].at + s.at[1];
      for (size_t i = 0; i < s.n; i++) {
        size_t at = (size_t)s.at[0] + i;
        bool wins = px[(ptrdiff_t)i * s.step[1]] == call->y.at[at];
        share[at] = wins ? call->y.bar[at] / winners[at] : 0;
      }
    }
    add_reduced(call->x[k].bar, call->x[k].shape, share, call->y.shape);
  }
}

PAIR_BACKWARD(extreme_two, 0, a == y ? (b == y ? 0.5 * g : g) : 0)
PAIR_BACKWARD(extreme_two, 1, b == y ? (a == y ? 0.5 * g : g) : 0)

static void extreme_backward(const struct call *call) {
  if (call->count > 2) {
    extreme_many_backward(call);
    return;
  }
  if (call->x[0].bar) extreme_two_0(call);
  if (call->x[1].bar) extreme_two_1(call);
}

static void extreme_kinks(const struct call *call, struct kinks *kinks) {
  double *winners = call->scratch;
  count_winners(call, winners);
  for (size_t at = 0; at < call->y.shape->size; at++)
    if (winners[at] > 1) kinks->add(kinks, 0, at);
}

/* Which input is y, the first of equals, entry by entry. */
static uint64_t extreme_branches(const struct call *call) {
  double *winner = call->scratch;
  uint64_t branches = 0;
  struct sweep s;
  for (unsigned k = call->count; k-- > 0;) EACH_WITH(s, call, k) {
      const double *px = call->x[k].at + s.at[1], *py = call->y.at + s.at[0];
      for (size_t i = 0; i < s.n; i++)
        if (px[(ptrdiff_t)i * s.step[1]] == py[i]) winner[s.at[0] + (ptrdiff_t)i] = k;
    }
  for (size_t i = 0; i < call->y.shape->size; i++) branches = join_piece(branches, winner[i]);
  return branches;
}

static double add_scalar(double a, double b, double partial[2]) {
  partial[0] = partial[1] = 1;
  return a + b;
}

static double mul_scalar(double a, double b, double partial[2]) {
  partial[0] = b, partial[1] = a;
  return a * b;
}

static double share_of(double mine, double other, double y) {
  return mine == y ? (other == y ? 0.5 : 1) : 0;
}

static double maximum_scalar(double a, double b, double partial[2]) {
  double y = a > b || a != a ? a : b;
  partial[0] = share_of(a, b, y), partial[1] = share_of(b, a, y);
  return y;
}

static double minimum_scalar(double a, double b, double partial[2]) {
  double y = a < b || a != a ? a : b;
  partial[0] = share_of(a, b, y), partial[1] = share_of(b, a, y);
  return y;
}

/* ---- where ------------------------------------------------------------------------------- */

static const struct shape *const *shapes_of(const struct call *call, const struct shape **out) {
  for (unsigned k = 0; k < call->count; k++) out[k] = call->x[k].shape;
  return out;
}

static void where_forward(const struct call *call) {
  const struct shape *shapes[3];
  struct sweep s;
  for (sweep_start(&s, call->y.shape, 3, shapes_of(call, shapes)); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      ptrdiff_t at = (ptrdiff_t)i;
      bool yes = call->x[0].at[s.at[1] + at * s.step[1]] != 0;
      call->y.at[s.at[0] + at] =
          yes ? call->x[1].at[s.at[2] + at * s.step[2]] : call->x[2].at[s.at[3] + at * s.step[3]];
    }
}

static uint64_t where_branches(const struct call *call) {
  uint64_t branches = 0;
  struct sweep s;
  EACH_WITH(s, call, 0)
  for (size_t i = 0; i < s.n; i++)
    branches = join_piece(branches, call->x[0].at[s.at[1] + (ptrdiff_t)i * s.step[1]] != 0);
  return branches;
}

static void where_backward(const struct call *call) {
  struct sweep s;
  double *chosen = call->scratch;
  for (unsigned k = 1; k <= 2; k++) {
    if (!call->x[k].bar) continue;
    EACH_WITH(s, call, 0) {
      const double *cond = call->x[0].at + s.at[1], *g = call->y.bar + s.at[0];
      for (size_t i = 0; i < s.n; i++) {
        bool yes = cond[(ptrdiff_t)i * s.step[1]] != 0;
        chosen[s.at[0] + (ptrdiff_t)i] = yes == (k == 1) ? g[i] : 0;
      }
    }
    add_reduced(call->x[k].bar, call->x[k].shape, chosen, call->y.shape);
  }
}

static const struct op_sample where_samples[] = {{";;", ""},        {"3;3;3", ""}, {"2,1;3;", ""},
                                                 {"3;2,3;2,1", ""}, {"0;0;0", ""}, {NULL, NULL}};

static const struct op_sample many_samples[] = {
    {";", ""},          {"3;3", ""},   {"2,3;3", ""},         {"3;2,3", ""},
    {"2,1;1,3", ""},    {";2,3", ""},  {"0,3;3", ""},         {"3;3;3", ""},
    {"2,3;3;;2,1", ""}, {"1;1,1", ""}, {"2,1,3,1;4,1,2", ""}, {NULL, NULL}};

#define MANY(id, sign, what, text, rule, ...)                                                      \
  {                                                                                                \
    .name = #id, .symbol = sign, .family = "elementwise, broadcasting", .meaning = what,           \
    .formula = text, .inputs = {"x"}, .least = 2, .most = OP_ANY, .infer = infer_broadcast,        \
    .forward = id##_forward, .scalar = id##_scalar, .rules = {rule}, .samples = many_samples,      \
    .apart = apart_entries, .parts = &entry_parts, __VA_ARGS__                                     \
  }

const struct op variadic_ops[] = {
    MANY(add, "+", "sum of two or more", "a + b + ...", "sum_to(upstream, shape=x.shape)",
         .backward = add_backward, .linear = {LINEAR_ALL},
         .code = {.entry = "a + b", .python = "a + b"}),
    MANY(mul, "*", "product of two or more, entry by entry", "a b ...",
         "sum_to(mul(upstream, others), shape=x.shape)", .backward = mul_backward,
         .scratch = entries_beyond_two, .linear = {LINEAR_EACH},
         .code = {.entry = "a * b", .python = "a * b"}),
    MANY(maximum, NULL, "the largest of two or more, entry by entry", "max(a, b, ...)",
         "sum_to(upstream * (x == y) / add(each(it == y)), shape=x.shape)",
         .backward = extreme_backward, .scratch = twice_entries_of_y, .kinks = extreme_kinks,
         .branches = extreme_branches, .convention = "shared equally",
         .undefined = {"several inputs are as large as y"},
         .code = {.entry = "maximum(a, b)", .python = "np.maximum(a, b)"}),
    MANY(minimum, NULL, "the smallest of two or more, entry by entry", "min(a, b, ...)",
         "sum_to(upstream * (x == y) / add(each(it == y)), shape=x.shape)",
         .backward = extreme_backward, .scratch = twice_entries_of_y, .kinks = extreme_kinks,
         .branches = extreme_branches, .convention = "shared equally",
         .undefined = {"several inputs are as small as y"},
         .code = {.entry = "minimum(a, b)", .python = "np.minimum(a, b)"}),
    {.name = "where",
     .code = {.entry = "cond != 0 ? a : b", .python = "np.where(cond, a, b)"},
     .family = "elementwise, broadcasting",
     .meaning = "a where cond is not 0, else b",
     .formula = "cond ? a : b",
     .inputs = {"cond", "a", "b"},
     .least = 3,
     .most = 3,
     .infer = infer_broadcast,
     .forward = where_forward,
     .backward = where_backward,
     .algebra = ALGEBRA_CHOICE,
     .scratch = entries_of_y,
     .apart = apart_entries,
     .rules = {NULL, "sum_to(where(cond, upstream, 0), shape=a.shape)",
               "sum_to(where(cond, 0, upstream), shape=b.shape)"},
     .parts = &entry_parts,
     .linear = {0, 6, 6},
     .branches = where_branches,
     .samples = where_samples},
    {.name = NULL}};
