/* JSON as schemas/result.schema.json describes it. */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"
#include "export/export.h"
#include "export/json.h"
#include "version.h"

/* ---- pieces ------------------------------------------------------------------------------ */

void json_text(struct text *out, const char *bytes, size_t size) {
  text_char(out, '"');
  for (size_t i = 0, length; i < size; i += length) {
    uint32_t code = utf8_decode(bytes + i, size - i, &length);
    if (code == UINT32_MAX)
      text_puts(out, "\\ufffd"); /* a file's name may be anything */
    else if (code == '"' || code == '\\')
      text_printf(out, "\\%c", (char)code);
    else if (code < 0x20 || code == 0x7f)
      text_printf(out, "\\u%04x", (unsigned)code);
    else
      text_add(out, bytes + i, length);
  }
  text_char(out, '"');
}

void json_string(struct text *out, const char *string) { json_text(out, string, strlen(string)); }

void json_number(struct text *out, double value) {
  if (isfinite(value)) {
    text_number(out, value);
    return;
  }
  text_char(out, '"');
  text_number(out, value);
  text_char(out, '"');
}

void json_optional(struct text *out, const char *string) {
  if (string)
    json_string(out, string);
  else
    text_puts(out, "null");
}

void json_message(struct text *out, const struct json_message *message) {
  text_printf(out, "{\"code\": \"BP%03u\", \"severity\": \"%s\"", message->number,
              severity_name(message->severity));
  if (message->file) {
    text_puts(out, ", \"file\": ");
    json_string(out, message->file);
  }
  if (message->line)
    text_printf(out, ", \"line\": %zu, \"column\": %zu", message->line, message->column);
  text_puts(out, ", \"message\": ");
  json_string(out, message->text);
  if (message->hint) {
    text_puts(out, ", \"hint\": ");
    json_string(out, message->hint);
  }
  text_char(out, '}');
}

/* Nested lists, row by row; without recursion, since a tensor may have 32 axes. */
void json_tensor(struct text *out, const struct shape *shape, const double *at) {
  size_t index[RANK_MOST] = {0};
  unsigned rank = shape->rank, level = 0;
  if (!rank) {
    json_number(out, at ? *at : 0);
    return;
  }
  text_char(out, '[');
  for (size_t flat = 0;;) {
    if (index[level] == (size_t)shape->dim[level]) {
      text_char(out, ']');
      if (!level) return;
      index[--level]++;
    } else {
      if (index[level]) text_puts(out, ", ");
      if (level + 1 < rank) {
        index[++level] = 0;
        text_char(out, '[');
      } else {
        json_number(out, at ? at[flat] : 0);
        flat++, index[level]++;
      }
    }
  }
}

static void json_dims(struct text *out, const struct shape *shape) {
  struct dims dims = shape_dims(shape);
  dims_print(&dims, out);
}

static void json_name(const struct result *result, node_id id, struct text *out) {
  text_char(out, '"');
  graph_print_name(&result->net->graph, id, out); /* names need no escapes */
  text_char(out, '"');
}

static void json_gradient(const struct result *result, node_id id, struct text *out) {
  const double *at;
  if (result_gradient(result, id, &at) == GRADIENT_NULL)
    text_puts(out, "null");
  else
    json_tensor(out, graph_node(&result->net->graph, id)->shape, at);
}

/* Separates the members of an object or list: nothing before the first. */
static void next(struct text *out, bool *first, const char *indent) {
  text_puts(out, *first ? "" : ",");
  text_puts(out, indent);
  *first = false;
}

/* ---- members ----------------------------------------------------------------------------- */

static void print_output(const struct result *result, struct text *out) {
  node_id id = result->plan.output;
  const struct shape *shape = graph_node(&result->net->graph, id)->shape;
  text_puts(out, "{\"name\": ");
  json_name(result, id, out);
  text_puts(out, ", \"shape\": ");
  json_dims(out, shape);
  text_puts(out, ", \"value\": ");
  json_tensor(out, shape, run_value(&result->run, id));
  text_char(out, '}');
}

