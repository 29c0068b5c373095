/* Verdicts on claims, and their diagnoses, against closed forms. */
#define _DEFAULT_SOURCE
#include "nets.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check/back.h"
#include "check/check.h"
#include "check/points.h"

static struct check check;

static bool try_check(const char *text, const struct check_options *options) {
  load(text);
  return check_net(&check, &arena, &net, options);
}

static void judge(const char *text) {
  const struct check_options options = {.numeric = NUMERIC_NONE};
  assert_true(try_check(text, &options));
}

static const struct judgement *claim(const char *subject) {
  for (size_t i = 0; i < check.claims.count; i++)
    if (!strcmp(check.claims.at[i].subject, subject)) return &check.claims.at[i];
  fail_msg("no claim %s", subject);
  return NULL;
}

static bool is_right(const char *subject) { return claim(subject)->verdict == VERDICT_RIGHT; }

/* Whether a claim was diagnosed so, among other things. */
static bool says(const char *subject, const char *id) {
  const struct judgement *judgement = claim(subject);
  assert_int_equal(judgement->verdict, VERDICT_WRONG);
  for (size_t i = 0; i < judgement->diagnosis.count; i++)
    if (!strcmp(judgement->diagnosis.at[i].id, id)) return true;
  return false;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static void test_an_entry_may_be_off_by_atol_and_rtol(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [2, 2, 2, 2]}\nnodes: {y: x ** 2, L: sum(y)}\n"
        "expect:\n"
        "  - {rtol: 0, atol: 0.5, gradients: {x: [4.5, 4.5, 3.5, 4]}}\n"
        "  - {rtol: 0.1, atol: 0, values: {y: [4.4, 4, 4, 3.6]}}\n"
        "  - {rtol: 0, atol: 0.4999999, gradients: {y: 1.5}}\n");
  assert_true(is_right("x"));
  assert_int_equal(check.claims.at[1].verdict, VERDICT_RIGHT);
  assert_int_equal(check.claims.at[2].verdict, VERDICT_WRONG);
  assert_int_equal(check.claims.at[2].wrong, 4);
}

static void test_errors_are_never_measured_by_size_alone(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1000000, 0.001]}\nnodes: {L: sum(x ** 2)}\n"
        "expect: {gradients: {x: [2000000, -0.002]}}\n");
  assert_false(is_right("x")); /* a sign flipped in the small entry */
  assert_int_equal(claim("x")->worst.at[0], 1);
}

static void test_nan_is_never_right(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 2}\nconstants: {n: .nan}\nnodes: {L: x ** 2}\n"
        "expect: {gradients: {x: n * x}, values: {L: 4}}\n");
  assert_false(is_right("x"));
  assert_true(isnan(claim("x")->claimed));
}

static void test_infinities_are_right_where_both_are(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 0}\nnodes: {y: 1 / x, L: x ** 2}\noutput: L\n"
        "expect: {points: 0, values: {y: 1 / x}}\n");
  assert_true(is_right("y"));
}

static void test_a_number_is_spread_over_a_tensor(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1, 2, 3]}\nnodes: {L: sum(x)}\nexpect: {gradients: {x: 1}}\n");
  assert_true(is_right("x"));
}

static void test_written_numbers_are_right_to_half_a_unit(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [0.18749, -1.2355]}\nnodes: {L: sum(x ** 2)}\n"
        "expect:\n"
        "  - gradients: {x: {value: [0.37, -2.471], decimals: written}}\n"
        "  - gradients: {L: {value: 1.2e0, decimals: 0}}\n"
        "  - gradients: {x: {value: [0.38, -2.471], decimals: written}}\n");
  assert_int_equal(check.claims.at[0].verdict, VERDICT_RIGHT);
  assert_int_equal(check.claims.at[1].verdict, VERDICT_RIGHT);
  assert_int_equal(check.claims.at[2].verdict, VERDICT_WRONG);
  assert_int_equal(check.claims.at[2].wrong, 1);
}

