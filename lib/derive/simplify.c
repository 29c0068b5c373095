#include "derive/simplify.h"

#include <math.h>
#include <string.h>

#include "ops/registry.h"

/* ---- what is known already --------------------------------------------------------------- */

static const struct node *node_at(const struct simplifier *s, node_id id) {
  return graph_node(s->graph, id);
}

static node_id input_of(const struct simplifier *s, node_id id, unsigned k) {
  return graph_inputs(s->graph, node_at(s, id))[k];
}

static const struct shape *shape_of(const struct simplifier *s, node_id id) {
  return node_at(s, id)->shape;
}

static void set_same(struct simplifier *s, node_id id, node_id same) {
  while (s->same.count <= id) {
    *vec_push(s->graph->arena, &s->same) = NODE_NONE;
    *vec_push(s->graph->arena, &s->atom) = false;
  }
  s->same.at[id] = same;
}

static void key_bytes(struct simplifier *s, const void *bytes, size_t size) {
  text_add(&s->key, bytes, size);
}

static void key_attr(struct simplifier *s, const struct attr_spec *spec, const struct attr *attr) {
  key_bytes(s, &attr->given, sizeof attr->given);
  if (!attr->given) return;
  switch (spec->type) {
  case ATTR_INT: key_bytes(s, &attr->integer, sizeof attr->integer); break;
  case ATTR_NUMBER: key_bytes(s, &attr->number, sizeof attr->number); break;
  case ATTR_BOOL: key_bytes(s, &attr->truth, sizeof attr->truth); break;
  case ATTR_WORD: key_bytes(s, &attr->word, sizeof attr->word); break;
  case ATTR_TEXT: key_bytes(s, attr->text.at, attr->text.size); break;
  case ATTR_INTS:
  case ATTR_PAIRS:
    key_bytes(s, &attr->ints.count, sizeof attr->ints.count);
    key_bytes(s, attr->ints.at, attr->ints.count * sizeof *attr->ints.at);
  }
}

/* Writes down what a use of an op is made of; a sum or product of two in either order. */
static void write_key(struct simplifier *s, const struct op *op, const struct attr *attr,
                      unsigned count, const node_id *inputs) {
  const struct op *add = s->words->ops[SYMBOL_ADD], *mul = s->words->ops[SYMBOL_MUL];
  s->key.count = 0;
  key_bytes(s, &op, sizeof op);
  if (count == 2 && (op == add || op == mul) && inputs[0] > inputs[1]) {
    key_bytes(s, &inputs[1], sizeof *inputs);
    key_bytes(s, &inputs[0], sizeof *inputs);
  } else {
    key_bytes(s, inputs, count * sizeof *inputs);
  }
  for (size_t i = 0; i < op_attr_count(op); i++) key_attr(s, &op->attrs[i], &attr[i]);
}

/* The node that this key stands for; it becomes `id` where there is none yet. */
static node_id find_key(struct simplifier *s, node_id id) {
  int64_t at = map_find(&s->known, s->key.at, s->key.count);
  if (at != MAP_NONE || id == NODE_NONE) return at == MAP_NONE ? NODE_NONE : (node_id)at;
  const char *key = arena_copy(s->graph->arena, s->key.at, s->key.count);
  map_add(s->graph->arena, &s->known, key, s->key.count, id);
  return id;
}

/* A use of an op on representatives, as it is. */
static node_id intern(struct simplifier *s, const struct op *op, const struct attr *attr,
                      unsigned count, const node_id *inputs) {
  for (unsigned k = 0; k < count; k++)
    if (inputs[k] == NODE_NONE) return NODE_NONE;
  write_key(s, op, attr, count, inputs);
  node_id id = find_key(s, NODE_NONE);
  if (id != NODE_NONE) return id;
  id = graph_add(s->graph, op, attr, count, inputs, s->mark, (struct mark){0, 0});
  if (id == NODE_NONE) return NODE_NONE;
  set_same(s, id, id);
  write_key(s, op, attr, count, inputs);
  return find_key(s, id);
}

static node_id intern_two(struct simplifier *s, const struct op *op, node_id a, node_id b) {
  const node_id inputs[2] = {a, b};
  return intern(s, op, NULL, 2, inputs);
}

static void write_number_key(struct simplifier *s, double number) {
  s->key.count = 0;
  key_bytes(s, &number, sizeof number);
}

static node_id make_number_node(struct simplifier *s, double number) {
  write_number_key(s, number);
  node_id id = find_key(s, NODE_NONE);
  if (id != NODE_NONE) return id;
  id = graph_literal(s->graph, number, s->mark);
  set_same(s, id, id);
  write_number_key(s, number);
  return find_key(s, id);
}

