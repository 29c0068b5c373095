/* Code in C17.  Scalars are variables, tensors are arrays, row-major; an assignment to a tensor is a
 * loop, or some, or the call of a function that is written in front. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "export/code.h"
#include "ops/axes.h"
#include "ops/snippets.h"

enum {
  STACK_MOST = 8192, /* doubles in the arrays of a function; with more of them they are static */
  TRIAL_MOST = 2000, /* numbers in a trial program; with more of them there is none */
  INDENT = 2,
  WIDTH = 100
};

struct writer {
  struct code *code;
  struct text *out;
  int depth;                      /* of indentation */
  bool is_static;                 /* the arrays are */
  const char *index[LOOPS_MOST];  /* names of loop variables; NULL: not yet */
  const char *gradients, *result; /* names of parameters */
  const char *type;               /* of the struct of gradients */
};

/* ---- operands ---------------------------------------------------------------------------- */

static bool is_array(const struct code *code, node_id id) {
  return code_node(code, id)->shape->rank > 0;
}

static void print_number(double number, struct text *out) {
  if (isnan(number)) {
    text_puts(out, "NAN");
  } else if (isinf(number)) {
    text_puts(out, number < 0 ? "-INFINITY" : "INFINITY");
  } else {
    const size_t from = out->count;
    text_number(out, number);
    const char *text = text_string(out) + from;
    if (!strpbrk(text, ".e")) text_puts(out, ".0");
  }
}

static const char *number_text(struct code *code, double number) {
  struct text text;
  text_init(&text, code->arena, NULL, NULL);
  print_number(number, &text);
  return text_string(&text);
}

static void print_constant(const struct value *value, struct text *out) {
  switch (value->kind) {
  case VALUE_TRUTH: text_puts(out, value->number != 0 ? "1" : "0"); break;
  case VALUE_LIST:
    for (size_t i = 0; i < value->list.count; i++) {
      if (i) text_puts(out, ", ");
      print_constant(&value->list.at[i], out);
    }
    break;
  case VALUE_NUMBER:
    if (value->number == floor(value->number) && fabs(value->number) < INT_MAX)
      text_integer(out, (int64_t)value->number);
    else
      print_number(value->number, out);
    break;
  default: text_puts(out, "NULL"); break; /* what was not given */
  }
}

/* ---- lines ------------------------------------------------------------------------------- */

static void begin_line(const struct writer *w) {
  text_fill(w->out, ' ', (size_t)(w->depth * INDENT));
}

static const char *index_name(struct writer *w, unsigned i) {
  static const char *const letters[] = {"i", "j", "k", "l", "m", "n", "o", "p"};
  enum { LETTERS = sizeof letters / sizeof *letters };
  if (!w->index[i])
    w->index[i] = code_name(w->code, i < LETTERS ? letters[i] : format_text(w->code, "i%u", i));
  return w->index[i];
}

/* ---- loops ------------------------------------------------------------------------------- */

/* A tensor that is used in nested loops. */
struct leaf {
  node_id id;
  const char *name; /* of an array that stands for it; NULL: its own */
  struct lay lay;
};

struct nest {
  struct writer *w;
  node_id owner; /* whose gradient the assignment is part of */
  unsigned rank;
  int64_t n[LOOPS_MOST];
  VEC(struct leaf) leaves;
};

static void start_nest(struct nest *nest, struct writer *w, node_id id) {
  *nest = (struct nest){.w = w, .owner = unit_of(w->code, id)->owner};
}

static void set_axes(struct nest *nest, const struct shape *shape) {
  nest->rank = shape->rank;
  for (unsigned i = 0; i < shape->rank; i++) nest->n[i] = shape->dim[i];
}

static struct leaf *add_leaf(struct nest *nest, node_id id) {
  struct leaf *leaf = vec_push(nest->w->code->arena, &nest->leaves);
  *leaf = (struct leaf){.id = id};
  unit_of(nest->w->code, id)->leaf = (uint32_t)nest->leaves.count - 1;
  return leaf;
}

static const struct leaf *find_leaf(const struct nest *nest, node_id id) {
  const uint32_t at = unit_of(nest->w->code, id)->leaf;
  return at < nest->leaves.count && nest->leaves.at[at].id == id ? &nest->leaves.at[at] : NULL;
}

/* A tensor that broadcasts to the loops, which go over this shape. */
static void add_broadcast(struct nest *nest, node_id id, const struct shape *shape) {
  if (find_leaf(nest, id)) return;
  struct leaf *leaf = add_leaf(nest, id);
  broadcast_strides(code_node(nest->w->code, id)->shape, shape, leaf->lay.stride);
}

/* Loops of one turn go; two become one where all tensors lie as if they were one. */
static bool are_joined(const struct nest *nest, unsigned outer, unsigned inner) {
  for (size_t k = 0; k < nest->leaves.count; k++) {
    const ptrdiff_t *stride = nest->leaves.at[k].lay.stride;
    if (stride[outer] != stride[inner] * (ptrdiff_t)nest->n[inner]) return false;
  }
  return true;
}

static void move_axis(struct nest *nest, unsigned to, unsigned from) {
  nest->n[to] = nest->n[from];
  for (size_t k = 0; k < nest->leaves.count; k++)
    nest->leaves.at[k].lay.stride[to] = nest->leaves.at[k].lay.stride[from];
}

static void join_axes(struct nest *nest) {
  unsigned rank = 0;
  for (unsigned i = 0; i < nest->rank; i++) {
    if (nest->n[i] == 1) continue;
    if (rank > 0 && are_joined(nest, rank - 1, i)) {
      const int64_t outer = nest->n[rank - 1];
      move_axis(nest, rank - 1, i);
      nest->n[rank - 1] *= outer;
    } else {
      move_axis(nest, rank++, i);
    }
  }
  nest->rank = rank;
}

