/* export/check: what is written of verdicts that were made by hand. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "export/check.h"
#include "export/explain.h"

static struct arena arena;
static struct report report;
static struct net net;
static struct check check;
static struct source *source;

static const char file[] = "bpgraph: 1\n"
                           "expect: {gradients: {W: 1, b: 2}}\n";

static int setup(void **state) {
  (void)state;
  arena_init(&arena, NULL);
  report_init(&report, &arena);
  source = report_source(&report, "net.yaml", file, strlen(file));
  net = (struct net){.arena = &arena, .report = &report, .source = source};
  check = (struct check){.net = &net, .arena = &arena};
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

static struct mark mark_of(const char *text) {
  return source_mark(source, strstr(file, text), strlen(text));
}

/* A claim for W, of shape [2], wrong at entry 1. */
static struct judgement *add_claim(enum verdict verdict, double claimed, double actual) {
  struct judgement *said = vec_push(&arena, &check.claims);
  *said = (struct judgement){.kind = "gradient",
                             .subject = "W",
                             .mark = mark_of("W"),
                             .verdict = verdict,
                             .entries = 2,
                             .wrong = verdict == VERDICT_WRONG,
                             .max_abs_error = fabs(claimed - actual),
                             .max_rel_error = 1,
                             .worst = {.rank = 1, .at = {1}},
                             .claimed = claimed,
                             .actual = actual,
                             .points = 1};
  check.passed += verdict == VERDICT_RIGHT;
  check.failed += verdict == VERDICT_WRONG;
  check.inconclusive += verdict == VERDICT_INCONCLUSIVE;
  return said;
}

static void add_finding(struct judgement *said, const char *id, const char *text) {
  *vec_push(&arena, &said->diagnosis) = (struct finding){id, text};
}

/* What a format says of the check; the same arena holds it. */
static const char *written(const char *format) {
  struct checked *checked = ARENA_NEW(&arena, struct checked);
  struct text text;
  checked->name = "net.yaml";
  checked->mutated = check.mutants.count > 0;
  checked_take(checked, &arena, &net, &report, &check);
  text_init(&text, &arena, NULL, NULL);
  const struct checked *const nets[] = {checked};
  check_export_find(format)(nets, 1, &text);
  return text_string(&text);
}

static void assert_has(const char *text, const char *piece) {
  if (!strstr(text, piece)) fail_msg("'%s' is not in\n%s", piece, text);
}

static void assert_lacks(const char *text, const char *piece) {
  if (strstr(text, piece)) fail_msg("'%s' is in\n%s", piece, text);
}

/* ---- numbers ----------------------------------------------------------------------------- */

static void check_numbers(double claimed, double actual, const char *wanted) {
  check.claims.count = 0;
  add_claim(VERDICT_WRONG, claimed, actual);
  assert_has(written("text"), wanted);
}

static void test_numbers_have_six_digits(void **state) {
  (void)state;
  check_numbers(1.0 / 3, -2.0 / 3, "claimed    0.333333\n           actual     -0.666667\n");
  check_numbers(123456789, 1.5, "claimed    1.23457e+08\n           actual     1.5\n");
}

static void test_numbers_that_differ_look_different(void **state) {
  (void)state;
  check_numbers(1.0000001, 1, "claimed    1.0000001\n           actual     1\n");
  check_numbers(1, 1 + 0x1p-52, "claimed    1\n           actual     1.0000000000000002\n");
}

static void test_noise_is_zero_beside_its_neighbour(void **state) {
  (void)state; /* it is another noise on another machine */
  check_numbers(0.2, 1.3e-17, "claimed    0.2\n           actual     0\n");
  check_numbers(-0.2, -1.3e-9, "claimed    -0.2\n           actual     -1.3e-09\n");
  check_numbers(0, 0.125, "claimed    0\n           actual     0.125\n");
}

static void test_what_is_not_finite_is_said(void **state) {
  (void)state;
  check_numbers(NAN, 2, "claimed    NaN\n           actual     2\n");
  check_numbers(-INFINITY, NAN, "claimed    -Infinity\n           actual     NaN\n");
  assert_has(written("json"), "\"claimed\": \"-Infinity\", \"actual\": \"NaN\", \"numeric\": null");
}

