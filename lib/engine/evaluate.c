#include "engine/evaluate.h"

#include <math.h>
#include <string.h>

/* ---- what is asked for ------------------------------------------------------------------- */

static const char *name_of(const struct result *result, node_id id) {
  struct text text;
  text_init(&text, result->arena, NULL, NULL);
  graph_print_name(&result->net->graph, id, &text);
  return text_string(&text);
}

static const char *shape_text(const struct result *result, const struct shape *shape) {
  struct text text;
  struct dims dims = shape_dims(shape);
  text_init(&text, result->arena, NULL, NULL);
  dims_print(&dims, &text);
  return text_string(&text);
}

/* An option's value, for messages to point into. */
static struct source *option_source(struct net *net, const char *option, const char *text) {
  size_t size = strlen(text);
  return report_source(net->report, option, arena_copy(net->arena, text, size), size);
}

/* The node that a part of an option names. */
static node_id option_node(struct net *net, const struct source *source, const char *name,
                           size_t size) {
  node_id id = net_find(net, name, size);
  if (id != NODE_NONE) return id;
  struct mark mark = source_mark(source, name, size);
  if (!size) {
    report_add(net->report, mark, BP(WRONG_KIND), "the name of a node is expected here");
    return NODE_NONE;
  }
  report_add(net->report, mark, BP(NOT_A_NODE), report_quote(net->report, name, size));
  const char *nearest = net_nearest(net, name, size);
  if (nearest) report_hint(net->report, "did you mean '%s'?", nearest);
  return NODE_NONE;
}

/* Finds the nodes that serve as integers only: they have users, and all take them as an index. */
static void find_indexed(struct result *result) {
  const struct graph *graph = &result->net->graph;
  size_t count = graph->nodes.count;
  if (!graph->has_indices) return;
  bool *otherwise = ARENA_ARRAY(result->arena, bool, count);
  result->indexed = ARENA_ARRAY(result->arena, bool, count);
  for (size_t i = 0; i < count; i++) {
    const struct node *node = graph_node(graph, (node_id)i);
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (graph_takes_index(graph, node, k))
        result->indexed[inputs[k]] = true;
      else
        otherwise[inputs[k]] = true;
  }
  for (size_t i = 0; i < count; i++) result->indexed[i] = result->indexed[i] && !otherwise[i];
}

const char *result_why_no_gradient(const struct result *result, node_id id) {
  const struct node *node = graph_node(&result->net->graph, id);
  if (node->role == ROLE_CONSTANT || node->role == ROLE_LITERAL) return "it is a constant";
  return result->indexed && result->indexed[id] ? "it is used as an index only" : NULL;
}

static bool add_wrt(struct result *result, node_id id, struct mark mark) {
  struct net *net = result->net;
  const char *why = result_why_no_gradient(result, id);
  if (why) {
    report_add(net->report, mark, BP(NO_GRADIENT), name_of(result, id), why);
    return false;
  }
  if (!result->wrt_seen)
    result->wrt_seen = ARENA_ARRAY(result->arena, bool, net->graph.nodes.count + 1);
  if (result->wrt_seen[id]) return true; /* once is enough */
  result->wrt_seen[id] = true;
  *vec_push(result->arena, &result->wrt) = id;
  return true;
}

static bool take_wrt_option(struct result *result, const char *names) {
  struct source *source = option_source(result->net, "--wrt", names);
  bool fine = true, more = true;
  for (const char *name = source->bytes; more;) {
    size_t size = strcspn(name, ",");
    const char *next = name + size + 1;
    more = name[size] == ',';
    while (size && *name == ' ') name++, size--;
    while (size && name[size - 1] == ' ') size--;
    node_id id = option_node(result->net, source, name, size);
    fine = id != NODE_NONE && add_wrt(result, id, source_mark(source, name, size)) && fine;
    name = next;
  }
  return fine;
}

static bool take_wrt(struct result *result, const struct evaluate_options *options) {
  struct net *net = result->net;
  if (options->wrt) return take_wrt_option(result, options->wrt);
  bool fine = true;
  for (size_t i = 0; i < net->wrt.count; i++)
    fine = add_wrt(result, net->wrt.at[i], net->wrt_marks.at[i]) && fine;
  if (net->wrt_given) return fine;
  for (size_t i = 0; i < net->definitions.count; i++) {
    const struct definition *definition = &net->definitions.at[i];
    if (definition->section == SECTION_INPUTS || definition->section == SECTION_PARAMETERS)
      *vec_push(result->arena, &result->wrt) = definition->node;
  }
  return true;
}

