/* The public interface, as its header promises it: every function, options left out, NULL freed. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpgraph.h"

static const char *const text =
    "bpgraph: 1\ntitle: a test\ninputs: {x: [1, 2]}\nparameters: {W: [[1, 2], [3, 4]], b: 3}\n"
    "constants: {c: 2}\nnodes: {y: W @ x + b, L: sum(y * y) * c}\noutput: L\n";

static bp_net *parse(const char *net) { return bp_net_parse("net.yaml", net, strlen(net), NULL); }

static bp_net *parse_with(const char *net, const char *const *sets, size_t count) {
  const bp_load_options options = {.sets = sets, .set_count = count};
  return bp_net_parse("net.yaml", net, strlen(net), &options);
}

/* Whether some message has this code. */
static bool said(bp_net *net, const char *code) {
  for (size_t i = 0; i < bp_message_count(net); i++)
    if (strstr(bp_message_print(net, i, false), code)) return true;
  return false;
}

/* ---- loading ----------------------------------------------------------------------------- */

static void test_a_net_and_its_gradients(void **state) {
  (void)state;
  bp_net *net = parse(text);
  assert_true(bp_net_ok(net));
  assert_int_equal(bp_message_count(net), 0);
  bp_result *result = bp_evaluate(net, NULL);
  assert_non_null(result);
  assert_string_equal(bp_output(result), "L");
  bp_shape shape;
  assert_true(*bp_value(result, "L", &shape) == 2 * (64 + 196));
  assert_int_equal(shape.rank, 0);
  assert_int_equal(shape.size, 1);
  const double *gradient = bp_gradient(result, "W", &shape);
  static const double expected[] = {32, 64, 56, 112};
  assert_true(shape.rank == 2 && shape.dim[0] == 2 && shape.dim[1] == 2 && shape.size == 4);
  assert_memory_equal(gradient, expected, sizeof expected);
  assert_true(*bp_gradient(result, "b", NULL) == 4 * (8 + 14));
  bp_result_free(result);
  bp_net_free(net);
}

static void test_nothing_where_there_is_nothing(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.wrt = "b"});
  assert_null(bp_value(result, "nobody", NULL));
  assert_null(bp_gradient(result, "nobody", NULL));
  assert_null(bp_gradient(result, "c", NULL));     /* a constant */
  assert_null(bp_gradient(result, "W", NULL));     /* not asked for */
  assert_non_null(bp_gradient(result, "y", NULL)); /* on the way */
  bp_result_free(result);
  bp_net_free(net);
}

static void test_freeing_null_is_fine(void **state) {
  (void)state;
  bp_net_free(NULL);
  bp_check_free(NULL);
  bp_matrices_free(NULL);
  bp_result_free(NULL);
}

static void test_bytes_need_no_nul(void **state) {
  (void)state;
  size_t size = strlen(text);
  char *exact = malloc(size);
  memcpy(exact, text, size);
  bp_net *net = bp_net_parse("net.yaml", exact, size, NULL);
  free(exact); /* and are not needed any longer */
  assert_true(bp_net_ok(net));
  bp_result *result = bp_evaluate(net, NULL);
  assert_non_null(result);
  bp_result_free(result);
  bp_net_free(net);
}

static void test_a_file_is_loaded(void **state) {
  (void)state;
  char path[] = "/tmp/bpgraph-test-XXXXXX";
  int file = mkstemp(path);
  assert_int_equal(write(file, text, strlen(text)), strlen(text));
  close(file);
  bp_net *net = bp_net_load(path, NULL);
  assert_true(bp_net_ok(net));
  assert_null(bp_net_file(net, 0)); /* it reads no other */
  bp_net_free(net);
  unlink(path);
  net = bp_net_load(path, NULL);
  assert_non_null(net);
  assert_false(bp_net_ok(net));
  assert_true(said(net, "[BP001]"));
  bp_net_free(net);
}

static void test_data_files_are_listed(void **state) {
  (void)state;
  bp_net *net = bp_net_load("examples/data-files.yaml", NULL);
  assert_true(bp_net_ok(net));
  size_t count = 0;
  while (bp_net_file(net, count)) assert_non_null(strstr(bp_net_file(net, count++), "data/"));
  assert_true(count >= 3);
  bp_net_free(net);
}