/* ---- shapes ------------------------------------------------------------------------------ */

static struct attr *attr_named(struct attr *attrs, const struct op *op, const char *name) {
  return &attrs[op_attr(op, name, strlen(name))];
}

static void set_dims(struct simplifier *s, struct attr *attr, size_t count, const int64_t *at) {
  int64_t *copy = ARENA_ARRAY(s->graph->arena, int64_t, count + 1);
  if (count) memcpy(copy, at, count * sizeof *at);
  *attr = (struct attr){.given = true, .list = true};
  attr->ints.count = count;
  attr->ints.at = copy;
}

/* An op with a shape as its only attribute. */
static node_id intern_shaped(struct simplifier *s, enum algebra algebra, node_id x,
                             const struct shape *shape) {
  const struct op *op = s->ops[algebra];
  struct attr *attrs = default_attrs(s->graph->arena, op);
  set_dims(s, attr_named(attrs, op, "shape"), shape->rank, shape->dim);
  return intern(s, op, attrs, 1, &x);
}

static enum algebra algebra_of(const struct simplifier *s, node_id id) {
  const struct op *op = node_at(s, id)->op;
  return op && !s->atom.at[id] ? op->algebra : ALGEBRA_NONE;
}

static bool is_op(const struct simplifier *s, node_id id, const struct op *op) {
  return node_at(s, id)->op == op && !s->atom.at[id];
}

/* Whether `a` and `b` together broadcast to `shape`. */
static bool reach_shape(const struct simplifier *s, node_id a, node_id b,
                        const struct shape *shape) {
  struct dims x = shape_dims(shape_of(s, a)), y = shape_dims(shape_of(s, b)), both;
  struct dims wanted = shape_dims(shape);
  return broadcast_dims(&x, &y, &both) && same_dims(&both, &wanted);
}

/* Whether `wide` is `narrow` with axes of 1 in front. */
static bool is_widened(const struct shape *wide, const struct shape *narrow) {
  if (wide->rank < narrow->rank) return false;
  unsigned more = wide->rank - narrow->rank;
  for (unsigned i = 0; i < wide->rank; i++)
    if (wide->dim[i] != (i < more ? 1 : narrow->dim[i - more])) return false;
  return true;
}

/* An operand of a broadcasting op without what broadcasting does anyway; `other` and it give
 * `shape`. */
static node_id strip(const struct simplifier *s, node_id id, node_id other,
                     const struct shape *shape) {
  for (;;) {
    enum algebra algebra = algebra_of(s, id);
    if (algebra != ALGEBRA_BROADCAST_TO && algebra != ALGEBRA_RESHAPE) return id;
    node_id inner = input_of(s, id, 0);
    if (algebra == ALGEBRA_RESHAPE && !is_widened(shape_of(s, id), shape_of(s, inner))) return id;
    if (!reach_shape(s, inner, other, shape)) return id;
    id = inner;
  }
}

/* ---- a factor in front ------------------------------------------------------------------- */

/* number / divisor * base; without a base the number alone, with `shape` repeated to it. */
struct scaled {
  double number, divisor;
  node_id base;
  const struct shape *shape;
};

static bool is_literal(const struct simplifier *s, node_id id, double *number) {
  const struct node *node = node_at(s, id);
  if (node->op || node->role != ROLE_LITERAL || node->name || node->shape->rank) return false;
  *number = *node->value;
  return true;
}

static struct scaled split(const struct simplifier *s, node_id id) {
  struct scaled r = {1, 1, id, shape_of(s, id)};
  double number;
  if (algebra_of(s, id) == ALGEBRA_BROADCAST_TO) {
    struct scaled inner = split(s, input_of(s, id, 0)); /* it is no broadcast_to again */
    if (inner.base != NODE_NONE) return r;
    inner.shape = r.shape;
    return inner;
  }
  if (is_op(s, id, s->words->ops[SYMBOL_DIV]) && is_literal(s, input_of(s, id, 1), &number)) {
    r.divisor = number;
    id = input_of(s, id, 0);
  }
  if (is_op(s, id, s->words->negate)) {
    r.number = -1;
    id = input_of(s, id, 0);
  } else if (is_op(s, id, s->words->ops[SYMBOL_MUL]) && node_at(s, id)->count == 2 &&
             is_literal(s, input_of(s, id, 0), &number)) {
    r.number = number;
    id = input_of(s, id, 1);
  }
  r.base = id;
  if (is_literal(s, id, &number)) r.number *= number, r.base = NODE_NONE;
  return r;
}

