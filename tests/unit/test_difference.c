/* Numerical differences: what they call right, wrong and inconclusive. */
#include "nets.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/difference.h"
#include "engine/perturb.h"

static struct plan plan;
static struct run run;
static struct differences differences;
static struct difference found;

static const struct shape *shape_of(node_id node) { return graph_node(&net.graph, node)->shape; }

static void make_differences(const double *upstream) {
  node_id *roots = ARENA_ARRAY(&arena, node_id, net.graph.nodes.count);
  for (size_t i = 0; i < net.graph.nodes.count; i++) roots[i] = (node_id)i;
  differences_make(&differences, &arena, &run, net.output, upstream, roots, net.graph.nodes.count);
}

/* Loads a net, runs it both ways, and prepares to move any node. */
static void prepare(const char *text) {
  load(text);
  struct plan_options options = {
      .output = net.output, .own_starts = true, .all_values = true, .all_gradients = true};
  assert_true(plan_make(&plan, &arena, &report, &net.graph, &options));
  run_make(&run, &arena, &plan);
  assert_true(run_forward(&run));
  assert_true(run_backward(&run, NULL));
  make_differences(NULL);
}

/* A net of one expression over x. */
static void prepare_expression(const char *x, const char *expression) {
  char text[400];
  snprintf(text, sizeof text, "bpgraph: 1\ninputs: {x: %s}\nnodes: {L: '%s'}\noutput: L\n", x,
           expression);
  prepare(text);
}

static enum difference_verdict judge(const char *name, size_t index, double claimed) {
  difference_at(&differences, id(name), index, claimed, &found);
  return found.verdict;
}

static void set_value(const char *name, double value) {
  *(double *)run_value(&run, id(name)) = value;
  assert_true(run_forward(&run));
  differences_base(&differences);
}

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))
static void assert_verdict(const char *name, size_t index, double claimed,
                           enum difference_verdict verdict) {
  if (judge(name, index, claimed) == verdict) return;
  fail_msg(
      "%s, entry %zu: claimed %.17g, measured %.17g +- %g (%.17g, %.17g), verdict %d, reason %d",
      name, index, claimed, found.value, found.error, found.left, found.right, (int)found.verdict,
      (int)found.reason);
}

#define assert_right(name, index, claimed) assert_verdict(name, index, claimed, DIFFERENCE_RIGHT)
#define assert_wrong(name, index, claimed) assert_verdict(name, index, claimed, DIFFERENCE_WRONG)
#define assert_inconclusive(name, index, claimed, why)                                             \
  assert_int_equal(judge(name, index, claimed), DIFFERENCE_INCONCLUSIVE);                          \
  assert_int_equal(found.reason, why)

/* ---- closed forms -------------------------------------------------------------------------- */

static const struct closed {
  const char *expression;
  double x, slope;
} closed[] = {
    {"x", 3, 1},
    {"x ** 3", 2, 12},
    {"exp(x)", 1, 2.718281828459045},
    {"exp(x)", 100, 2.6881171418161356e43},
    {"exp(x)", -30, 9.357622968840175e-14},
    {"log(x)", 0.01, 100},
    {"log(x)", 1e-6, 1e6},
    {"log(x)", 1e-8, 1e8},
    {"sqrt(x)", 4, 0.25},
    {"sin(x)", 1e3, 0.5623790762907029},
    {"sin(100 * x)", 0.5, 96.49660284921133},
    {"1 / x", 0.001, -1e6},
    {"1 / x", 1e-5, -1e10},
    {"1 / x", -1e-6, -1e12},
    {"tan(x)", 1.5707, 107771959.95078619},
    {"sin(1e6 * x)", 0.5, -984061.0061203382},
    {"tanh(1e5 * x)", 1e-5, 41997.434161402605},
    {"tan(x)", 1.5, 199.85004486484047},
    {"tanh(x)", 3, 0.009866037165440192},
    {"x * x", 1e8, 2e8},
    {"x * x", -1e-8, -2e-8},
    {"relu(x)", 0.01, 1},
    {"relu(x)", -1e-7, 0},
    {"relu(x) + 1000", 1e-6, 1},
    {"abs(x)", -0.02, -1},
    {"maximum(x, 0.5)", 0.500001, 1},
    {"clip(x, min=-1, max=1)", 0.99999, 1},
    {"where(x > 1, x ** 2, 2 * x)", 1.0001, 2.0002},
    {"floor(x) * 3 + x", 0.999, 1},
    {"1e6 + x", 0.5, 1},
    {"1e10 * x - 1e10 * x + x", 0.5, 1},
};

