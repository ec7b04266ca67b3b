/* Multi-head attention of a few queries to the rows of every sample: how learned queries pool an
 * image's patches (the head of SigLIP is one such query; with several, as here: ours, not the
 * paper's). Projections before and after are linear maps (op/linear.h).
 *
 *   kv[b,t,:] = [k (C) | v (C)], head h owns columns h d ... (h+1) d of each, d = C / H
 *   p[b,h,q,t] = exp(q_gqh . k_bth / sqrt(d) - lse_bhq)  over the rows t with valid[b,t] != 0
 *   y[b,q,h] = sum_t p[b,h,q,t] v_bth      g = b where every sample has queries of its own, else 0
 *   backward, with delta = dy[b,q,h] . y[b,q,h]:
 *   dv_t = sum_q p[q,t] dy_q      ds[q,t] = p[q,t] (dy_q . v_t - delta_q) / sqrt(d)
 *   dk_t = sum_q ds[q,t] q_q      dq_q = sum_t ds[q,t] k_t, over all samples where g = 0
 *
 * A sample without a valid row gives y = 0, lse = -infinity, and no gradient. What invalid rows
 * hold must be finite; their gradient is 0.
 *
 *   q (G,Q,C) in, kept; G = 1 or B    kv (B,T,2C) in, kept    valid (B,T) in or NULL, kept
 *   y (B,Q,C) out, kept    lse (B,H,Q) out, kept
 *   dy (B,Q,C) in    dq (G,Q,C), dkv (B,T,2C) written
 *
 * CS_ESHAPE unless G is 1 or B and H divides C. Cost 4BQTC FLOP forward, 10BQTC backward; queries
 * are padded to 16 lanes, so fewer cost as much. Threads over samples and heads; dq of shared
 * queries is summed over samples in order. Scratch: as op/attention.h, and dq of every sample where
 * queries are shared. Numbers: as op/attention.h.
 */
#ifndef CS_ATTENTION_POOL_H
#define CS_ATTENTION_POOL_H

#include "base/real.h"
#include "csparc.h"

typedef struct {
    size_t B, G, Q, T, C, H;
} cs_pool_shape;

/* backward: whether for the gradient; `threads`: most the call may use. */
size_t CS_TYPED(cs_attention_pool_scratch)(const cs_pool_shape *shape, int backward,
                                           size_t threads);
cs_status CS_TYPED(cs_attention_pool_forward)(const cs_pool_shape *shape, const cs_real *q,
                                              const cs_real *kv, const uint8_t *valid, cs_real *y,
                                              cs_real *lse, size_t threads, void *scratch);
cs_status CS_TYPED(cs_attention_pool_backward)(const cs_pool_shape *shape, const cs_real *q,
                                               const cs_real *kv, const uint8_t *valid,
                                               const cs_real *y, const cs_real *lse,
                                               const cs_real *dy, cs_real *dq, cs_real *dkv,
                                               size_t threads, void *scratch);

#endif