bool is_number(const struct simplifier *s, node_id id, double *number) {
  struct scaled r = split(s, id);
  *number = r.number / r.divisor;
  return r.base == NODE_NONE;
}

bool is_zero(const struct simplifier *s, node_id id) {
  double number;
  return is_number(s, id, &number) && number == 0;
}

static bool is_whole(double x) { return x == floor(x) && fabs(x) < 9e15; }

static void reduce(double *number, double *divisor) {
  if (*divisor < 0) *number = -*number, *divisor = -*divisor;
  if (!is_whole(*number) || !is_whole(*divisor) || *divisor == 0) return;
  double a = fabs(*number), b = *divisor;
  while (b > 0) {
    double rest = fmod(a, b);
    a = b, b = rest;
  }
  if (a > 1) *number /= a, *divisor /= a;
}

static node_id negate(struct simplifier *s, node_id id) {
  if (is_op(s, id, s->words->ops[SYMBOL_SUB]) &&
      shape_of(s, input_of(s, id, 0)) == shape_of(s, input_of(s, id, 1)))
    return intern_two(s, s->words->ops[SYMBOL_SUB], input_of(s, id, 1), input_of(s, id, 0));
  return intern(s, s->words->negate, NULL, 1, &id);
}

static node_id repeat(struct simplifier *s, node_id id, const struct shape *shape);

/* Makes the node: first the factor, then the divisor. */
static node_id compose(struct simplifier *s, struct scaled r) {
  if (r.base != NODE_NONE) { /* which may have a factor of its own */
    const struct scaled inner = split(s, r.base);
    r.number *= inner.number, r.divisor *= inner.divisor, r.base = inner.base;
  }
  reduce(&r.number, &r.divisor);
  node_id id = r.base;
  if (r.number == 0 || r.base == NODE_NONE)
    id = make_number_node(s, r.number);
  else if (r.number == -1)
    id = negate(s, id);
  else if (r.number != 1)
    id = intern_two(s, s->words->ops[SYMBOL_MUL], make_number_node(s, r.number), id);
  if (r.divisor != 1 && r.number != 0)
    id = intern_two(s, s->words->ops[SYMBOL_DIV], id, make_number_node(s, r.divisor));
  return repeat(s, id, r.shape);
}

/* Whether a node only repeats another, or widens its shape. */
static bool is_repeated(const struct simplifier *s, node_id id) {
  enum algebra algebra = algebra_of(s, id);
  return algebra == ALGEBRA_BROADCAST_TO ||
         (algebra == ALGEBRA_RESHAPE &&
          is_widened(shape_of(s, id), shape_of(s, input_of(s, id, 0))));
}

/* x repeated to a shape, where it does not have that already. */
static node_id repeat(struct simplifier *s, node_id id, const struct shape *shape) {
  while (id != NODE_NONE && shape_of(s, id) != shape) {
    struct scaled r = split(s, id);
    bool number = r.base == NODE_NONE;
    if (number ? !shape_of(s, id)->rank : !is_repeated(s, r.base))
      return intern_shaped(s, ALGEBRA_BROADCAST_TO, id, shape);
    r.base = number ? NODE_NONE : input_of(s, r.base, 0);
    r.shape = number ? s->graph->shapes.scalar : shape_of(s, r.base);
    id = compose(s, r);
  }
  return id;
}

/* ---- arithmetic -------------------------------------------------------------------------- */

static const struct shape *joint_shape(struct simplifier *s, node_id a, node_id b) {
  struct dims x = shape_dims(shape_of(s, a)), y = shape_dims(shape_of(s, b)), both;
  broadcast_dims(&x, &y, &both);
  return shapes_add(&s->graph->shapes, &both);
}

static node_id multiply(struct simplifier *s, node_id a, node_id b);

/* The product of two nodes without a factor in front. */
static node_id multiply_bases(struct simplifier *s, node_id a, node_id b,
                              const struct shape *shape) {
  const struct op *mul = s->words->ops[SYMBOL_MUL], *div = s->words->ops[SYMBOL_DIV];
  double number;
  if (is_op(s, a, div) && is_literal(s, input_of(s, a, 0), &number)) { /* 2 / x * y: 2 * y / x */
    node_id product = intern_two(s, mul, make_number_node(s, number), b);
    if (number == 1) product = b;
    if (number == -1) product = negate(s, b);
    if (shape_of(s, b) == shape) return intern_two(s, div, product, input_of(s, a, 1));
  }
  if (is_op(s, b, mul) && node_at(s, b)->count == 2) { /* x * (y * z): x * y * z */
    node_id y = input_of(s, b, 0), z = input_of(s, b, 1);
    if (shape_of(s, y) == shape_of(s, z) && shape_of(s, a) == shape_of(s, y))
      return intern_two(s, mul, multiply_bases(s, a, y, shape), z);
  }
  return intern_two(s, mul, a, b);
}

