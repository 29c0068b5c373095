#include "engine/jacobian.h"

#include <string.h>

#include "derive/gradient.h"

/* ---- what is asked for ------------------------------------------------------------------- */

static const char *name_of(struct arena *arena, const struct graph *graph, node_id id) {
  struct text text;
  text_init(&text, arena, NULL, NULL);
  graph_print_name(graph, id, &text);
  return text_string(&text);
}

bool matrix_fits(struct arena *arena, struct report *report, const struct graph *graph, node_id of,
                 const char *by, double entries, bool second) {
  const double wanted = sizeof(double) * entries, there = (double)machine_memory();
  if (wanted <= there) return true;
  struct text texts[2];
  for (int i = 0; i < 2; i++) text_init(&texts[i], arena, NULL, NULL);
  text_bytes(&texts[0], wanted);
  text_bytes(&texts[1], there);
  const char *name = name_of(arena, graph, of);
  report_add(report, graph_node(graph, of)->mark, BP(JACOBIAN_TOO_LARGE), second ? "second " : "",
             name, by, text_string(&texts[0]), text_string(&texts[1]));
  if (second)
    report_hint(report, "its products with vectors need none of it: --times");
  else
    report_hint(report, "gradients need none of it: bpgraph eval --of %s --upstream ...", name);
  return false;
}

static bool check_size(const struct jacobian *jacobian, struct arena *arena, struct report *report,
                       const struct graph *graph, node_id of, bool second) {
  const double rows = (double)jacobian->p.shape->size, columns = (double)jacobian->s.shape->size;
  return matrix_fits(arena, report, graph, of, name_of(arena, graph, jacobian->by), rows * columns,
                     second);
}

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

/* Whether all ops between have a second derivative; says which have none, unless `report` is NULL. */
static bool check_twice(struct arena *arena, struct report *report, const struct graph *graph,
                        node_id of, node_id by) {
  if (by > of) return true;
  const bool *depends = mark_dependent(arena, graph, of, by);
  bool fine = true;
  for (node_id id = by + 1; id <= of && by < of; id++) {
    const struct node *node = graph_node(graph, id);
    if (!depends[id - by] || !node->op->once) continue;
    if (report) report_add(report, node->mark, BP(ONCE), node->op->name);
    fine = false;
  }
  return fine;
}

/* ---- structure --------------------------------------------------------------------------- */

enum { MIXED = -1, UNSEEN = -2 };

/* The axis of a node that an axis of one of its inputs becomes. */
static int8_t follow_axis(const struct graph *graph, const struct node *node, unsigned input,
                          int8_t axis, const struct shape **x) {
  if (axis < 0 || !node->op->apart) return MIXED;
  const node_id *inputs = graph_inputs(graph, node);
  for (unsigned k = 0; k < node->count; k++) x[k] = graph_node(graph, inputs[k])->shape;
  return (int8_t)node->op->apart(node->attr, node->shape, x, input, (unsigned)axis);
}

/* One input's axes as those of the node; where two inputs disagree, the axis is mixed. */
static void merge_axes(const struct graph *graph, const struct node *node, unsigned input,
                       const int8_t *from, int8_t *to, unsigned rank, const struct shape **x) {
  for (unsigned i = 0; i < rank; i++) {
    int8_t axis = follow_axis(graph, node, input, from[i], x);
    to[i] = to[i] == UNSEEN || to[i] == axis ? axis : MIXED;
  }
}

/* Follows the axes of S through the graph: which of them every op on the way keeps apart. */
static void pair_axes(struct jacobian *jacobian, struct arena *arena, const struct graph *graph,
                      const bool *depends) {
  const node_id by = jacobian->by, of = jacobian->of;
  const unsigned rank = jacobian->s.shape->rank;
  const size_t count = (size_t)(of - by) + 1;
  int8_t *axes = arena_resize(arena, NULL, count * rank + 1);
  const struct shape **x = NULL;
  size_t room = 0;
  memset(axes, UNSEEN, count * rank + 1);
  for (unsigned i = 0; i < rank; i++) axes[i] = (int8_t)i;
  for (node_id id = by + 1; id <= of && rank; id++) {
    const struct node *node = graph_node(graph, id);
    const node_id *inputs = graph_inputs(graph, node);
    if (!depends[id - by]) continue;
    x = vec_reserve(arena, x, node->count, &room, sizeof(const struct shape *));
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= by && depends[inputs[k] - by] && graph_flows(graph, node, k))
        merge_axes(graph, node, k, axes + (size_t)(inputs[k] - by) * rank,
                   axes + (size_t)(id - by) * rank, rank, x);
  }
  memcpy(jacobian->axis, axes + (count - 1) * rank, rank);
  arena_release(arena, axes);
}

