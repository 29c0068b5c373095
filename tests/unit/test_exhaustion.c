/* Memory that runs out, at every single allocation: the answer is the same, or a clean failure.
 * What leaks then, the sanitizers and valgrind see. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpgraph.h"

/* ---- allocations that fail (see --wrap in CMakeLists.txt) --------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);

static size_t asked;              /* allocations so far */
static size_t failing = SIZE_MAX; /* the one that fails, from 1 */
static bool for_good;             /* so do all that come after it */

static bool fails(void) {
  asked++;
  return for_good ? asked >= failing : asked == failing;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *at, size_t size) { return fails() ? NULL : __real_realloc(at, size); }
int __wrap_posix_memalign(void **out, size_t align, size_t size) {
  enum { OUT_OF_MEMORY = 12 };
  return fails() ? OUT_OF_MEMORY : __real_posix_memalign(out, align, size);
}

/* ---- what is tried ----------------------------------------------------------------------- */

static const char good[] = "bpgraph: 1\n"
                           "title: a bit of everything\n"
                           "x-note: &two [1, 2]\n"
                           "inputs:\n"
                           "  x: *two\n"
                           "  λ: {value: [[0.5, 2/3]], shape: [2], domain: positive}\n"
                           "  f: {file: examples/data/features.npy}\n"
                           "  t: {file: examples/data/targets.csv}\n"
                           "parameters:\n"
                           "  W: {uniform: {shape: [2, 2], low: -1, high: 1}}\n"
                           "  v: {file: examples/data/weights.json}\n"
                           "  unused: 1\n"
                           "constants: {z: {zeros: [2]}, n: {normal: {shape: [2], seed: 1}}}\n"
                           "nodes:\n"
                           "  L: >\n"
                           "    sum(h * x) +\n"
                           "    sum(p) + log(s)\n"
                           "  h: \"relu(W @ x + z) ** 2\"\n"
                           "  p: {op: softmax, inputs: [c], axis: 0}\n"
                           "  c: concat(h, x[::-1], λ, n, axis=0)\n"
                           "  s: 1 + 0 * (sum(f) + sum(t) + sum(v))\n"
                           "output: L\n"
                           "expect: {gradients: {p: 1 + 0 * p}, values: {s: 1}}\n";

static const char zipped[] = "bpgraph: 1\ninputs: {m: {file: examples/data/model.npz, key: b}}\n"
                             "nodes: {L: sum(m)}\n";

static const char curved[] =
    "bpgraph: 1\ntitle: curved\ninputs: {x: [[1, 2, 3], [-1, 0, 1]], k: 2}\n"
    "parameters: {W: [[1, 0.5], [2, -1], [0, 3]]}\n"
    "functions:\n  f: {inputs: [a], nodes: {t: tanh(a)}, output: t,\n"
    "      backward: {a: upstream * (1 - t ** 2)}}\n"
    "nodes: {y: elu(k * x @ W), L: sum(y ** 2) + sum(f(x))}\noutput: L\n";

static const char bad[] =
    "bpgraph: 1\ninptus: 1\ninputs: {x: [1, [2]], y: 1_000, 1a: 2, f: {file: nowhere.npy}}\n"
    "nodes: {a: b, b: a, c: foo(x), d: x +, e: y @ [1], f: 2, g: 'relu(y, axis=1)'}\n";

static const char malformed[] = "bpgraph: 1\ninputs: {x: [1, 2\nnodes: {L: sum(x)}\n";

static bool drop(void *user, const char *bytes, size_t size) {
  (void)bytes;
  *(size_t *)user += size;
  return true;
}

/* What came of it. */
struct outcome {
  bp_severity worst;
  bool evaluated;
  double value;
  size_t exported; /* bytes; SIZE_MAX: could not be */
};

static void draw(bp_result *result, struct outcome *out) {
  const int depth = 9;
  const bp_picture_options options = {.style = "boxes", .focus = "L", .depth = &depth};
  bp_picture *picture = bp_picture_make(result, &options);
  size_t size;
  const char *dot = picture ? bp_picture_draw(picture, "dot", true, &size) : NULL;
  if (!dot)
    out->evaluated = false;
  else if (out->exported != SIZE_MAX)
    out->exported += size;
  bp_picture_free(picture);
}

static void evaluate(bp_net *net, bool all, struct outcome *out) {
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.all = all, .upstream = "1 * 2"});
  out->evaluated = result != NULL;
  if (!result) return;
  out->value = *bp_value(result, bp_output(result), NULL);
  for (size_t i = 0; bp_format_name(i) && out->exported != SIZE_MAX; i++)
    if (!bp_export(result, bp_format_name(i), drop, &out->exported)) out->exported = SIZE_MAX;
  if (all) draw(result, out);
  bp_result_free(result);
}