static void test_the_third_witness_is_shown_where_there_is_one(void **state) {
  (void)state;
  struct judgement *said = add_claim(VERDICT_WRONG, 1, 2);
  assert_lacks(written("text"), "numerical");
  said->has_numeric = true, said->numeric = 2.00000000001;
  assert_has(written("text"), "numerical  2\n");
  assert_has(written("json"), "\"numeric\": 2.00000000001");
  said->numeric = 1e-11;
  assert_has(written("text"), "numerical  0\n");
}

/* ---- verdicts ---------------------------------------------------------------------------- */

static void test_a_wrong_claim_is_explained(void **state) {
  (void)state;
  struct judgement *said = add_claim(VERDICT_WRONG, 1, 2);
  add_finding(said, "factor", "dW is half of it");
  add_finding(said, "sum-missing", "dW is not summed");
  said->inherited_from = "s";
  said->point = 3;
  const char *text = written("text");
  assert_has(text, "  WRONG  gradient  W  net.yaml:2:22\n"
                   "           2 | expect: {gradients: {W: 1, b: 2}}\n"
                   "             |                      ^\n");
  assert_has(text, "worst at   [1]; 1 of 2 entries is wrong\n");
  assert_has(text, "point      random point 3");
  assert_has(text, "inherited  from the claim for s, which is wrong\n");
  assert_has(text, "diagnosis  dW is half of it [factor]\n");
  assert_has(text, "or         dW is not summed [sum-missing]\n");
  assert_has(text, "net.yaml: 1 failed\n");
  assert_has(written("json"), "\"inherited_from\": \"s\", \"note\": null, \"diagnosis\": "
                              "[{\"id\": \"factor\", \"text\": \"dW is half of it\"}, {");
  assert_has(written("junit"),
             "<failure type=\"factor\" message=\"net.yaml:2:22: claimed 1, actual "
             "2 at [1] of random point 3: dW is half of it, or dW is not summed\">");
  assert_has(
      written("github"),
      "::error file=net.yaml,line=2,col=22,title=gradient W is wrong::claimed 1, actual 2 at [1] "
      "of random point 3%0Ainherited from the claim for s, which is wrong%0AdW is half of "
      "it%0Aor: dW is not summed\n");
}

static void test_a_right_claim_takes_a_line(void **state) {
  (void)state;
  add_claim(VERDICT_RIGHT, 1, 1)->note = "the true gradient is 0 everywhere";
  assert_string_equal(written("text"), "net.yaml\n\nclaims\n"
                                       "  right  gradient  W  the true gradient is 0 everywhere\n"
                                       "\nnet.yaml: 1 passed\n");
  assert_has(written("github"), "bpgraph check: 1 net: 1 passed\n");
  assert_has(written("junit"), "<testcase classname=\"net\" name=\"gradient W\" time=\"0\"/>");
}

static void test_an_inconclusive_claim_is_no_failure(void **state) {
  (void)state;
  add_claim(VERDICT_INCONCLUSIVE, 1, 1)->note = "kink within the step";
  assert_has(written("text"), "  inconclusive  gradient  W  net.yaml:2:22\n");
  assert_has(written("text"), "note       kink within the step\n");
  assert_has(written("json"), "\"status\": \"ok\"");
  assert_has(written("junit"), "<skipped message=\"net.yaml:2:22: kink");
  assert_has(written("github"), "::warning file=net.yaml,line=2,col=22,");
}

