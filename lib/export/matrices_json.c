/* Jacobians and Hessians as JSON: schemas/jacobian.schema.json, schemas/hessian.schema.json. */
#include <string.h>

#include "export/export.h"
#include "export/json.h"
#include "export/matrices.h"
#include "version.h"

static void print_name(const struct result *result, node_id id, struct text *out) {
  text_char(out, '"');
  graph_print_name(&result->net->graph, id, out); /* names need no escapes */
  text_char(out, '"');
}

static void print_head(const struct result *result, struct text *out) {
  text_puts(out, "{\n  \"bpgraph\": \"" BPGRAPH_VERSION "\",\n  \"format\": \"1.0\",\n  \"net\": ");
  json_string(out, result->net->source->name);
  text_puts(out, ",\n  \"title\": ");
  if (result->net->title)
    json_string(out, result->net->title);
  else
    text_puts(out, "null");
}

static void print_tail(const struct result *result, struct text *out) {
  text_puts(out, ",\n  \"undefined\": ");
  json_undefined(result, out);
  text_puts(out, ",\n  \"warnings\": ");
  json_warnings(result, out);
  text_puts(out, "\n}\n");
}

static void print_dims(const struct shape *a, const struct shape *b, struct text *out) {
  text_char(out, '[');
  for (unsigned i = 0; i < a->rank + b->rank; i++) {
    if (i) text_puts(out, ", ");
    text_integer(out, i < a->rank ? a->dim[i] : b->dim[i - a->rank]);
  }
  text_char(out, ']');
}

/* {"name": "p", "shape": [3], "value": [...]} */
static void print_quantity(const struct result *result, node_id id, struct text *out) {
  const struct shape *shape = graph_node(&result->net->graph, id)->shape;
  struct dims dims = shape_dims(shape);
  text_puts(out, "{\"name\": ");
  print_name(result, id, out);
  text_puts(out, ", \"shape\": ");
  dims_print(&dims, out);
  text_puts(out, ", \"value\": ");
  const double *at = run_value(&result->run, id);
  if (at)
    json_tensor(out, shape, at);
  else
    text_puts(out, "null");
  text_char(out, '}');
}

/* How many axes of a shape, from the last, start anew at this entry. */
static unsigned count_new(const struct shape *shape, size_t entry) {
  unsigned axes = 0;
  for (unsigned i = shape->rank; i-- > 0; axes++) {
    if (entry % (size_t)shape->dim[i]) break;
    entry /= (size_t)shape->dim[i];
  }
  return axes;
}

/* Nested lists, of the rows' axes and then the columns'; a row at a time. */
static void print_values(const struct view *view, struct text *out) {
  const struct shape *rows = view->rows;
  double *numbers = ARENA_ARRAY(out->arena, double, view->columns->size + 1);
  if (!rows->size) {
    json_tensor(out, rows, NULL);
    return;
  }
  for (size_t i = 0; i < rows->size; i++) {
    if (i) text_puts(out, ",\n      ");
    text_fill(out, '[', count_new(rows, i));
    view_row(view, i, numbers);
    json_tensor(out, view->columns, numbers);
    text_fill(out, ']', count_new(rows, i + 1));
  }
}

static size_t count_nonzero(const struct view *view, struct arena *arena) {
  double *numbers = ARENA_ARRAY(arena, double, view->columns->size + 1);
  size_t count = 0;
  for (size_t i = 0; i < view->rows->size; i++) {
    view_row(view, i, numbers);
    for (size_t j = 0; j < view->columns->size; j++) count += numbers[j] != 0;
  }
  return count;
}

static void print_structure(const struct view *view, struct text *out) {
  bool first = true;
  text_printf(out, "{\"kind\": \"%s\", \"paired\": [", view_kind(view));
  for (unsigned i = 0; i < view->columns->rank; i++) {
    if (view_pair(view, i) < 0) continue;
    text_printf(out, "%s[%d, %u]", first ? "" : ", ", view_pair(view, i), i);
    first = false;
  }
  text_printf(out, "], \"nonzero\": %zu}", count_nonzero(view, out->arena));
}

static void print_matrix(const struct view *view, const char *indent, struct text *out) {
  text_puts(out, "\"shape\": ");
  print_dims(view->rows, view->columns, out);
  text_printf(out, ",%s\"structure\": ", indent);
  print_structure(view, out);
  text_printf(out, ",%s\"values\": ", indent);
  print_values(view, out);
}

void export_jacobian_json(const struct jacobian_result *answer, struct text *out) {
  const struct view view = view_matrix(&answer->matrix, false);
  print_head(&answer->result, out);
  text_puts(out, ",\n  \"of\": ");
  print_quantity(&answer->result, view.of, out);
  text_puts(out, ",\n  \"wrt\": ");
  print_quantity(&answer->result, view.by, out);
  text_puts(out, ",\n  ");
  print_matrix(&view, "\n  ", out);
  print_tail(&answer->result, out);
}

static void print_blocks(const struct hessian_result *answer, struct text *out) {
  const struct result *result = &answer->result;
  text_puts(out, ",\n  \"hessian\": {");
  for (size_t a = 0; a < answer->count; a++) {
    text_puts(out, a ? ",\n    " : "\n    ");
    print_name(result, result->wrt.at[a], out);
    text_puts(out, ": {");
    for (size_t b = 0; b < answer->count; b++) {
      const struct view view = view_block(answer, a, b);
      text_puts(out, b ? ",\n      " : "\n      ");
      print_name(result, view.by, out);
      text_puts(out, ": {");
      print_matrix(&view, " ", out);
      text_char(out, '}');
    }
    text_char(out, '}');
  }
  text_puts(out, "\n  }");
}

static void print_eigenvalues(const struct hessian_result *answer, struct text *out) {
  if (!answer->eigenvalues) {
    text_puts(out, ",\n  \"definiteness\": null,\n  \"eigenvalues\": null");
    return;
  }
  text_printf(out, ",\n  \"definiteness\": \"%s\",\n  \"eigenvalues\": [",
              hessian_definiteness(answer));
  for (size_t i = 0; i < answer->size; i++) {
    if (i) text_puts(out, ", ");
    json_number(out, answer->eigenvalues[i]);
  }
  text_char(out, ']');
}

static void print_product(const struct hessian_result *answer, struct text *out) {
  const struct graph *graph = &answer->result.net->graph;
  const struct shape *shape = graph_node(graph, answer->result.wrt.at[0])->shape;
  text_puts(out, ",\n  \"times\": ");
  json_tensor(out, shape, answer->times);
  text_puts(out, ",\n  \"product\": ");
  json_tensor(out, shape, answer->product);
}

void export_hessian_json(const struct hessian_result *answer, struct text *out) {
  const struct result *result = &answer->result;
  print_head(result, out);
  text_puts(out, ",\n  \"output\": ");
  print_quantity(result, result->plan.output, out);
  text_puts(out, ",\n  \"wrt\": [");
  for (size_t i = 0; i < answer->count; i++) {
    if (i) text_puts(out, ", ");
    print_name(result, result->wrt.at[i], out);
  }
  text_char(out, ']');
  if (answer->times) {
    print_product(answer, out);
  } else {
    print_blocks(answer, out);
    print_eigenvalues(answer, out);
  }
  print_tail(result, out);
}
