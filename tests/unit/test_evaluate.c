/* engine/evaluate: what is asked for, and what there is to say about the answer. */
#include "nets.h"

#include <math.h>

#include "engine/evaluate.h"

static struct result result;

static bool try_evaluate(const struct evaluate_options *options) {
  return evaluate(&result, &arena, &net, options);
}

static void evaluate_net(const char *text, const struct evaluate_options *options) {
  static const struct evaluate_options plain = {.of = NULL};
  load(text);
  bool done = try_evaluate(options ? options : &plain);
  for (size_t i = 0; i < report.messages.count && !done; i++)
    print_error("%s\n", report.messages.at[i].text);
  assert_true(done);
}

static enum gradient gradient_of(const char *name, const double **at) {
  return result_gradient(&result, id(name), at);
}

static double gradient(const char *name) {
  const double *at;
  assert_int_equal(gradient_of(name, &at), GRADIENT_HERE);
  return *at;
}

/* ---- what is asked for ------------------------------------------------------------------- */

static const char *const simple =
    "bpgraph: 1\ninputs: {x: 2}\nparameters: {w: 3, v: [1, 2]}\nconstants: {c: 4}\nnodes:\n"
    "  a: x * w\n  y: v * a\n  L: sum(y) * c\noutput: L\n";

static void test_inputs_and_parameters_are_differentiated_by_default(void **state) {
  (void)state;
  evaluate_net(simple, NULL);
  assert_int_equal(result.wrt.count, 3);
  assert_true(gradient("x") == 36 && gradient("w") == 24 && gradient("v") == 24);
  const double *at;
  assert_int_equal(gradient_of("c", &at), GRADIENT_NULL);
  assert_null(at);
}

static void test_wrt_of_the_file_and_of_the_option(void **state) {
  (void)state;
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_printf(&text, "%swrt: [a, w]\n", simple);
  evaluate_net(text_string(&text), NULL);
  assert_int_equal(result.wrt.count, 2);
  assert_int_equal(result.wrt.at[0], id("a"));
  assert_true(try_evaluate(&(struct evaluate_options){.wrt = " v , x,L.1"}));
  assert_int_equal(result.wrt.count, 3);
  assert_int_equal(result.wrt.at[2], id("L.1"));
  assert_false(try_evaluate(&(struct evaluate_options){.wrt = ""}));
}

static void test_another_output(void **state) {
  (void)state;
  evaluate_net(simple, &(struct evaluate_options){.of = "a"});
  assert_int_equal(result.plan.output, id("a"));
  assert_true(gradient("x") == 3);
  const double *at;
  assert_int_equal(gradient_of("v", &at), GRADIENT_ZERO);
  assert_int_equal(said(501), 1); /* a parameter that is not reached */
  assert_true(try_evaluate(&(struct evaluate_options){.of = "L.1"}));
  assert_true(gradient("x") == 9);
}

static void test_an_upstream_of_the_option(void **state) {
  (void)state;
  evaluate_net(simple, &(struct evaluate_options){.of = "y", .upstream = "[1, 10]"});
  assert_true(gradient("x") == 3 * (1 + 20));
  assert_false(try_evaluate(&(struct evaluate_options){.of = "y", .upstream = "[1, 10, 2]"}));
  assert_int_equal(said(504), 1);
  assert_true(try_evaluate(&(struct evaluate_options){.upstream = "1/2"}));
  assert_true(gradient("x") == 18);
}

static void test_many_entries_without_upstream_have_values_only(void **state) {
  (void)state;
  evaluate_net(simple, &(struct evaluate_options){.of = "y"});
  assert_int_equal(said(503), 1);
  assert_false(result.gradients);
  const double *at;
  assert_int_equal(gradient_of("x", &at), GRADIENT_NULL);
  assert_true(run_value(&result.run, id("y"))[1] == 12);
}

static void test_the_files_upstream_belongs_to_its_output(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {a: 2 * x, y: a * x}\nupstream: [1, 10]\n",
               NULL);
  const double *at;
  assert_int_equal(gradient_of("x", &at), GRADIENT_HERE);
  assert_true(at[1] == 80);
  assert_true(try_evaluate(&(struct evaluate_options){.of = "a"}));
  assert_false(result.gradients);
}

