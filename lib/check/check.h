/* Judging a net: what its author claims, and backprop itself.
 *
 * A claim is judged entry by entry: it is right where
 *   |claim - truth| <= atol + rtol * max(|claim|, |truth|),
 * and a NaN is never right.  Formulas are judged at the file's point and at random points (see
 * points.h), each with the true gradients in the place of grad(u), so that a slip is blamed where it
 * is.  So are the rules in a function's `backward`: at the file's point with what comes from above
 * there, at random points with random numbers.  A function's claims and rules are about a call by
 * itself, whatever else its inputs and inner nodes are used for.
 *
 * Numbers are judged at the file's point; a wrong one that follows from another wrong number of the
 * author's is *inherited*. */
#ifndef BPGRAPH_CHECK_CHECK_H
#define BPGRAPH_CHECK_CHECK_H

#include "engine/evaluate.h"
#include "load/expect.h"

enum verdict { VERDICT_RIGHT, VERDICT_WRONG, VERDICT_INCONCLUSIVE };

/* One thing that explains a wrong claim: a stable id ("sign", "transpose", ...) and a sentence. */
struct finding {
  const char *id, *text;
};

/* A claim, judged. */
struct judgement {
  const char *kind;    /* "value", "gradient", "contribution", "jacobian", "hessian", "function" */
  const char *subject; /* "W", "p/s", "h.s" */
  const char *title;   /* of the block that it stands in, or NULL */
  struct mark mark;    /* where it stands: in the net file, or a file of gradients */
  enum verdict verdict;
  size_t entries, wrong; /* how many there are, and how many are wrong at the worst point */
  double max_abs_error, max_rel_error;
  struct dims worst; /* the index of the worst entry, as it were the sizes of a shape */
  double claimed, actual, numeric; /* there; numeric is of use where has_numeric says so */
  bool has_numeric;
  size_t point, points;       /* the worst point (0: the file's), and how many were judged */
  uint64_t seed;              /* of the random ones */
  const char *inherited_from; /* the node whose wrong claim this one follows from, or NULL */
  VEC(struct finding) diagnosis;
  const char *note; /* what else there is to say, or NULL */
};

/* A node whose gradient was held against numerical differences. */
struct witnessed {
  const char *node;
  struct mark mark;
  enum verdict verdict;
  size_t entries, of; /* how many entries were looked at, of how many */
  double max_abs_error;
  struct dims worst; /* the entry of the largest error */
  double actual, numeric;
  const char *note; /* why it is inconclusive, or what is remarkable; or NULL */
};

/* A formula that was altered: does the check notice? */
struct mutant {
  size_t claim;     /* index into check.claims */
  const char *text; /* what was altered: "W ** 2 for W" */
  bool survived;
  const char *killer; /* of a survivor: what would have told it apart, or NULL */
};

enum numeric_mode { NUMERIC_AUTO, NUMERIC_ALL, NUMERIC_NONE };

struct check_options {
  struct evaluate_options evaluate;
  const char *gradients;     /* a file of gradients, name -> tensor; NULL: none */
  const double *rtol, *atol; /* NULL: as the blocks say */
  const size_t *points;
  const uint64_t *seed;
  enum numeric_mode numeric;
  bool mutants;
  void (*progress)(void *user, const char *what, size_t done, size_t of); /* or NULL */
  void *user;
};

struct check {
  struct net *net;
  struct arena *arena;
  struct result result; /* at the file's point */
  VEC(struct judgement) claims;
  VEC(struct witnessed) backprop;
  VEC(struct mutant) mutants;
  size_t passed, failed, inconclusive; /* verdicts on claims and on backprop together */
};

/* Judges a net that was loaded without errors.  Reports and returns false when it cannot: the net
 * cannot be evaluated, or a claim is about what has no gradient.  What could be judged is there all
 * the same. */
bool check_net(struct check *check, struct arena *arena, struct net *net,
               const struct check_options *options);

#endif
