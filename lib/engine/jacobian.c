#include "engine/jacobian.h"

#include <string.h>

#include "derive/gradient.h"

/* ---- making ------------------------------------------------------------------------------ */

static const char *name_of(struct arena *arena, const struct graph *graph, node_id id) {
  struct text text;
  text_init(&text, arena, NULL, NULL);
  graph_print_name(graph, id, &text);
  return text_string(&text);
}

static bool check_size(const struct jacobian *jacobian, struct arena *arena, struct report *report,
                       const struct graph *graph) {
  double rows = (double)jacobian->of_shape->size, columns = (double)jacobian->by_shape->size;
  double wanted = sizeof(double) * rows * columns, there = (double)machine_memory();
  if (wanted <= there) return true;
  struct text texts[2];
  for (int i = 0; i < 2; i++) text_init(&texts[i], arena, NULL, NULL);
  text_bytes(&texts[0], wanted);
  text_bytes(&texts[1], there);
  report_add(report, graph_node(graph, jacobian->of)->mark, BP(JACOBIAN_TOO_LARGE),
             name_of(arena, graph, jacobian->of), name_of(arena, graph, jacobian->by),
             text_string(&texts[0]), text_string(&texts[1]));
  return false;
}

static bool plan_rows(struct jacobian *jacobian, struct arena *arena, struct report *report,
                      const struct graph *graph) {
  const struct plan_options options = {
      .output = jacobian->of, .wrt = &jacobian->by, .wrt_count = 1, .own_starts = true};
  if (!plan_make(&jacobian->plan, arena, report, graph, &options)) return false;
  run_make(&jacobian->run, arena, &jacobian->plan);
  jacobian->seed = arena_buffer(arena, jacobian->of_shape->size * sizeof *jacobian->seed);
  return true;
}

bool jacobian_make(struct jacobian *jacobian, struct arena *arena, struct report *report,
                   const struct graph *graph, node_id of, node_id by) {
  *jacobian = (struct jacobian){.of = of, .by = by};
  jacobian->of_shape = graph_node(graph, of)->shape;
  jacobian->by_shape = graph_node(graph, by)->shape;
  return check_size(jacobian, arena, report, graph) && plan_rows(jacobian, arena, report, graph);
}

/* ---- Hessians ---------------------------------------------------------------------------- */

/* Of the nodes from `by` to `of`, those that a gradient of `of` flows to on its way to `by`, or to
 * any node that depends on it. */
static bool *mark_dependent(struct arena *arena, const struct graph *graph, node_id of,
                            node_id by) {
  bool *depends = ARENA_ARRAY(arena, bool, (size_t)(of - by) + 1);
  depends[0] = true;
  for (node_id id = by + 1; id <= of && by < of; id++) {
    const struct node *node = graph_node(graph, id);
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count && !depends[id - by]; k++)
      depends[id - by] = inputs[k] >= by && depends[inputs[k] - by] && graph_flows(graph, node, k);
  }
  return depends;
}

/* A derivative with respect to two nodes of which one depends on the other means nothing. */
static bool check_apart(struct arena *arena, struct report *report, const struct graph *graph,
                        node_id a, node_id b) {
  node_id first = a < b ? a : b, last = a < b ? b : a;
  if (first == last || !mark_dependent(arena, graph, last, first)[last - first]) return true;
  report_add(report, graph_node(graph, last)->mark, BP(MIXED_DERIVATIVE),
             name_of(arena, graph, last), name_of(arena, graph, first));
  return false;
}

/* All ops between have a second derivative. */
static bool check_twice(struct arena *arena, struct report *report, const struct graph *graph,
                        node_id of, node_id by) {
  if (by > of) return true;
  const bool *depends = mark_dependent(arena, graph, of, by);
  bool fine = true;
  for (node_id id = by + 1; id <= of && by < of; id++) {
    const struct node *node = graph_node(graph, id);
    if (!depends[id - by] || !node->op->once) continue;
    report_add(report, node->mark, BP(ONCE), node->op->name);
    fine = false;
  }
  return fine;
}

bool hessian_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *graph, const struct vocabulary *words, node_id of,
                  node_id upstream, node_id a, node_id b) {
  *hessian = (struct jacobian){.of = a, .by = b};
  hessian->of_shape = graph_node(graph, a)->shape;
  hessian->by_shape = graph_node(graph, b)->shape;
  if (!check_size(hessian, arena, report, graph) || !check_apart(arena, report, graph, a, b) ||
      !check_twice(arena, report, graph, of, a))
    return false;
  struct rules rules;
  graph_copy(&hessian->graph, arena, report, graph);
  rules_init(&rules, &hessian->graph, words);
  hessian->of = derive_gradient(&rules, of, a, upstream);
  if (hessian->of == NODE_NONE || !derive_missing(&rules)) return false;
  return plan_rows(hessian, arena, report, &hessian->graph);
}

/* ---- computing --------------------------------------------------------------------------- */

double *jacobian_start(struct jacobian *jacobian, node_id start) {
  size_t at = jacobian->plan.value[start];
  return at == PLACE_NONE ? NULL : jacobian->run.values + at;
}

bool jacobian_reaches(const struct jacobian *jacobian) {
  return run_bar(&jacobian->run, jacobian->by) != NULL;
}

/* Row by row: what 1 from above at one entry of P sends down to S. */
static bool compute_rows(struct jacobian *jacobian, double *out) {
  const double *bar = run_bar(&jacobian->run, jacobian->by);
  const size_t columns = jacobian->by_shape->size;
  for (size_t i = 0; i < jacobian->of_shape->size; i++, out += columns) {
    jacobian->seed[i] = 1;
    bool done = run_backward(&jacobian->run, jacobian->seed);
    jacobian->seed[i] = 0;
    if (!done) return false;
    memcpy(out, bar, columns * sizeof *out);
  }
  return true;
}

bool jacobian_compute(struct jacobian *jacobian, double *out) {
  size_t size = jacobian->of_shape->size * jacobian->by_shape->size;
  if (!run_forward(&jacobian->run)) return false;
  if (jacobian_reaches(jacobian)) return compute_rows(jacobian, out);
  if (size) memset(out, 0, size * sizeof *out);
  return true;
}