/* Writes "3 * i + j". */
static void print_index(const struct nest *nest, const struct lay *lay, struct text *out) {
  bool empty = true;
  for (unsigned i = 0; i < nest->rank; i++) {
    const ptrdiff_t stride = lay->stride[i];
    if (stride <= 0) continue;
    if (!empty) text_puts(out, " + ");
    if (stride != 1) text_printf(out, "%lld * ", (long long)stride);
    text_puts(out, index_name(nest->w, i));
    empty = false;
  }
  if (lay->at || empty) text_printf(out, empty ? "%lld" : " + %lld", (long long)lay->at);
  for (unsigned i = 0; i < nest->rank; i++) {
    const ptrdiff_t stride = lay->stride[i];
    if (stride >= 0) continue;
    text_puts(out, " - ");
    if (stride != -1) text_printf(out, "%lld * ", (long long)-stride);
    text_puts(out, index_name(nest->w, i));
  }
}

static const char *leaf_name(const struct nest *nest, const struct leaf *leaf) {
  return leaf->name ? leaf->name : variable_name(nest->w->code, leaf->id, nest->owner);
}

/* "W[3 * i + j]", "s" */
static const char *place_text(const struct nest *nest, const struct leaf *leaf) {
  struct code *code = nest->w->code;
  const char *name = leaf_name(nest, leaf);
  if (!leaf->name && !is_array(code, leaf->id)) return name;
  struct text text;
  text_init(&text, code->arena, NULL, NULL);
  text_printf(&text, "%s[", name);
  print_index(nest, &leaf->lay, &text);
  text_char(&text, ']');
  return text_string(&text);
}

/* Begins a line with the loops around the statement that follows. */
static void open_loops(struct nest *nest) {
  struct writer *w = nest->w;
  for (unsigned i = 0; i < nest->rank; i++) {
    const char *name = index_name(w, i);
    begin_line(w);
    text_printf(w->out, "for (int %s = 0; %s < %lld; %s++)", name, name, (long long)nest->n[i],
                name);
    if (i + 1 < nest->rank) text_char(w->out, '\n');
    w->depth++;
  }
}

static void close_loops(struct nest *nest, const char *statement) {
  struct writer *w = nest->w;
  const char *line = w->out->at + w->out->count;
  size_t used = 0;
  while (line > w->out->at && line[-1] != '\n') line--, used++;
  const bool fits = nest->rank > 0 && used + strlen(statement) + 1 <= WIDTH;
  if (nest->rank > 0 && !fits) text_char(w->out, '\n');
  if (fits)
    text_char(w->out, ' ');
  else
    begin_line(w);
  text_printf(w->out, "%s\n", statement);
  w->depth -= (int)nest->rank;
}

static void write_loops(struct nest *nest, const char *statement) {
  open_loops(nest);
  close_loops(nest, statement);
}

/* ---- entries ----------------------------------------------------------------------------- */

static void gather_leaves(struct nest *nest, node_id id, const struct shape *shape) {
  const struct code *code = nest->w->code;
  const struct unit *unit = unit_of(code, id);
  if (unit->place == PLACE_VARIABLE && is_array(code, id)) add_broadcast(nest, id, shape);
  for (unsigned k = 0; unit->place == PLACE_INLINE && k < code_node(code, id)->count; k++)
    gather_leaves(nest, code_input(code, id, k), shape);
}

static const char *entry_text(struct nest *nest, node_id id);

struct entry_symbols {
  struct symbols symbols;
  struct nest *nest;
  node_id id;
  unsigned at; /* of a variadic op: which input `b` is; `a` is input 0 */
};

static const char *find_entry(struct symbols *symbols, const char *name, size_t size) {
  const struct entry_symbols *entry = (const struct entry_symbols *)(const void *)symbols;
  struct code *code = entry->nest->w->code;
  const struct op *op = code_node(code, entry->id)->op;
  int input = op->most == OP_ANY ? -1 : op_input(op, name, size);
  if (op->most == OP_ANY && size == 1 && (*name == 'a' || *name == 'b'))
    input = *name == 'a' ? 0 : (int)entry->at;
  if (op->most == OP_ANY && input < 0 && op_input(op, name, size) == 0) input = 0;
  if (input < 0) return NULL;
  const node_id around = entry->nest->owner;
  entry->nest->owner = unit_of(code, entry->id)->owner;
  const char *text = entry_text(entry->nest, code_input(code, entry->id, (unsigned)input));
  entry->nest->owner = around;
  return text;
}

static const char *op_entry(struct nest *nest, node_id id) {
  struct code *code = nest->w->code;
  struct entry_symbols symbols = {{find_entry}, nest, id, 0};
  const bool folded = code_node(code, id)->op->most == OP_ANY;
  if (folded && code_node(code, id)->count == 1) return entry_text(nest, code_input(code, id, 0));
  if (folded) return fold_text(code, id, unit_of(code, id)->text, &symbols.symbols, &symbols.at);
  return fill_text(code, id, unit_of(code, id)->text, &symbols.symbols);
}

/* An entry of a node's value in these loops. */
static const char *entry_text(struct nest *nest, node_id id) {
  struct code *code = nest->w->code;
  const struct unit *unit = unit_of(code, id);
  if (unit->place == PLACE_NUMBER) return number_text(code, *code_node(code, id)->value);
  if (unit->place == PLACE_INLINE) return op_entry(nest, id);
  const struct leaf scalar = {.id = id}, *leaf = find_leaf(nest, id);
  return place_text(nest, leaf ? leaf : &scalar);
}

/* ---- declarations ------------------------------------------------------------------------ */

static size_t array_size(const struct shape *shape) { return shape->size ? shape->size : 1; }

/* Whether a gradient's array is the caller's. */
static bool is_returned(const struct code *code, node_id id) {
  const struct unit *unit = unit_of(code, id);
  return unit->is_gradient && code->back[unit->owner].asked;
}

static void declare_array(const struct writer *w, const char *name, size_t size) {
  begin_line(w);
  text_printf(w->out, "%sdouble %s[%zu];\n", w->is_static ? "static " : "", name, size ? size : 1);
}

