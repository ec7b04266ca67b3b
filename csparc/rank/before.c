#include "rank/before.h"

#include <math.h>
#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "base/size.h"

/* Rows that one thread counts, and columns whose bounds and counts stay in its cache meanwhile. */
enum { ROWS = 32, COLUMNS = 1024 };
static const double ULP = 1.0 / (1 << 24);

typedef CS_TYPED(cs_queries) queries;

typedef struct {
    size_t N, M, D;
    const float *scores, *low, *high; /* bounds (M) of columns */
    double error;
    const queries *images, *texts;
    int32_t *counts; /* of texts: before and equal (2,M) of each block of rows */
} tile;

#ifndef CS_FLOAT64
size_t
cs_count_before_scratch(size_t N, size_t M)
{
    /* Bounds of columns, and of each block of rows two counts. */
    return CS_SIZE(2, M, cs_size_plus(1, cs_ceil_divide(N, ROWS)), sizeof(float));
}
#endif

static double
score_of(const tile *t, size_t r, size_t c)
{
    double product = CS_TYPED(cs_before)()->dot(t->D, t->images->rows + r * t->D,
                                                t->texts->rows + c * t->D);
    return rint(product * t->images->inverse[r] * t->texts->inverse[c] / ULP) * ULP;
}

static int
within(float score, float target, double error)
{
    return score >= (float)(target - error) && score <= (float)(target + error);
}

/* Takes in a score that float32 does not place for the row, the column, or either. */
static void
judge(const tile *t, size_t r, size_t c, int32_t *before, int32_t *equal)
{
    const queries *images = t->images, *texts = t->texts;
    const int64_t image = images->first + (int64_t)r, text = texts->first + (int64_t)c;
    if (texts->right[c] == image)
        return;
    const float narrow = t->scores[r * t->M + c] * (float)images->inverse[r];
    const double score = score_of(t, r, c);
    if (within(narrow, images->target[r], t->error)) {
        int same = score == images->target[r];
        images->equal[r] += same;
        images->before[r] += score > images->target[r] || (same && text < images->right[r]);
    }
    if (within(narrow, texts->target[c], t->error)) {
        int same = score == texts->target[c];
        equal[c] += same;
        before[c] += score > texts->target[c] || (same && image < texts->right[c]);
    }
}

static void
count_block(const tile *t, size_t block)
{
    uint16_t near[COLUMNS];
    int32_t *before = t->counts + block * 2 * t->M, *equal = before + t->M;
    const size_t first = block * ROWS, rows = cs_block_length(first, ROWS, t->N);
    memset(before, 0, 2 * t->M * sizeof *before);
    for (size_t c = 0; c < t->M; c += COLUMNS) {
        const size_t n = cs_block_length(c, COLUMNS, t->M);
        for (size_t r = first; r < first + rows; r++) {
            const float target = t->images->target[r];
            size_t found = CS_TYPED(cs_before)()->count(
                n, t->scores + r * t->M + c, (float)t->images->inverse[r],
                (float)(target - t->error), (float)(target + t->error), t->low + c, t->high + c,
                before + c, &t->images->before[r], near);
            for (size_t k = 0; k < found; k++)
                judge(t, r, c + near[k], before, equal);
        }
    }
}

cs_status
CS_TYPED(cs_count_before)(size_t N, size_t M, size_t D, const float *scores, double error,
                          const queries *images, const queries *texts, void *scratch)
{
    const size_t blocks = cs_ceil_divide(N, ROWS);
    float *low = scratch, *high = low + M;
    const tile t = {N,     M,      D,     scores,        low, high,
                    error, images, texts, (int32_t *)(high + M)};
    for (size_t c = 0; c < M; c++) {
        low[c] = (float)(texts->target[c] - error);
        high[c] = (float)(texts->target[c] + error);
    }
    CS_EACH(b, blocks, cs_threads_for_entries(blocks, N * M), count_block(&t, b));
    for (size_t b = 0; b < blocks; b++) {
        const int32_t *before = t.counts + b * 2 * M, *equal = before + M;
        for (size_t c = 0; c < M; c++) {
            texts->before[c] += before[c];
            texts->equal[c] += equal[c];
        }
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_dot_rows)(size_t N, size_t D, const cs_real *x, const cs_real *y, double *z)
{
    const CS_TYPED(cs_before_kernels) *kernels = CS_TYPED(cs_before)();
    CS_EACH(n, N, cs_threads_for_entries(N, N * D), z[n] = kernels->dot(D, x + n * D, y + n * D));
    return CS_OK;
}