/* The upstream gradient: the option's, the net's (for its own output), or 1 for one entry. */
static bool take_upstream(struct result *result, const struct evaluate_options *options,
                          node_id output, const double **upstream) {
  struct net *net = result->net;
  const struct shape *wanted = graph_node(&net->graph, output)->shape;
  node_id given = output == net->output ? net->upstream : NODE_NONE;
  *upstream = NULL;
  if (options->ones) return true;
  if (options->upstream) {
    given = net_option_value(net, "--upstream", options->upstream);
    if (given == NODE_NONE) return false;
  }
  if (given != NODE_NONE) {
    const struct node *node = graph_node(&net->graph, given);
    *upstream = node->value;
    if (node->shape == wanted) return true;
    report_add(net->report, node->mark, BP(UPSTREAM_SHAPE), shape_text(result, node->shape),
               name_of(result, output), shape_text(result, wanted));
    return false;
  }
  if (wanted->size == 1) return true;
  result->gradients = false;
  if (options->no_gradients) return true;
  report_add(net->report, graph_node(&net->graph, output)->mark, BP(NO_UPSTREAM),
             name_of(result, output), shape_text(result, wanted));
  report_hint(net->report, "say what comes from above: upstream: [...], or --upstream");
  return true;
}

/* ---- what there is to say ---------------------------------------------------------------- */

/* Prints "log(0)", or "matmul(W, x)" where the inputs are no single numbers. */
static void print_use(const struct result *result, node_id id, size_t index, struct text *out) {
  const struct graph *graph = &result->net->graph;
  const struct node *node = graph_node(graph, id);
  const node_id *inputs = graph_inputs(graph, node);
  text_printf(out, "%s(", node->op->name);
  for (unsigned k = 0; k < node->count; k++) {
    const struct shape *shape = graph_node(graph, inputs[k])->shape;
    const double *at = run_value(&result->run, inputs[k]);
    bool entry = shape->size == 1 || shape == node->shape;
    if (k) text_puts(out, ", ");
    if (entry && at)
      text_rounded(out, at[shape->size == 1 ? 0 : index], 6);
    else
      graph_print_name(graph, inputs[k], out);
  }
  text_char(out, ')');
}

static void print_index(const struct shape *shape, size_t index, struct text *out) {
  struct dims dims = {.rank = shape->rank};
  if (!shape->rank) return;
  unravel(shape, index, dims.at);
  dims_print(&dims, out);
}

/* The first entry that is NaN or infinite; the size where all are finite. */
static size_t find_not_finite(const double *at, size_t size) {
  enum { BLOCK = 512 };
  for (size_t from = 0; from < size; from += BLOCK) {
    size_t end = from + BLOCK < size ? from + BLOCK : size;
    double sum = 0; /* x - x is 0 for finite numbers, NaN for others */
    for (size_t i = from; i < end; i++) sum += at[i] - at[i];
    if (sum == 0) continue;
    for (size_t i = from; i < end; i++)
      if (!isfinite(at[i])) return i;
  }
  return size;
}

static size_t find_nan(const double *at, size_t size) {
  size_t i = 0;
  while (i < size && !isnan(at[i])) i++;
  return i;
}

typedef size_t find_fn(const double *at, size_t size);

static bool inputs_have(const struct result *result, const struct node *node, find_fn *find) {
  const node_id *inputs = graph_inputs(&result->net->graph, node);
  for (unsigned k = 0; k < node->count; k++) {
    size_t size = graph_node(&result->net->graph, inputs[k])->shape->size;
    if (find(run_value(&result->run, inputs[k]), size) < size) return true;
  }
  return false;
}

/* The entry at which a NaN or an infinity arises in a node: it has one, and its inputs have none.
 * Of start nodes only a NaN counts.  The size where nothing arises. */