static void test_backprop_has_lines_of_its_own(void **state) {
  (void)state;
  *vec_push(&arena, &check.backprop) = (struct witnessed){
      .node = "W", .mark = mark_of("W"), .verdict = VERDICT_RIGHT, .entries = 5, .of = 9};
  *vec_push(&arena, &check.backprop) = (struct witnessed){.node = "b",
                                                          .mark = mark_of("b: 2"),
                                                          .verdict = VERDICT_WRONG,
                                                          .entries = 1,
                                                          .of = 1,
                                                          .actual = 3,
                                                          .numeric = 2};
  check.passed = check.failed = 1;
  const char *text = written("text");
  assert_has(text, "backprop itself, by numerical differences\n  right  W  5 of 9 entries\n");
  assert_has(text, "  WRONG  b  1 entry  net.yaml:2:28\n");
  assert_has(text, "backprop   3\n           numerical  2\n");
  assert_has(written("junit"), "backprop says 3, differences 2");
  assert_has(written("github"), "title=backprop of b is wrong::backprop says 3, differences 2\n");
}

static void test_surviving_mutants_are_listed(void **state) {
  (void)state;
  add_claim(VERDICT_RIGHT, 1, 1);
  *vec_push(&arena, &check.mutants) = (struct mutant){0, "W ** 2 for W", true, "W = 2"};
  *vec_push(&arena, &check.mutants) = (struct mutant){0, "-W for W", false, NULL};
  const char *text = written("text");
  assert_has(text, "mutants of the formulas: 1 of 2 noticed\n"
                   "  survives  gradient W  net.yaml:2:22\n");
  assert_has(text, "mutant     W ** 2 for W\n           told apart W = 2\n");
  assert_lacks(text, "-W for W");
  assert_has(written("json"),
             "{\"claim\": 0, \"node\": \"W\", \"mutant\": \"-W for W\", \"survived\": "
             "false, \"told_apart_by\": null}");
}

static void test_a_claim_without_entries_has_no_numbers(void **state) {
  (void)state;
  struct judgement *said = add_claim(VERDICT_RIGHT, 0, 0);
  said->entries = 0;
  assert_has(written("json"), "\"worst_index\": null, \"claimed\": null, \"actual\": null");
}

static void test_a_claim_without_a_line_has_a_file(void **state) {
  (void)state; /* one of an archive, say */
  add_claim(VERDICT_WRONG, 1, 2)->mark = (struct mark){0, 0};
  assert_has(written("text"), "  WRONG  gradient  W  net.yaml\n           claimed");
  assert_has(written("json"), "\"file\": \"net.yaml\", \"line\": null, \"column\": null");
  assert_has(written("github"), "::error file=net.yaml,title=");
}

static void test_a_claim_of_an_archive_stands_in_the_archive(void **state) {
  (void)state; /* as far as the report knows it stands in the option */
  struct source *option = report_source(&report, "--gradients", "mine.npz", 8);
  add_claim(VERDICT_WRONG, 1, 2)->mark = source_mark(option, option->bytes, 8);
  assert_has(written("text"), "  WRONG  gradient  W  mine.npz\n           claimed");
  assert_has(written("json"), "\"file\": \"mine.npz\", \"line\": null, \"column\": null");
}

/* ---- escapes ----------------------------------------------------------------------------- */

static void test_github_escapes(void **state) {
  (void)state;
  struct judgement *said = add_claim(VERDICT_WRONG, 1, 2);
  said->subject = "a,b:c%d\r\n";
  said->note = "e,f:g%h\r\n";
  assert_has(written("github"), "title=gradient a%2Cb%3Ac%25d%0D%0A is wrong::");
  assert_has(written("github"), "%0Ae,f:g%25h%0D%0A\n");
}

static void test_junit_escapes(void **state) {
  (void)state;
  struct judgement *said = add_claim(VERDICT_WRONG, 1, 2);
  said->subject = "<a> & \"b\" 'c' \x01\t\n\xff";
  add_finding(said, "sign", "<a>");
  const char *text = written("junit");
  assert_has(text, "name=\"gradient &lt;a&gt; &amp; &quot;b&quot; 'c' \xef\xbf\xbd&#9;&#10;"
                   "\xef\xbf\xbd\"");
  assert_has(text, "diagnosis  &lt;a&gt; [sign]\n");
}

static void test_junit_names_are_unique(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) add_claim(VERDICT_RIGHT, 1, 1);
  const char *text = written("junit");
  assert_has(text, "name=\"gradient W\"");
  assert_has(text, "name=\"gradient W (2)\"");
  assert_has(text, "name=\"gradient W (3)\"");
}

