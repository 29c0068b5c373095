/* Arithmetic on constants: numbers, lists and words. */
#ifndef BPGRAPH_LANG_FOLD_H
#define BPGRAPH_LANG_FOLD_H

#include "lang/lower.h"

/* Computes an operator on one or two constants.  OUTCOME_UNKNOWN where the operands are no
 * constants, or the operator means nothing on them. */
enum outcome fold_symbol(struct scope *scope, const struct expr_item *item,
                         const struct value *operands, struct value *out);

/* list[i] and list[start:stop:step]. */
enum outcome fold_index(struct scope *scope, const struct value *list, const struct value *index,
                        struct value *out);

/* A list of integers. */
struct value make_list(struct arena *arena, size_t count, const int64_t *at, struct mark mark);

/* The bounds of a slice over an axis of n entries, as Python has them; false after a report. */
struct bounds {
  int64_t start, stop, step;
  size_t count;
};
bool slice_bounds(struct scope *scope, const struct value *slice, int64_t n, struct bounds *out);

#endif