/* Claims that are right, wrong, and explained; a function's own rule. */
static const char claims[] =
    "bpgraph: 1\n"
    "title: claims\n"
    "inputs: {x: [1, -2]}\n"
    "parameters: {W: [[0.5, 1], [2, -1]]}\n"
    "functions:\n"
    "  swish:\n"
    "    inputs: [z]\n"
    "    nodes: {s: sigmoid(z)}\n"
    "    output: z * s\n"
    "    backward: {z: upstream * (s + z * s * (1 - s))}\n"
    "nodes: {y: W @ x, h: swish(y), L: sum(h ** 2) + sum(W ** 2)}\n"
    "expect:\n"
    "  - title: by hand\n"
    "    points: 2\n"
    "    gradients: {h: 2 * h, W: 'outer(grad(y), x)', x: -W.T @ grad(y)}\n"
    "    values: {y: [1, 2]}\n"
    "    jacobians: {y/x: W}\n";

static const char no_claim[] = "bpgraph: 1\ninputs: {x: 1}\nnodes: {f: x + nobody}\n";

/* What came of a check: how many bytes each format has, the messages' texts apart. */
struct verdicts {
  bool valid;
  size_t right, wrong, exported;
};

static struct verdicts check(const char *text, size_t at, bool from_then_on, bp_severity *worst) {
  struct verdicts out = {.exported = SIZE_MAX};
  asked = 0, failing = at, for_good = from_then_on;
  bp_net *net = bp_net_parse("net.yaml", text, strlen(text), NULL);
  const size_t points = 1;
  bp_check *checked = net ? bp_check_net(net, &(bp_check_options){.points = &points}) : NULL;
  *worst = net && checked ? bp_worst(net) : BP_FAILURE;
  bp_net_free(net);
  if (checked) {
    const bp_check *const all[] = {checked};
    out = (struct verdicts){bp_check_valid(checked), bp_check_count(checked, BP_RIGHT),
                            bp_check_count(checked, BP_WRONG), 0};
    for (size_t i = 0; bp_check_format_name(i) && out.exported != SIZE_MAX; i++)
      if (!bp_check_export(all, 1, bp_check_format_name(i), drop, &out.exported))
        out.exported = SIZE_MAX;
  }
  bp_check_free(checked);
  failing = SIZE_MAX;
  return out;
}

/* The same verdicts, or a failure: never others, and no file of another size. */
static void check_every_verdict(const char *text, bool valid) {
  bp_severity worst, least;
  const struct verdicts whole = check(text, SIZE_MAX, false, &least);
  assert_int_equal(whole.valid, valid);
  assert_true(whole.exported != SIZE_MAX);
  const size_t count = asked, step = count > 3000 ? count / 1500 : 1;
  for (int mode = 0; mode < 2; mode++)
    for (size_t at = 1; at <= count; at += step) {
      const struct verdicts out = check(text, at, mode == 1, &worst);
      if (worst == BP_FAILURE) continue;
      assert_int_equal(worst, least);
      assert_int_equal(out.valid, whole.valid);
      assert_int_equal(out.right, whole.right);
      assert_int_equal(out.wrong, whole.wrong);
      assert_true(out.exported == whole.exported || out.exported == SIZE_MAX);
    }
}

static void test_a_check(void **state) {
  (void)state;
  check_every_verdict(claims, true);
}

static void test_a_check_of_an_invalid_net(void **state) {
  (void)state;
  check_every_verdict(no_claim, false);
}

static void export_matrices(bp_matrices *matrices, struct outcome *out) {
  static const char *const formats[] = {"text", "json", "npz"};
  if (!matrices) out->evaluated = false;
  for (size_t i = 0; matrices && i < COUNT_OF(formats) && out->exported != SIZE_MAX; i++)
    if (!bp_matrices_export(matrices, formats[i], drop, &out->exported)) out->exported = SIZE_MAX;
  bp_matrices_free(matrices);
}

static void derive(bp_net *net, const bp_derive_options *options, struct outcome *out) {
  bp_derivation *derivation = bp_derive(net, options);
  size_t size = 0;
  if (!derivation) out->evaluated = false;
  if (derivation && strlen(bp_derivation_text(derivation, &size)) == size) out->exported += size;
  bp_derivation_free(derivation);
}

