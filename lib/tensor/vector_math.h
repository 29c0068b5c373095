/* exp, log and tanh of many numbers at a time.
 *
 * <math.h> takes one number after the other.  These loops are plain C without branches and tables,
 * which compilers turn into vector code; on x86-64 there is one for each generation of vectors, and
 * the best that the processor has is taken.  Only additions, multiplications, divisions and bit
 * patterns are used, no product is fused with a sum and no sum is reordered: every compiler, every
 * processor and every place in an array gives the same bits.
 *
 * The largest errors found among 10^9 arguments, in units of the last place: exp 0.80, log 0.87,
 * tanh 2.45 (glibc's own: 0.51, 0.52, 2.2).  Zeros of either sign, infinities, NaN, overflow and
 * subnormal numbers are as in <math.h>.  tests/unit/test_vector_math.c holds them to that. */
#ifndef BPGRAPH_TENSOR_VECTOR_MATH_H
#define BPGRAPH_TENSOR_VECTOR_MATH_H

#include <stddef.h>

/* Kernels take these functions for tensors of at least so many entries, and for smaller ones those
 * of <math.h>, whose last digit is right more often. */
enum { MANY_LEAST = 256 };

/* to[0 .. n) = f(from[0 .. n)); the two may be the same array. */
void exp_many(double *to, const double *from, size_t n);
void log_many(double *to, const double *from, size_t n);
void tanh_many(double *to, const double *from, size_t n);

#endif
