/* Code in C: loops over tensors, what stands in them, and declarations. */
#include <math.h>
#include <string.h>

#include "export/code_c.h"
#include "tensor/sweep.h"

/* ---- operands ---------------------------------------------------------------------------- */

void print_number(double number, struct text *out) {
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

const char *number_text(struct code *code, double number) {
  struct text text;
  text_init(&text, code->arena, NULL, NULL);
  print_number(number, &text);
  return text_string(&text);
}

/* ---- lines ------------------------------------------------------------------------------- */

void begin_line(const struct writer *w) { text_fill(w->out, ' ', (size_t)(w->depth * C_INDENT)); }

const char *index_name(struct writer *w, unsigned i) {
  static const char *const letters[] = {"i", "j", "k", "l", "m", "n", "o", "p"};
  enum { LETTERS = sizeof letters / sizeof *letters };
  if (!w->index[i])
    w->index[i] = code_name(w->code, i < LETTERS ? letters[i] : format_text(w->code, "i%u", i));
  return w->index[i];
}

/* ---- loops ------------------------------------------------------------------------------- */

void start_nest(struct nest *nest, struct writer *w, node_id id) {
  *nest = (struct nest){.w = w, .owner = unit_of(w->code, id)->owner};
}

void set_axes(struct nest *nest, const struct shape *shape) {
  nest->rank = shape->rank;
  for (unsigned i = 0; i < shape->rank; i++) nest->n[i] = shape->dim[i];
}

struct leaf *add_leaf(struct nest *nest, node_id id) {
  struct leaf *leaf = vec_push(nest->w->code->arena, &nest->leaves);
  *leaf = (struct leaf){.id = id};
  unit_of(nest->w->code, id)->leaf = (uint32_t)nest->leaves.count - 1;
  return leaf;
}

const struct leaf *find_leaf(const struct nest *nest, node_id id) {
  const uint32_t at = unit_of(nest->w->code, id)->leaf;
  return at < nest->leaves.count && nest->leaves.at[at].id == id ? &nest->leaves.at[at] : NULL;
}

void add_broadcast(struct nest *nest, node_id id, const struct shape *shape) {
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

void join_axes(struct nest *nest) {
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

const char *leaf_name(const struct nest *nest, const struct leaf *leaf) {
  return leaf->name ? leaf->name : variable_name(nest->w->code, leaf->id, nest->owner);
}

const char *place_text(const struct nest *nest, const struct leaf *leaf) {
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
  const bool fits = nest->rank > 0 && used + strlen(statement) + 1 <= C_WIDTH;
  if (nest->rank > 0 && !fits) text_char(w->out, '\n');
  if (fits)
    text_char(w->out, ' ');
  else
    begin_line(w);
  text_printf(w->out, "%s\n", statement);
  w->depth -= (int)nest->rank;
}

void write_loops(struct nest *nest, const char *statement) {
  open_loops(nest);
  close_loops(nest, statement);
}

/* ---- entries ----------------------------------------------------------------------------- */

void gather_leaves(struct nest *nest, node_id id, const struct shape *shape) {
  const struct code *code = nest->w->code;
  const struct unit *unit = unit_of(code, id);
  if (unit->place == PLACE_VARIABLE && is_array(code, id)) add_broadcast(nest, id, shape);
  for (unsigned k = 0; unit->place == PLACE_INLINE && k < code_node(code, id)->count; k++)
    gather_leaves(nest, code_input(code, id, k), shape);
}

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

const char *op_entry(struct nest *nest, node_id id) {
  struct code *code = nest->w->code;
  struct entry_symbols symbols = {{find_entry}, nest, id, 0};
  const bool folded = code_node(code, id)->op->most == OP_ANY;
  if (folded && code_node(code, id)->count == 1) return entry_text(nest, code_input(code, id, 0));
  if (folded) return fold_text(code, id, unit_of(code, id)->text, &symbols.symbols, &symbols.at);
  return fill_text(code, id, unit_of(code, id)->text, &symbols.symbols);
}

/* An entry of a node's value in these loops. */
const char *entry_text(struct nest *nest, node_id id) {
  struct code *code = nest->w->code;
  const struct unit *unit = unit_of(code, id);
  if (unit->place == PLACE_NUMBER) return number_text(code, *code_node(code, id)->value);
  if (unit->place == PLACE_INLINE) return op_entry(nest, id);
  const struct leaf scalar = {.id = id}, *leaf = find_leaf(nest, id);
  return place_text(nest, leaf ? leaf : &scalar);
}

/* ---- declarations ------------------------------------------------------------------------ */

bool is_returned(const struct code *code, node_id id) {
  const struct unit *unit = unit_of(code, id);
  return unit->is_gradient && code->back[unit->owner].asked;
}

void declare_array(const struct writer *w, const char *name, size_t size) {
  begin_line(w);
  text_printf(w->out, "%sdouble %s[%zu];\n", w->is_static ? "static " : "", name, size ? size : 1);
}

void declare_node(const struct writer *w, node_id id) {
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
void fill_array(struct writer *w, const char *name, size_t size, double number) {
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
void write_numbers(struct writer *w, const char *name, size_t size, const double *at) {
  begin_line(w);
  text_printf(w->out, "static const double %s[%zu] = {", name, size ? size : 1);
  size_t column = (size_t)(w->depth * C_INDENT) + strlen(name) + 30;
  for (size_t i = 0; i < (size ? size : 1); i++) {
    const char *number = number_text(w->code, size ? at[i] : 0);
    const bool wraps = column + strlen(number) + 3 > C_WIDTH;
    if (i) text_puts(w->out, wraps ? "," : ", ");
    if (wraps) {
      text_char(w->out, '\n');
      text_fill(w->out, ' ', (size_t)((w->depth + 2) * C_INDENT));
      column = (size_t)((w->depth + 2) * C_INDENT);
    }
    text_puts(w->out, number);
    column += strlen(number) + 2;
  }
  text_puts(w->out, "};\n");
}
