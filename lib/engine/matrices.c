#include "engine/matrices.h"

#include <math.h>
#include <string.h>

#include "tensor/blas.h"

static const struct mark nowhere = {0, 0};

static const char *name_of(const struct result *result, node_id id) {
  struct text text;
  text_init(&text, result->arena, NULL, NULL);
  graph_print_name(&result->net->graph, id, &text);
  return text_string(&text);
}

static const char *shape_of(const struct result *result, const struct shape *shape) {
  struct text text;
  struct dims dims = shape_dims(shape);
  text_init(&text, result->arena, NULL, NULL);
  dims_print(&dims, &text);
  return text_string(&text);
}

static bool check_one(const struct result *result, const char *what) {
  if (result->wrt.count == 1) return true;
  report_add(result->net->report, nowhere, BP(ONE_WRT), what, result->wrt.count);
  report_hint(result->net->report, "--wrt NODE says by which");
  return false;
}

static void report_no_path(const struct result *result, node_id of, node_id by) {
  const struct node *node = graph_node(&result->net->graph, by);
  if (node->role == ROLE_PARAMETER) return; /* which is warned about already */
  report_add(result->net->report, node->mark, BP(NO_PATH), name_of(result, by),
             name_of(result, of));
}

/* A result that shows what was derived as if it were a net of its own. */
static struct result view_derived(const struct result *result, const struct jacobian *jacobian,
                                  struct net *net) {
  *net = *result->net;
  net->graph = *jacobian->passes->plan.graph;
  net->graph.report = net->report;
  return (struct result){.net = net,
                         .arena = result->arena,
                         .plan = jacobian->passes->plan,
                         .run = jacobian->passes->run,
                         .gradients = true};
}

/* A kernel that cannot be computed is rarely met here first: the values were computed before. */
static bool report_fault(const struct result *result, const struct jacobian *jacobian) {
  struct net net;
  struct result view = view_derived(result, jacobian, &net);
  result_report_fault(&view);
  return false;
}

/* How many numbers the sweeps bring. */
static size_t block_size(const struct jacobian *jacobian) {
  const struct entries *entries = jacobian->columns ? &jacobian->p : &jacobian->s;
  return jacobian->reaches ? jacobian->sweeps * entries->shape->size : 0;
}

/* Says that second derivatives are not finite, and what the first is.  (Of first ones evaluate has
 * said so: they make the gradient.) */
static void report_not_finite(const struct result *result, const double *at, size_t size,
                              node_id by) {
  const struct node *node = graph_node(&result->net->graph, by);
  size_t i = 0;
  while (i < size && isfinite(at[i])) i++;
  if (i == size) return;
  struct text text;
  text_init(&text, result->arena, NULL, NULL);
  text_printf(&text, "a second derivative of %s by %s is ", name_of(result, result->plan.output),
              name_of(result, by));
  text_number(&text, at[i]);
  report_add(result->net->report, node->mark, BP(NOT_FINITE), text_string(&text));
}

/* ---- Jacobians --------------------------------------------------------------------------- */

bool find_jacobian(struct jacobian_result *answer, struct arena *arena, struct net *net,
                   const struct matrix_options *options) {
  const struct evaluate_options evaluation = {.of = options->of, .wrt = options->wrt, .ones = true};
  struct result *result = &answer->result;
  struct matrix *matrix = &answer->matrix;
  const double *upstream;
  if (!evaluate_choose(result, arena, net, &evaluation, &matrix->of, &upstream) ||
      !check_one(result, "a Jacobian"))
    return false;
  matrix->by = result->wrt.at[0];
  matrix->jacobian = ARENA_NEW(arena, struct jacobian);
  if (!jacobian_make(matrix->jacobian, arena, net->report, &net->graph, &net->words, matrix->of,
                     matrix->by) ||
      !evaluate(result, arena, net, &evaluation))
    return false;
  if (!matrix->jacobian->reaches) report_no_path(result, matrix->of, matrix->by);
  return jacobian_sweep(matrix->jacobian) || report_fault(result, matrix->jacobian);
}

/* ---- Hessians ---------------------------------------------------------------------------- */

static bool check_output(const struct result *result, node_id output, const double *upstream) {
  const struct node *node = graph_node(&result->net->graph, output);
  if (node->shape->size == 1 || upstream) return true;
  report_add(result->net->report, node->mark, BP(NO_HESSIAN), name_of(result, output),
             shape_of(result, node->shape));
  report_hint(result->net->report, "say what comes from above: upstream: [...], or --upstream");
  return false;
}

static size_t block_index(const struct hessian_result *answer, size_t a, size_t b) {
  return a * answer->count - a * (a + 1) / 2 + b;
}

const struct matrix *hessian_block(const struct hessian_result *answer, size_t a, size_t b) {
  return &answer->blocks[block_index(answer, a, b)];
}

