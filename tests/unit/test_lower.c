/* lang/lower and load/define: what an expression becomes in the graph. */
#include "nets.h"

#include <math.h>

static const struct node *node(const char *name) { return graph_node(&net.graph, id(name)); }

static const char *shape_of(const char *name) {
  struct text text;
  struct dims dims = shape_dims(node(name)->shape);
  text_init(&text, &arena, NULL, NULL);
  dims_print(&dims, &text);
  return text_string(&text);
}

static const char *op_of(const char *name) { return node(name)->op ? node(name)->op->name : ""; }

/* Loads a net of one node `y` over some start values. */
static void load_node(const char *expression) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_printf(&text,
              "bpgraph: 1\ninputs: {s: 2, v: [1, 2, 3], X: {ones: [4, 3]}, T: {ones: [2, 4, 3]}}\n"
              "constants: {k: 2, d: [2, 6], i: [0, 2]}\nnodes:\n  y: %s\n",
              expression);
  load(text_string(&text));
}

/* ---- nodes ------------------------------------------------------------------------------- */

static void test_parts_are_numbered_as_they_are_computed(void **state) {
  (void)state;
  load_node("sum(X @ v * 2, axis=0) + exp(-s)");
  static const char *const ops[][2] = {{"y.1", "matmul"}, {"y.2", "mul"}, {"y.3", "sum"},
                                       {"y.4", "neg"},    {"y.5", "exp"}, {"y", "add"}};
  for (size_t i = 0; i < COUNT_OF(ops); i++) {
    assert_string_equal(op_of(ops[i][0]), ops[i][1]);
    if (i) assert_true(id(ops[i][0]) > id(ops[i - 1][0]));
  }
  assert_int_equal(net_find(&net, "y.6", 3), NODE_NONE);
  assert_int_equal(net_find(&net, "y.0", 3), NODE_NONE);
  assert_int_equal(net_find(&net, "v.1", 3), NODE_NONE);
  assert_int_equal(node("y.3")->owner, id("y"));
}

static void test_nothing_is_evaluated_aside(void **state) {
  (void)state;
  load_node("2 * 3 + s");
  assert_string_equal(op_of("y.1"), "mul"); /* of two literals */
  load_node("-2 + s");
  assert_string_equal(op_of("y"), "add"); /* a negative number is a number */
  assert_int_equal(net_find(&net, "y.1", 3), NODE_NONE);
}

static void test_a_name_alone_is_a_node_of_its_own(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 1}\nnodes: {y: x, z: (y)}\n");
  assert_true(id("x") < id("y") && id("y") < id("z"));
  assert_int_equal(graph_inputs(&net.graph, node("z"))[0], id("y"));
}

static void test_a_number_with_a_name_is_a_constant(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 1}\nnodes: {c: -2.5, p: pi, y: x * c + p}\n");
  assert_int_equal(node("c")->role, ROLE_CONSTANT);
  assert_true(*node("c")->value == -2.5);
  assert_true(*node("p")->value == acos(-1));
}

static void test_an_op_spelled_out_is_the_same_as_its_call(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: {ones: [2, 3]}}\nnodes:\n  a: sum(x, axis=1, keepdims=true)\n"
       "  b: {op: sum, inputs: [x], axis: 1, keepdims: true}\n  L: sum(a * b)\n");
  assert_ptr_equal(node("a")->op, node("b")->op);
  assert_ptr_equal(node("a")->shape, node("b")->shape);
  assert_string_equal(shape_of("b"), "[2, 1]");
}

static void test_names_hide_the_constants_of_the_language(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {pi: 3, inf: 4, sum: 5}\nnodes: {y: pi * inf + sum(sum)}\n");
  assert_true(*node("pi")->value == 3);
  assert_int_equal(graph_inputs(&net.graph, node("y.1"))[0], id("pi"));
  assert_int_equal(graph_inputs(&net.graph, node("y.2"))[0], id("sum"));
}

static void test_inputs_may_be_given_by_name(void **state) {
  (void)state;
  load_node("sub(b=s, a=v)");
  assert_int_equal(graph_inputs(&net.graph, node("y"))[0], id("v"));
  assert_int_equal(graph_inputs(&net.graph, node("y"))[1], id("s"));
}

/* ---- what is folded ---------------------------------------------------------------------- */

