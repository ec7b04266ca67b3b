/* AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): Adam with decoupled weight decay.
 *
 *   g = scale grad
 *   m <- beta1 m + (1 - beta1) g        v <- beta2 v + (1 - beta2) g^2
 *   u = lr (c1 m / (sqrt(c2 v) + eps) + decay weight)        weight <- weight - u
 *
 *   c1 = 1 / (1 - beta1^t), c2 = 1 / (1 - beta2^t) at step t = 1, 2, ...: given by the caller
 *
 *   grad (N) read, and set to 0 for the next step    weight, m, v (N) read and written
 *   sums (2) out: sum of squares of u, and of the new weights    beta1, ...: in the settings
 *
 * 16 FLOP an entry; bandwidth bound: 8 words an entry. sums are taken in double, as
 * optim/kernels.h has it, over blocks of fixed length and over the blocks in order: scratch of two
 * doubles a block. The same bits on any threads and every instruction set.
 */
#ifndef CS_ADAMW_H
#define CS_ADAMW_H

#include "base/real.h"
#include "csparc.h"
#include "optim/kernels.h"

size_t cs_adamw_scratch(size_t N);
cs_status CS_TYPED(cs_adamw)(size_t N, const cs_adamw_settings *settings, cs_real *grad,
                             cs_real *weight, cs_real *m, cs_real *v, double *sums, void *scratch);

#endif
