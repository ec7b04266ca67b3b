/* A product of la/packed.h, whose equation names the fields. */
#ifndef CS_PACKED_SHAPE_H
#define CS_PACKED_SHAPE_H

#include <stddef.h>

#include "base/real.h"

/* Strides in elements. */
typedef struct {
    size_t M, N, K;
    const cs_real *a;
    size_t a_row, a_col;
    const cs_real *b;
    size_t b_row, b_col;
    const float *panels; /* b copied before (la/panels.h), which is then read instead, or NULL */
    const cs_real *start;
    size_t start_row;
    const cs_real *bias;
    cs_real *c;
    size_t c_row;
    int is_turned; /* c^T of a few rows: a is read once, rows of c are as wide as panels */
} CS_TYPED(cs_packed);

#endif
