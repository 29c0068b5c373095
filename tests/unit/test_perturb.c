/* Perturbations: what is recomputed by parts is what recomputing everything gives.
 *
 * For every op of the registry, every sample of its row, every entry of every input: alone, and
 * behind ops that spread the entry over a row, over a column, or over everything, so that parts of
 * all kinds arrive at the op.  Backprop must agree with the differences that are made of it, and
 * branches must change where there are kinks. */
#include "nets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/difference.h"
#include "engine/perturb.h"
#include "load/data.h"
#include "ops/registry.h"

/* ---- the two ways of computing a change ---------------------------------------------------- */

static struct plan plan;
static struct run base, moved; /* of the same plan: the point, and what was moved */
static double *upstream;

static const struct shape *shape_of(node_id node) { return graph_node(&net.graph, node)->shape; }

static bool make_runs(void) {
  struct plan_options options = {
      .output = net.output, .own_starts = true, .all_values = true, .all_gradients = true};
  assert_true(plan_make(&plan, &arena, &report, &net.graph, &options));
  run_make(&base, &arena, &plan);
  run_make(&moved, &arena, &plan);
  upstream = ARENA_ARRAY(&arena, double, shape_of(net.output)->size + 1);
  data_uniform(upstream, shape_of(net.output)->size, 17, -1, 1);
  if (!run_forward(&base)) return false;
  bool finite = true;
  for (size_t i = 0; i < shape_of(net.output)->size; i++)
    finite = finite && isfinite(run_value(&base, net.output)[i]);
  return finite;
}

static void restore_starts(void) {
  for (size_t i = 0; i < plan.starts.count; i++) {
    const node_id node = plan.starts.at[i];
    memcpy((double *)run_value(&moved, node), run_value(&base, node),
           shape_of(node)->size * sizeof(double));
  }
}

/* L = upstream . output, and the sum of the sizes of its terms. */
static double objective(const struct run *run, double *size) {
  double sum = 0;
  const double *at = run_value(run, net.output);
  for (size_t i = 0; i < shape_of(net.output)->size; i++) {
    sum += upstream[i] * at[i];
    *size += fabs(upstream[i] * at[i]);
  }
  return sum;
}

static size_t comparisons, judgements, unsettled, kinks;

/* Compares the change by parts with that of everything; complains and returns false. */
static bool compare(struct perturb *perturb, node_id root, size_t entry, double step,
                    const char *what) {
  double size = 1;
  restore_starts();
  ((double *)run_value(&moved, root))[entry] += step;
  if (!run_forward(&moved)) return true; /* singular there: no number to compare with */
  const double whole = objective(&moved, &size) - objective(&base, &size);
  const double parts = perturb_by(perturb, step).by;
  comparisons++;
  if (fabs(parts - whole) <= 2e-11 * size || (!isfinite(parts) && !isfinite(whole))) return true;
  print_error("%s, node %u, entry %zu, step %g: %.17g by parts, %.17g\n", what, root, entry, step,
              parts, whole);
  return false;
}

static bool compare_entries(struct perturb *perturb, node_id root, const char *what) {
  bool fine = true;
  for (size_t i = 0; i < shape_of(root)->size; i++) {
    perturb_entry(perturb, root, i);
    fine = compare(perturb, root, i, 1e-3, what) && fine;
    fine = compare(perturb, root, i, -0.4, what) && fine;
  }
  return fine;
}

/* Judges backprop's gradient; complains and returns false where it is called wrong. */
static bool judge_entries(node_id root, const char *what) {
  bool fine = true;
  struct differences differences;
  const double *gradient = run_bar(&base, root);
  if (!gradient) return true;
  differences_make(&differences, &arena, &base, net.output, upstream, &root, 1);
  for (size_t i = 0; i < shape_of(root)->size; i++) {
    struct difference found;
    differences.options.ridders = i % 2;
    difference_at(&differences, root, i, gradient[i], &found);
    judgements++;
    unsettled += found.verdict == DIFFERENCE_INCONCLUSIVE;
    if (found.verdict != DIFFERENCE_WRONG) continue;
    print_error("%s, node %u, entry %zu: %.17g by differences, %.17g\n", what, root, i, found.value,
                gradient[i]);
    fine = false;
  }
  return fine;
}

/* ---- nets of one op ------------------------------------------------------------------------ */

enum { INPUTS_MOST = 8 };

struct subject {
  const struct op *op;
  const struct op_sample *sample;
  unsigned inputs;
  struct dims shape[INPUTS_MOST];
};

