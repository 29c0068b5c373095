/* Code in C17.  Scalars are variables, tensors are arrays, row-major; an assignment to a tensor is a
 * loop, or some, or the call of a function that is written in front. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "export/code_c.h"
#include "ops/snippets.h"

enum {
  STACK_MOST = 8192, /* doubles in the arrays of a function; with more of them they are static */
  TRIAL_MOST = 2000  /* numbers in a trial program; with more of them there is none */
};

/* ---- constants ------------------------------------------------------------------------- */

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
    if (i && w->out->count - line + strlen(name) + 24 > C_WIDTH) {
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
  if (code->wanted.count && *separator && w->out->count - line + 2 * strlen(w->type) > C_WIDTH) {
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
  const int indent = depth * C_INDENT + (goes_on ? 2 * C_INDENT : 0);
  if (goes_on) text_char(out, '\n');
  text_fill(out, ' ', (size_t)indent);
  return (size_t)indent;
}

/* Writes C that is on one line on several. */
static void write_lines(const char *at, struct text *out) {
  enum { FULL = C_WIDTH - 18 }; /* from here on a line is broken where it can be */
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
