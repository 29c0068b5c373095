#include "engine/difference.h"

#include <math.h>

#include "engine/perturb.h"
#include "load/data.h"

/* ---- tolerances -------------------------------------------------------------------------- */

#define ATOL 1e-9
#define RTOL 1e-6
#define RESOLVED 1e-4  /* the witness must know that much of a derivative, to call a claim right */
#define MARGIN 16      /* the true error is surely not so many times the estimated one */
#define ROUNDING 1e-10 /* nor is it ever trusted to be smaller than that part of the derivative */

enum {
  PLAIN = -17,   /* the step of the plain central difference, relative to max(|x|, 1): 2^PLAIN */
  HALVINGS = 34, /* of the first step, until x counts as a kink */
  LEVELS = 10,   /* of an extrapolation */
  STARTS = 7,    /* of extrapolations, until one agrees with the claim */
  SHORTER = 16   /* the steps of the next one are shorter by this factor */
};

/* What is measured, and where: one entry, or along a direction. */
struct probe {
  struct differences *d;
  double x;     /* where the entry is; 0 for a direction */
  double scale; /* a power of two: max(|x|, 1) */
};

/* An extrapolated derivative. */
struct estimate {
  double value, error;
};

static double tolerance(const struct differences *d, double a, double b) {
  return d->options.atol + d->options.rtol * fmax(fabs(a), fabs(b));
}

/* What the witness can resolve. */
static double resolution(const struct estimate *e, double claimed) {
  return MARGIN * e->error + ROUNDING * fmax(fabs(claimed), fabs(e->value));
}

static bool is_resolved(const struct differences *d, const struct estimate *e, double claimed) {
  return resolution(e, claimed) <= d->options.atol + RESOLVED * fmax(fabs(claimed), fabs(e->value));
}

/* ---- quotients --------------------------------------------------------------------------- */

static struct change move(const struct probe *probe, double step) {
  probe->d->evaluations++;
  return perturb_by(probe->d->perturb, step);
}

/* The steps as they are once x has been rounded. */
static double step_up(const struct probe *probe, double h) { return (probe->x + h) - probe->x; }

static bool is_smooth(const struct change *change) {
  return isfinite(change->by) && change->flipped == NODE_NONE;
}

/* (L(x + h) - L(x - h)) / 2h; false where that is no number, or is across a kink. */
static bool central(const struct probe *probe, double h, double *quotient, node_id *kink) {
  const double up = step_up(probe, h), down = step_up(probe, -h);
  const struct change above = move(probe, up);
  if (above.flipped != NODE_NONE) *kink = above.flipped;
  if (!is_smooth(&above)) return false;
  const struct change below = move(probe, down);
  if (below.flipped != NODE_NONE) *kink = below.flipped;
  *quotient = (above.by - below.by) / (up - down);
  return is_smooth(&below) && isfinite(*quotient);
}

/* (L(x + h) - L(x)) / h on the side of h's sign, where the branches there are `branches`. */
static bool one_sided(const struct probe *probe, double h, uint64_t branches, double *quotient) {
  const double step = step_up(probe, h);
  const struct change change = move(probe, step);
  *quotient = change.by / step;
  return isfinite(*quotient) && change.branches == branches;
}

/* ---- Ridders' extrapolation --------------------------------------------------------------- */

/* Quotients at h, h/2, h/4 ... are polynomials in h^order, up to their rounding: from the last ones
 * the value at 0 is extrapolated (Neville's table), and what two neighbours in the table differ by
 * is taken for the error. */
struct table {
  double last[LEVELS];
  struct estimate best;
  unsigned level, order;
};

static struct table start_table(unsigned order) {
  return (struct table){.order = order, .best = {NAN, INFINITY}};
}

/* Adds a quotient; false when more of them make it no better. */
static bool add_quotient(struct table *t, double quotient) {
  double row[LEVELS], factor = 1;
  row[0] = quotient;
  if (t->level == 0) t->best.value = quotient;
  for (unsigned j = 1; j <= t->level; j++) {
    for (unsigned k = 0; k < t->order; k++) factor *= 2;
    row[j] = row[j - 1] + (row[j - 1] - t->last[j - 1]) / (factor - 1);
    const double error = fmax(fabs(row[j] - row[j - 1]), fabs(row[j] - t->last[j - 1]));
    if (error <= t->best.error) t->best = (struct estimate){row[j], error};
  }
  const double change = t->level ? fabs(row[t->level] - t->last[t->level - 1]) : 0;
  for (unsigned j = 0; j <= t->level; j++) t->last[j] = row[j];
  t->level++;
  if (t->level == LEVELS || t->best.error <= 1e-14 * fabs(t->best.value)) return false;
  return t->level < 3 || change < 2 * t->best.error; /* Ridders: else it gets worse */
}