static void test_attributes_are_constants_before_anything_runs(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"reshape(X, shape=[2, 6])", "[2, 6]"},
      {"reshape(X, shape=[k, 2 * 3])", "[2, 6]"},
      {"reshape(X, shape=d)", "[2, 6]"},
      {"reshape(X, shape=[-1, k])", "[6, 2]"},
      {"reshape(X, shape=[X.shape[0] / 2, X.shape[-1] * 2])", "[2, 6]"},
      {"reshape(X, shape=X.shape[::-1])", "[3, 4]"},
      {"reshape(X, shape=X.shape[:1] + [3, 1])", "[4, 3, 1]"},
      {"reshape(X, shape=[12 ** 1, 1 - 0])", "[12, 1]"},
      {"reshape(X, shape=T[0].shape)", "[4, 3]"},
      {"sum(X, axis=k - 1)", "[4]"},
      {"sum(T, axis=[0, -1])", "[4]"},
      {"sum(X, axis=-2, keepdims=true)", "[1, 3]"},
      {"sum(X)", "[]"},
      {"transpose(T, axes=[2, 0, 1])", "[3, 2, 4]"},
      {"concat(X, X, axis=0)", "[8, 3]"},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    load_node(cases[i][0]);
    assert_string_equal(shape_of("y"), cases[i][1]);
  }
}

static void test_slices_have_the_shape_of_numpys(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"X[0]", "[3]"},          {"X[-1, 2]", "[]"},
      {"X[1:3]", "[2, 3]"},     {"X[:, 0]", "[4]"},
      {"X[1:, ::2]", "[3, 2]"}, {"X[::-1]", "[4, 3]"},
      {"X[3:1]", "[0, 3]"},     {"X[-9:9]", "[4, 3]"},
      {"X[k:]", "[2, 3]"},      {"X[:k, k]", "[2]"},
      {"X[i]", "[2, 3]"},       {"X[:, i]", "[4, 2]"},
      {"T[0][1][2]", "[]"},     {"T[:, 1:2]", "[2, 1, 3]"},
      {"T[1, :, i]", "[4, 2]"}, {"v[v.shape[0] - 1]", "[]"},
      {"X.T[0]", "[4]"},        {"T.mT[0]", "[3, 4]"},
      {"X[:]", "[4, 3]"},       {"X[:, :]", "[4, 3]"},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    load_node(cases[i][0]);
    assert_string_equal(shape_of("y"), cases[i][1]);
  }
}

static void test_a_whole_slice_copies(void **state) {
  (void)state;
  load_node("X[:, :]");
  assert_int_equal(graph_inputs(&net.graph, node("y"))[0], id("X"));
}

/* ---- start values ------------------------------------------------------------------------ */

static void test_start_values_are_constant_expressions(void **state) {
  (void)state;
  load("bpgraph: 1\nconstants:\n  a: b * 2\n  b: pi / 8\n  c: [1, 2 ** 3, \"c2.shape[0]\"]\n"
       "  c2: {zeros: [7]}\n  t: [[pi, -a], [1/3, inf]]\ninputs: {x: a, y: {full: {shape: c, "
       "value: b}}}\n"
       "nodes: {L: x * sum(y)}\n");
  assert_true(*node("a")->value == acos(-1) / 8 * 2);
  assert_true(node("c")->value[2] == 7);
  assert_true(node("t")->value[1] == -*node("a")->value && isinf(node("t")->value[3]));
  assert_string_equal(shape_of("y"), "[1, 8, 7]");
  assert_int_equal(node("x")->role, ROLE_INPUT);
  assert_ptr_not_equal(node("x"), node("a"));
}

static void test_sources(void **state) {
  (void)state;
  static const struct {
    const char *value, *shape;
    double first, last;
  } cases[] = {
      {"5", "[]", 5, 5},
      {"[]", "[0]", 0, 0},
      {"[[], []]", "[2, 0]", 0, 0},
      {"[[1, 2, 3], [4, 5, 6]]", "[2, 3]", 1, 6},
      {"{value: [1, 2, 3, 4], shape: [2, 2]}", "[2, 2]", 1, 4},
      {"{zeros: [2, 3]}", "[2, 3]", 0, 0},
      {"{zeros: []}", "[]", 0, 0},
      {"{ones: 3}", "[3]", 1, 1},
      {"{full: {shape: [2], value: 7}}", "[2]", 7, 7},
      {"{eye: 3}", "[3, 3]", 1, 1},
      {"{range: {start: 1, stop: 2, step: 0.25}}", "[4]", 1, 1.75},
      {"{range: {start: 3, stop: 0, step: -1}}", "[3]", 3, 1},
      {"{range: {start: 3, stop: 0}}", "[0]", 0, 0},
      {"{linspace: {start: -1, stop: 1, num: 5}}", "[5]", -1, 1},
      {"{linspace: {start: 2, stop: 9, num: 1}}", "[1]", 2, 2},
      {"{range: {start: 0, stop: 6}, shape: [3, 2]}", "[3, 2]", 0, 5},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct text text;
    text_init(&text, &arena, NULL, NULL);
    text_printf(&text, "bpgraph: 1\ninputs:\n  x: %s\nnodes: {y: sum(x)}\n", cases[i].value);
    load(text_string(&text));
    assert_string_equal(shape_of("x"), cases[i].shape);
    size_t size = node("x")->shape->size;
    if (!size) continue;
    assert_true(node("x")->value[0] == cases[i].first);
    assert_true(node("x")->value[size - 1] == cases[i].last);
  }
}

