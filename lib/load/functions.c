#include "load/functions.h"

#include <string.h>

#include "derive/gradient.h"
#include "ops/kernel.h"
#include "ops/registry.h"

enum { CALLS_MOST = 64, CALLED_NODES_MOST = 10000000, CALLS_IN_ALL = 1000000 };
#define ID_UPSTREAM (UINT32_MAX - 1)
#define ID_OUTPUT (UINT32_MAX - 2)

/* A stretch of net->pool. */
struct syntax {
  size_t first;
  uint32_t count;
};

struct local {
  const char *name;
  const char *full; /* the same with a NUL after it */
  uint32_t size;
  tree_id key;
  struct syntax syntax; /* of a node; inputs have none */
  uint8_t state;        /* while the nodes are put in order */
};

/* The author's rule for one input. */
struct rule_of {
  unsigned input;
  struct syntax syntax;
  tree_id key;
};

struct function {
  struct op op; /* what a call with rules of its own ends in */
  struct map names;
  VEC(struct local) locals; /* inputs first */
  VEC(uint32_t) order;      /* of the nodes */
  VEC(struct rule_of) rules;
  struct syntax output;
  tree_id expect;       /* TREE_NONE: nothing is claimed */
  bool claims_matrices; /* there are Jacobians or Hessians among it */
  unsigned inputs;
  bool failed, open; /* open: a call of it is being lowered */
};

/* One call. */
struct instance {
  struct net *net;
  struct function *function;
  struct scope scope;
  node_id *values; /* of the locals */
  node_id upstream, body, output;
  const char *group; /* what its nodes are named after */
  size_t group_size;
};

static bool fail_at(struct net *net, tree_id id, enum diag diag, const char *format,
                    const char *text) {
  report_add(net->report, tree_mark(&net->tree, id), diag, format, text);
  return false;
}

/* ---- reading a function ------------------------------------------------------------------------- */

static bool add_local(struct net *net, struct function *function, tree_id key) {
  const char *name = tree_text(&net->tree, key);
  uint32_t size = tree_at(&net->tree, key)->size;
  if (tree_at(&net->tree, key)->kind != TREE_SCALAR)
    return fail_at(net, key, BP(WRONG_KIND), "a name is expected here");
  if (!check_name(net, key)) return false;
  int64_t before =
      map_add(net->arena, &function->names, name, size, (uint32_t)function->locals.count);
  if (before != MAP_NONE) {
    fail_at(net, key, BP(DUPLICATE_KEY), report_quote(net->report, name, size));
    report_see(net->report, tree_mark(&net->tree, function->locals.at[before].key),
               "it is defined here first");
    return false;
  }
  *vec_push(net->arena, &function->locals) = (struct local){
      .name = name, .full = arena_copy(net->arena, name, size), .size = size, .key = key};
  return true;
}

static bool add_inputs(struct net *net, struct function *function, tree_id list) {
  if (tree_at(&net->tree, list)->kind != TREE_LIST || !tree_at(&net->tree, list)->size)
    return fail_at(net, list, BP(WRONG_KIND), "inputs must be a list of names: [x]");
  bool fine = true;
  for (tree_id item = tree_first(&net->tree, list); item != TREE_NONE;
       item = tree_next(&net->tree, item))
    fine = add_local(net, function, item) && fine;
  function->inputs = (unsigned)function->locals.count;
  return fine;
}

static bool add_nodes(struct net *net, struct function *function, tree_id mapping) {
  if (mapping == TREE_NONE) return true;
  if (tree_at(&net->tree, mapping)->kind != TREE_MAPPING)
    return fail_at(net, mapping, BP(WRONG_KIND), "nodes must be a mapping: 'name: expression'");
  bool fine = true;
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    fine = add_local(net, function, key) && fine;
    key = tree_next(&net->tree, tree_next(&net->tree, key));
  }
  return fine;
}

