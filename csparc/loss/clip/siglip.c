#include "loss/clip/siglip.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "loss/clip/extra_texts.h"
#include "loss/clip/score_tiles.h"
#include "loss/entropy/tiling.h"
#include "loss/kernels/pairs.h"
#include "op/l2norm.h"

enum { SUMS = 3 };

typedef struct {
    CS_TYPED(cs_score_tiles) products;
    CS_TYPED(cs_extra_texts) extra;
    cs_real *image, *image_norm, *text, *text_norm; /* unit vectors [B,D] and lengths [B] */
    size_t owners, tile; /* with those of extra captions; numbers of a tile */
    double *sums;        /* [owners, SUMS] */
    const cs_groups *groups;
    cs_real *tiles; /* per thread: cosines [rows, columns], g alike, cosines of matching pairs */
} workspace;

static size_t
thread_elements(const workspace *w, int positive)
{
    const cs_tiling *t = &w->products.tiling;
    return cs_size_plus(cs_size_times(2, w->tile),
                        positive ? w->tile : cs_least(t->rows, t->columns));
}

static workspace
layout(size_t B, size_t N, size_t D, int positive, long long asked_rows, long long asked_columns,
       size_t threads, cs_arena *arena)
{
    workspace w;
    cs_tiling t = CS_TYPED(cs_score_tiling)(B, asked_rows, asked_columns);
    w.image = CS_TAKE(arena, cs_real, B, D);
    w.image_norm = CS_TAKE(arena, cs_real, B);
    w.text = CS_TAKE(arena, cs_real, B, D);
    w.text_norm = CS_TAKE(arena, cs_real, B);
    CS_TYPED(cs_score_tiles_layout)(B, D, &t, arena, &w.products);
    w.products.image = w.image;
    w.products.text = w.text;
    CS_TYPED(cs_extra_texts_layout)(N, D, w.image, &t, asked_columns, arena, &w.extra);
    const cs_tiling *extra = &w.extra.products.tiling;
    w.owners = t.owners + extra->owners;
    w.tile = cs_size_times(t.rows, t.columns > extra->columns ? t.columns : extra->columns);
    w.sums = CS_TAKE(arena, double, w.owners, SUMS);
    w.tiles = CS_TAKE(arena, cs_real, threads, thread_elements(&w, positive));
    return w;
}

size_t
CS_TYPED(cs_siglip_scratch)(size_t B, size_t N, size_t D, int positive, long long asked_rows,
                            long long asked_columns, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, N, D, positive, asked_rows, asked_columns, threads, &counter);
    return counter.used;
}

/* Adds the part of a matching pair to the sums; returns its g. */
static cs_real
matching_pair(cs_real scale, cs_real bias, cs_real cosine, double *sums)
{
    cs_real u = scale * cosine + bias, e = exp(-fabs(u));
    cs_real g = -(u > 0 ? e : 1) / (1 + e);
    sums[0] += (double)(log1p(e) + fmax(-u, 0));
    sums[1] += (double)(g * cosine);
    sums[2] += (double)g;
    return g;
}

/* Matching and excluded pairs are given a cosine so low that the kernel adds nothing for them; own
 * takes the cosines of the matching ones, in order. */
static void
take_out(size_t R, size_t C, size_t r0, size_t c0, const cs_groups *groups, cs_real never,
         cs_real *cosine, cs_real *own)
{
    size_t first = r0 > c0 ? r0 : c0, last = cs_least(r0 + R, c0 + C);
    for (size_t i = first; groups->id == NULL && i < last; i++) {
        cs_real *place = cosine + (i - r0) * C + (i - c0);
        *own++ = *place;
        *place = never;
    }
    for (size_t r = 0; groups->id != NULL && r < R; r++)
        for (size_t k = 0; k < C; k++) {
            if (!cs_same_group(groups, r0 + r, c0 + k))
                continue;
            if (r0 + r == c0 + k || groups->positive)
                *own++ = cosine[r * C + k];
            cosine[r * C + k] = never;
        }
}

/* g [R,C] of the pairs of images r0.. and captions c0.., and their part of the sums. */
static void
form_tile(size_t R, size_t C, size_t r0, size_t c0, const workspace *w, cs_real scale,
          cs_real bias, cs_real *cosine, cs_real *g, cs_real *own, double *sums)
{
    const cs_groups *groups = w->groups;
    cs_real never = -(CS_REAL_MAX / 4) / fmax(scale, 1);
    size_t first = r0 > c0 ? r0 : c0, last = cs_least(r0 + R, c0 + C);
    CS_TYPED(cs_score_tile)(&w->products, r0, R, c0, C, cosine);
    take_out(R, C, r0, c0, groups, never, cosine, own);
    CS_TYPED(cs_pair_kernels_in_use)()->sigmoid_tile(R, C, scale, bias, cosine, g, sums);
    for (size_t i = first; !cs_groups_match(groups) && i < last; i++)
        g[(i - r0) * C + (i - c0)] = matching_pair(scale, bias, own[i - first], sums);
    for (size_t r = 0; cs_groups_match(groups) && r < R; r++)
        for (size_t k = 0; k < C; k++)
            if (cs_same_group(groups, r0 + r, c0 + k))
                g[r * C + k] = matching_pair(scale, bias, *own++, sums);
}

/* One owner's captions against a block of images: their gradient, and the owner's part of the
 * block's. */