static void test_a_truth_of_zero_is_said(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 2, z: 1}\nnodes: {y: x * z, L: y - x * z}\n"
        "expect: {gradients: {x: 0 * x}}\n");
  assert_true(is_right("x"));
  assert_non_null(strstr(claim("x")->note, "0 everywhere"));
}

/* ---- points -------------------------------------------------------------------------------- */

static void test_a_formula_right_at_one_point_only_is_caught(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 1}\nnodes: {L: x ** 3}\nexpect: {gradients: {x: 3 * x}}\n");
  assert_false(is_right("x"));
  assert_true(claim("x")->point > 0);
}

static void test_numbers_are_judged_at_the_files_point_only(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 1}\nnodes: {L: x ** 3}\nexpect: {gradients: {x: 3}}\n");
  assert_true(is_right("x"));
  assert_int_equal(claim("x")->points, 1);
}

static void test_constants_and_kept_inputs_stay(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 1, w: 2}\nconstants: {c: 3}\nnodes: {L: x ** 3 * c * w}\n"
        "expect:\n"
        "  - {points: {keep: [x]}, gradients: {w: 3 * x}}\n"
        "  - gradients: {x: 9 * x ** 2 * w}\n");
  assert_true(is_right("w"));
  assert_true(is_right("x"));
}

static void test_points_that_cannot_be_computed_are_drawn_again(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 0.2}\nnodes: {L: log(x)}\nexpect: {gradients: {x: 1 / x}}\n");
  assert_true(is_right("x"));
  assert_int_equal(claim("x")->points, 9);
  assert_null(claim("x")->note);
}

static void test_random_points_keep_their_domain(void **state) {
  (void)state;
  load("bpgraph: 1\n"
       "inputs:\n"
       "  p: {value: [1e-6, 1, 300], domain: positive}\n"
       "  u: {value: [0, 0.3, 1], domain: unit}\n"
       "  s: {value: [[0, 0, 1], [0.2, 0.3, 0.5]], domain: simplex}\n"
       "  m: {value: [[1, 2], [2, -1]], domain: symmetric}\n"
       "  d: {value: [[2, 0.5], [0.5, 1]], domain: spd}\n"
       "  l: {value: [[1, 0], [3, 2]], domain: lower}\n"
       "nodes: {L: sum(p) + sum(u) + sum(s) + sum(m) + sum(d) + sum(l)}\n");
  struct result result;
  const struct evaluate_options options = {.all = true, .own_starts = true};
  assert_true(evaluate(&result, &arena, &net, &options));
  static const char *const names[] = {"p", "u", "s", "m", "d", "l"};
  const double spreads[] = {0.1, 0.5, 1, 5};
  for (size_t number = 1; number < 50; number++)
    for (size_t i = 0; i < COUNT_OF(names); i++) {
      const struct points points = {.count = 50, .spread = spreads[number % 4]};
      const struct node *node = graph_node(&net.graph, id(names[i]));
      points_move(&result, &points, number, number % 3);
      const double *moved = run_value(&result.run, id(names[i]));
      assert_true(check_domain(&net, node->mark, node->domain, node->shape, moved));
      assert_memory_not_equal(moved, node->value, node->shape->size * sizeof *moved);
    }
}

static void test_a_kink_that_is_kept_is_one_at_every_point(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 0, t: 2}\nnodes: {h: relu(x), L: h * t}\n"
        "expect:\n  points: {keep: [x]}\n  gradients: {x: t * (x >= 0)}\n");
  assert_true(is_right("x"));
  assert_non_null(claim("x")->note);
  judge("bpgraph: 1\ninputs: {x: 0, t: 2}\nnodes: {h: relu(x), L: h * t}\n"
        "expect:\n  points: {keep: [x]}\n  gradients: {x: 2 * t * (x >= 0)}\n");
  assert_false(is_right("x"));
}

