#include "plan/plan.h"

#include <string.h>

/* What the passes over the graph find out about a node. */
enum {
  MARK_NEEDED = 1,   /* its value is wanted */
  MARK_LEADS = 2,    /* a gradient flows from the output to it */
  MARK_WANTED = 4,   /* it is, or depends on, something whose gradient is wanted */
  MARK_TOUCHED = 8,  /* something adds to its adjoint already */
  MARK_TAPE = 16,    /* runs on the tape */
  MARK_TENSOR = 32,  /* needed, and no scalar */
  MARK_BACKWARD = 64 /* computed on the way back, not forward */
};

struct planner {
  struct plan *plan;
  struct arena *arena;
  const struct graph *graph;
  const struct plan_options *options;
  uint8_t *marks;
};

/* ---- who takes part ---------------------------------------------------------------------- */

static void mark_leading(struct planner *p) {
  p->marks[p->options->output] |= MARK_LEADS;
  for (size_t i = p->options->output + (size_t)1; i-- > 0;) {
    if (!(p->marks[i] & MARK_LEADS)) continue;
    const struct node *node = graph_node(p->graph, (node_id)i);
    const node_id *inputs = graph_inputs(p->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (graph_flows(p->graph, node, k)) p->marks[inputs[k]] |= MARK_LEADS;
  }
}

static void mark_wanted(struct planner *p) {
  for (size_t i = 0; i < p->options->wrt_count; i++) p->marks[p->options->wrt[i]] |= MARK_WANTED;
  for (size_t i = 0; i < p->plan->node_count; i++) {
    const struct node *node = graph_node(p->graph, (node_id)i);
    const node_id *inputs = graph_inputs(p->graph, node);
    bool fixed = node->role == ROLE_CONSTANT || node->role == ROLE_LITERAL;
    bool wanted = p->options->all_gradients && !fixed;
    for (unsigned k = 0; k < node->count && !wanted; k++)
      wanted = p->marks[inputs[k]] & MARK_WANTED && graph_flows(p->graph, node, k);
    if (wanted) p->marks[i] |= MARK_WANTED;
  }
}

static bool is_active(const struct planner *p, node_id id) {
  const uint8_t both = MARK_LEADS | MARK_WANTED;
  return (p->marks[id] & both) == both;
}

/* The nodes of a derivative, and what they are computed from. */
static void mark_derivatives(struct planner *p, node_id id) {
  size_t count;
  const struct derivative *derivative = graph_derivatives(p->graph, id, &count);
  for (; count--; derivative++) {
    if (!is_active(p, graph_inputs(p->graph, graph_node(p->graph, id))[derivative->input]))
      continue;
    p->marks[derivative->gradient] |= MARK_NEEDED;
    for (node_id at = derivative->end; at-- > derivative->first;) {
      if (!(p->marks[at] & MARK_NEEDED)) continue; /* of a function's rules inside this one */
      const struct node *node = graph_node(p->graph, at);
      const node_id *inputs = graph_inputs(p->graph, node);
      p->marks[at] |= MARK_BACKWARD;
      for (unsigned k = 0; k < node->count; k++) p->marks[inputs[k]] |= MARK_NEEDED;
    }
  }
}

static void mark_needed(struct planner *p) {
  uint8_t *marks = p->marks;
  marks[p->options->output] |= MARK_NEEDED;
  for (size_t i = p->plan->node_count; i-- > 0;) {
    const struct node *node = graph_node(p->graph, (node_id)i);
    if (p->options->all_values && !node->backward) marks[i] |= MARK_NEEDED;
    if (!(marks[i] & MARK_NEEDED)) continue;
    const node_id *inputs = graph_inputs(p->graph, node);
    for (unsigned k = 0; k < node->count; k++) marks[inputs[k]] |= MARK_NEEDED;
    if (p->graph->derivatives.count && is_active(p, (node_id)i)) mark_derivatives(p, (node_id)i);
  }
}

/* ---- where everything lies --------------------------------------------------------------- */

static bool is_scalar(const struct graph *graph, const struct node *node) {
  return node->shape == graph->shapes.scalar;
}

enum { ALIGN = 8 }; /* doubles: a cache line */

static size_t take_place(size_t *total, size_t size) {
  size_t at = *total;
  *total += (size + ALIGN - 1) / ALIGN * ALIGN;
  return at;
}

/* Whether a start node stands for the gradient from above: its place is that of an adjoint. */
static bool stands_in(const struct node *node) {
  return node->backward && !node->op && !node->value;
}

/* Scalars first, one after the other in the order in which they are computed. */
static void place_scalars(struct planner *p) {
  struct plan *plan = p->plan;
  size_t next = 1; /* slot 0 is nobody's */
  for (size_t i = 0; i < plan->node_count; i++) {
    if (!(p->marks[i] & MARK_NEEDED)) continue;
    const struct node *node = graph_node(p->graph, (node_id)i);
    if (!is_scalar(p->graph, node)) {
      p->marks[i] |= MARK_TENSOR;
      continue;
    }
    plan->value[i] = next++;
    if (!node->op && !stands_in(node)) *vec_push(p->arena, &plan->starts) = (node_id)i;
    if (is_active(p, (node_id)i)) plan->bar[i] = plan->value[i];
  }
  plan->scalars = (next + ALIGN - 1) / ALIGN * ALIGN;
  plan->values = plan->bars = plan->scalars;
}

static void place_tensors(struct planner *p) {
  struct plan *plan = p->plan;
  for (size_t i = 0; i < plan->node_count; i++) {
    if (!(p->marks[i] & MARK_TENSOR)) continue;
    const struct node *node = graph_node(p->graph, (node_id)i);
    bool outside = !node->op && (!p->options->own_starts || stands_in(node));
    if (!node->op && !outside) *vec_push(p->arena, &plan->starts) = (node_id)i;
    plan->value[i] = outside ? PLACE_OUTSIDE : take_place(&plan->values, node->shape->size);
    if (is_active(p, (node_id)i)) plan->bar[i] = take_place(&plan->bars, node->shape->size);
  }
}

/* ---- forward ----------------------------------------------------------------------------- */

static bool fits_tape(const struct planner *p, const struct node *node) {
  if (!node->op->scalar || node->count > 2 || !is_scalar(p->graph, node)) return false;
  const node_id *inputs = graph_inputs(p->graph, node);
  for (unsigned k = 0; k < node->count; k++)
    if (!is_scalar(p->graph, graph_node(p->graph, inputs[k]))) return false;
  return true;
}

static void add_tape_step(struct planner *p, node_id id, const struct node *node) {
  struct plan *plan = p->plan;
  const node_id *inputs = graph_inputs(p->graph, node);
  uint32_t a = (uint32_t)plan->value[inputs[0]];
  uint32_t b = node->count > 1 ? (uint32_t)plan->value[inputs[1]] : 0;
  struct span *last = plan->forward.count ? &plan->forward.at[plan->forward.count - 1] : NULL;
  if (last && last->kind == SPAN_TAPE && plan->forward.count > plan->again)
    last->count++;
  else
    *vec_push(p->arena, &plan->forward) = (struct span){(uint32_t)plan->tape.count, 1, SPAN_TAPE};
  *vec_push(p->arena, &plan->tape) =
      (struct tape_step){node->op->scalar, (uint32_t)plan->value[id], a, b};
  p->marks[id] |= MARK_TAPE;
}

static size_t count_scratch(const struct planner *p, const struct node *node) {
  if (!node->op->scratch) return 0;
  enum { FEW = 8 };
  const struct shape *few[FEW], **x = few;
  if (node->count > FEW) x = ARENA_ARRAY(p->arena, const struct shape *, node->count);
  const node_id *inputs = graph_inputs(p->graph, node);
  for (unsigned k = 0; k < node->count; k++) x[k] = graph_node(p->graph, inputs[k])->shape;
  return node->op->scratch(node->attr, node->shape, node->count, x);
}

/* Plans a use of a kernel; returns its index. */
static uint32_t add_call(struct planner *p, node_id id, const struct node *node) {
  size_t scratch = take_place(&p->plan->scratch, count_scratch(p, node));
  *vec_push(p->arena, &p->plan->calls) = (struct plan_call){.node = id, .scratch = scratch};
  return (uint32_t)p->plan->calls.count - 1;
}

static void add_span(struct planner *p, bool back, uint32_t first, enum span_kind kind) {
  if (back)
    *vec_push(p->arena, &p->plan->backward) = (struct span){first, 1, kind};
  else
    *vec_push(p->arena, &p->plan->forward) = (struct span){first, 1, kind};
}

static void plan_forward(struct planner *p) {
  for (size_t i = 0; i < p->plan->node_count; i++) {
    const struct node *node = graph_node(p->graph, (node_id)i);
    if (i == p->options->again) p->plan->again = p->plan->forward.count;
    if (!node->op || !(p->marks[i] & MARK_NEEDED) || p->marks[i] & MARK_BACKWARD) continue;
    if (fits_tape(p, node))
      add_tape_step(p, (node_id)i, node);
    else
      add_span(p, false, add_call(p, (node_id)i, node), SPAN_CALL);
  }
}

/* ---- backward ---------------------------------------------------------------------------- */

static uint32_t bar_slot(const struct planner *p, const struct node *node, unsigned k) {
  if (k >= node->count || !graph_flows(p->graph, node, k)) return 0;
  return (uint32_t)p->plan->bar[graph_inputs(p->graph, node)[k]];
}

static void add_tape_back(struct planner *p, node_id id, uint32_t step) {
  struct plan *plan = p->plan;
  const struct node *node = graph_node(p->graph, id);
  struct tape_back back = {(uint32_t)plan->bar[id], bar_slot(p, node, 0), bar_slot(p, node, 1),
                           step};
  if (!back.a && !back.b) return;
  struct span *last = plan->backward.count ? &plan->backward.at[plan->backward.count - 1] : NULL;
  if (last && last->kind == SPAN_TAPE)
    last->count++;
  else
    *vec_push(p->arena, &plan->backward) = (struct span){(uint32_t)plan->back.count, 1, SPAN_TAPE};
  *vec_push(p->arena, &plan->back) = back;
}

/* Takes note that something adds to an adjoint; whether it is the first. */
static bool touch(struct planner *p, node_id id) {
  bool first = !(p->marks[id] & MARK_TOUCHED);
  p->marks[id] |= MARK_TOUCHED;
  return first;
}

static void clear_first(struct planner *p, node_id id) {
  size_t bar = p->plan->bar[id];
  if (bar < p->plan->scalars) return; /* scalars are cleared all at once */
  *vec_push(p->arena, &p->plan->clear) =
      (struct stretch){bar, graph_node(p->graph, id)->shape->size};
}

/* The first to add to an adjoint either stores it, or needs it cleared. */
static void touch_inputs(struct planner *p, struct plan_call *call, const struct node *node) {
  const node_id *inputs = graph_inputs(p->graph, node);
  for (unsigned k = 0; k < node->count; k++) {
    node_id input = inputs[k];
    size_t bar = p->plan->bar[input];
    if (!bar || !graph_flows(p->graph, node, k) || !touch(p, input)) continue;
    if (node->op->stores && k < 32 && bar >= p->plan->scalars)
      call->fresh |= 1U << k;
    else
      clear_first(p, input);
  }
}

/* Whether a node hands its gradient on to any input; comparisons, say, do not. */
static bool hands_on(const struct planner *p, const struct node *node) {
  const node_id *inputs = graph_inputs(p->graph, node);
  for (unsigned k = 0; k < node->count; k++)
    if (p->plan->bar[inputs[k]] && graph_flows(p->graph, node, k)) return true;
  return false;
}

/* What a node hands to its inputs by nodes instead of by a kernel. */
static void add_derivatives(struct planner *p, node_id id) {
  size_t count;
  const struct derivative *derivative = graph_derivatives(p->graph, id, &count);
  for (; count--; derivative++) {
    node_id input = graph_inputs(p->graph, graph_node(p->graph, id))[derivative->input];
    if (!p->plan->bar[input]) continue;
    for (node_id at = derivative->first; at < derivative->end; at++) {
      const struct node *node = graph_node(p->graph, at);
      if (!(p->marks[at] & MARK_NEEDED)) continue;
      if (at == derivative->upstream) p->plan->value[at] = PLACE_ADJOINT | p->plan->bar[id];
      if (node->op) add_span(p, true, add_call(p, at, node), SPAN_COMPUTE);
    }
    if (touch(p, input)) clear_first(p, input);
    add_span(p, true, (uint32_t)p->plan->adds.count, SPAN_ADD);
    *vec_push(p->arena, &p->plan->adds) = (struct plan_add){input, derivative->gradient};
  }
}

static void plan_backward(struct planner *p) {
  struct plan *plan = p->plan;
  uint32_t tape = (uint32_t)plan->tape.count, calls = (uint32_t)plan->calls.count;
  p->marks[p->options->output] |= MARK_TOUCHED; /* seeded */
  for (size_t i = plan->node_count; i-- > 0;) {
    const struct node *node = graph_node(p->graph, (node_id)i);
    if (!node->op || !(p->marks[i] & MARK_NEEDED) || p->marks[i] & MARK_BACKWARD) continue;
    uint32_t at = p->marks[i] & MARK_TAPE ? --tape : --calls;
    if (!is_active(p, (node_id)i)) continue;
    if (p->marks[i] & MARK_TAPE) {
      add_tape_back(p, (node_id)i, at);
    } else if (!node->op->backward) {
      add_derivatives(p, (node_id)i);
    } else if (hands_on(p, node)) {
      touch_inputs(p, &plan->calls.at[at], node);
      add_span(p, true, at, SPAN_CALL);
    }
  }
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool check_memory(const struct plan *plan, struct arena *arena, struct report *report) {
  double wanted = 8.0 * ((double)plan->values + (double)plan->bars + (double)plan->scratch);
  double there = (double)machine_memory();
  if (wanted <= there) return true;
  struct text texts[2];
  for (int i = 0; i < 2; i++) text_init(&texts[i], arena, NULL, NULL);
  text_bytes(&texts[0], wanted);
  text_bytes(&texts[1], there);
  report_add(report, graph_node(plan->graph, plan->output)->mark, BP(TENSOR_TOO_LARGE),
             text_string(&texts[0]), text_string(&texts[1]));
  return false;
}

bool plan_make(struct plan *plan, struct arena *arena, struct report *report,
               const struct graph *graph, const struct plan_options *options) {
  *plan = (struct plan){.graph = graph, .output = options->output};
  plan->node_count = graph->nodes.count;
  plan->value = ARENA_ARRAY(arena, size_t, plan->node_count + 1);
  plan->bar = ARENA_ARRAY(arena, size_t, plan->node_count + 1);
  struct planner p = {plan, arena, graph, options, NULL};
  p.marks = ARENA_ARRAY(arena, uint8_t, plan->node_count + 1);
  bool gradients = options->wrt_count || options->all_gradients;
  if (gradients) {
    mark_leading(&p);
    mark_wanted(&p);
  }
  mark_needed(&p);
  place_scalars(&p);
  place_tensors(&p);
  vec_room(arena, &plan->forward, 1); /* so that empty ones have an address, too */
  vec_room(arena, &plan->backward, 1);
  plan_forward(&p);
  if (gradients) plan_backward(&p);
  return check_memory(plan, arena, report);
}
