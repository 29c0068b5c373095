/* YAML as people write it: scalars in quotes only where they must be, values on one line where they
 * fit.  (libyaml's emitter knows no comments.) */
#ifndef BPGRAPH_EXPORT_YAML_H
#define BPGRAPH_EXPORT_YAML_H

#include "load/tree.h"
#include "tensor/shape.h"

/* Writes a text as a scalar that reads back as this text, also by readers of YAML 1.1, to which
 * `no` is false; `flow`: inside [] or {}. */
void yaml_text(struct text *out, const char *text, size_t size, bool flow);

/* Writes a number. */
void yaml_number(struct text *out, double number);

/* Writes a tensor as nested lists; one without entries as {zeros: [0, 3]}.  `indent` is the column
 * for further lines. */
void yaml_tensor(struct text *out, const struct shape *shape, const double *at, size_t indent);

/* Writes a node of a tree as it was written: aliases expanded, blocks as lists and mappings on one
 * line, or, where these get long, a line for each item. */
void yaml_tree(struct text *out, struct tree *tree, tree_id id, size_t indent);

/* The comment that follows a node on its line, with its '#'; false where there is none. */
bool yaml_comment(const struct tree *tree, tree_id id, const char **at, size_t *size);

#endif
