/* Between the files that write C. */
#ifndef BPGRAPH_EXPORT_CODE_C_H
#define BPGRAPH_EXPORT_CODE_C_H

#include "export/code.h"

enum { C_INDENT = 2, C_WIDTH = 100 };

/* What is being written. */
struct writer {
  struct code *code;
  struct text *out;
  int depth;                      /* of indentation */
  bool is_static;                 /* the arrays are */
  const char *index[LOOPS_MOST];  /* names of loop variables; NULL: not yet */
  const char *gradients, *result; /* names of parameters */
  const char *type;               /* of the struct of gradients */
};

/* A tensor that is used in nested loops. */
struct leaf {
  node_id id;
  const char *name; /* of an array that stands for it; NULL: its own */
  struct lay lay;
};

struct nest {
  struct writer *w;
  node_id owner; /* whose gradient the assignment is part of */
  unsigned rank;
  int64_t n[LOOPS_MOST];
  VEC(struct leaf) leaves;
};

/* ---- code_loops.c ------------------------------------------------------------------------ */

/* Whether a node's value is an array. */
static inline bool is_array(const struct code *code, node_id id) {
  return code_node(code, id)->shape->rank > 0;
}
/* C has no arrays of no entries. */
static inline size_t array_size(const struct shape *shape) { return shape->size ? shape->size : 1; }
/* Whether the array of a gradient is the caller's. */
bool is_returned(const struct code *code, node_id id);

/* A number as a double: 1.0, INFINITY. */
void print_number(double number, struct text *out);
const char *number_text(struct code *code, double number);

void begin_line(const struct writer *w);
/* The name of the i-th loop variable, from the outermost. */
const char *index_name(struct writer *w, unsigned i);

/* Loops for an assignment to a node, still without any axis. */
void start_nest(struct nest *nest, struct writer *w, node_id id);
/* Loops over a shape. */
void set_axes(struct nest *nest, const struct shape *shape);
/* A further tensor, whose strides are still to be set.  A node's last leaf is the one that is found. */
struct leaf *add_leaf(struct nest *nest, node_id id);
const struct leaf *find_leaf(const struct nest *nest, node_id id);
/* The same, once for each node, of one that broadcasts to the shape that the loops go over. */
void add_broadcast(struct nest *nest, node_id id, const struct shape *shape);
/* All tensors that an expression reads. */
void gather_leaves(struct nest *nest, node_id id, const struct shape *shape);
/* Makes the loops as few as can be, after all leaves are there. */
void join_axes(struct nest *nest);
const char *leaf_name(const struct nest *nest, const struct leaf *leaf);
/* "W[3 * i + j]", "s" */
const char *place_text(const struct nest *nest, const struct leaf *leaf);
/* An entry of a node's value, by name or by the expression that it is; the latter. */
const char *entry_text(struct nest *nest, node_id id);
const char *op_entry(struct nest *nest, node_id id);
/* Writes the loops around a statement. */
void write_loops(struct nest *nest, const char *statement);

/* Writes "double name[size];", the same for a node that is no constant, loops that fill an array, and a
 * constant array. */
void declare_array(const struct writer *w, const char *name, size_t size);
void declare_node(const struct writer *w, node_id id);
void fill_array(struct writer *w, const char *name, size_t size, double number);
void write_numbers(struct writer *w, const char *name, size_t size, const double *at);

/* ---- code_tensors.c ---------------------------------------------------------------------- */

/* A node of the kind that the member of struct op_code is for. */
void write_entries(struct writer *w, node_id id);
void write_same(struct writer *w, node_id id);
void write_op_loops(struct writer *w, node_id id);
void write_rows(struct writer *w, node_id id);
void write_whole(struct writer *w, node_id id);

#endif
