/* Shapes: how many entries a tensor has along each of its axes.
 *
 * Tensors are dense and row-major: the last axis varies fastest.  A shape is kept once in a table
 * (`shapes`), so that nodes point to it and equal shapes are the same pointer. */
#ifndef BPGRAPH_TENSOR_SHAPE_H
#define BPGRAPH_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum { RANK_MOST = 32 };

/* A shape under construction. */
struct dims {
  unsigned rank;
  int64_t at[RANK_MOST];
};

/* A shape in a table; `size` is the product of its dims, 1 for a scalar. */
struct shape {
  size_t size;
  unsigned rank;
  int64_t dim[];
};

struct shapes {
  struct arena *arena;
  const struct shape **slots; /* open addressing */
  size_t count, capacity;
  const struct shape *scalar;
};

void shapes_init(struct shapes *shapes, struct arena *arena);
/* A table with the same shapes, which stay where they are, that grows in an arena of its own. */
void shapes_copy(struct shapes *copy, struct arena *arena, const struct shapes *shapes);

/* The one shape with these dims; NULL when its size does not fit a size_t of doubles. */
const struct shape *shapes_add(struct shapes *shapes, const struct dims *dims);

struct dims shape_dims(const struct shape *shape);
struct dims make_dims(unsigned rank, const int64_t *at);

/* The shape that NumPy's broadcasting gives two operands; false where they do not fit. */
bool broadcast_dims(const struct dims *a, const struct dims *b, struct dims *out);

/* Whether an operand of shape `from` can be broadcast to `to`. */
bool broadcasts_to(const struct dims *from, const struct dims *to);

bool same_dims(const struct dims *a, const struct dims *b);

/* Makes a possibly negative axis one of 0 .. rank - 1; false where there is no such axis. */
bool normalise_axis(int64_t *axis, unsigned rank);

/* Writes "[3, 4]". */
void dims_print(const struct dims *dims, struct text *out);

/* Turns a flat index into one index an axis. */
void unravel(const struct shape *shape, size_t flat, int64_t *index);

#endif
