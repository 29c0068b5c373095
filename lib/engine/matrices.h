/* What `jacobian` and `hessian` answer: matrices of derivatives at a net's own values. */
#ifndef BPGRAPH_ENGINE_MATRICES_H
#define BPGRAPH_ENGINE_MATRICES_H

#include "engine/evaluate.h"
#include "engine/jacobian.h"

struct matrix_options {
  const char *of;       /* the node to differentiate; NULL: the net's output */
  const char *upstream; /* of a Hessian: as for evaluate */
  const char *wrt;      /* as for evaluate; of a Jacobian and a product: one name */
  const char *times;    /* of a Hessian: the vector that it is multiplied by; NULL: none */
};

/* The derivatives of a node by another. */
struct matrix {
  node_id of, by; /* of the net: in a Hessian, both are wrt */
  struct jacobian *jacobian;
};

/* dP/dS. */
struct jacobian_result {
  struct result result; /* P at these values, with 1 from above everywhere */
  struct matrix matrix;
};

/* All second derivatives by all of result.wrt: a block for each pair (a, b) with a not after b, row
 * by row of the triangle; the others are their transposes. */
struct hessian_result {
  struct result result;
  const double *times; /* then there are no blocks, but ... */
  double *product;     /* ... the Hessian times this vector */
  size_t count, size;  /* nodes in wrt, and all their entries */
  struct matrix *blocks;
  struct arena work;   /* of a row of blocks while it is computed */
  double *eigenvalues; /* of all blocks as one matrix, ascending; NULL: too large, or not finite */
};

enum { EIGENVALUES_MOST = 64 };

/* Each reports and returns false where there is no answer. */
bool find_jacobian(struct jacobian_result *answer, struct arena *arena, struct net *net,
                   const struct matrix_options *options);
bool find_hessian(struct hessian_result *answer, struct arena *arena, struct net *net,
                  const struct matrix_options *options);

/* Gives back what find_hessian has left behind outside of its arena, if memory ran out in it. */
void hessian_release(struct hessian_result *answer);

/* The block of the a-th and b-th node of wrt, a <= b. */
const struct matrix *hessian_block(const struct hessian_result *answer, size_t a, size_t b);

/* Writes row i of all blocks as one matrix: answer->size numbers. */
void hessian_row(const struct hessian_result *answer, size_t i, double *row);

/* "positive definite", "indefinite" ...; NULL without eigenvalues. */
const char *hessian_definiteness(const struct hessian_result *answer);

#endif