static struct estimate extrapolate(const struct probe *probe, double h) {
  struct table table = start_table(2);
  double quotient;
  node_id kink = NODE_NONE;
  while (central(probe, h, &quotient, &kink) && add_quotient(&table, quotient)) h /= 2;
  return table.best;
}

/* On one side of x, from the longest step at which the branches are those of the shortest, and from
 * shorter ones: the best of these. */
static struct estimate extrapolate_side(const struct probe *probe, double sign) {
  const double shortest = ldexp(probe->scale / 16, -HALVINGS);
  const uint64_t branches = move(probe, step_up(probe, sign * shortest)).branches;
  struct estimate best = {NAN, INFINITY};
  double h = probe->scale / 16, quotient;
  while (h > shortest && !one_sided(probe, sign * h, branches, &quotient)) h /= 2;
  for (int i = 0; i < STARTS && h >= shortest; i++, h /= SHORTER) {
    struct table table = start_table(1);
    double step = h;
    while (one_sided(probe, sign * step, branches, &quotient) && add_quotient(&table, quotient))
      step /= 2;
    if (i == 0 || table.best.error < best.error) best = table.best;
  }
  return best;
}

/* ---- verdicts ---------------------------------------------------------------------------- */

static void set_measured(struct difference *out, const struct estimate *e) {
  out->value = out->left = out->right = e->value;
  out->error = e->error;
}

static void set_inconclusive(struct difference *out, enum difference_reason reason) {
  out->verdict = DIFFERENCE_INCONCLUSIVE;
  out->reason = reason;
}

static bool agrees(const struct differences *d, const struct estimate *e, double claimed) {
  const double allowed = tolerance(d, claimed, e->value) + resolution(e, claimed);
  return fabs(claimed - e->value) <= allowed && is_resolved(d, e, claimed);
}

static bool differs(const struct differences *d, const struct estimate *e, double claimed) {
  const double allowed = tolerance(d, claimed, e->value) + 2 * resolution(e, claimed);
  return fabs(claimed - e->value) > allowed;
}

/* Two extrapolations from different steps: the better one, with an error that says what they differ
 * by, too. */
static struct estimate confirm(const struct estimate *a, const struct estimate *b) {
  struct estimate best = a->error <= b->error ? *a : *b;
  best.error = fmax(best.error, fabs(a->value - b->value));
  return best;
}

/* Whether two estimates cannot both be true: one was led astray. */
static bool contradict(const struct estimate *a, const struct estimate *b) {
  const double size = fmax(fabs(a->value), fabs(b->value));
  return fabs(a->value - b->value) > MARGIN * (a->error + b->error) + RESOLVED * size;
}

/* At a smooth point, from first steps of h; then from shorter ones, which a singularity nearby does
 * not disturb, though rounding does.  All have their say before a claim is called wrong: long steps
 * over a pole, or over many turns of a sine, may agree with one another and be far off. */
static void judge_smooth(const struct probe *probe, double h, double claimed,
                         struct difference *out) {
  const struct differences *d = probe->d;
  struct estimate best = {NAN, INFINITY}, before = best;
  for (int i = 0; i < STARTS; i++, h /= SHORTER) {
    const struct estimate now = extrapolate(probe, h), both = confirm(&before, &now);
    const bool settled = differs(d, &best, claimed); /* unless the best was led astray */
    set_measured(out, &now);
    if (agrees(d, &now, claimed) && (!settled || contradict(&now, &best))) return;
    const bool astray = is_resolved(d, &both, both.value) && contradict(&both, &best);
    if (i > 0 && (settled ? astray : both.error < best.error)) best = both;
    before = now;
  }
  set_measured(out, &best);
  if (differs(d, &best, claimed))
    out->verdict = DIFFERENCE_WRONG;
  else
    set_inconclusive(out, DIFFERENCE_NOISE);
}

