/* Reducing along axes: what reductions and the ops of networks share. */
#ifndef BPGRAPH_OPS_AXES_H
#define BPGRAPH_OPS_AXES_H

#include "ops/kernel.h"

/* A set of axes: bit i stands for axis i (RANK_MOST bits). */
typedef uint32_t axis_set;

enum { ALL_AXES = -1 }; /* as an axis_set: every axis */

static inline bool has_axis(axis_set axes, unsigned axis) { return axes >> axis & 1; }

/* The set that an attribute names (ATTR_INTS, already checked); every axis where it is not given. */
axis_set axes_of(const struct attr *axes, unsigned rank);
/* The one axis that an attribute names (ATTR_INT, already checked). */
axis_set axis_of(const struct attr *axis, unsigned rank);

/* For shape rules: the same two, of the first input, after checking them; false after a
 * complaint about the attribute of that name. */
bool infer_axes(struct infer *infer, const char *name, const struct attr *axes, axis_set *set);
bool infer_axis(struct infer *infer, const char *name, const struct attr *axis, axis_set *set);

/* Which axes are kept apart by ops that work along those that their first attribute names: the
 * axis of a softmax, the axes of a normalisation. */
apart_fn apart_beside_axis, apart_beside_axes;

/* The number of entries along these axes. */
size_t count_along(const struct shape *shape, axis_set axes);
/* The number of entries that are left when these axes are reduced. */
size_t count_across(const struct shape *shape, axis_set axes);

/* The shape that is left: without these axes, or with 1 in their place. */
struct dims reduce_dims(const struct dims *dims, axis_set axes, bool keep);

/* The strides, along the axes of `shape`, of what is left when `axes` are reduced: 0 along them. */
void reduced_strides(const struct shape *shape, axis_set axes, ptrdiff_t *strides);

/* Walks a tensor, operand 0, together with what is left of it when `axes` are reduced, operand 1.
 * In the inner loop, step[0] is 1 and step[1] is 1 or 0. */
void sweep_along(struct sweep *sweep, const struct shape *shape, axis_set axes);
/* The same from the last entry to the first: both steps are negative or 0. */
void sweep_back(struct sweep *sweep, const struct shape *shape, axis_set axes);

/* For op_parts.  A part is made whole along axes. */
void take_along(struct extent *part, const struct shape *shape, axis_set axes);
/* The part of what is left, when `axes` of a tensor of this shape are reduced, that belongs to a
 * part of the tensor; and back: whole along these axes, or as `moved` is (NULL: whole). */
void reduce_part(struct extent *y, const struct extent *x, const struct shape *shape, axis_set axes,
                 bool keep);
void spread_part(struct extent *x, const struct extent *y, const struct shape *shape, axis_set axes,
                 bool keep, const struct extent *moved);

/* What sum_along adds: `of` makes n terms from a and b, which lie like the tensor, and p, which
 * lies like the result (p[i * step] belongs to a[i]).  Without it the terms are a itself. */
typedef void make_terms(double *term, const double *a, const double *b, const double *p,
                        ptrdiff_t step, size_t n);
struct terms {
  make_terms *of;
  const double *a, *b, *p;
};

/* y = the sums of the terms along the axes.  What rounding loses is kept in `lost` (as many
 * doubles as y), so that the error does not grow with the number of terms. */
void sum_along(double *y, double *lost, const struct shape *shape, axis_set axes,
               struct terms terms);

/* y = the largest, the smallest along the axes; NaN where there is one, -inf or inf of nothing. */
void max_along(double *y, const struct shape *shape, axis_set axes, const double *x);
void min_along(double *y, const struct shape *shape, axis_set axes, const double *x);

/* to = x - most, 0 where both are the same infinity; most[i * step] belongs to x[i], and the step is
 * 0 or 1. */
void distances(double *to, const double *x, const double *most, ptrdiff_t step, size_t n);

/* e^(x - most) for x <= most, also where both are infinite: the summands of a softmax. */
double exp_below(double x, double most);
/* The same as terms of sum_along over a tensor of this shape: a is x, p is its largest. */
make_terms *exp_terms(const struct shape *shape);
/* a * b as terms. */
void product_terms(double *term, const double *a, const double *b, const double *p, ptrdiff_t step,
                   size_t n);

#endif