bool resolve_in_function(struct net *net, struct expr_item *item, const struct expr_item *next) {
  /* As in the net: pi, inf, words of ops, or nothing. */
  bool known = is_known_word(item) || (next && item->word);
  bool outside = !known && map_find(&net->names, item->name, item->size) != MAP_NONE;
  bool fine = !outside && resolve_item(net, item, next);
  if (outside) {
    report_add(net->report, item->mark, BP(UNDEFINED_NAME),
               report_quote(net->report, item->name, item->size));
    report_hint(net->report, "a function sees its own inputs and nodes only");
  }
  item->id = UINT32_MAX;
  return fine;
}

/* Sets each name's local; `backward` knows two more. */
static bool resolve_locals(struct net *net, const struct function *function, size_t first,
                           bool backward) {
  bool fine = true;
  for (size_t i = first; i < net->pool.items.count; i++) {
    struct expr_item *item = &net->pool.items.at[i];
    if (item->kind != EXPR_NAME) continue;
    int64_t at = map_find(&function->names, item->name, item->size);
    item->id = at == MAP_NONE ? UINT32_MAX : (uint32_t)at;
    if (at != MAP_NONE) continue;
    if (backward && item->size == 8 && !memcmp(item->name, "upstream", 8)) {
      item->id = ID_UPSTREAM;
    } else if (backward && item->size == 6 && !memcmp(item->name, "output", 6)) {
      item->id = ID_OUTPUT;
    } else {
      const struct expr_item *next = i + 1 < net->pool.items.count ? item + 1 : NULL;
      fine = resolve_in_function(net, item, next) && fine;
    }
  }
  return fine;
}

static bool emit_local(struct net *net, const struct function *function, tree_id value,
                       bool backward, struct syntax *syntax) {
  syntax->first = net->pool.items.count;
  bool fine = emit_expression(net, value);
  if (fine) fine = resolve_locals(net, function, syntax->first, backward);
  syntax->count = (uint32_t)(net->pool.items.count - syntax->first);
  return fine;
}

static bool emit_nodes(struct net *net, struct function *function) {
  bool fine = true;
  for (size_t i = function->inputs; i < function->locals.count; i++) {
    struct local *local = &function->locals.at[i];
    fine =
        emit_local(net, function, tree_next(&net->tree, local->key), false, &local->syntax) && fine;
  }
  return fine;
}

/* The next local that a node needs and that is not in order yet; its own index where there is
 * none. */
static uint32_t needed_by(const struct net *net, const struct function *function, uint32_t index) {
  const struct syntax *syntax = &function->locals.at[index].syntax;
  for (uint32_t i = 0; i < syntax->count; i++) {
    const struct expr_item *item = &net->pool.items.at[syntax->first + i];
    if (item->kind == EXPR_NAME && item->id < function->locals.count && item->id != index &&
        item->id >= function->inputs && function->locals.at[item->id].state != STATE_BUILT)
      return item->id;
    if (item->kind == EXPR_NAME && item->id == index) return UINT32_MAX;
  }
  return index;
}

static bool report_cycle(struct net *net, const struct function *function, uint32_t index) {
  const struct local *local = &function->locals.at[index];
  const char *name = report_quote(net->report, local->name, local->size);
  struct text chain;
  text_init(&chain, net->arena, NULL, NULL);
  uint32_t at = index;
  for (int shown = 0; shown < 12; shown++) {
    const struct local *step = &function->locals.at[at];
    text_printf(&chain, "%s -> ", report_quote(net->report, step->name, step->size));
    at = needed_by(net, function, at);
    if (at == index || at == UINT32_MAX) break;
  }
  text_puts(&chain, name);
  report_add(net->report, tree_mark(&net->tree, local->key), BP(CYCLE), name, text_string(&chain));
  return false;
}

/* Depth first, with a stack of its own: a node is in order when all that it needs are. */
static bool order_nodes(struct net *net, struct function *function) {
  VEC(uint32_t) stack = {0};
  for (uint32_t i = function->inputs; i < function->locals.count; i++) {
    if (function->locals.at[i].state == STATE_BUILT) continue;
    *vec_push(net->arena, &stack) = i;
    while (stack.count) {
      uint32_t top = stack.at[stack.count - 1], needed = needed_by(net, function, top);
      if (needed == UINT32_MAX) return report_cycle(net, function, top);
      function->locals.at[top].state = STATE_FAILED; /* on the stack */
      if (needed == top) {
        function->locals.at[top].state = STATE_BUILT;
        *vec_push(net->arena, &function->order) = top;
        stack.count--;
      } else if (function->locals.at[needed].state == STATE_FAILED) {
        return report_cycle(net, function, needed);
      } else {
        *vec_push(net->arena, &stack) = needed;
      }
    }
  }
  return true;
}

