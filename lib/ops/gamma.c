#define _DEFAULT_SOURCE /* lgamma_r */
#include "ops/gamma.h"

#include <math.h>

/* lgamma itself writes to the global signgam. */
double log_gamma(double x) {
#if defined(__GLIBC__)
  int sign;
  return lgamma_r(x, &sign);
#else
  return lgamma(x);
#endif
}

static double factorial(int n) {
  double product = 1;
  for (int i = 2; i <= n; i++) product *= i;
  return product;
}

/* B_2k / (2k)! for k = 1 ...: of the asymptotic series, Abramowitz and Stegun 6.4.11. */
static const double bernoulli[] = {1.0 / 6,       -1.0 / 30,      1.0 / 42, -1.0 / 30,
                                   5.0 / 66,      -691.0 / 2730,  7.0 / 6,  -3617.0 / 510,
                                   43867.0 / 798, -174611.0 / 330};
enum { TERMS = sizeof bernoulli / sizeof *bernoulli };

/* psi(x) for large x, Abramowitz and Stegun 6.3.18. */
static double digamma_series(double x) {
  double sum = log(x) - 0.5 / x, power = 1 / (x * x), term = power;
  for (int k = 1; k <= TERMS; k++, term *= power) sum -= bernoulli[k - 1] / (2 * k) * term;
  return sum;
}

/* psi^(n)(x) for n > 0 and large x, Abramowitz and Stegun 6.4.11, without its sign (-1)^(n-1). */
static double polygamma_series(int n, double x) {
  double sum = factorial(n - 1) / pow(x, n) + factorial(n) / (2 * pow(x, n + 1));
  double weight = factorial(n + 1) / 2; /* (2k + n - 1)! / (2k)! */
  for (int k = 1; k <= TERMS; k++) {
    sum += bernoulli[k - 1] * weight / pow(x, 2 * k + n);
    weight *= (double)(2 * k + n) * (2 * k + n + 1) / ((double)(2 * k + 1) * (2 * k + 2));
  }
  return sum;
}

double polygamma(int n, double x) {
  const double pi = 3.14159265358979323846;
  if (x <= 0 && x == floor(x)) return n % 2 ? INFINITY : NAN;
  if (n == 0 && x < 0) return polygamma(0, 1 - x) - pi / tan(pi * x);
  /* psi^(n)(x) = psi^(n)(x + 1) - (-1)^n n! / x^(n+1), up to where the series is exact. */
  const double far = 20 + 2.0 * n;
  double sum = 0;
  if (x < far - 100000) return NAN;
  for (; x < far; x++) sum += 1 / pow(x, n + 1);
  if (n == 0) return digamma_series(x) - sum;
  double whole = polygamma_series(n, x) + factorial(n) * sum;
  return n % 2 ? whole : -whole;
}
