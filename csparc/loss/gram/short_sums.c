#include "loss/gram/short_sums.h"

#include "base/real.h"
#include "la/multiply.h"
#include "la/norm.h"
#include "la/rows.h"

/* |row p| of image r as packed; 0 for a dead one. */
static cs_real
length_of_row(const CS_TYPED(cs_image_block) *block, size_t r, size_t p)
{
    return cs_inverse_norm(block->inverse[r * block->P + p]);
}

/* Whether the sum of one lane is short beside what its terms' lengths add up to. */
static int
is_short(const CS_TYPED(cs_image_block) *block, size_t r, size_t lanes, const cs_real *a,
         cs_real norm)
{
    cs_real reach = 0;
    for (size_t p = 0; p < block->count[r]; p++)
        reach += a[p * lanes] * length_of_row(block, r, p);
    return norm < CS_SHORT_SUM * reach;
}

/* Sums of `count` consecutive lanes. */
static void
form_sums(const CS_TYPED(cs_image_block) *block, size_t r, size_t count, size_t lanes,
          const cs_real *a, const cs_real *th, cs_real *y, cs_real *norm, cs_real *sums)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = block->D;
    cs_multiply(count, D, block->count[r], a, 1, lanes, block->rows + r * block->P * D, D, 0, sums,
                D);
    for (size_t k = 0; k < count; k++) {
        y[k] = kernels->dot(D, sums + k * D, th + k * D);
        norm[k] = fmax(cs_norm(kernels, D, sums + k * D), fabs(y[k]));
    }
}

void
CS_TYPED(cs_short_sums)(const CS_TYPED(cs_image_block) *block, size_t r, size_t count,
                        size_t lanes, cs_real most, const cs_real *a, const cs_real *th,
                        cs_real *y, cs_real *norm, cs_real *sums)
{
    cs_real longest = block->longest[r];
    for (size_t k = 0, begin = 0; k < count; k++) {
        /* Beside the longest patch first, which costs nothing. */
        int found = norm[k] < CS_SHORT_SUM * most * longest &&
                    is_short(block, r, lanes, a + k, norm[k]);
        int whole = k + 1 == count || k + 1 - begin == CS_SUMS_AT_ONCE;
        size_t end = found ? k + 1 : k;
        if (end > begin && (!found || whole))
            form_sums(block, r, end - begin, lanes, a + begin, th + begin * block->D, y + begin,
                      norm + begin, sums);
        if (!found || whole)
            begin = k + 1;
    }
}
