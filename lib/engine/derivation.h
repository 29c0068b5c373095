/* The derivative of a net as nodes of its graph: what `derive` writes down. */
#ifndef BPGRAPH_ENGINE_DERIVATION_H
#define BPGRAPH_ENGINE_DERIVATION_H

#include "derive/gradient.h"
#include "load/net.h"

struct derivation_options {
  const char *of, *upstream, *wrt; /* as for evaluate */
  size_t forward_count; /* the directions of forward mode: "NAME=VALUE", or a value alone */
  const char *const *forward;
};

/* A node of the net, and the node that holds its derivative; in the simplifier's terms. */
struct quantity {
  node_id node, derivative;
};

struct derivation {
  struct net *net;
  struct arena *arena;
  struct graph graph; /* a copy of the net's, with the derivative nodes */
  struct simplifier simplifier;
  bool forward;     /* derivatives are how nodes move, else what moves the output */
  node_id of;       /* the node that is differentiated */
  node_id upstream; /* what comes from above; NODE_NONE: 1 */
  VEC(struct quantity)
  given; /* start nodes that were made: the upstream gradient, the directions */
  VEC(struct quantity) wanted; /* what is asked for */
  VEC(struct quantity) all; /* of every node on the way, in the order in which they are computed */
};

/* Differentiates a net that was loaded without errors, backward or forward.  Everything is kept in
 * `arena`; the net must live as long.  Reports and returns false when it cannot. */
bool derive_net(struct derivation *derivation, struct arena *arena, struct net *net,
                const struct derivation_options *options);

#endif
