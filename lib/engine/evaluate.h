/* The main job: a net's values and gradients, and what there is to say about them. */
#ifndef BPGRAPH_ENGINE_EVALUATE_H
#define BPGRAPH_ENGINE_EVALUATE_H

#include "engine/run.h"
#include "load/net.h"

struct evaluate_options {
  const char *of;       /* the node to differentiate; NULL: the net's output */
  const char *upstream; /* dL/d(output) as text; NULL: the net's, or 1 */
  const char *wrt;      /* names with commas between; NULL: the net's, or inputs and parameters */
  bool all;             /* values and gradients of all nodes */
  bool table;           /* values of all nodes */
  bool no_gradients;
  bool own_starts; /* the run keeps copies of the start values, to change them */
  bool ones;       /* 1 comes from above for every entry of the output, whatever the net says */
};

/* An input of a node, at which the node's derivative is undefined. */
struct undefined {
  node_id node;
  unsigned input;
  size_t count;     /* entries */
  size_t first[10]; /* the first of them, flat */
};

/* A node's call outside of the passes, for what it hands down along its edges. */
struct edges {
  node_id node;
  struct call call;
  double *y; /* room for a value */
};

struct result {
  struct net *net;
  struct arena *arena;
  struct plan plan;
  struct run run;
  bool all;
  bool gradients;         /* they were computed */
  const double *upstream; /* dL/d(output); NULL: ones */
  bool *indexed;          /* of each node: all its users take it as an index; NULL: none is */
  VEC(node_id) wrt;
  bool *wrt_seen; /* of each node: it is in wrt; NULL: wrt is the default */
  VEC(struct undefined) undefined;
  struct edges *edges; /* of the node that was asked for last */
};

/* Evaluates a net that was loaded without errors.  Reports and returns false when it cannot. */
bool evaluate(struct result *result, struct arena *arena, struct net *net,
              const struct evaluate_options *options);

/* What is asked for, without evaluating anything: fills in result->wrt and result->indexed, and
 * says which node is differentiated and what comes from above (NULL: nothing was given). */
bool evaluate_choose(struct result *result, struct arena *arena, struct net *net,
                     const struct evaluate_options *options, node_id *output,
                     const double **upstream);

/* The same result for a reader who computes contributions in an arena of its own, which may be given
 * back before the result. */
struct result result_view(const struct result *result, struct arena *arena);

/* A node's gradient.  GRADIENT_NULL: it has none (a constant, an index, none computed);
 * GRADIENT_ZERO: it is 0 everywhere, and *at is NULL; else *at has its numbers. */
enum gradient { GRADIENT_NULL, GRADIENT_ZERO, GRADIENT_HERE };
enum gradient result_gradient(const struct result *result, node_id id, const double **at);

/* Why a node has no gradient ("it is a constant"), or NULL where it has one. */
const char *result_why_no_gradient(const struct result *result, node_id id);

/* What reaches input k of a node through this node: as many numbers as the input has entries,
 * written to `out`.  With `local` the derivative itself, as if 1 came from above. */
void result_contribution(const struct result *result, node_id id, unsigned input, bool local,
                         double *out);

/* The same for whoever asks again and again, after the run has moved, too: all memory is taken when
 * the edges are made. */
void result_edges(const struct result *result, node_id id, struct edges *edges);
void edges_contribution(const struct result *result, const struct edges *edges, unsigned input,
                        bool local, double *out);

/* Whether a gradient flows along this edge. */
bool result_has_edge(const struct result *result, node_id id, unsigned input);

/* Appends to result->undefined the places among the nodes from `first` on that have adjoints. */
void result_find_kinks(struct result *result, node_id first);

/* Says why the last pass of result->run could not be completed. */
void result_report_fault(const struct result *result);

/* The shape that an undefined place's indices refer to: the input's where it is as large as the
 * node or the op reduces it, else (broadcasting) the node's. */
const struct shape *undefined_shape(const struct result *result, const struct undefined *at);

#endif