static node_id multiply(struct simplifier *s, node_id a, node_id b) {
  const struct shape *shape = joint_shape(s, a, b);
  struct scaled x = split(s, a), y = split(s, b);
  struct scaled r = {x.number * y.number, x.divisor * y.divisor, NODE_NONE, shape};
  if (!isfinite(r.number) || !isfinite(r.divisor))
    return intern_two(s, s->words->ops[SYMBOL_MUL], a, b);
  if (x.base == NODE_NONE || y.base == NODE_NONE) {
    r.base = x.base == NODE_NONE ? y.base : x.base;
  } else if (r.number != 0) {
    a = strip(s, x.base, y.base, shape);
    b = strip(s, y.base, a, shape);
    r.base = a == x.base && b == y.base ? multiply_bases(s, a, b, shape) : multiply(s, a, b);
  }
  return compose(s, r);
}

static node_id divide(struct simplifier *s, node_id a, node_id b) {
  const struct op *div = s->words->ops[SYMBOL_DIV];
  const struct shape *shape = joint_shape(s, a, b);
  a = strip(s, a, b, shape);
  b = strip(s, b, a, shape);
  struct scaled x = split(s, a), y = split(s, b);
  if (y.base == NODE_NONE && y.number != 0) {
    x.number *= y.divisor, x.divisor *= y.number, x.shape = shape;
    return isfinite(x.number) && isfinite(x.divisor) ? compose(s, x) : intern_two(s, div, a, b);
  }
  if (x.number == 0 && x.base == NODE_NONE)
    return compose(s, (struct scaled){0, 1, NODE_NONE, shape});
  if (y.number < 0) {
    x.number = -x.number, y.number = -y.number;
    b = compose(s, y);
  }
  if (x.base == NODE_NONE) { /* 3 / y / 4 */
    x.base = make_number_node(s, fabs(x.number));
    x.number = x.number < 0 ? -1 : 1;
  }
  x.base = intern_two(s, div, x.base, b);
  x.shape = shape;
  return x.base == NODE_NONE ? NODE_NONE : compose(s, x);
}

/* a + sign * b. */
static node_id combine(struct simplifier *s, node_id a, node_id b, double sign) {
  const struct shape *shape = joint_shape(s, a, b);
  const struct op *add = s->words->ops[SYMBOL_ADD], *sub = s->words->ops[SYMBOL_SUB];
  a = strip(s, a, b, shape);
  b = strip(s, b, a, shape);
  struct scaled x = split(s, a), y = split(s, b);
  y.number *= sign;
  x.shape = y.shape = shape;
  if (y.base == NODE_NONE && y.number == 0) return repeat(s, a, shape);
  if (x.base == NODE_NONE && x.number == 0) return compose(s, y);
  const bool whole = is_whole(x.number) && is_whole(y.number) && is_whole(x.divisor) &&
                     is_whole(y.divisor) && is_whole(x.divisor * y.divisor);
  if (x.base == y.base && (whole || (x.divisor == 1 && y.divisor == 1))) {
    x.number = x.number * y.divisor + y.number * x.divisor;
    x.divisor *= y.divisor;
    if (isfinite(x.number)) return compose(s, x);
  }
  x.shape = shape_of(s, a), y.shape = shape_of(s, b);
  struct scaled minus = x;
  minus.number = -x.number;
  if (x.number < 0 && y.number >= 0 && x.base != NODE_NONE)
    return intern_two(s, sub, compose(s, y), compose(s, minus));
  if (y.number < 0) {
    y.number = -y.number;
    if (x.number < 0 && x.base != NODE_NONE) { /* -x - y: -(x + y) */
      node_id sum = intern_two(s, add, compose(s, minus), compose(s, y));
      return sum == NODE_NONE ? sum : negate(s, sum);
    }
    return intern_two(s, sub, a, compose(s, y));
  }
  return intern_two(s, add, a, compose(s, y));
}

/* x ** 1, x ** 0. */
static node_id raise(struct simplifier *s, node_id a, node_id b) {
  const struct shape *shape = joint_shape(s, a, b);
  double exponent;
  if (is_number(s, b, &exponent) && (exponent == 0 || exponent == 1)) {
    if (exponent == 1) return repeat(s, a, shape);
    return compose(s, (struct scaled){1, 1, NODE_NONE, shape});
  }
  return intern_two(s, s->words->ops[SYMBOL_POW], strip(s, a, b, shape), b);
}

