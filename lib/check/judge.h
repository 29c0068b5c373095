/* Between the files of this folder: a net at a point, and its claims beside the truth. */
#ifndef BPGRAPH_CHECK_JUDGE_H
#define BPGRAPH_CHECK_JUDGE_H

#include "check/back.h"
#include "check/check.h"
#include "check/points.h"
#include "engine/jacobian.h"

/* Blocks that are judged at the same points, so that the net is moved once for all of them. */
struct group {
  const struct points *points;
  size_t *attempts; /* of each random point, which draw is taken; NO_POINT where none is */
};
#define NO_POINT SIZE_MAX

enum { NO_DECIMALS = 127 };

/* grad(u) of a function's own claims: what flows down to u from the value of the call alone. */
struct call_gradient {
  struct back *back; /* NULL: nothing does */
  double *at;
  size_t size;
};

/* A block's formulas, ready to be run at the net's point. */
struct formulas {
  const struct claims *claims;
  VEC(struct call_gradient) call_gradients;
  struct plan plan;
  struct run run;
  bool ready; /* false: it could not be planned, or cannot be computed at the file's point */
  bool moves; /* something in it is judged at random points, too */
  struct group *group;
  size_t first, end; /* its claims are judge->judged.at[first .. end) */
};

/* Numbers at one point: the claim's, and the truth. */
struct sides {
  const double *claimed; /* one number where `spread` says so */
  const double *truth;
  bool spread;
};

/* An edge along which a contribution comes. */
struct contribution {
  struct edges edges;
  unsigned input;
};

/* A claim on its way to its judgement (check->claims.at[judgement]). */
struct judged {
  const struct claim *claim;    /* NULL: a rule in a function's `backward` */
  struct formulas *formulas;    /* of a rule: without any, but with points */
  const struct call_site *call; /* of a function's own claim or rule */
  unsigned rule_input;          /* of a rule: the input of the function that it is for */
  size_t judgement;
  size_t size;
  double rtol, atol;
  double *truth;
  struct back *local; /* the way from the subject to the value of its call; NULL: none */
  struct back *rule;  /* of a rule: from the input to the call's end, which has the rule */
  double *upstream;   /* of a rule: what comes from above */
  VEC(struct contribution) contributions; /* that are added up */
  double *part;                           /* room for one of them */
  struct jacobian *jacobian;              /* of a Jacobian or Hessian */
  signed char *decimals;                  /* of each entry, as written; NULL: none */
  bool zero;                              /* the truth was 0 at every point */
  bool skip;                              /* it cannot be judged, and that was said */
};

struct judge {
  struct check *check;
  struct net *net;
  struct result *result;
  struct arena *arena;
  struct arena scratch; /* see judge_with_scratch */
  const struct check_options *options;
  size_t explained; /* so many wrong claims are; of the others a note says that they are not */
  size_t point;     /* the number of the point at which the net is */
  VEC(struct formulas *) formulas;
  VEC(struct group *) groups;
  VEC(struct judged) judged;
};

/* No random points: the file's point is their number 0. */
extern const struct points no_points;

/* Puts the net at a point and runs it forward and backward; false where it cannot be computed, or
 * its output is not finite. */
bool judge_move(struct judge *judge, const struct points *points, size_t number, size_t attempt);

/* Runs a block's formulas where the net is; false where one cannot be computed. */
bool judge_formulas(struct judge *judge, struct formulas *formulas);

/* A claim's two sides where the net is. */
struct sides judge_sides(struct judge *judge, struct judged *judged);

/* Puts the net at one of the points that a claim is judged at; false where there is none. */
bool judge_move_to(struct judge *judge, const struct judged *judged, size_t number);

/* How far a claim's entry may be from the truth. */
double judge_room(const struct judged *judged, double claimed, double truth, size_t index);

/* Whether an entry is not what it should be; a NaN never is. */
bool judge_is_wrong(const struct judged *judged, double claimed, double truth, size_t index);

static inline double side(const struct sides *sides, size_t index) {
  return sides->claimed[sides->spread ? 0 : index];
}

/* Reads a file of gradients, name -> tensor, as a block of claims.  NULL after a report. */
struct claims *judge_claimed_file(struct judge *judge, const char *path);

/* Makes everything that is judged: the net's claims, those of options->gradients, and the functions'
 * rules.  The net has been evaluated. */
void judge_prepare(struct judge *judge);

/* Whether claims of this kind are about gradients of the output. */
bool judge_needs_gradient(enum claim_kind kind);

struct judgement *judge_judgement(struct judge *judge, const struct judged *judged);
const struct shape *judge_shape(const struct judge *judge, node_id id);
bool judge_all_finite(const double *at, size_t size);

/* What flows down to a node inside a call from the call's value alone, where `upstream` comes from
 * above: the run's, or a rule's own.  NULL where nothing does. */
struct back *judge_call_back(struct judge *judge, const struct call_site *call, node_id subject,
                             const double *upstream);

/* Calls `body` while judge->scratch may be used, whose memory is given back after it: so memory stays
 * flat however many claims are wrong. */
void judge_with_scratch(struct judge *judge, void (*body)(struct judge *judge, void *argument),
                        void *argument);

/* A node's name; lives as long as the check. */
const char *judge_name(const struct judge *judge, node_id id);

#endif
