/* Rows of a table by index.
 *
 *   y[n,:] = weight[ids[n],:]      backward:  dweight[v,:] += sum over n with ids[n] = v of dy[n,:]
 *
 *   weight (V,C) in    ids (N) in, kept; each in 0 ... V-1    y (N,C) out
 *   dy (N,C) in        dweight (V,C) added to
 *
 * CS_EINDEX when an index is outside, before anything is written. Cost: memory traffic of 2NC. Rows
 * of dweight belong to one thread each and are summed in the order of n.
 */
#ifndef CS_EMBED_H
#define CS_EMBED_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_embed_forward)(size_t V, size_t C, size_t N, const cs_real *weight,
                                     const int32_t *ids, cs_real *y);
cs_status CS_TYPED(cs_embed_backward)(size_t V, size_t C, size_t N, const int32_t *ids,
                                      const cs_real *dy, cs_real *dweight);

#endif
