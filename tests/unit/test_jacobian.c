/* engine/jacobian: all derivatives of one node by another. */
#include "nets.h"

#include <math.h>

#include "engine/jacobian.h"
#include "tensor/blas.h"

static struct jacobian jacobian;

static const double *compute(void) {
  size_t size = jacobian.p.shape->size * jacobian.s.shape->size;
  double *out = ARENA_ARRAY(&arena, double, size + 1);
  assert_true(jacobian_compute(&jacobian, out));
  return out;
}

static const double *jacobian_of(const char *of, const char *by) {
  assert_true(jacobian_make(&jacobian, &arena, &report, &net.graph, &net.words, id(of), id(by)));
  return compute();
}

static bool try_hessian(const char *of, const char *a, const char *b) {
  return hessian_make(&jacobian, &arena, &report, &net.graph, &net.words, id(of), NULL, id(a),
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
  assert_false(jacobian.reaches);
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
  assert_false(jacobian_make(&jacobian, &arena, &report, &net.graph, &net.words, id("Y"), id("X")));
  assert_int_equal(said(520), 1);
  assert_non_null(strstr(report.messages.at[0].text, "550 GB"));
}

/* ---- structure ------------------------------------------------------------------------------- */

/* The same, an entry of P at a time, by what the engine gives everyone. */
static const double *one_by_one(node_id of, node_id by) {
  struct plan plan;
  struct run run;
  const struct plan_options options = {.output = of, .wrt = &by, .wrt_count = 1};
  assert_true(plan_make(&plan, &arena, &report, &net.graph, &options));
  run_make(&run, &arena, &plan);
  size_t rows = graph_node(&net.graph, of)->shape->size;
  size_t columns = graph_node(&net.graph, by)->shape->size;
  double *seed = ARENA_ARRAY(&arena, double, rows + 1);
  double *out = ARENA_ARRAY(&arena, double, rows *columns + 1);
  assert_true(run_forward(&run));
  for (size_t i = 0; i < rows; i++) {
    seed[i] = 1;
    assert_true(run_backward(&run, seed));
    seed[i] = 0;
    if (run_bar(&run, by)) memcpy(out + i * columns, run_bar(&run, by), columns * sizeof *out);
  }
  return out;
}

/* A net over x [3], w [3], X [4, 3], W [3, 5], T [2, 4, 3], k and i, how many sweeps y takes by s, in
 * which direction, and which axis of y each axis of s is paired with. */
static const struct {
  const char *y, *s;
  size_t sweeps;
  bool columns;
  int axis[3];
} structures[] = {
    {"tanh(x) * 2 + w", "x", 1, false, {0}},
    {"tanh(x) * 2 + w", "w", 1, false, {0}},
    {"relu(X - x)", "X", 1, false, {0, 1}},
    {"relu(X - x)", "x", 4, false, {1}},
    {"where(X > 0, X ** 2, maximum(X, X * k))", "X", 1, false, {0, 1}},
    {"softmax(X, axis=1)", "X", 3, false, {0, -1}},
    {"log_softmax(X, axis=0)", "X", 4, false, {-1, 1}},
    {"layer_norm(X, x, w)", "X", 3, false, {0, -1}},
    {"layer_norm(X, x, w)", "x", 4, false, {1}},
    {"sigmoid(X @ W)", "X", 5, false, {0, -1}},
    {"sigmoid(X @ W)", "W", 4, false, {-1, 1}},
    {"relu(X @ W) @ W.T", "W", 12, false, {-1, -1}},
    {"X.T", "X", 1, false, {1, 0}},
    {"sum(X ** 2, axis=0)", "X", 1, false, {-1, 0}},
    {"sum(X ** 2, axis=1, keepdims=true) + x", "X", 3, false, {0, -1}},
    {"reshape(T, shape=[2, 12])", "T", 12, false, {0, -1, -1}},
    {"T @ W", "T", 5, false, {0, 1, -1}},
    {"T[:, 1:3]", "T", 2, false, {0, -1, 2}},
    {"outer(x, w)", "x", 3, false, {0}},
    {"diag(x)", "x", 3, false, {0}},
    {"diag(X[0:3] ** 2)", "X", 1, false, {-1, 0}},
    {"x / sum(x)", "x", 3, false, {-1}},
    {"concat(x, w)", "w", 6, false, {-1}},
    {"X * k", "k", 1, true, {0}},
    {"exp(T * k) / (1 + k)", "k", 1, true, {0}},
    {"outer(x * k, T[0, 0, 0] * w) @ W", "x", 1, true, {0}},
    {"broadcast_to(sum(x ** 2), shape=[40, 3])", "x", 3, true, {-1}},
    {"einsum(X, W, spec=\"ni,ij->jn\")", "X", 5, false, {1, -1}},
    {"x[i] * 2", "x", 2, false, {-1}},
    {"X[i, :] ** 2", "X", 2, false, {-1, 1}},
    {"cumsum(X, axis=0)", "X", 4, false, {-1, 1}},
    {"f(X) + 1", "X", 1, false, {0, 1}},
    {"g(X) * 2", "X", 3, false, {0, -1}},
    {"h(X, x)", "X", 1, false, {0, 1}},
    {"h(X, x)", "x", 4, false, {1}},
    {"h(x, x) * x", "x", 1, false, {0}},
    {"x * 2 + w", "X", 3, false, {-1, -1}},
};

static void load_structure(const char *y) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_printf(&text,
              "bpgraph: 1\ninputs:\n  x: [0.5, -1, 2]\n  w: [1.5, 2, -3]\n  k: 0.7\n"
              "  X: {normal: {shape: [4, 3], mean: 0, std: 1, seed: 1}}\n"
              "  W: {normal: {shape: [3, 5], mean: 0, std: 1, seed: 2}}\n"
              "  T: {normal: {shape: [2, 4, 3], mean: 0, std: 1, seed: 3}}\n"
              "constants:\n  i: [2, 0]\n"
              "functions:\n  f:\n    inputs: [a]\n    nodes: {t: tanh(a)}\n"
              "    output: t\n    backward: {a: upstream * (1 - t ** 2)}\n"
              "  g:\n    inputs: [a]\n    nodes: {p: 'softmax(a, axis=1)'}\n    output: p\n"
              "    backward: {a: 'p * (upstream - sum(upstream * p, axis=1, keepdims=true))'}\n"
              "  h:\n    inputs: [a, b]\n    output: a * b\n"
              "    backward: {a: upstream * b}\n"
              "nodes:\n  y: ");
  text_puts(&text, y);
  text_puts(&text, "\noutput: y\n");
  load(text_string(&text));
}

