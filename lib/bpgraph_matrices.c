/* The public interface: Jacobians and Hessians. */
#include <stdlib.h>
#include <string.h>

#include "export/matrices.h"
#include "handles.h"

struct bp_matrices {
  bp_net *owner;
  struct arena arena;
  bool second;
  union {
    struct jacobian_result jacobian;
    struct hessian_result hessian;
  };
};

struct asking {
  bp_matrices *matrices;
  struct matrix_options options;
  bool done;
};

static void ask(void *argument) {
  struct asking *asking = argument;
  bp_matrices *m = asking->matrices;
  struct net *net = &m->owner->net;
  asking->done = m->second ? find_hessian(&m->hessian, &m->arena, net, &asking->options)
                           : find_jacobian(&m->jacobian, &m->arena, net, &asking->options);
}

static bp_matrices *find_matrices(bp_net *net, bool second, const struct matrix_options *options) {
  if (!bp_net_ok(net)) return NULL;
  bp_matrices *matrices = calloc(1, sizeof *matrices);
  if (!matrices) {
    report_exhausted(net);
    return NULL;
  }
  matrices->owner = net;
  matrices->second = second;
  arena_init(&matrices->arena, NULL);
  struct asking asking = {.matrices = matrices, .options = *options};
  if (!run_guarded(&net->arena, &matrices->arena, ask, &asking)) {
    asking.done = false;
    report_exhausted(net);
  }
  if (asking.done) return matrices;
  bp_matrices_free(matrices);
  return NULL;
}

bp_matrices *bp_jacobian(bp_net *net, const bp_jacobian_options *given) {
  struct matrix_options options = {.of = NULL};
  if (given) options = (struct matrix_options){.of = given->of, .wrt = given->wrt};
  return find_matrices(net, false, &options);
}

bp_matrices *bp_hessian(bp_net *net, const bp_hessian_options *given) {
  struct matrix_options options = {.of = NULL};
  if (given)
    options = (struct matrix_options){
        .of = given->of, .upstream = given->upstream, .wrt = given->wrt, .times = given->times};
  return find_matrices(net, true, &options);
}

void bp_matrices_free(bp_matrices *matrices) {
  if (!matrices) return;
  if (matrices->second) hessian_release(&matrices->hessian);
  arena_free(&matrices->arena);
  free(matrices);
}

/* ---- reading ----------------------------------------------------------------------------- */

/* The index of a node in wrt; the number of nodes in it where it is not there. */
static size_t find_wrt(const bp_matrices *matrices, const char *name) {
  const struct result *result = &matrices->hessian.result;
  const node_id id = net_find(&matrices->owner->net, name, strlen(name));
  size_t i = 0;
  while (i < matrices->hessian.count && result->wrt.at[i] != id) i++;
  return i;
}

static bool find_view(const bp_matrices *matrices, const char *of, const char *by,
                      struct view *view) {
  const struct net *net = &matrices->owner->net;
  if (!matrices->second) {
    *view = view_matrix(&matrices->jacobian.matrix, false);
    return net_find(net, of, strlen(of)) == view->of && net_find(net, by, strlen(by)) == view->by;
  }
  const size_t a = find_wrt(matrices, of), b = find_wrt(matrices, by);
  const size_t count = matrices->hessian.count;
  if (a == count || b == count || matrices->hessian.times) return false;
  *view = view_block(&matrices->hessian, a, b);
  return true;
}

static bp_shape shape_of(const struct shape *shape) {
  return (bp_shape){shape->rank, shape->dim, shape->size};
}

bool bp_matrix_shape(const bp_matrices *matrices, const char *of, const char *by, bp_shape *rows,
                     bp_shape *columns) {
  struct view view;
  if (!find_view(matrices, of, by, &view)) return false;
  *rows = shape_of(view.rows);
  *columns = shape_of(view.columns);
  return true;
}

bool bp_matrix_row(const bp_matrices *matrices, const char *of, const char *by, size_t i,
                   double *row) {
  struct view view;
  if (!find_view(matrices, of, by, &view) || i >= view.rows->size) return false;
  view_row(&view, i, row);
  return true;
}

const char *bp_matrix_structure(const bp_matrices *matrices, const char *of, const char *by) {
  struct view view;
  return find_view(matrices, of, by, &view) ? view_kind(&view) : NULL;
}

const double *bp_hessian_product(const bp_matrices *matrices, bp_shape *shape) {
  if (!matrices->second || !matrices->hessian.times) return NULL;
  const struct result *result = &matrices->hessian.result;
  if (shape) *shape = shape_of(graph_node(&result->net->graph, result->wrt.at[0])->shape);
  return matrices->hessian.product;
}

const double *bp_hessian_eigenvalues(const bp_matrices *matrices, size_t *count) {
  if (!matrices->second || !matrices->hessian.eigenvalues) return NULL;
  *count = matrices->hessian.size;
  return matrices->hessian.eigenvalues;
}

/* ---- exporting --------------------------------------------------------------------------- */

static const struct {
  const char *name;
  export_jacobian_fn *jacobian;
  export_hessian_fn *hessian;
} exporters[] = {{"text", export_jacobian_text, export_hessian_text},
                 {"json", export_jacobian_json, export_hessian_json},
                 {"npz", export_jacobian_npz, export_hessian_npz}};

struct exporting {
  const bp_matrices *matrices;
  struct arena *arena;
  size_t format;
  bp_write *write;
  void *user;
  bool written;
};

static void export(void *argument) {
  struct exporting *exporting = argument;
  const bp_matrices *m = exporting->matrices;
  struct text out;
  text_init(&out, exporting->arena, exporting->write, exporting->user);
  if (m->second)
    exporters[exporting->format].hessian(&m->hessian, &out);
  else
    exporters[exporting->format].jacobian(&m->jacobian, &out);
  exporting->written = text_flush(&out);
}

bool bp_matrices_export(const bp_matrices *matrices, const char *format, bp_write *write,
                        void *user) {
  struct arena arena;
  struct exporting exporting = {
      .matrices = matrices, .arena = &arena, .write = write, .user = user};
  const size_t count = sizeof exporters / sizeof *exporters;
  while (exporting.format < count && strcmp(exporters[exporting.format].name, format) != 0)
    exporting.format++;
  if (exporting.format == count) return false;
  arena_init(&arena, NULL);
  /* Messages are still printed into the net's memory, and so are names. */
  if (!run_guarded(&matrices->owner->arena, &arena, export, &exporting)) exporting.written = false;
  arena_free(&arena);
  return exporting.written;
}