static void test_closed_forms_are_right_and_multiples_of_them_wrong(void **state) {
  static const double factors[] = {2, -1, 0.5, 1.001, 0, 1 + 1e-5};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(closed); i++) {
    char x[40];
    teardown(NULL), setup(NULL);
    snprintf(x, sizeof x, "%.17g", closed[i].x);
    prepare_expression(x, closed[i].expression);
    differences.options.ridders = i % 2;
    const double slope = closed[i].slope;
    if (judge("x", 0, slope) != DIFFERENCE_RIGHT)
      fail_msg("%s at %s: %.17g +- %g", closed[i].expression, x, found.value, found.error);
    for (size_t k = 0; k < COUNT_OF(factors); k++)
      if (fabs(slope) > 1e-6 && judge("x", 0, factors[k] * slope) != DIFFERENCE_WRONG)
        fail_msg("%s at %s: %g times the slope: %.17g +- %g: verdict %d", closed[i].expression, x,
                 factors[k], found.value, found.error, (int)found.verdict);
  }
}

static void test_the_error_is_no_smaller_than_the_truth_says(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(closed); i++) {
    char x[40];
    teardown(NULL), setup(NULL);
    snprintf(x, sizeof x, "%.17g", closed[i].x);
    prepare_expression(x, closed[i].expression);
    judge("x", 0, 2 * closed[i].slope + 1);
    assert_near(found.value, closed[i].slope, 16 * found.error + 1e-12 * fabs(closed[i].slope));
  }
}

/* ---- kinks --------------------------------------------------------------------------------- */

static void test_at_a_kink_any_claim_between_the_sides_is_accepted_with_a_note(void **state) {
  static const struct {
    const char *expression, *x;
    double left, right;
    enum difference_verdict beyond;
  } rows[] = {
      {"relu(x)", "0", 0, 1, DIFFERENCE_WRONG},
      {"abs(x)", "0", -1, 1, DIFFERENCE_WRONG},
      {"3 * x + 2 * abs(x)", "0", 1, 5, DIFFERENCE_WRONG},
      {"exp(abs(x)) * 2", "0", -2, 2, DIFFERENCE_WRONG},
      {"maximum(x, 1 - x)", "0.5", -1, 1, DIFFERENCE_WRONG},
      {"minimum(x, 2 * x)", "0", 2, 1, DIFFERENCE_WRONG},
      {"leaky_relu(x, alpha=0.25)", "0", 0.25, 1, DIFFERENCE_WRONG},
      {"clip(x, max=1) ** 2", "1", 2, 0, DIFFERENCE_WRONG},
      {"max(stack(1, x, 0))", "1", 0, 1, DIFFERENCE_INCONCLUSIVE},
      {"hypot(x, 0)", "0", -1, 1, DIFFERENCE_WRONG},
      {"norm(stack(x, 0))", "0", -1, 1, DIFFERENCE_INCONCLUSIVE},
      {"relu(x)", "1e-14", 0, 1, DIFFERENCE_INCONCLUSIVE},
      {"relu(1e5 * (x - 1))", "1.0000000000000002", 0, 1e5, DIFFERENCE_INCONCLUSIVE},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    teardown(NULL), setup(NULL);
    prepare_expression(rows[i].x, rows[i].expression);
    differences.options.ridders = true;
    const double left = rows[i].left, right = rows[i].right, width = fabs(right - left);
    const double claims[] = {left, right, (left + right) / 2};
    for (size_t k = 0; k < COUNT_OF(claims); k++) {
      assert_right("x", 0, claims[k]);
      if (found.reason != DIFFERENCE_KINK || found.kink == NODE_NONE)
        fail_msg("%s at %s: no kink", rows[i].expression, rows[i].x);
      assert_near(found.left, left, 1e-6 * width);
      assert_near(found.right, right, 1e-6 * width);
    }
    /* Where there may be several kinks at once, conventions lead astray: no claim is wrong. */
    assert_verdict("x", 0, fmax(left, right) + 0.1 * width, rows[i].beyond);
    assert_verdict("x", 0, fmin(left, right) - 0.1 * width, rows[i].beyond);
  }
}

