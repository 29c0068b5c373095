/* plan and engine: what is computed, in which order, and how often. */
#include "nets.h"

#include <math.h>
#include <stdio.h>

#include "engine/run.h"
#include "ops/registry.h"

static struct plan plan;
static struct run run;

static void make_plan(const struct plan_options *options) {
  assert_true(plan_make(&plan, &arena, &report, &net.graph, options));
}

/* Plans the net's output with respect to `wrt` ("x w"), and runs it both ways. */
static void run_net(const char *wrt) {
  node_id ids[32];
  size_t count = 0;
  for (char *name = strtok(arena_copy(&arena, wrt, strlen(wrt)), " "); name;
       name = strtok(NULL, " "))
    ids[count++] = id(name);
  make_plan(&(struct plan_options){.output = net.output, .wrt = ids, .wrt_count = count});
  run_make(&run, &arena, &plan);
  assert_true(run_forward(&run));
  run_backward(&run, NULL);
}

static double value(const char *name) { return run_value(&run, id(name))[0]; }
static double gradient(const char *name) { return run_bar(&run, id(name))[0]; }
static bool has_value(const char *name) { return run_value(&run, id(name)) != NULL; }
static bool has_gradient(const char *name) { return run_bar(&run, id(name)) != NULL; }

/* How much is done on the way there and back. */
static size_t forward_steps(void) { return plan.tape.count + plan.calls.count; }
static size_t backward_steps(void) {
  size_t calls = 0;
  for (size_t i = 0; i < plan.backward.count; i++) calls += plan.backward.at[i].kind != SPAN_TAPE;
  return plan.back.count + calls;
}

/* ---- order ------------------------------------------------------------------------------- */

static void check_topological(void) {
  for (node_id i = 0; i < net.graph.nodes.count; i++) {
    const struct node *node = graph_node(&net.graph, i);
    for (unsigned k = 0; k < node->count; k++) assert_true(graph_inputs(&net.graph, node)[k] < i);
  }
}

static void test_the_files_order_is_kept_where_it_is_valid(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 1}\nnodes:\n  c: x\n  b: x + c\n  a: x * b\n  L: a + b + c\n");
  check_topological();
  assert_true(id("x") < id("c") && id("c") < id("b") && id("b") < id("a") && id("a") < id("L"));
}

static void test_what_must_wait_waits_and_no_longer(void **state) {
  (void)state;
  load("bpgraph: 1\nnodes:\n  L: a + z\n  a: b * x\n  free: x + 1\n  b: x + c\n  c: x\n  z: x + 2\n"
       "inputs: {x: 1}\noutput: L\n");
  check_topological();
  assert_true(id("free") < id("b")); /* it waits for x only, which comes last */
  assert_true(id("c") < id("b") && id("b") < id("a") && id("a") < id("L"));
}

/* A random graph of n nodes, written in this order. */
static const char *write_random_net(size_t n, const size_t *order) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_puts(&text, "bpgraph: 1\noutput: n0\ninputs: {x: 0.5}\nnodes:\n");
  for (size_t k = 0; k < n; k++) {
    size_t i = order[k];
    uint64_t random = i;
    size_t a = i + 1 + next_random(&random) % 5, b = i + 1 + next_random(&random) % 5;
    text_printf(&text, "  n%zu: ", i);
    if (i + 6 > n)
      text_puts(&text, "sin(x)\n");
    else
      text_printf(&text, "sin(n%zu) * n%zu + 0.5\n", a, b);
  }
  return text_string(&text);
}

static void test_any_order_of_the_file_gives_the_same(void **state) {
  (void)state;
  enum { N = 2000 };
  size_t order[N];
  uint64_t random = 5;
  double values[4], gradients[4];
  for (int turn = 0; turn < 4; turn++) {
    for (size_t i = 0; i < N; i++)
      order[i] = turn % 2 ? i : N - 1 - i; /* the right way, reversed */
    for (size_t i = N - 1; turn > 1 && i > 0; i--) {
      size_t k = next_random(&random) % (i + 1), kept = order[i];
      order[i] = order[k], order[k] = kept;
    }
    load(write_random_net(N, order));
    check_topological();
    run_net("x");
    values[turn] = value("n0");
    gradients[turn] = gradient("x");
    assert_true(isfinite(values[turn]) && isfinite(gradients[turn]));
  }
  for (int turn = 1; turn < 4; turn++) {
    assert_true(values[turn] == values[0]);
    assert_true(fabs(gradients[turn] - gradients[0]) <= 1e-12 * fabs(gradients[0]));
  }
}

