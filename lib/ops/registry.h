/* The table of all ops. */
#ifndef BPGRAPH_OPS_REGISTRY_H
#define BPGRAPH_OPS_REGISTRY_H

#include "graph/op.h"

/* The op of this name, or NULL. */
const struct op *op_find(const char *name, size_t size);

/* The op that expressions write as `symbol` with so many inputs ("-" is two ops), or NULL. */
const struct op *op_by_symbol(const char *symbol, unsigned inputs);

/* All ops in the order of the table, for i = 0, 1, ... until NULL. */
const struct op *op_at(size_t i);

/* The name nearest to a misspelt one, or NULL where none is near. */
const char *op_nearest(const char *name, size_t size);

#endif