static void test_the_first_node_at_a_kink_is_named(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: 0}\nnodes:\n  a: 2 * x\n  b: relu(a)\n  c: abs(b)\n  L: c + x\n"
          "output: L\n");
  assert_right("x", 0, 1);
  assert_int_equal(found.kink, id("b"));
}

static void test_a_jump_is_inconclusive(void **state) {
  (void)state;
  prepare_expression("0", "sign(x)");
  assert_inconclusive("x", 0, 1, DIFFERENCE_KINK);
  teardown(NULL), setup(NULL);
  prepare_expression("2", "floor(x) + x");
  assert_inconclusive("x", 0, 1, DIFFERENCE_KINK);
}

static void test_kinks_that_do_not_move_are_no_kinks(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: [0, 0, 1], w: [[1, 2], [3, 4], [0, 0]]}\n"
          "nodes:\n  z: x @ w\n  L: sum(relu(z) + 2 * z)\noutput: L\n");
  /* z is [0, 0]: at a kink; w[0, 0] is multiplied by 0 and moves nothing. */
  differences.options.ridders = true;
  assert_right("w", 0, 0);
  assert_int_equal(found.reason, DIFFERENCE_PLAIN);
  assert_wrong("w", 0, 0.5);
  assert_right("w", 4, 2.5);
  assert_int_equal(found.reason, DIFFERENCE_KINK);
}

/* Conventions that are fine for each of two kinks may add up to something that is no derivative. */
static void test_two_kinks_at_once_are_never_called_wrong(void **state) {
  (void)state;
  prepare_expression("0", "relu(x) - relu(-x)");
  assert_true(judge("x", 0, 0) != DIFFERENCE_WRONG || fabs(found.left - found.right) < 1e-9);
  teardown(NULL), setup(NULL);
  prepare_expression("0", "relu(x) - 3 * relu(-x)");
  assert_inconclusive("x", 0, 0, DIFFERENCE_KINK);
}

/* ---- what cannot be judged ----------------------------------------------------------------- */

static void test_overflow_is_inconclusive(void **state) {
  (void)state;
  prepare_expression("800", "exp(x)");
  assert_inconclusive("x", 0, 0, DIFFERENCE_OVERFLOW);
  teardown(NULL), setup(NULL);
  prepare_expression("-1", "log(x)");
  assert_inconclusive("x", 0, -1, DIFFERENCE_OVERFLOW);
  teardown(NULL), setup(NULL);
  prepare_expression(".inf", "tanh(x)");
  assert_inconclusive("x", 0, 0, DIFFERENCE_OVERFLOW);
}

static void test_near_overflow_the_step_is_shortened(void **state) {
  (void)state;
  prepare_expression("709.7", "exp(x) * 1e-300");
  assert_right("x", 0, *run_bar(&run, id("x")));
  differences.options.ridders = true;
  assert_right("x", 0, *run_bar(&run, id("x")));
  assert_wrong("x", 0, 2 * *run_bar(&run, id("x")));
}

static void test_noise_is_inconclusive(void **state) {
  (void)state;
  /* The sum's rounding hides x but for some digits. */
  prepare("bpgraph: 1\ninputs: {x: 0.5}\nnodes:\n  big: exp(x) * 1e14\n"
          "  L: exp(log(big + exp(1e-3 * x))) - big\noutput: L\n");
  assert_true(judge("x", 0, 1e-3) != DIFFERENCE_WRONG);
  assert_true(judge("x", 0, 2e-3) != DIFFERENCE_RIGHT);
}

static void test_claims_that_are_no_numbers(void **state) {
  (void)state;
  prepare_expression("2", "x * x");
  assert_wrong("x", 0, NAN);
  assert_inconclusive("x", 0, INFINITY, DIFFERENCE_CLAIM);
}

