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
 * sums, exact in any order, so the instruction set changes no bit. Magnitudes of one output's
 * weights add up to less than 1.6, so that 255 times them and the half for rounding stay below
 * 2^31, and a weight's two parts (below) fit 16 bits. The sums of one part over very many taps may
 * wrap, as unsigned numbers do: the total is right modulo 2^32 and in range.
 *
 * The first pass runs on 16 rows turned into planes of pairs of pixels (pair_lanes.h), so that a
 * vector holds rows and both passes multiply two taps an instruction. One thread, for the reason
 * given in normalize.h.
 *
 * Why not Pillow's resize, which a loader has at hand because Pillow decodes its files: from
 * version 13 on it chooses which axis comes first, so that the bits of a run would depend on the
 * version installed; and this takes less time. By benchmarks/bench_resize.py, on one core of a
 * busy virtual machine with an AMD EPYC, against Pillow 13.0 without conversions, with AVX-512,
 * AVX2 and neither: 15, 9 and 4.3 times as fast from 640 x 480 to a shorter side of 224; 18, 11 and
 * 5.2 times to 64; 12, 8 and 4.2 times from 200 x 160 to 64. With the decoding of a JPEG file
 * before it, with AVX-512: 2.0, 1.8 and 2.4 times. The bits were the same there. Generated scenes
 * and arrays need no Pillow at all.
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

/* The weights of one axis, split in two so that each half fits 16 bits: w = 2^8 high + low, where
 * 0 <= low < 2^8. Two taps lie together, as high, high, low, low; output k has pairs[k] of them in
 * weights [outputs,most,4], from input first[k] on. A tap beyond the inputs weighs 0. */
typedef struct {
    size_t outputs, most;
    size_t *first, *pairs;
    int16_t *weights;
} cs_resize_axis;

enum {
    CS_WEIGHT_BITS = 22,
    CS_LOW_BITS = 8,
    /* Rows that cs_weigh_across turns at a time, and 16-bit numbers of 4 pixels of them. */
    CS_ROWS = 16,
    CS_TURNED_GROUP = 4 * 3 * CS_ROWS,
};

/* One to CS_ROWS rows of `width` pixels, weighed: out [CS_ROWS,out_row], where what lies beyond
 * those rows or beyond 3 outputs bytes means nothing. An output begins at an even input.
 * planes [(width + 3) / 4,CS_TURNED_GROUP] is scratch; out_row >= 3 outputs + 16. */
typedef void cs_weigh_across(const cs_resize_axis *axis, size_t width, size_t rows,
                             const uint8_t *x, size_t x_row, int16_t *planes, uint8_t *out,
                             size_t out_row);

/* One output of the other axis: the first n bytes of rows at in, in + in_row .. to out. Of the rows
 * as many bytes are read as fill whole vectors, of 64 at most. */
typedef void cs_weigh_down(size_t pairs, size_t n, const int16_t *weights, const uint8_t *in,
                           size_t in_row, uint8_t *out);

#endif