static void test_the_same_seed_gives_the_same_points(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {L: sum(x)}\n");
  struct result result;
  const struct evaluate_options options = {.all = true, .own_starts = true};
  assert_true(evaluate(&result, &arena, &net, &options));
  struct points points = {.count = 2, .spread = 0.5, .seed = 7};
  double first[2], other[2];
  points_move(&result, &points, 1, 0);
  memcpy(first, run_value(&result.run, id("x")), sizeof first);
  points.seed = 8;
  points_move(&result, &points, 1, 0);
  memcpy(other, run_value(&result.run, id("x")), sizeof other);
  assert_memory_not_equal(first, other, sizeof first);
  points.seed = 7;
  points_move(&result, &points, 1, 0);
  assert_memory_equal(first, run_value(&result.run, id("x")), sizeof first);
  points_move(&result, &points, 0, 0);
  assert_true(run_value(&result.run, id("x"))[1] == 2);
}

/* ---- what cannot be judged ----------------------------------------------------------------- */

static void test_a_gradient_of_a_constant_is_an_error(void **state) {
  (void)state;
  const struct check_options options = {.numeric = NUMERIC_NONE};
  assert_false(try_check("bpgraph: 1\ninputs: {x: 1}\nconstants: {c: 2}\nnodes: {L: x * c}\n"
                         "expect: {gradients: {c: x, x: c}}\n",
                         &options));
  assert_int_equal(said(505), 1);
  assert_true(is_right("x"));
}

static void test_gradients_want_an_upstream(void **state) {
  (void)state;
  const struct check_options options = {.numeric = NUMERIC_NONE};
  assert_false(try_check("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {y: x * 2}\n"
                         "expect: {gradients: {x: 2}, values: {y: 2 * x}}\n",
                         &options));
  assert_int_equal(said(506), 1);
  assert_true(is_right("y"));
}

static void test_a_formula_that_cannot_be_computed_is_an_error(void **state) {
  (void)state;
  const struct check_options options = {.numeric = NUMERIC_NONE};
  assert_false(try_check("bpgraph: 1\ninputs: {A: [[1, 2], [2, 4]]}\nnodes: {L: sum(A)}\n"
                         "expect: {gradients: {A: inv(A)}}\n",
                         &options));
  assert_int_equal(said(210), 1);
}

/* ---- kinds of claims ----------------------------------------------------------------------- */

static void test_every_kind_of_claim_is_judged(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1, -2]}\nparameters: {A: [[2, 1], [0, 3]]}\n"
        "nodes:\n  y: A @ x\n  L: sum(y ** 2) / 2 + sum(x ** 2)\n"
        "expect:\n"
        "  values: {y: 'A @ x'}\n"
        "  gradients: {x: 'A.T @ y + 2 * x'}\n"
        "  contributions: {x/y: 'A.T @ y', x/L: 2 * x}\n"
        "  jacobians: {y/x: A}\n"
        "  hessians: {x: 'A.T @ A + 2 * diag(x / x)'}\n");
  for (size_t i = 0; i < check.claims.count; i++)
    assert_int_equal(check.claims.at[i].verdict, VERDICT_RIGHT);
  assert_int_equal(check.claims.count, 6);
  assert_int_equal(check.passed, 6);
}

static void test_a_functions_own_rule_is_held_against_its_body(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1, 2]}\n"
        "functions:\n"
        "  half:\n    inputs: [a, b]\n    output: a * b / 2\n"
        "    backward: {a: upstream * b, b: upstream * a / 2}\n"
        "nodes: {h: 'half(x, x ** 2)', L: sum(h)}\n");
  assert_true(is_right("half/b"));
  assert_true(says("half/a", "factor"));
  assert_string_equal(claim("half/a")->kind, "function");
}

static void test_a_rule_without_its_upstream_is_named(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1, 2]}\n"
        "functions:\n"
        "  swish:\n    inputs: [z]\n    nodes: {s: sigmoid(z)}\n    output: z * s\n"
        "    backward: {z: s + z * s * (1 - s)}\n"
        "nodes: {h: swish(x), L: sum(h ** 2)}\n");
  assert_true(says("swish/z", "upstream-missing"));
}

