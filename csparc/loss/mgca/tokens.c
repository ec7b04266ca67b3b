#include "loss/mgca/tokens.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "la/unit_vector.h"
#include "loss/entropy/tiling.h"

/* The valid patches, or the valid tokens, of a sample. */
typedef struct {
    size_t count;
    cs_real *unit, *dunit, *norm; /* [count,D], [count,D], [count] */
} side;

typedef struct {
    side patch, token;
    CS_TYPED(cs_attention_arrays) arrays;
} thread_scratch;

typedef struct {
    size_t B, P, L, D;
    cs_tiling tiling;          /* owners of samples */
    cs_real *word_partial, *patch_partial; /* [owners, parameters] */
    cs_real *word_columns, *patch_columns; /* [D,3H] and [H,D]: weights, transposed */
    double *loss, *dscale;     /* [B] */
    char *threads;             /* scratch of each */
    size_t thread_bytes;
} workspace;

static void
layout_side(size_t rows, size_t D, cs_arena *arena, side *s)
{
    s->unit = CS_TAKE(arena, cs_real, rows, D);
    s->dunit = CS_TAKE(arena, cs_real, rows, D);
    s->norm = CS_TAKE(arena, cs_real, rows);
}

static size_t
layout_thread(size_t P, size_t L, size_t D, size_t width, size_t heads, cs_arena *arena,
              thread_scratch *d)
{
    size_t before = arena->used;
    layout_side(P, D, arena, &d->patch);
    layout_side(L, D, arena, &d->token);
    CS_TYPED(cs_attention_arrays_layout)(P, L, D, width, heads, arena, &d->arrays);
    return arena->used - before;
}

/* Numbers in inner, out and their biases. */
static size_t
parameters(size_t H, size_t D)
{
    return cs_size_plus(CS_SIZE(4, H, D), cs_size_plus(cs_size_times(3, H), D));
}

static workspace
layout(size_t B, size_t P, size_t L, size_t D, size_t H, size_t K, size_t heads, size_t threads,
       cs_arena *arena)
{
    workspace w = {.B = B, .P = P, .L = L, .D = D, .tiling = cs_tiling_of(B, 1, 1, 0, 0)};
    size_t owners = w.tiling.owners;
    cs_arena counter = {NULL, 0};
    thread_scratch measured;
    w.word_partial = CS_TAKE(arena, cs_real, owners, parameters(H, D));
    w.patch_partial = CS_TAKE(arena, cs_real, owners, parameters(K, D));
    w.word_columns = CS_TAKE(arena, cs_real, 4, H, D);
    w.patch_columns = CS_TAKE(arena, cs_real, 4, K, D);
    w.loss = CS_TAKE(arena, double, B);
    w.dscale = CS_TAKE(arena, double, B);
    w.thread_bytes = layout_thread(P, L, D, H > K ? H : K, heads, &counter, &measured);
    w.threads = CS_TAKE(arena, char, threads, w.thread_bytes);
    return w;
}

size_t
CS_TYPED(cs_mgca_scratch)(size_t B, size_t P, size_t L, size_t D, size_t H, size_t K, size_t heads,
                          size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, L, D, H, K, heads, threads, &counter);
    return counter.used;
}

/* The weights of one direction with their transposes. */
static CS_TYPED(cs_attention_weights)
weights_with_columns(const CS_TYPED(cs_attention_weights) *given, size_t D, cs_real *columns)
{
    CS_TYPED(cs_attention_weights) w = *given;
    if (given->inner == NULL)
        return w;
    w.inner_columns = columns;
    w.out_columns = columns + 3 * w.H * D;
    CS_TYPED(cs_transpose)(3 * w.H, D, 3 * w.H, w.inner, D, columns);
    CS_TYPED(cs_transpose)(D, w.H, D, w.out, w.H, columns + 3 * w.H * D);
    return w;
}

/* The same with gradients that go to an owner's partial sums. */
static CS_TYPED(cs_attention_weights)
weights_of_owner(const CS_TYPED(cs_attention_weights) *given, size_t D, size_t owner,
                 cs_real *partials)
{
    CS_TYPED(cs_attention_weights) w = *given;
    cs_real *at = partials + owner * parameters(w.H, D);
    w.dinner = at;
    w.dout = at + 3 * w.H * D;
    w.dinner_bias = at + 4 * w.H * D;
    w.dout_bias = at + 4 * w.H * D + 3 * w.H;
    return w;
}

static void
pack_side(size_t N, size_t D, const cs_real *x, const uint8_t *valid, side *s)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    s->count = 0;
    for (size_t n = 0; n < N; n++) {
        if (valid != NULL && !valid[n])
            continue;
        s->norm[s->count] = cs_unit_forward(rows, D, x + n * D, s->unit + s->count * D);
        s->count++;
    }
    memset(s->dunit, 0, s->count * D * sizeof(cs_real));
}

/* The gradient of the rows of one side; 0 where not valid, and everywhere unless `live`. */
static void
store_side(size_t N, size_t D, const uint8_t *valid, int live, const side *s, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t at = 0;
    for (size_t n = 0; n < N; n++) {
        cs_real *out = dx + n * D;
        if (!live || (valid != NULL && !valid[n])) {
            memset(out, 0, D * sizeof(cs_real));
            continue;
        }
        const cs_real *unit = s->unit + at * D, *dunit = s->dunit + at * D;
        cs_unit_backward_along(rows, D, cs_inverse_norm(s->norm[at]), rows->dot(D, unit, dunit),
                               unit, dunit, out);
        at++;
    }
}