/* ---- what moves and what does not ---------------------------------------------------------- */

static void test_intermediate_nodes_are_moved_alone(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: 3}\nnodes:\n  s: x ** 2\n  t: s * x\n  L: t + 5 * s\n"
          "output: L\n");
  assert_right("s", 0, 8); /* x + 5 */
  assert_right("t", 0, 1);
  assert_right("L", 0, 1);
  assert_right("x", 0, 57); /* 3 x^2 + 10 x */
  assert_wrong("s", 0, 3);
}

static void test_nothing_passes_stop_gradient(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: 3, y: 2}\nnodes:\n  s: stop_gradient(x * y)\n  L: s * x\n"
          "output: L\n");
  assert_right("x", 0, 6);
  assert_right("y", 0, 0);
  assert_right("s", 0, 3);
  assert_wrong("x", 0, 12);
}

static void test_functions_with_a_derivative_of_their_own_are_judged_by_their_values(void **state) {
  (void)state;
  prepare("bpgraph: 1\n"
          "functions:\n  f: {inputs: [a, b], output: a * b ** 2, backward: {b: 7 * upstream}}\n"
          "inputs: {x: 3, y: 2}\nnodes: {L: 'f(x, y) + x'}\noutput: L\n");
  assert_right("x", 0, 5);
  assert_right("y", 0, 12);
  assert_wrong("y", 0, *run_bar(&run, id("y")));
  assert_near(*run_bar(&run, id("y")), 7, 0);
}

static void test_indices_do_not_move(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: [1, 2, 3]}\nconstants: {i: 1}\n"
          "nodes: {L: 'pick(x, i) + max(x) * x[0]'}\noutput: L\n");
  assert_right("x", 0, 3);
  assert_right("x", 1, 1);
  assert_right("x", 2, 1);
  assert_right("i", 0, 0);
}

static void test_what_leads_nowhere_has_a_derivative_of_0(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: 3, y: 1}\nnodes: {a: 2 * y, L: x * x}\noutput: L\n");
  assert_right("y", 0, 0);
  assert_right("a", 0, 0);
  assert_wrong("y", 0, 1);
  /* So it has where the run has no values for it. */
  assert_true(
      plan_make(&plan, &arena, &report, &net.graph, &(struct plan_options){.output = net.output}));
  run_make(&run, &arena, &plan);
  assert_true(run_forward(&run));
  make_differences(NULL);
  assert_right("a", 0, 0);
  assert_right("x", 0, 6);
}

static void test_upstream_weighs_the_output(void **state) {
  static const double upstream[] = {1, 10, -100};
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: [1, 2, 3]}\nnodes: {y: x ** 2}\noutput: y\n");
  make_differences(upstream);
  assert_right("x", 0, 2);
  assert_right("x", 1, 40);
  assert_right("x", 2, -600);
}

static void test_the_point_is_the_runs(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: 3, i: 0}\nnodes: {v: 'stack(x ** 2, x ** 3)', L: 'v[i]'}\n"
          "output: L\n");
  assert_right("x", 0, 6);
  set_value("x", 5);
  assert_right("x", 0, 10);
  assert_wrong("x", 0, 6);
  set_value("i", 1); /* which entry goes where is another question now */
  assert_right("x", 0, 75);
}

static void test_directions(void **state) {
  static const double direction[] = {1, -2, 0.5, 0};
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: [1, 2, 3, 4]}\nnodes: {L: sum(x ** 3)}\noutput: L\n");
  difference_along(&differences, id("x"), direction, 3 - 24 + 13.5, &found);
  assert_int_equal(found.verdict, DIFFERENCE_RIGHT);
  difference_along(&differences, id("x"), direction, 3 + 24 + 13.5, &found);
  assert_int_equal(found.verdict, DIFFERENCE_WRONG);
  assert_near(found.value, -7.5, 1e-9);
}

/* ---- parts --------------------------------------------------------------------------------- */

static size_t reach(const char *name, size_t index) {
  perturb_entry(differences.perturb, id(name), index);
  return perturb_reach(differences.perturb);
}

