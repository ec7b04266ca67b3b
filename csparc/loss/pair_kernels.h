/* Loops of the all-pairs losses over one tile, compiled for every instruction set and reached
 * through a table. What concerns whole matrices is la/gemm.h.
 */
#ifndef CS_PAIR_KERNELS_H
#define CS_PAIR_KERNELS_H

#include <stddef.h>

#include "base/real.h"

typedef struct {
    /* Pairs that do not match: u = scale cosine + bias over [R,C], g = sigmoid(u). Added to sums:
     * [0] ln(1 + e^u), [1] g cosine, [2] g. */
    void (*sigmoid_tile)(size_t R, size_t C, cs_real scale, cs_real bias, const cs_real *cosine,
                         cs_real *g, double *sums);
} CS_TYPED(cs_pair_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_pair_kernels) *CS_TYPED(cs_pair_kernels_in_use)(void);

#endif