static void declare_node(const struct writer *w, node_id id) {
  const struct code *code = w->code;
  if (is_returned(code, id) && is_array(code, id)) return;
  if (is_array(code, id)) {
    declare_array(w, unit_of(code, id)->name, code_node(code, id)->shape->size);
    return;
  }
  begin_line(w);
  text_printf(w->out, "double %s;\n", unit_of(code, id)->name);
}

/* Writes "name = number" for all entries. */
static void fill_array(struct writer *w, const char *name, size_t size, double number) {
  if (size == 1) {
    begin_line(w);
    text_printf(w->out, "%s[0] = %s;\n", name, number_text(w->code, number));
    return;
  }
  const char *i = index_name(w, 0);
  begin_line(w);
  text_printf(w->out, "for (int %s = 0; %s < %zu; %s++) %s[%s] = %s;\n", i, i, size, i, name, i,
              number_text(w->code, number));
}

/* Writes "static const double name[] = {...};". */
static void write_numbers(struct writer *w, const char *name, size_t size, const double *at) {
  begin_line(w);
  text_printf(w->out, "static const double %s[%zu] = {", name, size ? size : 1);
  size_t column = (size_t)(w->depth * INDENT) + strlen(name) + 30;
  for (size_t i = 0; i < (size ? size : 1); i++) {
    const char *number = number_text(w->code, size ? at[i] : 0);
    const bool wraps = column + strlen(number) + 3 > WIDTH;
    if (i) text_puts(w->out, wraps ? "," : ", ");
    if (wraps) {
      text_char(w->out, '\n');
      text_fill(w->out, ' ', (size_t)((w->depth + 2) * INDENT));
      column = (size_t)((w->depth + 2) * INDENT);
    }
    text_puts(w->out, number);
    column += strlen(number) + 2;
  }
  text_puts(w->out, "};\n");
}

/* ---- assignments ------------------------------------------------------------------------- */

/* "y[i] = ..." in loops over y. */
static void write_entries(struct writer *w, node_id id) {
  struct code *code = w->code;
  const struct node *node = code_node(code, id);
  const struct unit *unit = unit_of(code, id);
  struct nest nest;
  start_nest(&nest, w, id);
  if (node->shape->rank) {
    declare_node(w, id);
    set_axes(&nest, node->shape);
    add_broadcast(&nest, id, node->shape);
  }
  for (unsigned k = 0; k < node->count; k++)
    gather_leaves(&nest, code_input(code, id, k), node->shape);
  join_axes(&nest);
  const char *entry = op_entry(&nest, id);
  if (node->shape->rank)
    write_loops(&nest,
                format_text(code, "%s = %s;", place_text(&nest, find_leaf(&nest, id)), entry));
  else
    write_loops(&nest, format_text(code, "const double %s = %s;", unit->name, entry));
}

/* The same entries in the same order. */
static void write_same(struct writer *w, node_id id) {
  struct code *code = w->code;
  const node_id from = code_input(code, id, 0);
  const struct unit *unit = unit_of(code, id), *source = unit_of(code, from);
  const char *name = variable_name(code, from, unit->owner);
  if (is_array(code, id) && is_array(code, from) && source->place == PLACE_VARIABLE &&
      !is_returned(code, id)) {
    begin_line(w);
    text_printf(w->out, "const double *const %s = %s;\n", unit->name, name);
    return;
  }
  struct nest nest;
  start_nest(&nest, w, id);
  set_axes(&nest, code_node(code, id)->shape);
  if (is_array(code, id)) {
    declare_node(w, id);
    shape_strides(code_node(code, id)->shape, add_leaf(&nest, id)->lay.stride);
  }
  if (is_array(code, from)) { /* one after the other, whatever the shape */
    struct leaf *leaf = add_leaf(&nest, from);
    if (is_array(code, id)) leaf->lay = nest.leaves.at[0].lay;
  }
  join_axes(&nest);
  const char *target = is_array(code, id) ? place_text(&nest, &nest.leaves.at[0])
                                          : format_text(code, "const double %s", unit->name);
  write_loops(&nest, format_text(code, "%s = %s;", target, entry_text(&nest, from)));
}

static const char *factor_text(const struct nest *nest, const struct leaf *leaf) {
  struct code *code = nest->w->code;
  const bool number = unit_of(code, leaf->id)->place == PLACE_NUMBER;
  return number ? number_text(code, *code_node(code, leaf->id)->value) : place_text(nest, leaf);
}

/* One nest of an op that is loops. */
static void write_nest(struct writer *w, node_id id, const struct loops *loops, bool adds) {
  struct code *code = w->code;
  struct nest nest;
  start_nest(&nest, w, id);
  nest.rank = loops->rank;
  memcpy(nest.n, loops->n, sizeof nest.n);
  add_leaf(&nest, id)->lay = loops->y;
  for (unsigned k = 0; k < loops->count; k++)
    add_leaf(&nest, code_input(code, id, loops->factors[k].input))->lay = loops->factors[k].lay;
  join_axes(&nest);
  struct text text;
  text_init(&text, code->arena, NULL, NULL);
  text_printf(&text, "%s %s ", place_text(&nest, &nest.leaves.at[0]), adds ? "+=" : "=");
  for (unsigned k = 0; k < loops->count; k++)
    text_printf(&text, k ? " * %s" : "%s", factor_text(&nest, &nest.leaves.at[k + 1]));
  if (!loops->count) text_puts(&text, "1.0");
  text_char(&text, ';');
  write_loops(&nest, text_string(&text));
}

