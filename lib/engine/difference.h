/* Numerical derivatives: a second witness to backprop, which shares none of its code.
 *
 * Let L be upstream . output, a number.  dL/dv is measured for one entry of a node v, or along a
 * direction of its whole tensor: v is moved, what depends on it is recomputed (engine/perturb.h),
 * and the change of L is divided by the step.  v may be a start node or any other; nothing in the
 * graph or the run changes.
 *
 * How.  Ridders' method: central differences at steps that are halved, extrapolated to a step of 0,
 * with an error that is estimated from the table itself, so that no step has to be chosen.  It
 * starts from the power of two at or below 0.1 * max(|x|, 1), halved until the change is finite and
 * every relu, max, abs ... is on the same branch at both ends as at x (struct op, `branches`).
 * Where no step down to 2^-34 of that does, x lies at a kink, as far as differences can tell, and
 * the derivatives of both sides are measured, each on its own branches; so they are where a row says
 * that there is a kink at x, as at the tip of a cone, which differences of both sides overlook.
 *
 * Verdicts.  With claim c, measured d, estimated error e, T = atol + rtol * max(|c|, |d|), and
 * W = 16 e + 1e-10 * max(|c|, |d|), what the witness can resolve:
 *   right         |c - d| <= T + W, and W <= atol + 1e-4 * max(|c|, |d|)
 *   wrong         |c - d| > T + 2 W, where e says also by how much two extrapolations differ, one
 *                 from steps 16 times as short as the other's
 *   inconclusive  all else, after seven extrapolations, of which none agrees with the claim
 * At a kink a claim is right between the derivatives of the two sides, widened by as much, and wrong
 * beyond; but where several inputs are at kinks at once, conventions that are fine for each may add
 * up to something beyond both sides: then it is inconclusive.
 *
 * Rounding differs from machine to machine and e with it, but right claims are off by about e and
 * wrong ones by far more than T: no claim that anybody would write is near a border.  `value` and
 * `error` themselves do differ in their last digits, of course: print what `error` warrants, see
 * difference_digits.
 *
 * Before all that, a plain central difference at a step of 2^-17 max(|x|, 1): where it agrees with
 * the claim within T and no branch changes, the claim is right; only the others are extrapolated.
 * What a plain difference cannot resolve it does not accept, and it accepts nothing that is off by
 * more than T and its own error, which is far below T unless third derivatives are huge.
 *
 * What cannot be moved does not move: integers that serve as indices, and what lies behind
 * stop_gradient, through which by convention no gradient flows. */
#ifndef BPGRAPH_ENGINE_DIFFERENCE_H
#define BPGRAPH_ENGINE_DIFFERENCE_H

#include "engine/run.h"

enum difference_verdict { DIFFERENCE_RIGHT, DIFFERENCE_WRONG, DIFFERENCE_INCONCLUSIVE };

/* Why a verdict is inconclusive; and, with DIFFERENCE_RIGHT, that the claim lies between the
 * derivatives of the two sides of a kink. */
enum difference_reason {
  DIFFERENCE_PLAIN,    /* nothing to say */
  DIFFERENCE_KINK,     /* x lies at a kink: see left, right, kink */
  DIFFERENCE_NOISE,    /* rounding, or a function too rough, hides the derivative */
  DIFFERENCE_OVERFLOW, /* not finite at x, or however near to it */
  DIFFERENCE_CLAIM     /* the claim itself is infinite or NaN (NaN: wrong) */
};

struct difference {
  double value, error; /* dL/dv and its estimated error; NaN where there is none */
  double left, right;  /* the one-sided derivatives; both `value` where there is no kink */
  enum difference_verdict verdict;
  enum difference_reason reason;
  node_id kink; /* DIFFERENCE_KINK: the first node whose branch changes; else NODE_NONE */
};

/* differences_make sets the defaults; change them after it. */
struct difference_options {
  double atol, rtol; /* 1e-9 and 1e-6 */
  bool ridders;      /* do without the plain central difference */
};