/* ---- other ops --------------------------------------------------------------------------- */

/* The permutation of a transpose: axis i of the result is axis axes[i] of x. */
static void read_axes(const struct node *node, int64_t *axes) {
  const struct attr *attr = node->attr;
  unsigned rank = node->shape->rank;
  for (unsigned i = 0; i < rank; i++) {
    axes[i] = attr && attr->given ? attr->ints.at[i] : (int64_t)(rank - 1 - i);
    normalise_axis(&axes[i], rank);
  }
}

static node_id transpose(struct simplifier *s, node_id x, const struct attr *attr,
                         const struct shape *shape);

static bool is_transposed(const struct simplifier *s, node_id id) {
  return is_op(s, id, s->words->transpose) && shape_of(s, id)->rank == 2;
}

static node_id turn(struct simplifier *s, node_id x) {
  return transpose(s, x, default_attrs(s->graph->arena, s->words->transpose), NULL);
}

/* Whether a transpose of a matrix, or of anything, leaves it as it is. */
static bool is_idle(const struct shape *shape, const struct attr *attr) {
  int64_t axes[RANK_MOST];
  const struct node node = {.attr = attr, .shape = shape};
  read_axes(&node, axes);
  for (unsigned i = 0; i < shape->rank; i++)
    if (axes[i] != (int64_t)i) return false;
  return true;
}

/* Whether transposing twice comes to nothing. */
static bool undoes(const struct simplifier *s, const struct attr *attr, node_id x) {
  int64_t first[RANK_MOST], second[RANK_MOST];
  const struct node outer = {.attr = attr, .shape = shape_of(s, x)};
  read_axes(node_at(s, x), first);
  read_axes(&outer, second);
  for (unsigned i = 0; i < outer.shape->rank; i++)
    if (first[second[i]] != (int64_t)i) return false;
  return true;
}

static node_id transpose(struct simplifier *s, node_id x, const struct attr *attr,
                         const struct shape *shape) {
  if (x == NODE_NONE) return x;
  const struct op *op = s->words->transpose, *matmul = s->words->ops[SYMBOL_MATMUL];
  const struct attr given = attr[0];
  if (is_op(s, x, op) && undoes(s, &given, x)) return input_of(s, x, 0);
  if (is_idle(shape_of(s, x), &given)) return x;
  struct scaled r = split(s, x);
  if (r.base == NODE_NONE && shape) {
    r.shape = shape;
    return compose(s, r);
  }
  if (r.base != x && r.base != NODE_NONE) { /* (-x).T: -x.T */
    r.base = transpose(s, r.base, attr, shape);
    if (r.base != NODE_NONE) r.shape = shape_of(s, r.base);
    return r.base == NODE_NONE ? NODE_NONE : compose(s, r);
  }
  if (shape_of(s, x)->rank != 2) return intern(s, op, attr, 1, &x);
  if (algebra_of(s, x) == ALGEBRA_OUTER)
    return intern_two(s, s->ops[ALGEBRA_OUTER], input_of(s, x, 1), input_of(s, x, 0));
  if (is_op(s, x, matmul)) {
    node_id a = input_of(s, x, 0), b = input_of(s, x, 1);
    bool matrices = shape_of(s, a)->rank == 2 && shape_of(s, b)->rank == 2;
    if (matrices && (is_transposed(s, a) || is_transposed(s, b)))
      return intern_two(s, matmul, turn(s, b), turn(s, a));
  }
  return intern(s, op, default_attrs(s->graph->arena, op), 1, &x);
}

static node_id product_of_matrices(struct simplifier *s, node_id a, node_id b,
                                   const struct shape *shape) {
  const struct op *op = s->words->ops[SYMBOL_MATMUL];
  struct scaled x = split(s, a), y = split(s, b);
  if (is_zero(s, a) || is_zero(s, b)) return compose(s, (struct scaled){0, 1, NODE_NONE, shape});
  double sign = 1;
  if (x.number == -1 && x.divisor == 1 && x.base != NODE_NONE) sign = -sign, a = x.base;
  if (y.number == -1 && y.divisor == 1 && y.base != NODE_NONE) sign = -sign, b = y.base;
  return compose(s, (struct scaled){sign, 1, intern_two(s, op, a, b), shape});
}

/* A sum along some axes of x, which then stay as axes of 1 or go. */
static node_id make_sum(struct simplifier *s, node_id x, size_t count, const int64_t *axes,
                        bool keep) {
  const struct op *op = s->ops[ALGEBRA_SUM];
  struct attr *attrs = default_attrs(s->graph->arena, op);
  struct attr *axis = attr_named(attrs, op, "axis");
  if (count < shape_of(s, x)->rank || keep) {
    set_dims(s, axis, count, axes);
    axis->list = count != 1;
  }
  if (keep) *attr_named(attrs, op, "keepdims") = (struct attr){.given = true, .truth = true};
  return intern(s, op, attrs, 1, &x);
}

