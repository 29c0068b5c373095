/* Walking several operands in step, each with its own stride along each axis: what broadcasting,
 * reducing, transposing and slicing have in common.
 *
 *   struct sweep s;
 *   for (sweep_start(&s, y, 2, (const struct shape *[]){a, b}); sweep_more(&s); sweep_next(&s))
 *     for (size_t i = 0; i < s.n; i++)
 *       ... y[s.at[0] + i * s.step[0]], a[s.at[1] + i * s.step[1]], b[s.at[2] + i * s.step[2]]
 *
 * Axes along which all operands lie contiguously (or are all repeated) are joined, so that the
 * inner loop is as long as can be. */
#ifndef BPGRAPH_TENSOR_SWEEP_H
#define BPGRAPH_TENSOR_SWEEP_H

#include "tensor/shape.h"

enum { SWEEP_MOST = 4 }; /* operands, the leading shape included */

struct sweep {
  size_t n;                   /* length of the inner loop */
  ptrdiff_t step[SWEEP_MOST]; /* each operand's stride in it; 0 where it is repeated */
  ptrdiff_t at[SWEEP_MOST];   /* where each operand's inner loop starts */
  bool done;
  unsigned operands, loops; /* outer loops, outermost first */
  size_t count[RANK_MOST], index[RANK_MOST];
  ptrdiff_t stride[SWEEP_MOST][RANK_MOST];
};

/* Starts at the first entry of `shape`, which is operand 0; the `n` further operands are shapes
 * that broadcast to it. */
void sweep_start(struct sweep *sweep, const struct shape *shape, unsigned n,
                 const struct shape *const *others);

/* The same with strides given: operand k has strides[k][axis] and starts at offset[k] (NULL: 0).
 * All operands are given, the first included. */
void sweep_strided(struct sweep *sweep, const struct shape *shape, unsigned operands,
                   const ptrdiff_t strides[][RANK_MOST], const ptrdiff_t *offset);

static inline bool sweep_more(const struct sweep *sweep) { return !sweep->done; }
void sweep_next(struct sweep *sweep);

/* The row-major strides of a shape. */
void shape_strides(const struct shape *shape, ptrdiff_t *strides);

/* The strides with which `from` is walked when it is broadcast to `to`: 0 along repeated axes. */
void broadcast_strides(const struct shape *from, const struct shape *to, ptrdiff_t *strides);

#endif
