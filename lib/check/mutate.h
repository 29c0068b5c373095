/* How strong is the check?  Each formula is altered, one small thing at a time, and judged at the
 * same points.  An altered formula that is still found right *survives*: the points do not tell it
 * from the author's. */
#ifndef BPGRAPH_CHECK_MUTATE_H
#define BPGRAPH_CHECK_MUTATE_H

#include "check/judge.h"

/* Fills in check->mutants for all formulas that were found right. */
void mutate_claims(struct judge *judge);

#endif