static void test_cycles_are_found_among_many(void **state) {
  (void)state;
  assert_false(try_load("bpgraph: 1\ninputs: {x: 1}\nnodes:\n  a: b\n  b: c + x\n  c: a\n  d: d\n"
                        "  e: a + 1\n  f: x\noutput: f\n"));
  assert_int_equal(said(108), 2); /* a b c, and d; e only needs what is on a cycle */
  assert_int_equal(report.messages.count, 2);
}

/* ---- who takes part ---------------------------------------------------------------------- */

static void test_only_what_lies_between_wrt_and_output_is_differentiated(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 2, X: [1, 2]}\nparameters: {w: 3, v: 4}\nnodes:\n  a: x * 2\n"
       "  b: w * a\n  c: v ** 2\n  d: sum(X * w)\n  aside: exp(w)\n  L: b + c + d\noutput: L\n");
  run_net("w");
  static const char *const in[] = {"w", "b", "d", "L", "d.1"}, *const out[] = {"x", "a", "v", "c",
                                                                               "X"};
  for (size_t i = 0; i < COUNT_OF(in); i++) assert_true(has_gradient(in[i]));
  for (size_t i = 0; i < COUNT_OF(out); i++) assert_false(has_gradient(out[i]));
  assert_false(has_value("aside")); /* it does not lead to the output */
  assert_false(has_gradient("aside"));
  assert_true(gradient("w") == 4 + 3);
  size_t steps = backward_steps();
  assert_in_range(steps, 4, 5); /* b, the two parts of L, d and its product */
  run_net("x w v X");
  assert_in_range(backward_steps(), steps + 2, steps + 4); /* a and c besides */
}

static void test_nothing_is_differentiated_where_nobody_asks(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 2, X: [1, 2]}\nnodes: {L: x * sum(X)}\n");
  run_net("");
  assert_true(value("L") == 6);
  assert_int_equal(backward_steps(), 0);
  assert_false(has_gradient("L"));
}

static void test_everything_is_where_everything_is_wanted(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 2}\nconstants: {c: 3}\nnodes:\n  a: x * c\n  aside: x + c\n"
       "  b: a > 5\n  L: a * b\noutput: L\n");
  make_plan(
      &(struct plan_options){.output = net.output, .all_values = true, .all_gradients = true});
  run_make(&run, &arena, &plan);
  assert_true(run_forward(&run));
  run_backward(&run, NULL);
  assert_true(value("aside") == 5);
  assert_false(has_gradient("aside") && gradient("aside") != 0);
  assert_false(has_gradient("c"));
  assert_true(gradient("x") == 3 && gradient("a") == 1);
  assert_true(gradient("b") == 6); /* and there it ends: a comparison hands nothing on */
}

static void test_no_gradient_flows_through_indices(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {X: [[1, 2], [3, 4]], i: 1}\nnodes: {r: \"X[i]\", L: sum(r * r)}\n");
  run_net("X i");
  assert_false(has_gradient("i"));
  const double *bar = run_bar(&run, id("X"));
  assert_true(bar[0] == 0 && bar[1] == 0 && bar[2] == 6 && bar[3] == 8);
}

/* ---- fan-out ----------------------------------------------------------------------------- */

static void test_a_diamond_adds_up(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 3}\nnodes: {a: x ** 2, b: 5 * x, c: a * b, L: c + x}\n");
  run_net("x");
  assert_true(value("L") == 9 * 15 + 3);
  assert_true(gradient("x") == 15 * 9 + 1); /* 5 x^3 + x */
}

static void test_a_node_that_is_used_twice_by_one(void **state) {
  (void)state;
  load(
      "bpgraph: 1\ninputs: {x: 3, v: [1, 2], W: [[1, 2], [3, 4]]}\nnodes:\n  a: x * x\n  b: x - x\n"
      "  c: v * v\n  d: sum(W @ W)\n  L: a + b + sum(c) + d\n");
  run_net("x v W");
  assert_true(gradient("x") == 6);
  assert_true(run_bar(&run, id("v"))[1] == 4);
  static const double expected[] = {7, 11, 9, 13}; /* columns' and rows' sums */
  for (int i = 0; i < 4; i++) assert_true(run_bar(&run, id("W"))[i] == expected[i]);
}

