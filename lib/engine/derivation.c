#include "engine/derivation.h"

#include <string.h>

#include "base/utf8.h"
#include "engine/evaluate.h"

static const char *name_of(const struct derivation *d, node_id id) {
  struct text text;
  text_init(&text, d->arena, NULL, NULL);
  graph_print_name(&d->graph, id, &text);
  return text_string(&text);
}

static const char *shape_of(const struct derivation *d, node_id id) {
  struct text text;
  struct dims dims = shape_dims(graph_node(&d->graph, id)->shape);
  text_init(&text, d->arena, NULL, NULL);
  dims_print(&dims, &text);
  return text_string(&text);
}

/* ---- what is asked for ------------------------------------------------------------------- */

/* The constant that the file's `upstream` is an alias of, or NODE_NONE. */
static node_id find_constant(const struct derivation *d, const double *value) {
  const struct net *net = d->net;
  if (net->upstream == NODE_NONE || graph_node(&d->graph, net->upstream)->value != value)
    return NODE_NONE;
  const struct node *upstream = graph_node(&d->graph, net->upstream);
  for (size_t i = 0; i < net->definitions.count; i++) {
    node_id id = net->definitions.at[i].node;
    const struct node *node = graph_node(&d->graph, id);
    if (node->role == ROLE_CONSTANT && node->shape == upstream->shape &&
        node->mark.start == upstream->mark.start)
      return id;
  }
  return NODE_NONE;
}

/* A start node of the derived net, with the shape of another one. */
static node_id add_constant(struct derivation *d, node_id like, double *value) {
  const struct node *node = graph_node(&d->graph, like);
  return graph_start(&d->graph, ROLE_CONSTANT, node->shape, value, node->mark);
}

static bool take_upstream(struct derivation *d, const double *value) {
  const struct node *of = graph_node(&d->graph, d->of);
  d->upstream = NODE_NONE;
  if (value) {
    d->upstream = find_constant(d, value);
    if (d->upstream != NODE_NONE) return true;
    double *copy = arena_resize(d->arena, NULL, (of->shape->size + 1) * sizeof *copy);
    memcpy(copy, value, of->shape->size * sizeof *copy);
    d->upstream = add_constant(d, d->of, copy);
    *vec_push(d->arena, &d->given) = (struct quantity){d->of, d->upstream};
    return true;
  }
  if (of->shape->size == 1) return true;
  report_add(d->net->report, of->mark, BP(NEEDS_UPSTREAM), name_of(d, d->of), shape_of(d, d->of));
  report_hint(d->net->report, "say what comes from above: upstream: [...], or --upstream");
  return false;
}

static struct rules *make_rules(struct derivation *d) {
  struct rules *rules = ARENA_NEW(d->arena, struct rules);
  rules_init(rules, &d->graph, &d->net->words);
  return rules;
}

/* ---- backward ---------------------------------------------------------------------------- */

static void keep(struct derivation *d, node_id node, node_id derivative) {
  *vec_push(d->arena, &d->all) = (struct quantity){node, derivative};
}

static void report_unreached(struct derivation *d, node_id id) {
  const struct node *node = graph_node(&d->graph, id);
  if (node->role == ROLE_PARAMETER)
    report_add(d->net->report, node->mark, BP(UNREACHED), name_of(d, id));
}

/* Takes up what is asked for; where it is one number throughout, as a person would write that. */
static bool want(struct derivation *d, node_id node, node_id derivative) {
  struct simplifier *s = &d->simplifier;
  double number = 0;
  bool filled = derivative == NODE_NONE || is_number(s, derivative, &number);
  bool tensor = graph_node(&d->graph, node)->shape->rank > 0;
  if (derivative == NODE_NONE && !tensor)
    derivative = simplify(s, graph_literal(&d->graph, 0, graph_node(&d->graph, node)->mark));
  else if (derivative == NODE_NONE || (filled && tensor && (number == 0 || number == 1)))
    derivative = make_filled(s, simplify(s, node), number == 1);
  *vec_push(d->arena, &d->wanted) = (struct quantity){node, derivative};
  return derivative != NODE_NONE;
}

static bool derive_backward(struct derivation *d, const struct result *asked) {
  struct rules *rules = make_rules(d);
  const struct seed seed = {d->of, d->upstream};
  struct gradients gradients;
  if (!derive_gradients(rules, &d->simplifier, 1, &seed, asked->wrt.count, asked->wrt.at,
                        &gradients))
    return false;
  for (node_id id = gradients.end; id-- > gradients.first;)
    if (gradient_of(&gradients, id) != NODE_NONE) keep(d, id, gradient_of(&gradients, id));
  for (size_t i = 0; i < asked->wrt.count; i++) {
    node_id id = asked->wrt.at[i], gradient = gradient_of(&gradients, id);
    if (asked->indexed && asked->indexed[id]) continue; /* it has none */
    if (gradient == NODE_NONE) report_unreached(d, id);
    if (!want(d, id, gradient)) return false;
  }
  if (d->wanted.count) return true;
  report_add(d->net->report, graph_node(&d->graph, d->of)->mark, BP(NO_GRADIENT), name_of(d, d->of),
             "there is no input or parameter that it could have one by");
  return false;
}

