/* export/expression: nodes as the net language writes them. */
#include "nets.h"

#include <string.h>

#include "export/expression.h"

static bool print_name(const struct expression_style *style, node_id at, struct text *out) {
  const struct node *node = graph_node(style->graph, at);
  if (node->name && out) text_add(out, node->name, node->name_size);
  return node->name != NULL;
}

/* What a node `y` of this expression is written as. */
static const char *written(const char *expression) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_printf(
      &text,
      "bpgraph: 1\n"
      "inputs: {a: 2, b: 3, v: [1, 2, 3], w: [4, 5, 6], X: {ones: [4, 3]}, Y: {ones: [3, 4]},"
      " T: {ones: [2, 4, 3]}, i: 1}\nnodes:\n  y: %s\n",
      expression);
  load(text_string(&text));
  const struct expression_style style = {
      .graph = &net.graph, .words = &net.words, .print_name = print_name};
  struct text out;
  text_init(&out, &arena, NULL, NULL);
  print_expression(&style, id("y"), &out);
  return text_string(&out);
}

static void test_what_is_written_so_stays_so(void **state) {
  (void)state;
  static const char *const expressions[] = {"a + b - a",
                                            "a - (b - a)",
                                            "a + (b + a)",
                                            "a * b / a",
                                            "a / (b * a)",
                                            "a / (b / a)",
                                            "(a + b) * (a - b)",
                                            "a * b + a / b",
                                            "-a + b",
                                            "-(a + b)",
                                            "-a ** 2",
                                            "(-a) ** 2",
                                            "a ** -b",
                                            "a ** b ** 2",
                                            "(a ** b) ** 2",
                                            "a ** 0.5",
                                            "a - -b",
                                            "a * -b",
                                            "-2 * a",
                                            "a + -2",
                                            "(-2) ** a",
                                            "(a > b) * a",
                                            "a > b - a",
                                            "(a > b) == (b > a)",
                                            "X @ Y @ X",
                                            "X @ (Y @ X)",
                                            "a * (X @ Y)",
                                            "2 * (X @ Y)",
                                            "-(X @ Y)",
                                            "(X + 1) @ Y",
                                            "X.T",
                                            "(X @ Y).T",
                                            "(-X).T",
                                            "T.mT",
                                            "transpose(T, axes=[1, 0, 2])",
                                            "v[0]",
                                            "X[1]",
                                            "X[:, 1]",
                                            "X[1:3]",
                                            "X[:, :2]",
                                            "X[::2]",
                                            "X[i]",
                                            "v[::-1]",
                                            "v[:0:-1]",
                                            "(v + w)[1:]",
                                            "sum(X, axis=0)",
                                            "sum(X, axis=[0, 1], keepdims=true)",
                                            "sum(a * v)",
                                            "where(a > b, a, -b)",
                                            "norm(v, ord=inf)",
                                            "einsum(X, Y, spec=\"ij,jk->ik\")",
                                            "softmax(X, axis=0)",
                                            "softmax(X)",
                                            "v * [1, -2, 3]",
                                            "add(a, b, a)",
                                            "maximum(a, b, 0)",
                                            "outer(v, w)",
                                            "a * inf",
                                            "log(a) / log(2)",
                                            "pad(v, pads=[[1, 2]])",
                                            "take(v, argmax(w))"};
  for (size_t i = 0; i < COUNT_OF(expressions); i++)
    assert_string_equal(written(expressions[i]), expressions[i]);
}

static void test_what_says_nothing_goes(void **state) {
  (void)state;
  static const char *const pairs[][2] = {{"(a + b) + a", "a + b + a"},
                                         {"a * (b)", "a * b"},
                                         {"2 * (a * b)", "2 * a * b"}, /* to rounding */
                                         {"2 * (a / b)", "2 * a / b"},
                                         {"-(a * b)", "-a * b"}, /* exactly */
                                         {"-(a / b)", "-a / b"},
                                         {"a + (b * a)", "a + b * a"},
                                         {"(a ** 2) * b", "a ** 2 * b"},
                                         {"sum(X, axis=[0])", "sum(X, axis=0)"},
                                         {"softmax(X, axis=-1)", "softmax(X)"},
                                         {"transpose(X)", "X.T"},
                                         {"pow(a, 2)", "a ** 2"},
                                         {"v[0:2]", "v[:2]"},
                                         {"v[-1]", "v[2]"}};
  for (size_t i = 0; i < COUNT_OF(pairs); i++)
    assert_string_equal(written(pairs[i][0]), pairs[i][1]);
}

static void test_numbers_are_what_an_expression_has(void **state) {
  (void)state;
  static const struct {
    double number;
    const char *text;
  } rows[] = {
      {0.1, "0.1"}, {-2, "-2"}, {1e300, "1e+300"}, {1.0 / 0.0, "inf"}, {-1.0 / 0.0, "-inf"}};
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    struct text out;
    text_init(&out, &arena, NULL, NULL);
    print_constant(rows[i].number, &out);
    assert_string_equal(text_string(&out), rows[i].text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(test_what_is_written_so_stays_so),
                                     TEST(test_what_says_nothing_goes),
                                     TEST(test_numbers_are_what_an_expression_has)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