static void write_op_loops(struct writer *w, node_id id) {
  struct code *code = w->code;
  const struct node *node = code_node(code, id);
  struct loop_list list = {.arena = code->arena};
  const struct shape **x = ARENA_ARRAY(code->arena, const struct shape *, node->count + 1U);
  for (unsigned k = 0; k < node->count; k++) x[k] = code_node(code, code_input(code, id, k))->shape;
  node->op->code.loops(node->attr, node->shape, node->count, x, &list);
  if (list.filled && !is_array(code, id)) {
    begin_line(w);
    text_printf(w->out, "double %s = %s;\n", unit_of(code, id)->name, number_text(code, list.fill));
  } else {
    declare_node(w, id);
  }
  if (list.filled && is_array(code, id))
    fill_array(w, unit_of(code, id)->name, node->shape->size, list.fill);
  for (size_t i = 0; i < list.nests.count; i++) write_nest(w, id, &list.nests.at[i], list.adds);
}

/* ---- functions of rows and of whole tensors ---------------------------------------------- */

/* What pointers need: a tensor of one number, which has no variable, gets one. */
static void give_address(struct writer *w, node_id id) {
  struct code *code = w->code;
  struct unit *unit = unit_of(code, id);
  const struct node *node = code_node(code, id);
  if (unit->place != PLACE_NUMBER) return;
  const char *name = code_name(code, "numbers");
  const double number = node->value[0];
  unit->place = PLACE_VARIABLE;
  unit->name = name;
  if (is_array(code, id)) {
    declare_array(w, name, node->shape->size);
    fill_array(w, name, node->shape->size, number);
  } else {
    begin_line(w);
    text_printf(w->out, "const double %s = %s;\n", name, number_text(code, number));
  }
}

/* "&x[3 * i]", "x", "&s" */
static const char *pointer_text(struct nest *nest, const struct leaf *leaf) {
  struct code *code = nest->w->code;
  const char *name = leaf_name(nest, leaf);
  if (!leaf->name && !is_array(code, leaf->id)) return format_text(code, "&%s", name);
  bool start = leaf->lay.at == 0;
  for (unsigned i = 0; i < nest->rank; i++) start = start && leaf->lay.stride[i] == 0;
  return start ? name : format_text(code, "&%s", place_text(nest, leaf));
}

struct pointer_symbols {
  struct symbols symbols;
  struct nest *nest;
  node_id id;
  bool rows;       /* the inputs that are not like the first are taken by entry */
  int64_t n, step; /* of a row */
  const char *work;
};

static const char *find_pointer(struct symbols *symbols, const char *name, size_t size) {
  const struct pointer_symbols *p = (const struct pointer_symbols *)(const void *)symbols;
  struct code *code = p->nest->w->code;
  const struct op *op = code_node(code, p->id)->op;
  if (size == 1 && *name == 'y') return pointer_text(p->nest, &p->nest->leaves.at[0]);
  if (p->rows && size == 1 && *name == 'n') return format_text(code, "%lld", (long long)p->n);
  if (p->rows && size == 4 && !memcmp(name, "step", 4))
    return format_text(code, "%lld", (long long)p->step);
  if (p->work && size == 4 && !memcmp(name, "work", 4)) return p->work;
  int k = op_input(op, name, size);
  if (op->most == OP_ANY && size == 1 && (*name == 'a' || *name == 'b')) k = *name - 'a';
  if (k < 0) return NULL;
  if ((unsigned)k >= code_node(code, p->id)->count) return "NULL";
  const struct leaf *leaf = &p->nest->leaves.at[k + 1];
  const struct shape *first = code_node(code, code_input(code, p->id, 0))->shape;
  const bool by_entry = p->rows && code_node(code, leaf->id)->shape != first;
  return by_entry ? place_text(p->nest, leaf) : pointer_text(p->nest, leaf);
}

/* How a tensor falls into rows: the loops over the rows, and a row's entries. */
struct rows {
  int64_t n, step;
  bool scattered; /* the entries of a row are not equally far apart */
};

static axis_set row_axes(const struct node *node, const struct shape *x) {
  static const char *const names[] = {"axis", "axes"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    int at = op_attr(node->op, names[i], strlen(names[i]));
    if (at >= 0 && node->op->attrs[at].type == ATTR_INT) return axis_of(&node->attr[at], x->rank);
    if (at >= 0) return axes_of(&node->attr[at], x->rank);
  }
  return x->rank ? (axis_set)1 << (x->rank - 1) : 0;
}

static struct rows find_rows(const struct shape *x, axis_set axes) {
  ptrdiff_t strides[RANK_MOST];
  struct rows rows = {.n = 1, .step = 1};
  shape_strides(x, strides);
  for (unsigned i = x->rank; i-- > 0;) {
    if (!has_axis(axes, i) || x->dim[i] == 1) continue;
    if (rows.n == 1) rows.step = strides[i];
    rows.scattered = rows.scattered || strides[i] != rows.n * rows.step;
    rows.n *= x->dim[i];
  }
  return rows;
}

/* Copies between a tensor and an array in which the entries of each row lie side by side. */
static void move_rows(struct writer *w, node_id id, node_id tensor, const char *name, bool gather,
                      const struct shape *shape, axis_set axes) {
  struct code *code = w->code;
  ptrdiff_t strides[RANK_MOST], stride = 1;
  struct nest nest;
  start_nest(&nest, w, id);
  shape_strides(shape, strides);
  add_leaf(&nest, tensor);
  add_leaf(&nest, tensor)->name = name;
  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < shape->rank; i++) {
      if (has_axis(axes, i) != (pass == 1)) continue;
      nest.leaves.at[0].lay.stride[nest.rank] = strides[i];
      nest.n[nest.rank++] = shape->dim[i];
    }
  for (unsigned i = nest.rank; i-- > 0; stride *= (ptrdiff_t)nest.n[i])
    nest.leaves.at[1].lay.stride[i] = stride;
  join_axes(&nest);
  write_loops(&nest, format_text(code, "%s = %s;", place_text(&nest, &nest.leaves.at[gather]),
                                 place_text(&nest, &nest.leaves.at[!gather])));
}

