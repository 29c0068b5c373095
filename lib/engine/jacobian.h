/* Jacobians: all derivatives of one node by another, dP/dS, of shape P.shape + S.shape.
 *
 * S need not be a start node: an intermediate node counts as free, and everything that does not
 * depend on it as fixed.  A Hessian is the Jacobian of a gradient, which is made as nodes of a copy
 * of the graph: d2L/da db = d(dL/da)/db. */
#ifndef BPGRAPH_ENGINE_JACOBIAN_H
#define BPGRAPH_ENGINE_JACOBIAN_H

#include "engine/run.h"
#include "lang/lower.h"

struct jacobian {
  node_id of, by;
  const struct shape *of_shape, *by_shape;
  struct graph graph; /* a Hessian's: the net's, and what the gradient is computed from */
  struct plan plan;
  struct run run; /* keeps copies of the start values */
  double *seed;   /* of of_shape */
};

/* Prepares dP/dS, P being `of` and S `by`.  Reports and returns false where it would not fit into
 * memory; nothing is computed.  `graph` must live as long. */
bool jacobian_make(struct jacobian *jacobian, struct arena *arena, struct report *report,
                   const struct graph *graph, node_id of, node_id by);

/* The same for d2L/da db, of shape a.shape + b.shape.  L is `of` where that has one entry, else the
 * sum of upstream * of; `upstream` is a node of its shape, or NODE_NONE for ones.  None of a and b
 * may depend on the other, unless they are one node.  Reports and returns false where an op in
 * between has no second derivative, too. */
bool hessian_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *graph, const struct vocabulary *words, node_id of,
                  node_id upstream, node_id a, node_id b);

/* Where the run keeps the value of a start node, to be changed before jacobian_compute; NULL where
 * the Jacobian does not depend on it. */
double *jacobian_start(struct jacobian *jacobian, node_id start);

/* Whether any path leads from S to P: if not, the Jacobian is 0. */
bool jacobian_reaches(const struct jacobian *jacobian);

/* Computes all entries, row-major.  False when a kernel could not be computed at these values:
 * jacobian->run.fault and fault_node say why. */
bool jacobian_compute(struct jacobian *jacobian, double *out);

#endif