static void test_many_users_of_a_tensor(void **state) {
  (void)state;
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_puts(&text, "bpgraph: 1\ninputs: {v: [1, 2, 3]}\nnodes:\n");
  for (int i = 0; i < 100; i++) text_printf(&text, "  a%d: v * %d\n", i, i);
  text_puts(&text, "  L: sum(a0");
  for (int i = 1; i < 100; i++) text_printf(&text, " + a%d", i);
  text_puts(&text, ")\n");
  load(text_string(&text));
  run_net("v");
  for (int i = 0; i < 3; i++) assert_true(run_bar(&run, id("v"))[i] == 4950);
}

/* ---- cost -------------------------------------------------------------------------------- */

/* Three edges from each step to the next: 3^n paths. */
static void load_ladder(int n) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_puts(&text, "bpgraph: 1\ninputs: {s0: 1}\nnodes:\n");
  for (int i = 0; i < n; i++) text_printf(&text, "  s%d: s%d + s%d + s%d\n", i + 1, i, i, i);
  load(text_string(&text));
  run_net("s0");
}

static void test_a_ladder_of_729_paths_costs_its_edges(void **state) {
  (void)state;
  load_ladder(6);
  assert_true(gradient("s0") == 729);
  size_t there = forward_steps(), back = backward_steps();
  assert_int_equal(there, 12);
  assert_int_equal(back, 12);
  load_ladder(600);
  assert_true(fabs(gradient("s0") / pow(3, 600) - 1) < 1e-12);
  assert_int_equal(forward_steps(), 100 * there);
  assert_int_equal(backward_steps(), 100 * back);
}

static const struct op *find_op(const char *name) { return op_find(name, strlen(name)); }

/* A graph made without a file. */
static void test_a_chain_of_a_million_nodes(void **state) {
  (void)state;
  enum { LENGTH = 1000000 };
  graph_init(&net.graph, &arena, &report);
  struct mark nowhere = {0, 0};
  double start = 0;
  node_id x = graph_start(&net.graph, ROLE_INPUT, net.graph.shapes.scalar, &start, nowhere);
  node_id one = graph_literal(&net.graph, 1, nowhere), at = x;
  for (int i = 0; i < LENGTH; i++)
    at = graph_add(&net.graph, find_op("add"), NULL, 2, (node_id[]){at, one}, nowhere, nowhere);
  make_plan(&(struct plan_options){.output = at, .wrt = &x, .wrt_count = 1});
  run_make(&run, &arena, &plan);
  assert_true(run_forward(&run));
  run_backward(&run, NULL);
  assert_true(*run_value(&run, at) == LENGTH);
  assert_true(*run_bar(&run, x) == 1);
  assert_int_equal(forward_steps(), LENGTH);
  assert_int_equal(plan.forward.count, 1); /* one stretch of tape */
}

static void test_a_chain_of_tensors(void **state) {
  (void)state;
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_puts(&text, "bpgraph: 1\ninputs: {n0: [1, 2]}\nnodes:\n");
  for (int i = 0; i < 20000; i++) text_printf(&text, "  n%d: -n%d\n", i + 1, i);
  text_puts(&text, "upstream: [1, 3]\n");
  load(text_string(&text));
  run_net("n0");
  assert_true(run_value(&run, net.output)[1] == 2);
  assert_true(run_bar(&run, id("n0"))[1] ==
              1); /* upstream is given to run_backward, not the net's */
}

/* ---- runs -------------------------------------------------------------------------------- */

static const char *const mixed =
    "bpgraph: 1\ninputs: {x: [1, -2, 3], s: 0.5}\nparameters: {W: [[1, 2, 3], [4, 5, 6]]}\nnodes:\n"
    "  h: W @ x\n  a: tanh(h * s) + h\n  p: softmax(a)\n  b: \"concat(p, a, axis=0)[1:]\"\n"
    "  t: sin(s) * s\n  L: sum(b * b) * t\n";

static void copy_bars(double *to) {
  static const char *const names[] = {"x", "s", "W"};
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    size_t size = graph_node(&net.graph, id(names[i]))->shape->size;
    memcpy(to, run_bar(&run, id(names[i])), size * sizeof *to);
    to += size;
  }
}

