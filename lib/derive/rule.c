#include "derive/rule.h"

#include <math.h>
#include <string.h>

#include "lang/fold.h"
#include "ops/kernel.h"

/* ---- reading a rule ---------------------------------------------------------------------- */

struct alternative {
  struct expr guard; /* without items: it always holds */
  struct expr result;
};

struct rule {
  VEC(struct alternative) alternatives;
  bool broken; /* does not parse, and that was reported */
};

const char *rule_end(const char *at) {
  int depth = 0;
  bool quoted = false;
  for (; *at; at++) {
    if (*at == '"') quoted = !quoted;
    if (quoted) continue;
    depth += (*at == '(' || *at == '[') - (*at == ')' || *at == ']');
    if (depth == 0 && (*at == ':' || *at == ';')) break;
  }
  return at;
}

static bool parse_piece(struct rules *rules, const char *from, const char *to, struct expr *out) {
  /* No source holds the rule, so that its places have no marks. */
  const struct expr_text text = {.at = from, .size = (size_t)(to - from)};
  *out = (struct expr){{0}};
  return expr_parse_rule(rules->scope.arena, rules->scope.report, &text, out);
}

static bool parse_alternative(struct rules *rules, const char **at, struct alternative *out) {
  const char *end = rule_end(*at);
  out->guard = (struct expr){{0}};
  if (*end == ':') {
    if (!parse_piece(rules, *at, end, &out->guard)) return false;
    *at = end + 1;
    end = rule_end(*at);
  }
  bool parsed = parse_piece(rules, *at, end, &out->result);
  *at = end;
  return parsed;
}

static struct rule *parse_rule(struct rules *rules, const char *text) {
  struct rule *rule = ARENA_NEW(rules->scope.arena, struct rule);
  for (;; text++) {
    struct alternative *alternative = vec_push(rules->scope.arena, &rule->alternatives);
    if (!parse_alternative(rules, &text, alternative)) {
      rule->broken = true;
      return rule;
    }
    if (*text != ';') return rule;
  }
}

/* Rules are known by the address of their text, which stands in the row. */
static const struct rule *find_rule(struct rules *rules, const char *const *text) {
  const char *key = (const char *)text;
  int64_t at = map_find(&rules->known, key, sizeof *text);
  if (at != MAP_NONE) return rules->parsed.at[at];
  struct rule *rule = parse_rule(rules, *text);
  map_add(rules->scope.arena, &rules->known, key, sizeof *text, (uint32_t)rules->parsed.count);
  *vec_push(rules->scope.arena, &rules->parsed) = rule;
  return rule;
}

/* ---- values ------------------------------------------------------------------------------ */

static const struct mark nowhere = {0, 0};

static struct value make_truth(bool truth) {
  struct value value = make_number(truth, nowhere);
  value.kind = VALUE_TRUTH;
  return value;
}

static struct value make_spread(struct value *at, size_t count) {
  struct value value = {.kind = VALUE_SPREAD};
  value.list.count = count;
  value.list.at = at;
  return value;
}

static struct value make_bytes(enum value_kind kind, const char *bytes, size_t size) {
  struct value value = {.kind = kind};
  value.word.bytes = bytes;
  value.word.size = size;
  return value;
}

static struct value make_pairs(struct rules *rules, const struct attr *attr) {
  size_t count = attr->ints.count / 2;
  struct value *at = ARENA_ARRAY(rules->scope.arena, struct value, count + 1);
  for (size_t i = 0; i < count; i++)
    at[i] = make_list(rules->scope.arena, 2, attr->ints.at + 2 * i, nowhere);
  struct value pairs = {.kind = VALUE_LIST};
  pairs.list.count = count;
  pairs.list.at = at;
  return pairs;
}

/* An attribute as the constant that was written for it. */
static struct value attr_value(struct rules *rules, const struct attr_spec *spec,
                               const struct attr *attr) {
  if (!attr->given) return (struct value){.kind = VALUE_NONE};
  switch (spec->type) {
  case ATTR_INT: return make_number((double)attr->integer, nowhere);
  case ATTR_INTS:
    if (!attr->list && attr->ints.count == 1) return make_number((double)attr->ints.at[0], nowhere);
    return make_list(rules->scope.arena, attr->ints.count, attr->ints.at, nowhere);
  case ATTR_PAIRS: return make_pairs(rules, attr);
  case ATTR_NUMBER: return make_number(attr->number, nowhere);
  case ATTR_BOOL: return make_truth(attr->truth);
  case ATTR_WORD:
    return make_bytes(VALUE_WORD, spec->words[attr->word], strlen(spec->words[attr->word]));
  case ATTR_TEXT: return make_bytes(VALUE_TEXT, attr->text.at, attr->text.size);
  }
  return (struct value){.kind = VALUE_NONE};
}