static void test_wrong_questions(void **state) {
  (void)state;
  static const struct {
    struct evaluate_options options;
    unsigned code;
  } cases[] = {{{.of = "nobody"}, 113},  {{.wrt = "w,nobody"}, 113}, {{.wrt = "c"}, 505},
               {{.upstream = "["}, 401}, {{.upstream = "x"}, 404},   {{.upstream = "[1]"}, 504}};
  load(simple);
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    report_init(&report, &arena);
    assert_false(try_evaluate(&cases[i].options));
    if (!said(cases[i].code)) print_error("BP%u\n", cases[i].code);
    assert_int_equal(said(cases[i].code), 1);
  }
}

static void test_indices_have_no_gradient(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {X: [1, 2, 3], i: 1, j: 1}\nnodes: {L: \"X[i] * X[j] * j\"}\n",
               NULL);
  const double *at;
  assert_int_equal(gradient_of("i", &at), GRADIENT_NULL);
  assert_true(gradient("j") == 4); /* it is also a factor */
  assert_false(try_evaluate(&(struct evaluate_options){.wrt = "i"}));
  assert_int_equal(said(505), 1);
}

/* ---- undefined derivatives --------------------------------------------------------------- */

static void test_kinks_are_reported_with_node_input_and_index(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: [[0, 1], [-1, 0]], y: 3}\nnodes:\n  a: relu(x)\n"
               "  b: maximum(y, 3)\n  c: exp(x)\n  L: sum(a) + b + sum(c)\n",
               NULL);
  assert_true(result.undefined.count >= 2);
  const struct undefined *first = &result.undefined.at[0];
  assert_int_equal(first->node, id("a"));
  assert_int_equal(first->input, 0);
  assert_int_equal(first->count, 2);
  assert_int_equal(first->first[0], 0);
  assert_int_equal(first->first[1], 3);
  assert_ptr_equal(undefined_shape(&result, first), graph_node(&net.graph, id("x"))->shape);
  for (size_t i = 1; i < result.undefined.count; i++)
    assert_int_equal(result.undefined.at[i].node, id("b"));
  assert_non_null(graph_node(&net.graph, id("a"))->op->convention);
}

static void test_ten_places_are_kept_and_all_are_counted(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: {zeros: [1000]}}\nnodes: {L: sum(abs(x))}\n", NULL);
  assert_int_equal(result.undefined.count, 1);
  assert_int_equal(result.undefined.at[0].count, 1000);
  assert_int_equal(result.undefined.at[0].first[9], 9);
}

static void test_kinks_beside_the_way_do_not_matter(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: 0, y: 1}\nnodes: {a: relu(x), L: a * 0 + y, b: relu(x)}\n"
               "output: L\n",
               &(struct evaluate_options){.wrt = "y"});
  assert_int_equal(result.undefined.count, 0);
}

/* ---- what is not finite ------------------------------------------------------------------ */

/* The text of the only message of a code. */
static const char *message(unsigned code) {
  assert_int_equal(said(code), 1);
  size_t i = 0;
  while (diag_number(report.messages.at[i].id) != code) i++;
  return report.messages.at[i].text;
}

static void test_the_first_infinity_is_named_with_what_made_it(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: [1, 0]}\nnodes:\n  a: 1 + log(x) * 2\n  b: a - a\n"
               "  L: sum(b)\n",
               &(struct evaluate_options){.no_gradients = true});
  assert_non_null(strstr(message(502), "a.1[1] = log(0)"));
  assert_true(isnan(run_value(&result.run, id("L"))[0]));
}

static void test_a_nan_that_came_in_is_named_itself(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: .nan}\nnodes: {L: x + 1}\n",
               &(struct evaluate_options){.no_gradients = true});
  assert_string_equal(message(502), "x is NaN");
}

static void test_a_gradient_may_be_infinite_where_values_are_not(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: [4, 1e-320]}\nnodes: {L: sum(log(x))}\n", NULL);
  assert_non_null(strstr(message(502), "gradient of x[1]"));
}

static void test_a_place_deep_in_a_large_tensor_is_found(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: {ones: [100, 100]}, y: {zeros: [100]}}\nnodes:\n"
               "  a: x - concat(zeros99, one, axis=0)\n  zeros99: y[1:]\n  one: y[:1] + 1\n"
               "  b: 1 / a\n  L: sum(b)\n",
               &(struct evaluate_options){.no_gradients = true});
  assert_non_null(strstr(message(502), "b[0, 99]"));
}

