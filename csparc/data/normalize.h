/* Pictures for an encoder: 8-bit pixels to normalised planes.
 *
 *   y[b,c,y,x] = (x[b,y,x,c] / 255 - mean[c]) / std[c]        c = red, green, blue
 *
 *   x (B,Y,X,3) in, 8 bits    mean, std (3) in, std > 0    y (B,3,Y,X) written
 *
 * Y and X are the height and width of a picture. No backward: pixels are data.
 *
 * Cost one table look-up an entry, 4 or 8 bytes written for each read. Numbers: each of the 256
 * values is computed once by the three operations above in the type of y, so the result equals that
 * of an elementwise program to the last bit. One thread: the loader, which calls it, works beside
 * the threads of the training step and must not wake a second team.
 */
#ifndef CS_NORMALIZE_H
#define CS_NORMALIZE_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_normalize)(size_t B, size_t Y, size_t X, const uint8_t *x,
                                 const cs_real *mean, const cs_real *std, cs_real *y);

#endif