static void test_start_values_can_be_set(void **state) {
  (void)state;
  bp_net *net = parse_with(text, (const char *const[]){"x=[3, 4]", "b=c+1"}, 2);
  assert_true(bp_net_ok(net));
  bp_result *result = bp_evaluate(net, NULL);
  assert_true(bp_value(result, "x", NULL)[1] == 4);
  assert_true(*bp_value(result, "b", NULL) == 3);
  bp_result_free(result);
  bp_net_free(net);
  static const char *const wrong[] = {"x", "nobody=1", "y=1", "x=[", "x=@nowhere.npy"};
  for (size_t i = 0; i < COUNT_OF(wrong); i++) {
    net = parse_with(text, &wrong[i], 1);
    assert_false(bp_net_ok(net));
    bp_net_free(net);
  }
}

static void test_data_stay_inside_their_root(void **state) {
  (void)state;
  const char *net_text = "bpgraph: 1\ninputs: {x: {file: examples/data/features.npy}}\n"
                         "nodes: {L: sum(x)}\n";
  bp_net *net = parse(net_text);
  assert_true(bp_net_ok(net));
  bp_net_free(net);
  net =
      bp_net_parse("net.yaml", net_text, strlen(net_text), &(bp_load_options){.data_root = "lib"});
  assert_true(said(net, "[BP018]"));
  bp_net_free(net);
}

/* ---- messages ---------------------------------------------------------------------------- */

static void test_messages_say_what_is_wrong(void **state) {
  (void)state;
  bp_net *net = parse("bpgraph: 1\ninputs: {x: 1}\nnodes: {a: y, b: z, L: a + b}\n");
  assert_false(bp_net_ok(net));
  assert_int_equal(bp_worst(net), BP_ERROR);
  assert_int_equal(bp_message_count(net), 2);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(bp_message_severity(net, i), BP_ERROR);
    assert_non_null(strstr(bp_message_print(net, i, false), bp_message_text(net, i)));
    assert_non_null(strchr(bp_message_print(net, i, true), '\033'));
  }
  assert_non_null(strstr(bp_message_print(net, 0, false), "net.yaml:3:12: error: "));
  assert_non_null(strstr(bp_message_summary(net), "2 errors"));
  assert_null(bp_evaluate(net, NULL)); /* there is nothing to evaluate */
  bp_net_free(net);
}

static void test_a_good_net_has_nothing_to_say(void **state) {
  (void)state;
  bp_net *net = parse(text);
  assert_int_equal(bp_worst(net), BP_NOTE);
  assert_string_equal(bp_message_summary(net), "");
  bp_net_free(net);
}

static void test_evaluating_adds_messages(void **state) {
  (void)state;
  bp_net *net = parse("bpgraph: 1\ninputs: {x: 0}\nparameters: {w: 1}\nnodes: {L: log(x)}\n");
  bp_result *result = bp_evaluate(net, NULL);
  assert_non_null(result);
  assert_int_equal(bp_worst(net), BP_WARNING);
  assert_true(said(net, "[BP501]") && said(net, "[BP502]"));
  bp_result_free(result);
  bp_net_free(net);
}

/* ---- evaluating -------------------------------------------------------------------------- */

static void test_one_net_is_evaluated_often(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_result *results[3];
  results[0] = bp_evaluate(net, NULL);
  results[1] = bp_evaluate(net, &(bp_evaluate_options){.of = "y", .upstream = "[1, 10]"});
  results[2] = bp_evaluate(net, &(bp_evaluate_options){.no_gradients = true, .table = true});
  assert_null(bp_evaluate(net, &(bp_evaluate_options){.of = "nobody"}));
  assert_true(*bp_gradient(results[0], "b", NULL) == 88);
  assert_true(*bp_gradient(results[1], "b", NULL) == 11);
  assert_string_equal(bp_output(results[1]), "y");
  assert_null(bp_gradient(results[2], "b", NULL));
  assert_true(*bp_value(results[2], "L", NULL) == 520);
  for (int i = 0; i < 3; i++) bp_result_free(results[i]);
  bp_net_free(net);
}

