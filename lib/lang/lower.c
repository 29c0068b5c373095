#include "lang/lower.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "lang/fold.h"
#include "ops/registry.h"

/* ---- the vocabulary ---------------------------------------------------------------------- */

/* The symbols that expressions have beside the operators with two operands. */
static const struct op **find_form(struct vocabulary *words, const struct op *op) {
  const struct {
    const char *symbol;
    unsigned inputs;
    const struct op **place;
  } forms[] = {{"-", 1, &words->negate},
               {"=", 1, &words->copy},
               {".T", 1, &words->transpose},
               {"[]", 2, &words->take},
               {"[:]", 1, &words->slice}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    if (op->least <= forms[i].inputs && !strcmp(op->symbol, forms[i].symbol) &&
        op->most >= forms[i].inputs)
      return forms[i].place;
  for (int symbol = 0; symbol < SYMBOL_COUNT; symbol++)
    if (!strcmp(op->symbol, symbol_text[symbol]) && op->most >= 2) return &words->ops[symbol];
  return NULL;
}

void vocabulary_init(struct vocabulary *words, struct arena *arena) {
  *words = (struct vocabulary){0};
  for (const struct op *op = op_next(NULL); op; op = op_next(op)) {
    map_add(arena, &words->names, op->name, strlen(op->name), (uint32_t)words->all.count);
    *vec_push(arena, &words->all) = op;
    const struct op **form = op->symbol ? find_form(words, op) : NULL;
    if (form) *form = op;
  }
}

const struct op *vocabulary_find(const struct vocabulary *words, const char *name, size_t size) {
  int64_t at = map_find(&words->names, name, size);
  return at == MAP_NONE ? NULL : words->all.at[at];
}

/* ---- values ------------------------------------------------------------------------------ */

struct value make_number(double number, struct mark mark) {
  return (struct value){.kind = VALUE_NUMBER, .number = number, .mark = mark, .text = mark};
}

struct value make_node(node_id node, struct mark mark, struct mark text) {
  return (struct value){.kind = VALUE_NODE, .node = node, .mark = mark, .text = text};
}

/* The start node behind a value, if its numbers are fixed before anything runs.  A rule sees
 * tensors of the net: constants among them stay what they are, so that their names can be seen in
 * the derivative; only plain numbers count. */
static const struct node *fixed_node(const struct scope *scope, const struct value *value) {
  if (value->kind != VALUE_NODE) return NULL;
  const struct node *node = graph_node(scope->graph, value->node);
  if (node->role == ROLE_LITERAL) return node;
  return node->role == ROLE_CONSTANT && !scope->fold ? node : NULL;
}

bool value_number(const struct scope *scope, const struct value *value, double *number) {
  const struct node *node = fixed_node(scope, value);
  if (node && node->shape->rank == 0)
    *number = *node->value;
  else if (value->kind == VALUE_NUMBER || value->kind == VALUE_TRUTH)
    *number = value->number;
  else
    return false;
  return true;
}

bool value_list(const struct scope *scope, const struct value *value, struct value *list) {
  const struct node *node = fixed_node(scope, value);
  *list = *value;
  if (value->kind == VALUE_LIST) return true;
  /* In a rule, the sum of two vectors is no longer list. */
  if (!node || node->shape->rank != 1 || scope->fold) return false;
  struct value *at = ARENA_ARRAY(scope->arena, struct value, node->shape->size + 1);
  for (size_t i = 0; i < node->shape->size; i++) at[i] = make_number(node->value[i], value->mark);
  list->kind = VALUE_LIST;
  list->list.count = node->shape->size;
  list->list.at = at;
  return true;
}

/* The shape that the first items of a nested list suggest. */
static struct dims guess_dims(const struct value *value) {
  struct dims dims = {.rank = 0};
  while (value->kind == VALUE_LIST && dims.rank < RANK_MOST) {
    dims.at[dims.rank++] = (int64_t)value->list.count;
    if (!value->list.count) break;
    value = &value->list.at[0];
  }
  return dims;
}

/* The first part of a nested list that makes it ragged or is no number; NULL where it is fine. */
static const struct value *find_misfit(const struct scope *scope, const struct value *value,
                                       const struct dims *dims, unsigned level) {
  double number;
  if (value->kind != VALUE_LIST) {
    bool fits = level == dims->rank && value->kind != VALUE_TRUTH;
    return fits && value_number(scope, value, &number) ? NULL : value;
  }
  if (level == dims->rank || dims->at[level] != (int64_t)value->list.count) return value;
  for (size_t i = 0; i < value->list.count; i++) {
    const struct value *misfit = find_misfit(scope, &value->list.at[i], dims, level + 1);
    if (misfit) return misfit;
  }
  return NULL;
}

static double *fill_list(const struct scope *scope, const struct value *value, double *to) {
  if (value->kind != VALUE_LIST) {
    value_number(scope, value, to);
    return to + 1;
  }
  for (size_t i = 0; i < value->list.count; i++) to = fill_list(scope, &value->list.at[i], to);
  return to;
}

static node_id list_node(struct scope *scope, const struct value *value) {
  struct dims dims = guess_dims(value);
  const struct value *misfit = find_misfit(scope, value, &dims, 0);
  double number;
  if (misfit && misfit->kind == VALUE_TRUTH) {
    report_add(scope->report, misfit->text, BP(NOT_A_NUMBER),
               misfit->number != 0 ? "true" : "false");
    report_hint(scope->report, "write %d", misfit->number != 0);
    return NODE_NONE;
  }
  if (misfit && (misfit->kind == VALUE_LIST || value_number(scope, misfit, &number))) {
    report_add(scope->report, misfit->text, BP(RAGGED), "this does not fit its neighbours");
    report_hint(scope->report, "a tensor is rectangular, and holds numbers");
    return NODE_NONE;
  }
  if (misfit) {
    report_add(scope->report, misfit->text, BP(NOT_CONSTANT), "an entry of a list",
               "a number or arithmetic on numbers");
    report_hint(scope->report, "write stack(a, b) or concat(a, b) to join nodes");
    return NODE_NONE;
  }
  const struct shape *shape = shapes_add(&scope->graph->shapes, &dims);
  double *at = ARENA_ARRAY(scope->graph->arena, double, shape->size + 1);
  fill_list(scope, value, at);
  return graph_start(scope->graph, ROLE_LITERAL, shape, at, value->text);
}

/* A word that stands where a name would: now it is one. */
static bool resolve_word(struct scope *scope, struct value *value) {
  struct value found;
  if (value->kind != VALUE_WORD || !value->item) return true;
  if (!scope->find(scope, value->item, &found)) return false;
  found.mark = value->mark, found.text = value->text;
  *value = found;
  return true;
}

node_id value_node(struct scope *scope, const struct value *value) {
  struct value found = *value;
  if (!resolve_word(scope, &found)) return NODE_NONE;
  switch (found.kind) {
  case VALUE_FAILED: return NODE_NONE;
  case VALUE_NODE: return found.node;
  case VALUE_NUMBER: return graph_literal(scope->graph, found.number, found.mark);
  case VALUE_LIST: return list_node(scope, &found);
  default:
    report_add(scope->report, found.text, BP(NOT_A_TENSOR), "a number or a node is expected here");
    return NODE_NONE;
  }
}

/* ---- calls ------------------------------------------------------------------------------- */

/* Attribute names that people bring from elsewhere. */
static const char *attr_habit(const char *name, size_t size) {
  static const char *const habits[][2] = {
      {"dim", "axis"}, {"keepdim", "keepdims"},     {"axes", "axis"},       {"axis", "axes"},
      {"eps_", "eps"}, {"negative_slope", "alpha"}, {"correction", "ddof"}, {"unbiased", "ddof"}};
  for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
    if (strlen(habits[i][0]) == size && !memcmp(habits[i][0], name, size)) return habits[i][1];
  return NULL;
}

static const char *nearest_attr(const struct op *op, const char *name, size_t size) {
  const char *nearest = NULL;
  size_t limit = edit_limit(size);
  for (size_t i = 0; i < op_attr_count(op); i++) {
    const char *own = op->attrs[i].name;
    size_t distance = edit_distance(name, size, own, strlen(own), limit);
    if (distance > limit || (nearest && distance == limit)) continue;
    nearest = own, limit = distance;
  }
  return nearest;
}

static void hint_attr(struct scope *scope, const struct op *op, const char *name, size_t size) {
  const char *habit = attr_habit(name, size);
  if (habit && op_attr(op, habit, strlen(habit)) >= 0) {
    report_hint(scope->report, "it is called '%s' here", habit);
    return;
  }
  const char *nearest = nearest_attr(op, name, size);
  if (nearest) {
    report_hint(scope->report, "did you mean '%s'?", nearest);
    return;
  }
  struct text known;
  text_init(&known, scope->arena, NULL, NULL);
  for (size_t i = 0; i < op_attr_count(op); i++)
    text_printf(&known, "%s%s", i ? ", " : "", op->attrs[i].name);
  if (op_attr_count(op))
    report_hint(scope->report, "%s has: %s", op->name, text_string(&known));
  else
    report_hint(scope->report, "%s has no attributes", op->name);
}

/* What a call's arguments come to. */
struct binding {
  node_id *inputs; /* NODE_NONE: not given */
  unsigned count;
  struct attr *attrs;
  bool *attr_given;
  bool failed;
};

static void bind_input(struct scope *scope, const struct op *op, struct binding *binding,
                       unsigned at, const struct value *value) {
  if (binding->inputs[at] != NODE_NONE) {
    report_add(scope->report, value->keyword_mark, BP(TWICE_ATTRIBUTE), op->name,
               op_input_name(op, at));
    binding->failed = true;
    return;
  }
  binding->inputs[at] = value_node(scope, value);
  if (binding->inputs[at] == NODE_NONE) binding->failed = true;
  if (at + 1 > binding->count) binding->count = at + 1;
}

static void bind_keyword(struct scope *scope, const struct op *op, struct binding *binding,
                         const struct value *value) {
  int at = op_attr(op, value->keyword, value->keyword_size);
  int input = op_input(op, value->keyword, value->keyword_size);
  if (at < 0 && input >= 0 && op->most != OP_ANY) {
    bind_input(scope, op, binding, (unsigned)input, value);
    return;
  }
  if (at < 0) {
    report_add(scope->report, value->keyword_mark, BP(UNKNOWN_ATTRIBUTE), op->name,
               report_quote(scope->report, value->keyword, value->keyword_size));
    hint_attr(scope, op, value->keyword, value->keyword_size);
    binding->failed = true;
  } else if (binding->attr_given[at]) {
    report_add(scope->report, value->keyword_mark, BP(TWICE_ATTRIBUTE), op->name,
               op->attrs[at].name);
    binding->failed = true;
  } else {
    binding->attr_given[at] = true;
    if (!bind_attr(scope, op, &op->attrs[at], value, &binding->attrs[at])) binding->failed = true;
  }
}

/* An argument that has been reported; it counts as given. */
static void bind_failed(const struct op *op, struct binding *binding, const struct value *value) {
  int at = value->keyword ? op_attr(op, value->keyword, value->keyword_size) : -1;
  if (at >= 0) binding->attr_given[at] = true;
  binding->failed = true;
}

static void check_required(struct scope *scope, const struct op *op, struct binding *binding,
                           struct mark mark) {
  for (size_t i = 0; i < op_attr_count(op); i++) {
    if (!op->attrs[i].required || binding->attr_given[i]) continue;
    report_add(scope->report, mark, BP(MISSING_ATTRIBUTE), op->name, op->attrs[i].name);
    report_hint(scope->report, "%s=...: %s", op->attrs[i].name, op->attrs[i].meaning);
    binding->failed = true;
  }
  for (unsigned i = 0; i < binding->count && !binding->failed; i++) {
    if (binding->inputs[i] != NODE_NONE) continue;
    report_add(scope->report, mark, BP(MISSING_ATTRIBUTE), op->name, op_input_name(op, i));
    binding->failed = true;
  }
}

static size_t count_spread(const struct value *arguments, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++)
    total += arguments[i].kind == VALUE_SPREAD ? arguments[i].list.count : 1;
  return total;
}

