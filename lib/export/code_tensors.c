/* Code in C: assignments to tensors, and to numbers that are made of tensors. */
#include <string.h>

#include "export/code_c.h"
#include "ops/axes.h"
#include "tensor/sweep.h"

/* ---- assignments ------------------------------------------------------------------------- */

/* "y[i] = ..." in loops over y. */
void write_entries(struct writer *w, node_id id) {
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
void write_same(struct writer *w, node_id id) {
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

void write_op_loops(struct writer *w, node_id id) {
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

void write_rows(struct writer *w, node_id id) {
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

void write_whole(struct writer *w, node_id id) {
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