static void test_a_rule_is_judged_whatever_comes_from_above(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 3}\n"
        "functions:\n"
        "  square:\n    inputs: [a]\n    output: a ** 2\n    backward: {a: 2 * a}\n"
        "nodes: {L: square(x)}\n"); /* in the net, 1 does at all points */
  assert_true(says("square/a", "upstream-missing"));
  judge("bpgraph: 1\ninputs: {x: 3}\n"
        "functions:\n"
        "  square:\n    inputs: [a]\n    output: a ** 2\n    backward: {a: upstream * a}\n"
        "nodes: {h: square(x), L: x ** 2}\noutput: L\n"); /* and here nothing does */
  assert_true(says("square/a", "factor"));
}

static void test_a_rule_is_judged_by_its_call_alone(void **state) {
  (void)state;
  const char *text = "bpgraph: 1\ninputs: {x: [1, 2]}\n"
                     "functions:\n"
                     "  half:\n    inputs: [a, b]\n    output: a * b / 2\n"
                     "    backward: {a: upstream * b / 2, b: upstream * a}\n"
                     "nodes: {h: 'half(%s)', L: sum(h)}\n";
  static const char *const arguments[] = {"x, x", "x, x ** 2", "x ** 2, x"};
  for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
    char net_text[400];
    snprintf(net_text, sizeof net_text, text, arguments[i]);
    judge(net_text);
    assert_true(is_right("half/a"));
    assert_true(says("half/b", "factor"));
  }
}

static void test_a_jacobian_inside_a_call_is_by_its_input_alone(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1, 2]}\n"
        "functions:\n"
        "  times:\n    inputs: [a, b]\n    output: a * b\n"
        "    expect: [{jacobians: {output/a: diag(b)}}, {jacobians: {output/b: diag(a)}}]\n"
        "nodes: {y: 'times(x, x)', z: 'times(x, y)', L: sum(z)}\n");
  assert_int_equal(check.claims.count, 4);
  assert_int_equal(check.passed, 4);
}

static void test_a_rule_may_call_a_function_with_a_rule(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 1.5}\n"
        "functions:\n"
        "  inner:\n    inputs: [a]\n    output: exp(a)\n    backward: {a: upstream * output}\n"
        "  outer:\n    inputs: [a]\n    output: exp(a)\n    backward: {a: upstream * inner(a)}\n"
        "nodes: {h: outer(x), L: h ** 2}\n"
        "expect: {gradients: {x: -2 * h * h}}\n");
  assert_true(is_right("outer/a"));
  assert_true(says("x", "sign"));
}

static void test_gradients_inside_a_call_come_from_its_value(void **state) {
  (void)state;
  const char *text =
      "bpgraph: 1\ninputs: {x: 1.5}\n"
      "functions:\n"
      "  f:\n    inputs: [a]\n    nodes: {s: sigmoid(a)}\n    output: a * s\n%s"
      "    expect:\n"
      "      gradients: {a: grad(output) * s + grad(s) * s * (1 - s)}\n"
      "      contributions: {a/s: grad(s) * s * (1 - s), a/output: grad(output) * s}\n"
      "nodes: {h: f(x), L: h ** 2 + h.s ** 3}\n";
  static const char *const rules[] = {"", "    backward: {a: upstream * (s + a * s * (1 - s))}\n"};
  for (size_t i = 0; i < 2; i++) {
    char net_text[600];
    snprintf(net_text, sizeof net_text, text, rules[i]);
    judge(net_text);
    assert_int_equal(check.claims.count, 3 + i);
    assert_int_equal(check.passed, 3 + i);
  }
}

/* A chain of sums, longer than what a diagnosis looks through. */
static void test_the_body_of_a_function_may_be_long(void **state) {
  (void)state;
  enum { NODES = 6000 };
  char *text = malloc(NODES * 40), *at = text;
  assert_non_null(text);
  at += sprintf(at, "bpgraph: 1\ninputs: {x: 1.5}\nfunctions:\n  f:\n    inputs: [a]\n    nodes:\n"
                    "      s0: a * 3\n");
  for (int i = 1; i < NODES; i++) at += sprintf(at, "      s%d: s%d + 1\n", i, i - 1);
  sprintf(at,
          "    output: s%d\n    backward: {a: 3 * upstream}\n"
          "    expect: {gradients: {a: 3 * grad(output)}}\nnodes: {L: f(x) ** 2}\n",
          NODES - 1);
  judge(text);
  free(text);
  assert_int_equal(check.claims.count, 2);
  assert_int_equal(check.passed, 2);
}