/* Which axes of `from` are summed to get to `to`; false where some go and others stay as 1. */
static bool summed_axes(const struct shape *from, const struct shape *to, size_t *count,
                        int64_t *axes, bool *keep) {
  unsigned gone = from->rank - to->rank;
  *count = 0;
  *keep = false;
  for (unsigned i = 0; i < from->rank; i++) {
    bool kept = i >= gone && to->dim[i - gone] == 1 && from->dim[i] != 1;
    if (i >= gone && !kept) continue;
    axes[(*count)++] = i;
    *keep = *keep || kept;
  }
  return !*keep || !gone;
}

static node_id sum_to(struct simplifier *s, node_id x, const struct shape *shape) {
  int64_t axes[RANK_MOST];
  size_t count;
  bool keep;
  if (shape_of(s, x) == shape) return x;
  struct scaled r = split(s, x);
  if (r.base == NODE_NONE && is_whole((double)shape_of(s, x)->size) && shape->size) {
    const size_t summed = shape_of(s, x)->size / shape->size;
    r.number *= (double)summed;
    r.shape = shape;
    return compose(s, r);
  }
  if (r.base == NODE_NONE || shape_of(s, r.base) != shape_of(s, x))
    r = (struct scaled){1, 1, x, NULL};
  bool plain = summed_axes(shape_of(s, x), shape, &count, axes, &keep) && s->ops[ALGEBRA_SUM];
  r.base = plain ? make_sum(s, r.base, count, axes, keep)
                 : intern_shaped(s, ALGEBRA_SUM_TO, r.base, shape);
  r.shape = shape;
  return r.base == NODE_NONE ? NODE_NONE : compose(s, r);
}

/* A sum that kept its axes as 1, and which then lose these. */
static bool loses_axes(const struct simplifier *s, node_id x, const struct shape *shape,
                       size_t *count, int64_t *axes) {
  if (algebra_of(s, x) != ALGEBRA_SUM) return false;
  const struct shape *from = shape_of(s, input_of(s, x, 0)), *kept = shape_of(s, x);
  unsigned left = 0;
  *count = 0;
  if (from->rank != kept->rank) return false;
  for (unsigned i = 0; i < from->rank; i++)
    if (from->dim[i] != kept->dim[i])
      axes[(*count)++] = i;
    else if (left >= shape->rank || shape->dim[left++] != kept->dim[i])
      return false;
  return left == shape->rank;
}

static node_id reshape(struct simplifier *s, node_id x, const struct node *like) {
  const struct shape *shape = like->shape;
  int64_t axes[RANK_MOST];
  size_t count;
  bool inner = false;
  for (; algebra_of(s, x) == ALGEBRA_RESHAPE; inner = true) x = input_of(s, x, 0);
  if (shape_of(s, x) == shape) return x;
  struct scaled r = split(s, x);
  if (r.base == NODE_NONE) {
    r.shape = shape;
    return compose(s, r);
  }
  if (algebra_of(s, x) == ALGEBRA_BROADCAST_TO && !shape_of(s, input_of(s, x, 0))->rank)
    return repeat(s, input_of(s, x, 0), shape);
  if (algebra_of(s, x) == ALGEBRA_SUM_TO && is_widened(shape_of(s, x), shape))
    return sum_to(s, input_of(s, x, 0), shape);
  if (loses_axes(s, x, shape, &count, axes))
    return make_sum(s, input_of(s, x, 0), count, axes, false);
  if (r.base != x) { /* reshape(2 * x): 2 * reshape(x) */
    r.base = reshape(s, r.base, like);
    r.shape = shape;
    return r.base == NODE_NONE ? NODE_NONE : compose(s, r);
  }
  if (inner) return intern_shaped(s, ALGEBRA_RESHAPE, x, shape);
  return intern(s, like->op, like->attr, 1, &x);
}

static node_id choose(struct simplifier *s, const node_id *inputs, const struct node *like) {
  double condition;
  if (is_number(s, inputs[0], &condition))
    return repeat(s, inputs[condition != 0 ? 1 : 2], like->shape);
  /* Numbers need not be repeated where the condition has the whole shape. */
  node_id stripped[3] = {inputs[0], inputs[1], inputs[2]};
  for (unsigned k = 1; k <= 2 && shape_of(s, inputs[0]) == like->shape; k++)
    stripped[k] = strip(s, inputs[k], inputs[0], like->shape);
  return intern(s, like->op, like->attr, 3, stripped);
}