static const struct node *node_of(const struct rules *rules) {
  return graph_node(rules->scope.graph, rules->node);
}

static bool is_variadic(const struct rules *rules) { return node_of(rules)->op->most == OP_ANY; }

static struct value input_value(const struct rules *rules, unsigned input) {
  const struct node *node = node_of(rules);
  if (input >= node->count) return (struct value){.kind = VALUE_NONE};
  return make_node(graph_inputs(rules->scope.graph, node)[input], nowhere, nowhere);
}

/* All inputs, or all but the one that the rule is for. */
static struct value spread_inputs(struct rules *rules, bool all) {
  const unsigned inputs = node_of(rules)->count;
  struct value *at = ARENA_ARRAY(rules->scope.arena, struct value, inputs);
  size_t count = 0;
  for (unsigned k = 0; k < inputs; k++)
    if (all || k != rules->input) at[count++] = input_value(rules, k);
  return make_spread(at, count);
}

/* ---- names ------------------------------------------------------------------------------- */

static bool is_name(const struct expr_item *item, const char *name) {
  return item->size == strlen(name) && !memcmp(item->name, name, item->size);
}

static bool find_input(struct rules *rules, const struct expr_item *name, struct value *out) {
  int input = op_input(node_of(rules)->op, name->name, name->size);
  if (input < 0) return false;
  *out = input_value(rules, is_variadic(rules) ? rules->input : (unsigned)input);
  return true;
}

static bool find_attr(struct rules *rules, const struct expr_item *name, struct value *out) {
  const struct node *node = node_of(rules);
  int at = op_attr(node->op, name->name, name->size);
  if (at < 0) return false;
  *out = attr_value(rules, &node->op->attrs[at], &node->attr[at]);
  return true;
}

static bool find_common(struct rules *rules, const struct expr_item *name, struct value *out) {
  if (is_name(name, "y"))
    *out = make_node(rules->node, nowhere, nowhere);
  else if (is_name(name, "upstream"))
    *out = make_node(rules->upstream, nowhere, nowhere);
  else if (is_name(name, "pi"))
    *out = make_number(acos(-1), nowhere);
  else if (is_name(name, "inf"))
    *out = make_number(INFINITY, nowhere);
  else
    return false;
  return true;
}

static bool find_variadic(struct rules *rules, const struct expr_item *name, struct value *out) {
  if (!is_variadic(rules)) return false;
  if (is_name(name, "others"))
    *out = spread_inputs(rules, false);
  else if (is_name(name, "it"))
    *out = spread_inputs(rules, true);
  else if (is_name(name, "inputs"))
    *out = make_number(node_of(rules)->count, nowhere);
  else if (is_name(name, "position"))
    *out = make_number(rules->input, nowhere);
  else
    return false;
  return true;
}

/* What a name stands for; one that nobody knows is a word. */
static bool find_name(struct scope *scope, const struct expr_item *name, struct value *out) {
  struct rules *rules = scope->context;
  if (!find_input(rules, name, out) && !find_attr(rules, name, out) &&
      !find_common(rules, name, out) && !find_variadic(rules, name, out))
    *out = make_bytes(VALUE_WORD, name->name, name->size);
  return true;
}

/* ---- functions --------------------------------------------------------------------------- */

/* What a function sees: its arguments, and the shape of the tensor among them. */
struct use {
  struct rules *rules;
  const struct value *arguments;
  const struct shape *shape;
  bool axes[RANK_MOST]; /* the axes that are named, where some are; else all */
};

static void call_shape(struct use *use, struct value *out) {
  *out = make_list(use->rules->scope.arena, use->shape->rank, use->shape->dim, nowhere);
}

static void call_rank(struct use *use, struct value *out) {
  *out = make_number(use->shape->rank, nowhere);
}

static void call_size(struct use *use, struct value *out) {
  *out = make_number((double)use->shape->size, nowhere);
}

static void call_given(struct use *use, struct value *out) {
  *out = make_truth(use->arguments[0].kind != VALUE_NONE);
}

