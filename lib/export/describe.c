#include "export/describe.h"

#include <string.h>

#include "derive/rule.h"
#include "export/export.h"
#include "export/json.h"
#include "ops/registry.h"
#include "version.h"

/* ---- families ---------------------------------------------------------------------------- */

/* In the order of the list; a family that is not here comes after them, under its own name. */
static const struct {
  const char *name, *heading;
} families[] = {
    {"elementwise", "elementwise, of one input"},
    {"elementwise, broadcasting", "elementwise, of several inputs, which broadcast"},
    {"reductions", "reductions, along `axis`: one axis, a list, or all where it is left out"},
    {"shape", "shape: the same entries elsewhere"},
    {"index", "index: entries by their numbers"},
    {"linear algebra", "linear algebra"},
    {"networks", "networks: layers and losses"},
    {"adjoint ops", "adjoint ops: what the derivatives of the others need"}};
enum { FAMILIES = sizeof families / sizeof *families };

static size_t family_of(const struct op *op) {
  size_t f = 0;
  while (f < FAMILIES && strcmp(families[f].name, op->family) != 0) f++;
  return f;
}

static size_t longest_name(void) {
  size_t longest = 0;
  for (const struct op *op = op_next(NULL); op; op = op_next(op))
    if (strlen(op->name) > longest) longest = strlen(op->name);
  return longest;
}

void list_ops(struct text *out) {
  const int width = (int)longest_name();
  const char *heading = NULL;
  for (size_t f = 0; f <= FAMILIES; f++) {
    for (const struct op *op = op_next(NULL); op; op = op_next(op)) {
      if (family_of(op) != f) continue;
      const char *wanted = f < FAMILIES ? families[f].heading : op->family;
      if (!heading || strcmp(heading, wanted) != 0)
        text_printf(out, "%s%s\n", heading ? "\n" : "", wanted);
      heading = wanted;
      text_printf(out, "  %-*s  %s\n", width, op->name, op->meaning);
    }
  }
}

/* ---- attributes -------------------------------------------------------------------------- */

static const struct {
  const char *name, *text; /* in JSON; for people */
} types[] = {[ATTR_INT] = {"integer", "an integer"},
             [ATTR_INTS] = {"integers", "an integer or a list of them"},
             [ATTR_PAIRS] = {"pairs", "a list of pairs of integers"},
             [ATTR_NUMBER] = {"number", "a number"},
             [ATTR_BOOL] = {"truth", "true or false"},
             [ATTR_WORD] = {"word", NULL},
             [ATTR_TEXT] = {"text", "a text in double quotes"}};

/* As the language writes it, which is JSON too but for words and infinities. */
static void json_default(const struct attr_spec *spec, struct text *out) {
  const struct attr *attr = &spec->fallback;
  if (spec->type == ATTR_WORD)
    json_string(out, spec->words[attr->word]);
  else if (spec->type == ATTR_NUMBER)
    json_number(out, attr->number);
  else
    print_attr_value(spec, attr, out);
}

static void print_type(const struct attr_spec *spec, struct text *out) {
  if (types[spec->type].text) text_puts(out, types[spec->type].text);
  for (size_t i = 0; spec->words && spec->words[i]; i++)
    text_printf(out, "%s%s", !i ? "" : spec->words[i + 1] ? ", " : " or ", spec->words[i]);
}

/* ---- one op, for people ------------------------------------------------------------------ */

enum { LINE = 96 };

/* Writes a text at an indentation, broken at blanks where it is too long for a line. */
static void print_wrapped(const char *at, size_t size, size_t indent, struct text *out) {
  while (size) {
    size_t line = size, room = LINE - indent;
    if (line > room) {
      for (line = room; line && at[line] != ' ';) line--;
      if (!line) line = room;
    }
    text_fill(out, ' ', indent);
    text_add(out, at, line);
    text_char(out, '\n');
    while (line < size && at[line] == ' ') line++;
    at += line, size -= line;
  }
}

