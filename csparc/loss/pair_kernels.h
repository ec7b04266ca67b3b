/* Loops of the all-pairs losses over one tile, compiled for every instruction set and reached
 * through a table. What concerns whole matrices is la/gemm.h.
 *
 * Matrices [P, lanes] hold one image's patches as rows and captions (or their tokens) as lanes, so
 * that sums over patches run down the rows, all lanes at once.
 */
#ifndef CS_PAIR_KERNELS_H
#define CS_PAIR_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

typedef struct {
    /* Pairs that do not match: u = scale cosine + bias over [R,C], g = sigmoid(u). Added to sums:
     * [0] ln(1 + e^u), [1] g cosine, [2] g. */
    void (*sigmoid_tile)(size_t R, size_t C, cs_real scale, cs_real bias, const cs_real *cosine,
                         cs_real *g, double *sums);
    /* Weights of patches, one caption a lane: a = softmax over patches of row_p x, or with
     * `sigmoid` each entry's own. x, a [P,lanes], row [P]; top, total [lanes] scratch. */
    void (*patch_weights)(size_t P, size_t lanes, int sigmoid, const cs_real *row, const cs_real *x,
                          cs_real *a, cs_real *top, cs_real *total);
    /* sum_k = sum_p x_pk y_pk */
    void (*lane_dots)(size_t P, size_t lanes, const cs_real *x, const cs_real *y, cs_real *sum);
    /* From da = e x + twice_f ga (less its weighted mean) to du = a da, or a (1 - a) da with
     * `sigmoid`: x becomes a twice_f, ga becomes e a + row du, pull_p += sum_k du row x.
     * e, twice_f, mean [lanes], row, pull [P]. */
    void (*patch_weights_backward)(size_t P, size_t lanes, int sigmoid, const cs_real *row,
                                   const cs_real *e, const cs_real *twice_f, const cs_real *mean,
                                   const cs_real *a, cs_real *x, cs_real *ga, cs_real *pull);
    /* a = softmax over rows of factor_k x_pk, factor >= 0; x, a [P,lanes], the rest [lanes], top and
     * total scratch. Only differences are multiplied: a factor of any size is safe. */
    void (*lane_softmax)(size_t P, size_t lanes, const cs_real *factor, const cs_real *x,
                         cs_real *a, cs_real *top, cs_real *total);
    /* ga becomes du = a (e x + twice_f ga), whose sum over rows is 0 by construction of e. */
    void (*lane_softmax_backward)(size_t P, size_t lanes, const cs_real *e, const cs_real *twice_f,
                                  const cs_real *x, const cs_real *a, cs_real *ga);
    /* d becomes factor a (d - mean_k): the same for any gradient d by a, mean_k = sum_p a d. */
    void (*lane_softmax_centre)(size_t P, size_t lanes, cs_real factor, const cs_real *mean,
                                const cs_real *a, cs_real *d);
    /* Lanes in segments start_s .. start_s+1: first = softmax of factor_k x_pk over the lanes of a
     * segment, row by row, 0 in lanes after the last segment; and d, the gradient by first, becomes that by factor_k x_pk. */
    void (*segment_softmax)(size_t P, size_t lanes, size_t segments, const size_t *start,
                            const cs_real *factor, const cs_real *x, cs_real *first);
    void (*segment_softmax_backward)(size_t P, size_t lanes, size_t segments, const size_t *start,
                                     const cs_real *first, cs_real *d);
    /* d becomes e a + factor d, x becomes a twice_f. */
    void (*combine_lanes)(size_t P, size_t lanes, const cs_real *e, const cs_real *factor,
                          const cs_real *twice_f, const cs_real *a, cs_real *x, cs_real *d);
    /* Largest entry of every lane of x [K,lanes], K >= 1: best, winner (the first row that attains
     * it) [lanes]. Returns the sum of best. */
    cs_real (*best_rows)(size_t K, size_t lanes, const cs_real *x, cs_real *best,
                         uint16_t *winner);
    /* out [D] += sum_n weight_n rows[index_n,:], in order of n. */
    void (*add_rows)(size_t D, size_t n, const cs_real *weight, const size_t *index,
                     const cs_real *rows, cs_real *out);
} CS_TYPED(cs_pair_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_pair_kernels) *CS_TYPED(cs_pair_kernels_in_use)(void);

#endif