/* The derivatives of the two sides. */
struct sides {
  struct estimate left, right;
};

static struct sides measure_sides(const struct probe *probe) {
  return (struct sides){extrapolate_side(probe, -1), extrapolate_side(probe, 1)};
}

/* Whether they differ for all that is known. */
static bool sides_differ(const struct sides *s) {
  const double apart = fabs(s->left.value - s->right.value);
  return apart > resolution(&s->left, s->right.value) + resolution(&s->right, s->left.value);
}

/* At a kink: the claim should lie between the derivatives of the two sides.  With several kinks at
 * once, conventions that are fine for each may lead out of that. */
static void judge_kink(const struct differences *d, const struct sides *sides, bool single,
                       double claimed, struct difference *out) {
  const struct estimate *left = &sides->left, *right = &sides->right;
  const double low = fmin(left->value, right->value), high = fmax(left->value, right->value);
  const double size = fmax(fabs(claimed), fmax(fabs(low), fabs(high)));
  const double off = resolution(left, size) + resolution(right, size);
  const double allowed = tolerance(d, size, size) + off;
  const bool smooth = high - low <= allowed; /* after all: both sides have the same derivative */
  set_measured(out, &(struct estimate){(low + high) / 2, fmax(left->error, right->error)});
  out->left = left->value, out->right = right->value;
  out->reason = smooth ? DIFFERENCE_PLAIN : DIFFERENCE_KINK;
  if (!is_resolved(d, left, size) || !is_resolved(d, right, size))
    set_inconclusive(out, DIFFERENCE_KINK);
  else if (claimed >= low - allowed && claimed <= high + allowed)
    return;
  else if ((single || smooth) && (claimed < low - 2 * allowed || claimed > high + 2 * allowed))
    out->verdict = DIFFERENCE_WRONG;
  else
    set_inconclusive(out, DIFFERENCE_KINK);
}

/* What is to be said where no step avoids what is in the way. */
static void judge_edge(const struct probe *probe, size_t kinks, double claimed,
                       struct difference *out) {
  const struct sides sides = measure_sides(probe);
  if (out->kink != NODE_NONE)
    judge_kink(probe->d, &sides, kinks == 1, claimed, out);
  else
    set_inconclusive(out, DIFFERENCE_OVERFLOW);
}

static bool agrees_plainly(const struct probe *probe, double claimed, struct difference *out) {
  double quotient;
  node_id kink = NODE_NONE;
  if (!central(probe, ldexp(probe->scale, PLAIN), &quotient, &kink)) return false;
  const double allowed = tolerance(probe->d, claimed, quotient);
  if (!(fabs(claimed - quotient) <= allowed)) return false;
  set_measured(out, &(struct estimate){quotient, allowed});
  return true;
}

static void judge(const struct probe *probe, double claimed, struct difference *out) {
  double h = probe->scale / 16, quotient;
  *out = (struct difference){.value = NAN, .error = NAN, .left = NAN, .right = NAN};
  out->kink = NODE_NONE;
  if (!isfinite(claimed)) {
    out->verdict = isnan(claimed) ? DIFFERENCE_WRONG : DIFFERENCE_INCONCLUSIVE;
    out->reason = DIFFERENCE_CLAIM;
    return;
  }
  if (!probe->d->options.ridders && agrees_plainly(probe, claimed, out)) return;
  bool smooth = false;
  for (int i = 0; i < HALVINGS && !smooth; i++) {
    smooth = central(probe, h, &quotient, &out->kink);
    if (!smooth) h /= 2;
  }
  node_id exact; /* the tip of a cone is on no branch's border: the sides tell */
  const size_t kinks = perturb_kinks(probe->d->perturb, &exact);
  if (smooth && kinks) {
    const struct sides sides = measure_sides(probe);
    smooth = !sides_differ(&sides);
  }
  out->kink = smooth ? NODE_NONE : exact != NODE_NONE ? exact : out->kink;
  if (smooth)
    judge_smooth(probe, h, claimed, out);
  else
    judge_edge(probe, kinks, claimed, out);
  if (out->reason != DIFFERENCE_KINK) out->kink = NODE_NONE;
}

/* ---- one entry, one direction -------------------------------------------------------------- */

