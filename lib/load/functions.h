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

/* What a function is called, where its own claims stand (TREE_NONE: it has none), and how many
 * inputs it has, which are the first of its locals, and locals in all. */
const char *function_name(const struct function *function);
tree_id function_expect(const struct function *function);
unsigned function_inputs(const struct function *function);
unsigned function_locals(const struct function *function);

/* The index of an input or inner node among a call's locals, or MAP_NONE. */
int64_t function_local(const struct function *function, const char *name, size_t size);

/* The name of the i-th local. */
const char *function_local_name(const struct function *function, unsigned local);

/* The input of the i-th of the author's own rules, and where it stands; false after the last. */
bool function_rule(const struct net *net, const struct function *function, size_t i,
                   unsigned *input, struct mark *mark);

/* Resolves a name that is none of a function's own: pi, inf, a word of an op; reports others. */
bool resolve_in_function(struct net *net, struct expr_item *item, const struct expr_item *next);

/* A `call` hook of struct scope: functions, grad(L, v), and what call_source knows. */
enum outcome call_in_nodes(struct scope *scope, const struct expr_item *name,
                           struct value *arguments, size_t count, struct value *out);

/* A `member` hook of struct scope: h.s. */
bool find_member(struct scope *scope, const struct value *operand, const struct expr_item *name,
                 struct value *out);

#endif