static void test_a_functions_claims_are_judged_at_every_call(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [1, 2]}\n"
        "functions:\n"
        "  swish:\n    inputs: [z]\n    nodes: {s: sigmoid(z)}\n    output: z * s\n"
        "    expect: {gradients: {s: grad(output) * z, z: grad(output) * s}}\n"
        "nodes: {a: swish(x), b: swish(a), L: sum(b)}\n");
  assert_int_equal(check.claims.count, 4);
  assert_true(is_right("a.s"));
  assert_true(is_right("b.s"));
  assert_false(is_right("a.z")); /* what comes through s is not there */
  assert_true(says("b.z", "path-missing"));
}

static void test_at_a_kink_both_sides_and_all_between_are_right(void **state) {
  (void)state;
  const struct check_options options = {0};
  static const char net_text[] =
      "bpgraph: 1\ninputs: {x: [0, 2]}\nnodes: {h: relu(x), L: sum(h)}\n"
      "expect:\n"
      "  - gradients: {x: [0.5, 1]}\n  - gradients: {x: [1, 1]}\n  - gradients: {x: [1.5, 1]}\n";
  assert_true(try_check(net_text, &options));
  assert_int_equal(check.claims.at[0].verdict, VERDICT_RIGHT);
  assert_int_equal(check.claims.at[1].verdict, VERDICT_RIGHT);
  assert_int_equal(check.claims.at[2].verdict, VERDICT_WRONG);
  assert_non_null(strstr(check.claims.at[0].note, "kink"));
  assert_int_equal(check.backprop.count, 1);
  assert_int_equal(check.backprop.at[0].verdict, VERDICT_RIGHT);
}

/* ---- diagnoses ----------------------------------------------------------------------------- */

static const char logistic[] = "bpgraph: 1\n"
                               "inputs: {X: [[1, 2], [-1, 0.5], [0.3, -0.7]]}\n"
                               "parameters: {w: [0.2, -0.4], b: 0.1}\n"
                               "constants: {t: [1, 0, 1], c: 0.1}\n"
                               "nodes:\n"
                               "  z: X @ w + b\n"
                               "  p: sigmoid(z)\n"
                               "  l: mean((p - t) ** 2)\n"
                               "  r: sum(w ** 2)\n"
                               "  J: l + c * r\n";

static void judge_logistic(const char *claims) {
  char text[1024];
  snprintf(text, sizeof text, "%sexpect: {gradients: {%s}}\n", logistic, claims);
  judge(text);
}

static void test_each_slip_is_named(void **state) {
  (void)state;
  static const struct {
    const char *claims, *subject, *id;
  } slips[] = {{"p: '-2 * (p - t) / 3'", "p", "sign"},
               {"p: '(p - t) / 3'", "p", "factor"},
               {"p: '2 * (p - t)'", "p", "mean-sum"},
               {"z: grad(p)", "z", "local-missing"},
               {"z: 'p * (1 - p)'", "z", "upstream-missing"},
               {"w: 'X.T @ grad(z)'", "w", "path-missing"},
               {"w: 'X.T @ grad(z) + c * w'", "w", "factor"},
               {"w: 'X.T @ grad(z) - 2 * c * w'", "w", "sign"},
               {"w: '2 * c * w'", "w", "path-missing"},
               {"w: 'X.T @ grad(z)'", "w", "overwritten"},
               {"b: 'grad(z)[0]'", "b", "sum-missing"},
               {"w: 'sum(X.T @ grad(z) + 2 * c * w)'", "w", "sum-extra"}};
  for (size_t i = 0; i < COUNT_OF(slips); i++) {
    judge_logistic(slips[i].claims);
    if (!says(slips[i].subject, slips[i].id))
      fail_msg("%s: not diagnosed as %s", slips[i].claims, slips[i].id);
  }
}

