#include "tensor/vector_math.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Which vectors the processor has, as the C library found when the program started: asking the
 * processor itself takes tens of microseconds in a virtual machine, and the linker would ask it
 * before every run (`target_clones` is made like that). */
#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS_VARIANTS
#endif
#endif

static inline uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline double from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* ---- e^x --------------------------------------------------------------------------------- */

/* x + ROUNDER is rounded to an integer, which then stands in the last bits. */
#define ROUNDER 0x1.8p52

/* ln 2 in two parts; the product of the first and an exponent is exact. */
static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;

/* 2^k from k + ROUNDER, -1023 < k < 1024. */
static inline double power_of_two(double shifted) {
  return from_bits((bits_of(shifted) + 1023) << 52);
}

/* e^r - 1 - r for r = high - low, |r| <= ln(2) / 2, interpolated at Chebyshev's points: 2^-60. */
static inline double beyond_linear(double high, double low) {
  const double r = high - low, square = r * r;
  const double c2 = 0.5 + r * 0x1.5555555555556p-3;
  const double c4 = 0x1.5555555555555p-5 + r * 0x1.11111111109b3p-7;
  const double c6 = 0x1.6c16c16c167e1p-10 + r * 0x1.a01a01a7c41d5p-13;
  const double c8 = 0x1.a01a01a47b054p-16 + r * 0x1.71de0dae63bb3p-19;
  const double c10 =
      0x1.27e4e1f48534fp-22 + r * (0x1.af38a9b0ec855p-26 + r * 0x1.1f66df7fca49fp-29);
  const double p = c2 + square * (c4 + square * (c6 + square * (c8 + square * c10)));
  return square * p - low;
}

/* x = k ln 2 + r: r = high - low. */
struct reduced {
  double shifted, k, high, low;
};

static inline struct reduced reduce(double x) {
  struct reduced it;
  it.shifted = x * 0x1.71547652b82fep+0 + ROUNDER;
  it.k = it.shifted - ROUNDER;
  it.high = x - it.k * ln2_high;
  it.low = it.k * ln2_low;
  return it;
}

static inline double exp_one(double x) {
  /* Beyond, the result is inf or 0 anyway; a NaN passes. */
  x = x < -746 ? -746 : x;
  x = x > 710 ? 710 : x;
  const struct reduced it = reduce(x);
  /* 1 + high, and what rounding loses of it. */
  const double sum = 1 + it.high, lost = (1 - sum) + it.high;
  const double y = sum + (lost + beyond_linear(it.high, it.low));
  /* In two steps: 2^k may be infinite or subnormal. */
  const double half = it.k * 0.5 + ROUNDER, rest = it.k - (half - ROUNDER) + ROUNDER;
  return y * power_of_two(half) * power_of_two(rest);
}

/* ---- ln x -------------------------------------------------------------------------------- */

/* x = 2^k (1 + f), with 1 + f between the square roots of 1/2 and 2.  With s = f / (2 + f),
 * ln(1 + f) = 2 artanh s = 2s + s R(s^2) = f - f^2/2 + s (f^2/2 + R); the coefficients of R are those
 * of Sun's fdlibm (e_log.c), whose error is below 2^-58. */
static inline double log_one(double x) {
  const double normal = x < 0x1p-1022 ? x * 0x1p54 : x;
  const uint64_t root = 0x3fe6a09e00000000, one = 0x3ff0000000000000;
  const uint64_t bits = bits_of(normal) + (one - root);
  /* The exponent as a number: 2^52 + it. */
  const double exponent = from_bits(bits >> 52 | 0x4330000000000000) - (0x1p52 + 1023);
  const double k = x < 0x1p-1022 ? exponent - 54 : exponent;
  const double f = from_bits((bits & 0x000fffffffffffff) + root) - 1;
  const double half = 0.5 * f * f, s = f / (2 + f), z = s * s, w = z * z;
  const double even = w * (3.999999999940941908e-01 +
                           w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double odd = z * (6.666666666666735130e-01 +
                          w * (2.857142874366239149e-01 +
                               w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  double y = s * (half + even + odd) + k * ln2_low - half + f + k * ln2_high;
  y = x < INFINITY ? y : x; /* also where x is NaN */
  y = x == 0 ? -INFINITY : y;
  return x < 0 ? NAN : y;
}

/* ---- tanh x ------------------------------------------------------------------------------ */

/* tanh x = E / (E + 2) with E = e^2x - 1, and the sign apart: E keeps its digits where it is small. */
static inline double tanh_one(double x) {
  double size = fabs(x);
  size = size > 22 ? 22 : size; /* beyond, the result is 1; a NaN passes */
  const struct reduced it = reduce(2 * size);
  /* E = (scale - 1) + scale * high + ..., the first sum with what rounding loses of it. */
  const double scale = power_of_two(it.shifted), a = scale - 1, b = scale * it.high;
  const double sum = a + b, part = sum - a, lost = (a - (sum - part)) + (b - part);
  const double e = sum + (lost + scale * beyond_linear(it.high, it.low));
  return copysign(e / (e + 2), x);
}

/* ---- many -------------------------------------------------------------------------------- */

#define LOOP_OF(name, variant, attributes)                                                         \
  attributes static void name##_##variant(double *to, const double *from, size_t n) {              \
    _Pragma("omp simd") for (size_t i = 0; i < n; i++) to[i] = name##_one(from[i]);                \
  }

/* One loop, compiled for several processors. */
#ifdef HAS_VARIANTS
#define MANY_OF(name)                                                                              \
  LOOP_OF(name, sse2, )                                                                            \
  LOOP_OF(name, avx2, __attribute__((target("avx2"))))                                             \
  LOOP_OF(name, avx512, __attribute__((target("avx512f"))))                                        \
  void name##_many(double *to, const double *from, size_t n) {                                     \
    if (CPU_FEATURE_ACTIVE(AVX512F))                                                               \
      name##_avx512(to, from, n);                                                                  \
    else if (CPU_FEATURE_ACTIVE(AVX2))                                                             \
      name##_avx2(to, from, n);                                                                    \
    else                                                                                           \
      name##_sse2(to, from, n);                                                                    \
  }
#else
#define MANY_OF(name)                                                                              \
  LOOP_OF(name, plain, )                                                                           \
  void name##_many(double *to, const double *from, size_t n) { name##_plain(to, from, n); }
#endif

MANY_OF(exp)
MANY_OF(log)
MANY_OF(tanh)
