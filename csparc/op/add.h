/* Sums of arrays: residual connections, and gradients that meet.
 *
 *   add         z = x + y     its gradient is dx = dy = dz: no function writes it
 *   accumulate  y += x
 *
 *   x, y, z (N)      N FLOP, bandwidth bound.
 */
#ifndef CS_ADD_H
#define CS_ADD_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_add)(size_t N, const cs_real *x, const cs_real *y, cs_real *z);
cs_status CS_TYPED(cs_accumulate)(size_t N, const cs_real *x, cs_real *y);

#endif