static void
align_sample(const workspace *w, size_t i, const CS_TYPED(cs_mgca_input) *in,
             const CS_TYPED(cs_attention_weights) *word,
             const CS_TYPED(cs_attention_weights) *patch, thread_scratch *d,
             cs_real *dpatches, cs_real *dtokens)
{
    size_t P = w->P, L = w->L, D = w->D;
    const uint8_t *patch_valid = in->patch_valid == NULL ? NULL : in->patch_valid + i * P;
    const uint8_t *text_valid = in->text_valid == NULL ? NULL : in->text_valid + i * L;
    side *v = &d->patch, *t = &d->token;
    int gradients = dpatches != NULL;
    cs_real share = 1 / (cs_real)(2 * w->B), weight = in->weight * share;
    pack_side(P, D, in->patches + i * P * D, patch_valid, v);
    pack_side(L, D, in->tokens + i * L * D, text_valid, t);
    int live = v->count > 0 && t->count > 0;
    w->loss[i] = w->dscale[i] = 0;
    if (live) {
        cs_real *dv = gradients ? v->dunit : NULL, *dt = gradients ? t->dunit : NULL;
        double loss = CS_TYPED(cs_cross_attention)(t->count, v->count, D, t->unit, v->unit, word,
                                                   in->scale, weight, &d->arrays, &w->dscale[i], dt,
                                                   dv);
        loss += CS_TYPED(cs_cross_attention)(v->count, t->count, D, v->unit, t->unit, patch,
                                             in->scale, weight, &d->arrays, &w->dscale[i], dv, dt);
        w->loss[i] = loss / (2 * (double)w->B);
    }
    if (gradients) {
        store_side(P, D, patch_valid, live, v, dpatches + i * P * D);
        store_side(L, D, text_valid, live, t, dtokens + i * L * D);
    }
}

static void
work_of_owner(const workspace *w, size_t owner, const CS_TYPED(cs_mgca_input) *in,
              const CS_TYPED(cs_attention_weights) *word,
              const CS_TYPED(cs_attention_weights) *patch, void *scratch, cs_real *dpatches,
              cs_real *dtokens)
{
    thread_scratch d;
    cs_arena arena = {scratch, 0};
    size_t owned = w->tiling.owned, width = word->H > patch->H ? word->H : patch->H;
    (void)layout_thread(w->P, w->L, w->D, width, word->heads, &arena, &d);
    CS_TYPED(cs_attention_weights)
    words = weights_of_owner(word, w->D, owner, w->word_partial),
    regions = weights_of_owner(patch, w->D, owner, w->patch_partial);
    for (size_t i = owner * owned; i < cs_least((owner + 1) * owned, w->B); i++)
        align_sample(w, i, in, &words, &regions, &d, dpatches, dtokens);
}

/* The owners' gradients of one direction's weights, added in order. */
static void
sum_weights(const workspace *w, const CS_TYPED(cs_attention_weights) *weights,
            const cs_real *partials)
{
    size_t H = weights->H, D = w->D, sizes[] = {3 * H * D, D * H, 3 * H, D}, offset = 0;
    cs_real *targets[] = {weights->dinner, weights->dout, weights->dinner_bias, weights->dout_bias};
    for (size_t part = 0; part < 4; offset += sizes[part++]) {
        if (targets[part] == NULL)
            continue;
        for (size_t owner = 0; owner < w->tiling.owners; owner++)
            CS_TYPED(cs_rows)()->scale_add(sizes[part], 1,
                                           partials + owner * parameters(H, D) + offset,
                                           owner == 0 ? 0 : 1, targets[part]);
    }
}

cs_status
CS_TYPED(cs_mgca)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_mgca_input) *in,
                  const CS_TYPED(cs_attention_weights) *word,
                  const CS_TYPED(cs_attention_weights) *patch, double *out, cs_real *dpatches,
                  cs_real *dtokens, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    size_t width = word->H > patch->H ? word->H : patch->H;
    workspace w = layout(B, P, L, D, word->H, patch->H, word->heads, threads, &arena);
    size_t owners = w.tiling.owners;
    memset(w.word_partial, 0, owners * parameters(word->H, D) * sizeof(cs_real));
    memset(w.patch_partial, 0, owners * parameters(patch->H, D) * sizeof(cs_real));
    CS_TYPED(cs_attention_weights)
    word_weights = weights_with_columns(word, D, w.word_columns),
    patch_weights = weights_with_columns(patch, D, w.patch_columns);
    size_t terms = B * (P + L) * D * (width + L);
    CS_EACH_DYNAMIC(owner, thread, owners, cs_threads_for(threads, owners, terms),
                    work_of_owner(&w, owner, in, &word_weights, &patch_weights,
                                  w.threads + thread * w.thread_bytes, dpatches, dtokens));
    out[0] = out[1] = 0;
    for (size_t i = 0; i < B; i++) {
        out[0] += w.loss[i];
        out[1] += w.dscale[i];
    }
    if (dpatches != NULL && owners > 0) {
        sum_weights(&w, word, w.word_partial);
        sum_weights(&w, patch, w.patch_partial);
    }
    return CS_OK;
}
