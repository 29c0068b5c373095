/* Values and gradients where formulas overflow, vanish or cancel: against closed forms.
 *
 * Each row is an expression over x (and w), the numbers of these, dL/dy where y has more than one
 * entry, and what is right: y, dL/dx, dL/dw.  An empty text checks nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpgraph.h"
#include "unit.h"

#define LN2 "0.69314718055994531"
#define E_40 "4.2483542552915890e-18" /* e^-40 */
#define E_700 "9.8596765437597708e-305"

struct numerics {
  const char *expression, *x, *w, *upstream, *y, *dx, *dw, *why;
};

static const struct numerics rows[] = {
#define ROW(...) {__VA_ARGS__},
#include "numerics.def"
#undef ROW
};

/* ---- comparing --------------------------------------------------------------------------- */

static bool is_close(double a, double b) {
  if (a == b || (a != a && b != b)) return true;
  return fabs(a - b) <= 4 * 0x1p-52 * fmax(fabs(a), fabs(b));
}

/* Compares entries with numbers that are separated by blanks; complains and returns false. */
static bool compare(const struct numerics *row, const char *what, const char *wanted,
                    const double *at, size_t size) {
  bool fine = true;
  size_t i = 0;
  for (char *end; at && *wanted && fine; wanted = end + strspn(end, " "), i++) {
    const double number = strtod(wanted, &end);
    fine = i < size && is_close(number, at[i]);
    if (!fine)
      print_error("%s at x = %s, w = %s: %s, entry %zu: %.17g, not %.17g: %s\n", row->expression,
                  row->x, row->w, what, i, i < size ? at[i] : 0, number, row->why);
  }
  if (fine && (!at || i != size))
    print_error("%s at x = %s: %s has %zu entries\n", row->expression, row->x, what, size);
  return fine && at && i == size;
}

static bool check(const struct numerics *row, const bp_result *result) {
  bp_shape shape = {0, NULL, 0};
  const double *at = bp_value(result, "y", &shape);
  bool fine = compare(row, "y", row->y, at, shape.size);
  if (*row->dx) {
    at = bp_gradient(result, "x", &shape);
    fine = compare(row, "dL/dx", row->dx, at, shape.size) && fine;
  }
  if (*row->dw) {
    at = bp_gradient(result, "w", &shape);
    fine = compare(row, "dL/dw", row->dw, at, shape.size) && fine;
  }
  return fine;
}

/* ---- running ----------------------------------------------------------------------------- */

static bp_net *parse(const char *text) {
  bp_net *net = bp_net_parse("net.yaml", text, strlen(text), NULL);
  for (size_t i = 0; i < bp_message_count(net) && !bp_net_ok(net); i++)
    print_error("%s\n%s\n", text, bp_message_text(net, i));
  assert_true(bp_net_ok(net));
  return net;
}

/* Evaluates a row as a net. */
static bool run(const struct numerics *row) {
  char text[1000];
  snprintf(text, sizeof text,
           "bpgraph: 1\ninputs:\n  x: %s\n%s%s%snodes:\n  y: '%s'\noutput: y\n%s%s\n", row->x,
           *row->w ? "  w: " : "", row->w, *row->w ? "\n" : "", row->expression,
           *row->upstream ? "upstream: " : "", row->upstream);
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, NULL);
  const bool fine = result && check(row, result);
  if (!result) print_error("%s at x = %s: no result\n", row->expression, row->x);
  bp_result_free(result);
  bp_net_free(net);
  return fine;
}

static void test_rows(void **state) {
  (void)state;
  size_t failed = 0;
  for (size_t i = 0; i < COUNT_OF(rows); i++) failed += !run(&rows[i]);
  assert_int_equal(failed, 0);
}

/* ---- long reductions --------------------------------------------------------------------- */

/* Each result of an expression over x, 1e7 numbers of 0.1, is right but for its last bit or two. */
static void check_long(const char *shape, const char *expression, double wanted) {
  char text[300];
  bp_shape result_shape;
  snprintf(text, sizeof text,
           "bpgraph: 1\ninputs:\n  x: {full: {shape: %s, value: 0.1}}\nnodes:\n  y: %s\nwrt: []\n",
           shape, expression);
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.no_gradients = true});
  assert_non_null(result);
  const double *y = bp_value(result, "y", &result_shape);
  for (size_t i = 0; i < result_shape.size; i++)
    if (fabs(y[i] - wanted) > 2 * 0x1p-52 * wanted)
      fail_msg("%s of %s: entry %zu is %.17g, not %.17g", expression, shape, i, y[i], wanted);
  bp_result_free(result);
  bp_net_free(net);
}

/* 0.1 is 0.1000000000000000055511151231257827 as a double: the exact sums round to these. */
static void test_long_sums(void **state) {
  (void)state;
  check_long("[10000000]", "sum(x)", 1e6);
  check_long("[10000000]", "mean(x)", 0.1);
  check_long("[2500000, 4]", "sum(x, axis=0)", 250000);
  check_long("[4, 2500000]", "sum(x, axis=1)", 250000);
  check_long("[2500000, 4]", "mean(x, axis=0)", 0.1);
  check_long("[1000, 10, 1000]", "sum(x, axis=[0, 2])", 100000);
  check_long("[10000000]", "cumsum(x, axis=0)[-1]", 1e6);
  check_long("[2500000, 4]", "sum_to(x, shape=[4])", 250000);
}

static void test_long_others(void **state) {
  (void)state;
  check_long("[10000000]", "norm(x)", 316.22776601683795);
  check_long("[10000000]", "norm(x, ord=1)", 1e6);
  check_long("[10000000]", "logsumexp(x)", 16.218095650958319);
  check_long("[10000000]", "softmax(x)[3]", 1e-7);
  check_long("[10000000]", "mse(x, 0.2)", 0.010000000000000002);
  check_long("[2500000, 4]", "einsum(x, spec=\"ij->j\")", 250000);
  check_long("[10000000]", "einsum(x, spec=\"i->\")", 1e6);
}

/* The variance is that of the numbers' deviations: a large mean takes no digits away. */
static void test_variance_with_large_mean(void **state) {
  (void)state;
  static const struct numerics row = {"var(x)",
                                      "[1e9, 1000000001, 1000000002]",
                                      "",
                                      "",
                                      "0.66666666666666667",
                                      "-0.66666666666666667 0 0.66666666666666667",
                                      "",
                                      "mean 1e9"};
  assert_true(run(&row));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_long_sums),
                                     cmocka_unit_test(test_long_others),
                                     cmocka_unit_test(test_variance_with_large_mean)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