/* The offsets of all entries along some axes, with 0 along the others. */
static size_t *list_offsets(struct arena *arena, const struct shape *shape, uint32_t axes,
                            size_t *count) {
  size_t stride[RANK_MOST], step = 1, filled = 1;
  *count = 1;
  for (unsigned i = shape->rank; i-- > 0; step *= (size_t)shape->dim[i]) {
    stride[i] = step;
    if (axes >> i & 1) *count *= (size_t)shape->dim[i];
  }
  size_t *offsets = arena_resize(arena, NULL, (*count + 1) * sizeof *offsets);
  offsets[0] = 0;
  /* The last axis varies fastest: each axis, from the last, repeats what is there already. */
  for (unsigned i = shape->rank; i-- > 0 && *count;) {
    if (!(axes >> i & 1)) continue;
    for (size_t at = 1; at < (size_t)shape->dim[i]; at++)
      for (size_t k = 0; k < filled; k++) offsets[at * filled + k] = offsets[k] + at * stride[i];
    filled *= (size_t)shape->dim[i];
  }
  return offsets;
}

static void list_entries(struct entries *entries, struct arena *arena) {
  entries->free = list_offsets(arena, entries->shape, ~entries->pairs, &entries->free_count);
  entries->paired = list_offsets(arena, entries->shape, entries->pairs, &entries->paired_count);
}

/* Finds out whether there is a path at all, and the structure. */
static void find_structure(struct jacobian *jacobian, struct arena *arena,
                           const struct graph *graph) {
  memset(jacobian->axis, MIXED, sizeof jacobian->axis);
  if (jacobian->by <= jacobian->of) {
    const bool *depends = mark_dependent(arena, graph, jacobian->of, jacobian->by);
    jacobian->reaches = depends[jacobian->of - jacobian->by];
    if (jacobian->reaches) pair_axes(jacobian, arena, graph, depends);
  }
  for (unsigned i = 0; i < jacobian->s.shape->rank; i++) {
    if (jacobian->axis[i] < 0) continue;
    jacobian->s.pairs |= 1U << i;
    jacobian->p.pairs |= 1U << jacobian->axis[i];
  }
  list_entries(&jacobian->p, arena);
  list_entries(&jacobian->s, arena);
}

/* ---- making ------------------------------------------------------------------------------ */

static bool plan_rows(struct jacobian *jacobian, struct arena *arena, struct report *report,
                      const struct graph *graph) {
  const struct plan_options options = {
      .output = jacobian->of, .wrt = &jacobian->by, .wrt_count = 1, .own_starts = true};
  if (!plan_make(&jacobian->plan, arena, report, graph, &options)) return false;
  jacobian->room = arena_buffer(arena, jacobian->p.shape->size * sizeof *jacobian->room);
  return true;
}

/* A start node of zeros. */
static node_id add_start(struct graph *graph, const struct shape *shape) {
  double *value = arena_resize(graph->arena, NULL, (shape->size + 1) * sizeof *value);
  memset(value, 0, shape->size * sizeof *value);
  return graph_start(graph, ROLE_INPUT, shape, value, (struct mark){0, 0});
}

/* The derivative of P along a direction of S as a node.  The gradient u -> sum(u dP/dS) is linear in
 * u: its own derivative by u, with v from above, is dP/dS v. */
static node_id derive_column(struct jacobian *jacobian, const struct vocabulary *words) {
  struct graph *graph = &jacobian->graph;
  struct rules rules;
  rules_init(&rules, graph, words);
  node_id upstream = add_start(graph, jacobian->p.shape);
  node_id gradient = derive_gradient(&rules, jacobian->of, jacobian->by, upstream);
  jacobian->seed = add_start(graph, jacobian->s.shape);
  if (gradient == NODE_NONE) return NODE_NONE;
  return derive_gradient(&rules, gradient, upstream, jacobian->seed);
}

/* False where a rule on the way cannot be differentiated, or all would not fit into memory: rows it
 * is then, and nobody needs to know. */
static bool plan_columns(struct jacobian *jacobian, struct arena *arena, const struct graph *graph,
                         const struct vocabulary *words) {
  struct report quiet;
  struct graph before = jacobian->graph; /* a Hessian's has its gradient in it */
  report_init(&quiet, arena);
  graph_copy(&jacobian->graph, arena, &quiet, graph == &jacobian->graph ? &before : graph);
  node_id column = derive_column(jacobian, words);
  const struct plan_options options = {
      .output = column, .own_starts = true, .again = jacobian->seed};
  if (column != NODE_NONE && plan_make(&jacobian->plan, arena, &quiet, &jacobian->graph, &options))
    return true;
  jacobian->graph = before;
  return false;
}

/* Columns are computed by the rules' ops, rows by kernels made for the purpose, which are faster. */
static bool prefers_columns(const struct jacobian *jacobian) {
  return jacobian->p.free_count > 2 * jacobian->s.free_count + 2;
}

