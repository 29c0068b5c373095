/* exp, log and tanh of many numbers at a time.
 *
 * <math.h> takes one number after the other.  These loops are plain C without a branch or a table,
 * from which compilers make vector code, for several generations of x86-64 where the C library can
 * choose between them when the program starts.  Nothing but additions, multiplications, divisions
 * and bit patterns is used and no product is fused with a sum: every compiler, every processor and
 * every place in an array gives the same bits.
 *
 * The largest errors, in units of the last place, over 10^9 arguments from the whole range
 * (tests/unit/test_vector_math.c repeats it with fewer): exp ERR, log ERR, tanh ERR; subnormal
 * numbers, zeros of either sign, infinities, NaN, overflow and underflow included. */
#ifndef BPGRAPH_TENSOR_VECTOR_MATH_H
#define BPGRAPH_TENSOR_VECTOR_MATH_H

#include <stddef.h>

/* Below this many entries, kernels ask <math.h>, whose last digit is right more often. */
enum { MANY = 1024 };

/* to[0 .. n) = f(from[0 .. n)); the two may be the same array. */
void exp_many(double *to, const double *from, size_t n);
void log_many(double *to, const double *from, size_t n);
void tanh_many(double *to, const double *from, size_t n);

#endif
