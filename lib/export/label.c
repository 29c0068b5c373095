#include "export/label.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"
#include "export/export.h"
#include "export/palette.h"
#include "load/functions.h"

enum {
  DIGITS = 4,     /* significant */
  SIDE_MOST = 4,  /* rows and columns of a tensor whose numbers are shown */
  NAME_MOST = 40, /* characters of a name that are shown */
  TEXT_MOST = 44, /* of an expression */
  SPOKEN_MOST = 200,
  BINS = 16,    /* of the strip that stands for a large tensor's distribution */
  BIN_WIDTH = 7 /* points */
};

#define SMALL "<FONT POINT-SIZE=\"11\">"
#define BARE "BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING"
#define PARTIAL "\xe2\x88\x82" /* ∂ */
#define MINUS "\xe2\x88\x92"
#define DOTS "\xe2\x80\xa6"
#define BLANK "\xc2\xa0"  /* one that SVG keeps at the start of a text */
#define ITSELF "\xc2\xb7" /* a middle dot: where the input goes */

/* ---- characters -------------------------------------------------------------------------- */

/* What XML cannot hold becomes a replacement character, blanks of all sorts one blank. */
static void label_character(struct text *out, uint32_t code, const char *bytes, size_t size) {
  switch (code) {
  case '&': text_puts(out, "&amp;"); return;
  case '<': text_puts(out, "&lt;"); return;
  case '>': text_puts(out, "&gt;"); return;
  case '"': text_puts(out, "&quot;"); return;
  case '\\': text_puts(out, "\\\\"); return; /* \N would be the node's name */
  case '\t':
  case '\n':
  case '\r': text_char(out, ' '); return;
  default: break;
  }
  bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  if (control || code == UINT32_MAX || (code & 0xfffe) == 0xfffe)
    text_puts(out, "\xef\xbf\xbd");
  else
    text_add(out, bytes, size);
}

void label_text(struct text *out, const char *bytes, size_t size, size_t most) {
  size_t length, kept = size;
  bool cut = utf8_count(bytes, size) > most;
  if (cut) kept = (size_t)(utf8_skip(bytes, size, most - 1) - bytes);
  for (size_t i = 0; i < kept; i += length) {
    uint32_t code = utf8_decode(bytes + i, size - i, &length);
    label_character(out, code, bytes + i, length);
  }
  if (cut) text_puts(out, DOTS);
}

/* A text of the user's, plain. */
static void plain_text(struct text *out, const char *bytes, size_t size, size_t most) {
  bool cut = utf8_count(bytes, size) > most;
  text_add(out, bytes, cut ? (size_t)(utf8_skip(bytes, size, most - 1) - bytes) : size);
  if (cut) text_puts(out, DOTS);
}

static struct text make_text(const struct picture *picture) {
  struct text text;
  text_init(&text, picture->arena, NULL, NULL);
  return text;
}

/* A number for people who look: with a minus sign that is as wide as a plus. */
static void label_number(struct text *out, double value) {
  char digits[NUMBER_SIZE];
  if (isinf(value)) {
    text_puts(out, value < 0 ? MINUS "\xe2\x88\x9e" : "\xe2\x88\x9e");
    return;
  }
  size_t size = number_round(digits, value, DIGITS);
  for (size_t i = 0; i < size; i++)
    if (digits[i] == '-')
      text_puts(out, MINUS);
    else
      text_char(out, digits[i]);
}

static void print_shape(struct text *out, const struct shape *shape) {
  struct dims dims = shape_dims(shape);
  dims_print(&dims, out);
}

static void open_font(const struct picture *picture, enum tone tone, struct text *out) {
  text_printf(out, "<FONT COLOR=\"%s\">", color_of(picture, tone));
}

/* ---- tensors ----------------------------------------------------------------------------- */

static bool is_matrix(const struct shape *shape) {
  if (!shape->size || shape->rank > 2) return false;
  for (unsigned i = 0; i < shape->rank; i++)
    if (shape->dim[i] > SIDE_MOST) return false;
  return true;
}

/* The least, the largest and the Euclidean norm of what is finite. */
struct summary {
  double low, high, largest, norm;
  size_t finite;
};

