#include "loss/sparc.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "loss/contrastive.h"
#include "loss/kernels.h"

/* Lengths of grouped vectors above this: see cs_sample_open's rescale. */
#define LARGE_NORM sqrt(sqrt(CS_REAL_MAX))

/* State of the sample a thread works on. */
typedef struct {
    CS_TYPED(cs_sample) sample;
    cs_real *grouped;         /* [L,D] c */
    cs_real *dgrouped;        /* [L,D] dL/dc */
    cs_real *grouped_inverse; /* [L] 1/|c|, 0 for a dead one */
    cs_real *grouped_pull;    /* [L] coefficient of c_j in dc_j */
    cs_real *token_pull;      /* [lanes] coefficient of t_k in dT_k */
    cs_real *row_factor;      /* [L] logit_scale / |c| */
    cs_real *logits;          /* [L,lanes] U, matching pairs and padding masked */
    cs_real *dlogits;         /* [L,lanes] G, then G logit_scale / (|c| |t|) */
    cs_real *matching;        /* [L] U_jj */
    cs_real *row_top, *row_sum, *row_lse, *row_share; /* [L] */
    cs_real *column_top, *column_sum, *column_lse, *column_share; /* [lanes] */
} workspace;

static void
layout(size_t P, size_t L, size_t D, cs_arena *arena, workspace *w)
{
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    cs_real **vectors[] = {&w->grouped_inverse, &w->grouped_pull, &w->token_pull,
                           &w->row_factor, &w->matching,
                           &w->row_top, &w->row_sum, &w->row_lse, &w->row_share,
                           &w->column_top, &w->column_sum, &w->column_lse, &w->column_share};
    CS_TYPED(cs_sample_layout)(P, L, D, arena, &w->sample);
    w->grouped = cs_arena_take(arena, L * D * sizeof(cs_real));
    w->dgrouped = cs_arena_take(arena, L * D * sizeof(cs_real));
    w->logits = cs_arena_take(arena, L * lanes * sizeof(cs_real));
    w->dlogits = cs_arena_take(arena, L * lanes * sizeof(cs_real));
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        *vectors[i] = cs_arena_take(arena, lanes * sizeof(cs_real));
}

static size_t
thread_bytes(size_t P, size_t L, size_t D)
{
    cs_arena counter = {NULL, 0};
    workspace w;
    layout(P, L, D, &counter, &w);
    return counter.used;
}

size_t
CS_TYPED(cs_sparc_scratch)(size_t P, size_t L, size_t D, size_t threads)
{
    return threads * thread_bytes(P, L, D);
}

/* c = a V and 1/|c|. Returns whether the lengths leave room for products. */
static int
group(workspace *w)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_sample) *x = &w->sample;
    size_t D = x->D;
    int fits = 1;
    CS_TYPED(cs_term) term = {x->P, x->weights, 1, x->lanes, x->patches, D};
    CS_TYPED(cs_result) result = {.c = w->grouped, .c_row = D};
    CS_TYPED(cs_product)(x->L, D, 1, &term, &result);
    for (size_t j = 0; j < x->L; j++) {
        cs_real length = cs_norm(rows, D, w->grouped + j * D);
        fits &= length <= LARGE_NORM;
        w->grouped_inverse[j] = length <= CS_DEAD_NORM ? 0 : 1 / length;
    }
    return fits;
}

/* U and the log-sums of its rows and columns. Returns CE(U) + CE(U^T). */
static double
matching_loss(workspace *w, cs_real logit_scale)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const CS_TYPED(cs_sample) *x = &w->sample;
    size_t L = x->L, lanes = x->lanes;
    double total = 0;
    CS_TYPED(cs_term) term = {x->D, w->grouped, x->D, 1, x->transposed, lanes};
    CS_TYPED(cs_result) result = {.c = w->logits, .c_row = lanes};
    CS_TYPED(cs_product)(L, lanes, 1, &term, &result);
    for (size_t j = 0; j < L; j++)
        w->row_factor[j] = logit_scale * w->grouped_inverse[j];
    kernels->scale_outer(L, lanes, w->row_factor, x->token_inverse, w->logits);
    for (size_t j = 0; j < L; j++) {
        cs_real *row = w->logits + j * lanes;
        w->matching[j] = row[j];
        row[j] = CS_MASKED;
        for (size_t k = L; k < lanes; k++)
            row[k] = CS_MASKED;
    }
    kernels->tile_states(L, lanes, w->logits, w->row_top, w->row_sum, w->column_top,
                         w->column_sum);
    for (size_t j = 0; j < L; j++) {
        cs_real own = w->matching[j];
        cs_real row = cs_excess(w->row_top[j], w->row_sum[j], own, &w->row_share[j]);
        cs_real column = cs_excess(w->column_top[j], w->column_sum[j], own, &w->column_share[j]);
        w->row_lse[j] = own + row;
        w->column_lse[j] = own + column;
        total += (double)row + (double)column;
    }
    for (size_t k = L; k < lanes; k++)
        w->column_lse[k] = 0;
    return total;
}

