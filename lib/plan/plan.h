/* The plan: what is computed, in which order, and where each number lies.
 *
 * Made once from a graph, never changed, used by any number of runs.  It holds
 *   - which nodes are needed, and which of them have an adjoint: those that lie between `wrt` and
 *     the output (algorithm 5 of Goodfellow, Bengio and Courville, 6.5.6);
 *   - the order, as spans: a span is either one use of a kernel, or a stretch of ops on scalars,
 *     which run as a tape: forward leaves each op's partial derivatives, so that the way back is
 *     two multiplications an op, without a branch;
 *   - offsets into a run's buffers. */
#ifndef BPGRAPH_PLAN_PLAN_H
#define BPGRAPH_PLAN_PLAN_H

#include "graph/graph.h"

/* An op on scalars: value[y] = f(value[a], value[b]).  Slot 0 is nobody's. */
struct tape_step {
  scalar_fn *function;
  uint32_t y, a, b;
};

/* The way back: bar[a] += partial[0] * bar[y], bar[b] += partial[1] * bar[y]; an input that wants
 * no adjoint has slot 0. */
struct tape_back {
  uint32_t y, a, b, step;
};

/* A use of a kernel. */
struct plan_call {
  node_id node;
  size_t scratch; /* offset in a run's scratch */
  uint32_t fresh; /* bit k: input k's adjoint is written here first, and the op stores it */
};

/* What a pass does next. */
enum span_kind {
  SPAN_TAPE,    /* items [first, first + count) of the tape, or of its way back */
  SPAN_CALL,    /* calls[first]: its kernel, forward or backward */
  SPAN_COMPUTE, /* on the way back: calls[first], forward; a part of a derivative given as nodes */
  SPAN_ADD      /* on the way back: adds[first] */
};
struct span {
  uint32_t first, count;
  enum span_kind kind;
};

/* The adjoint of a node gets the value of another, of the same shape. */
struct plan_add {
  node_id to, from;
};

enum { PLACE_NONE = 0 };                 /* offset 0 is nobody's */
#define PLACE_OUTSIDE SIZE_MAX           /* a start node's value: where the graph keeps it */
#define PLACE_ADJOINT (SIZE_MAX / 2 + 1) /* with an offset: the value is that of an adjoint */

/* A stretch of adjoints that a backward pass starts by clearing. */
struct stretch {
  size_t offset, count;
};

struct plan {
  const struct graph *graph;
  node_id output;
  size_t node_count; /* of the graph when the plan was made */
  size_t *value;     /* each node's offset into the values; PLACE_NONE: not needed */
  size_t *bar;       /* each node's offset into the adjoints; PLACE_NONE: it has none */
  VEC(struct tape_step) tape;
  VEC(struct tape_back) back;
  VEC(struct plan_call) calls;
  VEC(struct plan_add) adds;
  VEC(struct span) forward, backward; /* backward: in the order in which it runs */
  size_t again;                       /* the first span of forward that is for run_again */
  VEC(struct stretch) clear;
  VEC(node_id) starts;          /* start nodes whose values a run copies */
  size_t scalars;               /* slots of scalars, at the start of values and adjoints alike */
  size_t values, bars, scratch; /* doubles of each */
};

struct plan_options {
  node_id output;
  const node_id *wrt; /* whose gradients are wanted; NULL with count 0: nobody's */
  size_t wrt_count;
  bool all_values;    /* also of nodes that do not lead to the output */
  bool all_gradients; /* of every node but constants */
  bool own_starts;    /* runs keep copies of the start values, to change them */
  node_id again;      /* not 0: from this node on, values can be computed again: run_again */
};

/* Makes a plan in `arena`.  Reports and returns false when it would not fit into memory. */
bool plan_make(struct plan *plan, struct arena *arena, struct report *report,
               const struct graph *graph, const struct plan_options *options);

#endif