static void bind_positional(struct scope *scope, const struct op *op, struct binding *binding,
                            const struct value *value) {
  size_t count = value->kind == VALUE_SPREAD ? value->list.count : 1;
  const struct value *at = value->kind == VALUE_SPREAD ? value->list.at : value;
  for (size_t i = 0; i < count; i++) bind_input(scope, op, binding, binding->count, &at[i]);
}

/* The arguments of a call, of which a shape rule may blame one. */
struct call_places {
  struct places places; /* first, so that `find` finds the rest */
  const struct op *op;
  const struct value *arguments;
  size_t count;
  struct mark mark; /* of the op */
};

static bool is_keyword(const struct value *value, const char *name) {
  return value->keyword && strlen(name) == value->keyword_size &&
         !memcmp(name, value->keyword, value->keyword_size);
}

static struct mark find_argument(const struct places *places, int input, const char *attr) {
  const struct call_places *call = (const struct call_places *)(const void *)places;
  const char *name = attr ? attr : op_input_name(call->op, (unsigned)input);
  const struct mark nowhere = {0, 0};
  int position = 0;
  /* Between its operands, an operator is blamed itself. */
  if (!attr && call->count && call->arguments[0].text.start < call->mark.start) return nowhere;
  for (size_t i = 0; i < call->count; i++) {
    const struct value *value = &call->arguments[i];
    const bool found = value->keyword ? is_keyword(value, name) : !attr && position++ == input;
    if (found) return value->text.start ? value->text : value->mark;
  }
  return nowhere;
}