static void test_terminals_are_spared(void **state) {
  (void)state;
  struct judgement *said = add_claim(VERDICT_WRONG, 1, 2);
  add_finding(said, "sign", "\x1b[31mred\xe2\x80\xae");
  said->title = "\x1b[2J";
  assert_has(written("text"), "diagnosis  \\x1b[31mred<U+202E> [sign]\n");
  assert_has(written("text"), "claims: \\x1b[2J\n");
}

/* ---- invalid nets ------------------------------------------------------------------------ */

static void test_errors_make_a_net_invalid(void **state) {
  (void)state;
  add_claim(VERDICT_RIGHT, 1, 1);
  report_add(&report, mark_of("b: 2"), BP(BAD_CLAIM), "b & <c>");
  report_hint(&report, "try d");
  assert_has(written("text"), "net.yaml: invalid: 1 error; 1 passed\n");
  assert_has(written("json"), "\"status\": \"invalid\"");
  assert_has(written("json"),
             "[\n       {\"code\": \"BP506\", \"severity\": \"error\", \"file\": "
             "\"net.yaml\", \"line\": 2, \"column\": 28, \"message\": \"b & <c>\", "
             "\"hint\": \"try d\"}]");
  assert_has(written("junit"),
             "<error type=\"BP506\" message=\"net.yaml:2:28: b &amp; &lt;c&gt;\">");
  assert_has(written("github"), "::error file=net.yaml,line=2,col=28,title=invalid net BP506::b & "
                                "<c>%0Ahint: try d\n");
}

static void test_warnings_do_not(void **state) {
  (void)state;
  add_claim(VERDICT_RIGHT, 1, 1);
  report_add(&report, mark_of("b: 2"), BP(NOT_FINITE), "NaN");
  assert_has(written("json"), "\"status\": \"ok\"");
  assert_has(written("json"), "\"errors\": [],\n     \"warnings\": [\n       {\"code\": \"BP502\"");
}

static void test_formats_are_found_by_name(void **state) {
  (void)state;
  assert_null(check_export_find("npz"));
  assert_null(check_export_find(""));
  for (size_t i = 0; check_export_name(i); i++)
    assert_non_null(check_export_find(check_export_name(i)));
  assert_null(check_export_name(4));
}

/* ---- codes ------------------------------------------------------------------------------- */

static void test_codes_are_known_in_three_ways(void **state) {
  (void)state;
  static const char *const known[] = {"BP203", "bp203", "203", "BP001", "1", "transpose"};
  static const char *const unknown[] = {"",     "BP",   "BP000", "BP0001",
                                        "203x", "-203", " 203",  "B203"};
  for (size_t i = 0; i < COUNT_OF(known); i++) assert_true(explain_knows(known[i]));
  for (size_t i = 0; i < COUNT_OF(unknown); i++) assert_false(explain_knows(unknown[i]));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_numbers_have_six_digits),
      TEST(test_numbers_that_differ_look_different),
      TEST(test_noise_is_zero_beside_its_neighbour),
      TEST(test_what_is_not_finite_is_said),
      TEST(test_the_third_witness_is_shown_where_there_is_one),
      TEST(test_a_wrong_claim_is_explained),
      TEST(test_a_right_claim_takes_a_line),
      TEST(test_an_inconclusive_claim_is_no_failure),
      TEST(test_backprop_has_lines_of_its_own),
      TEST(test_surviving_mutants_are_listed),
      TEST(test_a_claim_without_entries_has_no_numbers),
      TEST(test_a_claim_without_a_line_has_a_file),
      TEST(test_a_claim_of_an_archive_stands_in_the_archive),
      TEST(test_github_escapes),
      TEST(test_junit_escapes),
      TEST(test_junit_names_are_unique),
      TEST(test_terminals_are_spared),
      TEST(test_errors_make_a_net_invalid),
      TEST(test_warnings_do_not),
      TEST(test_formats_are_found_by_name),
      TEST(test_codes_are_known_in_three_ways),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