static bool read_backward(struct net *net, struct function *function, tree_id mapping) {
  if (mapping == TREE_NONE) return true;
  if (tree_at(&net->tree, mapping)->kind != TREE_MAPPING)
    return fail_at(net, mapping, BP(WRONG_KIND), "backward must be a mapping: 'input: formula'");
  bool fine = true;
  struct map seen = {0};
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    const char *name = tree_text(&net->tree, key);
    uint32_t size = tree_at(&net->tree, key)->size;
    tree_id value = tree_next(&net->tree, key);
    int64_t input = map_find(&function->names, name, size);
    struct rule_of rule = {.key = key};
    if (map_add(net->arena, &seen, name, size, 0) != MAP_NONE) {
      fine = fail_at(net, key, BP(DUPLICATE_KEY), report_quote(net->report, name, size));
    } else if (input == MAP_NONE || input >= (int64_t)function->inputs) {
      fine = fail_at(net, key, BP(UNDEFINED_NAME), report_quote(net->report, name, size));
      report_hint(net->report, "backward has one formula for each input of the function");
    } else {
      rule.input = (unsigned)input;
      fine = emit_local(net, function, value, true, &rule.syntax) && fine;
      *vec_push(net->arena, &function->rules) = rule;
    }
    key = tree_next(&net->tree, value);
  }
  return fine;
}

static bool infer_first(struct infer *infer) {
  infer->y = infer->x[0];
  return true;
}

static void copy_first(const struct call *call) {
  memcpy(call->y.at, call->x[0].at, call->y.shape->size * sizeof *call->y.at);
}

/* Whether an `expect`, a block or a list of them, has Jacobians or Hessians. */
static bool claims_matrices(const struct tree *tree, tree_id expect) {
  if (expect == TREE_NONE || tree_at(tree, expect)->kind == TREE_SCALAR) return false;
  const bool list = tree_at(tree, expect)->kind == TREE_LIST;
  for (tree_id item = tree_first(tree, expect); item != TREE_NONE; item = tree_next(tree, item)) {
    if (list && claims_matrices(tree, item)) return true;
    if (!list && (tree_is(tree, item, "jacobians") || tree_is(tree, item, "hessians"))) return true;
    if (!list) item = tree_next(tree, item); /* the key's value */
  }
  return false;
}

static void read_function(struct net *net, tree_id key, tree_id body) {
  enum { INPUTS, NODES, OUTPUT, BACKWARD, EXPECT, DESCRIPTION, LABEL, KEYS };
  static const struct key keys[KEYS] = {
      {"inputs", true},  {"nodes", false},       {"output", true}, {"backward", false},
      {"expect", false}, {"description", false}, {"label", false}};
  tree_id found[KEYS];
  const char *name = tree_text(&net->tree, key);
  uint32_t size = tree_at(&net->tree, key)->size;
  if (!check_name(net, key)) return;
  struct function *function = ARENA_NEW(net->arena, struct function);
  int64_t before =
      map_add(net->arena, &net->function_names, name, size, (uint32_t)net->functions.count);
  if (before != MAP_NONE) {
    fail_at(net, key, BP(DUPLICATE_KEY), report_quote(net->report, name, size));
    return;
  }
  *vec_push(net->arena, &net->functions) = function;
  function->op = (struct op){.name = arena_copy(net->arena, name, size),
                             .family = "functions",
                             .meaning = "the author's own function",
                             .inputs = {"x"},
                             .least = 1,
                             .most = OP_ANY,
                             .infer = infer_first,
                             .forward = copy_first,
                             .parts = &entry_parts,
                             .linear = {LINEAR_ALL},
                             .wraps = true,
                             .rules = {"upstream"},
                             .code = {.same = true, .python = "x"}};
  function->failed = true;
  function->expect = TREE_NONE;
  if (!read_keys(net, body, "a function", keys, KEYS, found)) return;
  function->expect = found[EXPECT];
  function->claims_matrices = claims_matrices(&net->tree, found[EXPECT]);
  if (!add_inputs(net, function, found[INPUTS]) || !add_nodes(net, function, found[NODES])) return;
  bool fine = emit_nodes(net, function);
  fine = emit_local(net, function, found[OUTPUT], false, &function->output) && fine;
  fine = read_backward(net, function, found[BACKWARD]) && fine;
  function->failed = !(fine && order_nodes(net, function));
}