static void read_shapes(struct subject *s) {
  const char *at = s->sample->shapes;
  for (s->inputs = 0;; at++) {
    struct dims *dims = &s->shape[s->inputs++];
    dims->rank = 0;
    while (*at && *at != ';') {
      char *end;
      dims->at[dims->rank] = strtol(at, &end, 10);
      if (end > at) dims->rank++;
      at = end > at ? end : at + 1;
    }
    if (!*at || s->inputs == INPUTS_MOST) return;
  }
}

static bool is_index(const struct subject *s, unsigned k) {
  if (s->op->most == OP_ANY) return false;
  if (s->op->indices >> k & 1) return true;
  return (s->op->labels >> k & 1) && s->shape[k].rank < s->shape[0].rank;
}

/* How an entry is spread before it arrives. */
enum spread { ALONE, ROW, COLUMN, EVERYTHING, SPREADS };

static void print_argument(struct text *out, const struct subject *s, unsigned k,
                           enum spread spread) {
  if (spread == ALONE || is_index(s, k) || (spread != EVERYTHING && s->shape[k].rank == 0))
    text_printf(out, "x%u", k);
  else if (spread == EVERYTHING)
    text_printf(out, "x%u * s", k);
  else
    text_printf(out, "x%u + 0.01 * sum(x%u, axis=%d, keepdims=true)", k, k, spread == ROW ? -1 : 0);
}

static void print_net(struct text *out, const struct subject *s, enum spread spread) {
  text_puts(out, "bpgraph: 1\ninputs:\n  s: 1.25\n");
  for (unsigned k = 0; k < s->inputs; k++) {
    text_printf(out, "  x%u: {uniform: {shape: ", k);
    dims_print(&s->shape[k], out);
    text_puts(out, "}}\n");
  }
  text_puts(out, "nodes:\n");
  for (unsigned k = 0; k < s->inputs; k++) {
    text_printf(out, "  a%u: ", k);
    print_argument(out, s, k, spread);
    text_char(out, '\n');
  }
  text_printf(out, "  y: '%s(", s->op->name);
  for (unsigned k = 0; k < s->inputs; k++) text_printf(out, "%sa%u", k ? ", " : "", k);
  text_printf(out, "%s%s)'\noutput: y\n", *s->sample->attrs ? ", " : "", s->sample->attrs);
}

static struct op_domain domain_of(const struct op *op, unsigned k) {
  const struct op_domain domain = op->domain[op->most == OP_ANY ? 0 : k];
  return domain.low == domain.high ? (struct op_domain){-2, 2} : domain;
}

static node_id input(unsigned k) {
  char name[] = "x0";
  name[1] = (char)('0' + k);
  return id(name);
}

/* m = a a' / n + 1, for ops that want positive definite matrices. */
static void make_definite(double *m, size_t n) {
  double *a = malloc(n * n * sizeof *a);
  assert_non_null(a);
  memcpy(a, m, n * n * sizeof *a);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      m[i * n + j] = i == j;
      for (size_t k = 0; k < n; k++) m[i * n + j] += a[i * n + k] * a[j * n + k] / (double)n;
    }
  free(a);
}

static void draw(const struct subject *s, bool definite) {
  for (unsigned k = 0; k < s->inputs; k++) {
    const struct op_domain domain = domain_of(s->op, k);
    const struct shape *shape = shape_of(input(k));
    double *at = graph_node(&net.graph, input(k))->value;
    const double high = is_index(s, k) ? fmax(domain.high, domain.low + 2) : domain.high;
    data_uniform(at, shape->size, 100 + k, domain.low, high);
    for (size_t i = 0; is_index(s, k) && i < shape->size; i++) at[i] = floor(at[i]);
    const size_t n = shape->rank < 2 ? 0 : (size_t)shape->dim[shape->rank - 1];
    if (definite && k == 0 && n && shape->dim[shape->rank - 2] == (int64_t)n)
      for (size_t i = 0; i < shape->size; i += n * n) make_definite(at + i, n);
  }
}

static bool check_net(const struct subject *s, const char *text) {
  bool fine = true;
  load(text);
  draw(s, false);
  if (!make_runs()) {
    draw(s, true);
    if (!make_runs()) {
      print_error("%s: cannot be run\n", text);
      return false;
    }
  }
  node_id roots[INPUTS_MOST + 1];
  for (unsigned k = 0; k < s->inputs; k++) roots[k] = input(k);
  roots[s->inputs] = id("s");
  struct perturb *perturb =
      perturb_make(&arena, &base, net.output, upstream, roots, s->inputs + 1U);
  for (unsigned k = 0; k <= s->inputs; k++) {
    if (k < s->inputs && is_index(s, k)) continue;
    fine = compare_entries(perturb, roots[k], text) && fine;
  }
  run_forward(&base);
  run_backward(&base, upstream);
  for (unsigned k = 0; k < s->inputs; k++) fine = judge_entries(roots[k], text) && fine;
  return fine;
}

