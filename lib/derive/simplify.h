/* Simplification: derivative nodes as a person would write them.
 *
 * Every node has a representative: a node of the same value (to rounding), never a longer way to
 * it.  Zeros, ones and constants are folded, signs and factors meet in front, what undoes one
 * another goes, sums and products with tensors of one number lose these, and equal nodes are one.
 * A named node stands for itself and is never looked into, so that names stay in the result; what
 * an author wrote without a name is not changed either, only what is twice there becomes one. */
#ifndef BPGRAPH_DERIVE_SIMPLIFY_H
#define BPGRAPH_DERIVE_SIMPLIFY_H

#include "lang/lower.h"

struct simplifier {
  struct graph *graph;
  const struct vocabulary *words;
  const struct op *ops[ALGEBRA_COUNT];
  VEC(node_id) same; /* of each node: its representative, or NODE_NONE */
  VEC(bool) atom;    /* of each node: it is not looked into */
  size_t done;       /* nodes that have a representative, or are one */
  struct map known;  /* what a node is made of -> the node */
  struct text key;   /* room to write that down */
  struct mark mark;  /* of the nodes that are being made */
  const bool
      *keeps;      /* of the nodes before `kept_end`: their gradients are kept, as those of named */
  size_t kept_end; /*   ones are; NULL: of no others */
};

void simplifier_init(struct simplifier *s, struct graph *graph, const struct vocabulary *words);

/* The representative of a node; NODE_NONE after a report. */
node_id simplify(struct simplifier *s, node_id id);

/* The sum of two representatives. */
node_id simplify_sum(struct simplifier *s, node_id a, node_id b);

/* From now on this representative is not looked into: it gets a name.  Nothing happens to what is
 * short enough to go without one: numbers, names, their negatives, multiples and transposes. */
void simplify_keep(struct simplifier *s, node_id id);
bool is_short(const struct simplifier *s, node_id id);

/* What a named node is made of, simplified: a node of the same value without that name, or the node
 * itself where there is no other. */
node_id simplify_made_of(struct simplifier *s, node_id id);

/* A node with this representative, which rules do not take for a number to compute with: 1 / 3 is not
 * 0.3333333333333333. */
node_id simplify_hide(struct simplifier *s, node_id id);

/* Whether a representative is zero everywhere. */
bool is_zero(const struct simplifier *s, node_id id);

/* Whether a representative is a number, repeated to its shape. */
bool is_number(const struct simplifier *s, node_id id, double *number);

/* A node of zeros or ones of the shape of `like`. */
node_id make_filled(struct simplifier *s, node_id like, bool ones);

#endif