/* ---- forward ----------------------------------------------------------------------------- */

/* How far the name reaches at the start of "NAME=VALUE"; 0 where it is a value alone. */
static size_t named_part(const char *text) {
  size_t size = 0;
  for (size_t length; (length = utf8_name(text + size, strlen(text + size))) != 0; size++) {
    size += length;
    if (text[size] == '=' && text[size + 1] != '=') return size;
    if (text[size] != '.') return 0;
  }
  return 0;
}

static bool fail_forward(struct derivation *d, const char *text, const char *why) {
  struct report *report = d->net->report;
  text = arena_copy(report->arena, text, strlen(text));
  struct source *source = report_source(report, "--forward", text, strlen(text));
  report_add(report, source_mark(source, text, strlen(text)), BP(WRONG_KIND), why);
  report_hint(report, "write --forward NAME=VALUE, once for every node that moves");
  return false;
}

/* The names in front of the directions, with commas between, as --wrt has them; NULL where there
 * are none. */
static bool join_names(struct derivation *d, const struct derivation_options *options,
                       const char **names) {
  struct text text;
  text_init(&text, d->arena, NULL, NULL);
  *names = options->wrt;
  for (size_t i = 0; i < options->forward_count; i++) {
    const char *forward = options->forward[i];
    size_t size = named_part(forward);
    if (!size && options->forward_count > 1)
      return fail_forward(d, forward, "of several directions each needs a name");
    if (!size) return true;
    if (i) text_char(&text, ',');
    text_add(&text, forward, size);
  }
  if (options->wrt)
    return fail_forward(d, options->forward[0], "the directions say themselves what moves");
  *names = text_string(&text);
  return true;
}

/* Reads the directions, before the graph is copied: their numbers are nodes of the net. */
static bool read_directions(struct derivation *d, const struct result *asked,
                            const struct derivation_options *options) {
  for (size_t i = 0; i < options->forward_count; i++) {
    const char *text = options->forward[i];
    size_t size = named_part(text);
    node_id id = net_option_value(d->net, "--forward", size ? text + size + 1 : text);
    if (id == NODE_NONE) return false;
    *vec_push(d->arena, &d->given) = (struct quantity){asked->wrt.at[i], id};
  }
  return true;
}

static bool check_direction(const struct derivation *d, const struct quantity *given) {
  const struct node *direction = graph_node(&d->graph, given->derivative);
  if (direction->shape == graph_node(&d->graph, given->node)->shape) return true;
  report_add(d->net->report, direction->mark, BP(DIRECTION_SHAPE), shape_of(d, given->derivative),
             name_of(d, given->node), shape_of(d, given->node));
  return false;
}

/* The derivatives of the nodes that were given a gradient by the first sweep. */
static void keep_moves(struct derivation *d, const struct gradients *first,
                       const struct gradients *second) {
  for (node_id id = first->first; id < first->end; id++) {
    node_id moves = gradient_of(second, gradient_of(first, id));
    bool given = false;
    for (size_t i = 0; i < d->given.count; i++) given = given || d->given.at[i].node == id;
    if (moves != NODE_NONE && !given) keep(d, id, moves);
  }
}

/* That the gradients of named nodes' gradients are kept: these are how the nodes move. */
static void keep_named(struct derivation *d, const struct gradients *first) {
  bool *keeps = ARENA_ARRAY(d->arena, bool, d->graph.nodes.count);
  for (node_id id = first->first; id < first->end; id++) {
    node_id gradient = gradient_of(first, id);
    if (gradient != NODE_NONE && graph_node(&d->graph, id)->name) keeps[gradient] = true;
  }
  d->simplifier.keeps = keeps;
  d->simplifier.kept_end = d->graph.nodes.count;
}

/* The rules themselves are differentiated, by what comes from above. */
static bool check_twice(const struct derivation *d, const struct gradients *first) {
  for (node_id id = first->first; id < first->end; id++) {
    const struct node *node = graph_node(&d->graph, id);
    if (gradient_of(first, id) == NODE_NONE || !node->op || !node->op->once) continue;
    report_add(d->net->report, node->mark, BP(ONCE), node->op->name);
    return false;
  }
  return true;
}

/* Whether an author's rule is linear in upstream, as far as can be seen: the gradient depends on it,
 * and nothing that does not is added to what does. */