bool apply_op(struct scope *scope, const struct op *op, struct value *arguments, size_t count,
              struct mark mark, struct mark text, struct value *out) {
  enum { FEW = 8 };
  node_id few[FEW];
  bool given[FEW * 2] = {false};
  size_t inputs = count_spread(arguments, count) + OP_INPUTS, attrs = op_attr_count(op);
  struct binding binding = {.inputs = few, .attr_given = given};
  const struct call_places places = {{find_argument}, op, arguments, count, mark};
  if (inputs > FEW) binding.inputs = ARENA_ARRAY(scope->arena, node_id, inputs);
  if (attrs > FEW * 2) binding.attr_given = ARENA_ARRAY(scope->arena, bool, attrs);
  for (size_t i = 0; i < inputs; i++) binding.inputs[i] = NODE_NONE;
  binding.attrs = default_attrs(scope->graph->arena, op);
  for (size_t i = 0; i < count; i++) {
    if (arguments[i].kind == VALUE_FAILED)
      bind_failed(op, &binding, &arguments[i]);
    else if (arguments[i].keyword)
      bind_keyword(scope, op, &binding, &arguments[i]);
    else
      bind_positional(scope, op, &binding, &arguments[i]);
  }
  check_required(scope, op, &binding, mark);
  scope->graph->places = &places.places;
  node_id node = binding.failed ? NODE_NONE
                                : graph_add(scope->graph, op, binding.attrs, binding.count,
                                            binding.inputs, mark, text);
  scope->graph->places = NULL;
  *out = make_node(node, mark, text);
  if (node == NODE_NONE) out->kind = VALUE_FAILED;
  return node != NODE_NONE;
}