static void test_a_parameter_that_is_not_reached(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: 1, y: 2}\nparameters: {w: 1, v: 2}\n"
               "nodes: {L: x * w, other: v * y}\noutput: L\n",
               NULL);
  assert_int_equal(said(501), 1); /* v; inputs may be left out */
  const double *at;
  assert_int_equal(gradient_of("v", &at), GRADIENT_ZERO);
  assert_int_equal(gradient_of("y", &at), GRADIENT_ZERO);
}

/* ---- edges ------------------------------------------------------------------------------- */

static void test_contributions_add_up_to_the_gradient(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: [[1, 2], [3, 4]], s: 3}\nnodes:\n  a: x * s\n"
               "  b: softmax(x, axis=1)\n  c: x @ x\n  d: sum(x, axis=0)\n"
               "  L: sum(a * b) + sum(c * c) + sum(d ** 2) + sum(concat(x, x, axis=0))\n",
               &(struct evaluate_options){.all = true});
  for (node_id from = 0; from < net.graph.nodes.count; from++) {
    const double *bar;
    if (result_gradient(&result, from, &bar) != GRADIENT_HERE || from == result.plan.output)
      continue;
    double sum[8] = {0}, part[8];
    size_t size = graph_node(&net.graph, from)->shape->size;
    for (node_id to = 0; to < net.graph.nodes.count; to++) {
      const struct node *node = graph_node(&net.graph, to);
      for (unsigned k = 0; k < node->count; k++) {
        if (graph_inputs(&net.graph, node)[k] != from || !result_has_edge(&result, to, k)) continue;
        result_contribution(&result, to, k, false, part);
        for (size_t i = 0; i < size; i++) sum[i] += part[i];
      }
    }
    for (size_t i = 0; i < size; i++)
      assert_true(fabs(sum[i] - bar[i]) <= 1e-12 * fmax(1, fabs(bar[i])));
  }
}

static void test_the_local_derivative_of_an_edge(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: 3, y: 5}\nnodes: {a: x * y, L: a ** 2}\n",
               &(struct evaluate_options){.all = true});
  double local, contribution;
  result_contribution(&result, id("a"), 1, true, &local);
  result_contribution(&result, id("a"), 1, false, &contribution);
  assert_true(local == 3 && contribution == 90);
  assert_true(gradient("y") == 90); /* asking changes nothing */
}

static void test_all_nodes_have_a_gradient_with_all(void **state) {
  (void)state;
  evaluate_net("bpgraph: 1\ninputs: {x: 3}\nconstants: {c: 2}\nnodes: {a: x * c + 1, b: a > c,\n"
               " L: a * b, aside: a + x}\noutput: L\n",
               &(struct evaluate_options){.all = true, .wrt = "L"});
  const double *at;
  assert_true(gradient("a") == 1 && gradient("a.1") == 1 && gradient("x") == 2);
  assert_int_equal(gradient_of("aside", &at), GRADIENT_ZERO);
  assert_int_equal(gradient_of("c", &at), GRADIENT_NULL);
  assert_true(run_value(&result.run, id("aside"))[0] == 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_inputs_and_parameters_are_differentiated_by_default),
      TEST(test_wrt_of_the_file_and_of_the_option),
      TEST(test_another_output),
      TEST(test_an_upstream_of_the_option),
      TEST(test_many_entries_without_upstream_have_values_only),
      TEST(test_the_files_upstream_belongs_to_its_output),
      TEST(test_wrong_questions),
      TEST(test_indices_have_no_gradient),
      TEST(test_kinks_are_reported_with_node_input_and_index),
      TEST(test_ten_places_are_kept_and_all_are_counted),
      TEST(test_kinks_beside_the_way_do_not_matter),
      TEST(test_the_first_infinity_is_named_with_what_made_it),
      TEST(test_a_nan_that_came_in_is_named_itself),
      TEST(test_a_gradient_may_be_infinite_where_values_are_not),
      TEST(test_a_place_deep_in_a_large_tensor_is_found),
      TEST(test_a_parameter_that_is_not_reached),
      TEST(test_contributions_add_up_to_the_gradient),
      TEST(test_the_local_derivative_of_an_edge),
      TEST(test_all_nodes_have_a_gradient_with_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