static struct summary measure(const double *at, size_t size) {
  struct summary summary = {.low = INFINITY, .high = -INFINITY};
  double sum = 0;
  for (size_t i = 0; i < size; i++) {
    if (!isfinite(at[i])) continue;
    summary.finite++;
    summary.low = fmin(summary.low, at[i]);
    summary.high = fmax(summary.high, at[i]);
  }
  summary.largest = summary.finite ? fmax(fabs(summary.low), fabs(summary.high)) : 0;
  for (size_t i = 0; i < size && summary.largest > 0; i++) {
    double share = isfinite(at[i]) ? at[i] / summary.largest : 0;
    sum += share * share;
  }
  summary.norm = summary.largest * sqrt(sum);
  return summary;
}

static void print_cell(const struct picture *picture, double entry, double largest,
                       struct text *out) {
  enum tone tone = tint_of(entry, largest);
  text_puts(out, "<TD");
  if (tone != TONE_PAPER) text_printf(out, " BGCOLOR=\"%s\"", color_of(picture, tone));
  text_puts(out, ">" SMALL);
  label_number(out, entry);
  text_puts(out, "</FONT></TD>");
}

/* A small matrix; `sign`, where given, stands at its left. */
static void print_matrix(const struct picture *picture, const struct shape *shape, const double *at,
                         const char *sign, struct text *out) {
  const size_t columns = shape->rank ? (size_t)shape->dim[shape->rank - 1] : 1;
  const size_t rows = shape->size / columns;
  const struct summary summary = measure(at, shape->size);
  text_puts(out, "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"1\" CELLPADDING=\"2\">");
  for (size_t r = 0; r < rows; r++) {
    text_puts(out, "<TR>");
    if (!r && sign) text_printf(out, "<TD ROWSPAN=\"%zu\">%s</TD>", rows, sign);
    for (size_t c = 0; c < columns; c++)
      print_cell(picture, at[r * columns + c], summary.largest, out);
    text_puts(out, "</TR>");
  }
  text_puts(out, "</TABLE>");
}

/* How many entries lie where between the least and the largest one. */
static void count_bins(const double *at, size_t size, const struct summary *summary,
                       size_t bins[BINS]) {
  const double width = summary->high / BINS - summary->low / BINS;
  for (size_t i = 0; i < size; i++) {
    if (!isfinite(at[i])) continue;
    double place = width > 0 ? (at[i] - summary->low) / width : 0;
    size_t bin = place < BINS ? (size_t)place : BINS - 1;
    bins[bin]++;
  }
}

/* A strip whose cells are the darker the more entries lie there. */
static void print_strip(const struct picture *picture, const double *at, size_t size,
                        const struct summary *summary, struct text *out) {
  size_t bins[BINS] = {0}, most = 1;
  count_bins(at, size, summary, bins);
  for (int i = 0; i < BINS; i++)
    if (bins[i] > most) most = bins[i];
  text_printf(out,
              "<TABLE BORDER=\"1\" COLOR=\"%s\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
              "CELLPADDING=\"0\" FIXEDSIZE=\"TRUE\" WIDTH=\"%d\" HEIGHT=\"12\"><TR>",
              color_of(picture, TONE_FRAME), BINS * BIN_WIDTH + 2);
  for (int i = 0; i < BINS; i++) {
    double middle = summary->low + (summary->high - summary->low) * (i + 0.5) / BINS;
    double share = (double)bins[i] / (double)most;
    text_printf(out, "<TD FIXEDSIZE=\"TRUE\" WIDTH=\"%d\" HEIGHT=\"10\"", BIN_WIDTH);
    if (bins[i])
      text_printf(out, " BGCOLOR=\"%s\"",
                  color_of(picture, tint_of(middle < 0 ? -share : share, 1)));
    text_puts(out, "></TD>");
  }
  text_puts(out, "</TR></TABLE>");
}

