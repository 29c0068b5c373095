/* Random points: where formulas are judged beside the file's own point, so that one that is right
 * only because x is 1 is caught.
 *
 * Inputs and parameters move entry by entry by up to spread * max(1, |x|), uniformly; constants,
 * integers used as indices, and what the block keeps stay.  A value's domain holds: positive
 * numbers stay positive, numbers in [0, 1] and rows of a simplex move towards another such point,
 * matrices stay symmetric, positive definite (by adding spread * B B^T / n) or lower triangular.
 * Only + - * / and comparisons are used, so the points are the same on every machine. */
#ifndef BPGRAPH_CHECK_POINTS_H
#define BPGRAPH_CHECK_POINTS_H

#include "engine/evaluate.h"
#include "load/expect.h"

/* Puts the start values of a result's run (made with own_starts) at a random point: the `number`th
 * from 1, drawn for the `attempt`th time; number 0 is the file's own. */
void points_move(struct result *result, const struct points *points, size_t number, size_t attempt);

#endif
