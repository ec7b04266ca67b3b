/* Loops over flat arrays of parameters, compiled for every instruction set and reached through a
 * table. Sums run over lanes of a fixed number, which are then added in order: the same bits on
 * every instruction set. */
#ifndef CS_OPTIM_KERNELS_H
#define CS_OPTIM_KERNELS_H

#include <stddef.h>

#include "base/real.h"

/* Of a step of AdamW: the numbers of optim/adamw.h under the names they have there. */
typedef struct {
    double lr, decay, beta1, beta2, eps, correction1, correction2, scale;
} cs_adamw_settings;

typedef struct {
    /* sum_i x_i^2, in double */
    double (*squares)(size_t n, const cs_real *x);
    /* The step of optim/adamw.h. sums [2]: of the squares of u, and of the new weights. */
    void (*adamw)(size_t n, const cs_adamw_settings *settings, cs_real *restrict grad,
                  cs_real *restrict weight, cs_real *restrict m, cs_real *restrict v, double *sums);
    /* That of optim/average.h: mean_i += rate (weight_i - mean_i) */
    void (*average)(size_t n, cs_real rate, const cs_real *restrict weight, cs_real *restrict mean);
} CS_TYPED(cs_optim_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_optim_kernels) *CS_TYPED(cs_optim)(void);

#endif
