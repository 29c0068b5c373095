/* The codes of messages and the ids of diagnoses, at length. */
#ifndef BPGRAPH_EXPORT_EXPLAIN_H
#define BPGRAPH_EXPORT_EXPLAIN_H

#include <stdbool.h>

#include "base/text.h"

/* Whether a code ("BP203", "bp203", "203") or the id of a diagnosis ("transpose") is known. */
bool explain_knows(const char *code);

/* Writes what there is to say of a code that is known. */
void explain_code(const char *code, struct text *out);

/* A line for each code. */
void list_codes(struct text *out);

#endif