/* "conv2d(x, w[, b]; stride=1, ...)" */
static void print_signature(const struct op *op, struct text *out) {
  text_printf(out, "%s(", op->name);
  for (unsigned k = 0; k < OP_INPUTS && op->inputs[k]; k++)
    text_printf(out, "%s%s%s", k >= op->least ? "[" : "", k ? ", " : "", op->inputs[k]);
  if (op->most == OP_ANY) text_puts(out, ", ...");
  if (op->most != OP_ANY) text_fill(out, ']', op->most - op->least);
  for (const struct attr_spec *spec = op->attrs; spec && spec->name; spec++) {
    text_printf(out, ", %s=", spec->name);
    if (spec->fallback.given && !spec->required)
      print_attr_value(spec, &spec->fallback, out);
    else
      text_puts(out, "...");
  }
  text_puts(out, ")\n");
}

/* What expressions write in the place of the call. */
static void print_symbol(const struct op *op, struct text *out) {
  static const struct {
    const char *symbol, *text;
  } forms[] = {{"=", NULL},
               {".T", "x.T"},
               {"[]", "x[indices], x[:, indices] ..."},
               {"[:]", "x[start:stop:step], with a comma between axes"}};
  if (!op->symbol) return;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    if (!strcmp(forms[i].symbol, op->symbol)) {
      if (forms[i].text) text_printf(out, "in expressions: %s\n", forms[i].text);
      return;
    }
  if (!strpbrk(op->symbol, "+-*/@<>=!")) return;
  if (op->most == 1)
    text_printf(out, "in expressions: %sx\n", op->symbol);
  else
    text_printf(out, "in expressions: a %s b\n", op->symbol);
}

/* What an input takes beside numbers, or "". */
static const char *input_note(const struct op *op, unsigned k) {
  if (op->indices >> k & 1) return "integers";
  if (op->labels >> k & 1) return "numbers, or integers where it has one axis less";
  if (op->most == OP_ANY) return op->least > 1 ? "two or more" : "one or more";
  return k >= op->least ? "may be left out" : "";
}

static void print_inputs(const struct op *op, struct text *out) {
  text_puts(out, "\ninputs:\n");
  for (unsigned k = 0; k < OP_INPUTS && op->inputs[k]; k++) {
    const char *note = input_note(op, k);
    text_printf(out, "  %s%s%s\n", op->inputs[k], *note ? ": " : "", note);
  }
}

static void print_attributes(const struct op *op, struct text *out) {
  size_t width = 0;
  if (!op->attrs) return;
  text_puts(out, "\nattributes:\n");
  for (const struct attr_spec *spec = op->attrs; spec->name; spec++)
    if (strlen(spec->name) > width) width = strlen(spec->name);
  for (const struct attr_spec *spec = op->attrs; spec->name; spec++) {
    text_printf(out, "  %-*s  %s\n", (int)width, spec->name, spec->meaning);
    text_fill(out, ' ', width + 4);
    print_type(spec, out);
    if (!spec->required && spec->fallback.given) {
      text_puts(out, "; default ");
      print_attr_value(spec, &spec->fallback, out);
    }
    text_puts(out, spec->required         ? "; required\n"
                   : spec->fallback.given ? "\n"
                                          : "; may be left out\n");
  }
}

/* One alternative of a rule: its guard, if it has one, and its gradient. */
struct piece {
  const char *guard, *gradient;
  size_t guard_size, size;
};

static size_t trimmed(const char **at, const char *end) {
  while (**at == ' ') ++*at;
  while (end > *at && end[-1] == ' ') end--;
  return (size_t)(end - *at);
}

/* Takes the next piece off a rule's text; false after the last. */
static bool next_piece(const char **rule, struct piece *piece) {
  if (!*rule) return false;
  const char *end = rule_end(*rule);
  *piece = (struct piece){.gradient = *rule};
  if (*end == ':') {
    piece->guard = *rule;
    piece->guard_size = trimmed(&piece->guard, end);
    piece->gradient = end + 1;
    end = rule_end(piece->gradient);
  }
  piece->size = trimmed(&piece->gradient, end);
  *rule = *end == ';' ? end + 1 : NULL;
  return true;
}