static void test_only_what_an_entry_reaches_is_computed(void **state) {
  (void)state;
  prepare("bpgraph: 1\ninputs: {x: {normal: {shape: [8, 20]}}}\n"
          "parameters:\n  W: {normal: {shape: [20, 30]}}\n  b: {normal: {shape: [30]}}\n"
          "nodes:\n  z: x @ W\n  h: tanh(z + b)\n  y: h.T\n  f: reshape(y, shape=[6, 40])\n"
          "  L: sum(f ** 2)\noutput: L\n");
  /* One row of z, z + b and h, as much of the others, and L. */
  assert_int_equal(reach("x", 45), 1 + 3 * 30 + 30 + 6 * 33 + 6 * 33 + 1);
  assert_int_equal(reach("W", 45), 1 + 3 * 8 + 8 + 8 + 8 + 1);
  assert_int_equal(reach("b", 7), 1 + 2 * 8 + 8 + 8 + 8 + 1);
  assert_int_equal(reach("h", 9), 1 + 1 + 1 + 1 + 1);
}

/* ---- nets ---------------------------------------------------------------------------------- */

/* The nodes that lead to the output otherwise than as the body of a function with a derivative of
 * its author's: within one, backprop has no gradients, but differences have. */
static bool *find_open(void) {
  bool *open = ARENA_ARRAY(&arena, bool, plan.node_count);
  open[net.output] = true;
  for (size_t i = plan.node_count; i-- > 0;) {
    const struct node *node = graph_node(&net.graph, (node_id)i);
    for (unsigned k = 0; open[i] && k < node->count; k++)
      if (!node->op->wraps || k > 0) open[graph_inputs(&net.graph, node)[k]] = true;
  }
  return open;
}

/* Checks every node that has a gradient against backprop; counts the verdicts. */
static struct tensor_summary check_all_nodes(size_t limit) {
  struct tensor_summary sum = {0};
  const bool *open = find_open();
  for (size_t i = 0; i < plan.node_count; i++) {
    const struct node *node = graph_node(&net.graph, (node_id)i);
    const double *gradient = run_bar(&run, (node_id)i);
    if (!gradient || node->backward || !open[i]) continue;
    struct tensor_check check = {
        .root = (node_id)i, .claimed = gradient, .limit = limit, .seed = i};
    struct tensor_summary summary;
    difference_tensor(&differences, &check, &summary);
    sum.checked += summary.checked + summary.directions;
    sum.right += summary.right;
    sum.wrong += summary.wrong + summary.wrong_directions;
    sum.inconclusive += summary.inconclusive + summary.inconclusive_directions;
    if (summary.verdict == DIFFERENCE_WRONG)
      print_error("node %zu (%s), entry %zu: backprop %.17g, differences %.17g +- %g, %s\n", i,
                  node->op ? node->op->name : "start", summary.worst,
                  summary.worst < SIZE_MAX ? gradient[summary.worst] : NAN,
                  summary.difference.value, summary.difference.error,
                  difference_reason_text(summary.difference.reason));
  }
  return sum;
}

static double next_uniform(uint64_t *random) {
  return (double)(next_random(random) >> 11) * 0x1p-53;
}

/* A random net of scalars and tensors, in ops that are smooth or have kinks. */
static void write_random_net(struct text *out, uint64_t seed, bool kinked) {
  static const char *const smooth[] = {
      "tanh(%s) + %s",           "%s * %s",   "sigmoid(%s) - %s",  "%s @ %s", "softmax(%s) * %s",
      "sin(%s) * exp(0.3 * %s)", "%s.T + %s", "%s / (2 + %s ** 2)"};
  static const char *const kinks[] = {"relu(%s) - %s", "maximum(%s, %s)", "abs(%s) * 0.5 + %s"};
  text_puts(out, "bpgraph: 1\ninputs:\n");
  for (unsigned i = 0; i < 3; i++)
    text_printf(out, "  n%u: {normal: {shape: [3, 3], seed: %u}}\n", i, (unsigned)(seed * 3 + i));
  text_puts(out, "nodes:\n");
  for (unsigned i = 3; i < 14; i++) {
    char a[8], b[8];
    snprintf(a, sizeof a, "n%u", (unsigned)(next_random(&seed) % i));
    snprintf(b, sizeof b, "n%u", i - 1);
    const bool kink = kinked && next_uniform(&seed) < 0.4;
    const char *form = kink ? kinks[next_random(&seed) % COUNT_OF(kinks)]
                            : smooth[next_random(&seed) % COUNT_OF(smooth)];
    text_printf(out, "  n%u: tanh(0.5 * (", i);
    for (const char *c = form, *next = a; *c; c++) {
      if (c[0] == '%' && c[1] == 's')
        text_puts(out, next), next = b, c++;
      else
        text_char(out, *c);
    }
    text_puts(out, "))\n");
  }
  text_puts(out, "  L: sum(n13 ** 2)\noutput: L\n");
}

