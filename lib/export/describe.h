/* What there is to say of an op: everything that its row holds, and a net that uses it. */
#ifndef BPGRAPH_EXPORT_DESCRIBE_H
#define BPGRAPH_EXPORT_DESCRIBE_H

#include "base/text.h"
#include "graph/op.h"

/* One op at length, for people; all ops by family, a line each. */
void describe_op(const struct op *op, struct text *out);
void list_ops(struct text *out);

/* The JSON of schemas/ops.schema.json: of one op, or of all where `op` is NULL. */
void describe_json(const struct op *op, struct text *out);

/* Writes a net in which an op of the row's own sample is differentiated; it can be evaluated. */
void print_example(const struct op *op, struct text *out);

#endif