static void test_parts_of_expressions_have_names(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.of = "L.2", .all = true});
  assert_non_null(result);
  assert_string_equal(bp_output(result), "L.2");
  assert_true(*bp_value(result, "L.2", NULL) == 260);
  assert_true(bp_value(result, "y.1", NULL)[0] == 5);
  bp_result_free(result);
  bp_net_free(net);
}

/* ---- exporting --------------------------------------------------------------------------- */

struct sink {
  char bytes[1 << 16];
  size_t size, limit;
};

static bool take(void *user, const char *bytes, size_t size) {
  struct sink *sink = user;
  if (sink->size + size > sink->limit) return false;
  memcpy(sink->bytes + sink->size, bytes, size);
  sink->size += size;
  return true;
}

static void test_every_format_is_written(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.all = true});
  size_t count = 0;
  for (; bp_format_name(count); count++) {
    static struct sink sink;
    sink.size = 0, sink.limit = sizeof sink.bytes;
    assert_true(bp_export(result, bp_format_name(count), take, &sink));
    assert_true(sink.size > 100);
    sink.limit = 50, sink.size = 0; /* a full disk */
    assert_false(bp_export(result, bp_format_name(count), take, &sink));
  }
  assert_true(count >= 3);
  static struct sink sink;
  assert_false(bp_export(result, "jsom", take, &sink));
  assert_int_equal(sink.size, 0);
  bp_result_free(result);
  bp_net_free(net);
}

