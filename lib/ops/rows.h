/* The families of rows; each array ends with a row without a name. */
#ifndef BPGRAPH_OPS_ROWS_H
#define BPGRAPH_OPS_ROWS_H

#include "graph/op.h"

extern const struct op unary_ops[], shaped_ops[], binary_ops[], variadic_ops[], reduction_ops[],
    shape_ops[], index_ops[], linear_ops[], network_ops[], normalisation_ops[], convolution_ops[];

#endif
