/* Ranks of right answers by cosine: what stands before them, of a tile of scores.
 *
 * N images and M texts, a part of all; image r asks for a text, text c for an image.
 *   s_rc = round(<x_r, y_c> inverse_r inverse_c)      to a multiple of 2^-24, half to even
 *   before_r += #{c not of r : s_rc > target_r, or s_rc = target_r and c comes before right_r}
 *   equal_r  += #{c not of r : s_rc = target_r}       and the same of each text c over images
 *
 *   scores (N,M)       <x_r, y_c> inverse_c in float32; times inverse_r in float32 no further than
 *                      `error` from the cosine
 *   rows (N,D) (M,D)   x, y       inverse (N) (M)  what brings a row to length 1
 *   target (N) (M)     the score of the right answer, of an image the highest of its texts';
 *                      infinity where a query has none
 *   right (N) (M)      its number among all answers; of a text also the image that it is of
 *   first              the number of the first row among all images, among all texts
 *   before, equal (N) (M) added to
 *
 * A score in float32 that is further than `error` from a target lies on the same side as s_rc; of
 * the others s_rc is made, in double. Integer counts alone cross blocks, and a sum has one order:
 * the same results for any number of threads. No backward: a rank has no gradient.
 * Cost 5NM comparisons, and 2D FLOP for each score that is near.
 */
#ifndef CS_BEFORE_H
#define CS_BEFORE_H

#include "base/real.h"
#include "csparc.h"

typedef struct {
    const cs_real *rows;
    const double *inverse;
    const float *target;
    const int64_t *right;
    int64_t first;
    int64_t *before, *equal;
} CS_TYPED(cs_queries);

size_t cs_count_before_scratch(size_t N, size_t M);
cs_status CS_TYPED(cs_count_before)(size_t N, size_t M, size_t D, const float *scores, double error,
                                    const CS_TYPED(cs_queries) *images,
                                    const CS_TYPED(cs_queries) *texts, void *scratch);

/* z_n = <x_n, y_n> summed as cs_count_before sums it: x, y (N,D), z (N). */
cs_status CS_TYPED(cs_dot_rows)(size_t N, size_t D, const cs_real *x, const cs_real *y, double *z);

typedef struct {
    /* Of n scores x_j of a row, x_j scale: how many lie above `high`; adds 1 to above[j] where one
     * lies above column_high[j]; writes which lie within the bounds of the row or of their column
     * to near[n] and returns how many those are. */
    size_t (*count)(size_t n, const float *x, float scale, float low, float high,
                    const float *column_low, const float *column_high, int32_t *above,
                    int64_t *before, uint16_t *near);
    /* sum_i x_i y_i in double, over lanes in one order */
    double (*dot)(size_t n, const cs_real *x, const cs_real *y);
} CS_TYPED(cs_before_kernels);

const CS_TYPED(cs_before_kernels) *CS_TYPED(cs_before)(void);

#endif