static bool prepare(struct jacobian *jacobian, struct arena *arena, struct report *report,
                    const struct graph *graph, const struct vocabulary *words) {
  find_structure(jacobian, arena, graph);
  jacobian->columns = jacobian->reaches && prefers_columns(jacobian) &&
                      check_twice(arena, NULL, graph, jacobian->of, jacobian->by) &&
                      plan_columns(jacobian, arena, graph, words);
  if (!jacobian->columns && !plan_rows(jacobian, arena, report, graph)) return false;
  run_make(&jacobian->run, arena, &jacobian->plan);
  jacobian->sweeps = jacobian->columns ? jacobian->s.free_count : jacobian->p.free_count;
  const size_t each = jacobian->columns ? jacobian->p.shape->size : jacobian->s.shape->size;
  jacobian->blocks = arena_buffer(arena, (jacobian->sweeps * each + 1) * sizeof(double));
  return true;
}

static void start(struct jacobian *jacobian, const struct graph *graph, node_id of, node_id by) {
  *jacobian = (struct jacobian){.of = of, .by = by};
  jacobian->p.shape = graph_node(graph, of)->shape;
  jacobian->s.shape = graph_node(graph, by)->shape;
}

bool jacobian_make(struct jacobian *jacobian, struct arena *arena, struct report *report,
                   const struct graph *graph, const struct vocabulary *words, node_id of,
                   node_id by) {
  start(jacobian, graph, of, by);
  return check_size(jacobian, arena, report, graph, of, false) &&
         prepare(jacobian, arena, report, graph, words);
}

/* ---- Hessians ---------------------------------------------------------------------------- */

/* A derivative with respect to two nodes of which one depends on the other means nothing. */
static bool check_apart(struct arena *arena, struct report *report, const struct graph *graph,
                        node_id a, node_id b) {
  node_id first = a < b ? a : b, last = a < b ? b : a;
  if (first == last || !mark_dependent(arena, graph, last, first)[last - first]) return true;
  report_add(report, graph_node(graph, last)->mark, BP(MIXED_DERIVATIVE),
             name_of(arena, graph, last), name_of(arena, graph, first));
  return false;
}

/* dL/da as a node of a copy of the graph; false after a report. */
static bool derive_first(struct jacobian *hessian, struct arena *arena, struct report *report,
                         const struct graph *graph, const struct vocabulary *words, node_id of,
                         const double *upstream, node_id a) {
  struct rules rules;
  if (!check_twice(arena, report, graph, of, a)) return false;
  graph_copy(&hessian->graph, arena, report, graph);
  rules_init(&rules, &hessian->graph, words);
  node_id above = NODE_NONE;
  if (upstream) {
    const struct shape *shape = graph_node(graph, of)->shape;
    above = add_start(&hessian->graph, shape);
    memcpy(graph_node(&hessian->graph, above)->value, upstream, shape->size * sizeof *upstream);
  }
  hessian->of = derive_gradient(&rules, of, a, above);
  return hessian->of != NODE_NONE && derive_missing(&rules);
}

bool hessian_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *graph, const struct vocabulary *words, node_id of,
                  const double *upstream, node_id a, node_id b) {
  start(hessian, graph, a, b);
  return check_size(hessian, arena, report, graph, of, true) &&
         check_apart(arena, report, graph, a, b) &&
         derive_first(hessian, arena, report, graph, words, of, upstream, a) &&
         prepare(hessian, arena, report, &hessian->graph, words);
}

bool product_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *graph, const struct vocabulary *words, node_id of,
                  const double *upstream, node_id a) {
  start(hessian, graph, a, a);
  if (!derive_first(hessian, arena, report, graph, words, of, upstream, a) ||
      !plan_rows(hessian, arena, report, &hessian->graph))
    return false;
  run_make(&hessian->run, arena, &hessian->plan);
  return true;
}

/* ---- computing --------------------------------------------------------------------------- */

double *jacobian_start(struct jacobian *jacobian, node_id start_node) {
  size_t at = jacobian->plan.value[start_node];
  return at == PLACE_NONE ? NULL : jacobian->run.values + at;
}

/* Sets the entries that a sweep starts from, one a block. */
static void set_seed(double *seed, const struct entries *entries, size_t sweep, double value) {
  for (size_t k = 0; k < entries->paired_count; k++)
    seed[entries->free[sweep] + entries->paired[k]] = value;
}

