/* Between the files that explain a wrong claim: what is known of it, and the candidates so far.
 *
 * diagnose.c gathers the evidence and confirms; slips_*.c hold the candidates, by what they concern.
 * A candidate says how it makes the claim out of the truth (enum family), so that it can be made
 * again at other points. */
#ifndef BPGRAPH_CHECK_INQUIRY_H
#define BPGRAPH_CHECK_INQUIRY_H

#include "check/diagnose.h"

enum {
  EVIDENCE_MOST = 3,
  FINDINGS_MOST = 4,
  WORK_MOST = 1000000000, /* for one claim; about the numbers computed */
  NODES_MOST = 5000,      /* of a region */
  AXES_PERMUTED = 5
};

/* The two sides at one point, whole. */
struct evidence {
  size_t point;
  double *claimed, *truth;
};

/* How a candidate makes the claim out of the truth. */
enum family {
  FAMILY_FACTOR,  /* factor * truth */
  FAMILY_PERMUTE, /* axes in the order axes[] */
  FAMILY_SUM,     /* summed over `axis` (all: rank) and times `factor` */
  FAMILY_PATH,    /* what flows along the slip's edge, times `factor` */
  FAMILY_USER,    /* what comes by the user `owner`, times `factor` */
  FAMILY_ONLY,    /* what comes by that user, and nothing else */
  FAMILY_SLIP     /* the pass with the slip in it */
};

struct candidate {
  enum diagnosis id;
  const char *text;
  enum family family;
  double factor;
  unsigned axis, axes[AXES_PERMUTED];
  struct slip slip;
  node_id owner;
  const double *flow; /* FAMILY_PATH: along that edge, at the first point */
};

struct inquiry {
  struct judge *judge;
  struct judged *judged;
  struct judgement *judgement;
  struct arena *arena; /* its own, but for what is said in the end */
  struct result view;  /* the net's result, for contributions */
  struct dims dims;
  const char *what; /* "dW", "dp/ds", "J" */
  struct evidence evidence[EVIDENCE_MOST];
  size_t points;
  struct back *back; /* the claim's region; NULL: there is none, or it is too large */
  double *straight;  /* the pass without a slip */
  double *made;      /* what a candidate makes */
  double *part;
  size_t work_left;
  VEC(struct candidate) candidates;
};

/* ---- the candidates, by what they concern ---------------------------------------------------- */

/* Each tries its candidates at the first point; those that make the claim are taken up. */
void try_factor(struct inquiry *inquiry);
void try_permutations(struct inquiry *inquiry);
void try_sums(struct inquiry *inquiry);
/* These need inquiry->back. */
void try_users(struct inquiry *inquiry);
void try_paths(struct inquiry *inquiry);
void try_edges(struct inquiry *inquiry);
void try_nodes(struct inquiry *inquiry);

/* When nothing else explains it: most entries, or the diagonal, may be right.  {NULL, NULL} where
 * that is not so. */
struct finding find_entries(struct inquiry *inquiry);

/* Tells which wrong numbers follow from others of the author's. */
void find_inherited(struct judge *judge);

/* ---- what they share ------------------------------------------------------------------------- */

/* Takes a candidate up if it makes the claim at the first point: then it is returned, and wants its
 * id and text; else NULL. */
struct candidate *inquiry_try(struct inquiry *inquiry, struct candidate candidate);

/* Writes what a candidate makes where the net is; false where it makes nothing. */
bool inquiry_make(struct inquiry *inquiry, const struct candidate *candidate, const double *truth,
                  double *out);
/* Whether `made` is the claim, with a little more room than a right claim has, for rounding. */
bool inquiry_matches(const struct inquiry *inquiry, const struct evidence *evidence,
                     const double *made);

/* Takes a pass off what the inquiry may still spend; false when that is too much. */
bool inquiry_spend(struct inquiry *inquiry);
/* What flows to the subject along the edge that a slip drops, and what comes by one definition that
 * uses it.  False when no more may be spent. */
bool inquiry_flow(struct inquiry *inquiry, const struct slip *drop, double *out);
bool inquiry_user_flow(struct inquiry *inquiry, node_id owner, double *out);

/* The k of claim = rest + k * flow (the truth itself, or a path of it) at the first point; NAN where
 * nothing flows.  And whether enough numbers speak for it. */
double inquiry_factor(const struct inquiry *inquiry, const double *flow);
bool inquiry_evidence(const struct inquiry *inquiry, double k, const double *flow);
/* "3 times too large"; and makes of a factor that is a count the diagnosis that says so. */
const char *inquiry_times(struct inquiry *inquiry, double k);
void inquiry_count(struct inquiry *inquiry, struct candidate *found);

/* As many numbers as the claim has; whether two such are equal but for rounding, or all 0. */
double *inquiry_room(struct inquiry *inquiry);
bool inquiry_equal(const struct inquiry *inquiry, const double *a, const double *b);
bool inquiry_zero(const struct inquiry *inquiry, const double *a);

const struct graph *inquiry_graph(const struct inquiry *inquiry);
const struct node *inquiry_node(const struct inquiry *inquiry, node_id id);
/* The definition that a node is a part of; and a node's name. */
node_id inquiry_owner(const struct inquiry *inquiry, node_id id);
const char *inquiry_name(struct inquiry *inquiry, node_id id);

/* Texts for people; they live as long as the inquiry. */
const char *inquiry_format(struct inquiry *inquiry, const char *pattern, ...) PRINTF_LIKE(2, 3);
const char *inquiry_number(struct inquiry *inquiry, double value);
/* How a sentence calls the truth: "gradient", "Jacobian". */
const char *inquiry_word(const struct inquiry *inquiry);
struct finding make_finding(enum diagnosis id, const char *text);

#endif
