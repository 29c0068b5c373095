/* Code in Python with NumPy. */
#include <math.h>
#include <string.h>

#include "export/code.h"
#include "ops/snippets.h"

enum { TRIAL_MOST = 2000, WIDTH = 100 };

/* ---- constants --------------------------------------------------------------------------- */

static void print_number(double number, struct text *out) {
  if (isnan(number))
    text_puts(out, "np.nan");
  else if (isinf(number))
    text_puts(out, number < 0 ? "-np.inf" : "np.inf");
  else
    text_number(out, number);
}

static void print_constant(const struct value *value, struct text *out) {
  switch (value->kind) {
  case VALUE_TRUTH: text_puts(out, value->number != 0 ? "True" : "False"); break;
  case VALUE_NUMBER: print_number(value->number, out); break;
  case VALUE_WORD:
  case VALUE_TEXT: text_printf(out, "\"%.*s\"", (int)value->word.size, value->word.bytes); break;
  case VALUE_LIST:
    text_char(out, '(');
    for (size_t i = 0; i < value->list.count; i++) {
      if (i) text_puts(out, ", ");
      print_constant(&value->list.at[i], out);
    }
    text_puts(out, value->list.count == 1 ? ",)" : ")");
    break;
  default: text_puts(out, "None"); break;
  }
}

static void print_shape(const struct shape *shape, struct text *out) {
  text_char(out, '(');
  for (unsigned i = 0; i < shape->rank; i++)
    text_printf(out, i ? ", %lld" : "%lld", (long long)shape->dim[i]);
  text_puts(out, shape->rank == 1 ? ",)" : ")");
}

/* A tensor of one number. */
static const char *full_text(struct code *code, const struct shape *shape, double number) {
  struct text text;
  text_init(&text, code->arena, NULL, NULL);
  if (shape->rank) {
    text_puts(&text, "np.full(");
    print_shape(shape, &text);
    text_puts(&text, ", ");
  }
  print_number(number, &text);
  if (shape->rank) text_puts(&text, isfinite(number) && number == floor(number) ? ".0)" : ")");
  return text_string(&text);
}

/* Nested lists, or a number; lines are broken. */
static void print_entries(const struct shape *shape, unsigned axis, const double *at, size_t size,
                          size_t *line, struct text *out) {
  if (axis == shape->rank) {
    const size_t from = out->count;
    print_number(*at, out);
    *line += out->count - from;
    return;
  }
  const size_t n = (size_t)shape->dim[axis], part = n ? size / n : 0;
  text_char(out, '[');
  for (size_t i = 0; i < n; i++) {
    if (i) {
      const bool wraps = *line > WIDTH - 20;
      text_puts(out, wraps ? ",\n        " : ", ");
      *line = wraps ? 8 : *line + 2;
    }
    print_entries(shape, axis + 1, at + i * part, part, line, out);
  }
  text_char(out, ']');
}

static void write_entries(const struct shape *shape, const double *at, struct text *out) {
  size_t line = 40;
  if (shape->rank == 0) {
    print_number(*at, out);
  } else if (shape->size == 0) {
    text_puts(out, "np.zeros(");
    print_shape(shape, out);
    text_char(out, ')');
  } else {
    text_puts(out, "np.array(");
    print_entries(shape, 0, at, shape->size, &line, out);
    text_puts(out, ", dtype=float)");
  }
}

/* ---- expressions ------------------------------------------------------------------------- */

struct operand_symbols {
  struct symbols symbols;
  struct code *code;
  node_id id, owner;
  unsigned at;  /* of a variadic op that is folded: which input `b` is */
  bool numbers; /* all operands are numbers, which Python would compute in its own way */
};

static const char *expression_text(struct code *code, node_id id, node_id owner);

static const char *operand_text(const struct operand_symbols *s, unsigned k) {
  const node_id input = code_input(s->code, s->id, k);
  const char *text = expression_text(s->code, input, s->owner);
  const bool number = s->numbers && code_node(s->code, input)->shape->rank == 0;
  return number ? format_text(s->code, "np.float64(%s)", text) : text;
}

static const char *inputs_text(const struct operand_symbols *s) {
  struct text text;
  text_init(&text, s->code->arena, NULL, NULL);
  for (unsigned k = 0; k < code_node(s->code, s->id)->count; k++)
    text_printf(&text, k ? ", %s" : "%s", operand_text(s, k));
  return text_string(&text);
}

static const char *find_operand(struct symbols *symbols, const char *name, size_t size) {
  const struct operand_symbols *s = (const struct operand_symbols *)(const void *)symbols;
  const struct node *node = code_node(s->code, s->id);
  const struct op *op = node->op;
  if (op->most == OP_ANY) {
    if (size == 6 && !memcmp(name, "inputs", 6)) return inputs_text(s);
    if (size == 1 && (*name == 'a' || *name == 'b'))
      return operand_text(s, *name == 'a' ? 0 : s->at);
    return op_input(op, name, size) == 0 ? operand_text(s, 0) : NULL;
  }
  const int k = op_input(op, name, size);
  if (k < 0) return NULL;
  return (unsigned)k < node->count ? operand_text(s, (unsigned)k) : "None";
}

