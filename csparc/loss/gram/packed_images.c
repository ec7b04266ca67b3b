#include "loss/gram/packed_images.h"

#include <stdlib.h>
#include <string.h>

#include "base/real.h"
#include "la/multiply.h"
#include "la/rows.h"
#include "la/unit_vector.h"
#include "loss/entropy/tiling.h"
#include "loss/kernels/widths.h"

#ifdef CS_FLOAT64
#define LEAST_LENGTH 1e-140
#else
#define LEAST_LENGTH 1e-15f
#endif

/* STRIP: columns of a Gram matrix, and rows of a gradient, that are formed at a time. */
enum { STRIP = 32, MOST_IMAGES = 16, PARTIAL_BYTES = 48 << 20 };

/* Every tile of captions passes over all images of a block, which should then still be in cache. */
enum { NEAR_BYTES = 3 << 20 };

size_t
CS_TYPED(cs_image_block_rows)(size_t owners, size_t P, size_t D)
{
    size_t row = cs_size_plus(D, cs_size_plus(cs_whole_lanes(P), 1));
    size_t bytes = CS_SIZE(P, row, sizeof(cs_real)), partials = cs_size_times(owners, bytes);
    size_t rows = partials > 0 ? cs_least(PARTIAL_BYTES / partials,
                                          NEAR_BYTES / cs_size_times(2, bytes))
                               : MOST_IMAGES;
    return rows < 1 ? 1 : cs_least(rows, MOST_IMAGES);
}

void
CS_TYPED(cs_image_block_layout)(size_t most, size_t P, size_t D, size_t owners, int gradients,
                                cs_arena *arena, CS_TYPED(cs_image_block) *block)
{
    size_t partials = gradients ? cs_size_times(owners, most) : 0;
    block->most = most;
    block->P = P;
    block->D = D;
    block->owners = owners;
    block->gram_row = cs_whole_lanes(P);
    block->count = CS_TAKE(arena, size_t, most);
    block->exponent = CS_TAKE(arena, int, most);
    block->rows = CS_TAKE(arena, cs_real, most, P, D);
    block->inverse = CS_TAKE(arena, cs_real, most, P);
    block->norm = CS_TAKE(arena, cs_real, most, P);
    block->longest = CS_TAKE(arena, cs_real, most);
    block->columns = CS_TAKE(arena, cs_real, most, D, block->gram_row);
    block->gram = CS_TAKE(arena, cs_real, most, P, block->gram_row);
    block->drows = CS_TAKE(arena, cs_real, partials, P, D);
    block->dgram = CS_TAKE(arena, cs_real, partials, P, block->gram_row);
    block->along = CS_TAKE(arena, cs_real, partials, P);
}

static int
is_valid(const CS_TYPED(cs_image_block) *block, size_t image, size_t p)
{
    return block->valid == NULL || block->valid[image * block->P + p];
}

/* Without Gram matrices rows enter no squares, and up to this power of two none needs scaling. */
enum { PLAIN_EXPONENT = 60 };

/* The exponent that brings the largest entry of an image's valid patches to [1/2, 1), or 0. */
static int
common_exponent(const CS_TYPED(cs_image_block) *block, size_t image, const cs_real *patches)
{
    cs_real largest = 0;
    int exponent = 0;
    for (size_t p = 0; p < block->P; p++) {
        const cs_real *row = patches + p * block->D;
        size_t D = is_valid(block, image, p) ? block->D : 0;
#pragma omp simd reduction(max : largest)
        for (size_t d = 0; d < D; d++)
            largest = fabs(row[d]) > largest ? fabs(row[d]) : largest;
    }
    if (largest > 0 && largest <= CS_REAL_MAX)
        (void)frexp(largest, &exponent);
    return !block->use_gram && abs(exponent) <= PLAIN_EXPONENT ? 0 : exponent;
}

cs_real
CS_TYPED(cs_image_block_dead)(const CS_TYPED(cs_image_block) *block, size_t r)
{
    return fmax(ldexp(CS_DEAD_NORM, -block->exponent[r]), LEAST_LENGTH);
}

