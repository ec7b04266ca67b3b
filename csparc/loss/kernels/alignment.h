/* Alignment weights (equations 2 to 4) and their gradients, compiled for every instruction set and
 * reached through a table.
 *
 * Matrices are [P, lanes], a patch a row and a token of the caption a lane, so that minima, maxima
 * and sums over patches run down the rows with no sum across lanes. `lanes` is L rounded up to
 * whole lanes; lanes past the last token hold anything finite and are never read by the caller.
 */
#ifndef CS_KERNEL_ALIGNMENT_H
#define CS_KERNEL_ALIGNMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

/* What the backward of an alignment needs, one entry a lane. */
typedef struct {
    cs_real *low;     /* min_p s; softmax: the largest logit */
    cs_real *cut;     /* patch p is kept where s - low >= cut */
    cs_real *divisor; /* Z' = sum of s - low over kept patches; softmax: sum of exponentials */
    cs_real *live;    /* 0: degenerate, the weights do not depend on s */
    cs_real *kept;    /* number of patches kept */
    cs_real *factor;  /* softmax: logit = factor s */
    cs_real *total;   /* softmax_backward: its total */
    int32_t *lowest;  /* the first patch that attains low */
} CS_TYPED(cs_lane_state);

typedef struct {
    /* s, weights [P, lanes]. A token is degenerate if its similarities span at most 1e-6 of the
     * largest magnitude among them: weight `fill` for every patch. sigma < 0 keeps every patch. */
    void (*minmax_forward)(size_t P, size_t lanes, cs_real sigma, cs_real fill, const cs_real *s,
                           CS_TYPED(cs_lane_state) state, cs_real *weights);
    /* With g = dL/dweights and gbar = sum_p a g:
     * ds = keep (g - gbar) / Z' - [p = lowest] sum_q keep (g - gbar) / Z'. Here and below ds may be
     * g. */
    void (*minmax_backward)(size_t P, size_t lanes, const cs_real *s,
                            CS_TYPED(cs_lane_state) state, const cs_real *weights,
                            const cs_real *g, cs_real *ds);
    /* weights = softmax over patches of factor s. */
    void (*softmax_forward)(size_t P, size_t lanes, const cs_real *s,
                            CS_TYPED(cs_lane_state) state, cs_real *weights);
    /* ds = factor a (g - gbar); total = sum_p a (g - gbar) s. */
    void (*softmax_backward)(size_t P, size_t lanes, const cs_real *s,
                             CS_TYPED(cs_lane_state) state, const cs_real *weights,
                             const cs_real *g, cs_real *ds);
} CS_TYPED(cs_alignment_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_alignment_kernels) *CS_TYPED(cs_alignment_kernels_in_use)(void);

#endif
