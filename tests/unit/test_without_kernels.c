/* Every example gives the same gradients when no op has a backward kernel and backprop evaluates the
 * derivative rules instead; and again where functions have rules of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <math.h>
#include <string.h>

#include "derive/gradient.h"
#include "engine/evaluate.h"

struct loaded {
  struct arena arena;
  struct report report;
  struct net net;
  struct rules rules;
  struct result result;
};

/* Takes the kernels away from all ops of a graph. */
static void strip(struct loaded *l) {
  struct graph *graph = &l->net.graph;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    struct node *node = &graph->nodes.at[i];
    if (!node->op || !node->op->backward) continue;
    struct op *bare = ARENA_NEW(&l->arena, struct op);
    *bare = *node->op;
    bare->backward = NULL;
    bare->scalar = NULL;
    bare->stores = false;
    node->op = bare;
  }
  graph->lacks_backward = true;
  rules_init(&l->rules, graph, &l->net.words);
  assert_true(derive_missing(&l->rules));
}

static void run(struct loaded *l, const char *path, bool with_kernels) {
  arena_init(&l->arena, NULL);
  report_init(&l->report, &l->arena);
  const struct load_options load = {.path = path};
  const struct evaluate_options options = {.of = NULL};
  if (!net_load(&l->net, &l->arena, &l->report, &load))
    fail_msg("%s: %s", path, l->report.messages.at[0].text);
  if (!with_kernels) strip(l);
  assert_true(evaluate(&l->result, &l->arena, &l->net, &options));
}

static bool close_enough(double a, double b) {
  return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-13 + 1e-11 * fmax(fabs(a), fabs(b));
}

static void compare(const char *path, const struct loaded *a, const struct loaded *b) {
  assert_int_equal(a->result.wrt.count, b->result.wrt.count);
  for (size_t i = 0; i < a->result.wrt.count; i++) {
    node_id id = a->result.wrt.at[i];
    const double *x, *y;
    enum gradient kind = result_gradient(&a->result, id, &x);
    assert_int_equal(kind, result_gradient(&b->result, id, &y));
    size_t size = graph_node(&a->net.graph, id)->shape->size;
    for (size_t k = 0; kind == GRADIENT_HERE && k < size; k++)
      if (!close_enough(x[k], y[k]))
        fail_msg("%s: node %u, entry %zu: %.17g by kernels, %.17g by rules", path, (unsigned)id, k,
                 x[k], y[k]);
  }
}

static void rules_replace_kernels(void **state) {
  (void)state;
  static struct loaded with, without;
  glob_t files;
  assert_int_equal(glob("examples/*.yaml", 0, NULL, &files), 0);
  assert_true(files.gl_pathc > 20);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    const char *path = files.gl_pathv[i];
    if (strstr(path, "big-product")) continue;
    run(&with, path, true);
    run(&without, path, false);
    compare(path, &with, &without);
    arena_free(&with.arena);
    arena_free(&without.arena);
  }
  globfree(&files);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rules_replace_kernels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