/* A large tensor: where its entries lie, between which numbers, and its norm. */
static void print_summary(const struct picture *picture, const struct shape *shape,
                          const double *at, const char *sign, struct text *out) {
  const struct summary summary = measure(at, shape->size);
  text_puts(out, "<TABLE " BARE "=\"1\"><TR>");
  if (sign) text_printf(out, "<TD ROWSPAN=\"2\">%s </TD>", sign);
  text_puts(out, "<TD>");
  if (summary.finite) {
    print_strip(picture, at, shape->size, &summary, out);
    text_puts(out, "</TD></TR><TR><TD>" SMALL);
    text_puts(out, summary.low < summary.high ? "" : "all ");
    label_number(out, summary.low);
    if (summary.low < summary.high) {
      text_puts(out, " " DOTS " ");
      label_number(out, summary.high);
    }
    text_puts(out, ", norm ");
    label_number(out, summary.norm);
  } else {
    text_puts(out, SMALL);
  }
  if (summary.finite < shape->size)
    text_printf(out, "%s%zu not finite", summary.finite ? "<BR/>" : "",
                shape->size - summary.finite);
  text_puts(out, "</FONT></TD></TR></TABLE>");
}

/* ---- names ------------------------------------------------------------------------------- */

void print_quantity(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  const struct graph *graph = &picture->result->net->graph;
  const struct node *node = graph_node(graph, drawn->id);
  if (node->role == ROLE_LITERAL && !node->name && node->text.start)
    graph_print_text(graph, drawn->id, out);
  else
    graph_print_name(graph, drawn->id, out);
}

static void plain_name(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  if (drawn->caption && drawn->caption->label)
    text_puts(out, drawn->caption->label);
  else
    print_quantity(picture, drawn, out);
}

void label_name(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  struct text name = make_text(picture);
  plain_name(picture, drawn, &name);
  const char *bytes = text_string(&name);
  bool blank = bytes[strspn(bytes, " \t\r\n")] == '\0';
  label_text(out, blank ? "?" : bytes, blank ? 1 : name.count, NAME_MOST);
}

/* A name of the author's: not one that the program made. */
static bool is_named(const struct picture *picture, const struct drawn *drawn) {
  return graph_node(&picture->result->net->graph, drawn->id)->name != NULL;
}

const char *role_of(const struct picture *picture, const struct drawn *drawn) {
  static const char *const roles[] = {"input", "parameter", "constant", "constant", "op"};
  return roles[graph_node(&picture->result->net->graph, drawn->id)->role];
}

/* ---- ops --------------------------------------------------------------------------------- */

/* What people write for what a keyboard has. */
static const struct {
  const char *typed, *drawn;
} symbols[] = {{"*", "\xc3\x97"},      {"-", MINUS},           {"**", "^"}, {"<=", "\xe2\x89\xa4"},
               {">=", "\xe2\x89\xa5"}, {"!=", "\xe2\x89\xa0"}, {"==", "="}};

static const char *drawn_symbol(const char *symbol) {
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
    if (!strcmp(symbols[i].typed, symbol)) return symbols[i].drawn;
  return symbol;
}

static const struct node *number_at(const struct graph *graph, const struct node *node,
                                    unsigned k) {
  const struct node *input = graph_node(graph, graph_inputs(graph, node)[k]);
  bool number = input->role == ROLE_LITERAL && !input->name && input->shape->size == 1;
  return number ? input : NULL;
}

/* "+", "2 ×", "^ 2", "1 /": the numbers among the operands stand where they are written. */
static void print_infix(const struct graph *graph, const struct node *node, struct text *out) {
  for (unsigned k = 0; k < node->count; k++) {
    const struct node *number = number_at(graph, node, k);
    if (k == 1) text_puts(out, drawn_symbol(node->op->symbol));
    if (number && k) text_char(out, ' ');
    if (number) label_number(out, *number->value);
    if (number && !k) text_char(out, ' ');
  }
}

/* "tanh", "maximum(0, ·)". */
static void print_call(const struct graph *graph, const struct node *node, struct text *out) {
  bool numbers = false;
  for (unsigned k = 0; k < node->count; k++) numbers = numbers || number_at(graph, node, k);
  text_puts(out, node->op->name);
  for (unsigned k = 0; k < node->count && numbers; k++) {
    const struct node *number = number_at(graph, node, k);
    text_puts(out, k ? ", " : "(");
    if (number)
      label_number(out, *number->value);
    else
      text_puts(out, ITSELF);
  }
  if (numbers) text_char(out, ')');
}