/* Functions that people know by other names. */
static const char *op_habit(const char *name, size_t size) {
  static const char *const habits[][2] = {{"ln", "log"},
                                          {"sm", "softmax"},
                                          {"logit", "sigmoid"},
                                          {"sigma", "sigmoid"},
                                          {"cmult", "mul"},
                                          {"mult", "matmul"},
                                          {"pnls", "softmax_cross_entropy"},
                                          {"power", "pow"},
                                          {"average", "mean"},
                                          {"concatenate", "concat"},
                                          {"absolute", "abs"},
                                          {"multiply", "mul"},
                                          {"divide", "div"},
                                          {"subtract", "sub"},
                                          {"negative", "neg"},
                                          {"arctan", "atan"},
                                          {"arctan2", "atan2"},
                                          {"arcsin", "asin"},
                                          {"arccos", "acos"},
                                          {"amax", "max"},
                                          {"amin", "min"},
                                          {"sqr", "square"},
                                          {"mm", "matmul"},
                                          {"bmm", "matmul"},
                                          {"arccosh", "acosh"},
                                          {"arcsinh", "asinh"},
                                          {"arctanh", "atanh"},
                                          {"expit", "sigmoid"},
                                          {"swish", "silu"},
                                          {"fabs", "abs"},
                                          {"tg", "tan"},
                                          {"permute", "transpose"},
                                          {"cat", "concat"},
                                          {"view", "reshape"},
                                          {"gather", "take"},
                                          {"rectifier", "relu"},
                                          {"nll", "cross_entropy"}};
  for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
    if (strlen(habits[i][0]) == size && !memcmp(habits[i][0], name, size)) return habits[i][1];
  return NULL;
}

/* Functions that are no ops here, and what stands for them. */
static const char *function_habit(const char *name, size_t size) {
  static const char *const habits[][2] = {{"range", "write pick(x, y) for x[range(n), y]"},
                                          {"arange", "write pick(x, y) for x[arange(n), y]"},
                                          {"len", "write x.shape[0]"},
                                          {"float", "all numbers are doubles: leave it out"},
                                          {"array", "write a list: [1, 2]"},
                                          {"tensor", "write a list: [1, 2]"},
                                          {"detach", "write stop_gradient(x)"}};
  for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
    if (strlen(habits[i][0]) == size && !memcmp(habits[i][0], name, size)) return habits[i][1];
  return NULL;
}

