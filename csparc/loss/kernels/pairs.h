/* Loops of the losses over all pairs over one tile, beside its products (la/tiles.h), compiled for
 * every instruction set and reached through a table.
 *
 * Matrices [P, lanes] hold one image's patches as rows and captions (or their tokens) as lanes, so
 * that sums over patches run down the rows, all lanes at once.
 */
#ifndef CS_KERNEL_PAIRS_H
#define CS_KERNEL_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "loss/kernels/widths.h"

typedef struct {
    /* SigLIP's pairs that do not match: u = scale cosine + bias over [R,C], g = sigmoid(u). Added
     * to sums: [0] ln(1 + e^u), [1] g cosine, [2] g. */
    void (*sigmoid_tile)(size_t R, size_t C, cs_real scale, cs_real bias, const cs_real *cosine,
                         cs_real *g, double *sums);
    /* Weights of patches, one caption a lane: a = softmax over patches of row_p x, or with
     * `sigmoid` each entry's own. x, a [P,lanes], row [P]; top, total [lanes] scratch. */
    void (*patch_weights)(size_t P, size_t lanes, int sigmoid, const cs_real *row, const cs_real *x,
                          cs_real *a, cs_real *top, cs_real *total);
    /* sum_k = sum_p x_pk y_pk */
    void (*lane_dots)(size_t P, size_t lanes, const cs_real *x, const cs_real *y, cs_real *sum);
    /* Backward of patch_weights: da = e x + twice_f ga - mean, du = a da, or a (1 - a) da with
     * `sigmoid`. x becomes a twice_f, ga becomes e a + row du, along_p += sum_k du row x.
     * e, twice_f, mean [lanes], row, along [P]. */
    void (*patch_weights_backward)(size_t P, size_t lanes, int sigmoid, const cs_real *row,
                                   const cs_real *e, const cs_real *twice_f, const cs_real *mean,
                                   const cs_real *a, cs_real *x, cs_real *ga, cs_real *along);
    /* a = softmax over rows of factor_k x_pk, factor >= 0; x, a [P,lanes], the rest [lanes], top
     * and total scratch. Only differences are multiplied: a factor of any size is safe. */
    void (*lane_softmax)(size_t P, size_t lanes, const cs_real *factor, const cs_real *x,
                         cs_real *a, cs_real *top, cs_real *total);
    /* ga becomes du = a (e x + twice_f ga). The mean that a softmax takes out is 0 here: the
     * caller's e and twice_f make the sum of du over rows vanish. */
    void (*lane_softmax_backward)(size_t P, size_t lanes, const cs_real *e, const cs_real *twice_f,
                                  const cs_real *x, const cs_real *a, cs_real *ga);
    /* d becomes factor a (d - mean_k): the same for any gradient d by a, mean_k = sum_p a d. */
    void (*lane_softmax_centre)(size_t P, size_t lanes, cs_real factor, const cs_real *mean,
                                const cs_real *a, cs_real *d);
    /* Segment s of a row is its lanes start_s .. start_s+1, the words of one caption. first =
     * softmax of factor_k x_pk over the lanes of each segment of each row, 0 in lanes after the
     * last. Back: d, the gradient by first, becomes that by factor_k x_pk. */
    void (*segment_softmax)(size_t P, size_t lanes, size_t segments, const size_t *start,
                            const cs_real *factor, const cs_real *x, cs_real *first);
    void (*segment_softmax_backward)(size_t P, size_t lanes, size_t segments, const size_t *start,
                                     const cs_real *first, cs_real *d);
    /* d becomes e a + factor d, x becomes a twice_f. */
    void (*combine_lanes)(size_t P, size_t lanes, const cs_real *e, const cs_real *factor,
                          const cs_real *twice_f, const cs_real *a, cs_real *x, cs_real *d);
    /* Largest entry of every lane of x [K,lanes], K >= 1, whole lanes: best, winner (the first row
     * that attains it) [lanes]. */
    void (*best_rows)(size_t K, size_t lanes, const cs_real *x, cs_real *best, uint16_t *winner);
    /* Largest entries of x [R,C]: row_best [R], column_best [C] are raised to those of their row,
     * column. NaN beats everything, so that what is not finite shows. */
    void (*raise_bests)(size_t R, size_t C, const cs_real *x, size_t x_row, cs_real *row_best,
                        cs_real *column_best);
    /* Rows of CS_CHUNK numbers; q and then s in order, 1 to CS_GATHERED samples s:
     *   gather   out[q,:] += sum_s weight_s rows_s[winner_sq,:]
     *   scatter  out_s[winner_sq,:] += weight_s rows[q,:] */
    void (*gather_rows)(size_t Q, size_t count, const uint16_t *const *winner,
                        const cs_real *weight, const cs_real *const *rows, cs_real *out);
    void (*scatter_rows)(size_t Q, size_t count, const uint16_t *const *winner,
                         const cs_real *weight, const cs_real *rows, cs_real *const *out);
    /* Of x and dx CS_CHUNK columns, rows D apart; out, d [count,CS_CHUNK]:
     *   take  out[k,:] = x[index_k,:] / norm[index_k], 0 where norm is 0
     *   add   dx[index_k,:] += d[k,:] */
    void (*take_chunk)(size_t count, const size_t *index, const cs_real *norm, size_t D,
                       const cs_real *x, cs_real *out);
    void (*add_chunk)(size_t count, const size_t *index, size_t D, const cs_real *d, cs_real *dx);
} CS_TYPED(cs_pair_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_pair_kernels) *CS_TYPED(cs_pair_kernels_in_use)(void);

#endif
