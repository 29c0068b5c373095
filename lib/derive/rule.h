/* Derivative rules: the text in an op's row becomes nodes.
 *
 * The rule for an input is an expression of the net language whose value is the gradient for that
 * input, in exactly its shape.  In it are known
 *   - the op's inputs by their names, `y` (the node itself), `upstream` (dL/dy, of y's shape), the
 *     attributes (constants; an input or attribute that was not given is passed on as not given),
 *     `pi` and `inf`; any other bare name is a word: `reduction == mean`;
 *   - `and`, `or`, `not`, `//`, `%` and all arithmetic on constants, lists included: [1] * 3 + [2];
 *   - shape(x), rank(x), size(x): the number of entries; given(name): whether an input or
 *     attribute was given; kept(x, axis): the shape of x with 1 in the place of the reduced axes;
 *     count(x, axis): how many entries become one; above(x, axis), below(x, axis): how many entries
 *     the axes before the first of them, behind the last of them have;
 *     pair(number or list): a list of two, for attributes that take one number for both; inverse(axes, x): the permutation that undoes
 *     a transpose.  An axis that was not given stands for all axes.
 * A rule may be several, tried in order, all but the last with a guard that is a constant:
 * "rank(a) == 1: ...; ...".
 *
 * A variadic op has one rule, for any of its inputs, which is called as its row calls them.  Then
 * `others` are all the others (in a call, an argument each), `position` says which input it is,
 * from 0, `inputs` how many there are, before(axis) adds up the sizes of the inputs before it, each(EXPR) is EXPR once for every
 * input, which is called `it` (EXPR has operators only, no calls), and adjoint(spec, position) is
 * the specification with which einsum computes its own derivative; plain(spec) says whether each
 * letter of its result comes from an input, and is there once. */
#ifndef BPGRAPH_DERIVE_RULE_H
#define BPGRAPH_DERIVE_RULE_H

#include "lang/lower.h"

struct rule;

/* The end of a piece of a rule's text: the first ':' (after a guard) or ';' (after a gradient)
 * outside of brackets and quotes, or the end. */
const char *rule_end(const char *at);

/* The rules of a graph's ops; each is parsed when it is first used. */
struct rules {
  struct scope scope;
  struct map known; /* where in `parsed` a rule is */
  VEC(struct rule *) parsed;
  node_id node, upstream; /* what the rule that is being lowered is about */
  unsigned input;
};

/* Prepares the derivation of nodes in `graph`.  Everything is kept in the graph's arena; `words`
 * must live as long. */
void rules_init(struct rules *rules, struct graph *graph, const struct vocabulary *words);

enum derived {
  DERIVED_NOTHING, /* no gradient flows to this input; nothing was reported */
  DERIVED_NODE,
  DERIVED_FAILED /* the gradient could not be built, and that was reported */
};

/* Appends to the graph the nodes that compute the gradient for an input of `node`, when `upstream`
 * is the node that holds the gradient of `node`, and says which node it is.  That may be an old
 * one: the upstream gradient itself, say.  The new ones have the mark of `node`. */
enum derived derive_input(struct rules *rules, node_id node, unsigned input, node_id upstream,
                          node_id *gradient);

/* What an expression is, in which the names are known that a rule about `node` knows, and which is a
 * constant: "shape(x)[-1]".  False after a report. */
bool rule_constant(struct rules *rules, node_id node, const char *text, size_t size,
                   struct value *out);

/* Appends the nodes of an expression in which a rule's names are known, and returns the last;
 * NODE_NONE after a report.  The new ones have the mark of `node`. */
node_id rule_nodes(struct rules *rules, node_id node, const char *text, size_t size);

#endif