static void test_a_run_that_is_used_twice_gives_the_same(void **state) {
  (void)state;
  double first[10], again[10], twice[10];
  load(mixed);
  run_net("x s W");
  copy_bars(first);
  run_backward(&run, NULL); /* nothing is left over from the last time */
  copy_bars(again);
  assert_memory_equal(again, first, sizeof first);
  assert_true(run_forward(&run));
  run_backward(&run, (const double[]){2});
  copy_bars(twice);
  for (int i = 0; i < 10; i++) assert_true(twice[i] == 2 * first[i]);
}

static void test_runs_of_one_plan_are_apart(void **state) {
  (void)state;
  load(mixed);
  node_id wrt[] = {id("x"), id("s"), id("W")};
  make_plan(
      &(struct plan_options){.output = net.output, .wrt = wrt, .wrt_count = 3, .own_starts = true});
  struct run runs[2];
  for (int i = 0; i < 2; i++) run_make(&runs[i], &arena, &plan);
  double *s = (double *)run_value(&runs[1], id("s")), *x = (double *)run_value(&runs[1], id("x"));
  *s = 2, x[0] = 7;
  for (int i = 0; i < 2; i++) assert_true(run_forward(&runs[i]));
  for (int i = 2; i-- > 0;) run_backward(&runs[i], NULL);
  assert_true(*run_value(&runs[0], id("s")) == 0.5 && run_value(&runs[0], id("x"))[0] == 1);
  assert_true(*run_value(&runs[0], net.output) != *run_value(&runs[1], net.output));
  double apart[10], alone[10];
  run = runs[0];
  copy_bars(apart);
  run_net("x s W");
  copy_bars(alone);
  assert_memory_equal(apart, alone, sizeof alone);
}

static void test_upstream_seeds_the_output(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2, 3]}\nnodes: {y: x * x}\n");
  run_net("x");
  assert_true(run_bar(&run, id("x"))[2] == 6); /* without: ones */
  run_backward(&run, (const double[]){1, 10, 100});
  assert_true(run_bar(&run, id("x"))[0] == 2 && run_bar(&run, id("x"))[2] == 600);
  assert_true(run_bar(&run, id("y"))[1] == 10);
}

static void test_the_output_itself_may_be_wanted(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: 2}\nnodes: {y: x * x}\n");
  run_net("y");
  assert_true(gradient("y") == 1);
  assert_false(has_gradient("x"));
}

static void test_a_fault_of_a_kernel_stops_the_run(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: [1, 2], i: 2}\nnodes: {y: \"x[i]\"}\n");
  make_plan(&(struct plan_options){.output = net.output});
  run_make(&run, &arena, &plan);
  assert_false(run_forward(&run));
  assert_int_equal(run.fault_node, id("y"));
  assert_int_equal(run.fault.input, 1);
  assert_true(run.fault.number == 2);
}

static void test_more_than_the_machine_has_is_refused(void **state) {
  (void)state;
  load("bpgraph: 1\ninputs: {x: {ones: [10000000, 1]}}\nnodes: {L: sum(x * x.T)}\n");
  node_id wrt = id("x");
  assert_false(
      plan_make(&plan, &arena, &report, &net.graph,
                &(struct plan_options){.output = net.output, .wrt = &wrt, .wrt_count = 1}));
  assert_int_equal(said(211), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_the_files_order_is_kept_where_it_is_valid),
      TEST(test_what_must_wait_waits_and_no_longer),
      TEST(test_any_order_of_the_file_gives_the_same),
      TEST(test_cycles_are_found_among_many),
      TEST(test_only_what_lies_between_wrt_and_output_is_differentiated),
      TEST(test_nothing_is_differentiated_where_nobody_asks),
      TEST(test_everything_is_where_everything_is_wanted),
      TEST(test_no_gradient_flows_through_indices),
      TEST(test_a_diamond_adds_up),
      TEST(test_a_node_that_is_used_twice_by_one),
      TEST(test_many_users_of_a_tensor),
      TEST(test_a_ladder_of_729_paths_costs_its_edges),
      TEST(test_a_chain_of_a_million_nodes),
      TEST(test_a_chain_of_tensors),
      TEST(test_a_run_that_is_used_twice_gives_the_same),
      TEST(test_runs_of_one_plan_are_apart),
      TEST(test_upstream_seeds_the_output),
      TEST(test_the_output_itself_may_be_wanted),
      TEST(test_a_fault_of_a_kernel_stops_the_run),
      TEST(test_more_than_the_machine_has_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