static bool are_numbers(const struct code *code, node_id id) {
  const struct node *node = code_node(code, id);
  for (unsigned k = 0; k < node->count; k++)
    if (unit_of(code, code_input(code, id, k))->place != PLACE_NUMBER) return false;
  return node->count > 0;
}

static const char *op_text(struct code *code, node_id id) {
  const struct node *node = code_node(code, id);
  const char *text = unit_of(code, id)->text;
  struct operand_symbols s = {{find_operand},           code, id,
                              unit_of(code, id)->owner, 1,    are_numbers(code, id)};
  const bool folded = node->op->most == OP_ANY && count_name(text, "b");
  if (!folded) return fill_text(code, id, text, &s.symbols);
  return node->count == 1 ? operand_text(&s, 0) : fold_text(code, id, text, &s.symbols, &s.at);
}

static const char *expression_text(struct code *code, node_id id, node_id owner) {
  const struct unit *unit = unit_of(code, id);
  const struct node *node = code_node(code, id);
  if (unit->place == PLACE_NUMBER) return full_text(code, node->shape, *node->value);
  if (unit->place == PLACE_INLINE) return op_text(code, id);
  return variable_name(code, id, owner);
}

/* ---- the steps --------------------------------------------------------------------------- */

static void write_start(struct code *code, node_id id, struct text *out) {
  const struct node *node = code_node(code, id);
  const double *at = id == code->upstream ? code->upstream_value : node->value;
  if (node->shape->rank == 0) {
    const char *number = full_text(code, node->shape, *at);
    text_printf(out, number[strspn(number, "-0123456789")] ? "%s" : "%s.0", number);
  } else
    write_entries(node->shape, at, out);
}

static void write_step(struct code *code, const struct step *step, struct text *out) {
  const struct unit *unit = unit_of(code, step->node);
  if (step->copied != NODE_NONE) {
    text_printf(out, "    %s = %s\n", code->back[step->node].name,
                expression_text(code, step->copied, step->node));
    return;
  }
  if (unit->place != PLACE_VARIABLE) return;
  text_printf(out, "    %s = ", unit->name);
  if (code_node(code, step->node)->op)
    text_puts(out, op_text(code, step->node));
  else
    write_start(code, step->node, out);
  text_char(out, '\n');
}

/* ---- the function ------------------------------------------------------------------------ */

/* "a, b, c" over several lines; what follows the margin of the first is `start` wide. */
static void write_list(struct code *code, bool scalars, bool tensors, size_t start,
                       struct text *out) {
  enum { MARGIN = 8 };
  size_t line = start, count = 0;
  for (size_t i = 0; i < code->arguments.count; i++) {
    const node_id id = code->arguments.at[i];
    const char *name = unit_of(code, id)->name;
    if (!(code_node(code, id)->shape->rank ? tensors : scalars)) continue;
    const bool wraps = line + strlen(name) > WIDTH - 4;
    if (count++) text_puts(out, wraps ? ",\n        " : ", ");
    line = (wraps ? MARGIN : line + 2) + strlen(name);
    text_puts(out, name);
  }
}

static size_t count_arguments(const struct code *code, bool scalars) {
  size_t count = 0;
  for (size_t i = 0; i < code->arguments.count; i++)
    count += (code_node(code, code->arguments.at[i])->shape->rank == 0) == scalars;
  return count;
}

/* All numbers become NumPy's, which know of infinity. */
static void write_conversion(struct code *code, bool scalars, struct text *out) {
  const size_t count = count_arguments(code, scalars);
  const char *convert = scalars ? "np.float64(%s)" : "np.asarray(%s, dtype=float)";
  if (!count) return;
  const char *each = count == 1 ? "" : code_name(code, "value");
  const size_t start = out->count;
  text_puts(out, "    (");
  write_list(code, scalars, !scalars, 5, out);
  const bool broken = memchr(out->at + start, '\n', out->count - start) != NULL;
  if (!broken) { /* then brackets are not needed */
    out->count = start;
    text_puts(out, "    ");
    write_list(code, scalars, !scalars, 5, out);
  }
  text_puts(out, broken ? ") = " : " = ");
  if (count > 1) {
    text_char(out, '(');
    text_puts(out, format_text(code, convert, each));
    text_printf(out, " for %s in (", each);
    write_list(code, scalars, !scalars, out->count - start, out);
    text_puts(out, "))\n");
    return;
  }
  struct text one;
  text_init(&one, code->arena, NULL, NULL);
  write_list(code, scalars, !scalars, 0, &one);
  text_printf(out, "%s\n", format_text(code, convert, text_string(&one)));
}

static void print_quoted(const char *name, struct text *out) { text_printf(out, "\"%s\"", name); }