void read_functions(struct net *net, tree_id functions) {
  if (tree_at(&net->tree, functions)->kind != TREE_MAPPING) {
    fail_at(net, functions, BP(WRONG_KIND), "functions must be a mapping: 'name: function'");
    return;
  }
  for (tree_id key = tree_first(&net->tree, functions); key != TREE_NONE;) {
    tree_id body = tree_next(&net->tree, key);
    read_function(net, key, body);
    key = tree_next(&net->tree, body);
  }
}

/* ---- what others want to know of a function ------------------------------------------------------ */

const char *function_name(const struct function *function) { return function->op.name; }
tree_id function_expect(const struct function *function) { return function->expect; }
unsigned function_inputs(const struct function *function) { return function->inputs; }
unsigned function_locals(const struct function *function) {
  return (unsigned)function->locals.count;
}

int64_t function_local(const struct function *function, const char *name, size_t size) {
  return map_find(&function->names, name, size);
}

const char *function_local_name(const struct function *function, unsigned local) {
  return function->locals.at[local].full;
}

bool function_rule(const struct net *net, const struct function *function, size_t i,
                   unsigned *input, struct mark *mark) {
  if (i >= function->rules.count) return false;
  *input = function->rules.at[i].input;
  *mark = tree_mark(&net->tree, function->rules.at[i].key);
  return true;
}

/* ---- a call ------------------------------------------------------------------------------------- */

void enter_expression(struct net *net, const char *name, size_t size, const struct expr_item *items,
                      size_t count) {
  net->group = name;
  net->group_size = size;
  net->group_calls = 0;
  net->outermost = count ? &items[count - 1] : NULL;
  bool assertion = net->outermost && net->outermost->kind == EXPR_CALL &&
                   net->outermost->name[0] == CALL_SHAPE[0];
  if (!assertion) return;
  /* What is asserted stands before the list of sizes. */
  while (net->outermost > items && net->outermost->kind != EXPR_LIST) net->outermost--;
  size_t sizes = net->outermost->count;
  if (net->outermost >= items + sizes + 1) net->outermost -= sizes + 1;
}

static bool find_local(struct scope *scope, const struct expr_item *name, struct value *out) {
  const struct instance *instance = scope->context;
  node_id id = NODE_NONE;
  if (name->id == ID_UPSTREAM)
    id = instance->upstream;
  else if (name->id == ID_OUTPUT)
    id = instance->output;
  else if (name->id < instance->function->locals.count)
    id = instance->values[name->id];
  else
    return instance->net->scope.find(&instance->net->scope, name, out); /* pi, inf */
  if (id == NODE_NONE) return false;
  *out = make_node(id, name->mark, name->text);
  return true;
}

static enum outcome call_named(struct net *net, struct scope *scope, const struct expr_item *name,
                               struct value *arguments, size_t count, struct value *out);

static enum outcome call_in_body(struct scope *scope, const struct expr_item *name,
                                 struct value *arguments, size_t count, struct value *out) {
  struct instance *instance = scope->context;
  return call_named(instance->net, scope, name, arguments, count, out);
}

static bool find_member_in_body(struct scope *scope, const struct value *operand,
                                const struct expr_item *name, struct value *out) {
  struct instance *instance = scope->context;
  return find_member(&instance->net->scope, operand, name, out);
}

/* "group.name", kept with the net. */
static const char *join_names(struct net *net, const char *group, size_t group_size,
                              const char *name, size_t size) {
  char *joined = arena_alloc(net->arena, group_size + size + 2);
  memcpy(joined, group, group_size);
  joined[group_size] = '.';
  memcpy(joined + group_size + 1, name, size);
  return joined;
}