/* An op on numbers alone, computed. */
static bool fold(struct simplifier *s, const struct node *node, const node_id *inputs,
                 node_id *out) {
  double x[2] = {0, 0}, partial[2];
  if (!node->op->scalar || node->count > 2 || node->shape->rank) return false;
  for (unsigned k = 0; k < node->count; k++)
    if (!is_literal(s, inputs[k], &x[k])) return false;
  double y = node->op->scalar(x[0], x[1], partial);
  if (!isfinite(y)) return false;
  *out = make_number_node(s, y);
  return true;
}

/* More than two summands or factors, one after the other. */
static node_id chain(struct simplifier *s, const struct node *node, const node_id *inputs) {
  enum { CHAIN_MOST = 4 };
  if (node->count > CHAIN_MOST) return intern(s, node->op, node->attr, node->count, inputs);
  node_id id = inputs[0];
  for (unsigned k = 1; k < node->count && id != NODE_NONE; k++)
    id = node->op == s->words->ops[SYMBOL_ADD] ? combine(s, id, inputs[k], 1)
                                               : multiply(s, id, inputs[k]);
  return id;
}

static node_id rewrite(struct simplifier *s, const struct node *node, const node_id *x) {
  const struct op *const *ops = s->words->ops, *op = node->op;
  const struct scaled filled = {op->algebra == ALGEBRA_ONES, 1, NODE_NONE, node->shape};
  node_id folded;
  if (op == s->words->copy) return x[0];
  if (op == ops[SYMBOL_DIV]) return divide(s, x[0], x[1]);
  if (fold(s, node, x, &folded)) return folded;
  if (op == ops[SYMBOL_ADD] || op == ops[SYMBOL_MUL]) return chain(s, node, x);
  if (op == ops[SYMBOL_SUB]) return combine(s, x[0], x[1], -1);
  if (op == ops[SYMBOL_POW]) return raise(s, x[0], x[1]);
  if (op == ops[SYMBOL_MATMUL]) return product_of_matrices(s, x[0], x[1], node->shape);
  if (op == s->words->transpose) return transpose(s, x[0], node->attr, node->shape);
  if (op == s->words->negate) {
    struct scaled r = split(s, x[0]);
    r.number = -r.number;
    return compose(s, r);
  }
  switch (op->algebra) {
  case ALGEBRA_RESHAPE: return reshape(s, x[0], node);
  case ALGEBRA_BROADCAST_TO: return repeat(s, x[0], node->shape);
  case ALGEBRA_SUM_TO: return sum_to(s, x[0], node->shape);
  case ALGEBRA_ZEROS:
  case ALGEBRA_ONES: return compose(s, filled);
  case ALGEBRA_CHOICE: return choose(s, x, node);
  default: return intern(s, op, node->attr, node->count, x);
  }
}

/* ---- the pass ---------------------------------------------------------------------------- */

/* A tensor of one number throughout is that number, repeated. */
static node_id represent_start(struct simplifier *s, node_id id) {
  const struct node *node = node_at(s, id);
  const struct shape *shape = node->shape;
  if (node->role != ROLE_LITERAL || node->name || !node->value || !shape->size) return id;
  for (size_t i = 1; i < shape->size; i++)
    if (node->value[i] != node->value[0]) return id;
  if (isnan(node->value[0])) return id;
  return repeat(s, make_number_node(s, node->value[0]), shape);
}

/* What an author wrote: as it is, but once. */
static node_id represent_written(struct simplifier *s, node_id id, const node_id *inputs) {
  const struct node *node = node_at(s, id);
  write_key(s, node->op, node->attr, node->count, inputs);
  return find_key(s, id);
}

/* A call of a function with rules of its own: the value of its body, which comes first, behind an
 * op that keeps gradients away. */
static bool is_function(const struct simplifier *s, const struct op *op) {
  return vocabulary_find(s->words, op->name, strlen(op->name)) != op;
}

static node_id represent(struct simplifier *s, node_id id) {
  enum { FEW = 8 };
  node_id few[FEW] = {0}, *inputs = few;
  const struct node node = *node_at(s, id);
  if (!node.op) return represent_start(s, id);
  if (node.count > FEW) inputs = ARENA_ARRAY(s->graph->arena, node_id, node.count);
  for (unsigned k = 0; k < node.count; k++) {
    inputs[k] = s->same.at[graph_inputs(s->graph, &node)[k]];
    if (inputs[k] == NODE_NONE) return NODE_NONE;
  }
  if (is_function(s, node.op)) {
    node_id inner = graph_inputs(s->graph, &node)[0];
    return s->same.at[input_of(s, inner, 0)];
  }
  node_id number;
  if (node.op == s->words->negate && fold(s, &node, inputs, &number)) return number; /* -2 */
  if (node.text.start && node.op != s->words->copy) return represent_written(s, id, inputs);
  s->mark = node.mark;
  return rewrite(s, &node, inputs);
}