static void call_kept(struct use *use, struct value *out) {
  struct dims dims = shape_dims(use->shape);
  for (unsigned i = 0; i < dims.rank; i++)
    if (use->axes[i]) dims.at[i] = 1;
  *out = make_list(use->rules->scope.arena, dims.rank, dims.at, nowhere);
}

static void call_count(struct use *use, struct value *out) {
  double count = 1;
  for (unsigned i = 0; i < use->shape->rank; i++)
    if (use->axes[i]) count *= (double)use->shape->dim[i];
  *out = make_number(count, nowhere);
}

/* How many entries the axes from .. to - 1 have. */
static struct value count_between(const struct use *use, unsigned from, unsigned to) {
  double count = 1;
  for (unsigned i = from; i < to; i++) count *= (double)use->shape->dim[i];
  return make_number(count, nowhere);
}

static void call_above(struct use *use, struct value *out) {
  unsigned first = 0;
  while (first < use->shape->rank && !use->axes[first]) first++;
  *out = count_between(use, 0, first);
}

static void call_below(struct use *use, struct value *out) {
  unsigned end = use->shape->rank;
  while (end > 0 && !use->axes[end - 1]) end--;
  *out = count_between(use, end, use->shape->rank);
}

static void call_pair(struct use *use, struct value *out) {
  const struct value *given = &use->arguments[0];
  struct value *both = ARENA_ARRAY(use->rules->scope.arena, struct value, 2);
  *out = (struct value){.kind = VALUE_LIST};
  if (given->kind == VALUE_LIST && given->list.count) given = given->list.at;
  both[0] = both[1] = *given;
  if (use->arguments[0].kind == VALUE_LIST && use->arguments[0].list.count > 1) both[1] = given[1];
  out->list.count = 2;
  out->list.at = both;
}

/* Axis i of the transposed tensor is axis axes[i] of x; without axes they are reversed. */
static void call_inverse(struct use *use, struct value *out) {
  const struct value *axes = &use->arguments[0];
  const unsigned rank = use->shape->rank;
  int64_t inverse[RANK_MOST] = {0};
  for (unsigned i = 0; i < rank; i++) {
    int64_t axis = (int64_t)(rank - 1 - i);
    if (axes->kind == VALUE_LIST && i < axes->list.count) axis = (int64_t)axes->list.at[i].number;
    normalise_axis(&axis, rank);
    inverse[axis] = i;
  }
  *out = make_list(use->rules->scope.arena, rank, inverse, nowhere);
}

static void call_before(struct use *use, struct value *out) {
  const struct graph *graph = use->rules->scope.graph;
  const struct node *node = node_of(use->rules);
  double sum = 0;
  for (unsigned k = 0; k < use->rules->input; k++) {
    const struct shape *shape = graph_node(graph, graph_inputs(graph, node)[k])->shape;
    for (unsigned i = 0; i < shape->rank; i++)
      if (use->axes[i]) sum += (double)shape->dim[i];
  }
  *out = make_number(sum, nowhere);
}

/* `it` has been spread already. */
static void call_each(struct use *use, struct value *out) { *out = use->arguments[0]; }

/* The specification with which einsum computes its own derivative by an input. */
static void call_adjoint(struct use *use, struct value *out) {
  const struct value *spec = &use->arguments[0];
  struct text text;
  text_init(&text, use->rules->scope.arena, NULL, NULL);
  if (spec->kind == VALUE_TEXT)
    einsum_adjoint(spec->word.bytes, spec->word.size, use->rules->input, &text);
  *out = make_bytes(VALUE_TEXT, text_string(&text), text.count);
}

static void call_plain(struct use *use, struct value *out) {
  const struct value *spec = &use->arguments[0];
  *out = make_truth(spec->kind == VALUE_TEXT && einsum_is_plain(spec->word.bytes, spec->word.size));
}