static void test_a_path_is_named_by_its_nodes(void **state) {
  (void)state;
  judge_logistic("w: 'X.T @ grad(z)'");
  assert_string_equal(claim("w")->diagnosis.at[0].text, "dw lacks the path w -> r -> J");
}

static void test_transposes_and_other_orders_of_axes_are_named(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {A: [[1, 2], [3, 5]], T: {normal: {shape: [2, 2, 2]}}}\n"
        "nodes: {L: 'sum(A ** 2) + sum(T ** 3)'}\n"
        "expect: {gradients: {A: 2 * A.T, T: '3 * transpose(T, axes=[2, 0, 1]) ** 2'}}\n");
  assert_true(says("A", "transpose"));
  assert_true(says("T", "permutation"));
}

static void test_a_local_derivative_at_the_wrong_place_is_named(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [0.3, -0.8]}\nnodes: {h: tanh(x), L: sum(h ** 2)}\n"
        "expect:\n  - gradients: {x: 'grad(h) * (1 - tanh(h) ** 2)'}\n"
        "  - gradients: {x: 'grad(h) * (1 - x ** 2)'}\n");
  assert_true(says("x", "local-at-output"));
  assert_int_equal(check.claims.at[1].verdict, VERDICT_WRONG);
  assert_string_equal(check.claims.at[1].diagnosis.at[0].id, "local-at-input");
}

static void test_an_operand_not_transposed_is_named(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: [[1, 2], [-0.5, 0.3], [0.7, -1]]}\n"
        "parameters: {W: [[0.2, -0.4], [0.6, 1]]}\nnodes: {y: x @ W, L: sum(y ** 2)}\n"
        "expect: {gradients: {x: grad(y) @ W}}\n");
  assert_true(says("x", "operand-transposed"));
}

static void test_diagonals_and_single_entries_are_named(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {s: [0.3, -0.8, 1]}\nnodes: {p: softmax(s), L: sum(p ** 2)}\n"
        "expect:\n  jacobians: {p/s: 'diag(p * (1 - p))'}\n"
        "  gradients: {s: 'grad(p) * p * (1 - p)', p: [0.5, 0.3, 1.1]}\n");
  assert_true(says("p/s", "diagonal-only"));
  assert_true(says("s", "diagonal-only"));
}

static void test_without_a_match_nothing_is_said(void **state) {
  (void)state;
  judge_logistic("w: 'X.T @ grad(z) * w ** 3'");
  assert_false(is_right("w"));
  assert_int_equal(claim("w")->diagnosis.count, 0);
}

static void test_numbers_that_follow_from_wrong_numbers_are_inherited(void **state) {
  (void)state;
  judge("bpgraph: 1\ninputs: {x: 3}\nparameters: {w: 2}\n"
        "nodes: {a: w * x, b: a ** 2, L: 5 * b}\n"
        "expect: {gradients: {L: 1, b: 10, a: 120, x: 240, w: 1}}\n"); /* b: 5, a: 60, x: 120 */
  assert_null(claim("b")->inherited_from);
  assert_string_equal(claim("a")->inherited_from, "b");
  assert_string_equal(claim("x")->inherited_from, "b");
  assert_null(claim("w")->inherited_from);
}

/* ---- files of gradients -------------------------------------------------------------------- */

static bool check_file(const char *json) {
  char path[] = "/tmp/gradients-XXXXXX.json";
  int file = mkstemps(path, 5);
  assert_true(file >= 0);
  assert_int_equal(write(file, json, strlen(json)), (ssize_t)strlen(json));
  close(file);
  const struct check_options options = {.numeric = NUMERIC_NONE, .gradients = path};
  bool fine = try_check("bpgraph: 1\ninputs: {x: [1, 2]}\nparameters: {w: 3}\n"
                        "nodes: {y: w * x, L: sum(y ** 2)}\n",
                        &options);
  unlink(path);
  return fine;
}

static void test_a_file_of_gradients_is_judged(void **state) {
  (void)state;
  assert_true(check_file("{\"x\": [18, 36], \"w\": 30, \"y\": [6, -12]}"));
  assert_true(is_right("x"));
  assert_true(is_right("w"));
  assert_false(is_right("y"));
}

