/* Activations, entry by entry.
 *
 *   gelu        y = x Phi(x), Phi the normal distribution function (exact, by erf; arXiv
 *               1606.08415)
 *               dx = dy (Phi(x) + x phi(x)), phi the normal density
 *   quick_gelu  y = x s(1.702 x), s the logistic function: what OpenAI's CLIP was trained with
 *               dx = dy s (1 + 1.702 x (1 - s))
 *   gelu_tanh   y = x s(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3), s(2 u) = (1 + tanh(u)) / 2: the
 *               approximation of the same paper, in SigLIP
 *               dx = dy s (1 + 2 x (1 - s) u'), u' = sqrt(2 / pi) (1 + 3 0.044715 x^2)
 *   relu        y = max(x, 0)      dx = dy where x > 0, else 0
 *
 *   x (N) in, kept    y (N) out    dy (N) in    dx (N) written
 *
 * Cost about 30 FLOP an entry (relu: one); bandwidth bound beyond the cache. Numbers: float gelu
 * has relative error 3e-7 far into its negative tail; NaN propagates.
 */
#ifndef CS_ACTIVATION_H
#define CS_ACTIVATION_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_gelu_forward)(size_t N, const cs_real *x, cs_real *y);
cs_status CS_TYPED(cs_gelu_backward)(size_t N, const cs_real *x, const cs_real *dy, cs_real *dx);

cs_status CS_TYPED(cs_quick_gelu_forward)(size_t N, const cs_real *x, cs_real *y);
cs_status CS_TYPED(cs_quick_gelu_backward)(size_t N, const cs_real *x, const cs_real *dy,
                                           cs_real *dx);

cs_status CS_TYPED(cs_gelu_tanh_forward)(size_t N, const cs_real *x, cs_real *y);
cs_status CS_TYPED(cs_gelu_tanh_backward)(size_t N, const cs_real *x, const cs_real *dy,
                                          cs_real *dx);

cs_status CS_TYPED(cs_relu_forward)(size_t N, const cs_real *x, cs_real *y);
cs_status CS_TYPED(cs_relu_backward)(size_t N, const cs_real *x, const cs_real *dy, cs_real *dx);

#endif
