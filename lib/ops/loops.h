/* Making struct loops, for ops whose generated C code is plain loops. */
#ifndef BPGRAPH_OPS_LOOPS_H
#define BPGRAPH_OPS_LOOPS_H

#include "ops/kernel.h"

/* Appends an empty nest of loops over products of inputs 0 .. count - 1. */
struct loops *add_nest(struct loop_list *list, unsigned count);

/* Adds an inner loop of n turns; along it, y lies `y` apart, factor k strides[k]. */
void add_loop(struct loops *loops, int64_t n, ptrdiff_t y, const ptrdiff_t *strides);

/* Appends y = x_input (or y += it): loops over a shape, along whose axes both lie as said. */
void add_copy(struct loop_list *list, unsigned input, const struct shape *over, const struct lay *y,
              const struct lay *x);

/* How a whole tensor lies along its own axes. */
struct lay whole_lay(const struct shape *shape);

/* Says that y is 0 before, and added to. */
void sum_up(struct loop_list *list);

#endif