/* Which argument is a tensor, and which one names axes of it; -1: none. */
static const struct function {
  const char *name;
  size_t arguments;
  int tensor, axes;
  bool variadic; /* known to variadic ops only, whose first input is the tensor */
  void (*call)(struct use *use, struct value *out);
} functions[] = {
    {"shape", 1, 0, -1, false, call_shape},     {"rank", 1, 0, -1, false, call_rank},
    {"size", 1, 0, -1, false, call_size},       {"given", 1, -1, -1, false, call_given},
    {"kept", 2, 0, 1, false, call_kept},        {"count", 2, 0, 1, false, call_count},
    {"above", 2, 0, 1, false, call_above},      {"below", 2, 0, 1, false, call_below},
    {"pair", 1, -1, -1, false, call_pair},      {"inverse", 2, 1, 0, false, call_inverse},
    {"before", 1, -1, 0, true, call_before},    {"each", 1, -1, -1, true, call_each},
    {"adjoint", 2, -1, -1, true, call_adjoint}, {"plain", 1, -1, -1, true, call_plain}};

static const struct function *find_function(const struct rules *rules,
                                            const struct expr_item *name) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (is_name(name, functions[i].name) && (!functions[i].variadic || is_variadic(rules)))
      return &functions[i];
  return NULL;
}

static bool fail_arguments(struct rules *rules, const struct function *function, const char *why) {
  report_add(rules->scope.report, nowhere, BP(SHAPE_MISMATCH), function->name, why);
  return false;
}

/* Finds the tensor whose axes the function is about. */
static bool read_tensor(struct use *use, const struct function *function) {
  struct rules *rules = use->rules;
  struct value tensor = input_value(rules, 0);
  if (function->tensor >= 0) tensor = use->arguments[function->tensor];
  const bool number = tensor.kind == VALUE_NUMBER || tensor.kind == VALUE_TRUTH;
  use->shape = rules->scope.graph->shapes.scalar;
  if (tensor.kind == VALUE_NODE) use->shape = graph_node(rules->scope.graph, tensor.node)->shape;
  return function->tensor < 0 || tensor.kind == VALUE_NODE || number ||
         fail_arguments(rules, function, "a tensor is expected");
}

static bool mark_axis(struct use *use, const struct function *function, const struct value *value) {
  double number;
  if (value_number(&use->rules->scope, value, &number)) {
    int64_t axis = (int64_t)number;
    if ((double)axis == number && normalise_axis(&axis, use->shape->rank)) {
      use->axes[axis] = true;
      return true;
    }
  }
  return fail_arguments(use->rules, function, "there is no such axis");
}

/* Marks the axes that an argument names: one, a list, or all where it was not given. */
static bool read_axes(struct use *use, const struct function *function) {
  if (function->axes < 0) return true;
  const struct value *axes = &use->arguments[function->axes];
  memset(use->axes, axes->kind == VALUE_NONE, sizeof use->axes);
  if (axes->kind == VALUE_NONE) return true;
  if (axes->kind != VALUE_LIST) return mark_axis(use, function, axes);
  for (size_t i = 0; i < axes->list.count; i++)
    if (!mark_axis(use, function, &axes->list.at[i])) return false;
  return true;
}

static bool check_arguments(struct rules *rules, const struct function *function,
                            const struct value *arguments, size_t count) {
  if (count != function->arguments)
    return fail_arguments(rules, function, "another number of arguments is expected");
  for (size_t i = 0; i < count; i++) {
    if (arguments[i].kind == VALUE_FAILED) return false;
    if (arguments[i].keyword) return fail_arguments(rules, function, "arguments have no names");
  }
  return true;
}

static enum outcome call_function(struct scope *scope, const struct expr_item *name,
                                  struct value *arguments, size_t count, struct value *out) {
  struct rules *rules = scope->context;
  const struct function *function = find_function(rules, name);
  if (!function) return OUTCOME_UNKNOWN;
  struct use use = {.rules = rules, .arguments = arguments};
  if (!check_arguments(rules, function, arguments, count) || !read_tensor(&use, function) ||
      !read_axes(&use, function))
    return OUTCOME_FAILED;
  function->call(&use, out);
  return OUTCOME_DONE;
}

/* ---- lowering a rule --------------------------------------------------------------------- */

/* Whether an alternative is the one to take: 1, 0, or -1 after a report. */
static int holds(struct rules *rules, const struct alternative *alternative) {
  struct value value;
  double number;
  if (!alternative->guard.items.count) return 1;
  if (!lower_expr(&rules->scope, alternative->guard.items.at, alternative->guard.items.count,
                  &value))
    return -1;
  if (value_number(&rules->scope, &value, &number)) return number != 0;
  report_add(rules->scope.report, nowhere, BP(NOT_CONSTANT), "the guard of a rule",
             "a comparison of shapes, ranks or attributes");
  return -1;
}

