/* Jacobians: all derivatives of one node by another, dP/dS, of shape P.shape + S.shape.
 *
 * S need not be a start node: an intermediate node counts as free, and everything that does not
 * depend on it as fixed.  A Hessian is the Jacobian of a gradient, which is made as nodes of a copy
 * of the graph: d2L/da db = d(dL/da)/db.
 *
 * It is computed by sweeps: by rows, 1 from above at an entry of P sent down to S, or by columns, 1
 * at an entry of S sent up to P.  Axes that every op in between keeps apart (see apart_fn) make the
 * Jacobian block diagonal: its entry (i, j) is 0 unless i and j are equal on the paired axes.  One
 * sweep then serves all indices of these axes at once: elementwise ops take a single one, and only
 * the blocks are stored. */
#ifndef BPGRAPH_ENGINE_JACOBIAN_H
#define BPGRAPH_ENGINE_JACOBIAN_H

#include "engine/run.h"
#include "lang/lower.h"

/* The entries of a tensor, by two kinds of axes: entry (f, p) of the free and the paired ones lies
 * at free[f] + paired[p]. */
struct entries {
  const struct shape *shape;
  uint32_t pairs; /* bit i: axis i is paired */
  size_t free_count, paired_count;
  size_t *free, *paired;
};

/* What computes them; the run keeps copies of the start values.  Blocks of a Hessian that come from
 * one gradient share it. */
struct passes {
  struct plan plan;
  struct run run;
  double *room; /* what a sweep by rows starts from: of P's shape */
};

/* Must stay where it is: its plan may point into it. */
struct jacobian {
  node_id of, by;
  struct entries p, s;    /* of P, whose shape is p.shape, and of S */
  int8_t axis[RANK_MOST]; /* for each axis of S, the one of P that it is paired with, or -1 */
  bool reaches;           /* a path leads from S to P: else all is 0 */
  bool columns;           /* sweeps are for columns, else for rows */
  size_t sweeps;          /* p.free_count or s.free_count */
  double *blocks;         /* what the sweeps bring: sweeps x the size of S, or of P */
  struct graph graph;     /* with what was derived, where that was needed: nodes.at is not NULL */
  node_id seed;           /* what a sweep by columns starts from */
  struct passes *passes;
};

/* Whether so many derivatives of a node fit into memory; reports where they do not. */
bool matrix_fits(struct arena *arena, struct report *report, const struct graph *graph, node_id of,
                 const char *by, double entries, bool second);

/* Prepares dP/dS, P being `of` and S `by`.  Reports and returns false where it would not fit into
 * memory; nothing is computed.  `graph` must live as long. */
bool jacobian_make(struct jacobian *jacobian, struct arena *arena, struct report *report,
                   const struct graph *graph, const struct vocabulary *words, node_id of,
                   node_id by);

/* The same for d2L/da db, of shape a.shape + b.shape.  L is `of` where that has one entry, else the
 * sum of upstream * of; `upstream` has its shape, or is NULL for ones.  None of a and b may depend on
 * the other, unless they are one node.  Reports and returns false where an op in between has no
 * second derivative, too. */
bool hessian_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *graph, const struct vocabulary *words, node_id of,
                  const double *upstream, node_id a, node_id b);

/* The gradients of L by several nodes, as nodes of a copy of the graph, for all blocks of a Hessian.
 * Reports and returns false where there is no Hessian. */
bool gradients_make(struct graph *derived, struct arena *arena, struct report *report,
                    const struct graph *graph, const struct vocabulary *words, node_id of,
                    const double *upstream, size_t count, const node_id *by, node_id *gradients);

/* Prepares d2L/da db for all `by`, from dL/da in such a copy.  What only the sweeps need is put into
 * `work`, which can be given back after them. */
bool blocks_make(struct jacobian *blocks, struct arena *arena, struct arena *work,
                 struct report *report, const struct graph *derived, const struct vocabulary *words,
                 node_id gradient, size_t count, const node_id *by);

/* Computes them; false as jacobian_sweep, with the block that it was in `*failed`. */
bool blocks_sweep(struct jacobian *blocks, size_t count, size_t *failed);

/* Prepares products of d2L/da da with vectors, from dL/da in such a copy: the Hessian itself may be of
 * any size. */
bool product_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *derived, node_id gradient, node_id a);

/* Computes one, d2L/da da times `vector`, which has the shape of a, as the product has. */
bool product_compute(struct jacobian *hessian, const double *vector, double *product);

/* Where the run keeps the value of a start node, to be changed before jacobian_compute; NULL where
 * the Jacobian does not depend on it. */
double *jacobian_start(struct jacobian *jacobian, node_id start);

/* Computes the blocks.  False when a kernel could not be computed at these values:
 * jacobian->passes->run says why. */
bool jacobian_sweep(struct jacobian *jacobian);

/* Writes row i, as many numbers as S has entries, after the blocks were computed. */
void jacobian_row(const struct jacobian *jacobian, size_t i, double *row);

/* The same for column j, as many numbers as P has entries. */
void jacobian_column(const struct jacobian *jacobian, size_t j, double *column);

/* Computes all entries, row-major.  False as jacobian_sweep. */
bool jacobian_compute(struct jacobian *jacobian, double *out);

#endif
