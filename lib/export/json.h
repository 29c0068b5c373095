/* Pieces of JSON that several exporters write. */
#ifndef BPGRAPH_EXPORT_JSON_H
#define BPGRAPH_EXPORT_JSON_H

#include "base/text.h"
#include "tensor/shape.h"

/* "..." with everything escaped that must be. */
void json_text(struct text *out, const char *bytes, size_t size);
void json_string(struct text *out, const char *string);
/* A number, or "NaN", "Infinity", "-Infinity". */
void json_number(struct text *out, double value);
/* Nested lists; `at` NULL: zeros. */
void json_tensor(struct text *out, const struct shape *shape, const double *at);

#endif
