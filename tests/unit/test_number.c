/* base/number: the YAML 1.2 core schema, and the shortest text of a double. */
#include "unit.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

/* ---- reading ----------------------------------------------------------------------------- */

static enum number_kind parse(const char *text, double *value) {
  *value = -777;
  return number_parse(text, strlen(text), value);
}

static const struct {
  const char *text;
  enum number_kind kind;
  double value;
} numbers[] = {
    {"0", NUMBER_INTEGER, 0},
    {"-0", NUMBER_INTEGER, -0.0},
    {"+12", NUMBER_INTEGER, 12},
    {"-7", NUMBER_INTEGER, -7},
    {"007", NUMBER_INTEGER, 7},
    {"9007199254740993", NUMBER_INTEGER, 9007199254740992.0},
    {"123456789012345678901234567890", NUMBER_INTEGER, 123456789012345678901234567890.0},
    {"0x10", NUMBER_INTEGER, 16},
    {"0xdeadBEEF", NUMBER_INTEGER, 3735928559.0},
    {"0x1FFFFFFFFFFFFF", NUMBER_INTEGER, 9007199254740991.0},
    {"0o17", NUMBER_INTEGER, 15},
    {"0o0", NUMBER_INTEGER, 0},
    {"1.5", NUMBER_FLOAT, 1.5},
    {"-1.5", NUMBER_FLOAT, -1.5},
    {"+1.5", NUMBER_FLOAT, 1.5},
    {".15", NUMBER_FLOAT, 0.15},
    {"-.5", NUMBER_FLOAT, -0.5},
    {"1.", NUMBER_FLOAT, 1},
    {"1e3", NUMBER_FLOAT, 1000},
    {"1E3", NUMBER_FLOAT, 1000},
    {"1e-3", NUMBER_FLOAT, 0.001},
    {"1e+3", NUMBER_FLOAT, 1000},
    {"1.e3", NUMBER_FLOAT, 1000},
    {".5e1", NUMBER_FLOAT, 5},
    {".inf", NUMBER_FLOAT, INFINITY},
    {".Inf", NUMBER_FLOAT, INFINITY},
    {".INF", NUMBER_FLOAT, INFINITY},
    {"+.inf", NUMBER_FLOAT, INFINITY},
    {"-.inf", NUMBER_FLOAT, -INFINITY},
    {".nan", NUMBER_FLOAT, NAN},
    {".NaN", NUMBER_FLOAT, NAN},
    {".NAN", NUMBER_FLOAT, NAN},
    {"1.7976931348623157e308", NUMBER_FLOAT, DBL_MAX},
    {"2.2250738585072014e-308", NUMBER_FLOAT, DBL_MIN},
    {"4.9406564584124654e-324", NUMBER_FLOAT, 4.9406564584124654e-324},
    {"1e-400", NUMBER_FLOAT, 0},
    {"-1e-400", NUMBER_FLOAT, -0.0},
    {"0e400", NUMBER_FLOAT, 0},
    {"0.0000001e-400", NUMBER_FLOAT, 0},
    {"1e-99999999999999999999", NUMBER_FLOAT, 0},
    {"1e400", NUMBER_TOO_LARGE, 0},
    {"-1e400", NUMBER_TOO_LARGE, 0},
    {"1.8e308", NUMBER_TOO_LARGE, 0},
    {"0.001e400", NUMBER_TOO_LARGE, 0},
    {"1e99999999999999999999", NUMBER_TOO_LARGE, 0},
    {"0x100000000000000000", NUMBER_TOO_LARGE, 0},
};

static void test_numbers_of_the_core_schema(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(numbers); i++) {
    double value;
    enum number_kind kind = parse(numbers[i].text, &value);
    if (kind != numbers[i].kind) print_error("%s\n", numbers[i].text);
    assert_int_equal(kind, numbers[i].kind);
    if (kind == NUMBER_TOO_LARGE) continue;
    bool same =
        isnan(numbers[i].value) ? isnan(value) : !memcmp(&value, &numbers[i].value, sizeof value);
    if (!same) print_error("%s is %.17g\n", numbers[i].text, value);
    assert_true(same);
  }
}

