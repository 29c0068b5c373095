/* Moving some entries of one node, and recomputing what depends on them and nothing else.
 *
 * The point is a run's values, which are only read.  What a perturbation changes is kept as the
 * *delta* of each node that it reaches: of its part (a box, see struct op_parts) that can change,
 * the new numbers minus the old ones, compact.  From node to node, in the order of the graph:
 *   - an op that is linear in what moves is run on the deltas themselves, and on those parts of its
 *     other inputs that they meet: moving W[i, j] in x @ W costs a column, not a product;
 *   - an op that only moves numbers around is done by an index map, made once by asking its kernel;
 *   - all others are run on the parts of their inputs that the part of the result needs, and the
 *     old result is subtracted;
 *   - where a row says nothing of parts, the parts are whole.
 * So the change of L comes without the cancellation of L(x + h) - L(x): terms that do not change
 * are never added up, and what is linear adds no rounding of its own.
 *
 * The kernels are the ops' own `forward`.  What a choice of entries costs once (parts, copies of
 * what stands still) is separate from what each step costs. */
#ifndef BPGRAPH_ENGINE_PERTURB_H
#define BPGRAPH_ENGINE_PERTURB_H

#include "engine/run.h"

struct perturb;

/* Prepares to move `roots`.  `run` has computed its values and outlives this; `upstream` has the
 * output's shape (NULL: ones).  Takes all memory from the arena here, but for copies of parts,
 * whose room grows until it suffices. */
struct perturb *perturb_make(struct arena *arena, const struct run *run, node_id output,
                             const double *upstream, const node_id *roots, size_t root_count);

/* The run's values have changed. */
void perturb_base(struct perturb *perturb);

/* Chooses what is to be moved: one entry of a root, or all of it along a direction of its shape,
 * which is kept. */
void perturb_entry(struct perturb *perturb, node_id root, size_t index);
void perturb_along(struct perturb *perturb, node_id root, const double *direction);

/* What a step of that does. */
struct change {
  double by;         /* of L = upstream . output; not finite where L or a kernel is not */
  uint64_t branches; /* on which the piecewise ops are; equal for equal branches */
  node_id flipped;   /* the first node that is on another branch than at the point, or NODE_NONE */
};

/* Moves by `step` (times the direction), from the point. */
struct change perturb_by(struct perturb *perturb, double step);

/* How many derivatives in the reach of what was chosen are undefined at the point, as the rows'
 * `kinks` say; `*first` is the first node of them, or NODE_NONE. */
size_t perturb_kinks(struct perturb *perturb, node_id *first);

/* How many entries of nodes, the root's included, are computed for each step. */
size_t perturb_reach(const struct perturb *perturb);

/* About how many numbers are computed or read for each step, the terms of products included: the
 * same on every machine. */
double perturb_work(const struct perturb *perturb);

/* The point itself: a node's numbers; NULL where the run has none, as L does not depend on it. */
const double *perturb_value(const struct perturb *perturb, node_id id);
const struct shape *perturb_shape(const struct perturb *perturb, node_id id);

#endif