/* The brackets at the end of "x[1:3, :]"; false where the expression has none. */
static bool print_brackets(const struct graph *graph, const struct node *node, node_id id,
                           struct text *out) {
  struct text text;
  text_init(&text, out->arena, NULL, NULL);
  if (node->text.start) graph_print_text(graph, id, &text);
  const char *bytes = text_string(&text);
  if (!text.count || bytes[text.count - 1] != ']') return false;
  int depth = 0;
  size_t i = text.count;
  do {
    i--;
    depth += bytes[i] == ']';
    depth -= bytes[i] == '[';
  } while (i && depth);
  text_add(out, bytes + i, text.count - i);
  return true;
}

static void print_gate(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  const struct graph *graph = &picture->result->net->graph;
  const struct node *node = graph_node(graph, drawn->id);
  const char *symbol = node->op->symbol ? node->op->symbol : "";
  bool letters = isalpha((unsigned char)symbol[0]) || !strcmp(symbol, "=");
  if (symbol[0] == '[' && print_brackets(graph, node, drawn->id, out)) return;
  if (symbol[0] == '.')
    text_puts(out, symbol);
  else if (!symbol[0] || symbol[0] == '[' || letters || node->count < 2)
    print_call(graph, node, out);
  else
    print_infix(graph, node, out);
}

/* An expression as the author wrote it; a collapsed call by its function's name. */
static void print_expression(const struct picture *picture, const struct drawn *drawn,
                             struct text *out) {
  size_t before = out->count;
  if (drawn->call) {
    text_puts(out, function_name(drawn->call->function));
    return;
  }
  print_definition(picture->result, drawn->id, out);
  if (out->count == before)
    text_puts(out, graph_node(&picture->result->net->graph, drawn->id)->op->name);
}

void label_op(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  if (drawn->whole || picture->level == LEVEL_NAMES)
    print_expression(picture, drawn, out);
  else
    print_gate(picture, drawn, out);
}

void label_settings(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  const struct node *node = graph_node(&picture->result->net->graph, drawn->id);
  if (!drawn->whole && picture->level == LEVEL_OPS && !node->op->symbol)
    print_settings(node, "", out);
}

static bool has_fault(const struct drawn *drawn) { return drawn->undefined || drawn->not_finite; }

/* What is wrong with a node, in small letters. */
static void print_fault(const struct picture *picture, const struct drawn *drawn,
                        struct text *out) {
  text_printf(out, "<FONT POINT-SIZE=\"11\" COLOR=\"%s\">", color_of(picture, TONE_FAULT));
  if (drawn->not_finite) text_puts(out, "not finite");
  if (drawn->not_finite && drawn->undefined) text_puts(out, ", ");
  if (drawn->undefined) text_puts(out, PARTIAL " undefined");
  if (drawn->undefined > 1) text_printf(out, " \xc3\x97 %zu", drawn->undefined);
  text_puts(out, "</FONT>");
}

/* ---- whole labels ------------------------------------------------------------------------ */

void label_start(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  text_puts(out, "<FONT>");
  label_name(picture, drawn, out);
  if (has_fault(drawn)) {
    text_puts(out, "<BR/>");
    print_fault(picture, drawn, out);
  }
  text_puts(out, "</FONT>");
}

void label_gate(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  struct text gate = make_text(picture), attributes = make_text(picture);
  label_op(picture, drawn, &gate);
  text_puts(out, "<FONT>");
  label_text(out, text_string(&gate), gate.count, TEXT_MOST);
  label_settings(picture, drawn, &attributes);
  if (attributes.count) {
    text_puts(out, "<BR/>" SMALL);
    label_text(out, text_string(&attributes), attributes.count, TEXT_MOST);
    text_puts(out, "</FONT>");
  }
  if (has_fault(drawn)) {
    text_puts(out, "<BR/>");
    print_fault(picture, drawn, out);
  }
  text_puts(out, "</FONT>");
}

static bool shows_gradient(const struct picture *picture, const struct drawn *drawn) {
  return picture->show & SHOW_GRADIENT && drawn->flow != FLOW_NONE;
}