static void print_gradients(const struct result *result, struct text *out) {
  if (!result->gradients) {
    text_puts(out, "null");
    return;
  }
  bool first = true;
  text_char(out, '{');
  for (size_t i = 0; i < result->wrt.count; i++) {
    next(out, &first, "\n    ");
    json_name(result, result->wrt.at[i], out);
    text_puts(out, ": ");
    json_gradient(result, result->wrt.at[i], out);
  }
  text_puts(out, first ? "}" : "\n  }");
}

static void print_undefined_at(const struct undefined *at, const struct shape *shape,
                               struct text *out) {
  text_char(out, '[');
  for (size_t i = 0; i < at->count && i < sizeof at->first / sizeof *at->first; i++) {
    struct dims dims = {.rank = shape->rank};
    unravel(shape, at->first[i], dims.at);
    if (i) text_puts(out, ", ");
    dims_print(&dims, out);
  }
  text_char(out, ']');
}

void json_undefined(const struct result *result, struct text *out) {
  const struct graph *graph = &result->net->graph;
  bool first = true;
  text_char(out, '[');
  for (size_t i = 0; i < result->undefined.count; i++) {
    const struct undefined *at = &result->undefined.at[i];
    const struct node *node = graph_node(graph, at->node);
    next(out, &first, "\n    ");
    text_puts(out, "{\"node\": ");
    json_name(result, at->node, out);
    text_printf(out, ", \"op\": \"%s\", \"input\": ", node->op->name);
    json_name(result, graph_inputs(graph, node)[at->input], out);
    text_printf(out, ", \"count\": %zu, \"index\": ", at->count);
    print_undefined_at(at, undefined_shape(result, at), out);
    text_puts(out, ", \"convention\": ");
    json_string(out, node->op->convention ? node->op->convention : "");
    text_char(out, '}');
  }
  text_puts(out, first ? "]" : "\n  ]");
}

static void print_warning(const struct report *report, const struct message *message,
                          struct text *out) {
  struct json_message view = {.number = diag_number(message->id),
                              .severity = message->severity,
                              .text = message->text,
                              .hint = message->hint};
  struct place place;
  if (report_locate(report, message->mark, &place)) {
    view.file = place.source->name;
    view.line = place.line, view.column = place.column;
  }
  json_message(out, &view);
}

void json_warnings(const struct result *result, struct text *out) {
  const struct report *report = result->net->report;
  bool first = true;
  text_char(out, '[');
  for (size_t i = 0; i < report->messages.count; i++) {
    if (report->messages.at[i].severity > SEVERITY_WARNING) continue;
    next(out, &first, "\n    ");
    print_warning(report, &report->messages.at[i], out);
  }
  text_puts(out, first ? "]" : "\n  ]");
}

/* ---- --all ------------------------------------------------------------------------------- */

/* Literals stand in the inputs of their users; all other nodes are listed. */
static bool is_listed(const struct result *result, node_id id) {
  const struct node *node = graph_node(&result->net->graph, id);
  return (node->role != ROLE_LITERAL || node->name) && !node->backward &&
         run_value(&result->run, id);
}

static void print_order(const struct result *result, struct text *out) {
  bool first = true;
  text_char(out, '[');
  for (node_id id = 0; id < result->plan.node_count; id++) {
    if (!is_listed(result, id)) continue;
    next(out, &first, first ? "" : " ");
    json_name(result, id, out);
  }
  text_char(out, ']');
}

static void print_inputs(const struct result *result, const struct node *node, struct text *out) {
  const struct graph *graph = &result->net->graph;
  const node_id *inputs = graph_inputs(graph, node);
  text_char(out, '[');
  for (unsigned k = 0; k < node->count; k++) {
    const struct node *input = graph_node(graph, inputs[k]);
    if (k) text_puts(out, ", ");
    if (is_listed(result, inputs[k]))
      json_name(result, inputs[k], out);
    else
      json_tensor(out, input->shape, input->value);
  }
  text_char(out, ']');
}

static const char *const role_names[] = {"input", "parameter", "constant", "constant", "node"};

