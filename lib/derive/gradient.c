#include "derive/gradient.h"

#include <string.h>

#include "ops/registry.h"

struct derivation {
  struct rules *rules;
  struct simplifier *simplifier; /* NULL: none */
  struct graph *graph;
  node_id first, end; /* of what is looked at */
  bool *between;      /* of first .. end: on a path from a seed to what is asked for */
  node_id *bar;       /* of first .. end: the node that holds its gradient so far, or NODE_NONE */
};

static bool is_between(const struct derivation *d, node_id id) {
  return id >= d->first && id < d->end && d->between[id - d->first];
}

/* Marks what depends on `by`, whose nodes are marked already. */
static void mark_reached(const struct derivation *d, bool *reached) {
  for (node_id id = d->first; id < d->end; id++) {
    const struct node *node = graph_node(d->graph, id);
    const node_id *inputs = graph_inputs(d->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= d->first && reached[inputs[k] - d->first] && graph_flows(d->graph, node, k))
        reached[id - d->first] = true;
  }
}

/* Prunes the graph to what lies between the seeds, which have a bar, and what was reached. */
static void mark_between(struct derivation *d, const bool *reached) {
  for (node_id id = d->end; id-- > d->first;) {
    bool *between = &d->between[id - d->first];
    *between = reached[id - d->first] && (*between || d->bar[id - d->first] != NODE_NONE);
    if (!*between) continue;
    const struct node *node = graph_node(d->graph, id);
    const node_id *inputs = graph_inputs(d->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= d->first && graph_flows(d->graph, node, k))
        d->between[inputs[k] - d->first] = true;
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
  node_id upstream = d->bar[id - d->first];
  if (d->simplifier) upstream = simplify_hide(d->simplifier, upstream);
  if (!given) return derive_input(d->rules, id, input, upstream, gradient);
  for (; count--; given++) {
    if (given->input != input) continue;
    *gradient = copy_derivative(d, given, upstream);
    return *gradient == NODE_NONE ? DERIVED_FAILED : DERIVED_NODE;
  }
  return DERIVED_NOTHING;
}

static node_id add_nodes(struct derivation *d, node_id a, node_id b, struct mark mark) {
  const node_id both[2] = {a, b};
  if (d->simplifier) return simplify_sum(d->simplifier, a, b);
  return graph_add(d->graph, op_by_symbol("+", 2), NULL, 2, both, mark, (struct mark){0, 0});
}

static bool add_contribution(struct derivation *d, node_id to, node_id gradient) {
  if (d->simplifier) gradient = simplify(d->simplifier, gradient);
  if (gradient == NODE_NONE) return false;
  if (d->simplifier && is_zero(d->simplifier, gradient)) return true;
  node_id *bar = &d->bar[to - d->first];
  if (*bar == NODE_NONE)
    *bar = gradient;
  else
    *bar = add_nodes(d, *bar, gradient, graph_node(d->graph, to)->mark);
  return *bar != NODE_NONE;
}

/* A gradient that is complete. */
static void finish_gradient(const struct derivation *d, node_id id) {
  struct simplifier *s = d->simplifier;
  bool kept = s && s->keeps && id < s->kept_end && s->keeps[id];
  if (s && (graph_node(d->graph, id)->name || kept)) simplify_keep(s, d->bar[id - d->first]);
}

static bool derive_node(struct derivation *d, node_id id) {
  unsigned count = graph_node(d->graph, id)->count;
  finish_gradient(d, id);
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

/* Sets the range that the sweep looks at, and the gradients that it starts from. */
static bool start_sweep(struct derivation *d, size_t seed_count, const struct seed *seeds,
                        size_t by_count, const node_id *by, bool **reached) {
  d->first = NODE_NONE, d->end = 0;
  for (size_t i = 0; i < by_count; i++)
    if (by[i] < d->first) d->first = by[i];
  for (size_t i = 0; i < seed_count; i++)
    if (seeds[i].node >= d->end) d->end = seeds[i].node + 1;
  if (d->first > d->end) d->first = d->end;
  size_t count = d->end - d->first;
  d->between = ARENA_ARRAY(d->graph->arena, bool, count + 1);
  d->bar = ARENA_ARRAY(d->graph->arena, node_id, count + 1);
  *reached = ARENA_ARRAY(d->graph->arena, bool, count + 1);
  for (size_t i = 0; i < count; i++) d->bar[i] = NODE_NONE;
  for (size_t i = 0; i < by_count; i++)
    if (by[i] < d->end) (*reached)[by[i] - d->first] = true;
  mark_reached(d, *reached);
  for (size_t i = 0; i < seed_count; i++) {
    const struct node *node = graph_node(d->graph, seeds[i].node);
    node_id upstream = seeds[i].upstream;
    if (seeds[i].node < d->first || !(*reached)[seeds[i].node - d->first]) continue;
    if (upstream == NODE_NONE) upstream = make_full(d->graph, node->shape, 1, node->mark);
    if (!add_contribution(d, seeds[i].node, upstream)) return false;
  }
  return true;
}

bool derive_gradients(struct rules *rules, struct simplifier *simplifier, size_t seed_count,
                      const struct seed *seeds, size_t by_count, const node_id *by,
                      struct gradients *out) {
  struct derivation d = {.rules = rules, .simplifier = simplifier, .graph = rules->scope.graph};
  bool *reached;
  if (!start_sweep(&d, seed_count, seeds, by_count, by, &reached)) return false;
  mark_between(&d, reached);
  *out = (struct gradients){d.first, d.end, d.bar};
  for (node_id id = d.end; id-- > d.first;)
    if (d.between[id - d.first] && d.bar[id - d.first] != NODE_NONE && !derive_node(&d, id))
      return false;
  return true;
}

node_id gradient_of(const struct gradients *gradients, node_id id) {
  bool inside = id >= gradients->first && id < gradients->end;
  return inside ? gradients->bar[id - gradients->first] : NODE_NONE;
}

node_id derive_gradient(struct rules *rules, node_id of, node_id by, node_id upstream) {
  struct graph *graph = rules->scope.graph;
  const struct seed seed = {of, upstream};
  struct gradients gradients;
  if (!derive_gradients(rules, NULL, 1, &seed, 1, &by, &gradients)) return NODE_NONE;
  node_id gradient = gradient_of(&gradients, by);
  if (gradient != NODE_NONE) return gradient;
  return make_full(graph, graph_node(graph, by)->shape, 0, graph_node(graph, of)->mark);
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
