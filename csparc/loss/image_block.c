#include "loss/image_block.h"

#include <string.h>

#include "base/real.h"
#include "la/gemm.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/tiling.h"

/* Rows of a Gram matrix or of a gradient formed at a time. */
enum { STRIP = 32, MOST_IMAGES = 16, PARTIAL_BYTES = 48 << 20 };

size_t
CS_TYPED(cs_image_block_rows)(size_t owners, size_t P, size_t D)
{
    size_t bytes = owners * P * (D + P + 1) * sizeof(cs_real);
    size_t rows = bytes > 0 ? PARTIAL_BYTES / bytes : MOST_IMAGES;
    return rows < 1 ? 1 : cs_least(rows, MOST_IMAGES);
}

void
CS_TYPED(cs_image_block_layout)(size_t most, size_t P, size_t D, size_t owners, int gradients,
                                cs_arena *arena, CS_TYPED(cs_image_block) *block)
{
    size_t partials = gradients ? owners * most : 0;
    block->most = most;
    block->P = P;
    block->D = D;
    block->owners = owners;
    block->count = cs_arena_take(arena, most * sizeof(size_t));
    block->exponent = cs_arena_take(arena, most * sizeof(int));
    block->rows = cs_arena_take(arena, most * P * D * sizeof(cs_real));
    block->inverse = cs_arena_take(arena, most * P * sizeof(cs_real));
    block->norm = cs_arena_take(arena, most * P * sizeof(cs_real));
    block->gram = cs_arena_take(arena, most * P * P * sizeof(cs_real));
    block->drows = cs_arena_take(arena, partials * P * D * sizeof(cs_real));
    block->dgram = cs_arena_take(arena, partials * P * P * sizeof(cs_real));
    block->pull = cs_arena_take(arena, partials * P * sizeof(cs_real));
}

static int
is_valid(const CS_TYPED(cs_image_block) *block, size_t image, size_t p)
{
    return block->valid == NULL || block->valid[image * block->P + p];
}

/* The exponent that brings the largest entry of an image's valid patches to [1/2, 1). */
static int
common_exponent(const CS_TYPED(cs_image_block) *block, size_t image, const cs_real *patches)
{
    cs_real largest = 0;
    int exponent = 0;
    for (size_t p = 0; p < block->P; p++)
        for (size_t d = 0; is_valid(block, image, p) && d < block->D; d++)
            largest = fmax(largest, fabs(patches[p * block->D + d]));
    if (largest > 0 && largest <= CS_REAL_MAX)
        (void)frexp(largest, &exponent);
    return exponent;
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
    for (size_t p = 0; p < P; p++) {
        if (!is_valid(block, image, p))
            continue;
        const cs_real *from = patches + p * D;
        cs_real *row = block->rows + (r * P + count) * D;
        cs_real norm = cs_norm(kernels, D, from);
        int dead = norm <= CS_DEAD_NORM;
        block->norm[r * P + count] = dead ? 0 : norm;
        if (block->unit) {
            kernels->scale_add(D, dead ? 0 : 1 / norm, from, 0, row);
            block->inverse[r * P + count] = dead ? 0 : 1;
        } else {
            for (size_t d = 0; d < D; d++)
                row[d] = from[d] * half * rest;
            block->inverse[r * P + count] = dead ? 0 : 1 / cs_norm(kernels, D, row);
        }
        count++;
    }
    block->count[r] = count;
    block->exponent[r] = exponent;
}

/* Rows of one image's Gram matrix up to the diagonal, and their mirror image. */
static void
gram_strip(size_t r, size_t begin, const CS_TYPED(cs_image_block) *block)
{
    size_t P = block->P, D = block->D, end = cs_least(begin + STRIP, block->count[r]);
    const cs_real *rows = block->rows + r * P * D;
    cs_real *gram = block->gram + r * P * P;
    CS_TYPED(cs_gemm)(end - begin, end, D, 1, rows + begin * D, D, 1, rows, 1, D, 0,
                      gram + begin * P, P, 1);
    for (size_t i = begin; i < end; i++)
        for (size_t k = 0; k < i; k++)
            gram[k * P + i] = gram[i * P + k];
}