/* What YAML 1.1, Python, C or JavaScript would take. */
static void test_what_is_no_number(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",      " ",     "1 ",    " 1",       "-",        "+",    ".",     "e3",    ".e3",
      "1e",    "1e+",   "1e-",   "--1",      "+-1",      "- 1",  "1_000", "1,000", "0b101",
      "0X10",  "0O17",  "0x",    "0o",       "0o8",      "0xg",  "-0x10", "+0o17", "0x1p3",
      "0x1.8", "inf",   "nan",   "NaN",      "Infinity", "-inf", ".iNF",  ".naN",  "+.nan",
      "-.nan", "1.2.3", "1e3.5", "1f",       "1d0",      "1:30", "yes",   "true",  "~",
      "null",  "x",     "1x",    "\xd9\xa1", "1e3e4",    "..5",  "1..",   "++1",   "0x-1"};
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    double value;
    if (parse(texts[i], &value) != NUMBER_NONE)
      print_error("'%s' is taken for a number\n", texts[i]);
    assert_int_equal(parse(texts[i], &value), NUMBER_NONE);
  }
  double value;
  assert_int_equal(number_parse("1\0", 2, &value), NUMBER_NONE);
  assert_int_equal(number_parse("12", 1, &value), NUMBER_INTEGER); /* only what it is given */
  assert_true(value == 1);
}

static void test_expressions_have_unsigned_decimals(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t length;
    double value;
  } cases[] = {{"12+3", 2, 12},   {"1.5*x", 3, 1.5}, {".15)", 3, 0.15}, {"1e-3-1", 4, 1e-3},
               {"2x", 1, 2},      {"1e", 1, 1},      {"1else", 1, 1},   {"1.T", 2, 1},
               {"0x10", 1, 0},    {"-1", 0, 0},      {".", 0, 0},       {"x", 0, 0},
               {"1.2.3", 3, 1.2}, {"", 0, 0}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    double value = 0;
    size_t length;
    number_scan(cases[i].text, strlen(cases[i].text), &value, &length);
    assert_int_equal(length, cases[i].length);
    assert_true(value == cases[i].value);
  }
}

/* ---- writing ----------------------------------------------------------------------------- */

static const char *format(double value) {
  static char text[NUMBER_SIZE + 1];
  size_t size = number_format(text, value);
  assert_true(size <= NUMBER_SIZE);
  text[size] = '\0';
  return text;
}

static void test_numbers_are_written_fixed_from_1e_minus_5_to_1e16(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0, "0"},
               {-0.0, "-0"},
               {1, "1"},
               {-1, "-1"},
               {0.1, "0.1"},
               {100000, "100000"},
               {1e15, "1000000000000000"},
               {9999999999999998, "9999999999999998"},
               {1e16, "1e+16"},
               {-1e16, "-1e+16"},
               {123456789.125, "123456789.125"},
               {1e-5, "0.00001"},
               {1.5e-5, "0.000015"},
               {9.999999999999999e-6, "9.999999999999999e-06"},
               {0.000012345678901234567, "0.000012345678901234568"},
               {1.0 / 3, "0.3333333333333333"},
               {3.14159265358979323846, "3.141592653589793"},
               {1e23, "1e+23"},
               {5e-324, "5e-324"},
               {DBL_MAX, "1.7976931348623157e+308"},
               {NAN, "NaN"},
               {-NAN, "NaN"},
               {INFINITY, "Infinity"},
               {-INFINITY, "-Infinity"}};
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    assert_string_equal(format(cases[i].value), cases[i].text);
}

/* The fewest digits among those that read back: one digit less does not. */
static void check_shortest(double value) {
  const char *text = format(value);
  double back;
  enum number_kind kind = number_parse(text, strlen(text), &back);
  if ((kind != NUMBER_INTEGER && kind != NUMBER_FLOAT) ||
      memcmp(&back, &value, sizeof value) != 0) {
    print_error("%.17g is written %s, which reads back as %.17g\n", value, text, back);
    fail();
  }
  assert_true(strtod(text, NULL) == value); /* by another's reading too */
  int digits = 0;
  const char *at = text + strspn(text, "-0.");
  for (const char *c = at; *c && *c != 'e'; c++) digits += *c >= '0' && *c <= '9';
  bool padded = !strchr(text, '.'); /* zeros of a large whole number are no digits */
  for (const char *c = at + strcspn(at, "e"); padded && c > at && c[-1] == '0'; c--) digits--;
  if (digits < 2) return;
  char shorter[64];
  snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
  if (strtod(shorter, NULL) == value) print_error("%s is longer than %s\n", text, shorter);
  assert_true(strtod(shorter, NULL) != value);
}

static void test_the_shortest_text_reads_back(void **state) {
  (void)state;
  uint64_t random = 1;
  for (int i = 0; i < 200000; i++) {
    uint64_t bits = next_random(&random);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value)) check_shortest(value);
  }
  for (int i = 0; i < 100000; i++) /* of everyday size */
    check_shortest(((double)(next_random(&random) >> 11) * 0x1p-53 - 0.5) * pow(10, i % 24 - 8));
}

