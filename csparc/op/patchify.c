#include "op/patchify.h"

#include <string.h>

#include "base/real.h"

static cs_status
check(size_t Y, size_t X, size_t P, size_t E, size_t p)
{
    if (p == 0 || Y % p != 0 || X % p != 0 || P != (Y / p) * (X / p) || E != 3 * p * p)
        return CS_ESHAPE;
    return CS_OK;
}

/* Where, among the patches, the p entries of image row `row` (of 3Y) lie that fall in grid column
 * j. */
static size_t
run_offset(size_t Y, size_t X, size_t p, size_t row, size_t j)
{
    size_t c = row / Y, y = row % Y;
    return ((y / p) * (X / p) + j) * 3 * p * p + (c * p + y % p) * p;
}

cs_status
CS_TYPED(cs_patchify_forward)(size_t B, size_t Y, size_t X, size_t P, size_t E, size_t p,
                              const cs_real *images, cs_real *patches)
{
    CS_TRY(check(Y, X, P, E, p));
    CS_PARALLEL_FOR_IF(B * P * E > 65536)
    for (size_t b = 0; b < B; b++) {
        for (size_t row = 0; row < 3 * Y; row++) {
            for (size_t j = 0; j < X / p; j++)
                memcpy(patches + b * P * E + run_offset(Y, X, p, row, j),
                       images + (b * 3 * Y + row) * X + j * p, p * sizeof *patches);
        }
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_patchify_backward)(size_t B, size_t Y, size_t X, size_t P, size_t E, size_t p,
                               const cs_real *dpatches, cs_real *dimages)
{
    CS_TRY(check(Y, X, P, E, p));
    CS_PARALLEL_FOR_IF(B * P * E > 65536)
    for (size_t b = 0; b < B; b++) {
        for (size_t row = 0; row < 3 * Y; row++) {
            for (size_t j = 0; j < X / p; j++)
                memcpy(dimages + (b * 3 * Y + row) * X + j * p,
                       dpatches + b * P * E + run_offset(Y, X, p, row, j), p * sizeof *dimages);
        }
    }
    return CS_OK;
}