/* ---- kinks --------------------------------------------------------------------------------- */

/* Where the kinks of an op are no border between two pieces: edges of the domain, tips of cones, and
 * what is a kink for the derivative by another input only. */
static const char *const edges[] = {"sqrt",  "asin",  "acos", "acosh",    "pow",
                                    "hypot", "atan2", "std",  "cofactor", "cross_entropy"};

static bool is_edged(const struct op *op) {
  for (size_t i = 0; i < COUNT_OF(edges); i++)
    if (!strcmp(edges[i], op->name)) return true;
  return false;
}

/* With ord=2 the norm has a tip only. */
static bool norm_of_2(const struct subject *s) {
  return !strcmp(s->op->name, "norm") && !strstr(s->sample->attrs, "ord=");
}

/* At a corner, where all entries are `value`: an entry that is at a kink is on different branches
 * on its two sides, unless there is no number on one of them. */
static bool check_corner(const struct subject *s, const char *text, double value) {
  bool fine = true;
  load(text);
  draw(s, false);
  for (unsigned k = 0; k < s->inputs; k++)
    for (size_t i = 0; i < shape_of(input(k))->size && !is_index(s, k); i++)
      graph_node(&net.graph, input(k))->value[i] = value;
  make_runs();
  node_id roots[INPUTS_MOST], first;
  for (unsigned k = 0; k < s->inputs; k++) roots[k] = input(k);
  struct perturb *perturb = perturb_make(&arena, &base, net.output, upstream, roots, s->inputs);
  for (unsigned k = 0; k < s->inputs; k++)
    for (size_t i = 0; i < shape_of(roots[k])->size && !is_index(s, k); i++) {
      perturb_entry(perturb, roots[k], i);
      if (!perturb_kinks(perturb, &first)) continue;
      const struct change up = perturb_by(perturb, 1e-6), down = perturb_by(perturb, -1e-6);
      kinks++;
      if (up.branches != down.branches || !isfinite(up.by) || !isfinite(down.by)) continue;
      if (is_edged(s->op) || norm_of_2(s)) continue;
      print_error("%s at %g, node %u, entry %zu: a kink between equal branches\n", text, value,
                  roots[k], i);
      fine = false;
    }
  return fine;
}

static void test_branches_differ_on_the_two_sides_of_a_kink(void **state) {
  static const double corners[] = {0, 0.5, 1, -1};
  bool fine = true;
  (void)state;
  for (size_t at = 0; op_at(at); at++) {
    const struct op *op = op_at(at);
    for (const struct op_sample *sample = op->samples; op->kinks && sample->shapes; sample++)
      for (size_t i = 0; i < COUNT_OF(corners); i++) {
        struct subject s = {.op = op, .sample = sample};
        struct text text;
        setup(NULL);
        read_shapes(&s);
        text_init(&text, &arena, NULL, NULL);
        print_net(&text, &s, ALONE);
        fine = check_corner(&s, text_string(&text), corners[i]) && fine;
        teardown(NULL);
      }
  }
  assert_true(fine);
  assert_true(kinks > 100);
}

static void test_op(void **state) {
  const struct op *op = *state;
  bool fine = true;
  for (const struct op_sample *sample = op->samples; sample && sample->shapes; sample++)
    for (enum spread spread = ALONE; spread < SPREADS; spread++) {
      struct subject s = {.op = op, .sample = sample};
      struct text text;
      setup(NULL);
      read_shapes(&s);
      text_init(&text, &arena, NULL, NULL);
      print_net(&text, &s, spread);
      /* What is spread leaves the domains of some ops, and stop_gradient is not passed. */
      fine = (op->stops || check_net(&s, text_string(&text))) && fine;
      teardown(NULL);
    }
  assert_true(fine);
}

int main(int argc, char **argv) {
  enum { TESTS_MOST = 400 };
  static struct CMUnitTest tests[TESTS_MOST];
  size_t count = 0;
  tests[count++] =
      (struct CMUnitTest)cmocka_unit_test(test_branches_differ_on_the_two_sides_of_a_kink);
  for (size_t i = 0; op_at(i) && count < TESTS_MOST; i++)
    tests[count++] = (struct CMUnitTest){op_at(i)->name, test_op, NULL, NULL, (void *)op_at(i)};
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const int failed = _cmocka_run_group_tests("perturb", tests, count, NULL, NULL);
  print_message("%zu comparisons, %zu gradients judged, %zu of them inconclusive, %zu kinks\n",
                comparisons, judgements, unsettled, kinks);
  return failed;
}