static void test_random_values_come_from_the_name_or_the_seed(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs:\n  a: {uniform: {shape: [50], low: 2, high: 3}}\n"
       "  b: {uniform: {shape: [50], low: 2, high: 3}}\n"
       "  c: {uniform: {shape: [50], low: 2, high: 3, seed: 1}}\n"
       "  d: {uniform: {shape: [50], low: 2, high: 3, seed: 1}}\n"
       "  e: {normal: {shape: [1000], mean: 5, std: 0.1}}\nnodes: {L: sum(a + b + c + d) + "
       "sum(e)}\n");
  assert_memory_not_equal(node("a")->value, node("b")->value, 400);
  assert_memory_equal(node("c")->value, node("d")->value, 400);
  double mean = 0;
  for (int i = 0; i < 1000; i++) mean += node("e")->value[i] / 1000;
  assert_true(fabs(mean - 5) < 0.02);
  for (int i = 0; i < 50; i++) assert_true(node("a")->value[i] >= 2 && node("a")->value[i] < 3);
}

static void test_aliases_repeat_values(void **state) {
  (void)state;
  load("bpgraph: 1\nx-shape: &s [2, 3]\ninputs: {x: &v [1, 2], y: *v, z: {zeros: *s}}\n"
       "nodes: {a: &e x * y, b: *e, L: sum(a + b) + sum(z)}\n");
  assert_true(node("y")->value[1] == 2);
  assert_string_equal(shape_of("z"), "[2, 3]");
  assert_string_equal(op_of("b"), "mul");
}

/* ---- faults ------------------------------------------------------------------------------ */

static void test_faults_have_a_code(void **state) {
  (void)state;
  static const struct {
    const char *expression;
    unsigned code;
  } cases[] = {{"nobody + 1", 107},
               {"foo(v)", 201},
               {"exp(v, v)", 202},
               {"X @ s", 203},
               {"v + i", 203},
               {"v.T", 406},
               {"T.T", 406},
               {"sum(X, dim=0)", 205},
               {"reshape(X)", 206},
               {"sum(X, axis=true)", 207},
               {"sum(X, axis=0, axis=1)", 208},
               {"sum(X, axis=s)", 207},
               {"X[4]", 407},
               {"X[0, 0, 0]", 407},
               {"X[0.5]", 407},
               {"v[::0]", 407},
               {"reshape(X, shape=[5, -1])", 203},
               {"sum(X, axis=2)", 203},
               {"concat([1, 2], v, axis=5)", 203},
               {"X[s:]", 404},
               {"v.foo", 401}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct text text;
    report_init(&report, &arena);
    text_init(&text, &arena, NULL, NULL);
    text_printf(
        &text,
        "bpgraph: 1\ninputs: {s: 2, v: [1, 2, 3], X: {ones: [4, 3]}, T: {ones: [2, 4, 3]}}\n"
        "constants: {i: [0, 2]}\nnodes:\n  y: %s\n",
        cases[i].expression);
    bool loaded = try_load(text_string(&text));
    if (loaded || said(cases[i].code) != 1)
      print_error("%s: %s\n", cases[i].expression,
                  loaded ? "is taken" : report.messages.at[0].text);
    assert_false(loaded);
    assert_int_equal(said(cases[i].code), 1);
    assert_int_equal(report.messages.count, 1);
  }
}

static void test_all_faults_of_a_file_are_reported(void **state) {
  (void)state;
  assert_false(
      try_load("bpgraph: 1\ninptus: {}\ninputs: {x: [1, 2], y: \"1\", 1z: 2, x: 3}\n"
               "nodes:\n  a: x @ x.T + foo(x) + nobody\n  b: a + 1\n  c: x +\n  d: e\n  e: d\n"
               "output: f\n"));
  static const unsigned codes[] = {101, 302, 105, 10, 406, 201, 401, 108};
  for (size_t i = 0; i < COUNT_OF(codes); i++) {
    if (!said(codes[i])) print_error("BP%u\n", codes[i]);
    assert_true(said(codes[i]) > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_parts_are_numbered_as_they_are_computed),
      TEST(test_nothing_is_evaluated_aside),
      TEST(test_a_name_alone_is_a_node_of_its_own),
      TEST(test_a_number_with_a_name_is_a_constant),
      TEST(test_an_op_spelled_out_is_the_same_as_its_call),
      TEST(test_names_hide_the_constants_of_the_language),
      TEST(test_inputs_may_be_given_by_name),
      TEST(test_attributes_are_constants_before_anything_runs),
      TEST(test_slices_have_the_shape_of_numpys),
      TEST(test_a_whole_slice_copies),
      TEST(test_start_values_are_constant_expressions),
      TEST(test_sources),
      TEST(test_random_values_come_from_the_name_or_the_seed),
      TEST(test_aliases_repeat_values),
      TEST(test_faults_have_a_code),
      TEST(test_all_faults_of_a_file_are_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