/* Puts a named node where others find it that compute the same. */
static void represent_named(struct simplifier *s, node_id id) {
  const struct node *node = node_at(s, id);
  s->atom.at[id] = true;
  if (!node->op || is_function(s, node->op) || node->op == s->words->copy) return;
  node_id *inputs = ARENA_ARRAY(s->graph->arena, node_id, node->count + 1U);
  for (unsigned k = 0; k < node->count; k++) {
    inputs[k] = s->same.at[graph_inputs(s->graph, node)[k]];
    if (inputs[k] == NODE_NONE) return;
  }
  write_key(s, node->op, node->attr, node->count, inputs);
  find_key(s, id);
}

node_id simplify(struct simplifier *s, node_id id) {
  for (; s->done < s->graph->nodes.count; s->done++) {
    node_id at = (node_id)s->done;
    if (at < s->same.count && s->same.at[at] != NODE_NONE) continue;
    set_same(s, at, at); /* what it may be found as */
    const struct node *node = node_at(s, at);
    bool written = node->op && node->text.start && !node->name;
    if (node->backward) {
      s->atom.at[at] = true;
    } else if (node->name) {
      represent_named(s, at);
    } else {
      node_id found = represent(s, at); /* which may move s->same */
      s->same.at[at] = found;
      if (written && found == at) simplify_keep(s, at);
    }
  }
  return s->same.at[id];
}

void simplifier_init(struct simplifier *s, struct graph *graph, const struct vocabulary *words) {
  *s = (struct simplifier){.graph = graph, .words = words};
  text_init(&s->key, graph->arena, NULL, NULL);
  for (const struct op *op = op_next(NULL); op; op = op_next(op))
    if (op->algebra && !s->ops[op->algebra]) s->ops[op->algebra] = op;
}

node_id simplify_hide(struct simplifier *s, node_id id) {
  double number;
  if (!is_literal(s, id, &number)) return id;
  const struct node node = *node_at(s, id);
  node_id hidden = graph_start(s->graph, ROLE_CONSTANT, node.shape, node.value, node.mark);
  set_same(s, hidden, id);
  return hidden;
}

node_id simplify_sum(struct simplifier *s, node_id a, node_id b) { return combine(s, a, b, 1); }

/* x[3] */
static bool is_entry(const struct simplifier *s, node_id id) {
  double number;
  return is_op(s, id, s->words->take) && is_literal(s, input_of(s, id, 1), &number);
}

/* sqrt(2) */
static bool is_constant(const struct simplifier *s, node_id id) {
  double number;
  for (unsigned k = 0; k < node_at(s, id)->count; k++)
    if (!is_literal(s, s->same.at[input_of(s, id, k)], &number)) return false;
  return true;
}

bool is_short(const struct simplifier *s, node_id id) {
  for (;;) {
    id = split(s, id).base;
    if (id == NODE_NONE || s->atom.at[id] || !node_at(s, id)->op) return true;
    enum algebra algebra = node_at(s, id)->op->algebra;
    bool view = algebra == ALGEBRA_RESHAPE || algebra == ALGEBRA_BROADCAST_TO;
    if (!view && !is_transposed(s, id) && !is_entry(s, id)) return is_constant(s, id);
    id = s->same.at[input_of(s, id, 0)];
  }
}

void simplify_keep(struct simplifier *s, node_id id) {
  if (!is_short(s, id)) s->atom.at[id] = true;
}

node_id simplify_made_of(struct simplifier *s, node_id id) {
  const struct node node = *node_at(s, id);
  node_id *inputs = ARENA_ARRAY(s->graph->arena, node_id, node.count + 1U);
  if (!node.op) return id;
  for (unsigned k = 0; k < node.count; k++)
    inputs[k] = simplify(s, graph_inputs(s->graph, &node)[k]);
  if (is_function(s, node.op)) return s->same.at[input_of(s, graph_inputs(s->graph, &node)[0], 0)];
  s->mark = node.mark;
  return rewrite(s, &node, inputs);
}

node_id make_filled(struct simplifier *s, node_id like, bool ones) {
  return intern(s, s->ops[ones ? ALGEBRA_ONES : ALGEBRA_ZEROS], NULL, 1, &like);
}
