/* Jacobians and Hessians as NumPy's .npz, under the names that claims give them: "p/s", "W/b".  A
 * Hessian times a vector has the name of the node that it is by, as a gradient has. */
#include "export/archive.h"
#include "export/matrices.h"

static void make_row(const void *context, size_t i, double *row) { view_row(context, i, row); }

static void add_view(const struct result *result, struct archive *zip, const struct view *view) {
  const struct array array = {
      .outer = view->rows, .inner = view->columns, .row = make_row, .context = view};
  struct text name;
  text_init(&name, zip->out->arena, NULL, NULL);
  graph_print_name(&result->net->graph, view->of, &name);
  text_char(&name, '/');
  graph_print_name(&result->net->graph, view->by, &name);
  archive_add(zip, text_string(&name), &array);
}

void export_jacobian_npz(const struct jacobian_result *answer, struct text *out) {
  struct archive zip = {.out = out};
  const struct view view = view_matrix(&answer->matrix, false);
  add_view(&answer->result, &zip, &view);
  archive_end(&zip);
}

static void add_product(const struct hessian_result *answer, struct archive *zip) {
  const struct graph *graph = &answer->result.net->graph;
  const node_id id = answer->result.wrt.at[0];
  const struct array array = {.outer = graph_node(graph, id)->shape, .at = answer->product};
  struct text name;
  text_init(&name, zip->out->arena, NULL, NULL);
  graph_print_name(graph, id, &name);
  archive_add(zip, text_string(&name), &array);
}

void export_hessian_npz(const struct hessian_result *answer, struct text *out) {
  struct archive zip = {.out = out};
  if (answer->times) add_product(answer, &zip);
  for (size_t a = 0; !answer->times && a < answer->count; a++)
    for (size_t b = 0; b < answer->count; b++) {
      const struct view view = view_block(answer, a, b);
      add_view(&answer->result, &zip, &view);
    }
  archive_end(&zip);
}
