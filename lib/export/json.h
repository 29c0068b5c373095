/* Pieces of JSON that several exporters write. */
#ifndef BPGRAPH_EXPORT_JSON_H
#define BPGRAPH_EXPORT_JSON_H

#include "base/report.h"
#include "tensor/shape.h"

/* "..." with everything escaped that must be. */
void json_text(struct text *out, const char *bytes, size_t size);
void json_string(struct text *out, const char *string);
/* A number, or "NaN", "Infinity", "-Infinity". */
void json_number(struct text *out, double value);
/* A string, or null. */
void json_optional(struct text *out, const char *string);
/* A message, as the schemas of results and checks describe it. */
struct json_message {
  unsigned number;
  enum severity severity;
  const char *file;    /* NULL: it has no place */
  size_t line, column; /* 0: it is about the file as a whole */
  const char *text, *hint;
};
void json_message(struct text *out, const struct json_message *message);
/* Nested lists; `at` NULL: zeros. */
void json_tensor(struct text *out, const struct shape *shape, const double *at);

#endif