/* What the nodes of this call are named after. */
static void name_group(struct net *net, const struct expr_item *name, struct instance *instance) {
  instance->group = net->group;
  instance->group_size = net->group_size;
  if (name == net->outermost) return;
  for (unsigned number = ++net->group_calls;; number++) {
    struct text text;
    text_init(&text, net->arena, NULL, NULL);
    text_add(&text, net->group, net->group_size);
    text_char(&text, '.');
    text_add(&text, name->name, name->size);
    if (number > 1) text_printf(&text, "_%u", number);
    instance->group = text_string(&text);
    instance->group_size = text.count;
    /* A node inside a call may have that name, or another call. */
    if (map_find(&net->inner, instance->group, text.count) == MAP_NONE &&
        map_add(net->arena, &net->groups, instance->group, text.count, 0) == MAP_NONE)
      return;
  }
}

static bool lower_syntax(struct instance *instance, const struct syntax *syntax,
                         struct value *out) {
  struct net *net = instance->net;
  return lower_expr(&instance->scope, net->pool.items.at + syntax->first, syntax->count, out);
}

static node_id lower_local(struct instance *instance, const struct local *local) {
  struct net *net = instance->net;
  size_t size = instance->group_size + 1 + local->size;
  const char *full =
      join_names(net, instance->group, instance->group_size, local->name, local->size);
  enter_expression(net, full, size, net->pool.items.at + local->syntax.first, local->syntax.count);
  node_id first = (node_id)net->graph.nodes.count;
  struct value value;
  if (!lower_syntax(instance, &local->syntax, &value)) return NODE_NONE;
  node_id id = build_node(net, first, &value);
  if (id == NODE_NONE) return NODE_NONE;
  graph_name(&net->graph, id, full, size);
  map_add(net->arena, &net->inner, full, size, id);
  return id;
}

static bool is_covered(const struct function *function, unsigned input) {
  for (size_t i = 0; i < function->rules.count; i++)
    if (function->rules.at[i].input == input) return true;
  return false;
}

static node_id stop_gradient(struct net *net, node_id id, struct mark mark) {
  return graph_add(&net->graph, op_by_symbol("stop", 1), NULL, 1, &id, mark, (struct mark){0, 0});
}

/* One rule of `backward`, lowered: what flows from the call's node to its input `slot`. */
static bool lower_rule(struct instance *instance, const struct rule_of *rule, node_id input,
                       unsigned slot) {
  struct net *net = instance->net;
  struct graph *graph = &net->graph;
  struct derivative derivative = {.node = instance->output, .input = slot};
  const bool outer = graph->building_backward;
  graph->building_backward = true;
  derivative.first = (node_id)graph->nodes.count;
  const struct node *output = graph_node(graph, instance->output);
  derivative.upstream = graph_start(graph, ROLE_INPUT, output->shape, NULL, output->mark);
  instance->upstream = derivative.upstream;
  struct value value;
  bool fine = lower_syntax(instance, &rule->syntax, &value);
  derivative.gradient = fine ? value_node(&instance->scope, &value) : NODE_NONE;
  derivative.end = (node_id)graph->nodes.count;
  graph->building_backward = outer;
  if (derivative.gradient == NODE_NONE) return false;
  struct dims wanted = shape_dims(graph_node(graph, input)->shape);
  struct dims given = shape_dims(graph_node(graph, derivative.gradient)->shape);
  if (!same_dims(&wanted, &given)) {
    struct text why;
    text_init(&why, net->arena, NULL, NULL);
    text_puts(&why, "the gradient for this input must be ");
    dims_print(&wanted, &why);
    text_puts(&why, ", this is ");
    dims_print(&given, &why);
    report_add(net->report, value.text, BP(BAD_CLAIM), text_string(&why));
    return false;
  }
  graph_add_derivative(graph, &derivative);
  return true;
}

static struct rules *rules_of(struct net *net);