static void count_entries(struct hessian_result *answer) {
  const struct result *result = &answer->result;
  answer->count = result->wrt.count;
  answer->size = 0;
  for (size_t i = 0; i < answer->count; i++)
    answer->size += graph_node(&result->net->graph, result->wrt.at[i])->shape->size;
}

/* "W and b" */
static const char *list_wrt(const struct hessian_result *answer) {
  struct text text;
  text_init(&text, answer->result.arena, NULL, NULL);
  for (size_t i = 0; i < answer->count; i++) {
    if (i) text_puts(&text, i + 1 < answer->count ? ", " : " and ");
    graph_print_name(&answer->result.net->graph, answer->result.wrt.at[i], &text);
  }
  return text_string(&text);
}

static bool check_memory(const struct hessian_result *answer, node_id output) {
  const struct result *result = &answer->result;
  const double size = (double)answer->size;
  return matrix_fits(result->arena, result->net->report, &result->net->graph, output,
                     list_wrt(answer), size * size, true);
}

/* Which node of wrt an entry belongs to; makes `i` the entry of that node. */
static size_t find_owner(const struct hessian_result *answer, size_t *i) {
  const struct result *result = &answer->result;
  for (size_t a = 0;; a++) {
    const size_t size = graph_node(&result->net->graph, result->wrt.at[a])->shape->size;
    if (*i < size) return a;
    *i -= size;
  }
}

void hessian_row(const struct hessian_result *answer, size_t i, double *row) {
  const size_t a = find_owner(answer, &i);
  for (size_t b = 0; b < answer->count; b++) {
    const bool turned = b < a;
    const struct matrix *block = hessian_block(answer, turned ? b : a, turned ? a : b);
    if (turned)
      jacobian_column(block->jacobian, i, row);
    else
      jacobian_row(block->jacobian, i, row);
    row += turned ? block->jacobian->p.shape->size : block->jacobian->s.shape->size;
  }
}

static void find_eigenvalues(struct hessian_result *answer) {
  const size_t n = answer->size;
  struct arena *arena = answer->result.arena;
  if (!n || n > EIGENVALUES_MOST) return;
  double *matrix = ARENA_ARRAY(arena, double, n *n), *room = ARENA_ARRAY(arena, double, 3 * n);
  double *values = ARENA_ARRAY(arena, double, n);
  for (size_t i = 0; i < n; i++) hessian_row(answer, i, matrix + i * n);
  for (size_t i = 0; i < n; i++) /* it is symmetric to rounding: the mean is so exactly */
    for (size_t k = 0; k < i; k++)
      matrix[i * n + k] = 0.5 * matrix[i * n + k] + 0.5 * matrix[k * n + i];
  if (symmetric_eigenvalues(n, matrix, values, room)) answer->eigenvalues = values;
}

const char *hessian_definiteness(const struct hessian_result *answer) {
  const double *values = answer->eigenvalues;
  if (!values) return NULL;
  const double low = values[0], high = values[answer->size - 1];
  const double zero = (double)answer->size * 0x1p-48 * fmax(fabs(low), fabs(high));
  if (low == 0 && high == 0) return "zero";
  if (low > zero) return "positive definite";
  if (high < -zero) return "negative definite";
  if (low >= -zero) return "positive semidefinite";
  return high <= zero ? "negative semidefinite" : "indefinite";
}

/* ---- places without a second derivative -------------------------------------------------- */

/* The nodes of the net by their places; `reported` for those without even a first derivative. */
static void list_places(const struct result *result, uint32_t reported, struct map *places) {
  const struct graph *graph = &result->net->graph;
  for (size_t i = 0; i < result->undefined.count; i++) {
    const struct mark *mark = &graph_node(graph, result->undefined.at[i].node)->mark;
    map_add(result->arena, places, (const char *)mark, sizeof *mark, reported);
  }
  for (node_id id = 0; id < graph->nodes.count; id++) {
    const struct node *node = graph_node(graph, id);
    if (node->op) map_add(result->arena, places, (const char *)&node->mark, sizeof node->mark, id);
  }
}

/* Looks for kinks among the nodes of the gradient, each of which stands where the node of the net
 * does that it comes from. */