static bool sweep_rows(struct jacobian *jacobian) {
  const double *bar = run_bar(&jacobian->run, jacobian->by);
  const size_t size = jacobian->s.shape->size;
  double *to = jacobian->blocks;
  for (size_t i = 0; i < jacobian->sweeps; i++, to += size) {
    set_seed(jacobian->room, &jacobian->p, i, 1);
    bool done = run_backward(&jacobian->run, jacobian->room);
    set_seed(jacobian->room, &jacobian->p, i, 0);
    if (!done) return false;
    memcpy(to, bar, size * sizeof *to);
  }
  return true;
}

static bool sweep_columns(struct jacobian *jacobian) {
  const double *value = run_value(&jacobian->run, jacobian->plan.output);
  const size_t size = jacobian->p.shape->size;
  double *to = jacobian->blocks, *seed = jacobian_start(jacobian, jacobian->seed);
  for (size_t i = 0; i < jacobian->sweeps; i++, to += size) {
    if (seed) set_seed(seed, &jacobian->s, i, 1);
    bool done = run_again(&jacobian->run);
    if (seed) set_seed(seed, &jacobian->s, i, 0);
    if (!done) return false;
    memcpy(to, value, size * sizeof *to);
  }
  return true;
}

bool jacobian_sweep(struct jacobian *jacobian) {
  if (!run_forward(&jacobian->run)) return false;
  if (!jacobian->reaches || !jacobian->p.shape->size || !jacobian->s.shape->size) return true;
  return jacobian->columns ? sweep_columns(jacobian) : sweep_rows(jacobian);
}

/* The Hessian is symmetric: what the vector from above sends down is the product. */
bool product_compute(struct jacobian *hessian, const double *vector, double *product) {
  if (!run_forward(&hessian->run) || !run_backward(&hessian->run, vector)) return false;
  const double *bar = run_bar(&hessian->run, hessian->by);
  for (size_t i = 0; i < hessian->s.shape->size; i++) product[i] = bar ? bar[i] : 0;
  return true;
}

/* The sweep that brings an entry: its place among the free ones. */
static size_t find_sweep(const struct entries *entries, const int64_t *index) {
  size_t sweep = 0;
  for (unsigned axis = 0; axis < entries->shape->rank; axis++)
    if (!(entries->pairs >> axis & 1))
      sweep = sweep * (size_t)entries->shape->dim[axis] + (size_t)index[axis];
  return sweep;
}

/* Where the entries of S are that are on the paired axes where row i is. */
static size_t find_block(const struct jacobian *jacobian, const int64_t *index) {
  const struct shape *s = jacobian->s.shape;
  size_t at = 0, stride = 1;
  for (unsigned axis = s->rank; axis-- > 0; stride *= (size_t)s->dim[axis])
    if (jacobian->axis[axis] >= 0) at += (size_t)index[jacobian->axis[axis]] * stride;
  return at;
}

void jacobian_row(const struct jacobian *jacobian, size_t i, double *row) {
  const struct entries *s = &jacobian->s;
  const size_t rows = jacobian->p.shape->size, columns = s->shape->size;
  int64_t index[RANK_MOST];
  memset(row, 0, columns * sizeof *row);
  if (!jacobian->reaches) return;
  unravel(jacobian->p.shape, i, index);
  const size_t first = find_block(jacobian, index);
  const double *bar = jacobian->blocks;
  if (!jacobian->columns) bar += find_sweep(&jacobian->p, index) * columns;
  for (size_t k = 0; k < s->free_count; k++) {
    const size_t at = first + s->free[k];
    row[at] = jacobian->columns ? bar[k * rows + i] : bar[at];
  }
}

/* Whether an entry lies in a block. */
static bool is_inside(const struct jacobian *jacobian, const int64_t *p, const int64_t *s) {
  for (unsigned axis = 0; axis < jacobian->s.shape->rank; axis++)
    if (jacobian->axis[axis] >= 0 && p[jacobian->axis[axis]] != s[axis]) return false;
  return true;
}

void jacobian_column(const struct jacobian *jacobian, size_t j, double *column) {
  const size_t rows = jacobian->p.shape->size, columns = jacobian->s.shape->size;
  int64_t p[RANK_MOST], s[RANK_MOST];
  memset(column, 0, rows * sizeof *column);
  unravel(jacobian->s.shape, j, s);
  const double *from = jacobian->blocks;
  if (jacobian->columns) from += find_sweep(&jacobian->s, s) * rows;
  for (size_t i = 0; jacobian->reaches && i < rows; i++) {
    unravel(jacobian->p.shape, i, p);
    if (is_inside(jacobian, p, s))
      column[i] = jacobian->columns ? from[i] : from[find_sweep(&jacobian->p, p) * columns + j];
  }
}

bool jacobian_compute(struct jacobian *jacobian, double *out) {
  if (!jacobian_sweep(jacobian)) return false;
  for (size_t i = 0; i < jacobian->p.shape->size; i++)
    jacobian_row(jacobian, i, out + i * jacobian->s.shape->size);
  return true;
}