/* Pack one image; `patches` are its own. */
static void
pack_image(size_t r, const cs_real *patches, CS_TYPED(cs_image_block) *block)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t image = block->first + r, P = block->P, D = block->D, count = 0;
    int exponent = block->unit ? 0 : common_exponent(block, image, patches);
    /* In two steps: the power itself may leave the range where its product does not. */
    cs_real half = ldexp((cs_real)1, -exponent / 2);
    cs_real rest = ldexp((cs_real)1, -exponent + exponent / 2);
    block->longest[r] = 0;
    for (size_t p = 0; p < P; p++) {
        if (!is_valid(block, image, p))
            continue;
        const cs_real *from = patches + p * D;
        cs_real *row = block->rows + (r * P + count) * D;
        if (!block->unit)
            for (size_t d = 0; d < D; d++)
                row[d] = from[d] * half * rest;
        cs_real own = cs_norm(kernels, D, block->unit ? from : row), norm = ldexp(own, exponent);
        int dead = norm <= CS_DEAD_NORM;
        if (block->unit)
            kernels->scale_add(D, dead ? 0 : 1 / norm, from, 0, row);
        block->norm[r * P + count] = dead ? 0 : norm;
        block->inverse[r * P + count] = dead ? 0 : block->unit ? 1 : 1 / own;
        if (!dead)
            block->longest[r] = fmax(block->longest[r], block->unit ? 1 : own);
        count++;
    }
    block->count[r] = count;
    block->exponent[r] = exponent;
    if (block->use_gram)
        CS_TYPED(cs_transpose)(count, D, block->gram_row, block->rows + r * P * D, D,
                               block->columns + r * D * block->gram_row);
}

/* What is done to rows begin .. end of image r of the block. */
typedef void strip_work(size_t r, size_t begin, size_t end, const CS_TYPED(cs_image_block) *block);

static void
one_strip(size_t strip, strip_work *work, const CS_TYPED(cs_image_block) *block)
{
    size_t strips = cs_ceil_divide(block->P, STRIP), r = strip / strips;
    size_t begin = strip % strips * STRIP;
    if (begin < block->count[r])
        work(r, begin, cs_least(begin + STRIP, block->count[r]), block);
}

/* `work` on all rows of the block, `terms` multiply-adds in all. */
static void
each_strip(size_t terms, strip_work *work, const CS_TYPED(cs_image_block) *block)
{
    size_t strips = block->images * cs_ceil_divide(block->P, STRIP);
    CS_EACH_DYNAMIC(strip, thread, strips,
                    cs_threads_for((size_t)cs_thread_count(), strips, terms),
                    one_strip(strip, work, block));
}

/* Columns of one image's Gram matrix from the diagonal down, and their mirror image. */
static void
gram_strip(size_t r, size_t begin, size_t end, const CS_TYPED(cs_image_block) *block)
{
    size_t D = block->D, row = block->gram_row, count = block->count[r];
    end = begin + cs_whole_lanes(end - begin);
    cs_real *gram = block->gram + r * block->P * row;
    cs_multiply(count - begin, end - begin, D, block->rows + (r * block->P + begin) * D, D, 1,
                block->columns + r * D * row + begin, row, 0, gram + begin * row + begin, row);
    for (size_t i = end; i < count; i++)
        for (size_t k = begin; k < end; k++)
            gram[k * row + i] = gram[i * row + k];
}

void
CS_TYPED(cs_image_block_pack)(size_t first, size_t images, const cs_real *patches,
                              CS_TYPED(cs_image_block) *block)
{
    size_t P = block->P, D = block->D;
    block->first = first;
    block->images = images;
    CS_EACH(r, images, cs_threads_for_entries(images, images * P * D),
            pack_image(r, patches + (first + r) * P * D, block));
    if (block->use_gram)
        each_strip(images * P * P * D, gram_strip, block);
}

cs_real *
CS_TYPED(cs_image_block_drows)(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r)
{
    return block->drows + (owner * block->most + r) * block->P * block->D;
}

static cs_real *
dgram_of(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r)
{
    return block->dgram + (owner * block->most + r) * block->P * block->gram_row;
}

cs_real *
CS_TYPED(cs_image_block_along)(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r)
{
    return block->along + (owner * block->most + r) * block->P;
}

void
CS_TYPED(cs_image_block_clear)(const CS_TYPED(cs_image_block) *block, size_t owner)
{
    memset(CS_TYPED(cs_image_block_along)(block, owner, 0), 0,
           block->images * block->P * sizeof(cs_real));
}

void
CS_TYPED(cs_image_block_add_gram)(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r,
                                  int begins, size_t C, const cs_real *x, size_t x_row,
                                  const cs_real *across)
{
    size_t row = block->gram_row, count = block->count[r];
    cs_real *dgram = dgram_of(block, owner, r);
    for (size_t begin = 0; begin < count; begin += STRIP)
        cs_multiply(count - begin, cs_least(STRIP, cs_whole_lanes(count) - begin), C,
                    x + begin * x_row, x_row, 1, across + begin, row, !begins,
                    dgram + begin * row + begin, row);
}