static void test_a_result_of_ours_is_such_a_file(void **state) {
  (void)state;
  assert_true(check_file("{\"net\": \"n\", \"output\": {\"value\": 1}, "
                         "\"gradients\": {\"x\": [18, 36], \"w\": 30}, \"warnings\": []}"));
  assert_int_equal(check.passed, 2);
}

static void test_without_wrt_the_parameters_gradients_are_demanded(void **state) {
  (void)state;
  assert_true(check_file("{\"w\": 30}"));
  assert_false(check_file("{\"x\": [18, 36]}"));
  assert_true(is_right("x")); /* what is there is judged all the same */
}

static void test_unknown_missing_and_double_names_are_errors(void **state) {
  (void)state;
  assert_false(check_file("{\"x\": [18], \"q\": 1, \"q\": 2}"));
  assert_int_equal(said(506), 2); /* the shape of x, the lack of w */
  assert_int_equal(said(113), 1); /* q */
  assert_int_equal(said(10), 1);  /* q again */
}

/* ---- mutants ------------------------------------------------------------------------------- */

static void test_altered_formulas_are_noticed(void **state) {
  (void)state;
  const struct check_options options = {.numeric = NUMERIC_NONE, .mutants = true};
  assert_true(try_check("bpgraph: 1\ninputs: {x: 2}\nparameters: {w: 3}\nnodes: {L: w * x ** 2}\n"
                        "expect: {gradients: {x: 2 * w * x}}\n",
                        &options));
  assert_true(check.mutants.count >= 6);
  for (size_t i = 0; i < check.mutants.count; i++) assert_false(check.mutants.at[i].survived);
}

static void test_points_that_are_too_few_leave_survivors(void **state) {
  (void)state;
  const struct check_options options = {.numeric = NUMERIC_NONE, .mutants = true};
  assert_true(try_check("bpgraph: 1\ninputs: {x: 1}\nparameters: {w: 3}\nnodes: {L: w * x ** 2}\n"
                        "expect: {points: {keep: [x]}, gradients: {x: 2 * w * x}}\n",
                        &options));
  size_t survivors = 0;
  for (size_t i = 0; i < check.mutants.count; i++) {
    survivors += check.mutants.at[i].survived;
    if (check.mutants.at[i].survived) assert_non_null(check.mutants.at[i].killer);
  }
  assert_true(survivors >= 2); /* 2 * w, and x ** 2 for x */
}

/* ---- large nets ---------------------------------------------------------------------------- */

static void test_of_very_many_wrong_claims_some_are_explained(void **state) {
  (void)state;
  enum { NODES = 1500 };
  char *text = malloc(NODES * 120), *at = text;
  assert_non_null(text);
  at += sprintf(at, "bpgraph: 1\ninputs: {n0: 0.5}\nnodes:\n");
  for (int i = 1; i <= NODES; i++) at += sprintf(at, "  n%d: n%d * 0.999 + 0.001\n", i, i - 1);
  at += sprintf(at, "output: n%d\nexpect:\n  gradients:\n", NODES);
  for (int i = 0; i < NODES; i++) at += sprintf(at, "    n%d: -0.999 * grad(n%d)\n", i, i + 1);
  judge(text);
  free(text);
  assert_int_equal(check.failed, NODES);
  size_t explained = 0;
  for (size_t i = 0; i < NODES; i++) {
    const struct judgement *judgement = &check.claims.at[i];
    assert_true(judgement->diagnosis.count || judgement->note);
    explained += judgement->diagnosis.count > 0;
  }
  assert_int_equal(explained, 1000);
}

/* ---- a pass without slips ------------------------------------------------------------------ */

/* From each named node, the pass through its region alone is backprop's gradient. */
static void compare_passes(const struct result *result) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  node_id output = result->plan.output;
  for (node_id node = 0; node < output; node++) {
    const double *bar = run_bar(&result->run, node);
    const struct node *at = graph_node(&net.graph, node);
    const struct region region = {.target = node, .top = {output, run_bar(&result->run, output)}};
    struct back back;
    if (!bar || at->backward || at->shape->size > 10000 ||
        !back_make(&back, &arena, result, &region))
      continue;
    const double *again = back_run(&back, &none);
    assert_non_null(again);
    for (size_t i = 0; i < at->shape->size; i++)
      if (fabs(again[i] - bar[i]) > 1e-12 * (1 + fabs(bar[i])))
        fail_msg("%.*s: %g is not %g", (int)at->name_size, at->name ? at->name : "", again[i],
                 bar[i]);
  }
}