static void test_hard_cases_read_back(void **state) {
  (void)state;
  static const double hard[] = {2.2250738585072011e-308,
                                2.2250738585072014e-308,
                                4.9406564584124654e-324,
                                1.7976931348623157e308,
                                9007199254740991,
                                9007199254740992,
                                1.1805916207174113e21,
                                5.3169120e-27,
                                9.5e-5,
                                1e22,
                                1e23,
                                8.41e21,
                                9.109e-31,
                                2.9802322387695312e-8,
                                5e-324,
                                0.1 + 0.2};
  for (size_t i = 0; i < COUNT_OF(hard); i++) {
    check_shortest(hard[i]);
    check_shortest(-hard[i]);
  }
  for (int e = -1074; e <= 1023; e++) {
    check_shortest(ldexp(1, e));
    check_shortest(nextafter(ldexp(1, e), 0));
    check_shortest(nextafter(ldexp(1, e), INFINITY));
  }
}

static void test_rounding_for_people(void **state) {
  (void)state;
  static const struct {
    double value;
    int digits;
    const char *text;
  } cases[] = {{0, 6, "0"},
               {1, 6, "1"},
               {2.0 / 3, 6, "0.666667"},
               {-2.0 / 3, 3, "-0.667"},
               {1234567, 6, "1.23457e+06"},
               {123456, 6, "123456"},
               {100000, 6, "100000"},
               {0.1, 6, "0.1"},
               {0.00012345678, 4, "0.0001235"},
               {0.00001, 6, "0.00001"},
               {0.0000099, 6, "9.9e-06"},
               {0.99999999, 6, "1"},
               {0.000099999999, 3, "0.0001"},
               {1e300, 6, "1e+300"},
               {3.14159265358979323846, 17, "3.1415926535897931"},
               {0.3, 1, "0.3"},
               {0.95, 1, "0.9"}, /* 0.95 lies below 0.95 */
               {NAN, 6, "NaN"},
               {-INFINITY, 6, "-Infinity"}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    char text[NUMBER_SIZE + 1];
    size_t size = number_round(text, cases[i].value, cases[i].digits);
    text[size] = '\0';
    assert_string_equal(text, cases[i].text);
  }
}

static void test_rounding_agrees_with_printf(void **state) {
  (void)state;
  uint64_t random = 2;
  for (int i = 0; i < 100000; i++) {
    double value = ((double)(next_random(&random) >> 11) * 0x1p-53 - 0.5) * pow(10, i % 40 - 20);
    int digits = 1 + i % 17;
    char text[NUMBER_SIZE + 1], theirs[64];
    size_t size = number_round(text, value, digits);
    assert_true(size <= NUMBER_SIZE);
    text[size] = '\0';
    snprintf(theirs, sizeof theirs, "%.*g", digits, value);
    if (strtod(text, NULL) != strtod(theirs, NULL)) print_error("%s is not %s\n", text, theirs);
    assert_true(strtod(text, NULL) == strtod(theirs, NULL));
  }
}

static void test_integers(void **state) {
  (void)state;
  char text[NUMBER_SIZE + 1];
  text[integer_format(text, INT64_MIN)] = '\0';
  assert_string_equal(text, "-9223372036854775808");
  text[integer_format(text, 0)] = '\0';
  assert_string_equal(text, "0");
}

static void test_no_locale_matters(void **state) {
  (void)state;
  static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
  for (size_t i = 0; i < COUNT_OF(locales); i++) {
    if (!setlocale(LC_ALL, locales[i])) continue;
    double value;
    assert_int_equal(parse("1.5", &value), NUMBER_FLOAT);
    assert_true(value == 1.5);
    assert_int_equal(parse("1,5", &value), NUMBER_NONE);
    assert_string_equal(format(1.5), "1.5");
  }
  setlocale(LC_ALL, "C");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers_of_the_core_schema),
      cmocka_unit_test(test_what_is_no_number),
      cmocka_unit_test(test_expressions_have_unsigned_decimals),
      cmocka_unit_test(test_numbers_are_written_fixed_from_1e_minus_5_to_1e16),
      cmocka_unit_test(test_the_shortest_text_reads_back),
      cmocka_unit_test(test_hard_cases_read_back),
      cmocka_unit_test(test_rounding_for_people),
      cmocka_unit_test(test_rounding_agrees_with_printf),
      cmocka_unit_test(test_integers),
      cmocka_unit_test(test_no_locale_matters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