static void report_unknown_op(struct scope *scope, const struct expr_item *name) {
  report_add(scope->report, name->mark, BP(UNKNOWN_OP),
             report_quote(scope->report, name->name, name->size));
  if (report_full(scope->report)) return;
  const char *instead = function_habit(name->name, name->size);
  if (instead) {
    report_hint(scope->report, "%s", instead);
    return;
  }
  const char *known = op_habit(name->name, name->size);
  if (!known) known = op_nearest(name->name, name->size);
  if (known) report_hint(scope->report, "did you mean '%s'?", known);
}

static enum outcome call_by_name(struct scope *scope, const struct expr_item *name,
                                 struct value *arguments, size_t count, struct value *out) {
  if (scope->call) {
    enum outcome outcome = scope->call(scope, name, arguments, count, out);
    if (outcome != OUTCOME_UNKNOWN) return outcome;
  }
  const struct op *op = vocabulary_find(scope->words, name->name, name->size);
  if (!op) {
    report_unknown_op(scope, name);
    return OUTCOME_FAILED;
  }
  return apply_op(scope, op, arguments, count, name->mark, name->text, out) ? OUTCOME_DONE
                                                                            : OUTCOME_FAILED;
}

/* ---- operators --------------------------------------------------------------------------- */

static enum outcome lower_symbol(struct scope *scope, const struct expr_item *item,
                                 struct value *operands, struct value *out);

/* An operator on several nodes at once: once for each, the others as they are. */
static enum outcome spread_symbol(struct scope *scope, const struct expr_item *item,
                                  struct value *operands, struct value *out) {
  size_t count = 0;
  for (uint32_t i = 0; i < item->count; i++)
    if (operands[i].kind == VALUE_SPREAD) count = operands[i].list.count;
  struct value *at = ARENA_ARRAY(scope->arena, struct value, count + 1);
  for (size_t k = 0; k < count; k++) {
    struct value single[2];
    for (uint32_t i = 0; i < item->count; i++)
      single[i] = operands[i].kind == VALUE_SPREAD ? operands[i].list.at[k] : operands[i];
    if (lower_symbol(scope, item, single, &at[k]) != OUTCOME_DONE) return OUTCOME_FAILED;
  }
  *out = (struct value){.kind = VALUE_SPREAD, .mark = item->mark, .text = item->text};
  out->list.count = count;
  out->list.at = at;
  return OUTCOME_DONE;
}

static enum outcome lower_symbol(struct scope *scope, const struct expr_item *item,
                                 struct value *operands, struct value *out) {
  for (uint32_t i = 0; i < item->count; i++)
    if (operands[i].kind == VALUE_SPREAD) return spread_symbol(scope, item, operands, out);
  if (item->constant || scope->fold) {
    enum outcome outcome = fold_symbol(scope, item, operands, out);
    if (outcome != OUTCOME_UNKNOWN) return outcome;
  }
  const struct op *op = item->count == 1 ? scope->words->negate : scope->words->ops[item->symbol];
  if (!op) { /* //, %, and, or, not */
    report_add(scope->report, item->mark, BP(NOT_CONSTANT), "an operand",
               "this operator is for constants only");
    return OUTCOME_FAILED;
  }
  return apply_op(scope, op, operands, item->count, item->mark, item->text, out) ? OUTCOME_DONE
                                                                                 : OUTCOME_FAILED;
}

/* ---- members and indices ----------------------------------------------------------------- */

static void set_ints(struct scope *scope, const struct op *op, struct attr *attrs, const char *name,
                     size_t count, const int64_t *at) {
  int64_t *copy = ARENA_ARRAY(scope->graph->arena, int64_t, count + 1);
  if (count) memcpy(copy, at, count * sizeof *at);
  struct attr *attr = &attrs[op_attr(op, name, strlen(name))];
  *attr = (struct attr){.given = true, .list = true};
  attr->ints.count = count;
  attr->ints.at = copy;
}

static enum outcome add_node(struct scope *scope, const struct op *op, struct attr *attrs,
                             unsigned count, const node_id *inputs, const struct expr_item *item,
                             struct value *out) {
  node_id node = graph_add(scope->graph, op, attrs, count, inputs, item->mark, item->text);
  *out = make_node(node, item->mark, item->text);
  return node == NODE_NONE ? OUTCOME_FAILED : OUTCOME_DONE;
}