/* What flows to an input without a rule of its own: the derivative of the body, as nodes. */
static bool derive_rest(struct instance *instance, node_id body, node_id input, unsigned slot) {
  struct graph *graph = &instance->net->graph;
  const bool outer = graph->building_backward;
  struct derivative derivative = {.node = instance->output, .input = slot};
  graph->building_backward = true;
  const struct node *output = graph_node(graph, instance->output);
  derivative.first = derivative.upstream =
      graph_start(graph, ROLE_INPUT, output->shape, NULL, output->mark);
  derivative.gradient = derive_gradient(rules_of(instance->net), body, input, derivative.upstream);
  derivative.end = (node_id)graph->nodes.count;
  graph->building_backward = outer;
  if (derivative.gradient != NODE_NONE) graph_add_derivative(graph, &derivative);
  return derivative.gradient != NODE_NONE;
}

/* The end of a call with rules of its own: a node that has the body's value, and hands gradients to
 * the inputs by these rules; to inputs without one by the derivative of the body.  `inputs` has a
 * node of its own for each of the latter (see wants_copy). */
static node_id finish_with_rules(struct instance *instance, node_id body, const node_id *inputs,
                                 const struct expr_item *name) {
  struct net *net = instance->net;
  struct function *function = instance->function;
  node_id *to = ARENA_ARRAY(net->arena, node_id, function->inputs + 1);
  to[0] = stop_gradient(net, body, name->mark);
  for (unsigned i = 0; i < function->inputs; i++) to[i + 1] = inputs[i];
  instance->output =
      graph_add(&net->graph, &function->op, NULL, function->inputs + 1, to, name->mark, name->text);
  if (instance->output == NODE_NONE) return NODE_NONE;
  bool fine = true;
  for (size_t i = 0; i < function->rules.count; i++) {
    const struct rule_of *rule = &function->rules.at[i];
    fine = lower_rule(instance, rule, inputs[rule->input], rule->input + 1) && fine;
  }
  for (unsigned i = 0; i < function->inputs; i++)
    if (!is_covered(function, i)) fine = derive_rest(instance, body, inputs[i], i + 1) && fine;
  return fine ? instance->output : NODE_NONE;
}

/* Whether the call gets a node of its own for an input, that the derivative by it is the call's alone:
 * where the author gives rules for other inputs only, or claims whole Jacobians; or says anything of
 * derivatives, and another input is the same node. */
static bool wants_copy(const struct function *function, const node_id *inputs, unsigned input) {
  if (function->rules.count && !is_covered(function, input)) return true;
  if (function->claims_matrices) return true;
  bool judged = function->rules.count || function->expect != TREE_NONE, same = false;
  for (unsigned i = 0; judged && i < function->inputs; i++)
    same = same || (i != input && inputs[i] == inputs[input]);
  return same;
}

static node_id lower_body(struct instance *instance, const node_id *inputs,
                          const struct expr_item *name) {
  struct net *net = instance->net;
  struct function *function = instance->function;
  bool fine = true;
  for (unsigned i = 0; i < function->inputs; i++) {
    instance->values[i] = inputs[i];
    if (wants_copy(function, inputs, i))
      instance->values[i] = graph_add(&net->graph, net->words.copy, NULL, 1, &inputs[i], name->mark,
                                      (struct mark){0, 0});
  }
  for (size_t i = 0; i < function->order.count; i++) {
    uint32_t at = function->order.at[i];
    instance->values[at] = lower_local(instance, &function->locals.at[at]);
    fine = instance->values[at] != NODE_NONE && fine;
  }
  enter_expression(net, instance->group, instance->group_size, NULL, 0);
  struct value value;
  if (!lower_syntax(instance, &function->output, &value) || !fine) return NODE_NONE;
  node_id body = instance->body = value_node(&instance->scope, &value);
  if (body == NODE_NONE || !function->rules.count) return body;
  return finish_with_rules(instance, body, instance->values, name);
}

