/* The table of all ops. */
#ifndef BPGRAPH_OPS_REGISTRY_H
#define BPGRAPH_OPS_REGISTRY_H

#include "graph/op.h"

/* All ops in the order of the table: op_next(NULL) is the first, after the last comes NULL. */
const struct op *op_next(const struct op *op);

/* The i-th op, or NULL after the last. */
const struct op *op_at(size_t i);

/* The op of this name, or NULL; see struct vocabulary (lang/lower.h) where it is asked often. */
const struct op *op_find(const char *name, size_t size);

/* The op that expressions write as `symbol` with so many inputs ("-" is two ops), or NULL. */
const struct op *op_by_symbol(const char *symbol, unsigned inputs);

/* The name nearest to a misspelt one, or NULL where none is near. */
const char *op_nearest(const char *name, size_t size);

#endif