static void test_a_files_ending_tells_its_format(void **state) {
  (void)state;
  assert_string_equal(bp_format_of("out.json"), "json");
  assert_string_equal(bp_format_of("a.b/out.npz"), "npz");
  assert_string_equal(bp_format_of("out.txt"), "text");
  assert_null(bp_format_of("out"));
  assert_null(bp_format_of(".json"));
  assert_null(bp_format_of("out.json.gz"));
  assert_null(bp_format_of(""));
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void test_versions(void **state) {
  (void)state;
  int major, minor, patch;
  assert_int_equal(sscanf(bp_version(), "%d.%d.%d", &major, &minor, &patch), 3);
  assert_int_equal(sscanf(bp_yaml_version(), "%d.%d", &major, &minor), 2);
  assert_true(strlen(bp_blas_description()) > 3);
  bp_set_threads(1);
}

static void test_schemas(void **state) {
  (void)state;
  static const char *const names[] = {"net", "result", "ops", "check"};
  for (size_t i = 0; i < COUNT_OF(names); i++) assert_int_equal(bp_schema(names[i])[0], '{');
  assert_null(bp_schema("nobody"));
}

/* ---- checking ---------------------------------------------------------------------------- */

static const char *const claims =
    "bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {L: sum(x ** 2)}\n"
    "expect: {gradients: {x: 3 * x}, values: {L: 5}, jacobians: {L/x: 2 * x}}\n";

static bool export_as(const bp_check *check, const char *format, struct sink *sink) {
  const bp_check *const all[] = {check, check};
  sink->size = 0, sink->limit = sizeof sink->bytes;
  return bp_check_export(all, 2, format, take, sink);
}

static void test_a_check_outlives_its_net(void **state) {
  (void)state;
  static struct sink sink;
  bp_net *net = parse(claims);
  bp_check *check = bp_check_net(net, &(bp_check_options){.numeric = BP_NUMERIC_NONE});
  bp_net_free(net);
  assert_true(bp_check_valid(check));
  assert_int_equal(bp_check_count(check, BP_RIGHT), 2);
  assert_int_equal(bp_check_count(check, BP_WRONG), 1);
  assert_int_equal(bp_check_count(check, BP_INCONCLUSIVE), 0);
  assert_int_equal(bp_check_survivors(check), 0);
  size_t formats = 0;
  for (; bp_check_format_name(formats); formats++) {
    assert_true(export_as(check, bp_check_format_name(formats), &sink));
    assert_true(sink.size > 0);
  }
  assert_int_equal(formats, 4);
  assert_false(export_as(check, "npz", &sink));
  bp_check_free(check);
}

static void test_options_of_a_check(void **state) {
  (void)state;
  const double wide = 0.5;
  const size_t none = 0;
  const uint64_t seed = 7;
  bp_net *net = parse(claims);
  bp_check *check = bp_check_net(net, &(bp_check_options){.rtol = &wide,
                                                          .atol = &wide,
                                                          .points = &none,
                                                          .seed = &seed,
                                                          .numeric = BP_NUMERIC_NONE});
  assert_int_equal(bp_check_count(check, BP_WRONG), 0);
  bp_check_free(check);
  check = bp_check_net(net, &(bp_check_options){.of = "nobody"});
  assert_false(bp_check_valid(check));
  assert_true(said(net, "nobody"));
  bp_check_free(check);
  bp_net_free(net);
}

static void test_a_net_with_errors_can_be_checked(void **state) {
  (void)state;
  static struct sink sink;
  bp_net *net = parse("bpgraph: 1\ninputs: {x: 1}\nnodes: {L: nobody}\n");
  bp_check *check = bp_check_net(net, NULL);
  assert_false(bp_check_valid(check));
  assert_int_equal(bp_check_count(check, BP_RIGHT), 0);
  assert_true(export_as(check, "json", &sink));
  bp_check_free(check);
  bp_net_free(net);
}

static void test_no_nets_can_be_exported(void **state) {
  (void)state;
  static struct sink sink;
  sink.size = 0, sink.limit = sizeof sink.bytes;
  assert_true(bp_check_export(NULL, 0, "json", take, &sink));
  assert_true(sink.size > 0);
}

static void test_codes_are_explained(void **state) {
  (void)state;
  static struct sink sink;
  sink.size = 0, sink.limit = sizeof sink.bytes;
  assert_true(bp_is_code("BP203"));
  assert_true(bp_explain("BP203", take, &sink));
  assert_true(sink.size > 0);
  assert_true(bp_explain(NULL, take, &sink));
  assert_false(bp_is_code("BP000"));
  assert_false(bp_explain("BP000", take, &sink));
}

static void test_ops(void **state) {
  (void)state;
  size_t count = 0;
  for (; bp_op_name(count); count++) {
    static struct sink sink;
    assert_true(strlen(bp_op_family(count)) > 0 && strlen(bp_op_meaning(count)) > 0);
    assert_string_equal(bp_op_nearest(bp_op_name(count)), bp_op_name(count));
    sink.size = 0, sink.limit = sizeof sink.bytes;
    assert_true(bp_op_describe(bp_op_name(count), "text", take, &sink));
    assert_true(sink.size > 0);
  }
  assert_true(count > 40);
  assert_null(bp_op_family(count));
  assert_null(bp_op_meaning(count));
  assert_string_equal(bp_op_nearest("sofmax"), "softmax");
  assert_null(bp_op_nearest("quite another word"));
  assert_false(bp_op_describe("nobody", "text", take, NULL));
  assert_false(bp_op_describe("add", "npz", take, NULL));
}

/* ---- Jacobians and Hessians -------------------------------------------------------------- */

static void test_a_jacobian_row_by_row(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_matrices *m = bp_jacobian(net, &(bp_jacobian_options){.of = "y", .wrt = "x"});
  assert_non_null(m);
  bp_shape rows, columns;
  double row[2];
  assert_true(bp_matrix_shape(m, "y", "x", &rows, &columns));
  assert_true(rows.size == 2 && rows.rank == 1 && columns.size == 2 && columns.dim[0] == 2);
  assert_true(bp_matrix_row(m, "y", "x", 1, row) && row[0] == 3 && row[1] == 4);
  assert_string_equal(bp_matrix_structure(m, "y", "x"), "dense");
  assert_false(bp_matrix_row(m, "y", "x", 2, row));            /* there is no such row ... */
  assert_false(bp_matrix_shape(m, "y", "W", &rows, &columns)); /* ... nor matrix */
  assert_null(bp_matrix_structure(m, "L", "x"));
  assert_null(bp_hessian_product(m, NULL));
  assert_false(bp_matrices_export(m, "xml", take, NULL));
  bp_matrices_free(m);
  assert_null(bp_jacobian(net, NULL)); /* by which? */
  assert_true(said(net, "[BP523]"));
  assert_false(bp_net_ok(net));
  assert_null(bp_jacobian(net, &(bp_jacobian_options){.of = "y", .wrt = "x"}));
  bp_net_free(net);
}

static void test_a_hessian_by_blocks(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_matrices *m = bp_hessian(net, &(bp_hessian_options){.wrt = "x,b"});
  double row[2], column[2];
  size_t count;
  assert_true(bp_matrix_row(m, "x", "x", 1, row) && row[0] == 56 && row[1] == 80);
  assert_true(bp_matrix_row(m, "b", "x", 0, row) && row[0] == 16 && row[1] == 24);
  for (size_t i = 0; i < 2; i++) assert_true(bp_matrix_row(m, "x", "b", i, &column[i]));
  assert_memory_equal(row, column, sizeof row);
  assert_false(bp_matrix_row(m, "x", "W", 0, row)); /* not asked for */
  assert_non_null(bp_hessian_eigenvalues(m, &count));
  assert_int_equal(count, 3);
  bp_matrices_free(m);
  bp_net_free(net);
}

static void test_a_hessian_times_a_vector(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_matrices *m = bp_hessian(net, &(bp_hessian_options){.wrt = "x", .times = "[1, -1]"});
  bp_shape shape;
  const double *product = bp_hessian_product(m, &shape);
  assert_true(shape.size == 2 && product[0] == 40 - 56 && product[1] == 56 - 80);
  double row[2];
  size_t count;
  assert_false(bp_matrix_row(m, "x", "x", 0, row)); /* there is no Hessian */
  assert_null(bp_hessian_eigenvalues(m, &count));
  bp_matrices_free(m);
  bp_net_free(net);
}

/* ---- code -------------------------------------------------------------------------------- */

static void test_code_belongs_to_its_result(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, NULL);
  size_t size = 0, again = 0;
  const char *c = bp_codegen(result, "c", &size);
  assert_non_null(
      strstr(c, "double net(const double x[2], const double W[4], double b, double c,"));
  const char *python = bp_codegen(result, "python", &again);
  assert_non_null(strstr(python, "def net(x, W, b, c):"));
  assert_true(strlen(c) == size && strlen(python) == again);
  assert_null(bp_codegen(result, "fortran", &size));
  assert_int_equal(bp_message_count(net), 0);
  bp_result *before = bp_evaluate(net, &(bp_evaluate_options){.all = true});
  assert_true(*bp_value(before, "L", NULL) == *bp_value(result, "L", NULL));
  bp_result_free(before);
  bp_result_free(result);
  bp_net_free(net);
}

