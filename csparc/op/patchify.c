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

/* Offset, among the patches of an image, of the p entries that its row `row`, of 3Y over all
 * channels, has in column j of the grid of patches. */
static size_t
run_offset(size_t Y, size_t X, size_t p, size_t row, size_t j)
{
    size_t c = row / Y, y = row % Y;
    return ((y / p) * (X / p) + j) * 3 * p * p + (c * p + y % p) * p;
}

static void
forward_image(size_t Y, size_t X, size_t p, const cs_real *image, cs_real *patches)
{
    for (size_t row = 0; row < 3 * Y; row++) {
        for (size_t j = 0; j < X / p; j++)
            memcpy(patches + run_offset(Y, X, p, row, j), image + row * X + j * p,
                   p * sizeof *patches);
    }
}

static void
backward_image(size_t Y, size_t X, size_t p, const cs_real *dpatches, cs_real *dimage)
{
    for (size_t row = 0; row < 3 * Y; row++) {
        for (size_t j = 0; j < X / p; j++)
            memcpy(dimage + row * X + j * p, dpatches + run_offset(Y, X, p, row, j),
                   p * sizeof *dimage);
    }
}

cs_status
CS_TYPED(cs_patchify_forward)(size_t B, size_t Y, size_t X, size_t P, size_t E, size_t p,
                              const cs_real *images, cs_real *patches)
{
    CS_TRY(check(Y, X, P, E, p));
    CS_EACH(b, B, cs_threads_for_entries(B, B * P * E),
            forward_image(Y, X, p, images + b * P * E, patches + b * P * E));
    return CS_OK;
}

cs_status
CS_TYPED(cs_patchify_backward)(size_t B, size_t Y, size_t X, size_t P, size_t E, size_t p,
                               const cs_real *dpatches, cs_real *dimages)
{
    CS_TRY(check(Y, X, P, E, p));
    CS_EACH(b, B, cs_threads_for_entries(B, B * P * E),
            backward_image(Y, X, p, dpatches + b * P * E, dimages + b * P * E));
    return CS_OK;
}