static void print_node(const struct result *result, node_id id, struct text *out) {
  const struct node *node = graph_node(&result->net->graph, id);
  json_name(result, id, out);
  text_printf(out, node->op ? ": {\"op\": \"%s\", \"inputs\": " : ": {\"op\": null, \"inputs\": ",
              node->op ? node->op->name : "");
  print_inputs(result, node, out);
  text_printf(out, ", \"role\": \"%s\", \"shape\": ", role_names[node->role]);
  json_dims(out, node->shape);
  text_puts(out, ", \"value\": ");
  json_tensor(out, node->shape, run_value(&result->run, id));
  text_puts(out, ", \"gradient\": ");
  json_gradient(result, id, out);
  text_printf(out, ", \"generated\": %s}", node->name ? "false" : "true");
}

static void print_nodes(const struct result *result, struct text *out) {
  bool first = true;
  text_char(out, '{');
  for (node_id id = 0; id < result->plan.node_count; id++) {
    if (!is_listed(result, id)) continue;
    next(out, &first, "\n    ");
    print_node(result, id, out);
  }
  text_puts(out, first ? "}" : "\n  }");
}

static void print_edge(const struct result *result, node_id id, unsigned input, double *room,
                       struct text *out) {
  const struct graph *graph = &result->net->graph;
  const struct node *node = graph_node(graph, id);
  node_id from = graph_inputs(graph, node)[input];
  const struct node *source = graph_node(graph, from);
  text_puts(out, "{\"from\": ");
  json_name(result, from, out);
  text_puts(out, ", \"to\": ");
  json_name(result, id, out);
  text_printf(out, ", \"slot\": %u", input);
  bool flows = result_has_edge(result, id, input);
  if (flows && source->shape->size == 1 && node->shape->size == 1 && node->op->backward) {
    result_contribution(result, id, input, true, room);
    text_puts(out, ", \"local\": ");
    json_number(out, *room);
  }
  text_puts(out, ", \"contribution\": ");
  if (flows) {
    result_contribution(result, id, input, false, room);
    json_tensor(out, source->shape, room);
  } else {
    const double *at;
    bool none = result_gradient(result, from, &at) == GRADIENT_NULL;
    if (none)
      text_puts(out, "null");
    else
      json_tensor(out, source->shape, NULL);
  }
  text_char(out, '}');
}

static void print_edges(const struct result *result, struct text *out) {
  const struct graph *graph = &result->net->graph;
  size_t largest = 1;
  for (node_id id = 0; id < result->plan.node_count; id++)
    if (graph_node(graph, id)->shape->size > largest) largest = graph_node(graph, id)->shape->size;
  double *room = arena_resize(result->arena, NULL, largest * sizeof *room);
  bool first = true;
  text_char(out, '[');
  for (node_id id = 0; id < result->plan.node_count; id++) {
    const struct node *node = graph_node(graph, id);
    for (unsigned k = 0; k < node->count && !node->backward; k++) {
      if (!is_listed(result, graph_inputs(graph, node)[k])) continue;
      next(out, &first, "\n    ");
      print_edge(result, id, k, room, out);
    }
  }
  text_puts(out, first ? "]" : "\n  ]");
  arena_release(result->arena, room);
}

/* ---- the whole --------------------------------------------------------------------------- */

void export_json(const struct result *result, struct text *out) {
  const struct net *net = result->net;
  text_puts(out, "{\n  \"bpgraph\": \"" BPGRAPH_VERSION "\",\n  \"format\": \"1.0\",\n  \"net\": ");
  json_string(out, net->source->name);
  text_puts(out, ",\n  \"title\": ");
  json_optional(out, net->title);
  const struct {
    const char *name;
    export_fn *print;
    bool all;
  } members[] = {{"output", print_output, false},      {"gradients", print_gradients, false},
                 {"undefined", json_undefined, false}, {"warnings", json_warnings, false},
                 {"order", print_order, true},         {"nodes", print_nodes, true},
                 {"edges", print_edges, true}};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    if (members[i].all && !result->all) continue;
    text_printf(out, ",\n  \"%s\": ", members[i].name);
    members[i].print(result, out);
  }
  text_puts(out, "\n}\n");
}