static void write_returns(struct code *code, struct text *out) {
  const size_t start = out->count;
  text_printf(out, "    return %s, {", unit_of(code, code->output)->name);
  const size_t margin = out->count - start;
  size_t line = margin;
  for (size_t i = 0; i < code->wanted.count; i++) {
    const struct wanted *wanted = &code->wanted.at[i];
    const char *value = wanted->name;
    if (wanted->gradient == NODE_NONE)
      value = full_text(code, code_node(code, wanted->node)->shape, 0);
    const bool wraps = line > WIDTH - 30;
    if (i) text_puts(out, wraps ? ",\n" : ", ");
    if (wraps) text_fill(out, ' ', margin);
    const size_t from = out->count;
    print_quoted(wanted->key, out);
    text_printf(out, ": %s", value);
    line = (wraps ? margin : line + 2) + out->count - from;
  }
  text_puts(out, "}\n");
}

static void write_function(struct code *code, struct text *out) {
  text_printf(out, "def %s(", code->function);
  write_list(code, true, true, strlen(code->function) + 5, out);
  text_puts(out, "):\n");
  write_conversion(code, true, out);
  write_conversion(code, false, out);
  text_puts(out, "    # forward\n");
  for (size_t i = 0; i < code->backward; i++) write_step(code, &code->steps.at[i], out);
  if (code->wanted.count) text_puts(out, "\n    # backward\n");
  for (size_t i = code->backward; i < code->steps.count; i++)
    write_step(code, &code->steps.at[i], out);
  write_returns(code, out);
}

/* ---- around it --------------------------------------------------------------------------- */

static void write_snippets(struct code *code, const char *body, struct text *out) {
  static const char *const modules[] = {"functools", "math"};
  const bool *used = find_snippets(code, body);
  const size_t start = out->count;
  for (size_t k = 0; k < sizeof modules / sizeof *modules; k++) {
    bool imported = false;
    for (size_t i = 0; snippets[i].name; i++)
      imported = imported || (used[i] && count_name(snippets[i].python, modules[k]));
    if (imported) text_printf(out, "import %s\n", modules[k]);
  }
  text_puts(out, out->count > start ? "\nimport numpy as np\n\n\n" : "import numpy as np\n\n\n");
  for (size_t i = 0; snippets[i].name; i++) {
    if (!used[i]) continue;
    if (snippets[i].note) text_printf(out, "# %s\n", snippets[i].note);
    text_printf(out, "%s\n\n", snippets[i].python);
  }
}

static size_t count_numbers(const struct code *code) {
  size_t count = 0;
  for (size_t i = 0; i < code->arguments.count; i++)
    count += code_node(code, code->arguments.at[i])->shape->size;
  return count;
}

static void write_trial(struct code *code, struct text *out) {
  if (count_numbers(code) > TRIAL_MOST) return;
  const char *output = unit_of(code, code->output)->name;
  text_puts(out, "\n\nif __name__ == \"__main__\":  # at the values of the net\n");
  text_printf(out, "    value, gradients = %s(", code->function);
  for (size_t i = 0; i < code->arguments.count; i++) {
    const struct node *node = code_node(code, code->arguments.at[i]);
    text_printf(out, "%s\n        %s=", i ? "," : "", unit_of(code, code->arguments.at[i])->name);
    write_entries(node->shape, node->value, out);
  }
  text_printf(out, ")\n    print(\"%s =\", value)\n", output);
  text_puts(out, "    for name, gradient in gradients.items():\n"
                 "        print(f\"grad_{name} =\", gradient)\n");
}

static void write_comment(struct code *code, struct text *out) {
  text_puts(out, "# ");
  print_origin(code, "# ", out);
  text_printf(out, "#\n# Returns %s and the gradients by name.\n",
              unit_of(code, code->output)->name);
  for (size_t i = 0; i < code->renames.count; i++)
    text_printf(out, "# %s is called %s here.\n", code->renames.at[i].from, code->renames.at[i].to);
}

static void write_python(struct code *code, struct text *out) {
  struct text body;
  text_init(&body, code->arena, NULL, NULL);
  write_function(code, &body);
  const char *function = text_string(&body);
  write_comment(code, out);
  write_snippets(code, function, out);
  text_puts(out, function);
  write_trial(code, out);
}

/* ---- the language ------------------------------------------------------------------------ */

static const char *python_text(const struct code *code, node_id id) {
  return code_node(code, id)->op->code.python;
}

static bool is_inlined(const struct code *code, node_id id, node_id user) {
  (void)code, (void)id, (void)user;
  return true;
}

static const char *snippet_text(const struct snippet *snippet) { return snippet->python; }

/* The words of the language, of its preprocessor and of the headers that are included. */
static const char reserved[] =
    "False None True and as assert async await break class continue def del elif else except "
    "finally for from global if import in is lambda nonlocal not or pass raise return try "
    "while with yield np float";

const struct language language_python = {.name = "python",
                                         .title = "Python",
                                         .op_text = python_text,
                                         .is_inlined = is_inlined,
                                         .snippet_text = snippet_text,
                                         .reserved = reserved,
                                         .letters = true,
                                         .print_constant = print_constant,
                                         .write = write_python};