static void test_random_nets_agree_with_backprop_and_planted_slips_do_not(void **state) {
  (void)state;
  size_t checked = 0, inconclusive = 0;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    struct text text;
    teardown(NULL), setup(NULL);
    text_init(&text, &arena, NULL, NULL);
    write_random_net(&text, seed, seed % 2);
    prepare(text_string(&text));
    differences.options.ridders = seed % 4 < 2;
    const struct tensor_summary sum = check_all_nodes(1000);
    checked += sum.checked, inconclusive += sum.inconclusive;
    assert_int_equal(sum.wrong, 0);
    for (size_t i = 0; i < 9; i++) {
      const double slope = run_bar(&run, id("n2"))[i];
      if (fabs(slope) < 1e-3) continue;
      assert_wrong("n2", i, 2 * slope);
      assert_wrong("n2", i, -slope);
      assert_wrong("n2", i, slope * 1.0001);
    }
  }
  assert_true(checked > 4000);
  assert_int_equal(inconclusive, 0);
}

/* ---- the examples -------------------------------------------------------------------------- */

/* Loads and runs an example; false where it is large. */
static bool prepare_file(const char *path) {
  enum { LARGE = 200000 };
  const struct load_options load_options = {.path = path};
  assert_true(net_load(&net, &arena, &report, &load_options));
  size_t entries = 0;
  for (size_t i = 0; i < net.graph.nodes.count; i++) entries += shape_of((node_id)i)->size;
  if (entries > LARGE) return false;
  struct plan_options options = {
      .output = net.output, .own_starts = true, .all_values = true, .all_gradients = true};
  assert_true(plan_make(&plan, &arena, &report, &net.graph, &options));
  run_make(&run, &arena, &plan);
  const double *upstream =
      net.upstream == NODE_NONE ? NULL : graph_node(&net.graph, net.upstream)->value;
  assert_true(run_forward(&run));
  assert_true(run_backward(&run, upstream));
  make_differences(upstream);
  return true;
}

static void test_all_examples_agree_with_backprop(void **state) {
  (void)state;
  size_t nets = 0, large = 0, checked = 0, inconclusive = 0;
  DIR *folder = opendir("examples");
  assert_non_null(folder);
  for (struct dirent *file; (file = readdir(folder));) {
    char path[300];
    if (!strstr(file->d_name, ".yaml")) continue;
    snprintf(path, sizeof path, "examples/%s", file->d_name);
    teardown(NULL), setup(NULL);
    nets++;
    if (!prepare_file(path)) {
      large++;
      continue;
    }
    const struct tensor_summary sum = check_all_nodes(2000);
    if (sum.wrong) print_error("%s: %zu of %zu are wrong\n", path, sum.wrong, sum.checked);
    checked += sum.checked, inconclusive += sum.inconclusive;
    assert_int_equal(sum.wrong, 0);
  }
  closedir(folder);
  /* The exponents of negative numbers are at a kink: nodes of derivatives by rules. */
  assert_true(nets > 50 && large <= 2 && checked > 1500 && inconclusive <= 10);
}

static void test_a_long_chain_is_no_matter(void **state) {
  (void)state;
  enum { LINKS = 100000 };
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_puts(&text, "bpgraph: 1\ninputs: {n0: 0.5}\nnodes:\n");
  for (int i = 1; i <= LINKS; i++)
    text_printf(&text, "  n%d: n%d %s\n", i, i - 1, i % 2 ? "* 1.5" : "/ 1.5 + 1e-9");
  text_printf(&text, "output: n%d\n", LINKS);
  prepare(text_string(&text));
  assert_right("n0", 0, 1);
  assert_wrong("n0", 0, 1.1);
}