static size_t find_origin(const struct result *result, const struct node *node, const double *at) {
  size_t size = node->shape->size, nan = find_nan(at, size);
  if (nan < size) return node->op && inputs_have(result, node, find_nan) ? size : nan;
  if (!node->op || inputs_have(result, node, find_not_finite)) return size;
  return find_not_finite(at, size);
}

/* Says where the first NaN or infinity arises among the values. */
static void report_not_finite(const struct result *result) {
  const struct graph *graph = &result->net->graph;
  size_t values = result->plan.values;
  if (find_not_finite(result->run.values, values) == values) return; /* as nearly always */
  for (size_t i = 0; i < result->plan.node_count; i++) {
    const struct node *node = graph_node(graph, (node_id)i);
    const double *at = run_value(&result->run, (node_id)i);
    if (!at || node->backward) continue;
    size_t index = find_origin(result, node, at);
    if (index == node->shape->size) continue;
    struct text text;
    text_init(&text, result->arena, NULL, NULL);
    graph_print_name(graph, (node_id)i, &text);
    print_index(node->shape, index, &text);
    if (node->op) {
      text_puts(&text, " = ");
      print_use(result, (node_id)i, index, &text);
    }
    text_puts(&text, " is ");
    text_number(&text, at[index]);
    report_add(result->net->report, node->mark, BP(NOT_FINITE), text_string(&text));
    return;
  }
}

static void report_gradients_not_finite(const struct result *result) {
  for (size_t i = 0; i < result->wrt.count; i++) {
    const double *at;
    node_id id = result->wrt.at[i];
    const struct node *node = graph_node(&result->net->graph, id);
    if (result_gradient(result, id, &at) != GRADIENT_HERE) continue;
    size_t index = find_not_finite(at, node->shape->size);
    if (index == node->shape->size) continue;
    struct text text;
    text_init(&text, result->arena, NULL, NULL);
    text_puts(&text, "the gradient of ");
    graph_print_name(&result->net->graph, id, &text);
    print_index(node->shape, index, &text);
    text_puts(&text, " is ");
    text_number(&text, at[index]);
    report_add(result->net->report, node->mark, BP(NOT_FINITE), text_string(&text));
    return;
  }
}

struct kink_list {
  struct kinks kinks; /* first, so that the callback finds the rest */
  struct result *result;
  node_id node;
  const bool *varies; /* of each node: it depends on an input or parameter */
  size_t before;      /* entries of result->undefined that are of other nodes */
};

static void add_kink(struct kinks *kinks, unsigned input, size_t index) {
  struct kink_list *list = (struct kink_list *)(void *)kinks;
  struct result *result = list->result;
  const struct graph *graph = &result->net->graph;
  node_id by = graph_inputs(graph, graph_node(graph, list->node))[input];
  if (!list->varies[by]) return; /* nobody moves an exponent that is a constant */
  struct undefined *found = NULL;
  for (size_t i = list->before; i < result->undefined.count; i++)
    if (result->undefined.at[i].input == input) found = &result->undefined.at[i];
  if (!found) {
    found = vec_push(result->arena, &result->undefined);
    *found = (struct undefined){.node = list->node, .input = input};
  }
  if (found->count < sizeof found->first / sizeof *found->first) found->first[found->count] = index;
  found->count++;
}

/* Which nodes depend on an input or parameter. */
static bool *find_varying(const struct result *result) {
  const struct graph *graph = &result->net->graph;
  bool *varies = ARENA_ARRAY(result->arena, bool, graph->nodes.count + 1);
  for (node_id id = 0; id < graph->nodes.count; id++) {
    const struct node *node = graph_node(graph, id);
    const node_id *inputs = graph_inputs(graph, node);
    varies[id] = node->role == ROLE_INPUT || node->role == ROLE_PARAMETER;
    for (unsigned k = 0; k < node->count && !varies[id]; k++) varies[id] = varies[inputs[k]];
  }
  return varies;
}

void result_find_kinks(struct result *result, node_id first) {
  if (!result->net->graph.has_kinks) return;
  const bool *varies = find_varying(result);
  for (size_t i = first; i < result->plan.node_count; i++) {
    const struct node *node = graph_node(&result->net->graph, (node_id)i);
    if (!node->op || !node->op->kinks || !run_bar(&result->run, (node_id)i)) continue;
    struct kink_list list = {.kinks = {add_kink}, .result = result, .node = (node_id)i};
    list.before = result->undefined.count;
    list.varies = varies;
    struct call call = run_own_call(&result->run, result->arena, (node_id)i);
    if (node->op->scratch) node->op->forward(&call); /* the scratch is forward's */
    node->op->kinks(&call, &list.kinks);
  }
}