/* "q", "q [3, 4]", "[3, 4]"; false where there is nothing to say. */
static bool print_heading(const struct picture *picture, const struct drawn *drawn, bool name,
                          struct text *out) {
  const struct shape *shape = graph_node(&picture->result->net->graph, drawn->id)->shape;
  bool dims = picture->show & SHOW_SHAPE && shape->rank;
  if (!name && !dims) return false;
  if (name) {
    text_puts(out, "<I>");
    label_name(picture, drawn, out);
    text_puts(out, "</I>");
  }
  if (name && dims) text_puts(out, BLANK);
  if (dims) print_shape(out, shape);
  return true;
}

/* The value as rows of a label's table. */
static void print_value(const struct picture *picture, const struct drawn *drawn, bool name,
                        struct text *out) {
  const struct shape *shape = graph_node(&picture->result->net->graph, drawn->id)->shape;
  const double *at = run_value(&picture->result->run, drawn->id);
  struct text heading = make_text(picture);
  bool headed = print_heading(picture, drawn, name, &heading);
  bool line = headed || !shape->rank || !shape->size; /* something stands in the first line */
  if (line) {
    text_puts(out, "<TR><TD>");
    open_font(picture, TONE_VALUE, out);
    text_add(out, text_string(&heading), heading.count);
    if (!shape->rank) text_puts(out, headed ? BLANK "= " : "");
    if (!shape->rank) label_number(out, *at);
    if (!shape->size) text_puts(out, " (empty)");
    text_puts(out, "</FONT></TD></TR>");
  }
  if (!shape->rank || !shape->size) return;
  text_puts(out, "<TR><TD>");
  if (is_matrix(shape))
    print_matrix(picture, shape, at, NULL, out);
  else
    print_summary(picture, shape, at, NULL, out);
  text_puts(out, "</TD></TR>");
}

/* The gradient as a cell's content. */
static void print_gradient(const struct picture *picture, const struct drawn *drawn,
                           struct text *out) {
  const struct shape *shape = graph_node(&picture->result->net->graph, drawn->id)->shape;
  const double *at;
  struct text sign = make_text(picture);
  open_font(picture, TONE_GRADIENT, &sign);
  text_puts(&sign, PARTIAL "</FONT>");
  result_gradient(picture->result, drawn->id, &at);
  if (drawn->flow == FLOW_DEAD || !shape->rank) {
    open_font(picture, drawn->flow == FLOW_DEAD ? TONE_QUIET : TONE_GRADIENT, out);
    text_puts(out, PARTIAL " ");
    label_number(out, drawn->flow == FLOW_DEAD ? 0 : *at);
    text_puts(out, "</FONT>");
  } else if (is_matrix(shape)) {
    print_matrix(picture, shape, at, text_string(&sign), out);
  } else {
    print_summary(picture, shape, at, text_string(&sign), out);
  }
}

/* Start nodes have their names in themselves. */
static bool has_name_on_wire(const struct picture *picture, const struct drawn *drawn) {
  return graph_node(&picture->result->net->graph, drawn->id)->op && is_named(picture, drawn);
}

bool has_wire_label(const struct picture *picture, const struct drawn *drawn) {
  const struct shape *shape = graph_node(&picture->result->net->graph, drawn->id)->shape;
  return picture->show & SHOW_VALUE || shows_gradient(picture, drawn) ||
         has_name_on_wire(picture, drawn) || (picture->show & SHOW_SHAPE && shape->rank);
}

/* The wire itself, as a row.  Edges end a point before their port: so it is a point narrower. */
static void print_rule(const char *color, struct text *out) {
  text_printf(out,
              "<TR><TD BGCOLOR=\"%s\" CELLPADDING=\"1\"><TABLE PORT=\"w\" " BARE "=\"0\">"
              "<TR><TD HEIGHT=\"0\"></TD></TR></TABLE></TD></TR>",
              color);
}

