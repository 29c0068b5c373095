/* The computation graph: an append-only list of nodes in topological order.
 *
 * Loader and derivative rules build it with the same calls; each call knows its inputs, infers the
 * shape at once and reports what does not fit.  A node is its index. */
#ifndef BPGRAPH_GRAPH_GRAPH_H
#define BPGRAPH_GRAPH_GRAPH_H

#include "base/report.h"
#include "graph/op.h"
#include "tensor/shape.h"

typedef uint32_t node_id;
#define NODE_NONE UINT32_MAX /* also: what could not be built, and was reported */

enum role { ROLE_INPUT, ROLE_PARAMETER, ROLE_CONSTANT, ROLE_LITERAL, ROLE_NODE };

struct node {
  const struct op *op;     /* NULL: a start node */
  const struct attr *attr; /* in the order of op->attrs; NULL without attributes */
  const struct shape *shape;
  double *value;    /* a start node's numbers */
  const char *name; /* NULL: a part of `owner`'s expression */
  uint32_t name_size;
  uint32_t first; /* its inputs are graph->arcs.at[first .. first + count) */
  uint32_t count;
  uint8_t role;     /* enum role */
  uint8_t domain;   /* of a start node: enum domain */
  bool backward;    /* part of what another node does on the way back; see struct derivative */
  node_id owner;    /* the named node that it is a part of; itself when named */
  uint32_t part;    /* the how-manieth part, from 1; 0 when named */
  struct mark mark; /* the very symbol: an operator, an op's name */
  struct mark text; /* the whole (sub)expression as written */
};

/* What a start node's values are known to satisfy; kept by random points. */
enum domain {
  DOMAIN_ANY,
  DOMAIN_POSITIVE,
  DOMAIN_UNIT,
  DOMAIN_SIMPLEX,
  DOMAIN_SYMMETRIC,
  DOMAIN_SPD,
  DOMAIN_LOWER
};

/* What flows from a node to one of its inputs, as nodes: of a function with its author's own rule,
 * and of an op without a backward kernel.  The nodes [first, end) are computed on the way back,
 * when the gradient of `node` is complete; among them `upstream` stands for that gradient. */
struct derivative {
  node_id node;
  unsigned input;
  node_id upstream, first, end;
  node_id gradient; /* what is added to the input's adjoint; of the input's shape */
};

/* Where the arguments of the call that is being built stand, for messages about one of them. */
struct places {
  /* The place of an input (or -1) or of an attribute (or NULL). */
  struct mark (*find)(const struct places *places, int input, const char *attr);
};

struct graph {
  struct arena *arena;
  struct report *report;
  struct shapes shapes;
  VEC(struct node) nodes;
  VEC(node_id) arcs;
  VEC(struct derivative) derivatives; /* in the order of their nodes */
  bool building_backward;             /* what is appended now is `backward` */
  bool lacks_backward;                /* some op has a rule, but no backward kernel */
  const struct places *places;        /* set around graph_add; NULL: messages point at the op */
  bool has_indices;                   /* some op takes an input as integers */
  bool has_kinks;                     /* some op has places without a derivative */
};

void graph_init(struct graph *graph, struct arena *arena, struct report *report);

/* A copy in an arena of its own, to which nodes can be appended; what nodes point to (shapes, values,
 * names) stays where it is, and must live as long. */
void graph_copy(struct graph *copy, struct arena *arena, struct report *report,
                const struct graph *graph);

/* Appends a start node.  `value` (shape->size doubles) is kept, not copied. */
node_id graph_start(struct graph *graph, enum role role, const struct shape *shape, double *value,
                    struct mark mark);

/* Appends a number written in an expression. */
node_id graph_literal(struct graph *graph, double value, struct mark mark);

/* Appends a use of an op.  `attr` is in the order of op->attrs and lives in the graph's arena.
 * Reports and returns NODE_NONE when the number or shapes of the inputs do not fit. */
node_id graph_add(struct graph *graph, const struct op *op, const struct attr *attr, unsigned count,
                  const node_id *inputs, struct mark mark, struct mark text);

/* Names a node, which becomes its own owner. */
void graph_name(struct graph *graph, node_id id, const char *name, size_t size);

static inline const struct node *graph_node(const struct graph *graph, node_id id) {
  return &graph->nodes.at[id];
}
static inline const node_id *graph_inputs(const struct graph *graph, const struct node *node) {
  return node->count ? graph->arcs.at + node->first : NULL;
}

/* Whether input k of a node is taken as integers, through which no gradient flows. */
bool graph_takes_index(const struct graph *graph, const struct node *node, unsigned k);

/* Whether a gradient flows from a node to its input k at all. */
bool graph_flows(const struct graph *graph, const struct node *node, unsigned k);

/* Adds a derivative, in its place. */
void graph_add_derivative(struct graph *graph, const struct derivative *derivative);

/* Puts the derivatives in the order of their nodes, after some were appended. */
void graph_sort_derivatives(struct graph *graph);

/* The derivatives of a node that are given as nodes: the first of `*count`; NULL where there is
 * none. */
const struct derivative *graph_derivatives(const struct graph *graph, node_id id, size_t *count);

/* Writes a node's name: "s", "s.1" for a part, a literal's number. */
void graph_print_name(const struct graph *graph, node_id id, struct text *out);

/* Writes the (sub)expression that made a node, as the author wrote it, on one line. */
void graph_print_text(const struct graph *graph, node_id id, struct text *out);

#endif
