#include "ops/registry.h"

#include <string.h>

#include "base/utf8.h"
#include "ops/rows.h"

static const struct op *const families[] = {
    unary_ops, shaped_ops, binary_ops,  variadic_ops,      reduction_ops,  shape_ops,
    index_ops, linear_ops, network_ops, normalisation_ops, convolution_ops};

enum { FAMILIES = sizeof families / sizeof *families };

const struct op *op_next(const struct op *op) {
  if (!op) return families[0];
  if (op[1].name) return op + 1;
  for (size_t f = 0; f + 1 < FAMILIES; f++) {
    const struct op *end = families[f];
    while (end->name) end++;
    if (op + 1 == end) return families[f + 1];
  }
  return NULL;
}

const struct op *op_at(size_t i) {
  const struct op *op = op_next(NULL);
  while (op && i--) op = op_next(op);
  return op;
}

const struct op *op_find(const char *name, size_t size) {
  for (const struct op *op = op_next(NULL); op; op = op_next(op))
    if (strlen(op->name) == size && !memcmp(op->name, name, size)) return op;
  return NULL;
}

const struct op *op_by_symbol(const char *symbol, unsigned inputs) {
  for (const struct op *op = op_next(NULL); op; op = op_next(op))
    if (op->symbol && !strcmp(op->symbol, symbol) && op->least <= inputs && inputs <= op->most)
      return op;
  return NULL;
}

const char *op_nearest(const char *name, size_t size) {
  const char *nearest = NULL;
  size_t limit = edit_limit(size);
  for (const struct op *op = op_next(NULL); op; op = op_next(op)) {
    const char *other = op->name;
    size_t distance = edit_distance(name, size, other, strlen(other), limit);
    if (distance <= limit) nearest = other, limit = distance - (distance > 0);
    if (distance == 0) break;
  }
  return nearest;
}