static void test_structure_is_seen_and_changes_nothing(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(structures); i++) {
    load_structure(structures[i].y);
    node_id y = id("y"), s = id(structures[i].s);
    const double *at = jacobian_of("y", structures[i].s), *wanted = one_by_one(y, s);
    bool fine =
        jacobian.sweeps == structures[i].sweeps && jacobian.columns == structures[i].columns;
    for (unsigned axis = 0; axis < jacobian.s.shape->rank; axis++)
      fine = fine && jacobian.axis[axis] == structures[i].axis[axis];
    if (!fine)
      print_error("%s by %s: %zu %s, axes %d %d\n", structures[i].y, structures[i].s,
                  jacobian.sweeps, jacobian.columns ? "columns" : "rows", jacobian.axis[0],
                  jacobian.axis[1]);
    assert_entries(at, jacobian.p.shape->size * jacobian.s.shape->size, wanted);
    assert_true(fine);
  }
}

static void test_columns_at_other_start_values(void **state) {
  (void)state;
  load_structure("exp(T * k) / (1 + k) * x");
  jacobian_of("y", "k");
  assert_true(jacobian.columns);
  *jacobian_start(&jacobian, id("k")) = 1.3;
  jacobian_start(&jacobian, id("x"))[1] = 4;
  const double *at = compute();
  *graph_node(&net.graph, id("k"))->value = 1.3;
  graph_node(&net.graph, id("x"))->value[1] = 4;
  assert_entries(at, 24, one_by_one(id("y"), id("k")));
}

static void test_an_elementwise_hessian_takes_one_sweep(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: {linspace: {start: 0.5, stop: 2, num: 50}}}\n"
       "nodes: {L: sum(x ** 3)}\n");
  const double *at = hessian_of("L", "x", "x"), *x = graph_node(&net.graph, id("x"))->value;
  assert_int_equal(jacobian.sweeps, 1);
  for (size_t i = 0; i < 50; i++)
    for (size_t j = 0; j < 50; j++)
      assert_entries(at + i * 50 + j, 1, (double[]){i == j ? 6 * x[i] : 0});
}

static void test_a_tall_hessian_goes_by_columns(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: {linspace: {start: 0.5, stop: 2, num: 50}}, k: 2}\n"
       "nodes: {L: sum(sin(k * x) * sum(x))}\n");
  const double *tall = hessian_of("L", "x", "k");
  assert_true(jacobian.columns && jacobian.sweeps == 1);
  const double *wide = hessian_of("L", "k", "x");
  assert_true(!jacobian.columns && jacobian.sweeps == 1);
  assert_entries(tall, 50, wide);
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
                           graph_node(&net.graph, net.upstream)->value, id("x"), id("x")));
  assert_entries(compute(), 4, (const double[]){12, 0, 0, 60});
}