static void
work_of_owner(size_t B, size_t owner, size_t r0, size_t R, const workspace *w, cs_real scale,
              cs_real bias, cs_real *dtext, cs_real *tiles)
{
    const cs_tiling *t = &w->products.tiling;
    cs_real *cosine = tiles, *g = cosine + w->tile, *own = g + w->tile;
    size_t begin = cs_first_caption(t, owner), end = cs_end_caption(t, owner, B);
    for (size_t c0 = begin; c0 < end; c0 += t->columns) {
        size_t C = cs_least(t->columns, end - c0);
        form_tile(R, C, r0, c0, w, scale, bias, cosine, g, own, w->sums + owner * SUMS);
        if (dtext == NULL)
            continue;
        /* From sigmoid - I to the gradient of cosines. */
        CS_TYPED(cs_rows)()->scale_add(R * C, scale / (cs_real)B, g, 0, g);
        CS_TYPED(cs_score_tile_gradients)(&w->products, owner, r0, R, c0, C, g, dtext);
    }
}

/* The same for an owner of extra captions, which match no image. */
static void
work_of_extra(size_t B, size_t owner, size_t r0, size_t R, const workspace *w, cs_real scale,
              cs_real bias, int backward, cs_real *dextra, cs_real *tiles)
{
    const CS_TYPED(cs_score_tiles) *products = &w->extra.products;
    const cs_tiling *t = &products->tiling;
    cs_real *cosine = tiles, *g = cosine + w->tile;
    double *sums = w->sums + (w->products.tiling.owners + owner) * SUMS;
    size_t end = cs_end_caption(t, owner, w->extra.N);
    for (size_t c0 = cs_first_caption(t, owner); c0 < end; c0 += t->columns) {
        size_t C = cs_least(t->columns, end - c0);
        CS_TYPED(cs_score_tile)(products, r0, R, c0, C, cosine);
        CS_TYPED(cs_pair_kernels_in_use)()->sigmoid_tile(R, C, scale, bias, cosine, g, sums);
        if (!backward)
            continue;
        CS_TYPED(cs_rows)()->scale_add(R * C, scale / (cs_real)B, g, 0, g);
        CS_TYPED(cs_score_tile_gradients)(products, owner, r0, R, c0, C, g, dextra);
    }
}

/* All owners against all blocks of images: the sums, and the gradients of unit vectors. */
static void
work_of_all(size_t B, const workspace *w, int positive, cs_real scale, cs_real bias,
            cs_real *dimage, cs_real *dtext, cs_real *dextra, size_t threads)
{
    const cs_tiling *t = &w->products.tiling;
    size_t per_thread = thread_elements(w, positive);
    for (size_t r0 = 0; r0 < B; r0 += t->rows) {
        size_t R = cs_least(t->rows, B - r0), terms = R * (B + w->extra.N) * w->products.D;
        CS_EACH_DYNAMIC(owner, thread, w->owners, cs_threads_for(threads, w->owners, terms),
                        owner < t->owners
                            ? work_of_owner(B, owner, r0, R, w, scale, bias, dtext,
                                            w->tiles + thread * per_thread)
                            : work_of_extra(B, owner - t->owners, r0, R, w, scale, bias,
                                            dimage != NULL, dextra,
                                            w->tiles + thread * per_thread));
        if (dimage == NULL)
            continue;
        CS_TYPED(cs_score_tiles_sum)(&w->products, r0, R, 0, dimage);
        CS_TYPED(cs_score_tiles_sum)(&w->extra.products, r0, R, 1, dimage);
    }
}

cs_status
CS_TYPED(cs_siglip)(size_t B, size_t N, size_t D, const cs_real *image, const cs_real *text,
                    const cs_real *extra, const cs_groups *groups, cs_real logit_scale,
                    cs_real logit_bias, long long asked_rows, long long asked_columns, double *out,
                    cs_real *dimage, cs_real *dtext, cs_real *dextra, size_t threads,
                    void *scratch)
{
    cs_arena arena = {scratch, 0};
    int positive = cs_groups_match(groups), backward = dimage != NULL && dtext != NULL;
    workspace w = layout(B, N, D, positive, asked_rows, asked_columns, threads, &arena);
    out[0] = out[1] = out[2] = 0;
    if (B == 0 && backward && dextra != NULL)
        memset(dextra, 0, N * D * sizeof(cs_real));
    if (B == 0)
        return CS_OK;
    w.groups = groups;
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, image, w.image, w.image_norm));
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, text, w.text, w.text_norm));
    CS_TYPED(cs_score_tiles_open)(&w.products, 1);
    CS_TRY(CS_TYPED(cs_extra_texts_open)(extra, 1, &w.extra));
    memset(w.sums, 0, w.owners * SUMS * sizeof(double));
    work_of_all(B, &w, positive, logit_scale, logit_bias, backward ? dimage : NULL,
                backward ? dtext : NULL, dextra, threads);
    for (size_t i = 0; i < w.owners * SUMS; i++)
        out[i % SUMS] += w.sums[i] / (double)B;
    if (!backward)
        return CS_OK;
    CS_TRY(CS_TYPED(cs_l2norm_backward)(B, D, w.image, w.image_norm, dimage, dimage));
    CS_TRY(CS_TYPED(cs_extra_texts_close)(&w.extra, dextra));
    return CS_TYPED(cs_l2norm_backward)(B, D, w.text, w.text_norm, dtext, dtext);
}
