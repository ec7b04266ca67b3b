/* Resampling of 8-bit pictures, to the bits of Pillow's Image.crop(box).resize(size, filter).
 *
 *   t[y,j] = round(sum_i u[j,i] x[top + y, left + i])    columns first, rounded to 8 bits
 *   z[i,j] = round(sum_y v[i,y] t[y,j])                   then rows
 *
 * u and v are the filter (bicubic with a = -1/2, or bilinear), stretched by the scale when the
 * picture shrinks (antialiasing), cut at the crop's edges and normalised to sum 1, then rounded to
 * 22 binary digits after the point.
 *
 *   x (Y,X,3) in    z (H,W,3) written    crop: left, top, width, height within x, else CS_EVALUE
 *
 * Here X, Y, W, H are widths and heights in pixels. No backward: pixels are data.
 *
 * Cost about 3 height W 4 width/W + 3 H W 4 height/H multiply-adds when shrinking. Numbers: integer
 * sums, exact in any order, so the instruction set changes no bit. The first pass runs on columns
 * turned into rows, 64 rows at a time, so that both passes are the same loop over contiguous bytes.
 * One thread, for the reason given in normalize.h.
 *
 * Why not Pillow's resize, which a loader has at hand because Pillow decodes its files: from
 * version 13 on it chooses which axis comes first, so that the bits of a run would depend on the
 * version installed; and this takes less time. By benchmarks/bench_resize.py, on one core of a
 * busy virtual machine with an Intel Xeon (AVX-512), against Pillow 13.0 without conversions: 2.6
 * times as fast from 640 x 480 to a shorter side of 224, 2.3 times to 64, 2.1 times from 200 x 160
 * to 64; with the decoding of a JPEG file before it 1.5, 1.3 and 1.5 times. The bits were the same
 * there. Generated scenes and arrays need no Pillow at all.
 */
#ifndef CS_RESIZE_H
#define CS_RESIZE_H

#include "csparc.h"

typedef struct {
    long long left, top, width, height;
} cs_crop;

size_t cs_resize_scratch(size_t Y, size_t X, size_t H, size_t W);
cs_status cs_resize(size_t Y, size_t X, size_t H, size_t W, const uint8_t *x, cs_crop crop,
                    int bilinear, uint8_t *z, void *scratch);

/* out[j] = round(sum_t weights[t] in[t * stride + j]) for j < n: one row of either pass. */
typedef void cs_weigh_rows(size_t taps, size_t n, const int32_t *weights, const uint8_t *in,
                           size_t stride, uint8_t *out);

enum { CS_WEIGHT_BITS = 22 };

#endif
