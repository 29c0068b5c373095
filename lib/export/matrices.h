/* Exporters of Jacobians and Hessians: one file a format. */
#ifndef BPGRAPH_EXPORT_MATRICES_H
#define BPGRAPH_EXPORT_MATRICES_H

#include "engine/matrices.h"

typedef void export_jacobian_fn(const struct jacobian_result *answer, struct text *out);
typedef void export_hessian_fn(const struct hessian_result *answer, struct text *out);

export_jacobian_fn export_jacobian_text, export_jacobian_json, export_jacobian_npz;
export_hessian_fn export_hessian_text, export_hessian_json, export_hessian_npz;

/* A matrix of derivatives as exporters see it: `rows` are entries of P, or of S where it is turned
 * over (the block of a Hessian that is the transpose of another). */
struct view {
  const struct jacobian *jacobian;
  const struct shape *rows, *columns;
  node_id of, by;
  bool turned;
};

struct view view_matrix(const struct matrix *matrix, bool turned);
/* The block of the a-th and b-th node of wrt, in any order. */
struct view view_block(const struct hessian_result *answer, size_t a, size_t b);

/* Writes row i: as many numbers as there are columns. */
void view_row(const struct view *view, size_t i, double *row);

/* "zero", "diagonal", "block diagonal" or "dense". */
const char *view_kind(const struct view *view);

/* The axis of the rows that axis i of the columns is paired with, or -1. */
int view_pair(const struct view *view, unsigned i);

/* Whether entry (i, j) is 0 whatever the values. */
bool view_is_outside(const struct view *view, size_t i, size_t j);

#endif