/* The nodes that a call's arguments stand for, in the order of the function's inputs. */
static node_id *bind_inputs(struct net *net, struct scope *scope, const struct function *function,
                            const struct expr_item *name, const struct value *arguments,
                            size_t count) {
  node_id *inputs = ARENA_ARRAY(net->arena, node_id, function->inputs + 1);
  bool fine = true;
  for (unsigned i = 0; i < function->inputs; i++) inputs[i] = NODE_NONE;
  unsigned given = 0;
  for (size_t i = 0; i < count; i++) {
    const struct value *argument = &arguments[i];
    int64_t at = argument->keyword
                     ? map_find(&function->names, argument->keyword, argument->keyword_size)
                     : (int64_t)i;
    if (argument->keyword && (at == MAP_NONE || at >= (int64_t)function->inputs)) {
      report_add(net->report, argument->keyword_mark, BP(UNKNOWN_ATTRIBUTE), function->op.name,
                 report_quote(net->report, argument->keyword, argument->keyword_size));
      fine = false;
    } else if (at < (int64_t)function->inputs && inputs[at] == NODE_NONE) {
      inputs[at] = value_node(scope, argument);
      fine = inputs[at] != NODE_NONE && fine;
      given++;
    } else {
      given = UINT32_MAX;
    }
    if (given == UINT32_MAX) break;
  }
  if (fine && given != function->inputs) {
    struct text wanted;
    text_init(&wanted, net->arena, NULL, NULL);
    text_printf(&wanted, "%u input%s", function->inputs, function->inputs == 1 ? "" : "s");
    report_add(net->report, name->mark, BP(INPUT_COUNT), function->op.name, text_string(&wanted),
               (unsigned)count);
    return NULL;
  }
  return fine ? inputs : NULL;
}

/* Functions that call others twice grow without measure: that is said once. */
static bool may_grow(struct net *net, const struct expr_item *name) {
  if (net->calls > CALLS_IN_ALL) return false;
  if (net->graph.nodes.count > CALLED_NODES_MOST) net->calls = CALLS_IN_ALL;
  if (++net->calls <= CALLS_IN_ALL) return true;
  report_add(net->report, name->mark, BP(TOO_MANY_CALLS), CALLS_IN_ALL, CALLED_NODES_MOST);
  return false;
}

static bool may_call(struct net *net, const struct function *function,
                     const struct expr_item *name) {
  if (function->failed) return false; /* reported where it is defined */
  if (function->open) {
    struct text chain;
    text_init(&chain, net->arena, NULL, NULL);
    text_printf(&chain, "%s -> ... -> %s", function->op.name, function->op.name);
    report_add(net->report, name->mark, BP(CYCLE), function->op.name, text_string(&chain));
    return false;
  }
  if (net->calls_open == CALLS_MOST) {
    report_add(net->report, name->mark, BP(CALLS_NESTED), CALLS_MOST);
    return false;
  }
  return may_grow(net, name);
}

static enum outcome call_function(struct net *net, struct scope *scope, struct function *function,
                                  const struct expr_item *name, struct value *arguments,
                                  size_t count, struct value *out) {
  if (!may_call(net, function, name)) return OUTCOME_FAILED;
  node_id *inputs = bind_inputs(net, scope, function, name, arguments, count);
  if (!inputs) return OUTCOME_FAILED;
  struct instance instance = {.net = net, .function = function, .scope = net->scope};
  instance.scope.stack.at = NULL;
  instance.scope.stack.count = instance.scope.stack.capacity = 0;
  instance.scope.find = find_local;
  instance.scope.call = call_in_body;
  instance.scope.member = find_member_in_body;
  instance.scope.context = &instance;
  instance.values = ARENA_ARRAY(net->arena, node_id, function->locals.count + 1);
  instance.upstream = instance.output = NODE_NONE;
  name_group(net, name, &instance);
  const char *group = net->group;
  size_t group_size = net->group_size, errors = net->report->counts[SEVERITY_ERROR];
  const struct expr_item *outermost = net->outermost;
  unsigned calls = net->group_calls;
  function->open = true;
  net->calls_open++;
  const node_id first = (node_id)net->graph.nodes.count;
  node_id id = lower_body(&instance, inputs, name);
  net->calls_open--;
  function->open = false;
  net->group = group, net->group_size = group_size;
  net->outermost = outermost, net->group_calls = calls;
  arena_release(net->arena, instance.scope.stack.at);
  if (net->report->counts[SEVERITY_ERROR] > errors)
    report_see(net->report, name->mark, "in this call of %s", function->op.name);
  *out = make_node(id, name->mark, name->text);
  if (id == NODE_NONE) return OUTCOME_FAILED;
  if (!net->graph.building_backward)
    *vec_push(net->arena, &net->calls_made) =
        (struct call_site){.function = function,
                           .name = arena_copy(net->arena, instance.group, instance.group_size),
                           .name_size = instance.group_size,
                           .locals = instance.values,
                           .body = instance.body,
                           .output = id,
                           .mark = name->mark,
                           .first = first,
                           .end = (node_id)net->graph.nodes.count};
  return OUTCOME_DONE;
}

