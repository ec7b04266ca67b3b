/* Cross-entropies from log-sums that are formed a few entries at a time.
 *
 *   lse_i = ln sum_j exp(U_ij)        loss_i = lse_i - U_ii
 *
 * A set of entries is known by its state, the largest entry `top` and the sum of exp(entry - top);
 * states of two sets merge into that of both. What matches (U_ii) is kept out of the state: with
 * o = top + ln sum of all other entries and x = o - U_ii,
 *
 *   loss_i = softplus(x)       share_i = 1 - softmax_ii = sigmoid(x)
 *
 * so that a row which is confident of its match loses no digits to lse_i - U_ii or 1 - softmax_ii.
 */
#ifndef CS_ENTROPY_LOGSUMEXP_H
#define CS_ENTROPY_LOGSUMEXP_H

#include "base/arena.h"
#include "base/real.h"
#include "loss/kernels/logits.h"

/* The states of several sets of entries, one a row or one a column. */
typedef struct {
    cs_real *top, *sum;
} CS_TYPED(cs_log_sums);

static inline void
CS_TYPED(cs_log_sums_layout)(size_t n, cs_arena *arena, CS_TYPED(cs_log_sums) *s)
{
    s->top = CS_TAKE(arena, cs_real, n);
    s->sum = CS_TAKE(arena, cs_real, n);
}

/* The same states from set `first` on. */
static inline CS_TYPED(cs_log_sums)
CS_TYPED(cs_log_sums_from)(const CS_TYPED(cs_log_sums) *s, size_t first)
{
    CS_TYPED(cs_log_sums) rest = {s->top + first, s->sum + first};
    return rest;
}

/* n sets without entries. */
static inline void
CS_TYPED(cs_log_sums_clear)(size_t n, const CS_TYPED(cs_log_sums) *s)
{
    for (size_t i = 0; i < n; i++) {
        s->top[i] = CS_MASKED;
        s->sum[i] = 0;
    }
}

/* One state takes in another. */
static inline void
cs_merge_states(cs_real *top, cs_real *sum, cs_real other_top, cs_real other_sum)
{
    if (other_top > *top) {
        *sum = *sum * exp(*top - other_top) + other_sum;
        *top = other_top;
    } else {
        *sum += other_sum * exp(other_top - *top);
    }
}

static inline void
CS_TYPED(cs_log_sums_merge)(size_t n, const CS_TYPED(cs_log_sums) *s,
                            const CS_TYPED(cs_log_sums) *other)
{
    for (size_t i = 0; i < n; i++)
        cs_merge_states(&s->top[i], &s->sum[i], other->top[i], other->sum[i]);
}

/* The states of the R rows and of the C columns of a tile, written. */
static inline void
CS_TYPED(cs_log_sums_of_tile)(size_t R, size_t C, const cs_real *logits,
                              const CS_TYPED(cs_log_sums) *rows,
                              const CS_TYPED(cs_log_sums) *columns)
{
    CS_TYPED(cs_logit_kernels_in_use)()->tile_states(R, C, logits, rows->top, rows->sum,
                                                     columns->top, columns->sum);
}

/* Cross-entropy from the state of the other entries and the matching one, and its share. */
static inline cs_real
cs_cross_entropy(cs_real top, cs_real sum, cs_real matching, cs_real *share)
{
    cs_real x = top + log(sum) - matching;
    cs_real e = exp(-fabs(x));
    *share = x > 0 ? 1 / (1 + e) : e / (1 + e);
    return x > 0 ? x + log1p(e) : log1p(e);
}

/* The cross-entropies of the rows, or of the columns, of a matrix of logits. */
typedef struct {
    CS_TYPED(cs_log_sums) others; /* of what does not match */
    cs_real *lse;                 /* log-sum of all entries */
    cs_real *share;               /* 1 - softmax of what matches */
} CS_TYPED(cs_cross_entropies);

static inline void
CS_TYPED(cs_cross_entropies_layout)(size_t n, cs_arena *arena, CS_TYPED(cs_cross_entropies) *c)
{
    CS_TYPED(cs_log_sums_layout)(n, arena, &c->others);
    c->lse = CS_TAKE(arena, cs_real, n);
    c->share = CS_TAKE(arena, cs_real, n);
}

/* Cross-entropy of row i once all others are in its state; sets its lse and share. */
static inline cs_real
CS_TYPED(cs_cross_entropies_close)(const CS_TYPED(cs_cross_entropies) *c, size_t i,
                                   cs_real matching)
{
    cs_real loss = cs_cross_entropy(c->others.top[i], c->others.sum[i], matching, &c->share[i]);
    c->lse[i] = matching + loss;
    return loss;
}

#endif