/* ---- tensors ------------------------------------------------------------------------------- */

static double *copy_gradient(const char *name) {
  const size_t size = shape_of(id(name))->size;
  double *copy = ARENA_ARRAY(&arena, double, size + 1);
  memcpy(copy, run_bar(&run, id(name)), size * sizeof *copy);
  return copy;
}

static void prepare_layer(void) {
  prepare("bpgraph: 1\ninputs: {x: {normal: {shape: [5, 40]}}}\n"
          "parameters: {W: {normal: {shape: [40, 30], std: 0.2}}}\n"
          "nodes: {h: relu(x @ W), L: mean(h ** 2)}\noutput: L\n");
}

static struct tensor_summary check_tensor(const char *name, const double *claimed, size_t limit) {
  struct tensor_check check = {.root = id(name), .claimed = claimed, .limit = limit, .seed = 42};
  struct tensor_summary summary;
  difference_tensor(&differences, &check, &summary);
  return summary;
}

static void test_all_entries_are_checked_up_to_the_limit(void **state) {
  (void)state;
  prepare_layer();
  double *claimed = copy_gradient("W");
  struct tensor_summary summary = check_tensor("W", claimed, 1200);
  assert_int_equal(summary.entries, 1200);
  assert_int_equal(summary.checked, 1200);
  assert_int_equal(summary.right, 1200);
  assert_int_equal(summary.directions, 0);
  assert_int_equal(summary.verdict, DIFFERENCE_RIGHT);
  claimed[777] += 1e-3, claimed[3] -= 1e-4;
  summary = check_tensor("W", claimed, 1200);
  assert_int_equal(summary.wrong, 2);
  assert_int_equal(summary.right, 1198);
  assert_int_equal(summary.worst, 777);
  assert_int_equal(summary.verdict, DIFFERENCE_WRONG);
  assert_near(summary.largest, 1e-3, 1e-9);
}

static void test_beyond_the_limit_a_sample_and_directions_are(void **state) {
  (void)state;
  prepare_layer();
  double *claimed = copy_gradient("W");
  struct tensor_summary summary = check_tensor("W", claimed, 100);
  assert_int_equal(summary.checked, 100);
  assert_int_equal(summary.right, 100);
  assert_int_equal(summary.directions, DIFFERENCE_DIRECTIONS);
  assert_int_equal(summary.verdict, DIFFERENCE_RIGHT);
  /* One entry in 1200 that is wrong: the directions see it. */
  claimed[501] += 0.01;
  summary = check_tensor("W", claimed, 20);
  assert_int_equal(summary.wrong_directions, DIFFERENCE_DIRECTIONS);
  assert_int_equal(summary.verdict, DIFFERENCE_WRONG);
}

static void test_work_is_limited_too(void **state) {
  (void)state;
  prepare_layer();
  const double one = differences_work(&differences, id("W"));
  assert_true(one > 2 * 5 && one < 1000); /* a column of h of 5, some times */
  struct tensor_check check = {.root = id("W"), .claimed = copy_gradient("W"), .limit = 1200};
  struct tensor_summary summary;
  check.work = 100.5 * one;
  difference_tensor(&differences, &check, &summary);
  assert_int_equal(summary.checked, 100);
  assert_int_equal(summary.directions, DIFFERENCE_DIRECTIONS);
  check.work = one / 2;
  difference_tensor(&differences, &check, &summary);
  assert_int_equal(summary.checked, 1);
  check.work = 1201 * one;
  difference_tensor(&differences, &check, &summary);
  assert_int_equal(summary.checked, 1200);
  assert_int_equal(summary.directions, 0);
}

static void test_nothing_is_allocated_once_it_is_warm(void **state) {
  (void)state;
  prepare_layer();
  const double *claimed = copy_gradient("W");
  check_tensor("W", claimed, 1000);
  const struct arena before = arena;
  check_tensor("W", claimed, 1000);
  check_tensor("W", claimed, 100);
  assert_ptr_equal(arena.next, before.next);
  assert_ptr_equal(arena.chunks, before.chunks);
  assert_ptr_equal(arena.blocks, before.blocks);
  assert_ptr_equal(arena.pages, before.pages);
}

