/* Multi-head self-attention on packed projections.
 *
 *   qkv[b,t,:] = [q (C) | k (C) | v (C)], head h owns columns h d ... (h+1) d of each, d = C / H
 *   p[t,s] = exp(q_t . k_s / sqrt(d) - lse_t)  over the keys s that row t may see
 *   y[b,t,h] = sum_s p[t,s] v_s
 *   backward, with delta_t = dy_t . y_t:
 *   dv_s = sum_t p[t,s] dy_t      ds[t,s] = p[t,s] (dy_t . v_s - delta_t) / sqrt(d)
 *   dq_t = sum_s ds[t,s] k_s      dk_s = sum_t ds[t,s] q_t
 *
 * Row t sees the keys with valid[b,s] != 0 (all if NULL) and, if causal, s <= t. A row that sees none
 * gives y = 0, lse = -infinity, and no gradient. A key nobody sees gets gradient 0; what it holds
 * must be finite.
 *
 *   qkv (B,T,3C) in, kept    valid (B,T) in or NULL, kept    y (B,T,C) out, kept
 *   lse (B,H,T) out, kept: log sum exp of the scaled scores; the T x T probabilities are not
 *   dy (B,T,C) in            dqkv (B,T,3C) written
 *
 * Cost 4BTTC FLOP forward, 10BTTC backward (probabilities computed again). Threads over B x H. Scratch
 * a thread: scores of a block of queries, twice, and that block's transposed rows. Numbers: scores
 * are shifted by their largest before exp; sums of d and T terms.
 */
#ifndef CS_ATTENTION_H
#define CS_ATTENTION_H

#include "base/real.h"
#include "csparc.h"

/* `threads`: most the call may use. */
size_t CS_TYPED(cs_attention_scratch)(size_t T, size_t C, size_t H, size_t threads);

/* CS_EVALUE unless H divides C. */
cs_status CS_TYPED(cs_attention_forward)(size_t B, size_t T, size_t C, size_t H, int causal,
                                         const cs_real *qkv, const uint8_t *valid,
                                         cs_real *y, cs_real *lse, size_t threads, void *scratch);
cs_status CS_TYPED(cs_attention_backward)(size_t B, size_t T, size_t C, size_t H, int causal,
                                          const cs_real *qkv, const uint8_t *valid,
                                          const cs_real *y, const cs_real *lse, const cs_real *dy,
                                          cs_real *dqkv, size_t threads, void *scratch);

#endif
