/* The author's own functions, and grad(L, v), inside a net.
 *
 * A function is read once: its names, its syntax, their order.  Each call lowers the body into
 * nodes of the graph, named after the call: node `s` of the call `h` is `h.s`.  A function with
 * rules of its own in `backward` ends in a node of its own op, whose derivatives are these rules'
 * nodes (struct derivative in graph/graph.h). */
#ifndef BPGRAPH_LOAD_FUNCTIONS_H
#define BPGRAPH_LOAD_FUNCTIONS_H

#include "load/net.h"

/* Reads the mapping `functions`. */
void read_functions(struct net *net, tree_id functions);

/* Gives ops without a backward kernel their derivatives as nodes; when all nodes are built. */
void complete_derivatives(struct net *net);

/* Says in whose expression calls are lowered from now on: the calls' nodes are named after it.
 * `items` is that expression; a call that is all of it gives its own name to the group. */
void enter_expression(struct net *net, const char *name, size_t size, const struct expr_item *items,
                      size_t count);

/* A `call` hook of struct scope: functions, grad(L, v), and what call_source knows. */
enum outcome call_in_nodes(struct scope *scope, const struct expr_item *name,
                           struct value *arguments, size_t count, struct value *out);

/* A `member` hook of struct scope: h.s. */
bool find_member(struct scope *scope, const struct value *operand, const struct expr_item *name,
                 struct value *out);

#endif
