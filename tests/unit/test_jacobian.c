/* engine/jacobian: all derivatives of one node by another. */
#include "nets.h"

#include <math.h>

#include "engine/jacobian.h"

static struct jacobian jacobian;

static const double *compute(void) {
  size_t size = jacobian.of_shape->size * jacobian.by_shape->size;
  double *out = ARENA_ARRAY(&arena, double, size + 1);
  assert_true(jacobian_compute(&jacobian, out));
  return out;
}

static const double *jacobian_of(const char *of, const char *by) {
  assert_true(jacobian_make(&jacobian, &arena, &report, &net.graph, id(of), id(by)));
  return compute();
}

static bool try_hessian(const char *of, const char *a, const char *b) {
  return hessian_make(&jacobian, &arena, &report, &net.graph, &net.words, id(of), NODE_NONE, id(a),
                      id(b));
}

static const double *hessian_of(const char *of, const char *a, const char *b) {
  bool made = try_hessian(of, a, b);
  for (size_t i = 0; i < report.messages.count && !made; i++)
    print_error("%s\n", report.messages.at[i].text);
  assert_true(made);
  return compute();
}

static void assert_entries(const double *at, size_t count, const double *wanted) {
  for (size_t i = 0; i < count; i++)
    if (!(fabs(at[i] - wanted[i]) <= 1e-12 * (1 + fabs(wanted[i])))) {
      print_error("entry %zu is %.17g, not %.17g\n", i, at[i], wanted[i]);
      fail();
    }
}

/* ---- Jacobians ------------------------------------------------------------------------------- */

static void test_rows_are_entries_of_p(void **state) {
  (void)state;
  const double wanted[] = {4, 0, 3, 2, 0, 6};
  load("bpgraph: 1\ninputs: {x: [2, 3]}\nnodes:\n  y: concat(x * x[0], x[1:2] ** 2)\n");
  assert_entries(jacobian_of("y", "x"), 6, wanted);
}

static void test_an_intermediate_node_counts_as_free(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 2}\nnodes: {a: x ** 2, b: a * x, c: a * b}\n");
  const double wanted[] = {8 + 4 * 2};
  assert_entries(jacobian_of("c", "a"), 1, wanted);
}

static void test_of_itself_and_of_what_is_not_reached(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [2, 3], z: 1}\nnodes: {y: x + z, w: x * 2}\noutput: y\n");
  const double same[] = {1, 0, 0, 1}, none[] = {0, 0};
  assert_entries(jacobian_of("y", "y"), 4, same);
  assert_entries(jacobian_of("x", "x"), 4, same);
  assert_entries(jacobian_of("w", "z"), 2, none);
  assert_false(jacobian_reaches(&jacobian));
  assert_entries(jacobian_of("x", "y"), 4, (const double[4]){0});
}

static void test_again_at_other_start_values(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [2, 3]}\nparameters: {k: 2}\nnodes: {y: x ** 2 * k, u: exp(k)}\n"
       "output: y\n");
  const double first[] = {8, 0, 0, 12}, second[] = {30, 0, 0, 42};
  assert_entries(jacobian_of("y", "x"), 4, first);
  double *x = jacobian_start(&jacobian, id("x")), *k = jacobian_start(&jacobian, id("k"));
  x[0] = 5, x[1] = 7, *k = 3;
  assert_entries(compute(), 4, second);
  assert_true(graph_node(&net.graph, id("x"))->value[0] == 2);
}

static void test_more_than_memory_is_refused(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {X: {zeros: [64, 4096]}}\nnodes: {Y: X * 2}\n");
  assert_false(jacobian_make(&jacobian, &arena, &report, &net.graph, id("Y"), id("X")));
  assert_int_equal(said(520), 1);
  assert_non_null(strstr(report.messages.at[0].text, "550 GB"));
}

/* ---- Hessians -------------------------------------------------------------------------------- */

static void test_second_derivatives(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2], z: 3}\n"
       "nodes:\n  L: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2 + z ** 2 * sum(x)\n");
  const double wanted[] = {2 - 400 * (2 - 3), -400, -400, 200}, mixed[] = {6, 6};
  size_t nodes = net.graph.nodes.count;
  assert_entries(hessian_of("L", "x", "x"), 4, wanted);
  assert_entries(hessian_of("L", "x", "z"), 2, mixed);
  assert_entries(hessian_of("L", "z", "x"), 2, mixed);
  assert_int_equal(net.graph.nodes.count, nodes);
  jacobian_start(&jacobian, id("z"))[0] = 5;
  assert_entries(compute(), 2, (const double[]){10, 10});
}

static void test_second_derivatives_of_upstream_times_output(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {y: x ** 3}\nupstream: [2, 5]\n");
  assert_true(hessian_make(&jacobian, &arena, &report, &net.graph, &net.words, id("y"),
                           net.upstream, id("x"), id("x")));
  assert_entries(compute(), 4, (const double[]){12, 0, 0, 60});
}

static void test_linear_functions_have_none(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2], z: 2}\nnodes: {L: sum(x) * 3, u: z * 2}\noutput: L\n");
  assert_entries(hessian_of("L", "x", "x"), 4, (const double[4]){0});
  assert_entries(hessian_of("L", "z", "x"), 2, (const double[2]){0});
}

static void test_nodes_that_depend_on_each_other_are_refused(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {s: tanh(x), L: sum(s * x)}\n");
  assert_false(try_hessian("L", "x", "s"));
  assert_false(try_hessian("L", "s", "x"));
  assert_int_equal(said(522), 1); /* the same thing is said once */
  assert_entries(hessian_of("L", "s", "s"), 4, (const double[4]){0});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_rows_are_entries_of_p),
      TEST(test_an_intermediate_node_counts_as_free),
      TEST(test_of_itself_and_of_what_is_not_reached),
      TEST(test_again_at_other_start_values),
      TEST(test_more_than_memory_is_refused),
      TEST(test_second_derivatives),
      TEST(test_second_derivatives_of_upstream_times_output),
      TEST(test_linear_functions_have_none),
      TEST(test_nodes_that_depend_on_each_other_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