void label_wire(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  bool name = has_name_on_wire(picture, drawn);
  struct text heading = make_text(picture);
  text_puts(out, "<TABLE " BARE "=\"1\">");
  if (picture->show & SHOW_VALUE) {
    print_value(picture, drawn, name, out);
  } else if (print_heading(picture, drawn, name, &heading)) {
    text_puts(out, "<TR><TD>");
    open_font(picture, TONE_VALUE, out);
    text_add(out, text_string(&heading), heading.count);
    text_puts(out, "</FONT></TD></TR>");
  }
  print_rule(color_of(picture, drawn->flow == FLOW_ALIVE || !picture->result->gradients
                                   ? TONE_WIRE
                                   : TONE_QUIET),
             out);
  if (shows_gradient(picture, drawn)) {
    text_puts(out, "<TR><TD>");
    print_gradient(picture, drawn, out);
    text_puts(out, "</TD></TR>");
  }
  text_puts(out, "</TABLE>");
}

/* The heading of a box: "q = x + y", "x", "x * 2" for a part of an expression. */
static void print_title(const struct picture *picture, const struct drawn *drawn,
                        struct text *out) {
  const struct node *node = graph_node(&picture->result->net->graph, drawn->id);
  struct text expression = make_text(picture);
  bool name = !node->op || is_named(picture, drawn);
  if (name) {
    text_puts(out, "<B>");
    label_name(picture, drawn, out);
    text_puts(out, "</B>");
  }
  if (!node->op) return;
  if (name) text_puts(out, BLANK "= ");
  print_expression(picture, drawn, &expression);
  label_text(out, text_string(&expression), expression.count, TEXT_MOST);
}

void label_box(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  const struct shape *shape = graph_node(&picture->result->net->graph, drawn->id)->shape;
  bool value = picture->show & SHOW_VALUE, gradient = shows_gradient(picture, drawn);
  text_puts(out, "<TABLE " BARE "=\"2\"><TR><TD>");
  print_title(picture, drawn, out);
  text_puts(out, "</TD></TR>");
  if (has_fault(drawn)) {
    text_puts(out, "<TR><TD>");
    print_fault(picture, drawn, out);
    text_puts(out, "</TD></TR>");
  }
  if (value) print_value(picture, drawn, false, out);
  if (!value && picture->show & SHOW_SHAPE && shape->rank) {
    text_puts(out, "<TR><TD>" SMALL);
    print_shape(out, shape);
    text_puts(out, "</FONT></TD></TR>");
  }
  if (gradient) {
    text_puts(out, "<TR><TD>");
    print_gradient(picture, drawn, out);
    text_puts(out, "</TD></TR>");
  }
  text_puts(out, "</TABLE>");
}

void label_compact(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  const struct node *node = graph_node(&picture->result->net->graph, drawn->id);
  struct text gate = make_text(picture);
  if (picture->show & (SHOW_VALUE | SHOW_GRADIENT)) {
    label_box(picture, drawn, out);
    return;
  }
  text_puts(out, "<FONT>");
  if (!node->op || is_named(picture, drawn)) {
    label_name(picture, drawn, out);
  } else {
    label_op(picture, drawn, &gate);
    label_text(out, text_string(&gate), gate.count, TEXT_MOST);
  }
  if (picture->show & SHOW_SHAPE && node->shape->rank) {
    text_puts(out, "<BR/>" SMALL);
    print_shape(out, node->shape);
    text_puts(out, "</FONT>");
  }
  if (has_fault(drawn)) {
    text_puts(out, "<BR/>");
    print_fault(picture, drawn, out);
  }
  text_puts(out, "</FONT>");
}

void label_call(const struct call_site *call, struct text *out) {
  const char *function = function_name(call->function);
  text_puts(out, SMALL "<I>");
  label_text(out, call->name, call->name_size, NAME_MOST);
  text_puts(out, "</I>: ");
  label_text(out, function, strlen(function), NAME_MOST);
  text_puts(out, "</FONT>");
}

/* ---- edges ------------------------------------------------------------------------------- */

/* What flows back along an edge: its number, or the norm of its numbers. */
static void print_flow(const struct picture *picture, const struct edge *edge, struct text *out) {
  const struct shape *shape = graph_node(&picture->result->net->graph, edge->source)->shape;
  if (edge->flow == FLOW_DEAD || (edge->contribution && shape->size == 1)) {
    label_number(out, edge->flow == FLOW_DEAD ? 0 : *edge->contribution);
  } else {
    text_puts(out, "norm ");
    label_number(out, edge->norm);
  }
}

