/* Row loops of network layers, compiled for every instruction set and reached through a table.
 *
 * Sums run over fixed lanes in a fixed order, as in la/rows.h: the same bits for any number of
 * threads, the last bits may differ between instruction sets.
 */
#ifndef CS_LAYER_KERNELS_H
#define CS_LAYER_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

/* Places on a grid: of queries along lanes, and of keys, each with how far off it is seen. */
typedef struct {
    const cs_real *x, *y;                 /* [W] */
    const cs_real *key_x, *key_y, *reach; /* [K] */
} CS_TYPED(cs_window);

typedef struct {
    /* Rows of width C. y = (x - mean) rstd weight + bias, statistics by two passes over the row. */
    void (*layernorm_forward)(size_t N, size_t C, cs_real eps, const cs_real *x,
                              const cs_real *weight, const cs_real *bias,
                              cs_real *y, cs_real *mean, cs_real *rstd);
    /* dx (may be NULL) is written, dweight and dbias (both or neither NULL) are added to. */
    void (*layernorm_backward)(size_t N, size_t C, const cs_real *x, const cs_real *weight,
                               const cs_real *mean, const cs_real *rstd, const cs_real *dy,
                               cs_real *dx, cs_real *dweight, cs_real *dbias);
    /* y = x Phi(x), and dx = dy (Phi(x) + x phi(x)) */
    void (*gelu_forward)(size_t n, const cs_real *x, cs_real *y);
    void (*gelu_backward)(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx);
    /* y = x s(a x), s the logistic function, a = 1.702 */
    void (*quick_gelu_forward)(size_t n, const cs_real *x, cs_real *y);
    void (*quick_gelu_backward)(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx);
    /* y = x s(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
    void (*gelu_tanh_forward)(size_t n, const cs_real *x, cs_real *y);
    void (*gelu_tanh_backward)(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx);
    /* y = max(x, 0), NaN kept; dx = dy where x > 0 */
    void (*relu_forward)(size_t n, const cs_real *x, cs_real *y);
    void (*relu_backward)(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx);
    /* Attention weights with keys along rows and queries along lanes: s [K,W], lane l is query
     * first + l. A query sees the keys with valid[k] != 0 (all if NULL) and, if causal, k <= query.
     * s = exp(scale s - largest of the lane) where seen, else 0; lse [W] the logarithm of the
     * lane's sum with the largest added back, inverse [W] one over the sum; -infinity and 0 where
     * nothing is seen. */
    void (*weights)(size_t K, size_t W, size_t first, int causal, const uint8_t *valid,
                    cs_real scale, cs_real *s, cs_real *lse, cs_real *inverse);
    /* s = p = exp(scale s - lse), ds = scale p (dp - along) in place of dp; 0 where not seen. */
    void (*weights_backward)(size_t K, size_t W, size_t first, int causal, const uint8_t *valid,
                             cs_real scale, const cs_real *lse, const cs_real *along, cs_real *s,
                             cs_real *dp);
    /* The same two where lane l sees key k if it is at most reach[k] away from it both in x and in
     * y. */
    void (*window_weights)(size_t K, size_t W, const CS_TYPED(cs_window) *window, cs_real scale,
                           cs_real *s, cs_real *lse, cs_real *inverse);
    void (*window_weights_backward)(size_t K, size_t W, const CS_TYPED(cs_window) *window,
                                    cs_real scale, const cs_real *lse, const cs_real *along,
                                    cs_real *s, cs_real *dp);
    /* sum[j] += sum_n x[n,j], rows of width C */
    void (*column_sums)(size_t N, size_t C, const cs_real *x, cs_real *sum);
} CS_TYPED(cs_layer_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_layer_kernels) *CS_TYPED(cs_layer_rows)(void);

#endif