static const char *dims_text(struct scope *scope, const struct shape *shape) {
  struct text text;
  struct dims dims = shape_dims(shape);
  text_init(&text, scope->arena, NULL, NULL);
  dims_print(&dims, &text);
  return text_string(&text);
}

static const char *written(struct scope *scope, struct mark text) {
  if (!text.start) return "it";
  return report_quote(scope->report, report_bytes(scope->report, text), text.end - text.start);
}

/* x.T and x.mT: the last two axes swapped. */
static enum outcome lower_transpose(struct scope *scope, const struct expr_item *item,
                                    const struct value *operand, bool matrix_only,
                                    struct value *out) {
  node_id x = value_node(scope, operand);
  if (x == NODE_NONE) return OUTCOME_FAILED;
  const struct shape *shape = graph_node(scope->graph, x)->shape;
  if (matrix_only ? shape->rank != 2 : shape->rank < 2) {
    report_add(scope->report, item->mark, BP(TRANSPOSE_RANK), matrix_only ? "T" : "mT",
               matrix_only ? "a matrix" : "two axes or more", written(scope, operand->text),
               dims_text(scope, shape));
    if (shape->rank == 1)
      report_hint(scope->report, "a vector has no transpose: x @ y is the inner product, "
                                 "outer(x, y) the outer one");
    else if (shape->rank > 2)
      report_hint(scope->report, "write .mT to swap the last two axes, or "
                                 "transpose(x, axes=[...])");
    return OUTCOME_FAILED;
  }
  const struct op *op = scope->words->transpose;
  struct attr *attrs = default_attrs(scope->graph->arena, op);
  if (!matrix_only && shape->rank > 2) {
    int64_t axes[RANK_MOST];
    for (unsigned i = 0; i < shape->rank; i++) axes[i] = i;
    axes[shape->rank - 1] = shape->rank - 2;
    axes[shape->rank - 2] = shape->rank - 1;
    set_ints(scope, op, attrs, "axes", shape->rank, axes);
  }
  return add_node(scope, op, attrs, 1, &x, item, out);
}

static bool is_named(const struct expr_item *item, const char *name) {
  return item->size == strlen(name) && !memcmp(item->name, name, item->size);
}

static enum outcome lower_member(struct scope *scope, const struct expr_item *item,
                                 const struct value *operand, struct value *out) {
  if (operand->kind == VALUE_FAILED) return OUTCOME_FAILED;
  if (is_named(item, "T")) return lower_transpose(scope, item, operand, true, out);
  if (is_named(item, "mT")) return lower_transpose(scope, item, operand, false, out);
  if (is_named(item, "shape")) {
    node_id x = value_node(scope, operand);
    if (x == NODE_NONE) return OUTCOME_FAILED;
    const struct shape *shape = graph_node(scope->graph, x)->shape;
    *out = make_list(scope->arena, shape->rank, shape->dim, item->text);
    return OUTCOME_DONE;
  }
  if (scope->member && scope->member(scope, operand, item, out)) return OUTCOME_DONE;
  report_add(scope->report, item->mark, BP(EXPECTED), "a node has .T, .mT and .shape only");
  if (vocabulary_find(scope->words, item->name, item->size))
    report_hint(scope->report, "write %.*s(%s)", (int)item->size, item->name,
                written(scope, operand->text));
  return OUTCOME_FAILED;
}

/* An index that is known before anything runs, as one of 0 .. n - 1. */
static bool fixed_index(struct scope *scope, const struct value *index, int64_t n, double number,
                        double *out) {
  *out = number < 0 ? number + (double)n : number;
  if (number == floor(number) && *out >= 0 && *out < (double)n) return true;
  struct text why;
  text_init(&why, scope->arena, NULL, NULL);
  text_puts(&why, "the index ");
  text_number(&why, number);
  text_printf(&why,
              number == floor(number) ? " is out of range: the axis has %lld entries"
                                      : " is no integer (the axis has %lld entries)",
              (long long)n);
  report_add(scope->report, index->text, BP(BAD_INDEX), text_string(&why));
  return false;
}

