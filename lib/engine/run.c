#include "engine/run.h"

#include <string.h>

static double *value_at(const struct run *run, node_id id) {
  size_t at = run->plan->value[id];
  if (at == PLACE_OUTSIDE) return graph_node(run->plan->graph, id)->value;
  if (at & PLACE_ADJOINT) return run->bars + (at & ~PLACE_ADJOINT);
  return at == PLACE_NONE ? NULL : run->values + at;
}

static double *bar_at(const struct run *run, node_id id) {
  size_t at = run->plan->bar[id];
  return at == PLACE_NONE ? NULL : run->bars + at;
}

const double *run_value(const struct run *run, node_id id) { return value_at(run, id); }

double *run_start(const struct run *run, node_id id) {
  size_t at = run->plan->value[id];
  return at == PLACE_NONE || at == PLACE_OUTSIDE ? NULL : run->values + at;
}

const double *run_bar(const struct run *run, node_id id) { return bar_at(run, id); }

void run_call(const struct run *run, node_id id, struct call *call, struct operand *operands) {
  const struct graph *graph = run->plan->graph;
  const struct node *node = graph_node(graph, id);
  const node_id *inputs = graph_inputs(graph, node);
  for (unsigned k = 0; k < node->count; k++) {
    operands[k] = (struct operand){.at = value_at(run, inputs[k]),
                                   .shape = graph_node(graph, inputs[k])->shape};
    if (graph_flows(graph, node, k)) operands[k].bar = bar_at(run, inputs[k]);
  }
  *call = (struct call){.op = node->op, .attr = node->attr, .count = node->count, .x = operands};
  call->y = (struct operand){.at = value_at(run, id), .bar = bar_at(run, id), .shape = node->shape};
}

struct call run_own_call(const struct run *run, struct arena *arena, node_id id) {
  const struct node *node = graph_node(run->plan->graph, id);
  struct operand *operands = ARENA_ARRAY(arena, struct operand, node->count + 1);
  struct call call;
  run_call(run, id, &call, operands);
  call.fault = ARENA_NEW(arena, struct fault);
  if (!node->op->scratch) return call;
  const struct shape **x = ARENA_ARRAY(arena, const struct shape *, node->count + 1);
  for (unsigned k = 0; k < node->count; k++) x[k] = operands[k].shape;
  size_t size = node->op->scratch(node->attr, node->shape, node->count, x);
  call.scratch = ARENA_ARRAY(arena, double, size + 1);
  return call;
}

static void bind_calls(struct run *run) {
  const struct plan *plan = run->plan;
  size_t operands = 0;
  for (size_t i = 0; i < plan->calls.count; i++)
    operands += graph_node(plan->graph, plan->calls.at[i].node)->count;
  struct operand *next = ARENA_ARRAY(run->arena, struct operand, operands + 1);
  run->calls = ARENA_ARRAY(run->arena, struct call, plan->calls.count + 1);
  for (size_t i = 0; i < plan->calls.count; i++) {
    const struct plan_call *planned = &plan->calls.at[i];
    struct call *call = &run->calls[i];
    run_call(run, planned->node, call, next);
    for (unsigned k = 0; k < call->count && k < 32; k++) next[k].fresh = planned->fresh >> k & 1;
    call->scratch = run->scratch + planned->scratch;
    call->fault = &run->fault;
    next += call->count;
  }
}

void run_restart(struct run *run) {
  for (size_t i = 0; i < run->plan->starts.count; i++) {
    node_id id = run->plan->starts.at[i];
    const struct node *node = graph_node(run->plan->graph, id);
    if (!node->value) continue; /* what stands for an upstream gradient */
    memcpy(run->values + run->plan->value[id], node->value,
           node->shape->size * sizeof *node->value);
  }
}

void run_make(struct run *run, struct arena *arena, const struct plan *plan) {
  *run = (struct run){.plan = plan, .arena = arena, .fault_node = NODE_NONE};
  run->values = arena_buffer(arena, plan->values * sizeof(double));
  run->bars = arena_buffer(arena, plan->bars * sizeof(double));
  run->partials = arena_buffer(arena, plan->tape.count * 2 * sizeof(double));
  run->scratch = arena_buffer(arena, plan->scratch * sizeof(double));
  run_restart(run);
  bind_calls(run);
}

/* ---- forward ----------------------------------------------------------------------------- */

static void tape_forward(const struct run *run, uint32_t first, uint32_t count) {
  const struct tape_step *step = run->plan->tape.at + first, *end = step + count;
  double *value = run->values, *partial = run->partials + 2 * (size_t)first;
  for (; step < end; step++, partial += 2)
    value[step->y] = step->function(value[step->a], value[step->b], partial);
}

/* Runs a kernel forward; false when it could not. */
static bool compute(struct run *run, uint32_t at) {
  run->calls[at].op->forward(&run->calls[at]);
  if (run->fault.raised) run->fault_node = run->plan->calls.at[at].node;
  return !run->fault.raised;
}

static bool run_from(struct run *run, size_t first) {
  const struct plan *plan = run->plan;
  const struct span *span = plan->forward.at + first, *end = plan->forward.at + plan->forward.count;
  run->fault.raised = false;
  for (; span < end; span++) {
    if (span->kind == SPAN_TAPE)
      tape_forward(run, span->first, span->count);
    else if (!compute(run, span->first))
      return false;
  }
  return true;
}

bool run_forward(struct run *run) { return run_from(run, 0); }
bool run_again(struct run *run) { return run_from(run, run->plan->again); }

/* ---- backward ---------------------------------------------------------------------------- */

static void tape_backward(const struct run *run, uint32_t first, uint32_t count) {
  const struct tape_back *back = run->plan->back.at + first, *end = back + count;
  double *bar = run->bars;
  const double *partials = run->partials;
  for (; back < end; back++) {
    const double upstream = bar[back->y], *partial = partials + 2 * (size_t)back->step;
    bar[back->a] += upstream * partial[0];
    bar[back->b] += upstream * partial[1];
  }
}

static void clear_bars(const struct run *run) {
  const struct plan *plan = run->plan;
  memset(run->bars, 0, plan->scalars * sizeof *run->bars);
  for (size_t i = 0; i < plan->clear.count; i++)
    memset(run->bars + plan->clear.at[i].offset, 0, plan->clear.at[i].count * sizeof *run->bars);
}

static void seed_output(const struct run *run, const double *upstream) {
  double *bar = bar_at(run, run->plan->output);
  size_t size = graph_node(run->plan->graph, run->plan->output)->shape->size;
  for (size_t i = 0; bar && i < size; i++) bar[i] = upstream ? upstream[i] : 1;
}

static void add_value(const struct run *run, const struct plan_add *add) {
  double *bar = bar_at(run, add->to);
  const double *from = value_at(run, add->from);
  size_t size = graph_node(run->plan->graph, add->to)->shape->size;
  for (size_t i = 0; i < size; i++) bar[i] += from[i];
}

bool run_backward(struct run *run, const double *upstream) {
  const struct plan *plan = run->plan;
  const struct span *span = plan->backward.at, *end = span + plan->backward.count;
  clear_bars(run);
  seed_output(run, upstream);
  run->fault.raised = false;
  for (; span < end; span++) {
    switch (span->kind) {
    case SPAN_TAPE: tape_backward(run, span->first, span->count); break;
    case SPAN_CALL: run->calls[span->first].op->backward(&run->calls[span->first]); break;
    case SPAN_ADD: add_value(run, &plan->adds.at[span->first]); break;
    case SPAN_COMPUTE:
      if (!compute(run, span->first)) return false;
    }
  }
  return true;
}
