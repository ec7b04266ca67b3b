/* Multi-head self-attention on packed projections, sequences of any lengths one after the other.
 *
 *   Sequence b is the rows offsets[b] ... offsets[b+1] - 1 of the N rows.
 *   qkv[n,:] = [q (C) | k (C) | v (C)], head h owns columns h d ... (h+1) d of each, d = C / H
 *   p[t,s] = exp(q_t . k_s / sqrt(d) - lse_t)  over the rows s that row t may see
 *   y[t,h] = sum_s p[t,s] v_s
 *   backward, with delta_t = dy_t . y_t:
 *   dv_s = sum_t p[t,s] dy_t      ds[t,s] = p[t,s] (dy_t . v_s - delta_t) / sqrt(d)
 *   dq_t = sum_s ds[t,s] k_s      dk_s = sum_t ds[t,s] q_t
 *
 * Row t sees the rows s of its sequence with valid[s] != 0 (all if NULL) and, if causal, s <= t. A
 * row that sees none gives y = 0, lse = -infinity, and no gradient. A row that no row sees gets
 * gradient 0 in k and v; what it holds must be finite all the same.
 *
 * With a window k > 0 (odd; ours, not the paper's) a sequence is the patches of an image, row by
 * row on a grid `width` wide, and then `registers` more rows. A patch sees the patches of the k x k
 * neighbourhood of its own place, as far as it lies on the grid, and all registers; a register sees
 * every row.
 *
 *   qkv (N,3C) in, kept    offsets (B+1) in, kept: from 0 to N, not falling
 *   valid (N) in or NULL, kept    y (N,C) out, kept
 *   lse (H,N) out, kept: log sum exp of the scaled scores; the probabilities are not kept
 *   dy (N,C) in            dqkv (N,3C) written
 *
 * Cost for a sequence of T rows 4TTC FLOP forward, 10TTC backward (probabilities computed again).
 * With a window, blocks of 16 / width rows of patches, at least one, are scored against the rows of
 * patches within reach of any of them and the registers alone: of width w and up to 16 patches a
 * row, T (16 + (k - 1) w + registers) instead of TT. What a block scores and a query does not see
 * has weight and gradient 0, exactly.
 * Threads over sequences and heads. Scratch a thread: scores of a block of queries, twice, and that
 * block's transposed rows. Numbers: scores are shifted by their largest before exp; sums of d and T
 * terms.
 */
#ifndef CS_ATTENTION_H
#define CS_ATTENTION_H

#include "base/real.h"
#include "csparc.h"

/* What rows of a sequence see; window 0: all, and width and registers are not read. */
typedef struct {
    int causal;
    size_t window, width, registers;
} cs_attention_reach;

/* For sequences of at most `longest` rows; `threads`: most the call may use. */
size_t CS_TYPED(cs_attention_scratch)(size_t longest, size_t C, size_t H, size_t threads);

/* Rows of the longest sequence. */
size_t cs_longest_sequence(size_t B, const int32_t *offsets);

/* CS_EVALUE unless H divides C and the offsets are as above; with a window, unless it is odd, valid
 * is NULL, causal is 0 and every sequence is whole rows of the grid and the registers. */
cs_status CS_TYPED(cs_attention_forward)(size_t N, size_t B, size_t C, size_t H,
                                         const cs_attention_reach *reach, const int32_t *offsets,
                                         const cs_real *qkv, const uint8_t *valid, cs_real *y,
                                         cs_real *lse, size_t threads, void *scratch);
cs_status CS_TYPED(cs_attention_backward)(size_t N, size_t B, size_t C, size_t H,
                                          const cs_attention_reach *reach, const int32_t *offsets,
                                          const cs_real *qkv, const uint8_t *valid,
                                          const cs_real *y, const cs_real *lse, const cs_real *dy,
                                          cs_real *dqkv, size_t threads, void *scratch);

#endif