/* Jacobians by rows and by columns; a Hessian, and one times a vector; derived nets. */
static void differentiate(bp_net *net, struct outcome *out) {
  static const char *const direction = "x=[[1, 2, 3], [4, 5, 6]]";
  derive(net, NULL, out);
  derive(net, &(bp_derive_options){.forward_count = 1, .forward = &direction}, out);
  export_matrices(bp_jacobian(net, &(bp_jacobian_options){.of = "y", .wrt = "x"}), out);
  export_matrices(bp_jacobian(net, &(bp_jacobian_options){.of = "y", .wrt = "k"}), out);
  export_matrices(bp_hessian(net, &(bp_hessian_options){.wrt = "x,W"}), out);
  export_matrices(
      bp_hessian(net, &(bp_hessian_options){.wrt = "x", .times = "[[1, 2, 3], [4, 5, 6]]"}), out);
}

/* A net that becomes code: one name is a word of C, one op is put together from others. */
static const char coded[] =
    "bpgraph: 1\ninputs: {x: [1, 2], int: 2}\nnodes: {p: softmax(int * x), L: 'mse(p, 0)'}\n";

static void generate(bp_net *net, struct outcome *out) {
  static const char *const languages[] = {"c", "python"};
  bp_result *result = bp_evaluate(net, NULL);
  if (!result) out->evaluated = false;
  for (size_t i = 0; result && i < COUNT_OF(languages); i++) {
    size_t size = 0;
    const char *code = bp_codegen(result, languages[i], &size);
    if (code && strlen(code) == size)
      out->exported += size;
    else
      out->evaluated = false;
  }
  bp_result_free(result);
}

/* Everything from text to output files, with allocation `at` failing. */
static struct outcome try(const char *text, size_t at, bool from_then_on) {
  struct outcome out = {.worst = BP_FAILURE};
  const char *const set = "unused=[2, 3]";
  const bp_load_options options = {.sets = &set, .set_count = strstr(text, "unused") != NULL};
  asked = 0, failing = at, for_good = from_then_on;
  bp_net *net = bp_net_parse("net.yaml", text, strlen(text), &options);
  if (net && bp_net_ok(net)) evaluate(net, text != coded, &out);
  if (out.evaluated && text == coded) generate(net, &out);
  if (out.evaluated && text == curved) differentiate(net, &out);
  if (net) {
    for (size_t i = 0; i < bp_message_count(net); i++)
      if (!bp_message_text(net, i)[0] || !bp_message_print(net, i, true)[0]) abort();
    if (!bp_message_summary(net)) abort();
    out.worst = bp_worst(net);
  }
  bp_net_free(net);
  failing = SIZE_MAX;
  return out;
}

/* A failure is at least as severe as `least`. */
static void check_every_allocation(const char *text, bool is_good, bp_severity least) {
  const struct outcome whole = try(text, SIZE_MAX, false);
  assert_int_equal(whole.evaluated, is_good);
  const size_t count = asked;
  assert_true(count > 10);
  size_t failures = 0;
  for (int mode = 0; mode < 2; mode++)
    for (size_t at = 1; at <= count; at++) {
      struct outcome out = try(text, at, mode == 1);
      bool same = out.worst == whole.worst && out.evaluated == whole.evaluated &&
                  !memcmp(&out.value, &whole.value, sizeof out.value);
      bool failed = out.worst >= least && !out.evaluated;
      if (!same && !failed)
        print_error("allocation %zu of %zu, severity %d\n", at, count, out.worst);
      assert_true(same || failed);
      failures += !same || out.exported != whole.exported;
    }
  assert_true(failures > count); /* they were not in vain */
}

static void test_a_good_net(void **state) {
  (void)state;
  check_every_allocation(good, true, BP_FAILURE);
}

static void test_jacobians_and_hessians(void **state) {
  (void)state;
  check_every_allocation(curved, true, BP_FAILURE);
}

static void test_code(void **state) {
  (void)state;
  check_every_allocation(coded, true, BP_FAILURE);
}

static void test_an_archive(void **state) {
  (void)state;
  check_every_allocation(zipped, true, BP_ERROR); /* minizip says not why it cannot open one */
}

static void test_a_net_full_of_faults(void **state) {
  (void)state;
  check_every_allocation(bad, false, BP_FAILURE);
}

static void test_a_net_that_is_no_yaml(void **state) {
  (void)state;
  check_every_allocation(malformed, false, BP_FAILURE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_good_net),
      cmocka_unit_test(test_jacobians_and_hessians),
      cmocka_unit_test(test_code),
      cmocka_unit_test(test_an_archive),
      cmocka_unit_test(test_a_net_full_of_faults),
      cmocka_unit_test(test_a_net_that_is_no_yaml),
      cmocka_unit_test(test_a_check),
      cmocka_unit_test(test_a_check_of_an_invalid_net),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