/* Gives each tensor that is like x such an array; what is read is copied to it. */
static void gather_rows(struct writer *w, struct nest *nest, const struct shape *x, axis_set axes,
                        int64_t n) {
  struct code *code = w->code;
  const node_id id = nest->leaves.at[0].id;
  const bool fills = code_node(code, id)->op->code.rows != NULL;
  for (size_t k = fills ? 0 : 1; k < nest->leaves.count; k++) {
    struct leaf *leaf = &nest->leaves.at[k];
    if (code_node(code, leaf->id)->shape != x) continue;
    leaf->name = code_name(code, format_text(code, "%s_rows", leaf_name(nest, leaf)));
    declare_array(w, leaf->name, x->size);
    if (k) move_rows(w, id, leaf->id, leaf->name, true, x, axes);
    ptrdiff_t stride = (ptrdiff_t)n;
    for (unsigned i = nest->rank; i-- > 0; stride *= (ptrdiff_t)nest->n[i])
      leaf->lay.stride[i] = stride;
  }
}

/* The loops over rows: what lies like x keeps its strides, what has an entry a row gets its own. */
static void loop_rows(struct nest *nest, const struct node *node, const struct shape *x,
                      axis_set axes) {
  const struct code *code = nest->w->code;
  ptrdiff_t strides[RANK_MOST], entry = 1;
  shape_strides(x, strides);
  for (unsigned i = 0; i < x->rank; i++)
    if (!has_axis(axes, i)) nest->n[nest->rank++] = x->dim[i];
  unsigned at = nest->rank;
  for (unsigned i = x->rank; i-- > 0;) {
    if (has_axis(axes, i)) continue;
    at--;
    for (size_t k = 0; k < nest->leaves.count; k++) {
      struct leaf *leaf = &nest->leaves.at[k];
      const bool whole = code_node(code, leaf->id)->shape == x && (k > 0 || node->shape == x);
      leaf->lay.stride[at] = whole && !(k == 0 && node->op->code.row) ? strides[i] : entry;
      if (code_node(code, leaf->id)->shape->size == 1) leaf->lay.stride[at] = 0;
    }
    entry *= (ptrdiff_t)x->dim[i];
  }
}

static void write_rows(struct writer *w, node_id id) {
  struct code *code = w->code;
  const struct node *node = code_node(code, id);
  const struct shape *x = code_node(code, code_input(code, id, 0))->shape;
  const axis_set axes = row_axes(node, x);
  struct rows rows = find_rows(x, axes);
  const bool fills = node->op->code.rows != NULL, declared = fills || is_array(code, id);
  struct nest nest;
  for (unsigned k = 0; k < node->count; k++) give_address(w, code_input(code, id, k));
  if (declared) declare_node(w, id);
  start_nest(&nest, w, id);
  add_leaf(&nest, id);
  for (unsigned k = 0; k < node->count; k++) add_leaf(&nest, code_input(code, id, k));
  loop_rows(&nest, node, x, axes);
  if (rows.scattered) {
    gather_rows(w, &nest, x, axes, rows.n);
    rows.step = 1;
  }
  const char *gathered = nest.leaves.at[0].name;
  join_axes(&nest);
  struct pointer_symbols symbols = {{find_pointer}, &nest, id, true, rows.n, rows.step, NULL};
  const char *text = fill_text(code, id, unit_of(code, id)->text, &symbols.symbols);
  if (fills)
    text = format_text(code, "%s;", text);
  else if (declared)
    text = format_text(code, "%s = %s;", place_text(&nest, &nest.leaves.at[0]), text);
  else
    text = format_text(code, "const double %s = %s;", unit_of(code, id)->name, text);
  write_loops(&nest, text);
  if (gathered) move_rows(w, id, id, gathered, false, x, axes);
}

/* The loops over a batch: the axes before those that belong to one call.  The first leaf is y, all of
 * whose leading axes are the batch. */
static void loop_batch(struct nest *nest, const struct node *node) {
  const struct code *code = nest->w->code;
  struct dims batch = {.rank = 0};
  for (unsigned k = 0; k < node->count; k++) {
    struct dims own = shape_dims(code_node(code, nest->leaves.at[k + 1].id)->shape);
    own.rank = own.rank > node->op->code.core[k] ? own.rank - node->op->code.core[k] : 0;
    broadcast_dims(&batch, &own, &batch);
  }
  nest->rank = batch.rank;
  memcpy(nest->n, batch.at, batch.rank * sizeof *batch.at);
  for (size_t k = 0; k < nest->leaves.count; k++) {
    struct leaf *leaf = &nest->leaves.at[k];
    const struct shape *shape = code_node(code, leaf->id)->shape;
    const unsigned core = k ? node->op->code.core[k - 1] : shape->rank - batch.rank;
    const unsigned own = shape->rank > core ? shape->rank - core : 0;
    ptrdiff_t strides[RANK_MOST];
    shape_strides(shape, strides);
    for (unsigned i = 0; i < own; i++)
      leaf->lay.stride[batch.rank - own + i] = shape->dim[i] == 1 ? 0 : strides[i];
  }
}

static void write_whole(struct writer *w, node_id id) {
  struct code *code = w->code;
  const struct node *node = code_node(code, id);
  struct nest nest;
  for (unsigned k = 0; k < node->count; k++) give_address(w, code_input(code, id, k));
  declare_node(w, id);
  start_nest(&nest, w, id);
  add_leaf(&nest, id);
  for (unsigned k = 0; k < node->count; k++) add_leaf(&nest, code_input(code, id, k));
  if (node->op->code.core[0]) loop_batch(&nest, node);
  join_axes(&nest);
  struct pointer_symbols symbols = {{find_pointer}, &nest, id, false, 0, 0, NULL};
  if (node->op->code.work) {
    const char *work = node->op->code.work;
    struct value value;
    code->failed = !rule_constant(&code->rules, id, work, strlen(work), &value) || code->failed;
    symbols.work = code_name(code, format_text(code, "%s_work", unit_of(code, id)->name));
    if (!code->failed) declare_array(w, symbols.work, (size_t)value.number);
  }
  const char *text = fill_text(code, id, unit_of(code, id)->text, &symbols.symbols);
  write_loops(&nest, format_text(code, "%s;", text));
}