static void report_unreached(const struct result *result) {
  const struct graph *graph = &result->net->graph;
  for (size_t i = 0; i < result->wrt.count; i++) {
    const double *at;
    node_id id = result->wrt.at[i];
    const struct node *node = graph_node(graph, id);
    if (node->role == ROLE_PARAMETER && result_gradient(result, id, &at) == GRADIENT_ZERO)
      report_add(result->net->report, node->mark, BP(UNREACHED), name_of(result, id));
  }
}

/* A node as its author wrote it: its name, or its part of an expression. */
static void print_written(const struct graph *graph, node_id id, struct text *out) {
  const struct node *node = graph_node(graph, id);
  if (node->name || !node->text.start)
    graph_print_name(graph, id, out);
  else
    graph_print_text(graph, id, out);
}

/* What it is that an index goes into: ": x is [2, 3]". */
static void print_table(const struct graph *graph, const struct node *node, unsigned index,
                        struct text *out) {
  if (index == 0) return;
  node_id table = graph_inputs(graph, node)[0];
  struct dims dims = shape_dims(graph_node(graph, table)->shape);
  text_puts(out, ": ");
  print_written(graph, table, out);
  text_puts(out, " is ");
  dims_print(&dims, out);
}

/* Which of a batch of matrices it is. */
static void print_matrix(const struct shape *shape, size_t index, struct text *out) {
  struct dims dims = {.rank = shape->rank};
  if (shape->rank < 3) return;
  unravel(shape, index, dims.at);
  dims.rank -= 2;
  dims_print(&dims, out);
}

void result_report_fault(const struct result *result) {
  const struct run *run = &result->run;
  const struct graph *graph = &result->net->graph;
  const struct node *node = graph_node(graph, run->fault_node);
  node_id input = graph_inputs(graph, node)[run->fault.input];
  const struct shape *shape = graph_node(graph, input)->shape;
  struct text text;
  text_init(&text, result->arena, NULL, NULL);
  text_printf(&text, "%s: ", node->op->name);
  print_written(graph, input, &text);
  if (graph_takes_index(graph, node, run->fault.input)) { /* i[1]: 7 is no index ... */
    print_index(shape, run->fault.index, &text);
    text_puts(&text, ": ");
    text_rounded(&text, run->fault.number, 17);
    text_printf(&text, " %s", run->fault.what);
    print_table(graph, node, run->fault.input, &text);
  } else { /* A is singular; its condition number is about 1e17 */
    print_matrix(shape, run->fault.index, &text);
    text_printf(&text, " %s ", run->fault.what);
    text_rounded(&text, run->fault.number, 3);
  }
  report_add(result->net->report, node->mark, BP(KERNEL_FAULT), text_string(&text));
}