/* ---- grad(L, v) --------------------------------------------------------------------------------- */

static bool fail_grad(struct net *net, struct mark mark, const char *why) {
  report_add(net->report, mark, BP(BAD_GRAD), why);
  return false;
}

static bool check_grad(struct net *net, struct scope *scope, const struct expr_item *name,
                       const struct value *arguments, size_t count, node_id *of, node_id *by) {
  if (count != 2 || arguments[0].keyword || arguments[1].keyword)
    return fail_grad(net, name->mark, "grad takes two nodes: grad(L, v) is dL/dv");
  *of = value_node(scope, &arguments[0]);
  *by = value_node(scope, &arguments[1]);
  if (*of == NODE_NONE || *by == NODE_NONE) return false;
  if (graph_node(&net->graph, *of)->shape->size != 1)
    return fail_grad(net, arguments[0].text, "only a node with one entry can be differentiated");
  const struct node *node = graph_node(&net->graph, *by);
  if (node->role == ROLE_LITERAL || node->role == ROLE_CONSTANT)
    return fail_grad(net, arguments[1].text, "a constant has no gradient");
  return true;
}

/* The rules of ops, parsed when first wanted. */
static struct rules *rules_of(struct net *net) {
  if (!net->rules) {
    net->rules = ARENA_NEW(net->arena, struct rules);
    rules_init(net->rules, &net->graph, &net->words);
  }
  return net->rules;
}

void complete_derivatives(struct net *net) {
  if (net->graph.lacks_backward) derive_missing(rules_of(net));
}

static enum outcome call_grad(struct net *net, struct scope *scope, const struct expr_item *name,
                              const struct value *arguments, size_t count, struct value *out) {
  node_id of, by;
  if (!check_grad(net, scope, name, arguments, count, &of, &by)) return OUTCOME_FAILED;
  node_id id = derive_gradient(rules_of(net), of, by, NODE_NONE);
  *out = make_node(id, name->mark, name->text);
  return id == NODE_NONE ? OUTCOME_FAILED : OUTCOME_DONE;
}

/* ---- hooks -------------------------------------------------------------------------------------- */

static enum outcome call_named(struct net *net, struct scope *scope, const struct expr_item *name,
                               struct value *arguments, size_t count, struct value *out) {
  int64_t at = net->in_value ? MAP_NONE : map_find(&net->function_names, name->name, name->size);
  if (at != MAP_NONE)
    return call_function(net, scope, net->functions.at[at], name, arguments, count, out);
  bool grad = name->size == 4 && !memcmp(name->name, "grad", 4);
  if (grad && !net->in_value) return call_grad(net, scope, name, arguments, count, out);
  return call_source(&net->scope, name, arguments, count, out);
}

enum outcome call_in_nodes(struct scope *scope, const struct expr_item *name,
                           struct value *arguments, size_t count, struct value *out) {
  return call_named(scope->context, scope, name, arguments, count, out);
}

bool find_member(struct scope *scope, const struct value *operand, const struct expr_item *name,
                 struct value *out) {
  struct net *net = scope->context;
  if (operand->kind != VALUE_NODE) return false;
  const struct node *node = graph_node(&net->graph, operand->node);
  if (!node->name) return false;
  const char *full = join_names(net, node->name, node->name_size, name->name, name->size);
  int64_t at = map_find(&net->inner, full, node->name_size + 1 + name->size);
  if (at == MAP_NONE) return false;
  if (graph_node(&net->graph, (node_id)at)->backward && !net->graph.building_backward) return false;
  *out = make_node((node_id)at, name->mark, name->text);
  return true;
}
