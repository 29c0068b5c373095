/* `expect`: what the author claims, ready to be judged.
 *
 * A block's formulas are lowered into a graph of the block's own.  In it a start node stands for
 * each quantity of the net that a formula names: the value of a node, or grad(u), the true gradient
 * at u.  Whoever judges gives these stand-ins their numbers and runs the graph; so a formula is
 * judged by itself, at any point, and the net knows nothing of it. */
#ifndef BPGRAPH_LOAD_EXPECT_H
#define BPGRAPH_LOAD_EXPECT_H

#include "load/functions.h"

enum claim_kind {
  CLAIM_VALUE,
  CLAIM_GRADIENT,
  CLAIM_CONTRIBUTION, /* "W/r": what reaches W through its user r */
  CLAIM_JACOBIAN,     /* "p/s": dp/ds */
  CLAIM_HESSIAN,      /* "x", "x/b": d2L/dx db */
  CLAIM_KINDS
};

/* A start node of a block's graph, and what it stands for. */
struct stand_in {
  node_id node; /* in the block's graph */
  node_id of;   /* in the net's */
  bool gradient;
};

enum { DECIMALS_NONE = -1, DECIMALS_WRITTEN = -2 };

struct claim {
  enum claim_kind kind;
  node_id of, by;      /* by: NODE_NONE where there is one name */
  const char *subject; /* as written: "W", "p/s" */
  struct mark mark;    /* the subject */
  struct mark text;    /* the formula, or the first of the numbers */
  tree_id value;       /* TREE_NONE: the numbers are not the net file's */
  node_id claimed;     /* in the block's graph: of the subject's shape, or of rank 0 */
  bool formula;        /* it names quantities of the net: judged at random points, too */
  int decimals;        /* the numbers are rounded to so many decimals; or as above */
  bool rough;          /* the numbers came with less than double precision */
};

/* Where formulas are judged beside the file's own point. */
struct points {
  size_t count;
  double spread;
  uint64_t seed;
  VEC(node_id) keep; /* start nodes that do not move */
};

/* A block of claims. */
struct claims {
  const char *title; /* or NULL */
  double rtol, atol; /* NAN: the defaults */
  struct points points;
  struct graph graph;
  VEC(struct stand_in) stand_ins; /* in the order of their nodes */
  VEC(struct claim) at;
  const struct call_site *call; /* of the function whose claims these are; NULL: the net's */
};

/* Reads `expect` of a net into net->claims and checks that each claim can be judged: its names, its
 * formulas and their shapes. */
void read_expect(struct net *net, tree_id expect);

/* The same for the functions' own claims: a block for each call, appended to net->claims. */
void read_function_claims(struct net *net);

/* A block without claims, with the defaults of all that it may say; it is not yet the net's. */
struct claims *new_claims(struct net *net);

/* The nodes that a user in a claim W/user is made of: itself, the parts of its expression and, but for
 * `output` in a function's claims, what is inside its calls.  They stand together. */
struct user {
  node_id first, last;
};
struct user claim_user(const struct graph *graph, const struct call_site *call, node_id user);

/* The shape of what is claimed. */
struct dims claim_dims(const struct graph *graph, enum claim_kind kind, node_id of, node_id by);

/* Hints at the usual reason why a claim has another shape than it should; for the last message. */
void hint_claim_shape(struct report *report, enum claim_kind kind, const struct dims *dims,
                      const struct dims *wanted);

#endif