static void print_rule(const char *name, const char *rule, struct text *out) {
  struct piece piece;
  text_printf(out, "  %s:\n", name);
  if (!rule) text_puts(out, "    none: no gradient flows\n");
  for (bool first = true; next_piece(&rule, &piece); first = false) {
    const size_t indent = piece.guard || !first ? 6 : 4;
    if (piece.guard) text_printf(out, "    where %.*s:\n", (int)piece.guard_size, piece.guard);
    if (!piece.guard && !first) text_puts(out, "    else:\n");
    print_wrapped(piece.gradient, piece.size, indent, out);
  }
}

static void print_rules(const struct op *op, struct text *out) {
  text_puts(out, "\ngradient of each input, where y is the result and `upstream` its gradient:\n");
  for (unsigned k = 0; k < OP_INPUTS && op->inputs[k]; k++)
    print_rule(op->inputs[k], op->rules[k], out);
  if (op->once) text_puts(out, "  These have no derivatives: the op is differentiable once.\n");
}

/* Where the derivative by an input is undefined; some rows say it in C. */
static void print_place(const char *at, struct text *out) {
  static const char *const words[][2] = {{"&&", "and"}, {"||", "or"}, {"fabs(", "abs("}};
  while (*at) {
    size_t i = 0;
    while (i < sizeof words / sizeof *words && strncmp(at, words[i][0], strlen(words[i][0])) != 0)
      i++;
    if (i < sizeof words / sizeof *words) {
      text_puts(out, words[i][1]);
      at += strlen(words[i][0]);
    } else {
      text_char(out, *at++);
    }
  }
}

static bool has_kinks(const struct op *op, unsigned k) {
  return op->convention && op->undefined[k] && strcmp(op->undefined[k], "false") != 0;
}

static void print_kinks(const struct op *op, struct text *out) {
  if (!op->convention) return;
  text_puts(out, "\nderivative undefined:\n");
  for (unsigned k = 0; k < OP_INPUTS && op->inputs[k]; k++) {
    if (!has_kinks(op, k)) continue;
    text_printf(out, "  by %s, where ", op->inputs[k]);
    print_place(op->undefined[k], out);
    text_char(out, '\n');
  }
  text_printf(out, "  there it is taken to be: %s\n", op->convention);
}

/* The net, indented: YAML reads it like that too. */
static void print_net(const struct op *op, struct text *out) {
  struct text net;
  text_init(&net, out->arena, NULL, NULL);
  print_example(op, &net);
  text_puts(out, "\nexample:\n");
  for (const char *line = text_string(&net), *end; *line; line = end + 1) {
    end = strchr(line, '\n');
    text_printf(out, "  %.*s\n", (int)(end - line), line);
  }
}

