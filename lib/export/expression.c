#include "export/expression.h"

#include <math.h>
#include <string.h>

#include "export/export.h"

/* How tightly an expression holds together, as in the grammar (lang/expr.h). */
enum level { LEVEL_COMPARE, LEVEL_SUM, LEVEL_TERM, LEVEL_UNARY, LEVEL_POWER, LEVEL_POSTFIX };

typedef const struct expression_style *style_t;

static void print_at(style_t style, node_id id, enum level least, struct text *out);

void print_constant(double number, struct text *out) {
  if (isnan(number))
    text_puts(out, "(inf - inf)");
  else if (isinf(number))
    text_puts(out, number < 0 ? "-inf" : "inf");
  else
    text_number(out, number);
}

/* ---- start nodes ------------------------------------------------------------------------- */

static const double *print_entries(const struct shape *shape, unsigned axis, const double *at,
                                   struct text *out) {
  if (axis == shape->rank) {
    print_constant(*at, out);
    return at + 1;
  }
  text_char(out, '[');
  for (int64_t i = 0; i < shape->dim[axis]; i++) {
    if (i) text_puts(out, ", ");
    at = print_entries(shape, axis + 1, at, out);
  }
  text_char(out, ']');
  return at;
}

/* ---- indices ----------------------------------------------------------------------------- */

static const struct attr *find_attr(const struct node *node, const char *name) {
  int at = op_attr(node->op, name, strlen(name));
  return at < 0 ? NULL : &node->attr[at];
}

static bool is_number(const struct node *node) {
  return !node->op && node->role == ROLE_LITERAL && !node->name && !node->shape->rank;
}

static node_id input_of(style_t style, const struct node *node, unsigned k) {
  node_id id = graph_inputs(style->graph, node)[k];
  return style->resolve ? style->resolve(style, id) : id;
}

/* x[i], x[:, i]; where the index is no plain number or start node, a call says it more clearly. */
static bool print_take(style_t style, const struct node *node, struct text *out) {
  const struct attr *given = find_attr(node, "axis");
  const struct node *index = graph_node(style->graph, input_of(style, node, 1));
  node_id x = input_of(style, node, 0);
  int64_t axis = given && given->given ? given->integer : 0;
  normalise_axis(&axis, graph_node(style->graph, x)->shape->rank);
  if (index->op || (is_number(index) && !(*index->value >= 0))) return false;
  print_at(style, x, LEVEL_POSTFIX, out);
  text_char(out, '[');
  while (axis--) text_puts(out, ":, ");
  print_at(style, input_of(style, node, 1), LEVEL_COMPARE, out);
  text_char(out, ']');
  return true;
}

struct range {
  int64_t start, stop, step;
};

static void print_range(const struct range *range, int64_t size, struct text *out) {
  bool forward = range->step > 0;
  if (range->start != (forward ? 0 : size - 1)) text_integer(out, range->start);
  text_char(out, ':');
  bool whole = forward ? range->stop == size : range->stop < -size;
  if (!whole) text_integer(out, range->stop);
  if (range->step == 1) return;
  text_char(out, ':');
  text_integer(out, range->step);
}

/* x[1:3, ::2] */
static bool print_slice(style_t style, const struct node *node, struct text *out) {
  const struct attr *start = find_attr(node, "start"), *stop = find_attr(node, "stop");
  const struct attr *step = find_attr(node, "step"), *axes = find_attr(node, "axes");
  node_id x = input_of(style, node, 0);
  const struct shape *shape = graph_node(style->graph, x)->shape;
  struct range ranges[RANK_MOST];
  unsigned count = 0;
  if (!start || !start->given || !stop || !stop->given || start->ints.count != stop->ints.count)
    return false;
  for (unsigned i = 0; i < shape->rank; i++) ranges[i] = (struct range){0, shape->dim[i], 1};
  for (unsigned i = 0; i < start->ints.count; i++) {
    int64_t axis = axes && axes->given ? axes->ints.at[i] : (int64_t)i;
    if (!normalise_axis(&axis, shape->rank)) return false;
    ranges[axis] = (struct range){start->ints.at[i], stop->ints.at[i],
                                  step && step->given ? step->ints.at[i] : 1};
    if (axis >= count) count = (unsigned)axis + 1;
  }
  if (!count) return false;
  print_at(style, x, LEVEL_POSTFIX, out);
  text_char(out, '[');
  for (unsigned i = 0; i < count; i++) {
    if (i) text_puts(out, ", ");
    print_range(&ranges[i], shape->dim[i], out);
  }
  text_char(out, ']');
  return true;
}

/* Whether a transpose swaps the last two axes: x.T of a matrix, else x.mT. */
static bool swaps_last(const struct node *node) {
  const struct attr *axes = find_attr(node, "axes");
  unsigned rank = node->shape->rank;
  if (rank < 2 || !axes || !axes->given) return rank == 2;
  for (unsigned i = 0; i < rank; i++) {
    int64_t axis = axes->ints.at[i];
    unsigned wanted = i + 2 < rank ? i : rank - 1 - (i + 2 - rank);
    if (!normalise_axis(&axis, rank) || axis != (int64_t)wanted) return false;
  }
  return true;
}

static bool print_transpose(style_t style, const struct node *node, struct text *out) {
  if (!swaps_last(node)) return false;
  print_at(style, input_of(style, node, 0), LEVEL_POSTFIX, out);
  text_puts(out, node->shape->rank == 2 ? ".T" : ".mT");
  return true;
}

