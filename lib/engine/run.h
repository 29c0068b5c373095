/* A run: the numbers of one evaluation of a plan. */
#ifndef BPGRAPH_ENGINE_RUN_H
#define BPGRAPH_ENGINE_RUN_H

#include "plan/plan.h"

struct run {
  const struct plan *plan;
  struct arena *arena;
  double *values, *bars, *partials, *scratch;
  struct call *calls; /* as plan->calls, with every address resolved */
  struct fault fault;
  node_id fault_node;
};

/* Makes a run in `arena`: the only place that allocates. */
void run_make(struct run *run, struct arena *arena, const struct plan *plan);

/* Copies the start values that the run keeps itself (the scalars, and all where they may change:
 * plan_options.own_starts) from the graph again. */
void run_restart(struct run *run);

/* The run's own copy of a start value, to be changed before run_forward; NULL where it has none. */
double *run_start(const struct run *run, node_id id);

/* Computes all values.  False when a kernel could not: fault and fault_node say why. */
bool run_forward(struct run *run);

/* Computes the values from plan_options.again on, after start values among these have changed. */
bool run_again(struct run *run);

/* Computes all adjoints from the output's, `upstream` (of the output's shape; NULL: ones).  False
 * as run_forward: the derivative of a function may be any expression. */
bool run_backward(struct run *run, const double *upstream);

/* A node's value; NULL where the plan does not need it. */
const double *run_value(const struct run *run, node_id id);
/* A node's adjoint; NULL where it has none in this plan. */
const double *run_bar(const struct run *run, node_id id);

/* Fills in one node's call as kernels see it; `operands` has room for its inputs.  The call has no
 * scratch where the node runs on the tape. */
void run_call(const struct run *run, node_id id, struct call *call, struct operand *operands);

/* The same with operands, scratch and a fault of its own, to be called outside of the passes.  The
 * scratch is empty: what `backward` wants to find there, `forward` has to leave first. */
struct call run_own_call(const struct run *run, struct arena *arena, node_id id);

#endif