void describe_op(const struct op *op, struct text *out) {
  print_signature(op, out);
  print_symbol(op, out);
  text_printf(out, "\n%s\n", op->meaning);
  text_printf(out, "\nformula:\n  %s\n", op->formula);
  print_inputs(op, out);
  print_attributes(op, out);
  print_rules(op, out);
  print_kinks(op, out);
  print_net(op, out);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void json_field(struct text *out, const char *name, const char *value) {
  text_printf(out, ", \"%s\": ", name);
  if (value)
    json_string(out, value);
  else
    text_puts(out, "null");
}

static void json_rule(const char *rule, struct text *out) {
  struct piece piece;
  text_puts(out, ", \"gradient\": ");
  if (!rule) {
    text_puts(out, "null");
    return;
  }
  for (bool first = true; next_piece(&rule, &piece); first = false) {
    text_puts(out, first ? "[{\"where\": " : ", {\"where\": ");
    if (piece.guard)
      json_text(out, piece.guard, piece.guard_size);
    else
      text_puts(out, "null");
    text_puts(out, ", \"rule\": ");
    json_text(out, piece.gradient, piece.size);
    text_char(out, '}');
  }
  text_char(out, ']');
}

/* What an input takes: "numbers", "integers", or "labels": either, see the schema. */
static const char *input_kind(const struct op *op, unsigned k) {
  if (op->indices >> k & 1) return "integers";
  return op->labels >> k & 1 ? "labels" : "numbers";
}

static void json_place(const char *place, struct text *out) {
  struct text words;
  text_init(&words, out->arena, NULL, NULL);
  print_place(place, &words);
  json_string(out, text_string(&words));
}

static void json_inputs(const struct op *op, struct text *out) {
  text_printf(out, ",\n   \"least\": %u, \"most\": ", op->least);
  if (op->most == OP_ANY)
    text_puts(out, "null");
  else
    text_printf(out, "%u", op->most);
  text_puts(out, ",\n   \"inputs\": [");
  for (unsigned k = 0; k < OP_INPUTS && op->inputs[k]; k++) {
    text_puts(out, k ? ",\n     {\"name\": " : "\n     {\"name\": ");
    json_string(out, op->inputs[k]);
    json_field(out, "takes", input_kind(op, k));
    json_rule(op->rules[k], out);
    text_puts(out, ", \"undefined\": ");
    if (has_kinks(op, k))
      json_place(op->undefined[k], out);
    else
      text_puts(out, "null");
    text_char(out, '}');
  }
  text_char(out, ']');
}

static void json_attributes(const struct op *op, struct text *out) {
  text_puts(out, ",\n   \"attributes\": [");
  for (const struct attr_spec *spec = op->attrs; spec && spec->name; spec++) {
    text_puts(out, spec == op->attrs ? "\n     {\"name\": " : ",\n     {\"name\": ");
    json_string(out, spec->name);
    json_field(out, "type", types[spec->type].name);
    json_field(out, "meaning", spec->meaning);
    text_printf(out, ", \"required\": %s, \"default\": ", spec->required ? "true" : "false");
    if (spec->fallback.given && !spec->required)
      json_default(spec, out);
    else
      text_puts(out, "null");
    for (size_t i = 0; spec->words && spec->words[i]; i++) {
      text_puts(out, i ? ", " : ", \"words\": [");
      json_string(out, spec->words[i]);
    }
    text_puts(out, spec->words ? "]}" : "}");
  }
  text_char(out, ']');
}

static void json_op(const struct op *op, struct text *out) {
  struct text net;
  text_init(&net, out->arena, NULL, NULL);
  print_example(op, &net);
  text_puts(out, "  {\"name\": ");
  json_string(out, op->name);
  json_field(out, "family", op->family);
  json_field(out, "symbol", op->symbol);
  text_puts(out, ",\n   \"meaning\": ");
  json_string(out, op->meaning);
  text_puts(out, ",\n   \"formula\": ");
  json_string(out, op->formula);
  json_inputs(op, out);
  json_attributes(op, out);
  text_puts(out, ",\n   \"convention\": ");
  if (op->convention)
    json_string(out, op->convention);
  else
    text_puts(out, "null");
  text_printf(out, ", \"once\": %s", op->once ? "true" : "false");
  text_puts(out, ",\n   \"example\": ");
  json_string(out, text_string(&net));
  text_char(out, '}');
}

void describe_json(const struct op *op, struct text *out) {
  text_printf(out, "{\"bpgraph\": \"%s\", \"format\": \"1.0\", \"ops\": [\n", BPGRAPH_VERSION);
  for (const struct op *at = op ? op : op_next(NULL); at; at = op ? NULL : op_next(at)) {
    if (at != op && at != op_next(NULL)) text_puts(out, ",\n");
    json_op(at, out);
  }
  text_puts(out, "\n]}\n");
}