/* dlogits = G logit_scale / (|c_j| |t_k|), the pulls of c and t, and as result sum G o U, which is
 * logit_scale dL/dlogit_scale. */
static double
matching_backward(workspace *w, cs_real weight)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_sample) *x = &w->sample;
    size_t L = x->L, lanes = x->lanes;
    double total = 0;
    kernels->tile_gradient(L, lanes, weight, w->logits, w->row_lse, w->column_lse, w->dlogits);
    memset(w->token_pull, 0, lanes * sizeof(cs_real));
    for (size_t j = 0; j < L; j++) {
        cs_real *g = w->dlogits + j * lanes, *u = w->logits + j * lanes;
        g[j] = -weight * (w->row_share[j] + w->column_share[j]);
        u[j] = w->matching[j];
        for (size_t k = L; k < lanes; k++)
            g[k] = u[k] = 0;
        cs_real along = rows->dot(lanes, g, u);
        w->grouped_pull[j] = -along * w->grouped_inverse[j] * w->grouped_inverse[j];
        total += (double)along;
    }
    kernels->column_dot(L, lanes, w->dlogits, w->logits, w->token_pull);
    for (size_t k = 0; k < lanes; k++)
        w->token_pull[k] *= -x->token_inverse[k] * x->token_inverse[k];
    kernels->scale_outer(L, lanes, w->row_factor, x->token_inverse, w->dlogits);
    return total;
}

/* dc = dlogits T + pull c. */
static void
grouped_gradient(workspace *w)
{
    const CS_TYPED(cs_sample) *x = &w->sample;
    CS_TYPED(cs_term) term = {x->L, w->dlogits, x->lanes, 1, x->tokens, x->D};
    CS_TYPED(cs_result) result = {w->dgrouped, x->D, w->grouped_pull, w->grouped, x->D, 0};
    CS_TYPED(cs_product)(x->L, x->D, 1, &term, &result);
}

/* Through the weights: dL/da = V dc^T, then ds and its pulls. Returns dL/d softmax_scale. */
static double
weights_gradient(workspace *w)
{
    CS_TYPED(cs_sample) *x = &w->sample;
    CS_TYPED(cs_transpose)(x->L, x->D, x->lanes, w->dgrouped, x->D, x->transposed);
    CS_TYPED(cs_sample_project)(x, x->gradient);
    double dsoftmax_scale = CS_TYPED(cs_sample_backward)(x);
    for (size_t k = 0; k < x->L; k++)
        w->token_pull[k] += x->token_pull[k];
    return dsoftmax_scale;
}

/* dT = dlogits^T c + ds^T V + pull t, then dV = a dc + ds T + pull v: V may lie where dV goes.
 * With `bias`, which excludes pulls, dV is finished by it and nobody reads it again soon. */
static void
row_gradients(const workspace *w, int through_weights, const cs_real *bias, cs_real *dpatches,
              cs_real *dtokens)
{
    const CS_TYPED(cs_sample) *x = &w->sample;
    size_t P = x->P, L = x->L, D = x->D, lanes = x->lanes;
    size_t terms = through_weights ? 2 : 1;
    int pulled = through_weights && x->options->cosine;
    CS_TYPED(cs_term) to_tokens[] = {{L, w->dlogits, 1, lanes, w->grouped, D},
                                     {P, x->ds, 1, lanes, x->patches, D}};
    CS_TYPED(cs_term) to_patches[] = {{L, x->weights, lanes, 1, w->dgrouped, D},
                                      {L, x->ds, lanes, 1, x->tokens, D}};
    CS_TYPED(cs_result) tokens = {dtokens, D, w->token_pull, x->tokens, D, 0};
    CS_TYPED(cs_result) patches = {dpatches, D, x->patch_pull, pulled ? x->patches : bias,
                                   pulled ? D : 0,
                                   x->patches_in_place && !pulled ? CS_STREAM : 0};
    for (size_t p = 0; bias != NULL && p < P; p++)
        x->patch_pull[p] = 1; /* times the one row of bias */
    CS_TYPED(cs_product)(L, D, terms, to_tokens, &tokens);
    CS_TYPED(cs_product)(P, D, terms, to_patches, &patches);
}

