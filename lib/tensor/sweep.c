#include "tensor/sweep.h"

#include <string.h>

void shape_strides(const struct shape *shape, ptrdiff_t *strides) {
  ptrdiff_t stride = 1;
  for (unsigned i = shape->rank; i-- > 0;) {
    strides[i] = stride;
    stride = (ptrdiff_t)((size_t)stride * (size_t)shape->dim[i]); /* may wrap where a size is 0 */
  }
}

void broadcast_strides(const struct shape *from, const struct shape *to, ptrdiff_t *strides) {
  ptrdiff_t own[RANK_MOST];
  shape_strides(from, own);
  unsigned lead = to->rank - from->rank;
  for (unsigned i = 0; i < to->rank; i++)
    strides[i] = i < lead || from->dim[i - lead] == 1 ? 0 : own[i - lead];
}

/* Whether axis `inner` simply continues axis `outer` for every operand. */
static bool continues(const struct sweep *sweep, unsigned outer, const ptrdiff_t *inner_stride,
                      size_t inner_count) {
  for (unsigned k = 0; k < sweep->operands; k++)
    if (sweep->stride[k][outer] != inner_stride[k] * (ptrdiff_t)inner_count) return false;
  return true;
}

void sweep_strided(struct sweep *sweep, const struct shape *shape, unsigned operands,
                   const ptrdiff_t strides[][RANK_MOST], const ptrdiff_t *offset) {
  sweep->operands = operands;
  sweep->loops = 0;
  sweep->done = shape->size == 0;
  for (unsigned k = 0; k < operands; k++) sweep->at[k] = offset ? offset[k] : 0;
  for (unsigned i = 0; i < shape->rank; i++) {
    if (shape->dim[i] == 1) continue;
    ptrdiff_t stride[SWEEP_MOST];
    for (unsigned k = 0; k < operands; k++) stride[k] = strides[k][i];
    bool join = sweep->loops && continues(sweep, sweep->loops - 1, stride, (size_t)shape->dim[i]);
    unsigned loop = join ? sweep->loops - 1 : sweep->loops++;
    sweep->count[loop] = (join ? sweep->count[loop] : 1) * (size_t)shape->dim[i];
    sweep->index[loop] = 0;
    for (unsigned k = 0; k < operands; k++) sweep->stride[k][loop] = stride[k];
  }
  /* The last loop is the inner one. */
  sweep->n = 1;
  for (unsigned k = 0; k < operands; k++) sweep->step[k] = 1;
  if (!sweep->loops) return;
  sweep->loops--;
  sweep->n = sweep->count[sweep->loops];
  for (unsigned k = 0; k < operands; k++) sweep->step[k] = sweep->stride[k][sweep->loops];
}

void sweep_start(struct sweep *sweep, const struct shape *shape, unsigned n,
                 const struct shape *const *others) {
  ptrdiff_t strides[SWEEP_MOST][RANK_MOST];
  shape_strides(shape, strides[0]);
  for (unsigned k = 0; k < n; k++) broadcast_strides(others[k], shape, strides[k + 1]);
  sweep_strided(sweep, shape, n + 1, (const ptrdiff_t(*)[RANK_MOST])strides, NULL);
}

void sweep_next(struct sweep *sweep) {
  for (unsigned loop = sweep->loops; loop-- > 0;) {
    for (unsigned k = 0; k < sweep->operands; k++) sweep->at[k] += sweep->stride[k][loop];
    if (++sweep->index[loop] < sweep->count[loop]) return;
    for (unsigned k = 0; k < sweep->operands; k++)
      sweep->at[k] -= sweep->stride[k][loop] * (ptrdiff_t)sweep->count[loop];
    sweep->index[loop] = 0;
  }
  sweep->done = true;
}
