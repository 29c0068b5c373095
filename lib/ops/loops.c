#include "ops/loops.h"

#include <string.h>

struct loops *add_nest(struct loop_list *list, unsigned count) {
  struct loops *loops = vec_push(list->arena, &list->nests);
  *loops = (struct loops){.count = count};
  loops->factors = ARENA_ARRAY(list->arena, struct factor, count + 1);
  for (unsigned k = 0; k < count; k++) loops->factors[k].input = k;
  return loops;
}

void add_loop(struct loops *loops, int64_t n, ptrdiff_t y, const ptrdiff_t *strides) {
  loops->n[loops->rank] = n;
  loops->y.stride[loops->rank] = y;
  for (unsigned k = 0; k < loops->count; k++)
    loops->factors[k].lay.stride[loops->rank] = strides[k];
  loops->rank++;
}

void add_copy(struct loop_list *list, unsigned input, const struct shape *over, const struct lay *y,
              const struct lay *x) {
  struct loops *loops = add_nest(list, 1);
  loops->rank = over->rank;
  for (unsigned i = 0; i < over->rank; i++) loops->n[i] = over->dim[i];
  loops->y = *y;
  loops->factors[0] = (struct factor){input, *x};
}

struct lay whole_lay(const struct shape *shape) {
  struct lay lay = {.at = 0};
  shape_strides(shape, lay.stride);
  return lay;
}

void sum_up(struct loop_list *list) { list->filled = list->adds = true; }