void label_edge(const struct picture *picture, const struct edge *edge, struct text *out) {
  bool local = picture->show & SHOW_LOCAL && edge->has_local;
  bool flow = picture->show & SHOW_CONTRIBUTION && edge->flow != FLOW_NONE;
  if (!local && !flow) return;
  text_puts(out, SMALL);
  if (local) {
    text_puts(out, "local ");
    label_number(out, edge->local);
  }
  if (local && flow) text_puts(out, "<BR/>");
  if (flow) {
    open_font(picture, edge->flow == FLOW_DEAD ? TONE_QUIET : TONE_GRADIENT, out);
    text_puts(out, PARTIAL " ");
    print_flow(picture, edge, out);
    text_puts(out, "</FONT>");
  }
  text_puts(out, "</FONT>");
}

/* ---- for readers that speak -------------------------------------------------------------- */

static void speak_tensor(const struct shape *shape, const double *at, struct text *out) {
  if (!shape->size) {
    text_puts(out, "empty");
  } else if (!is_matrix(shape)) {
    text_puts(out, "of norm ");
    text_rounded(out, measure(at, shape->size).norm, DIGITS);
  } else {
    const size_t columns = shape->rank ? (size_t)shape->dim[shape->rank - 1] : 1;
    for (size_t i = 0; i < shape->size; i++) {
      if (i) text_puts(out, i % columns ? ", " : "; ");
      text_rounded(out, at[i], DIGITS);
    }
  }
}

void describe_node(const struct picture *picture, const struct drawn *drawn, struct text *out) {
  const struct node *node = graph_node(&picture->result->net->graph, drawn->id);
  const double *at;
  struct text name = make_text(picture), expression = make_text(picture);
  plain_name(picture, drawn, &name);
  plain_text(out, text_string(&name), name.count, SPOKEN_MOST);
  if (node->op) {
    print_expression(picture, drawn, &expression);
    text_puts(out, " = ");
    plain_text(out, text_string(&expression), expression.count, SPOKEN_MOST);
  } else {
    text_printf(out, ", %s", role_of(picture, drawn));
  }
  if (node->shape->rank) {
    text_puts(out, ", shape ");
    print_shape(out, node->shape);
  }
  text_puts(out, ", value ");
  speak_tensor(node->shape, run_value(&picture->result->run, drawn->id), out);
  if (drawn->flow == FLOW_DEAD) text_puts(out, ", gradient 0");
  if (drawn->flow == FLOW_ALIVE) {
    text_puts(out, ", gradient ");
    result_gradient(picture->result, drawn->id, &at);
    speak_tensor(node->shape, at, out);
  }
  if (drawn->undefined) text_printf(out, ", derivative undefined at %zu", drawn->undefined);
  if (drawn->caption && drawn->caption->description) {
    const char *description = drawn->caption->description;
    text_puts(out, ": ");
    plain_text(out, description, strlen(description), SPOKEN_MOST);
  }
}

void describe_edge(const struct picture *picture, const struct edge *edge, struct text *out) {
  struct text from = make_text(picture), to = make_text(picture);
  plain_name(picture, &picture->nodes.at[edge->from], &from);
  plain_name(picture, &picture->nodes.at[edge->to], &to);
  plain_text(out, text_string(&from), from.count, SPOKEN_MOST);
  text_puts(out, " to ");
  plain_text(out, text_string(&to), to.count, SPOKEN_MOST);
  if (edge->has_local) {
    text_puts(out, ", local derivative ");
    text_rounded(out, edge->local, DIGITS);
  }
  if (edge->flow == FLOW_DEAD) text_puts(out, ", contribution 0");
  if (edge->flow != FLOW_ALIVE) return;
  text_puts(out, ", contribution ");
  const struct shape *shape = graph_node(&picture->result->net->graph, edge->source)->shape;
  if (edge->contribution && shape->size == 1) {
    text_rounded(out, *edge->contribution, DIGITS);
  } else {
    text_puts(out, "of norm ");
    text_rounded(out, edge->norm, DIGITS);
  }
}