/* ---- the steps --------------------------------------------------------------------------- */

/* A start node that is no argument: numbers of an expression, what comes from above. */
static void write_start(struct writer *w, node_id id) {
  struct code *code = w->code;
  const struct node *node = code_node(code, id);
  const double *at = id == code->upstream ? code->upstream_value : node->value;
  const char *name = unit_of(code, id)->name;
  if (is_array(code, id) && is_returned(code, id)) {
    for (size_t i = 0; i < node->shape->size; i++) {
      begin_line(w);
      text_printf(w->out, "%s[%zu] = %s;\n", name, i, number_text(code, at[i]));
    }
  } else if (is_array(code, id)) {
    write_numbers(w, name, node->shape->size, at);
  } else {
    begin_line(w);
    text_printf(w->out, "const double %s = %s;\n", name, number_text(code, *at));
  }
}

/* A gradient that is the same as another's. */
static void write_copy(struct writer *w, const struct step *step) {
  struct code *code = w->code;
  const struct back *back = &code->back[step->node];
  const node_id from = step->copied;
  const struct shape *shape = code_node(code, from)->shape;
  const bool number = unit_of(code, from)->place == PLACE_NUMBER;
  const char *of = number ? number_text(code, *code_node(code, from)->value)
                          : variable_name(code, from, step->node);
  if (!shape->rank) {
    begin_line(w);
    text_printf(w->out, "const double %s = %s;\n", back->name, of);
  } else if (number) {
    if (!back->asked) declare_array(w, back->name, shape->size);
    fill_array(w, back->name, shape->size, *code_node(code, from)->value);
  } else if (back->asked) {
    const char *i = index_name(w, 0);
    begin_line(w);
    text_printf(w->out, "for (int %s = 0; %s < %zu; %s++) %s[%s] = %s[%s];\n", i, i, shape->size, i,
                back->name, i, of, i);
  } else {
    begin_line(w);
    text_printf(w->out, "const double *const %s = %s;\n", back->name, of);
  }
}

static void write_step(struct writer *w, const struct step *step) {
  const struct code *code = w->code;
  const node_id id = step->node;
  const struct node *node = code_node(code, id);
  if (step->copied != NODE_NONE) {
    write_copy(w, step);
    return;
  }
  if (unit_of(code, id)->place != PLACE_VARIABLE) return;
  const struct op_code *text = node->op ? &node->op->code : NULL;
  if (!text)
    write_start(w, id);
  else if (text->entry)
    write_entries(w, id);
  else if (text->row || text->rows)
    write_rows(w, id);
  else if (text->whole)
    write_whole(w, id);
  else if (text->loops)
    write_op_loops(w, id);
  else
    write_same(w, id);
}

/* ---- the function ------------------------------------------------------------------------ */

static const struct shape *output_shape(const struct code *code) {
  return code_node(code, code->output)->shape;
}

/* Writes "double x", "const double W[9]". */
static void write_parameter(const struct writer *w, const char *prefix, const char *type,
                            const char *name, const struct shape *shape) {
  text_printf(w->out, "%s%s%s", prefix, type, name);
  if (shape->rank) text_printf(w->out, "[%zu]", array_size(shape));
}

static void write_head(struct writer *w) {
  struct code *code = w->code;
  const char *separator = "";
  const size_t from = w->out->count;
  const bool one = output_shape(code)->size == 1;
  text_printf(w->out, "%s %s(", one ? "double" : "void", code->function);
  const size_t margin = w->out->count - from;
  size_t line = from;
  for (size_t i = 0; i < code->arguments.count; i++) {
    const node_id id = code->arguments.at[i];
    const char *name = unit_of(code, id)->name;
    if (i && w->out->count - line + strlen(name) + 24 > WIDTH) {
      text_puts(w->out, ",\n");
      line = w->out->count;
      text_fill(w->out, ' ', margin);
      separator = "";
    }
    write_parameter(w, separator, is_array(code, id) ? "const double " : "double ", name,
                    code_node(code, id)->shape);
    separator = ", ";
  }
  if (!one) {
    text_printf(w->out, "%sdouble %s[%zu]", separator, w->result, array_size(output_shape(code)));
    separator = ", ";
  }
  if (code->wanted.count && *separator && w->out->count - line + 2 * strlen(w->type) > WIDTH) {
    text_puts(w->out, ",\n");
    text_fill(w->out, ' ', margin);
    separator = "";
  }
  if (code->wanted.count)
    text_printf(w->out, "%sstruct %s *%s", separator, w->type, w->gradients);
  else if (!*separator)
    text_puts(w->out, "void");
  text_puts(w->out, ") {\n");
}

static void write_struct(struct writer *w) {
  struct code *code = w->code;
  if (!code->wanted.count) return;
  text_printf(w->out, "struct %s {\n", w->type);
  for (size_t i = 0; i < code->wanted.count; i++) {
    const struct wanted *wanted = &code->wanted.at[i];
    write_parameter(w, "  ", "double ", wanted->member, code_node(code, wanted->node)->shape);
    text_puts(w->out, ";\n");
  }
  text_puts(w->out, "};\n\n");
}

/* The caller's arrays under the names that they have as gradients. */
static void write_targets(struct writer *w) {
  const struct code *code = w->code;
  for (size_t i = 0; i < code->wanted.count; i++) {
    const struct wanted *wanted = &code->wanted.at[i];
    if (!is_array(code, wanted->node)) continue;
    begin_line(w);
    text_printf(w->out, "double *const %s = %s->%s;\n", wanted->name, w->gradients, wanted->member);
  }
}