/* All slices among the indices in one op; x stays as it is when they are all whole. */
static bool lower_slices(struct scope *scope, const struct expr_item *item,
                         const struct value *indices, node_id *x) {
  int64_t start[RANK_MOST], stop[RANK_MOST], step[RANK_MOST];
  const struct shape *shape = graph_node(scope->graph, *x)->shape;
  bool whole = true;
  for (uint32_t i = 0; i < item->count; i++) {
    struct bounds bounds = {0, shape->dim[i], 1, (size_t)shape->dim[i]};
    if (indices[i].kind == VALUE_SLICE && !slice_bounds(scope, &indices[i], shape->dim[i], &bounds))
      return false;
    if (!bounds.count) bounds = (struct bounds){0, 0, 1, 0}; /* wherever it starts */
    whole = whole && bounds.start == 0 && bounds.stop == shape->dim[i] && bounds.step == 1;
    start[i] = bounds.start, step[i] = bounds.step;
    /* An end before the first entry would count from the back: go one round further. */
    stop[i] = bounds.stop < 0 ? -shape->dim[i] - 1 : bounds.stop;
  }
  if (whole) return true;
  const struct op *op = scope->words->slice;
  struct attr *attrs = default_attrs(scope->graph->arena, op);
  set_ints(scope, op, attrs, "start", item->count, start);
  set_ints(scope, op, attrs, "stop", item->count, stop);
  set_ints(scope, op, attrs, "step", item->count, step);
  *x = graph_add(scope->graph, op, attrs, 1, x, item->mark, item->text);
  return *x != NODE_NONE;
}

/* x[x > 0]: what NumPy reads as a mask would be taken for the indices 0 and 1. */
static bool check_no_mask(struct scope *scope, const struct value *index, node_id node) {
  const struct op *op = graph_node(scope->graph, node)->op;
  bool compares = false;
  for (int symbol = SYMBOL_LESS; op && symbol <= SYMBOL_NOT_EQUAL; symbol++)
    compares = compares || op == scope->words->ops[symbol];
  if (!compares) return true;
  report_add(scope->report, index->text, BP(BAD_INDEX), "an index is an integer, no condition");
  report_hint(scope->report, "write where(cond, x, 0)");
  return false;
}

/* One index that is no slice: the op `take`, which drops the axis. */
static bool lower_take(struct scope *scope, const struct expr_item *item, const struct value *index,
                       int64_t axis, node_id *x) {
  const struct shape *shape = graph_node(scope->graph, *x)->shape;
  node_id inputs[2] = {*x, NODE_NONE};
  double number, at;
  if (value_number(scope, index, &number) && index->kind != VALUE_NODE) {
    if (!fixed_index(scope, index, shape->dim[axis], number, &at)) return false;
    inputs[1] = graph_literal(scope->graph, at, index->mark);
  } else {
    inputs[1] = value_node(scope, index);
    if (inputs[1] == NODE_NONE || !check_no_mask(scope, index, inputs[1])) return false;
  }
  const struct op *op = scope->words->take;
  struct attr *attrs = default_attrs(scope->graph->arena, op);
  attrs[op_attr(op, "axis", 4)] = (struct attr){.given = true, .integer = axis};
  *x = graph_add(scope->graph, op, attrs, 2, inputs, item->mark, item->text);
  return *x != NODE_NONE;
}

static enum outcome lower_index(struct scope *scope, const struct expr_item *item,
                                const struct value *operand, const struct value *indices,
                                struct value *out) {
  struct value list;
  if (operand->kind == VALUE_LIST && item->count == 1 && value_list(scope, operand, &list))
    return fold_index(scope, &list, &indices[0], out);
  node_id x = value_node(scope, operand);
  for (uint32_t i = 0; i < item->count; i++)
    if (indices[i].kind == VALUE_FAILED) return OUTCOME_FAILED;
  if (x == NODE_NONE) return OUTCOME_FAILED;
  const struct shape *shape = graph_node(scope->graph, x)->shape;
  if (item->count > shape->rank) {
    struct text why;
    text_init(&why, scope->arena, NULL, NULL);
    text_printf(&why, "%u %s for %s, which is %s", item->count,
                item->count == 1 ? "index" : "indices", written(scope, operand->text),
                dims_text(scope, shape));
    report_add(scope->report, item->mark, BP(BAD_INDEX), text_string(&why));
    return OUTCOME_FAILED;
  }
  node_id before = x;
  if (!lower_slices(scope, item, indices, &x)) return OUTCOME_FAILED;
  /* From the back, so that the axes in front keep their numbers. */
  for (uint32_t i = item->count; i-- > 0;)
    if (indices[i].kind != VALUE_SLICE && !lower_take(scope, item, &indices[i], i, &x))
      return OUTCOME_FAILED;
  if (x == before) return add_node(scope, scope->words->copy, NULL, 1, &x, item, out);
  *out = make_node(x, item->mark, item->text);
  return OUTCOME_DONE;
}

