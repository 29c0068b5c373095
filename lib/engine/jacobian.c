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

enum { MIXED = -1, UNSEEN = -2, FEW_ROWS = 4 };

/* Follows the axes of nodes through a graph: which of them every op on the way keeps apart. */
struct follower {
  struct arena *arena;
  const struct graph *graph;
  node_id by, of;
  unsigned rank;       /* of `by` */
  const bool *depends; /* by .. of */
  int8_t *axes;        /* by .. of, `rank` of each: which axis it has become */
  bool inside;         /* of a rule: rules in it are not looked into */
};

static void follow_axes(struct follower *f, int8_t *axes);

/* The axis of a node that axis `axis` of its input becomes, by the author's own rule.  That hands the
 * gradient of the node on to the input: what it keeps apart, the derivative keeps apart. */
static int8_t follow_rule(const struct follower *f, node_id id, unsigned input, int8_t axis) {
  size_t count;
  const struct derivative *rule = graph_derivatives(f->graph, id, &count);
  int8_t axes[RANK_MOST];
  while (count && rule->input != input) rule++, count--;
  if (!count || f->inside || rule->gradient < rule->upstream) return MIXED;
  struct follower inner = {.arena = f->arena, .graph = f->graph, .inside = true};
  inner.by = rule->upstream, inner.of = rule->gradient;
  follow_axes(&inner, axes);
  for (unsigned i = 0; i < inner.rank; i++)
    if (axes[i] == axis) return (int8_t)i;
  return MIXED;
}

static int8_t follow_axis(const struct follower *f, node_id id, unsigned input, int8_t axis,
                          const struct shape **x) {
  const struct node *node = graph_node(f->graph, id);
  const node_id *inputs = graph_inputs(f->graph, node);
  if (axis < 0) return MIXED;
  if (!node->op->apart) return follow_rule(f, id, input, axis);
  for (unsigned k = 0; k < node->count; k++) x[k] = graph_node(f->graph, inputs[k])->shape;
  return (int8_t)node->op->apart(node->attr, node->shape, x, input, (unsigned)axis);
}

/* One input's axes as those of the node; where two inputs disagree, the axis is mixed. */
static void merge_axes(const struct follower *f, node_id id, unsigned input, node_id from,
                       const struct shape **x) {
  int8_t *to = f->axes + (size_t)(id - f->by) * f->rank;
  const int8_t *axes = f->axes + (size_t)(from - f->by) * f->rank;
  for (unsigned i = 0; i < f->rank; i++) {
    int8_t axis = follow_axis(f, id, input, axes[i], x);
    to[i] = to[i] == UNSEEN || to[i] == axis ? axis : MIXED;
  }
}

/* Writes the axis of `of` that each axis of `by` has become; MIXED where no path leads there. */
static void follow_axes(struct follower *f, int8_t *axes) {
  f->rank = graph_node(f->graph, f->by)->shape->rank;
  const size_t count = (size_t)(f->of - f->by) + 1;
  const struct shape **x = NULL;
  size_t room = 0;
  if (!f->depends) f->depends = mark_dependent(f->arena, f->graph, f->of, f->by);
  f->axes = arena_resize(f->arena, NULL, count * f->rank + 1);
  memset(f->axes, UNSEEN, count * f->rank + 1);
  for (unsigned i = 0; i < f->rank; i++) f->axes[i] = (int8_t)i;
  for (node_id id = f->by + 1; id <= f->of && f->rank; id++) {
    const struct node *node = graph_node(f->graph, id);
    const node_id *inputs = graph_inputs(f->graph, node);
    if (!f->depends[id - f->by]) continue;
    x = vec_reserve(f->arena, x, node->count, &room, sizeof(const struct shape *));
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= f->by && f->depends[inputs[k] - f->by] && graph_flows(f->graph, node, k))
        merge_axes(f, id, k, inputs[k], x);
  }
  for (unsigned i = 0; i < f->rank; i++) {
    axes[i] = f->axes[(count - 1) * f->rank + i];
    if (axes[i] == UNSEEN) axes[i] = MIXED;
  }
  arena_release(f->arena, x);
  arena_release(f->arena, f->axes);
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

