/* A backward pass from one node to another with something altered in it: an edge left out, a local
 * derivative forgotten or taken at the wrong place.  What comes out is what an author gets who makes
 * that slip.
 *
 * The pass is over one *region* (struct region): the nodes on paths from `target` to `top`, and to
 * the `cuts`, where the way up ends because the gradient there is given.  It reads the values of a
 * result's run at whatever point that is, and writes nothing but its own numbers. */
#ifndef BPGRAPH_CHECK_BACK_H
#define BPGRAPH_CHECK_BACK_H

#include "engine/evaluate.h"

/* A node whose gradient is given. */
struct given {
  node_id node;
  const double *gradient; /* NULL: zeros */
};

/* Which nodes a pass is over. */
struct region {
  node_id target;
  node_id first; /* nodes before this one are left out, but the target: those before a call, say */
  struct given top;
  const struct given *cuts;
  size_t cut_count;
  size_t most; /* nodes; 0: as many as there are */
};

enum alteration {
  ALTER_NOTHING,
  ALTER_DROP,      /* nothing flows along the edge */
  ALTER_PASS,      /* the upstream gradient passes along the edge as it is */
  ALTER_DIAGONAL,  /* of the local Jacobian there is only the diagonal */
  ALTER_AT_OUTPUT, /* the local derivative is taken at y instead of x */
  ALTER_AT_INPUT,  /* the local derivative is taken with x in the place of y */
  ALTER_OPERAND, /* another operand, `other`, is transposed; that after the last is the gradient */
  ALTER_ZERO,    /* at the node: its gradient is 0 */
  ALTER_ONES,    /* at the node: its gradient is left out, as if it were 1 */
  ALTER_SLICE    /* at the node: of its gradient, only index `index` along `axis` is there */
};

struct slip {
  enum alteration kind;
  node_id node;
  unsigned input; /* of an edge */
  unsigned other;
  unsigned axis;
  int64_t index;
};

struct back_step;

struct back {
  const struct result *result;
  struct arena *arena;
  node_id target, top;
  VEC(struct back_step *) steps; /* from the top down */
  double *bar;                   /* the target's */
  double *spare, *unit;          /* each as large as the largest tensor that it has to do with */
  size_t work;                   /* numbers touched by a pass */
};

/* Finds the region's nodes.  False where nothing leads from the target to the top or a cut, or where
 * there are more than `most`. */
bool back_make(struct back *back, struct arena *arena, const struct result *result,
               const struct region *region);

/* To be called when the values of the run have changed. */
void back_refresh(struct back *back);

/* Runs the pass and returns the gradient at the target, which the next pass overwrites.  NULL where
 * the slip makes no sense: the shapes do not allow it, say. */
const double *back_run(struct back *back, const struct slip *slip);

/* The nodes of the region but the target, from the top down: the i-th, or NODE_NONE. */
node_id back_node(const struct back *back, size_t i);
/* Whether the i-th node's gradient was given. */
bool back_is_given(const struct back *back, size_t i);
/* What flowed down to the i-th node in the last pass. */
const double *back_bar(const struct back *back, size_t i);
/* Whether a gradient flows from the i-th node to its input k, within the region. */
bool back_flows(const struct back *back, size_t i, unsigned k);

#endif
