#include "ops/registry.h"

#include <string.h>

#include "base/utf8.h"
#include "ops/rows.h"

static const struct op *const families[] = {
    unary_ops,  binary_ops,  variadic_ops,      reduction_ops,   shape_ops, index_ops,
    linear_ops, network_ops, normalisation_ops, convolution_ops};

enum { FAMILIES = sizeof families / sizeof *families };

const struct op *op_find(const char *name, size_t size) {
  for (size_t f = 0; f < FAMILIES; f++)
    for (const struct op *op = families[f]; op->name; op++)
      if (op->name[0] == name[0] && strlen(op->name) == size && !memcmp(op->name, name, size))
        return op;
  return NULL;
}

const struct op *op_by_symbol(const char *symbol, unsigned inputs) {
  for (size_t f = 0; f < FAMILIES; f++)
    for (const struct op *op = families[f]; op->name; op++)
      if (op->symbol && !strcmp(op->symbol, symbol) && op->least <= inputs && inputs <= op->most)
        return op;
  return NULL;
}

const struct op *op_at(size_t i) {
  for (size_t f = 0; f < FAMILIES; f++)
    for (const struct op *op = families[f]; op->name; op++)
      if (i-- == 0) return op;
  return NULL;
}

const char *op_nearest(const char *name, size_t size) {
  const char *nearest = NULL;
  size_t limit = size < 3 ? 1 : size < 8 ? 2 : 3;
  for (size_t i = 0; op_at(i); i++) {
    const char *other = op_at(i)->name;
    size_t distance = edit_distance(name, size, other, strlen(other), limit);
    if (distance <= limit) nearest = other, limit = distance - (distance > 0);
    if (distance == 0) break;
  }
  return nearest;
}