/* Packed rows begin .. end of image r: the first owner's drows, dgram and along take in all
 * others'. */
static void
sum_owners(size_t r, size_t begin, size_t end, const CS_TYPED(cs_image_block) *block)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = block->D, row = block->gram_row, formed = cs_whole_lanes(end);
    cs_real *drows = CS_TYPED(cs_image_block_drows)(block, 0, r) + begin * D;
    cs_real *dgram = dgram_of(block, 0, r);
    cs_real *along = CS_TYPED(cs_image_block_along)(block, 0, r) + begin;
    for (size_t owner = 1; owner < block->owners; owner++) {
        const cs_real *other = dgram_of(block, owner, r);
        kernels->scale_add((end - begin) * D, 1,
                           CS_TYPED(cs_image_block_drows)(block, owner, r) + begin * D, 1, drows);
        kernels->scale_add(end - begin, 1,
                           CS_TYPED(cs_image_block_along)(block, owner, r) + begin, 1, along);
        for (size_t k = begin; block->use_gram && k < end; k++)
            kernels->scale_add(formed, 1, other + k * row, 1, dgram + k * row);
    }
}

/* drows += dgram rows, for the same rows: of the upper half of dgram, which is not formed, the
 * transpose is read. */
static void
add_from_gram(size_t r, size_t begin, size_t end, const CS_TYPED(cs_image_block) *block)
{
    size_t D = block->D, row = block->gram_row, count = block->count[r];
    const cs_real *rows = block->rows + r * block->P * D, *dgram = dgram_of(block, 0, r);
    cs_real *drows = CS_TYPED(cs_image_block_drows)(block, 0, r) + begin * D;
    CS_TYPED(cs_term)
    terms[] = {{end, dgram + begin * row, row, 1, rows, D},
               {count - end, dgram + end * row + begin, 1, row, rows + end * D, D}};
    CS_TYPED(cs_result) sum = {drows, D, NULL, drows, D, 0};
    CS_TYPED(cs_product)(end - begin, D, 2, terms, &sum);
}

/* One packed row's gradient as that of the patch it came from. */
static void
store_row(size_t r, size_t k, const CS_TYPED(cs_image_block) *block, cs_real *out)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t P = block->P, D = block->D;
    const cs_real *row = block->rows + (r * P + k) * D;
    const cs_real *drow = CS_TYPED(cs_image_block_drows)(block, 0, r) + k * D;
    cs_real norm = block->norm[r * P + k], inverse = block->inverse[r * P + k];
    if (block->unit) {
        cs_unit_backward_along(kernels, D, cs_inverse_norm(norm), kernels->dot(D, row, drow), row,
                               drow, out);
        return;
    }
    cs_real along = CS_TYPED(cs_image_block_along)(block, 0, r)[k];
    cs_real radial = along * inverse * inverse;
    int exponent = -block->exponent[r];
    cs_real half = ldexp((cs_real)1, exponent / 2);
    cs_real rest = ldexp((cs_real)1, exponent - exponent / 2);
    if (fabs(radial) <= CS_REAL_MAX / 2)
        cs_unit_backward_along(kernels, D, half, radial, row, drow, out);
    else /* the square of a short row's inverse: each factor takes one */
        for (size_t d = 0; d < D; d++)
            out[d] = half * (drow[d] - along * inverse * (inverse * row[d]));
    for (size_t d = 0; d < D; d++)
        out[d] *= rest;
}

static void
store_image(size_t r, const CS_TYPED(cs_image_block) *block, cs_real *dpatches)
{
    size_t image = block->first + r, P = block->P, D = block->D, k = 0;
    for (size_t p = 0; p < P; p++) {
        cs_real *out = dpatches + (image * P + p) * D;
        if (is_valid(block, image, p))
            store_row(r, k++, block, out);
        else
            memset(out, 0, D * sizeof(cs_real));
    }
}

void
CS_TYPED(cs_image_block_finish)(const CS_TYPED(cs_image_block) *block, cs_real *dpatches)
{
    size_t images = block->images, P = block->P, D = block->D;
    each_strip(images * block->owners * P * (P + D), sum_owners, block);
    if (block->use_gram)
        each_strip(images * P * P * D, add_from_gram, block);
    CS_EACH(r, images, cs_threads_for_entries(images, images * P * D),
            store_image(r, block, dpatches));
}