static void write_returns(struct writer *w) {
  struct code *code = w->code;
  const struct shape *shape = output_shape(code);
  for (size_t i = 0; i < code->wanted.count; i++) {
    const struct wanted *wanted = &code->wanted.at[i];
    const bool zero = wanted->gradient == NODE_NONE;
    if (is_array(code, wanted->node)) {
      if (zero) fill_array(w, wanted->name, code_node(code, wanted->node)->shape->size, 0);
    } else {
      begin_line(w);
      text_printf(w->out, "%s->%s = %s;\n", w->gradients, wanted->member,
                  zero ? "0.0" : wanted->name);
    }
  }
  const node_id output = code->output;
  const struct unit *unit = unit_of(code, output);
  if (shape->size == 1) {
    begin_line(w);
    text_printf(w->out, is_array(code, output) ? "return %s[0];\n" : "return %s;\n", unit->name);
  } else {
    const char *i = index_name(w, 0);
    begin_line(w);
    text_printf(w->out, "for (int %s = 0; %s < %zu; %s++) %s[%s] = %s[%s];\n", i, i, shape->size, i,
                w->result, i, unit->name, i);
  }
}

static void write_function(struct writer *w) {
  struct code *code = w->code;
  write_head(w);
  w->depth = 1;
  for (size_t i = 0; i < code->arguments.count; i++) /* only its shape counts */
    if (!unit_of(code, code->arguments.at[i])->uses && code->arguments.at[i] != code->output)
      text_printf(w->out, "  (void)%s;\n", unit_of(code, code->arguments.at[i])->name);
  text_puts(w->out, "  /* forward */\n");
  for (size_t i = 0; i < code->backward; i++) write_step(w, &code->steps.at[i]);
  if (code->wanted.count) text_puts(w->out, "\n  /* backward */\n");
  write_targets(w);
  for (size_t i = code->backward; i < code->steps.count; i++) write_step(w, &code->steps.at[i]);
  write_returns(w);
  text_puts(w->out, "}\n");
}

/* ---- functions in front ------------------------------------------------------------------ */

/* Begins a line, or goes on with one that is too long. */
static size_t wrap_line(int depth, bool goes_on, struct text *out) {
  const int indent = depth * INDENT + (goes_on ? 2 * INDENT : 0);
  if (goes_on) text_char(out, '\n');
  text_fill(out, ' ', (size_t)indent);
  return (size_t)indent;
}

/* Writes C that is on one line on several. */
static void write_lines(const char *at, struct text *out) {
  enum { FULL = WIDTH - 18 }; /* from here on a line is broken where it can be */
  int depth = 0, brackets = 0;
  size_t column = 0;
  bool fresh = true; /* a line is to begin */
  for (char last = ' '; *at; last = *at++) {
    if (*at == ' ' && (fresh || (depth == 0 && at[1] == '('))) continue;
    if (*at == '}') depth--;
    if (fresh) {
      column = wrap_line(depth, false, out);
    } else if (*at == ' ' && column > FULL && strchr(",&|", last)) {
      column = wrap_line(depth, true, out);
      continue;
    }
    text_char(out, *at);
    column++;
    brackets += (*at == '(') - (*at == ')');
    if (*at == '{') depth++;
    const bool list = *at == '}' && at[1] == ';';
    fresh = brackets == 0 && ((*at == '{' && depth > 0) || *at == ';' || (*at == '}' && !list));
    if (fresh) text_char(out, '\n');
    if (fresh && depth == 0 && at[1]) text_char(out, '\n');
  }
}

static void write_snippets(struct writer *w, const char *body) {
  const bool *used = find_snippets(w->code, body);
  for (size_t i = 0; snippets[i].name; i++) {
    if (!used[i]) continue;
    if (snippets[i].note) text_printf(w->out, "/* %s */\n", snippets[i].note);
    write_lines(snippets[i].c, w->out);
    text_char(w->out, '\n');
  }
}

/* ---- the trial program ------------------------------------------------------------------- */

static size_t count_numbers(const struct code *code) {
  size_t count = output_shape(code)->size;
  for (size_t i = 0; i < code->arguments.count; i++)
    count += code_node(code, code->arguments.at[i])->shape->size;
  for (size_t i = 0; i < code->wanted.count; i++)
    count += code_node(code, code->wanted.at[i].node)->shape->size;
  return count;
}

/* A line that prints numbers. */
static void write_print(struct writer *w, const char *title, const char *place, size_t size,
                        bool array) {
  if (!array) {
    text_printf(w->out, "  printf(\"%s = %%.17g\\n\", %s);\n", title, place);
    return;
  }
  const char *i = index_name(w, 0);
  text_printf(w->out, "  printf(\"%s =\");\n", title);
  text_printf(w->out, "  for (int %s = 0; %s < %zu; %s++) printf(\" %%.17g\", %s[%s]);\n", i, i,
              size, i, place, i);
  text_puts(w->out, "  printf(\"\\n\");\n");
}

static const char *argument_text(const struct code *code, size_t i) {
  const node_id id = code->arguments.at[i];
  return is_array(code, id) ? unit_of(code, id)->name
                            : number_text((struct code *)code, code_node(code, id)->value[0]);
}