/* So few rows that nothing is to be gained. */
static bool is_trivial(const struct jacobian *jacobian) {
  return jacobian->s.shape->rank == 0 && jacobian->p.shape->size <= FEW_ROWS;
}

/* Finds out whether there is a path at all, and the structure. */
static void find_structure(struct jacobian *jacobian, struct arena *arena, struct arena *work,
                           const struct graph *graph) {
  memset(jacobian->axis, MIXED, sizeof jacobian->axis);
  if (jacobian->by <= jacobian->of && !is_trivial(jacobian)) {
    const bool *depends = mark_dependent(work, graph, jacobian->of, jacobian->by);
    jacobian->reaches = depends[jacobian->of - jacobian->by];
    struct follower follower = {
        .arena = work, .graph = graph, .by = jacobian->by, .of = jacobian->of, .depends = depends};
    if (jacobian->reaches) follow_axes(&follower, jacobian->axis);
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

/* Plans the gradient of P by several nodes. */
static struct passes *plan_rows(struct arena *work, struct report *report,
                                const struct graph *graph, node_id of, size_t count,
                                const node_id *by) {
  struct passes *passes = ARENA_NEW(work, struct passes);
  const struct plan_options options = {
      .output = of, .wrt = by, .wrt_count = count, .own_starts = true};
  if (!plan_make(&passes->plan, work, report, graph, &options)) return NULL;
  run_make(&passes->run, work, &passes->plan);
  const size_t size = graph_node(graph, of)->shape->size;
  passes->room = arena_buffer(work, size * sizeof *passes->room);
  return passes;
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
static bool plan_columns(struct jacobian *jacobian, struct arena *work, const struct graph *graph,
                         const struct vocabulary *words) {
  struct report *quiet = ARENA_NEW(work, struct report);
  struct passes *passes = ARENA_NEW(work, struct passes);
  struct graph before = jacobian->graph; /* a Hessian's has its gradient in it */
  report_init(quiet, work);
  graph_copy(&jacobian->graph, work, quiet, graph == &jacobian->graph ? &before : graph);
  node_id column = derive_column(jacobian, words);
  const struct plan_options options = {
      .output = column, .own_starts = true, .again = jacobian->seed};
  if (column != NODE_NONE && plan_make(&passes->plan, work, quiet, &jacobian->graph, &options)) {
    run_make(&passes->run, work, &passes->plan);
    jacobian->passes = passes;
    return true;
  }
  jacobian->graph = before;
  return false;
}

/* Columns are computed by the rules' ops, rows by kernels made for the purpose, which are faster. */
static bool prefers_columns(const struct jacobian *jacobian) {
  return jacobian->p.free_count > 2 * jacobian->s.free_count + 2;
}

/* Finds the structure and the direction, and plans the columns if it is these. */
static void choose(struct jacobian *jacobian, struct arena *arena, struct arena *work,
                   const struct graph *graph, const struct vocabulary *words) {
  find_structure(jacobian, arena, work, graph);
  jacobian->columns = jacobian->reaches && prefers_columns(jacobian) &&
                      check_twice(work, NULL, graph, jacobian->of, jacobian->by) &&
                      plan_columns(jacobian, work, graph, words);
  jacobian->sweeps = jacobian->columns ? jacobian->s.free_count : jacobian->p.free_count;
  const size_t each = jacobian->columns ? jacobian->p.shape->size : jacobian->s.shape->size;
  jacobian->blocks = arena_buffer(arena, (jacobian->sweeps * each + 1) * sizeof(double));
}

static void use_rows(struct jacobian *jacobian, struct passes *passes) {
  jacobian->passes = passes;
  jacobian->reaches = run_bar(&passes->run, jacobian->by) != NULL;
}

static bool prepare(struct jacobian *jacobian, struct arena *arena, struct report *report,
                    const struct graph *graph, const struct vocabulary *words) {
  choose(jacobian, arena, arena, graph, words);
  if (jacobian->columns) return true;
  struct passes *passes = plan_rows(arena, report, graph, jacobian->of, 1, &jacobian->by);
  if (passes) use_rows(jacobian, passes);
  return passes != NULL;
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
  if (!graph_node(graph, last)->op || first == last) return true;
  if (!mark_dependent(arena, graph, last, first)[last - first]) return true;
  report_add(report, graph_node(graph, last)->mark, BP(MIXED_DERIVATIVE),
             name_of(arena, graph, last), name_of(arena, graph, first));
  return false;
}

static bool check_nodes(struct arena *arena, struct report *report, const struct graph *graph,
                        node_id of, size_t count, const node_id *by) {
  bool fine = true;
  for (size_t a = 0; a < count; a++) {
    fine = check_twice(arena, report, graph, of, by[a]) && fine;
    for (size_t b = a + 1; b < count; b++)
      fine = check_apart(arena, report, graph, by[a], by[b]) && fine;
  }
  return fine;
}

static node_id add_upstream(struct graph *graph, node_id of, const double *upstream) {
  if (!upstream) return NODE_NONE;
  const struct shape *shape = graph_node(graph, of)->shape;
  const node_id id = add_start(graph, shape);
  memcpy(graph_node(graph, id)->value, upstream, shape->size * sizeof *upstream);
  return id;
}

bool gradients_make(struct graph *derived, struct arena *arena, struct report *report,
                    const struct graph *graph, const struct vocabulary *words, node_id of,
                    const double *upstream, size_t count, const node_id *by, node_id *gradients) {
  struct rules rules;
  struct gradients found;
  if (!check_nodes(arena, report, graph, of, count, by)) return false;
  graph_copy(derived, arena, report, graph);
  rules_init(&rules, derived, words);
  const struct seed seed = {of, add_upstream(derived, of, upstream)};
  if (!derive_gradients(&rules, NULL, 1, &seed, count, by, &found)) return false;
  for (size_t i = 0; i < count; i++) {
    gradients[i] = gradient_of(&found, by[i]);
    if (gradients[i] == NODE_NONE)
      gradients[i] = add_start(derived, graph_node(graph, by[i])->shape);
  }
  return derive_missing(&rules);
}

bool blocks_make(struct jacobian *blocks, struct arena *arena, struct arena *work,
                 struct report *report, const struct graph *derived, const struct vocabulary *words,
                 node_id gradient, size_t count, const node_id *by) {
  node_id *rows = ARENA_ARRAY(work, node_id, count + 1);
  size_t row_count = 0;
  for (size_t i = 0; i < count; i++) {
    start(&blocks[i], derived, gradient, by[i]);
    choose(&blocks[i], arena, work, derived, words);
    if (!blocks[i].columns) rows[row_count++] = by[i];
  }
  struct passes *passes = plan_rows(work, report, derived, gradient, row_count, rows);
  for (size_t i = 0; passes && i < count; i++)
    if (!blocks[i].columns) use_rows(&blocks[i], passes);
  return passes != NULL;
}

bool hessian_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *graph, const struct vocabulary *words, node_id of,
                  const double *upstream, node_id a, node_id b) {
  start(hessian, graph, a, b);
  return check_size(hessian, arena, report, graph, of, true) &&
         check_apart(arena, report, graph, a, b) &&
         gradients_make(&hessian->graph, arena, report, graph, words, of, upstream, 1, &a,
                        &hessian->of) &&
         prepare(hessian, arena, report, &hessian->graph, words);
}

bool product_make(struct jacobian *hessian, struct arena *arena, struct report *report,
                  const struct graph *derived, node_id gradient, node_id a) {
  start(hessian, derived, gradient, a);
  struct passes *passes = plan_rows(arena, report, derived, gradient, 1, &a);
  if (passes) use_rows(hessian, passes);
  return passes != NULL;
}

/* ---- computing --------------------------------------------------------------------------- */

double *jacobian_start(struct jacobian *jacobian, node_id start_node) {
  return run_start(&jacobian->passes->run, start_node);
}

/* Sets the entries that a sweep starts from, one a block. */
static void set_seed(double *seed, const struct entries *entries, size_t sweep, double value) {
  for (size_t k = 0; k < entries->paired_count; k++)
    seed[entries->free[sweep] + entries->paired[k]] = value;
}

/* Whether one sweep by rows is good for both. */
static bool shares_rows(const struct jacobian *a, const struct jacobian *b) {
  return b->passes == a->passes && b->reaches && b->p.pairs == a->p.pairs;
}

static bool has_entries(const struct jacobian *jacobian) {
  return jacobian->reaches && jacobian->p.shape->size && jacobian->s.shape->size;
}

static void keep_row(struct jacobian *jacobian, size_t sweep) {
  const double *bar = run_bar(&jacobian->passes->run, jacobian->by);
  const size_t size = jacobian->s.shape->size;
  if (size) memcpy(jacobian->blocks + sweep * size, bar, size * sizeof *bar);
}

/* The rows of the first, and of those of the others that share them. */
static bool sweep_rows(struct jacobian *first, size_t count) {
  struct passes *passes = first->passes;
  for (size_t i = 0; i < first->sweeps; i++) {
    set_seed(passes->room, &first->p, i, 1);
    bool done = run_backward(&passes->run, passes->room);
    set_seed(passes->room, &first->p, i, 0);
    if (!done) return false;
    for (size_t k = 0; k < count; k++)
      if (shares_rows(first, &first[k])) keep_row(&first[k], i);
  }
  return true;
}

static bool sweep_columns(struct jacobian *jacobian) {
  struct run *run = &jacobian->passes->run;
  const double *value = run_value(run, jacobian->passes->plan.output);
  const size_t size = jacobian->p.shape->size;
  double *to = jacobian->blocks, *seed = run_start(run, jacobian->seed);
  if (!run_forward(run)) return false;
  for (size_t i = 0; i < jacobian->sweeps; i++, to += size) {
    if (seed) set_seed(seed, &jacobian->s, i, 1);
    bool done = run_again(run);
    if (seed) set_seed(seed, &jacobian->s, i, 0);
    if (!done) return false;
    memcpy(to, value, size * sizeof *to);
  }
  return true;
}

/* Whether a block's rows came with those of one before it. */
static bool is_swept(const struct jacobian *blocks, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (has_entries(&blocks[k]) && shares_rows(&blocks[i], &blocks[k])) return true;
  return false;
}

/* Whether the values are there: blocks before it share the run. */
static bool is_forward(const struct jacobian *blocks, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (blocks[k].passes == blocks[i].passes) return true;
  return false;
}

bool blocks_sweep(struct jacobian *blocks, size_t count, size_t *failed) {
  for (size_t i = 0; i < count; i++) {
    struct jacobian *block = &blocks[i];
    *failed = i;
    if (block->columns) {
      if (!sweep_columns(block)) return false;
    } else {
      if (!is_forward(blocks, i) && !run_forward(&block->passes->run)) return false;
      if (!has_entries(block) || is_swept(blocks, i)) continue;
      if (!sweep_rows(block, count - i)) return false;
    }
  }
  return true;
}

bool jacobian_sweep(struct jacobian *jacobian) {
  size_t failed;
  return blocks_sweep(jacobian, 1, &failed);
}

/* The Hessian is symmetric: what the vector from above sends down is the product. */
bool product_compute(struct jacobian *hessian, const double *vector, double *product) {
  struct run *run = &hessian->passes->run;
  if (!run_forward(run) || !run_backward(run, vector)) return false;
  const double *bar = run_bar(run, hessian->by);
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