void
CS_TYPED(cs_image_block_pack)(size_t first, size_t images, const cs_real *patches,
                              CS_TYPED(cs_image_block) *block)
{
    size_t strips = cs_ceil_divide(block->P, STRIP);
    block->first = first;
    block->images = images;
    CS_PARALLEL_FOR
    for (size_t r = 0; r < images; r++)
        pack_image(r, patches + (first + r) * block->P * block->D, block);
    if (!block->use_gram)
        return;
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t s = 0; s < images * strips; s++)
        if (s % strips * STRIP < block->count[s / strips])
            gram_strip(s / strips, s % strips * STRIP, block);
}

cs_real *
CS_TYPED(cs_image_block_drows)(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r)
{
    return block->drows + (owner * block->most + r) * block->P * block->D;
}

cs_real *
CS_TYPED(cs_image_block_dgram)(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r)
{
    return block->dgram + (owner * block->most + r) * block->P * block->P;
}

cs_real *
CS_TYPED(cs_image_block_pull)(const CS_TYPED(cs_image_block) *block, size_t owner, size_t r)
{
    return block->pull + (owner * block->most + r) * block->P;
}

void
CS_TYPED(cs_image_block_clear)(const CS_TYPED(cs_image_block) *block, size_t owner)
{
    size_t images = block->images, P = block->P;
    memset(CS_TYPED(cs_image_block_drows)(block, owner, 0), 0,
           images * P * block->D * sizeof(cs_real));
    memset(CS_TYPED(cs_image_block_dgram)(block, owner, 0), 0, images * P * P * sizeof(cs_real));
    memset(CS_TYPED(cs_image_block_pull)(block, owner, 0), 0, images * P * sizeof(cs_real));
}

/* The gradient of packed rows begin .. end of image r, left in the first owner's drows. The first
 * owner's dgram takes the sum of all. */
static void
sum_owners(size_t r, size_t begin, size_t end, const CS_TYPED(cs_image_block) *block)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t P = block->P, D = block->D, count = block->count[r];
    cs_real *drows = CS_TYPED(cs_image_block_drows)(block, 0, r);
    cs_real *dgram = CS_TYPED(cs_image_block_dgram)(block, 0, r);
    cs_real *pull = CS_TYPED(cs_image_block_pull)(block, 0, r);
    for (size_t owner = 1; owner < block->owners; owner++) {
        kernels->scale_add((end - begin) * D, 1,
                           CS_TYPED(cs_image_block_drows)(block, owner, r) + begin * D, 1,
                           drows + begin * D);
        kernels->scale_add((end - begin) * P, 1,
                           CS_TYPED(cs_image_block_dgram)(block, owner, r) + begin * P, 1,
                           dgram + begin * P);
        kernels->scale_add(end - begin, 1,
                           CS_TYPED(cs_image_block_pull)(block, owner, r) + begin, 1,
                           pull + begin);
    }
    if (block->use_gram)
        CS_TYPED(cs_gemm)(end - begin, D, count, 2, dgram + begin * P, P, 1,
                          block->rows + r * P * D, D, 1, 1, drows + begin * D, D, 1);
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
        cs_real scale = norm == 0 ? 0 : 1 / norm;
        cs_real along = kernels->dot(D, row, drow);
        for (size_t d = 0; d < D; d++)
            out[d] = scale * (drow[d] - along * row[d]);
        return;
    }
    cs_real along = CS_TYPED(cs_image_block_pull)(block, 0, r)[k] * inverse * inverse;
    int exponent = -block->exponent[r];
    cs_real half = ldexp((cs_real)1, exponent / 2), rest = ldexp((cs_real)1, exponent - exponent / 2);
    for (size_t d = 0; d < D; d++)
        out[d] = (drow[d] - along * row[d]) * half * rest;
}

void
CS_TYPED(cs_image_block_finish)(const CS_TYPED(cs_image_block) *block, cs_real *dpatches)
{
    size_t P = block->P, D = block->D, strips = cs_ceil_divide(P, STRIP);
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t s = 0; s < block->images * strips; s++) {
        size_t r = s / strips, begin = s % strips * STRIP;
        if (begin < block->count[r])
            sum_owners(r, begin, cs_least(begin + STRIP, block->count[r]), block);
    }
    CS_PARALLEL_FOR
    for (size_t r = 0; r < block->images; r++) {
        size_t image = block->first + r, k = 0;
        for (size_t p = 0; p < P; p++) {
            cs_real *out = dpatches + (image * P + p) * D;
            if (is_valid(block, image, p))
                store_row(r, k++, block, out);
            else
                memset(out, 0, D * sizeof(cs_real));
        }
    }
}
