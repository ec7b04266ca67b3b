#include "data/normalize.h"

#include "base/real.h"

cs_status
CS_TYPED(cs_normalize)(size_t B, size_t Y, size_t X, const uint8_t *x, const cs_real *mean,
                       const cs_real *std, cs_real *y)
{
    cs_real table[3][256];
    size_t pixels = Y * X;
    for (size_t c = 0; c < 3; c++) {
        for (size_t value = 0; value < 256; value++)
            table[c][value] = ((cs_real)value / 255 - mean[c]) / std[c];
    }
    for (size_t b = 0; b < B; b++) {
        const uint8_t *from = x + b * pixels * 3;
        cs_real *red = y + b * pixels * 3, *green = red + pixels, *blue = green + pixels;
        for (size_t i = 0; i < pixels; i++) {
            red[i] = table[0][from[3 * i]];
            green[i] = table[1][from[3 * i + 1]];
            blue[i] = table[2][from[3 * i + 2]];
        }
    }
    return CS_OK;
}