static const struct alternative *choose(struct rules *rules, const struct rule *rule) {
  for (size_t i = 0; i < rule->alternatives.count; i++) {
    int verdict = holds(rules, &rule->alternatives.at[i]);
    if (verdict) return verdict > 0 ? &rule->alternatives.at[i] : NULL;
  }
  report_add(rules->scope.report, nowhere, BP(SHAPE_MISMATCH), node_of(rules)->op->name,
             "none of the rules' guards holds");
  return NULL;
}

static node_id lower_rule(struct rules *rules, const struct rule *rule) {
  struct value value;
  const struct alternative *chosen = rule->broken ? NULL : choose(rules, rule);
  if (!chosen ||
      !lower_expr(&rules->scope, chosen->result.items.at, chosen->result.items.count, &value))
    return NODE_NONE;
  return value_node(&rules->scope, &value);
}

/* New nodes stand where the one does that they derive from. */
static void mark_new(struct graph *graph, size_t first, struct mark mark) {
  for (size_t i = first; i < graph->nodes.count; i++) graph->nodes.at[i].mark = mark;
}

void rules_init(struct rules *rules, struct graph *graph, const struct vocabulary *words) {
  *rules = (struct rules){.node = NODE_NONE, .upstream = NODE_NONE};
  rules->scope = (struct scope){.graph = graph,
                                .report = graph->report,
                                .arena = graph->arena,
                                .words = words,
                                .fold = true,
                                .find = find_name,
                                .call = call_function,
                                .context = rules};
}

/* Where nothing was broadcast, there is nothing to be summed: on scalars, that would cost more than
 * all else that the rule computes. */
static node_id skip_idle(const struct graph *graph, node_id id) {
  const struct node *node = graph_node(graph, id);
  if (!node->op || node->op->algebra != ALGEBRA_SUM_TO) return id;
  const node_id input = graph_inputs(graph, node)[0];
  return graph_node(graph, input)->shape == node->shape ? input : id;
}

enum derived derive_input(struct rules *rules, node_id node, unsigned input, node_id upstream,
                          node_id *gradient) {
  struct graph *graph = rules->scope.graph;
  const struct op *op = graph_node(graph, node)->op;
  *gradient = NODE_NONE;
  if (!graph_flows(graph, graph_node(graph, node), input)) return DERIVED_NOTHING;
  rules->node = node, rules->input = input, rules->upstream = upstream;
  const size_t first = graph->nodes.count;
  const struct mark mark = graph_node(graph, node)->mark;
  *gradient = lower_rule(rules, find_rule(rules, &op->rules[op->most == OP_ANY ? 0 : input]));
  mark_new(graph, first, mark);
  if (*gradient != NODE_NONE) {
    *gradient = skip_idle(graph, *gradient);
    return DERIVED_NODE;
  }
  report_see(graph->report, mark, "in the derivative of %s by %s", op->name,
             op_input_name(op, input));
  return DERIVED_FAILED;
}

/* ---- expressions of others ----------------------------------------------------------------- */

static bool lower_text(struct rules *rules, node_id node, const char *text, size_t size,
                       struct value *out) {
  struct expr items;
  rules->node = node, rules->input = 0, rules->upstream = NODE_NONE;
  return parse_piece(rules, text, text + size, &items) &&
         lower_expr(&rules->scope, items.items.at, items.items.count, out);
}

bool rule_constant(struct rules *rules, node_id node, const char *text, size_t size,
                   struct value *out) {
  double number;
  if (!lower_text(rules, node, text, size, out)) return false;
  if (out->kind == VALUE_NODE && value_number(&rules->scope, out, &number))
    *out = make_number(number, nowhere);
  if (out->kind != VALUE_NODE && out->kind != VALUE_FAILED) return true;
  report_add(rules->scope.report, nowhere, BP(NOT_CONSTANT), "what code is made of",
             "an expression of shapes, ranks or attributes");
  return false;
}

node_id rule_nodes(struct rules *rules, node_id node, const char *text, size_t size) {
  struct graph *graph = rules->scope.graph;
  struct value value;
  const size_t first = graph->nodes.count;
  const struct mark mark = graph_node(graph, node)->mark;
  node_id last = NODE_NONE;
  if (lower_text(rules, node, text, size, &value)) last = value_node(&rules->scope, &value);
  mark_new(graph, first, mark);
  return last;
}