/* ---- calls ------------------------------------------------------------------------------- */

/* axis=[0] is axis=0. */
static bool is_one_axis(const struct attr_spec *spec, const struct attr *attr) {
  bool axis = !strcmp(spec->name, "axis") || !strcmp(spec->name, "axes");
  return axis && spec->type == ATTR_INTS && attr->ints.count == 1;
}

static void print_call(style_t style, const struct node *node, struct text *out) {
  text_printf(out, "%s(", node->op->name);
  for (unsigned k = 0; k < node->count; k++) {
    if (k) text_puts(out, ", ");
    print_at(style, input_of(style, node, k), LEVEL_COMPARE, out);
  }
  for (size_t i = 0; i < op_attr_count(node->op); i++) {
    const struct attr_spec *spec = &node->op->attrs[i];
    if (is_default_attr(spec, &node->attr[i])) continue;
    text_printf(out, ", %s=", spec->name);
    if (spec->type == ATTR_NUMBER)
      print_constant(node->attr[i].number, out);
    else if (is_one_axis(spec, &node->attr[i]))
      text_integer(out, node->attr[i].ints.at[0]);
    else
      print_attr_value(spec, &node->attr[i], out);
  }
  text_char(out, ')');
}

/* ---- operators --------------------------------------------------------------------------- */

/* The operator with two operands that a node is; SYMBOL_COUNT where it is none. */
static enum symbol symbol_of(style_t style, const struct node *node) {
  for (int symbol = 0; symbol < SYMBOL_FLOOR_DIV; symbol++)
    if (node->op && node->op == style->words->ops[symbol] && node->count == 2)
      return (enum symbol)symbol;
  return SYMBOL_COUNT;
}

static bool is_factor(enum symbol symbol) { return symbol == SYMBOL_MUL || symbol == SYMBOL_DIV; }

/* The level of an operator, and of its operands. */
static void levels_of(enum symbol symbol, enum level *own, enum level *left, enum level *right) {
  *own = *left = *right = LEVEL_COMPARE;
  if (symbol == SYMBOL_ADD || symbol == SYMBOL_SUB)
    *own = *left = LEVEL_SUM, *right = LEVEL_TERM;
  else if (is_factor(symbol) || symbol == SYMBOL_MATMUL)
    *own = *left = LEVEL_TERM, *right = LEVEL_UNARY;
  else if (symbol == SYMBOL_POW)
    *own = LEVEL_POWER, *left = LEVEL_POSTFIX, *right = LEVEL_UNARY;
  else
    *left = *right = LEVEL_SUM;
}

/* A factor in front of a product or quotient needs no parentheses: 2 * (x * y) is, to rounding,
 * 2 * x * y; and -(x * y) exactly -x * y. */
static bool joins(style_t style, node_id factor, node_id rest) {
  if (!is_factor(symbol_of(style, graph_node(style->graph, rest)))) return false;
  if (style->print_name(style, rest, NULL)) return false;
  return factor == NODE_NONE || is_number(graph_node(style->graph, factor));
}

static void print_binary(style_t style, const struct node *node, enum symbol symbol,
                         struct text *out) {
  enum level own, left, right;
  node_id a = input_of(style, node, 0), b = input_of(style, node, 1);
  levels_of(symbol, &own, &left, &right);
  if (symbol == SYMBOL_MUL && joins(style, a, b)) right = LEVEL_TERM;
  print_at(style, a, left, out);
  text_printf(out, " %s ", symbol_text[symbol]);
  print_at(style, b, right, out);
}

static void print_negative(style_t style, const struct node *node, struct text *out) {
  node_id x = input_of(style, node, 0);
  text_char(out, '-');
  print_at(style, x, joins(style, NODE_NONE, x) ? LEVEL_TERM : LEVEL_UNARY, out);
}

static enum level level_of(style_t style, const struct node *node) {
  enum level own, left, right;
  enum symbol symbol = symbol_of(style, node);
  if (is_number(node)) return *node->value < 0 ? LEVEL_UNARY : LEVEL_POSTFIX;
  if (symbol != SYMBOL_COUNT) {
    levels_of(symbol, &own, &left, &right);
    return own;
  }
  if (node->op && node->op == style->words->negate)
    return joins(style, NODE_NONE, input_of(style, node, 0)) ? LEVEL_TERM : LEVEL_UNARY;
  return LEVEL_POSTFIX;
}

static void print_made_of(style_t style, const struct node *node, struct text *out) {
  const struct vocabulary *words = style->words;
  enum symbol symbol = symbol_of(style, node);
  if (!node->op)
    print_entries(node->shape, 0, node->value, out);
  else if (symbol != SYMBOL_COUNT)
    print_binary(style, node, symbol, out);
  else if (node->op == words->negate)
    print_negative(style, node, out);
  else if (!(node->op == words->transpose && print_transpose(style, node, out)) &&
           !(node->op == words->take && print_take(style, node, out)) &&
           !(node->op == words->slice && print_slice(style, node, out)))
    print_call(style, node, out);
}

static void print_at(style_t style, node_id id, enum level least, struct text *out) {
  const struct node *node = graph_node(style->graph, id);
  if (!is_number(node) && style->print_name(style, id, out)) return;
  bool enclosed = level_of(style, node) < least;
  if (enclosed) text_char(out, '(');
  print_made_of(style, node, out);
  if (enclosed) text_char(out, ')');
}

void print_expression(const struct expression_style *style, node_id id, struct text *out) {
  print_made_of(style, graph_node(style->graph, id), out);
}