static void write_trial(struct writer *w) {
  struct code *code = w->code;
  const bool one = output_shape(code)->size == 1;
  const char *output = unit_of(code, code->output)->name;
  if (count_numbers(code) > TRIAL_MOST) return;
  const char *values = code_name(code, "value"), *grad = code_name(code, "grad");
  text_printf(w->out, "\n#ifdef TRY /* cc -DTRY %s.c -lm && ./a.out: at the values of the net */\n",
              code->function);
  text_puts(w->out, "#include <stdio.h>\n\nint main(void) {\n");
  for (size_t i = 0; i < code->arguments.count; i++) {
    const node_id id = code->arguments.at[i];
    if (is_array(code, id))
      write_numbers(w, unit_of(code, id)->name, code_node(code, id)->shape->size,
                    code_node(code, id)->value);
  }
  if (code->wanted.count) text_printf(w->out, "  static struct %s %s;\n", w->type, grad);
  if (!one)
    text_printf(w->out, "  static double %s[%zu];\n", values, array_size(output_shape(code)));
  text_printf(w->out, one ? "  const double %s = %s(" : "  %.0s%s(", values, code->function);
  const char *separator = "";
  for (size_t i = 0; i < code->arguments.count; i++, separator = ", ")
    text_printf(w->out, "%s%s", separator, argument_text(code, i));
  if (!one) text_printf(w->out, "%s%s", separator, values), separator = ", ";
  if (code->wanted.count) text_printf(w->out, "%s&%s", separator, grad);
  text_puts(w->out, ");\n");
  write_print(w, output, values, output_shape(code)->size, !one);
  for (size_t i = 0; i < code->wanted.count; i++) {
    const struct wanted *wanted = &code->wanted.at[i];
    const struct shape *shape = code_node(code, wanted->node)->shape;
    write_print(w, wanted->name, format_text(code, "%s.%s", grad, wanted->member), shape->size,
                shape->rank > 0);
  }
  text_puts(w->out, "  return 0;\n}\n#endif\n");
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool needs_static(const struct code *code) {
  size_t size = 0;
  for (size_t i = 0; i < code->steps.count; i++) {
    const node_id id = code->steps.at[i].node;
    if (unit_of(code, id)->place == PLACE_VARIABLE && is_array(code, id))
      size += code_node(code, id)->shape->size;
  }
  return size > STACK_MOST;
}

static void write_comment(struct writer *w) {
  struct code *code = w->code;
  text_puts(w->out, "/* ");
  print_origin(code, " * ", w->out);
  text_puts(w->out, " *\n * Returns ");
  text_puts(w->out, unit_of(code, code->output)->name);
  text_puts(w->out, code->wanted.count ? " and fills the gradients." : ".");
  text_puts(w->out, "  Tensors are arrays, row by row.\n");
  if (w->is_static) text_puts(w->out, " * Large arrays are static: one call at a time.\n");
  for (size_t i = 0; i < code->renames.count; i++) {
    const struct rename *rename = &code->renames.at[i];
    text_printf(w->out, " * %s is called %s here.\n", rename->from, rename->to);
  }
  text_puts(w->out, " */\n#include <math.h>\n#include <stddef.h>\n\n");
}

/* Indices are of type int. */
static bool are_small(struct code *code) {
  for (node_id id = 0; id < code->units.count; id++) {
    if (!unit_of(code, id)->needed || code_node(code, id)->shape->size <= INT_MAX) continue;
    struct text name;
    text_init(&name, code->arena, NULL, NULL);
    graph_print_name(code->graph, id, &name);
    report_add(code->net->report, code_node(code, id)->mark, BP(TOO_LARGE), "code in C",
               text_string(&name));
    return false;
  }
  return true;
}

static void write_c(struct code *code, struct text *out) {
  if (!are_small(code)) {
    code->failed = true;
    return;
  }
  struct text body;
  text_init(&body, code->arena, NULL, NULL);
  struct writer w = {.code = code, .out = &body};
  w.is_static = needs_static(code);
  w.type = format_text(code, "%s_gradients", code->function);
  w.gradients = code_name(code, "gradients");
  w.result = code_name(code, "result");
  write_function(&w);
  const char *function = text_string(&body);
  w.out = out;
  write_comment(&w);
  write_snippets(&w, function);
  write_struct(&w);
  text_puts(out, function);
  w.depth = 1;
  write_trial(&w);
}

/* ---- the language ------------------------------------------------------------------------ */

static const char *c_text(const struct code *code, node_id id) {
  const struct op *op = code_node(code, id)->op;
  if (op->code.entry) return op->code.entry;
  if (op->code.row) return op->code.row;
  if (op->code.rows) return op->code.rows;
  if (op->code.whole) return op->code.whole;
  return op->code.loops || op->code.same ? "" : NULL;
}

/* Only entries are written within others: of the same place. */
static bool is_inlined(const struct code *code, node_id id, node_id user) {
  const struct node *node = code_node(code, id), *other = code_node(code, user);
  return node->op->code.entry && other->op->code.entry && node->shape == other->shape;
}

static const char *snippet_text(const struct snippet *snippet) { return snippet->c; }

/* The words of the language, of its preprocessor and of the headers that are included. */
static const char reserved[] =
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch "
    "typedef union unsigned void volatile while alignas alignof bool constexpr false nullptr "
    "static_assert thread_local true typeof typeof_unqual asm fortran main NULL size_t "
    "ptrdiff_t wchar_t offsetof max_align_t TRY INFINITY NAN HUGE_VAL HUGE_VALF HUGE_VALL "
    "FP_INFINITE FP_NAN FP_NORMAL FP_SUBNORMAL FP_ZERO FP_FAST_FMA FP_FAST_FMAF FP_FAST_FMAL "
    "FP_ILOGB0 FP_ILOGBNAN MATH_ERRNO MATH_ERREXCEPT math_errhandling float_t double_t "
    "fpclassify isfinite isinf isnan isnormal signbit isgreater isgreaterequal isless "
    "islessequal islessgreater isunordered acos asin atan atan2 cos sin tan acosh asinh atanh "
    "cosh sinh tanh exp exp2 expm1 frexp ilogb ldexp log log10 log1p log2 logb modf scalbn "
    "scalbln cbrt fabs hypot pow sqrt erf erfc lgamma tgamma ceil floor nearbyint rint lrint "
    "llrint round lround llround trunc fmod remainder remquo copysign nan nextafter "
    "nexttoward fdim fmax fmin fma signgam";

const struct language language_c = {.name = "c",
                                    .title = "C",
                                    .op_text = c_text,
                                    .is_inlined = is_inlined,
                                    .snippet_text = snippet_text,
                                    .reserved = reserved,
                                    .print_constant = print_constant,
                                    .write = write_c};
