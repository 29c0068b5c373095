/* NumPy's .npz, written from front to end. */
#ifndef BPGRAPH_EXPORT_ARCHIVE_H
#define BPGRAPH_EXPORT_ARCHIVE_H

#include "base/text.h"
#include "tensor/shape.h"

struct member {
  const char *name;
  size_t name_size;
  uint64_t size, offset; /* of its bytes; of its header in the archive */
  uint32_t checksum;
};

/* Starts as {.out = out}. */
struct archive {
  struct text *out;
  uint64_t written;
  VEC(struct member) members;
};

/* An array of shape outer + inner.  Without `inner` its numbers lie at `at` (NULL: zeros); else they
 * are made row by row, twice: first for the checksum. */
struct array {
  const struct shape *outer, *inner;
  const double *at;
  void (*row)(const void *context, size_t i, double *row);
  const void *context;
};

void archive_add(struct archive *zip, const char *name, const struct array *array);

/* The directory, after the last array. */
void archive_end(struct archive *zip);

#endif