static void test_what_has_no_gradients_has_no_code(void **state) {
  (void)state;
  bp_net *net = parse(text);
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.of = "y"});
  size_t size;
  assert_null(bp_codegen(result, "c", &size));
  assert_true(said(net, "[BP541]"));
  bp_result_free(result);
  bp_net_free(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_net_and_its_gradients),
      cmocka_unit_test(test_nothing_where_there_is_nothing),
      cmocka_unit_test(test_freeing_null_is_fine),
      cmocka_unit_test(test_bytes_need_no_nul),
      cmocka_unit_test(test_a_file_is_loaded),
      cmocka_unit_test(test_data_files_are_listed),
      cmocka_unit_test(test_start_values_can_be_set),
      cmocka_unit_test(test_data_stay_inside_their_root),
      cmocka_unit_test(test_messages_say_what_is_wrong),
      cmocka_unit_test(test_a_good_net_has_nothing_to_say),
      cmocka_unit_test(test_evaluating_adds_messages),
      cmocka_unit_test(test_one_net_is_evaluated_often),
      cmocka_unit_test(test_parts_of_expressions_have_names),
      cmocka_unit_test(test_every_format_is_written),
      cmocka_unit_test(test_code_belongs_to_its_result),
      cmocka_unit_test(test_what_has_no_gradients_has_no_code),
      cmocka_unit_test(test_a_files_ending_tells_its_format),
      cmocka_unit_test(test_versions),
      cmocka_unit_test(test_schemas),
      cmocka_unit_test(test_a_check_outlives_its_net),
      cmocka_unit_test(test_options_of_a_check),
      cmocka_unit_test(test_a_net_with_errors_can_be_checked),
      cmocka_unit_test(test_no_nets_can_be_exported),
      cmocka_unit_test(test_a_jacobian_row_by_row),
      cmocka_unit_test(test_a_hessian_by_blocks),
      cmocka_unit_test(test_a_hessian_times_a_vector),
      cmocka_unit_test(test_codes_are_explained),
      cmocka_unit_test(test_ops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