static bool is_linear(const struct derivation *d, const struct derivative *rule) {
  const struct op *const *ops = d->net->words.ops;
  bool *depends = ARENA_ARRAY(d->arena, bool, (size_t)(rule->end - rule->first) + 1);
  for (node_id id = rule->first; id < rule->end; id++) {
    const struct node *node = graph_node(&d->graph, id);
    const node_id *inputs = graph_inputs(&d->graph, node);
    unsigned count = 0;
    for (unsigned k = 0; k < node->count; k++)
      count += inputs[k] >= rule->first && depends[inputs[k] - rule->first];
    depends[id - rule->first] = count > 0 || id == rule->upstream;
    bool sum = node->op && (node->op == ops[SYMBOL_ADD] || node->op == ops[SYMBOL_SUB]);
    if (sum && count && count < node->count) return false;
  }
  bool inside = rule->gradient >= rule->first && rule->gradient < rule->end;
  return inside && depends[rule->gradient - rule->first];
}

static bool check_linear(const struct derivation *d, const struct gradients *first) {
  for (size_t i = 0; i < d->net->graph.derivatives.count; i++) {
    const struct derivative *rule = &d->net->graph.derivatives.at[i];
    const struct node *node = graph_node(&d->graph, rule->node);
    bool own = vocabulary_find(&d->net->words, node->op->name, strlen(node->op->name)) != node->op;
    if (!own || gradient_of(first, rule->node) == NODE_NONE || is_linear(d, rule)) continue;
    report_add(d->net->report, node->mark, BP(NOT_LINEAR));
    return false;
  }
  return true;
}

/* A derivative along directions by two sweeps backward.  The first, from a stand-in u for what
 * comes from above, gives u J, which is linear in u; the derivative of (u J) . v by u is J v, and
 * that by the gradient of any node is how that node moves.  Nothing of u is left in it. */
static bool derive_forward(struct derivation *d, const struct result *asked) {
  struct rules *rules = make_rules(d);
  const struct node *of = graph_node(&d->graph, d->of);
  VEC(struct seed) seeds = {0};
  struct gradients first, second;
  node_id u = graph_start(&d->graph, ROLE_INPUT, of->shape, NULL, of->mark);
  const struct seed above = {d->of, u};
  if (!derive_gradients(rules, NULL, 1, &above, asked->wrt.count, asked->wrt.at, &first))
    return false;
  for (size_t i = 0; i < d->given.count; i++) {
    struct quantity *given = &d->given.at[i];
    if (!check_direction(d, given)) return false;
    given->derivative =
        add_constant(d, given->node, graph_node(&d->graph, given->derivative)->value);
    node_id gradient = gradient_of(&first, given->node);
    if (gradient == NODE_NONE)
      report_unreached(d, given->node);
    else
      *vec_push(d->arena, &seeds) = (struct seed){gradient, given->derivative};
  }
  if (!check_twice(d, &first) || !check_linear(d, &first)) return false;
  keep_named(d, &first);
  if (!derive_gradients(rules, &d->simplifier, seeds.count, seeds.at, 1, &u, &second)) return false;
  keep_moves(d, &first, &second);
  return want(d, d->of, gradient_of(&second, u));
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool fail_count(struct derivation *d, const struct result *asked,
                       const struct derivation_options *options) {
  bool few = asked->wrt.count < options->forward_count;
  return fail_forward(d, options->forward[0],
                      few ? "a node has one direction"
                          : "this could be the direction of several nodes");
}

bool derive_net(struct derivation *d, struct arena *arena, struct net *net,
                const struct derivation_options *options) {
  *d = (struct derivation){.net = net, .arena = arena, .forward = options->forward_count > 0};
  d->upstream = NODE_NONE;
  struct evaluate_options choice = {.of = options->of, .upstream = options->upstream};
  choice.wrt = options->wrt;
  choice.no_gradients = true; /* that some are missing is an error here */
  struct result asked;
  const double *upstream;
  if (d->forward && options->upstream)
    return fail_forward(d, options->forward[0], "in forward mode nothing comes from above");
  if (d->forward && !join_names(d, options, &choice.wrt)) return false;
  if (!evaluate_choose(&asked, arena, net, &choice, &d->of, &upstream)) return false;
  if (d->forward && asked.wrt.count != options->forward_count)
    return fail_count(d, &asked, options);
  if (d->forward && !read_directions(d, &asked, options)) return false;
  graph_copy(&d->graph, arena, net->report, &net->graph);
  simplifier_init(&d->simplifier, &d->graph, &net->words);
  if (d->forward) return derive_forward(d, &asked);
  return take_upstream(d, upstream) && derive_backward(d, &asked);
}
