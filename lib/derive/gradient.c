#include "derive/gradient.h"

#include <string.h>

#include "ops/registry.h"

struct derivation {
  struct rules *rules;
  struct graph *graph;
  node_id of, by;
  bool *between; /* of by .. of: on a path from `by` to `of` */
  node_id *bar;  /* of by .. of: the node that holds its gradient so far, or NODE_NONE */
};

static bool is_between(const struct derivation *d, node_id id) {
  return id >= d->by && id <= d->of && d->between[id - d->by];
}

/* Prunes the graph to what lies between. */
static void mark_between(struct derivation *d) {
  size_t count = (size_t)(d->of - d->by) + 1;
  bool *reached = ARENA_ARRAY(d->graph->arena, bool, count);
  reached[0] = true;
  for (node_id id = d->by + 1; id <= d->of; id++) {
    const struct node *node = graph_node(d->graph, id);
    const node_id *inputs = graph_inputs(d->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= d->by && reached[inputs[k] - d->by] && graph_flows(d->graph, node, k))
        reached[id - d->by] = true;
  }
  d->between[count - 1] = reached[count - 1];
  for (node_id id = d->of; id > d->by; id--) {
    if (!d->between[id - d->by]) continue;
    const struct node *node = graph_node(d->graph, id);
    const node_id *inputs = graph_inputs(d->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= d->by && reached[inputs[k] - d->by] && graph_flows(d->graph, node, k))
        d->between[inputs[k] - d->by] = true;
  }
}

/* Of the nodes [first, end) of a derivative, those that its gradient is computed from.  The others
 * are derivatives of function calls among these. */
static bool *mark_used(const struct graph *graph, const struct derivative *from) {
  bool *used = ARENA_ARRAY(graph->arena, bool, (size_t)(from->end - from->first) + 1);
  if (from->gradient >= from->first && from->gradient < from->end)
    used[from->gradient - from->first] = true;
  for (node_id id = from->end; id-- > from->first;) {
    const struct node *node = graph_node(graph, id);
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count && used[id - from->first]; k++)
      if (inputs[k] >= from->first && inputs[k] < from->end) used[inputs[k] - from->first] = true;
  }
  return used;
}

static node_id copy_node(struct graph *graph, const struct derivative *from, node_id id,
                         const node_id *copies) {
  const struct node node = *graph_node(graph, id);
  if (!node.op) return graph_start(graph, (enum role)node.role, node.shape, node.value, node.mark);
  node_id *inputs = ARENA_ARRAY(graph->arena, node_id, node.count + 1U);
  memcpy(inputs, graph_inputs(graph, &node), node.count * sizeof *inputs);
  for (unsigned k = 0; k < node.count; k++)
    if (inputs[k] >= from->first && inputs[k] < from->end)
      inputs[k] = copies[inputs[k] - from->first];
  return graph_add(graph, node.op, node.attr, node.count, inputs, node.mark, (struct mark){0, 0});
}

/* The rules of function calls among the copied nodes. */
static void copy_rules(struct graph *graph, const struct derivative *from, const node_id *copies) {
  for (node_id id = from->first; id < from->end; id++) {
    size_t count;
    const struct derivative *rules = graph_derivatives(graph, id, &count);
    if (!rules || copies[id - from->first] == id) continue;
    size_t first = (size_t)(rules - graph->derivatives.at);
    for (size_t i = 0; i < count; i++) {
      struct derivative rule = graph->derivatives.at[first + i];
      bool inside = rule.gradient >= from->first && rule.gradient < from->end;
      if (inside) rule.gradient = copies[rule.gradient - from->first];
      rule.node = copies[id - from->first];
      rule.upstream = copies[rule.upstream - from->first];
      rule.end = copies[rule.end - 1 - from->first] + 1;
      rule.first = copies[rule.first - from->first];
      graph_add_derivative(graph, &rule); /* behind those that are read here */
    }
  }
}

/* Copies the nodes of a derivative that is given as nodes, with `upstream` in the place of what
 * stood for it. */
static node_id copy_derivative(struct derivation *d, const struct derivative *from,
                               node_id upstream) {
  struct graph *graph = d->graph;
  node_id *copies = ARENA_ARRAY(graph->arena, node_id, (size_t)(from->end - from->first) + 1);
  const struct derivative given = *from;
  const bool *used = mark_used(graph, &given), outer = graph->building_backward;
  for (node_id id = given.first; id < given.end; id++) {
    node_id *copy = &copies[id - given.first];
    graph->building_backward = outer || !used[id - given.first];
    *copy = id == given.upstream ? upstream : copy_node(graph, &given, id, copies);
    graph->building_backward = outer;
    if (*copy == NODE_NONE) return NODE_NONE;
  }
  copy_rules(graph, &given, copies);
  bool inside = given.gradient >= given.first && given.gradient < given.end;
  return inside ? copies[given.gradient - given.first] : given.gradient;
}

