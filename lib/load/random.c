/* Pseudo-random numbers that are the same on every machine.
 *
 * The generator is xoshiro256++ 1.0 (Blackman and Vigna 2019), its state filled from the seed by
 * splitmix64: 64 bits a step, period 2^256 - 1.  A uniform number takes the top 53 bits of a step.
 * A normal number is a ratio of uniforms (Kinderman and Monahan 1977) with Leva's bounds (1992).
 * No function of the C library is called, whose last bits differ between machines. */
#include "load/data.h"

#include <math.h>

/* ---- bits ------------------------------------------------------------------------------------ */

struct generator {
  uint64_t state[4];
};

static uint64_t split_mix(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15U;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27) * 0x94d049bb133111ebU;
  return z ^ z >> 31;
}

static struct generator start(uint64_t seed) {
  struct generator generator;
  for (int i = 0; i < 4; i++) generator.state[i] = split_mix(&seed);
  return generator;
}

static inline uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static inline uint64_t step(struct generator *generator) {
  uint64_t *s = generator->state, result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return result;
}

/* One of the multiples of 2^-53 in [0, 1). */
static inline double unit(struct generator *generator) {
  return (double)(step(generator) >> 11) * 0x1p-53;
}

/* ---- uniform --------------------------------------------------------------------------------- */

void data_uniform(double *at, size_t count, uint64_t seed, double low, double high) {
  struct generator generator = start(seed);
  /* Where high - low is beyond a double, everything is computed in halves. */
  double scale = isinf(high - low) ? 2 : 1;
  double from = low / scale, span = high / scale - from;
  for (size_t i = 0; i < count; i++) {
    double x;
    do /* rounding may reach `high`: draw again */
      x = (from + span * unit(&generator)) * scale;
    while (x >= high && low < high);
    at[i] = x;
  }
}

/* ---- normal ---------------------------------------------------------------------------------- */

/* ln(u) for u in (0, 1], to some 15 digits: u is doubled until it is near 1, where
 * ln(u) = 2 (z + z^3/3 + z^5/5 + ...) with z = (u - 1) / (u + 1), |z| < 0.18. */
static double logarithm(double u) {
  double doublings = 0;
  while (u < 0.7) u *= 2, doublings++;
  double z = (u - 1) / (u + 1), square = z * z, sum = 0;
  for (int k = 19; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return 2 * z * sum - doublings * 0.6931471805599453;
}

/* Whether v/u is taken: whether v^2 <= -4 u^2 ln(u).  Leva's two ellipses around that region decide
 * all but one case in a hundred without the logarithm. */
static inline bool accepts(double u, double v) {
  double x = u - 0.449871, y = (v < 0 ? -v : v) + 0.386595;
  double q = x * x + y * (0.196 * y - 0.25472 * x);
  if (q < 0.27597) return true;
  if (q > 0.27846) return false;
  return v * v <= -4 * u * u * logarithm(u);
}

static inline double draw_normal(struct generator *generator) {
  double u, v;
  do {
    u = 1 - unit(generator);              /* never 0 */
    v = 1.7156 * (unit(generator) - 0.5); /* a little more than 2 sqrt(2/e) wide */
  } while (!accepts(u, v));
  return v / u;
}

void data_normal(double *at, size_t count, uint64_t seed, double mean, double std) {
  struct generator generator = start(seed);
  for (size_t i = 0; i < count; i++) at[i] = mean + std * draw_normal(&generator);
}

/* ---- seeds ----------------------------------------------------------------------------------- */

/* FNV-1a with 64 bits. */
uint64_t data_seed(const char *name, size_t size) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3U;
  return hash;
}
