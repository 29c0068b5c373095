/* How exact exp, log and tanh of many numbers are. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/vector_math.h"

enum { BLOCK = 1000, BLOCKS = 200 };

typedef void many_fn(double *to, const double *from, size_t n);
typedef long double exact_fn(long double x);

static uint64_t state;

static uint64_t next_bits(void) { /* xorshift */
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

static double next_between(double low, double high) {
  return low + (high - low) * ((double)(next_bits() >> 11) * 0x1p-53);
}

static double next_of_all(double low, double high) { /* every bit pattern, NaN included */
  const uint64_t bits = next_bits();
  double x;
  (void)low, (void)high;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double next_of_sizes(double low, double high) { /* of either sign, by exponents */
  const double x = exp2(next_between(low, high));
  return next_bits() >> 63 ? -x : x;
}

/* The error in units of the last place of the right result; HUGE_VAL where one of the two is NaN
 * or infinite and the other not. */
static double error_of(double y, long double right) {
  const double rounded = (double)right;
  int exponent;
  if (isnan(rounded) || isnan(y)) return isnan(rounded) && isnan(y) ? 0 : HUGE_VAL;
  if (isinf(rounded) || isinf(y)) return y == rounded ? 0 : HUGE_VAL;
  frexp(rounded, &exponent);
  if (rounded == 0 || exponent < DBL_MIN_EXP) exponent = DBL_MIN_EXP;
  return (double)fabsl((y - right) / ldexpl(1, exponent - DBL_MANT_DIG));
}

static double worst_error(many_fn *many, exact_fn *exact, double (*next)(double, double),
                          double low, double high) {
  static double x[BLOCK], y[BLOCK];
  double worst = 0;
  state = 88172645463325252;
  for (int block = 0; block < BLOCKS; block++) {
    for (int i = 0; i < BLOCK; i++) x[i] = next(low, high);
    many(y, x, BLOCK);
    for (int i = 0; i < BLOCK; i++) worst = fmax(worst, error_of(y[i], exact(x[i])));
  }
  return worst;
}

#define ASSERT_ERROR(most, ...) assert_true(worst_error(__VA_ARGS__) <= (most))

/* The right results need more digits than a double has; valgrind's have no more. */
static void need_long_double(void) {
  volatile long double one = 1;
  if (LDBL_MANT_DIG <= DBL_MANT_DIG || one + LDBL_EPSILON == one) skip();
}

static void exp_is_within_one_unit(void **unused) {
  (void)unused;
  need_long_double();
  ASSERT_ERROR(0.8, exp_many, expl, next_between, -1, 1);
  ASSERT_ERROR(0.8, exp_many, expl, next_between, -746, 710);
  ASSERT_ERROR(0.8, exp_many, expl, next_between, -746, -707); /* subnormal results */
  ASSERT_ERROR(0.8, exp_many, expl, next_of_sizes, -1074, 10);
  ASSERT_ERROR(0.8, exp_many, expl, next_of_all, 0, 0);
}

static void log_is_within_one_unit(void **unused) {
  (void)unused;
  need_long_double();
  ASSERT_ERROR(0.9, log_many, logl, next_between, 0.5, 2);
  ASSERT_ERROR(0.9, log_many, logl, next_between, 0.99, 1.01);
  ASSERT_ERROR(0.9, log_many, logl, next_of_sizes, -1074, -1022); /* subnormal arguments */
  ASSERT_ERROR(0.9, log_many, logl, next_of_sizes, -1074, 1024);
  ASSERT_ERROR(0.9, log_many, logl, next_of_all, 0, 0);
}

static void tanh_is_within_three_units(void **unused) {
  (void)unused;
  need_long_double();
  ASSERT_ERROR(2.6, tanh_many, tanhl, next_between, -1, 1);
  ASSERT_ERROR(2.6, tanh_many, tanhl, next_between, -23, 23);
  ASSERT_ERROR(2.6, tanh_many, tanhl, next_of_sizes, -1074, 6);
  ASSERT_ERROR(2.6, tanh_many, tanhl, next_of_all, 0, 0);
}

/* The same number, also by sign, or both NaN. */
static void assert_same(double y, double right) {
  if (isnan(right))
    assert_true(isnan(y));
  else
    assert_memory_equal(&y, &right, sizeof y);
}

/* Where the result is exact or has no digits. */
static const double corners[] = {0.0,
                                 -0.0,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 1.0,
                                 -1.0,
                                 0x1p-1074,
                                 -0x1p-1074,
                                 0x1p-1022,
                                 DBL_MAX,
                                 -DBL_MAX,
                                 709.782712893384,
                                 709.7827128933841,
                                 -745.1332191019411,
                                 -745.1332191019412,
                                 22.5,
                                 -22.5,
                                 100,
                                 -1e300};

enum { CORNERS = sizeof corners / sizeof *corners };

static void corners_are_those_of_the_library(void **unused) {
  (void)unused;
  double y[CORNERS];
  exp_many(y, corners, CORNERS);
  for (size_t i = 0; i < CORNERS; i++) /* the last digit may differ elsewhere */
    if (!(y[i] > 0x1p-1000 && y[i] < INFINITY) || y[i] == 1) assert_same(y[i], exp(corners[i]));
  assert_same(y[12], 0x1.fffffffffff2ap+1023); /* the largest result */
  log_many(y, corners, CORNERS);
  for (size_t i = 0; i < CORNERS; i++)
    if (!(corners[i] > 1 && corners[i] < INFINITY)) assert_same(y[i], log(corners[i]));
  tanh_many(y, corners, CORNERS);
  for (size_t i = 0; i < CORNERS; i++)
    if (fabs(corners[i]) != 1) assert_same(y[i], tanh(corners[i]));
}

/* The same bits wherever an entry stands and however many there are, also in place. */
static void places_do_not_matter(void **unused) {
  (void)unused;
  static many_fn *const functions[] = {exp_many, log_many, tanh_many};
  double x[67], y[67], one;
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
    state = 1234567;
    for (int i = 0; i < 67; i++) x[i] = next_between(-3, 5);
    for (size_t start = 0; start < 9; start++) {
      functions[f](y, x + start, 67 - start);
      for (size_t i = start; i < 67; i++) {
        functions[f](&one, &x[i], 1);
        assert_same(y[i - start], one);
      }
    }
    memcpy(y, x, sizeof y);
    functions[f](y, y, 67);
    for (size_t i = 0; i < 67; i++) {
      functions[f](&one, &x[i], 1);
      assert_same(y[i], one);
    }
  }
}

/* A few results to the last bit: the same with every compiler and on every processor. */
static void bits_are_the_same_everywhere(void **unused) {
  (void)unused;
  enum { COUNT = 4096 };
  static double x[COUNT], y[COUNT];
  static many_fn *const functions[] = {exp_many, log_many, tanh_many};
  uint64_t sum = 0, bits;
  state = 20240229;
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
    for (int i = 0; i < COUNT; i++) x[i] = next_between(0.001, 25);
    functions[f](y, x, COUNT);
    for (int i = 0; i < COUNT; i++) {
      memcpy(&bits, &y[i], sizeof bits);
      sum = (sum ^ bits) * 1099511628211u;
    }
  }
  assert_int_equal(sum, 0x0e24a38983b663af);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exp_is_within_one_unit),
      cmocka_unit_test(log_is_within_one_unit),
      cmocka_unit_test(tanh_is_within_three_units),
      cmocka_unit_test(corners_are_those_of_the_library),
      cmocka_unit_test(places_do_not_matter),
      cmocka_unit_test(bits_are_the_same_everywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