static void report_second_kinks(const struct result *result, const struct jacobian *jacobian) {
  const struct graph *graph = &result->net->graph;
  struct net net;
  struct result view = view_derived(result, jacobian, &net);
  struct map places = {.capacity = 0};
  if (jacobian->columns || !jacobian->reaches) return;
  result_find_kinks(&view, (node_id)graph->nodes.count);
  if (view.undefined.count) list_places(result, NODE_NONE, &places);
  for (size_t i = 0; i < view.undefined.count; i++) {
    const struct undefined *at = &view.undefined.at[i];
    const struct mark mark = graph_node(&net.graph, at->node)->mark;
    const int64_t source = map_find(&places, (const char *)&mark, sizeof mark);
    if (source == MAP_NONE || source == NODE_NONE) continue;
    report_add(net.report, mark, BP(SECOND_UNDEFINED), graph_node(graph, (node_id)source)->op->name,
               at->count, at->count == 1 ? "entry" : "entries");
  }
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool take_vector(struct hessian_result *answer, const char *text) {
  const struct result *result = &answer->result;
  struct net *net = result->net;
  if (!text) return true;
  if (!check_one(result, "a product with a vector")) return false;
  const node_id by = result->wrt.at[0], given = net_option_value(net, "--times", text);
  if (given == NODE_NONE) return false;
  const struct node *node = graph_node(&net->graph, given);
  const struct shape *wanted = graph_node(&net->graph, by)->shape;
  answer->times = node->value;
  if (node->shape == wanted) return true;
  report_add(net->report, node->mark, BP(VECTOR_SHAPE), shape_of(result, node->shape),
             name_of(result, by), shape_of(result, wanted));
  return false;
}

static bool find_product(struct hessian_result *answer, const struct graph *derived,
                         node_id gradient) {
  struct result *result = &answer->result;
  struct jacobian hessian;
  if (!product_make(&hessian, result->arena, result->net->report, derived, gradient,
                    *result->wrt.at))
    return false;
  answer->product = arena_buffer(result->arena, (hessian.s.shape->size + 1) * sizeof(double));
  if (!product_compute(&hessian, answer->times, answer->product))
    return report_fault(result, &hessian);
  report_second_kinks(result, &hessian);
  report_not_finite(result, answer->product, hessian.s.shape->size, *result->wrt.at);
  return true;
}

/* The blocks (a, b), a <= b: from one gradient. */
static bool find_row(struct hessian_result *answer, const struct graph *derived, node_id gradient,
                     size_t a) {
  const struct result *result = &answer->result;
  const struct net *net = result->net;
  const size_t count = answer->count - a;
  const node_id *by = result->wrt.at + a;
  struct jacobian *blocks = ARENA_ARRAY(result->arena, struct jacobian, count);
  size_t failed;
  if (!blocks_make(blocks, result->arena, &answer->work, net->report, derived, &net->words,
                   gradient, count, by))
    return false;
  if (!blocks_sweep(blocks, count, &failed)) return report_fault(result, &blocks[failed]);
  report_second_kinks(result, &blocks[0]);
  for (size_t i = 0; i < count; i++) {
    answer->blocks[block_index(answer, a, a + i)] = (struct matrix){*by, by[i], &blocks[i]};
    report_not_finite(result, blocks[i].blocks, block_size(&blocks[i]), by[i]);
  }
  return true;
}

static bool find_blocks(struct hessian_result *answer, const struct graph *derived,
                        const node_id *gradients) {
  struct arena *arena = answer->result.arena;
  const size_t count = answer->count;
  answer->blocks = ARENA_ARRAY(arena, struct matrix, count * (count + 1) / 2 + 1);
  arena_init(&answer->work, arena->guard);
  bool fine = true;
  for (size_t a = 0; a < count && fine; a++) {
    fine = find_row(answer, derived, gradients[a], a);
    arena_free(&answer->work);
  }
  return fine;
}

void hessian_release(struct hessian_result *answer) { arena_free(&answer->work); }

static bool choose(struct hessian_result *answer, const struct matrix_options *options,
                   const struct evaluate_options *evaluation, struct arena *arena, struct net *net,
                   node_id *output, const double **upstream) {
  struct result *result = &answer->result;
  if (!evaluate_choose(result, arena, net, evaluation, output, upstream) ||
      !check_output(result, *output, *upstream) || !take_vector(answer, options->times))
    return false;
  count_entries(answer);
  return answer->times || check_memory(answer, *output);
}

bool find_hessian(struct hessian_result *answer, struct arena *arena, struct net *net,
                  const struct matrix_options *options) {
  struct evaluate_options evaluation = {
      .of = options->of, .upstream = options->upstream, .wrt = options->wrt, .no_gradients = true};
  struct result *result = &answer->result;
  const double *upstream;
  node_id output;
  *answer = (struct hessian_result){.times = NULL};
  if (!choose(answer, options, &evaluation, arena, net, &output, &upstream)) return false;
  struct graph *derived = ARENA_NEW(arena, struct graph);
  node_id *gradients = ARENA_ARRAY(arena, node_id, answer->count + 1);
  if (!gradients_make(derived, arena, net->report, &net->graph, &net->words, output, upstream,
                      answer->count, result->wrt.at, gradients))
    return false;
  evaluation.no_gradients = false;
  if (!evaluate(result, arena, net, &evaluation)) return false;
  if (answer->times) return find_product(answer, derived, *gradients);
  if (!find_blocks(answer, derived, gradients)) return false;
  find_eigenvalues(answer);
  return true;
}
