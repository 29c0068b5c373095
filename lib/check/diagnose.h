/* What is wrong with a wrong claim.
 *
 * Candidates are built from the claim's truth (its sign, a factor, its axes) and from the graph (a
 * path left out, a local derivative forgotten: see back.h).  One that makes exactly the claim, at
 * every point that is looked at, is named.  Nothing is guessed: without a match nothing is said, and
 * of several matches each is. */
#ifndef BPGRAPH_CHECK_DIAGNOSE_H
#define BPGRAPH_CHECK_DIAGNOSE_H

#include "check/judge.h"

enum diagnosis {
#define DIAGNOSIS(symbol, id, meaning, example) DIAGNOSIS_##symbol,
#include "check/diagnosis.def"
#undef DIAGNOSIS
  DIAGNOSES
};

/* A kind of slip: its stable id, what it means, and an example, in which du is the gradient of u. */
struct diagnosis_kind {
  const char *id, *meaning, *example;
};

/* All kinds, in the order of the enum; then one with a NULL id. */
extern const struct diagnosis_kind diagnosis_kinds[];

/* Tells which wrong numbers follow from others, and gives every other wrong claim its diagnosis:
 * the first judge->explained of them, as each may cost as much as the whole net. */
void diagnose(struct judge *judge);

#endif