void differences_make(struct differences *d, struct arena *arena, const struct run *run,
                      node_id output, const double *upstream, const node_id *roots,
                      size_t root_count) {
  *d = (struct differences){.options = {.atol = ATOL, .rtol = RTOL}};
  d->perturb = perturb_make(arena, run, output, upstream, roots, root_count);
  for (size_t i = 0; i < root_count; i++) {
    const size_t size = perturb_shape(d->perturb, roots[i])->size;
    if (size > d->draws_size) d->draws_size = size;
  }
  d->draws = ARENA_ARRAY(arena, double, d->draws_size + 1);
}

void differences_base(struct differences *d) { perturb_base(d->perturb); }

/* The largest power of two that is not above x > 0. */
static double power_below(double x) {
  int exponent;
  frexp(x, &exponent);
  return ldexp(1, exponent - 1);
}

void difference_at(struct differences *d, node_id root, size_t index, double claimed,
                   struct difference *out) {
  const double *at = perturb_value(d->perturb, root), x = at ? at[index] : 0;
  const double size = isfinite(x) ? fmax(fabs(x), 1) : 1;
  perturb_entry(d->perturb, root, index);
  judge(&(struct probe){.d = d, .x = x, .scale = power_below(size)}, claimed, out);
}

void difference_along(struct differences *d, node_id root, const double *direction, double claimed,
                      struct difference *out) {
  const double *x = perturb_value(d->perturb, root);
  double scale = INFINITY;
  for (size_t i = 0; i < perturb_shape(d->perturb, root)->size; i++)
    if (x && direction[i] != 0) scale = fmin(scale, fmax(fabs(x[i]), 1) / fabs(direction[i]));
  perturb_along(d->perturb, root, direction);
  if (!isfinite(scale)) scale = 1;
  judge(&(struct probe){.d = d, .scale = power_below(scale)}, claimed, out);
}

/* ---- whole tensors ------------------------------------------------------------------------- */

/* Of verdicts, the one that is worse; the order of the enum but for the last two. */
static int badness(enum difference_verdict verdict) {
  static const int order[] = {
      [DIFFERENCE_RIGHT] = 0, [DIFFERENCE_WRONG] = 2, [DIFFERENCE_INCONCLUSIVE] = 1};
  return order[verdict];
}

static double distance(double claimed, const struct difference *difference) {
  const double off = fabs(claimed - difference->value);
  return isnan(off) ? INFINITY : off;
}

/* What has been seen of a tensor, and how far off the worst of it is. */
struct tally {
  struct tensor_summary *summary;
  double worst;
  bool any;
};

/* Of about equal distances the first counts: which of them is larger, rounding decides. */
static void keep_worst(struct tally *tally, size_t index, double claimed,
                       const struct difference *difference) {
  struct tensor_summary *summary = tally->summary;
  const double off = distance(claimed, difference);
  const int before = badness(summary->difference.verdict), now = badness(difference->verdict);
  if (isfinite(off) && off > summary->largest) summary->largest = off;
  if (tally->any && (now < before || (now == before && !(off > tally->worst * (1 + 1e-6))))) return;
  tally->any = true;
  tally->worst = off;
  summary->worst = index;
  summary->difference = *difference;
}

static void check_entry(struct differences *d, const struct tensor_check *check, size_t index,
                        struct tally *tally) {
  struct difference difference;
  struct tensor_summary *summary = tally->summary;
  difference_at(d, check->root, index, check->claimed[index], &difference);
  summary->checked++;
  summary->right += difference.verdict == DIFFERENCE_RIGHT;
  summary->wrong += difference.verdict == DIFFERENCE_WRONG;
  summary->inconclusive += difference.verdict == DIFFERENCE_INCONCLUSIVE;
  summary->between +=
      difference.verdict == DIFFERENCE_RIGHT && difference.reason == DIFFERENCE_KINK;
  keep_worst(tally, index, check->claimed[index], &difference);
}

static void check_direction(struct differences *d, const struct tensor_check *check, uint64_t seed,
                            struct tally *tally) {
  struct difference difference;
  struct tensor_summary *summary = tally->summary;
  double claimed = 0;
  data_uniform(d->draws, summary->entries, seed, -1, 1);
  for (size_t i = 0; i < summary->entries; i++) claimed += check->claimed[i] * d->draws[i];
  difference_along(d, check->root, d->draws, claimed, &difference);
  summary->directions++;
  summary->wrong_directions += difference.verdict == DIFFERENCE_WRONG;
  summary->inconclusive_directions += difference.verdict == DIFFERENCE_INCONCLUSIVE;
  keep_worst(tally, SIZE_MAX, claimed, &difference);
}