static enum derived derive_edge(struct derivation *d, node_id id, unsigned input,
                                node_id *gradient) {
  size_t count;
  const struct derivative *given = graph_derivatives(d->graph, id, &count);
  if (!given) return derive_input(d->rules, id, input, d->bar[id - d->by], gradient);
  for (; count--; given++) {
    if (given->input != input) continue;
    *gradient = copy_derivative(d, given, d->bar[id - d->by]);
    return *gradient == NODE_NONE ? DERIVED_FAILED : DERIVED_NODE;
  }
  return DERIVED_NOTHING;
}

static bool add_contribution(struct derivation *d, node_id to, node_id gradient) {
  node_id *bar = &d->bar[to - d->by];
  if (*bar == NODE_NONE) {
    *bar = gradient;
    return true;
  }
  const node_id both[2] = {*bar, gradient};
  const struct mark nowhere = {0, 0};
  *bar = graph_add(d->graph, op_by_symbol("+", 2), NULL, 2, both, graph_node(d->graph, to)->mark,
                   nowhere);
  return *bar != NODE_NONE;
}

static bool derive_node(struct derivation *d, node_id id) {
  unsigned count = graph_node(d->graph, id)->count;
  for (unsigned k = 0; k < count; k++) {
    const struct node *node = graph_node(d->graph, id);
    node_id input = graph_inputs(d->graph, node)[k], gradient;
    if (!is_between(d, input) || !graph_flows(d->graph, node, k)) continue;
    switch (derive_edge(d, id, k, &gradient)) {
    case DERIVED_NOTHING: break;
    case DERIVED_FAILED: return false;
    case DERIVED_NODE:
      if (!add_contribution(d, input, gradient)) return false;
    }
  }
  return true;
}

/* A start node full of one number. */
static node_id make_full(struct graph *graph, const struct shape *shape, double number,
                         struct mark mark) {
  double *value = arena_resize(graph->arena, NULL, (shape->size + 1) * sizeof *value);
  for (size_t i = 0; i < shape->size; i++) value[i] = number;
  return graph_start(graph, ROLE_LITERAL, shape, value, mark);
}

node_id derive_gradient(struct rules *rules, node_id of, node_id by, node_id upstream) {
  struct graph *graph = rules->scope.graph;
  const struct shape *shape = graph_node(graph, by)->shape;
  struct mark mark = graph_node(graph, of)->mark;
  if (by > of) return make_full(graph, shape, 0, mark);
  size_t count = (size_t)(of - by) + 1;
  struct derivation d = {.rules = rules, .graph = graph, .of = of, .by = by};
  d.between = ARENA_ARRAY(graph->arena, bool, count);
  d.bar = ARENA_ARRAY(graph->arena, node_id, count);
  for (size_t i = 0; i < count; i++) d.bar[i] = NODE_NONE;
  mark_between(&d);
  if (!d.between[0]) return make_full(graph, shape, 0, mark);
  d.bar[count - 1] = upstream;
  if (upstream == NODE_NONE)
    d.bar[count - 1] = make_full(graph, graph_node(graph, of)->shape, 1, mark);
  for (node_id id = of; id > by; id--)
    if (d.between[id - by] && d.bar[id - by] != NODE_NONE && !derive_node(&d, id)) return NODE_NONE;
  return d.bar[0] == NODE_NONE ? make_full(graph, shape, 0, mark) : d.bar[0];
}

/* ---- ops without a backward kernel -------------------------------------------------------------- */

static bool derive_one(struct rules *rules, node_id id, unsigned input) {
  struct graph *graph = rules->scope.graph;
  struct derivative derivative = {.node = id, .input = input};
  const struct node *node = graph_node(graph, id);
  derivative.first = (node_id)graph->nodes.count;
  derivative.upstream = graph_start(graph, ROLE_INPUT, node->shape, NULL, node->mark);
  enum derived derived = derive_input(rules, id, input, derivative.upstream, &derivative.gradient);
  derivative.end = (node_id)graph->nodes.count;
  if (derived == DERIVED_NODE) *vec_push(graph->arena, &graph->derivatives) = derivative;
  return derived != DERIVED_FAILED;
}

bool derive_missing(struct rules *rules) {
  struct graph *graph = rules->scope.graph;
  size_t count = graph->nodes.count;
  if (!graph->lacks_backward) return true;
  /* Those that have some already, noted before more are appended. */
  bool *given = ARENA_ARRAY(graph->arena, bool, count + 1);
  for (size_t i = 0; i < graph->derivatives.count; i++) given[graph->derivatives.at[i].node] = true;
  graph->building_backward = true;
  bool fine = true;
  for (node_id id = 0; id < count; id++) {
    const struct op *op = graph_node(graph, id)->op;
    if (!op || op->backward || given[id]) continue;
    for (unsigned k = 0; k < graph_node(graph, id)->count; k++)
      if (graph_flows(graph, graph_node(graph, id), k)) fine = derive_one(rules, id, k) && fine;
  }
  graph->building_backward = false;
  graph_sort_derivatives(graph);
  return fine;
}
