/* The second witness: numerical differences beside the gradients of backprop. */
#ifndef BPGRAPH_CHECK_WITNESS_H
#define BPGRAPH_CHECK_WITNESS_H

#include "check/judge.h"

/* Holds the gradients of `wrt` against differences at the file's point, where the net must be. */
void witness_backprop(struct judge *judge);

/* Where a claim that disagrees with backprop's convention at a kink is as good, because each entry that
 * is wrong lies between the derivatives of the two sides: the note that says so; else NULL.  For the
 * point at which the net is; only nets with a kink at the file's point are looked at. */
const char *witness_accepts(struct judge *judge, const struct judged *judged,
                            const struct sides *sides);

/* Measures the gradient where a wrong claim is worst. */
void witness_claim(struct judge *judge, const struct judged *judged, struct judgement *judgement);

#endif
