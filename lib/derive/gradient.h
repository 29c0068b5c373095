/* Symbol-to-symbol differentiation: the gradient of a node as nodes of the same graph (algorithms 5
 * and 6 of Goodfellow, Bengio and Courville, 6.5.6). */
#ifndef BPGRAPH_DERIVE_GRADIENT_H
#define BPGRAPH_DERIVE_GRADIENT_H

#include "derive/rule.h"
#include "derive/simplify.h"

/* What comes from above: the gradient of some number by `node`, as a node of its shape; NODE_NONE
 * stands for ones. */
struct seed {
  node_id node, upstream;
};

/* The gradients that one sweep makes, of the nodes [first, end). */
struct gradients {
  node_id first, end;
  node_id *bar; /* NODE_NONE: it does not lie between */
};

/* Appends the nodes that compute the gradients by `by`, in one sweep from the seeds down: only what
 * lies between is differentiated, each node once, contributions summed.  With a simplifier (else
 * NULL) all of them are simplified, and each named node's gradient is kept as one; zeros are left
 * out.  False after a report. */
bool derive_gradients(struct rules *rules, struct simplifier *simplifier, size_t seed_count,
                      const struct seed *seeds, size_t by_count, const node_id *by,
                      struct gradients *out);

/* The gradient of a node after a sweep, or NODE_NONE where it is 0. */
node_id gradient_of(const struct gradients *gradients, node_id id);

/* Appends the nodes that compute d(of)/d(by) and returns the last of them; `of` has one entry.  Only
 * what lies between the two is differentiated, each node once, contributions summed.  Where no
 * path leads from one to the other the answer is a node of zeros.  NODE_NONE after a report. */
node_id derive_gradient(struct rules *rules, node_id of, node_id by, node_id upstream);

/* Gives every op that has no backward kernel its derivatives as nodes, from its rule: see struct
 * derivative.  False after a report. */
bool derive_missing(struct rules *rules);

#endif