static size_t calls, last_done, last_total;
static void count_progress(void *context, size_t done, size_t total) {
  assert_ptr_equal(context, &calls);
  assert_true(done > last_done);
  calls++, last_done = done, last_total = total;
}

static void test_progress_is_told_seldom_and_at_the_end(void **state) {
  (void)state;
  prepare_layer();
  differences.progress = count_progress, differences.context = &calls;
  calls = last_done = 0;
  check_tensor("W", copy_gradient("W"), 5000);
  assert_int_equal(last_done, 1200);
  assert_int_equal(last_total, 1200);
  assert_true(calls >= 2 && calls < 20);
}

static void test_a_limit_is_shared_so_that_small_tensors_are_checked_whole(void **state) {
  (void)state;
  static const size_t sizes[] = {10, 5000, 100000, 0, 30};
  size_t limits[5];
  differences_share(1000, 5, sizes, limits);
  assert_int_equal(limits[0], 10);
  assert_int_equal(limits[1], 480);
  assert_int_equal(limits[2], 480);
  assert_int_equal(limits[3], 0);
  assert_int_equal(limits[4], 30);
  differences_share(200000, 5, sizes, limits);
  for (size_t i = 0; i < 5; i++) assert_int_equal(limits[i], sizes[i]);
  differences_share(2, 5, sizes, limits);
  assert_int_equal(limits[2], 1);
}

static void test_digits_are_those_that_are_known(void **state) {
  (void)state;
  assert_int_equal(difference_digits(&(struct difference){.value = 2, .error = 1e-12}), 6);
  assert_int_equal(difference_digits(&(struct difference){.value = 2, .error = 1e-7}), 3);
  assert_int_equal(difference_digits(&(struct difference){.value = 2, .error = 1e-3}), 0);
  assert_int_equal(difference_digits(&(struct difference){.value = 0, .error = 0}), 6);
  assert_int_equal(difference_digits(&(struct difference){.value = NAN, .error = NAN}), 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(test_closed_forms_are_right_and_multiples_of_them_wrong),
      TEST(test_the_error_is_no_smaller_than_the_truth_says),
      TEST(test_at_a_kink_any_claim_between_the_sides_is_accepted_with_a_note),
      TEST(test_the_first_node_at_a_kink_is_named),
      TEST(test_a_jump_is_inconclusive),
      TEST(test_kinks_that_do_not_move_are_no_kinks),
      TEST(test_two_kinks_at_once_are_never_called_wrong),
      TEST(test_overflow_is_inconclusive),
      TEST(test_near_overflow_the_step_is_shortened),
      TEST(test_noise_is_inconclusive),
      TEST(test_claims_that_are_no_numbers),
      TEST(test_intermediate_nodes_are_moved_alone),
      TEST(test_nothing_passes_stop_gradient),
      TEST(test_functions_with_a_derivative_of_their_own_are_judged_by_their_values),
      TEST(test_indices_do_not_move),
      TEST(test_what_leads_nowhere_has_a_derivative_of_0),
      TEST(test_upstream_weighs_the_output),
      TEST(test_the_point_is_the_runs),
      TEST(test_directions),
      TEST(test_only_what_an_entry_reaches_is_computed),
      TEST(test_random_nets_agree_with_backprop_and_planted_slips_do_not),
      TEST(test_all_examples_agree_with_backprop),
      TEST(test_a_long_chain_is_no_matter),
      TEST(test_all_entries_are_checked_up_to_the_limit),
      TEST(test_beyond_the_limit_a_sample_and_directions_are),
      TEST(test_work_is_limited_too),
      TEST(test_nothing_is_allocated_once_it_is_warm),
      TEST(test_progress_is_told_seldom_and_at_the_end),
      TEST(test_a_limit_is_shared_so_that_small_tensors_are_checked_whole),
      TEST(test_digits_are_those_that_are_known),
  };
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  return cmocka_run_group_tests_name("difference", tests, NULL, NULL);
}