/* Everything that one net's checks need, in one arena; opaque but for what a caller may read. */
struct differences {
  struct perturb *perturb;
  struct difference_options options;
  size_t evaluations; /* so often has L been computed, for whoever is curious */
  /* Called now and then (every few hundred entries) while a tensor is checked; NULL: nobody. */
  void (*progress)(void *context, size_t done, size_t total);
  void *context;
  double *draws; /* room for the numbers of a sample or a direction */
  size_t draws_size;
};

/* Prepares to move `roots` (any nodes; more roots cost memory for what they reach, no time).
 * `run` holds the point: its plan needs all roots and the output, run_forward has computed its
 * values, and it stays the caller's; nothing of it is written to.  `upstream` has the output's
 * shape and is kept (NULL: ones).  All memory is taken here, but for scratch that the first
 * entries find too small. */
void differences_make(struct differences *differences, struct arena *arena, const struct run *run,
                      node_id output, const double *upstream, const node_id *roots,
                      size_t root_count);

/* Takes note that the run's values have changed: call after each further run_forward. */
void differences_base(struct differences *differences);

/* Judges a claim about one entry (flat) of a node. */
void difference_at(struct differences *differences, node_id root, size_t index, double claimed,
                   struct difference *out);

/* Judges a claim about a direction: `direction` has the root's shape, `claimed` is the sum of
 * claimed gradient * direction. */
void difference_along(struct differences *differences, node_id root, const double *direction,
                      double claimed, struct difference *out);

/* ---- whole tensors ----------------------------------------------------------------------- */

struct tensor_check {
  node_id root;
  const double *claimed; /* the gradient, of the root's shape */
  size_t limit;          /* so many entries at most; see differences_share */
  double work;           /* and so much work at most, but one entry; 0: whatever it takes */
  uint64_t seed;         /* of the sample and the directions */
};

struct tensor_summary {
  size_t checked, entries;           /* so many of so many */
  size_t right, wrong, inconclusive; /* of the checked ones */
  size_t between;                    /* of the right ones: at a kink, between the two sides */
  size_t directions, wrong_directions, inconclusive_directions;
  enum difference_verdict verdict; /* wrong where anything is; inconclusive where nothing could be
                                      judged; else right */
  size_t worst; /* the entry that `difference` is about: of the worst verdict the one
                                      farthest off; SIZE_MAX: a direction, or nothing was checked */
  struct difference difference;
  double largest; /* the largest |claimed - value| of all that is finite */
};

/* What a net's check may cost by default: so many entries in all, and so much work, which is about
 * the numbers computed: some four seconds. */
enum { DIFFERENCE_LIMIT = 20000, DIFFERENCE_DIRECTIONS = 2 };
#define DIFFERENCE_WORK 2e9

/* Judges a node's gradient: all entries where that are not more than the limits allow; else a sample (one
 * entry, drawn, of each of as many equal stretches) and DIFFERENCE_DIRECTIONS random directions,
 * which no wrong entry escapes.  Drawn numbers are the same on every machine. */
void difference_tensor(struct differences *differences, const struct tensor_check *check,
                       struct tensor_summary *out);

/* About how much work it is to judge an entry of a node, as a plain central difference. */
double differences_work(struct differences *differences, node_id root);

/* How many entries of each of `count` tensors to check, so that they are `limit` in all: all of the
 * small ones, and equally many of the others. */
void differences_share(size_t limit, size_t count, const size_t *sizes, size_t *limits);

/* ---- for people -------------------------------------------------------------------------- */

/* How many significant digits of a difference may be printed so that they are the same on every
 * machine: from 0 (nothing of it is known) to 6. */
int difference_digits(const struct difference *difference);

/* "kink within the step", "noise", "overflow": why a verdict is inconclusive; "" for PLAIN. */
const char *difference_reason_text(enum difference_reason reason);

#endif