/* Block after block of a Hessian, from gradients that were derived together. */
static void test_blocks_share_their_sweeps(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2, 3], k: 2, w: [0.5, 1, -1], u: 4}\n"
       "nodes: {L: sum(sin(k * x) * w ** 2) + k ** 3 * u}\n");
  const node_id by[] = {id("x"), id("k"), id("w"), id("u")};
  enum { COUNT = COUNT_OF(by) };
  struct graph derived;
  node_id gradients[COUNT];
  struct jacobian blocks[COUNT];
  size_t failed;
  assert_true(gradients_make(&derived, &arena, &report, &net.graph, &net.words, id("L"), NULL,
                             COUNT, by, gradients));
  for (size_t a = 0; a < COUNT; a++) {
    struct arena work;
    arena_init(&work, NULL);
    assert_true(
        blocks_make(blocks, &arena, &work, &report, &derived, &net.words, gradients[a], COUNT, by));
    assert_true(blocks_sweep(blocks, COUNT, &failed));
    arena_free(&work);
    for (size_t b = 0; b < COUNT; b++) {
      const size_t rows = blocks[b].p.shape->size, columns = blocks[b].s.shape->size;
      double row[3];
      assert_true(hessian_make(&jacobian, &arena, &report, &net.graph, &net.words, id("L"), NULL,
                               by[a], by[b]));
      const double *wanted = compute();
      for (size_t i = 0; i < rows; i++) {
        jacobian_row(&blocks[b], i, row);
        assert_entries(row, columns, wanted + i * columns);
      }
    }
  }
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

static void make_product(const char *of, const char *by) {
  static struct graph derived;
  const node_id a = id(by);
  node_id gradient;
  assert_true(gradients_make(&derived, &arena, &report, &net.graph, &net.words, id(of), NULL, 1, &a,
                             &gradient));
  assert_true(product_make(&jacobian, &arena, &report, &derived, gradient, a));
}

static void test_products_with_vectors(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: {linspace: {start: 0.5, stop: 2, num: 40}}}\n"
       "nodes: {L: sum(x ** 3) + sum(x) ** 2}\n");
  double vector[40], product[40], sum = 0;
  const double *x = graph_node(&net.graph, id("x"))->value;
  for (size_t i = 0; i < 40; i++) sum += vector[i] = cos((double)i);
  make_product("L", "x");
  assert_true(product_compute(&jacobian, vector, product));
  for (size_t i = 0; i < 40; i++)
    assert_entries(product + i, 1, (double[]){6 * x[i] * vector[i] + 2 * sum});
}

static void test_a_product_needs_no_hessian(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: {ones: [100000]}}\nnodes: {L: sum(x ** 3)}\n");
  double *vector = ARENA_ARRAY(&arena, double, 200000), *product = vector + 100000;
  for (size_t i = 0; i < 100000; i++) vector[i] = (double)i;
  assert_false(try_hessian("L", "x", "x")); /* 80 GB */
  make_product("L", "x");
  assert_true(product_compute(&jacobian, vector, product));
  for (size_t i = 0; i < 100000; i++) assert_true(product[i] == 6 * vector[i]);
}

static void test_ops_without_a_second_derivative_are_named(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {s: tanh(x), L: sum(s)}\n");
  struct node *node = &net.graph.nodes.at[id("s")];
  struct op once = *node->op;
  once.once = true;
  node->op = &once;
  assert_false(try_hessian("L", "x", "x"));
  assert_int_equal(said(521), 1);
  assert_string_equal(report.messages.at[0].text, "tanh can be differentiated only once");
  assert_int_equal(report.messages.at[0].mark.start, node->mark.start);
  assert_true(try_hessian("L", "s", "s")); /* it is not in between */
}

/* ---- eigenvalues ----------------------------------------------------------------------------- */

/* Of -1, 2, -1 on three diagonals they are 2 - 2 cos(k pi / (n + 1)); by plain loops where the
 * matrix is small, by LAPACK where it is large. */
static void test_eigenvalues(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 2, 5, 20, 32, 33, 64};
  for (size_t s = 0; s < COUNT_OF(sizes); s++) {
    const size_t n = sizes[s];
    double *a = ARENA_ARRAY(&arena, double, n *n), *values = ARENA_ARRAY(&arena, double, n);
    double *room = ARENA_ARRAY(&arena, double, 3 * n);
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < n; k++)
        a[i * n + k] = k > i ? 1e3 : i == k ? 2 : -(double)(i == k + 1);
    assert_true(symmetric_eigenvalues(n, a, values, room));
    for (size_t k = 0; k < n; k++)
      assert_true(fabs(values[k] - (2 - 2 * cos(acos(-1) * (double)(k + 1) / (double)(n + 1)))) <
                  1e-13);
  }
  double a[4] = {1, NAN, NAN, 1}, values[2], room[6];
  assert_false(symmetric_eigenvalues(2, a, values, room));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_rows_are_entries_of_p),
      TEST(test_an_intermediate_node_counts_as_free),
      TEST(test_of_itself_and_of_what_is_not_reached),
      TEST(test_again_at_other_start_values),
      TEST(test_more_than_memory_is_refused),
      TEST(test_structure_is_seen_and_changes_nothing),
      TEST(test_columns_at_other_start_values),
      TEST(test_an_elementwise_hessian_takes_one_sweep),
      TEST(test_a_tall_hessian_goes_by_columns),
      TEST(test_second_derivatives),
      TEST(test_second_derivatives_of_upstream_times_output),
      TEST(test_blocks_share_their_sweeps),
      TEST(test_linear_functions_have_none),
      TEST(test_nodes_that_depend_on_each_other_are_refused),
      TEST(test_products_with_vectors),
      TEST(test_a_product_needs_no_hessian),
      TEST(test_ops_without_a_second_derivative_are_named),
      TEST(test_eigenvalues),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
