/* What kernels share. */
#ifndef BPGRAPH_OPS_KERNEL_H
#define BPGRAPH_OPS_KERNEL_H

#include <string.h>

#include "graph/op.h"
#include "tensor/sweep.h"

/* Shape rules that many ops have. */
infer_fn infer_same;      /* the shape of the first input */
infer_fn infer_broadcast; /* all inputs broadcast together */
infer_fn infer_scalar;    /* [] */

/* Which axes many ops keep apart (see apart_fn). */
apart_fn apart_entries; /* all, aligned as broadcasting aligns them */
apart_fn apart_order;   /* of the same entries in the same order, under another shape */
apart_fn apart_batch;   /* of matrices: those before the last two */
apart_fn apart_items;   /* the first two: items and channels */

/* Axis `axis` of x as axis `to` of y (which may not exist); -1 where their sizes differ. */
int apart_as(const struct shape *y, int to, const struct shape *x, unsigned axis);

/* Parts (struct op_parts) of ops whose inputs broadcast: entry by entry. */
extern const struct op_parts entry_parts;

/* Makes a part whole. */
void take_all(struct extent *part, const struct shape *shape);

/* For branch_fn: a number that stands for the pieces so far and one more. */
static inline uint64_t join_piece(uint64_t branches, double piece) {
  uint64_t bits;
  piece += 0; /* -0 is 0 */
  memcpy(&bits, &piece, sizeof bits);
  return (branches ^ bits ^ bits >> 32) * 0x100000001b3U;
}

/* Samples that elementwise ops share. */
extern const struct op_sample unary_samples[], binary_samples[];

/* The sum of n numbers that lie `step` apart, added pairwise: the error grows with log n. */
double pairwise_sum(const double *at, size_t n, ptrdiff_t step);

/* bar += from, summed over the axes along which `shape` was broadcast to `from_shape`: the
 * adjoint of broadcasting. */
void add_reduced(double *bar, const struct shape *shape, const double *from,
                 const struct shape *from_shape);

/* out = x, repeated to `shape`. */
void broadcast_into(double *out, const struct shape *shape, const double *x,
                    const struct shape *x_shape);

/* Whether an index given as a double is one of 0 .. n - 1. */
bool is_index(double value, size_t n);

/* to[0 .. n) += from. */
void add_all(double *to, const double *from, size_t n);

/* For shape rules, each false after a complaint about the attribute of that name: one of `rank`
 * axes, and a shape without negative dims. */
bool infer_place(struct infer *infer, const char *name, int64_t axis, unsigned rank,
                 unsigned *place);
bool infer_dims(struct infer *infer, const char *name, const struct attr *dims, struct dims *out);

/* For the rule of einsum: the specification by which the gradient of input `position` comes from
 * upstream and the other inputs: "ij,jk->ik" and 0 give "ik,jk->ij". */
void einsum_adjoint(const char *spec, size_t size, unsigned position, struct text *out);
/* Whether the result has each of its letters once, and from an input: numpy.einsum knows no others. */
bool einsum_is_plain(const char *spec, size_t size);

/* Adds a number to a sum whose rounding errors are kept: Knuth, The Art of Computer Programming 2,
 * 4.2.2, theorem B. */
static inline void add_exactly(double *sum, double *lost, double term) {
  double total = *sum + term, added = total - *sum;
  *lost += (*sum - (total - added)) + (term - added);
  *sum = total;
}

/* The sum; infinite and NaN sums are what they are, their "errors" mean nothing. */
static inline double exact_sum(double sum, double lost) {
  return lost - lost == 0 ? sum + lost : sum;
}

#endif
