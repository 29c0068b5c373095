/* The model of a picture: which nodes and edges of a result are drawn, and what is known of them.
 *
 * It is made in steps, each a walk over the nodes or edges:
 *   - what each node is drawn as: itself, a named node whose expression it is a part of (level
 *     `names`), or the call of a function that it is hidden in (`collapse`);
 *   - the edges between what is drawn, several uses of one value as one edge where an expression
 *     or a call is one node;
 *   - what is left of it with `focus` and `between`;
 *   - values, gradients, and what flows along the edges. */
#ifndef BPGRAPH_EXPORT_PICTURE_H
#define BPGRAPH_EXPORT_PICTURE_H

#include "engine/evaluate.h"

enum style { STYLE_WIRES, STYLE_BOXES, STYLE_COMPACT };
enum palette_name { PALETTE_DEFAULT, PALETTE_CLASSIC };
enum level { LEVEL_OPS, LEVEL_NAMES };
enum show {
  SHOW_VALUE = 1,
  SHOW_GRADIENT = 2,
  SHOW_LOCAL = 4,
  SHOW_CONTRIBUTION = 8,
  SHOW_SHAPE = 16
};

enum {
  NAMES_ABOVE = 40,   /* so many nodes are drawn at level `names` unless told otherwise */
  NODES_MOST = 2000,  /* so many nodes are drawn unless told otherwise */
  DEPTH_DEFAULT = 2,  /* of --focus */
  ENTRIES_KEPT = 256, /* of a tensor, for programs that read the picture */
};

/* As the user wrote them; NULL or 0: the default. */
struct picture_options {
  const char *style, *palette, *show, *level, *focus, *between, *collapse;
  const int *depth;
  size_t max_nodes; /* 0: the default */
};

/* Whether a gradient flows: there is none (a constant, nothing computed), it is zero throughout, or
 * it is there. */
enum flow { FLOW_NONE, FLOW_DEAD, FLOW_ALIVE };

#define DRAWN_NONE UINT32_MAX

/* A node of the picture. */
struct drawn {
  node_id id;
  uint32_t cluster;             /* the innermost one that it lies in, or DRAWN_NONE */
  const struct call_site *call; /* the collapsed call that it stands for, or NULL */
  bool whole;                   /* it stands for several ops: an expression, or a call */
  bool not_finite;              /* NaN or infinity among its values or gradients */
  uint8_t flow;                 /* of its gradient: enum flow */
  uint32_t users;               /* edges that leave it */
  size_t undefined;             /* entries at which a derivative is undefined */
  const struct caption *caption;
};

/* A use of a value: input `slot` of a node. */
struct arc {
  node_id node;
  uint32_t slot, next; /* the next arc of the same edge, or DRAWN_NONE */
};

/* An edge of the picture: all uses of `source`'s value by what one drawn node stands for. */
struct edge {
  uint32_t from, to;  /* drawn nodes */
  node_id source;     /* what flows: a node that `from` stands for, nearly always itself */
  uint32_t arc, last; /* its uses */
  uint8_t flow;
  bool has_local;
  double local, norm;         /* of what flows back, Euclidean */
  const double *contribution; /* NULL: none, or more entries than are kept */
};

/* A call of a function that is drawn as a frame. */
struct cluster {
  const struct call_site *call;
  uint32_t parent; /* the cluster that it lies in, or DRAWN_NONE */
  size_t nodes;    /* in it, and in the clusters in it */
};

struct picture {
  const struct result *result;
  struct arena *arena;
  enum style style;
  enum palette_name palette;
  enum level level;
  unsigned show;
  VEC(struct drawn) nodes; /* in topological order */
  VEC(struct edge) edges;  /* by ascending `to` */
  VEC(struct arc) arcs;
  VEC(struct cluster) clusters; /* outer ones before inner ones */
  uint32_t output;              /* the drawn output, or DRAWN_NONE */
  double largest;               /* norm of what flows along an edge */
};

/* Makes the picture of a result with all values and gradients (`all`).  Reports and returns false
 * when the options make no sense, or too many nodes would be drawn. */
bool picture_make(struct picture *picture, struct arena *arena, const struct result *result,
                  const struct picture_options *options);

/* The graph's node behind a drawn one. */
static inline const struct node *drawn_node(const struct picture *picture, uint32_t drawn) {
  return graph_node(&picture->result->net->graph, picture->nodes.at[drawn].id);
}

#endif