/* Whether row_gradients adds patch_bias itself: where it writes the caller's rows, and the vector it
 * can add to each of them is not needed for the pull of unit vectors. */
static int
adds_bias(const workspace *w, const cs_sparc_options *options)
{
    return w->sample.patches_in_place && !(options->align.cosine && !options->detach_weights);
}

/* One sample with at least one valid patch and token. Index i is already in every pointer of `out`
 * but the per-sample numbers. */
static void
sample_loss(size_t D, size_t i, cs_row_set patch_rows, const cs_real *patches,
            cs_row_set token_rows, const cs_real *tokens, cs_real share,
            const cs_real *patch_bias, const cs_sparc_options *options,
            const CS_TYPED(cs_sparc_output) *out, workspace *w)
{
    cs_real logit_scale = (cs_real)options->logit_scale;
    for (int rescale = 0, fits = 0; !fits && rescale <= 1; rescale++) {
        fits = CS_TYPED(cs_sample_open)(D, &options->align, patch_rows, patches, token_rows,
                                        tokens, rescale, &w->sample);
        fits &= group(w);
    }
    out->loss[i] = (double)share * matching_loss(w, logit_scale);
    out->kept[i] = CS_TYPED(cs_sample_kept)(&w->sample);
    if (out->weights != NULL)
        CS_TYPED(cs_sample_store_weights)(&w->sample, out->weights);
    if (out->dpatches == NULL || options->weight == 0)
        return;
    cs_real weight = (cs_real)(options->weight * (double)share);
    out->dscale[i] = matching_backward(w, weight) / options->logit_scale;
    grouped_gradient(w);
    if (!options->detach_weights)
        out->dsoftmax_scale[i] = weights_gradient(w);
    row_gradients(w, !options->detach_weights, adds_bias(w, options) ? patch_bias : NULL,
                  CS_TYPED(cs_sample_patch_target)(&w->sample, out->dpatches),
                  CS_TYPED(cs_sample_token_target)(&w->sample, out->dtokens));
}

static cs_real *
at(cs_real *x, size_t offset)
{
    return x == NULL ? NULL : x + offset;
}

static void
one_sample(size_t i, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in,
           const cs_sparc_options *options, const CS_TYPED(cs_sparc_output) *all, workspace *w)
{
    cs_row_set patch_rows = cs_rows_of_sample(i, P, in->patch_valid);
    cs_row_set token_rows = cs_rows_of_sample(i, L, in->text_valid);
    CS_TYPED(cs_sparc_output) out = *all;
    const cs_real *patch_bias = in->patch_bias == NULL ? NULL : in->patch_bias + i * D;
    const cs_real *token_bias = in->token_bias == NULL ? NULL : in->token_bias + i * D;
    out.weights = at(all->weights, i * L * P);
    out.dpatches = at(all->dpatches, i * P * D);
    out.dtokens = at(all->dtokens, i * L * D);
    out.loss[i] = out.dscale[i] = out.dsoftmax_scale[i] = 0;
    out.kept[i] = 0;
    int skipped = cs_valid_rows(patch_rows) == 0 || cs_valid_rows(token_rows) == 0;
    if (!skipped)
        sample_loss(D, i, patch_rows, in->patches + i * P * D, token_rows, in->tokens + i * L * D,
                    in->share[i], patch_bias, options, &out, w);
    else if (out.weights != NULL)
        memset(out.weights, 0, L * P * sizeof(cs_real));
    if (out.dpatches == NULL)
        return;
    if (skipped || options->weight == 0) {
        CS_TYPED(cs_sample_store_bias)(D, patch_rows, patch_bias, 0, out.dpatches);
        CS_TYPED(cs_sample_store_bias)(D, token_rows, token_bias, options->token_bias_everywhere,
                                       out.dtokens);
    } else {
        CS_TYPED(cs_sample_store_patches)(&w->sample, adds_bias(w, options) ? NULL : patch_bias,
                                          out.dpatches);
        CS_TYPED(cs_sample_store_tokens)(&w->sample, token_bias, options->token_bias_everywhere,
                                         out.dtokens);
    }
}

cs_status
CS_TYPED(cs_sparc)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in,
                   const cs_sparc_options *options, const CS_TYPED(cs_sparc_output) *out,
                   size_t threads, void *scratch)
{
    size_t bytes = thread_bytes(P, L, D);
    if (B == 1 || B * P * L * D < 65536)
        threads = 1; /* too little to wake the others */
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < B; i++) {
        cs_arena arena = {(char *)scratch + (size_t)cs_thread_id() * bytes, 0};
        workspace w;
        layout(P, L, D, &arena, &w);
        one_sample(i, P, L, D, in, options, out, &w);
    }
    return CS_OK;
}