/* The entry to check of stretch i of n: all of them, or one drawn from equal stretches. */
static size_t pick_entry(const struct differences *d, size_t entries, size_t i, size_t n) {
  if (n == entries) return i;
  const size_t length = entries / n, rest = entries % n;
  const size_t first = i * length + (i < rest ? i : rest), size = length + (i < rest);
  return first + (size_t)(d->draws[i] * (double)size);
}

static void report_progress(const struct differences *d, size_t done, size_t total) {
  enum { SELDOM = 256 };
  if (d->progress && (done % SELDOM == 0 || done == total)) d->progress(d->context, done, total);
}

double differences_work(struct differences *d, node_id root) {
  const size_t size = perturb_shape(d->perturb, root)->size;
  if (size == 0) return 0;
  perturb_entry(d->perturb, root, size / 2);
  return 2 * perturb_work(d->perturb);
}

/* How many entries the limits allow. */
static size_t count_entries(struct differences *d, const struct tensor_check *check) {
  const size_t size = perturb_shape(d->perturb, check->root)->size;
  const size_t most = size < check->limit ? size : check->limit;
  const double one = check->work > 0 ? differences_work(d, check->root) : 0;
  if (!(one * (double)most > check->work)) return most;
  const size_t affordable = (size_t)(check->work / one);
  return affordable > 0 ? affordable : 1;
}

void difference_tensor(struct differences *d, const struct tensor_check *check,
                       struct tensor_summary *summary) {
  struct tally tally = {.summary = summary};
  *summary = (struct tensor_summary){.worst = SIZE_MAX};
  summary->difference = (struct difference){.kink = NODE_NONE};
  summary->entries = perturb_shape(d->perturb, check->root)->size;
  const size_t n = count_entries(d, check);
  const bool all = n == summary->entries;
  if (!all) data_uniform(d->draws, n, check->seed, 0, 1);
  for (size_t i = 0; i < n; i++) {
    check_entry(d, check, pick_entry(d, summary->entries, i, n), &tally);
    report_progress(d, i + 1, n);
  }
  for (unsigned i = 0; i < DIFFERENCE_DIRECTIONS && !all; i++)
    check_direction(d, check, check->seed + 1 + i, &tally);
  if (summary->wrong || summary->wrong_directions)
    summary->verdict = DIFFERENCE_WRONG;
  else if (summary->checked && !summary->right)
    summary->verdict = DIFFERENCE_INCONCLUSIVE;
}

/* How many entries all checks have if none has more than `most`. */
static size_t total_of(size_t most, size_t count, const size_t *sizes) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += sizes[i] < most ? sizes[i] : most;
  return total;
}

void differences_share(size_t limit, size_t count, const size_t *sizes, size_t *limits) {
  size_t low = 0, high = limit; /* the most that any may have: total_of(low) <= limit */
  while (low < high) {
    const size_t most = high - (high - low) / 2;
    if (total_of(most, count, sizes) <= limit)
      low = most;
    else
      high = most - 1;
  }
  if (low == 0) low = 1; /* more tensors than entries: one of each all the same */
  for (size_t i = 0; i < count; i++) limits[i] = sizes[i] < low ? sizes[i] : low;
}

/* ---- for people -------------------------------------------------------------------------- */

int difference_digits(const struct difference *difference) {
  const double size = fabs(difference->value), error = difference->error;
  if (!(error < 1e-6 * size)) return size == 0 && error == 0 ? 6 : 0;
  return error < 1e-9 * size ? 6 : 3;
}

const char *difference_reason_text(enum difference_reason reason) {
  static const char *const texts[] = {[DIFFERENCE_PLAIN] = "",
                                      [DIFFERENCE_KINK] = "kink within the step",
                                      [DIFFERENCE_NOISE] = "noise",
                                      [DIFFERENCE_OVERFLOW] = "overflow",
                                      [DIFFERENCE_CLAIM] = "the claim is not finite"};
  return texts[reason];
}
