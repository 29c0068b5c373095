/* Kernels of two inputs that broadcast, made from C expressions over their entries a and b. */
#ifndef BPGRAPH_OPS_PAIRS_H
#define BPGRAPH_OPS_PAIRS_H

#include "ops/kernel.h"

/* One statement for every pair of entries, with the common layouts as loops of their own: these
 * become vector code. */
#define EACH_PAIR(n, pa, step_a, pb, step_b, statement)                                            \
  if ((step_a) == 1 && (step_b) == 1)                                                              \
    for (size_t i = 0; i < (n); i++) {                                                             \
      const double a = (pa)[i], b = (pb)[i];                                                       \
      (void)a, (void)b;                                                                            \
      statement;                                                                                   \
    }                                                                                              \
  else if ((step_a) == 1 && (step_b) == 0)                                                         \
    for (size_t i = 0; i < (n); i++) {                                                             \
      const double a = (pa)[i], b = *(pb);                                                         \
      (void)a, (void)b;                                                                            \
      statement;                                                                                   \
    }                                                                                              \
  else                                                                                             \
    for (size_t i = 0; i < (n); i++) {                                                             \
      const double a = (pa)[(ptrdiff_t)i * (step_a)], b = (pb)[(ptrdiff_t)i * (step_b)];           \
      (void)a, (void)b;                                                                            \
      statement;                                                                                   \
    }

#define START_PAIR(s, call)                                                                        \
  sweep_start(&s, call->y.shape, 2, (const struct shape *[]){call->x[0].shape, call->x[1].shape})

/* y = value */
#define PAIR_FORWARD(name, value)                                                                  \
  static void name##_forward(const struct call *call) {                                            \
    struct sweep s;                                                                                \
    for (START_PAIR(s, call); sweep_more(&s); sweep_next(&s)) {                                    \
      const double *pa = call->x[0].at + s.at[1], *pb = call->x[1].at + s.at[2];                   \
      double *py = call->y.at + s.at[0];                                                           \
      EACH_PAIR(s.n, pa, s.step[1], pb, s.step[2], py[i] = (value))                                \
    }                                                                                              \
  }

enum { PAIR_PIECE = 256 }; /* entries whose contributions are summed before they are added */

/* bar[...] += term[0 .. n), along a step that may be 0. */
static inline void add_piece(double *bar, ptrdiff_t step, const double *term, size_t n) {
  if (step == 0)
    *bar += pairwise_sum(term, n, 1);
  else if (step == 1)
    add_all(bar, term, n);
  else
    for (size_t i = 0; i < n; i++) bar[(ptrdiff_t)i * step] += term[i];
}

/* name_k: what input k gets of the upstream gradient g: an expression over a, b, y and g. */
#define PAIR_BACKWARD(name, k, share)                                                              \
  static void name##_##k(const struct call *call) {                                                \
    struct sweep s;                                                                                \
    for (START_PAIR(s, call); sweep_more(&s); sweep_next(&s)) {                                    \
      for (size_t from = 0; from < s.n; from += PAIR_PIECE) {                                      \
        const size_t n = s.n - from < PAIR_PIECE ? s.n - from : PAIR_PIECE;                        \
        const ptrdiff_t first = (ptrdiff_t)from;                                                   \
        const double *pa = call->x[0].at + s.at[1] + first * s.step[1];                            \
        const double *pb = call->x[1].at + s.at[2] + first * s.step[2];                            \
        const double *py = call->y.at + s.at[0] + first, *pg = call->y.bar + s.at[0] + first;      \
        double term[PAIR_PIECE];                                                                   \
        EACH_PAIR(n, pa, s.step[1], pb, s.step[2], const double y = py[i]; (void)y;                \
                  const double g = pg[i]; term[i] = (share))                                       \
        add_piece(call->x[k].bar + s.at[k + 1] + first * s.step[k + 1], s.step[k + 1], term, n);   \
      }                                                                                            \
    }                                                                                              \
  }

#endif
