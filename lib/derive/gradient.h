/* Symbol-to-symbol differentiation: the gradient of a node as nodes of the same graph (algorithms 5
 * and 6 of Goodfellow, Bengio and Courville, 6.5.6). */
#ifndef BPGRAPH_DERIVE_GRADIENT_H
#define BPGRAPH_DERIVE_GRADIENT_H

#include "derive/rule.h"

/* Appends the nodes that compute d(of)/d(by) and returns the last of them; `of` has one entry.  Only
 * what lies between the two is differentiated, each node once, contributions summed.  Where no
 * path leads from one to the other the answer is a node of zeros.  NODE_NONE after a report. */
node_id derive_gradient(struct rules *rules, node_id of, node_id by, node_id upstream);

/* Gives every op that has no backward kernel its derivatives as nodes, from its rule: see struct
 * derivative.  False after a report. */
bool derive_missing(struct rules *rules);

#endif