/* ---- the loop ---------------------------------------------------------------------------- */

static struct value make_listed(struct scope *scope, enum value_kind kind,
                                const struct expr_item *item, const struct value *at,
                                size_t count) {
  struct value list = {.kind = kind, .mark = item->mark, .text = item->text};
  struct value *copy = ARENA_ARRAY(scope->arena, struct value, count + 1);
  if (count) memcpy(copy, at, count * sizeof *at);
  for (size_t i = 0; i < count; i++)
    if (at[i].kind == VALUE_FAILED) list.kind = VALUE_FAILED;
  list.list.count = count;
  list.list.at = copy;
  return list;
}

static struct value make_word(enum value_kind kind, const struct expr_item *item) {
  struct value word = {.kind = kind, .mark = item->mark, .text = item->text, .item = item};
  word.word.size = item->size;
  word.word.bytes = item->name;
  return word;
}

/* How many values an item takes from the stack. */
static size_t operands_of(const struct expr_item *item) {
  switch (item->kind) {
  case EXPR_SYMBOL:
  case EXPR_CALL:
  case EXPR_LIST: return item->count;
  case EXPR_INDEX: return item->count + 1;
  case EXPR_KEYWORD:
  case EXPR_MEMBER: return 1;
  case EXPR_SLICE: return 3;
  default: return 0;
  }
}

static enum outcome lower_item(struct scope *scope, const struct expr_item *item,
                               struct value *operands, struct value *out) {
  switch (item->kind) {
  case EXPR_NUMBER: *out = make_number(item->number, item->mark); return OUTCOME_DONE;
  case EXPR_TRUTH:
    *out = make_number(item->number, item->mark);
    out->kind = VALUE_TRUTH;
    return OUTCOME_DONE;
  case EXPR_TEXT: *out = make_word(VALUE_TEXT, item); return OUTCOME_DONE;
  case EXPR_NAME:
    if (item->word) {
      *out = make_word(VALUE_WORD, item);
      return OUTCOME_DONE;
    }
    if (!scope->find(scope, item, out)) return OUTCOME_FAILED;
    if (out->kind != VALUE_WORD) out->mark = item->mark, out->text = item->text;
    return OUTCOME_DONE;
  case EXPR_NONE:
    *out = (struct value){.kind = VALUE_NONE, .mark = item->mark, .text = item->text};
    return OUTCOME_DONE;
  case EXPR_KEYWORD:
    *out = operands[0];
    out->keyword = item->name;
    out->keyword_size = item->size;
    out->keyword_mark = item->mark;
    return OUTCOME_DONE;
  case EXPR_LIST:
    *out = make_listed(scope, VALUE_LIST, item, operands, item->count);
    return OUTCOME_DONE;
  case EXPR_SLICE: *out = make_listed(scope, VALUE_SLICE, item, operands, 3); return OUTCOME_DONE;
  case EXPR_CALL: return call_by_name(scope, item, operands, item->count, out);
  case EXPR_MEMBER: return lower_member(scope, item, operands, out);
  case EXPR_INDEX: return lower_index(scope, item, operands, operands + 1, out);
  default: return lower_symbol(scope, item, operands, out);
  }
}

/* Goes through the whole expression even after a fault, so that all are reported. */
bool lower_expr(struct scope *scope, const struct expr_item *items, size_t count,
                struct value *out) {
  size_t bottom = scope->stack.count;
  vec_room(scope->arena, &scope->stack, bottom + 1);
  for (size_t i = 0; i < count; i++) {
    size_t taken = operands_of(&items[i]);
    struct value *operands = scope->stack.at + scope->stack.count - taken, result;
    bool failed = false;
    for (size_t k = 0; k < taken && items[i].kind != EXPR_CALL; k++)
      failed = failed || operands[k].kind == VALUE_FAILED;
    enum outcome outcome =
        failed ? OUTCOME_FAILED : lower_item(scope, &items[i], operands, &result);
    if (outcome != OUTCOME_DONE)
      result = (struct value){.kind = VALUE_FAILED, .mark = items[i].mark, .text = items[i].text};
    scope->stack.count -= taken;
    if (items[i].kind == EXPR_KEYWORD && outcome != OUTCOME_DONE) {
      result.keyword = items[i].name;
      result.keyword_size = items[i].size;
    }
    *vec_push(scope->arena, &scope->stack) = result;
  }
  *out = scope->stack.at[--scope->stack.count];
  scope->stack.count = bottom;
  return out->kind != VALUE_FAILED;
}