static void forget_edges(struct result *result) {
  result->edges = ARENA_NEW(result->arena, struct edges);
  result->edges->node = NODE_NONE;
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool choose(struct result *result, const struct evaluate_options *options,
                   struct plan_options *plan, const double **upstream) {
  struct net *net = result->net;
  plan->output = net->output;
  if (options->of) {
    struct source *source = option_source(net, "--of", options->of);
    plan->output = option_node(net, source, source->bytes, source->size);
  }
  if (plan->output == NODE_NONE) return false;
  bool fine = take_upstream(result, options, plan->output, upstream);
  if (!take_wrt(result, options) || !fine) return false;
  result->upstream = *upstream;
  plan->all_values = options->all || options->table;
  plan->own_starts = options->own_starts;
  if (!result->gradients) return true;
  plan->wrt = result->wrt.at;
  plan->wrt_count = result->wrt.count;
  plan->all_gradients = options->all;
  return true;
}

static void start(struct result *result, struct arena *arena, struct net *net,
                  const struct evaluate_options *options) {
  *result = (struct result){.net = net, .arena = arena, .all = options->all};
  result->gradients = !options->no_gradients;
  forget_edges(result);
  find_indexed(result);
}

bool evaluate_choose(struct result *result, struct arena *arena, struct net *net,
                     const struct evaluate_options *options, node_id *output,
                     const double **upstream) {
  struct plan_options plan = {0};
  start(result, arena, net, options);
  bool fine = choose(result, options, &plan, upstream);
  *output = plan.output;
  return fine;
}

bool evaluate(struct result *result, struct arena *arena, struct net *net,
              const struct evaluate_options *options) {
  struct plan_options plan = {0};
  const double *upstream;
  start(result, arena, net, options);
  if (!choose(result, options, &plan, &upstream)) return false;
  if (!plan_make(&result->plan, arena, net->report, &net->graph, &plan)) return false;
  run_make(&result->run, arena, &result->plan);
  if (!run_forward(&result->run)) {
    result_report_fault(result);
    return false;
  }
  report_not_finite(result);
  if (!result->gradients) return true;
  if (!run_backward(&result->run, upstream)) {
    result_report_fault(result);
    return false;
  }
  result_find_kinks(result, 0);
  report_unreached(result);
  report_gradients_not_finite(result);
  return true;
}

/* ---- reading a result -------------------------------------------------------------------- */

struct result result_view(const struct result *result, struct arena *arena) {
  struct result view = *result;
  view.arena = arena;
  forget_edges(&view);
  return view;
}

enum gradient result_gradient(const struct result *result, node_id id, const double **at) {
  *at = NULL;
  if (!result->gradients) return GRADIENT_NULL;
  *at = run_bar(&result->run, id);
  if (*at) return GRADIENT_HERE;
  return result_why_no_gradient(result, id) ? GRADIENT_NULL : GRADIENT_ZERO;
}

bool result_has_edge(const struct result *result, node_id id, unsigned input) {
  const struct node *node = graph_node(&result->net->graph, id);
  node_id from = graph_inputs(&result->net->graph, node)[input];
  return run_bar(&result->run, id) && run_bar(&result->run, from) &&
         graph_flows(&result->net->graph, node, input);
}

/* What a derivative that is given as nodes came to in the backward pass. */
static void copy_derivative(const struct result *result, node_id id, unsigned input, double *out) {
  size_t count;
  const struct derivative *at = graph_derivatives(&result->net->graph, id, &count);
  for (; count--; at++) {
    if (at->input != input) continue;
    const struct shape *shape = graph_node(&result->net->graph, at->gradient)->shape;
    memcpy(out, run_value(&result->run, at->gradient), shape->size * sizeof *out);
  }
}

void result_edges(const struct result *result, node_id id, struct edges *edges) {
  *edges = (struct edges){.node = id, .call = run_own_call(&result->run, result->arena, id)};
  if (edges->call.scratch)
    edges->y = ARENA_ARRAY(result->arena, double, edges->call.y.shape->size + 1);
}

void edges_contribution(const struct result *result, const struct edges *edges, unsigned input,
                        bool local, double *out) {
  struct call call = edges->call;
  struct operand *operands = (struct operand *)call.x;
  memset(out, 0, operands[input].shape->size * sizeof *out);
  double one = 1;
  if (local) call.y.bar = &one;
  for (unsigned k = 0; k < call.count; k++) operands[k].bar = NULL, operands[k].fresh = false;
  operands[input].bar = out;
  if (call.scratch) { /* the backward kernel may want what forward left there */
    double *y = call.y.at;
    call.y.at = edges->y;
    call.op->forward(&call);
    call.y.at = y;
  }
  if (call.op->backward)
    call.op->backward(&call);
  else
    copy_derivative(result, edges->node, input, out);
}

void result_contribution(const struct result *result, node_id id, unsigned input, bool local,
                         double *out) {
  if (result->edges->node != id) result_edges(result, id, result->edges);
  edges_contribution(result, result->edges, input, local, out);
}

const struct shape *undefined_shape(const struct result *result, const struct undefined *at) {
  const struct graph *graph = &result->net->graph;
  const struct node *node = graph_node(graph, at->node);
  const struct shape *input = graph_node(graph, graph_inputs(graph, node)[at->input])->shape;
  return input->size >= node->shape->size ? input : node->shape;
}