static void test_a_pass_without_a_slip_is_backprop(void **state) {
  (void)state;
  DIR *folder = opendir("examples");
  assert_non_null(folder);
  size_t nets = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    size_t size = strlen(entry->d_name);
    char path[300];
    if (size < 5 || strcmp(entry->d_name + size - 5, ".yaml") != 0) continue;
    if (!strncmp(entry->d_name, "big-", 4)) continue;
    snprintf(path, sizeof path, "examples/%s", entry->d_name);
    const struct load_options options = {.path = path};
    assert_true(net_load(&net, &arena, &report, &options));
    struct result result;
    const struct evaluate_options all = {.all = true};
    assert_true(evaluate(&result, &arena, &net, &all));
    if (result.gradients) compare_passes(&result);
    nets++;
  }
  closedir(folder);
  assert_true(nets > 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_an_entry_may_be_off_by_atol_and_rtol),
      TEST(test_errors_are_never_measured_by_size_alone),
      TEST(test_nan_is_never_right),
      TEST(test_infinities_are_right_where_both_are),
      TEST(test_a_number_is_spread_over_a_tensor),
      TEST(test_written_numbers_are_right_to_half_a_unit),
      TEST(test_a_truth_of_zero_is_said),
      TEST(test_a_formula_right_at_one_point_only_is_caught),
      TEST(test_numbers_are_judged_at_the_files_point_only),
      TEST(test_constants_and_kept_inputs_stay),
      TEST(test_points_that_cannot_be_computed_are_drawn_again),
      TEST(test_random_points_keep_their_domain),
      TEST(test_the_same_seed_gives_the_same_points),
      TEST(test_a_kink_that_is_kept_is_one_at_every_point),
      TEST(test_a_gradient_of_a_constant_is_an_error),
      TEST(test_gradients_want_an_upstream),
      TEST(test_a_formula_that_cannot_be_computed_is_an_error),
      TEST(test_every_kind_of_claim_is_judged),
      TEST(test_a_functions_own_rule_is_held_against_its_body),
      TEST(test_a_rule_without_its_upstream_is_named),
      TEST(test_a_rule_is_judged_whatever_comes_from_above),
      TEST(test_a_rule_is_judged_by_its_call_alone),
      TEST(test_a_jacobian_inside_a_call_is_by_its_input_alone),
      TEST(test_a_rule_may_call_a_function_with_a_rule),
      TEST(test_gradients_inside_a_call_come_from_its_value),
      TEST(test_the_body_of_a_function_may_be_long),
      TEST(test_a_functions_claims_are_judged_at_every_call),
      TEST(test_at_a_kink_both_sides_and_all_between_are_right),
      TEST(test_each_slip_is_named),
      TEST(test_a_path_is_named_by_its_nodes),
      TEST(test_transposes_and_other_orders_of_axes_are_named),
      TEST(test_a_local_derivative_at_the_wrong_place_is_named),
      TEST(test_an_operand_not_transposed_is_named),
      TEST(test_diagonals_and_single_entries_are_named),
      TEST(test_without_a_match_nothing_is_said),
      TEST(test_numbers_that_follow_from_wrong_numbers_are_inherited),
      TEST(test_a_file_of_gradients_is_judged),
      TEST(test_a_result_of_ours_is_such_a_file),
      TEST(test_without_wrt_the_parameters_gradients_are_demanded),
      TEST(test_unknown_missing_and_double_names_are_errors),
      TEST(test_altered_formulas_are_noticed),
      TEST(test_points_that_are_too_few_leave_survivors),
      TEST(test_of_very_many_wrong_claims_some_are_explained),
      TEST(test_a_pass_without_a_slip_is_backprop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
