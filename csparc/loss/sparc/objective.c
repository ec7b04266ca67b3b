#include "loss/sparc/objective.h"

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "loss/clip/infonce.h"
#include "loss/sparc/local_loss.h"
#include "op/pool.h"

/* Images or captions: their rows, and the vector that stands for each sample. */
typedef struct {
    size_t rows;          /* P or L */
    const uint8_t *valid; /* [B,rows] over which a mean is taken, or NULL */
    const cs_real *vector; /* [B,D] given, or the means */
    cs_real *dvector;      /* [B,D] */
    int pooled;
    cs_real *mean, *dmean; /* [B,D] scratch, where the caller gave no array */
} modality;

typedef struct {
    modality image, text;
    cs_real *sample_weight;                 /* [B] */
    double *loss, *dscale, *dsoftmax_scale; /* [B] */
    int64_t *kept;                          /* [B] */
    void *part;                             /* scratch of one part at a time */
} workspace;

static void
layout_modality(size_t B, size_t D, int given, int dgiven, cs_arena *arena, modality *m)
{
    m->mean = CS_TAKE(arena, cs_real, given ? 0 : B, D);
    m->dmean = CS_TAKE(arena, cs_real, given && dgiven ? 0 : B, D);
}

static workspace
layout(size_t B, size_t P, size_t L, size_t D, cs_objective_needs needs, size_t threads,
       cs_arena *arena)
{
    workspace w = {0};
    size_t global = CS_TYPED(cs_contrastive_scratch)(B, needs.extra_texts, D, needs.positive,
                                                     threads);
    size_t local = CS_TYPED(cs_sparc_scratch)(P, L, D, needs.local, threads);
    layout_modality(B, D, needs.image_given, needs.dimage_given, arena, &w.image);
    layout_modality(B, D, needs.text_given, needs.dtext_given, arena, &w.text);
    w.sample_weight = CS_TAKE(arena, cs_real, B);
    w.loss = CS_TAKE(arena, double, B);
    w.dscale = CS_TAKE(arena, double, B);
    w.dsoftmax_scale = CS_TAKE(arena, double, B);
    w.kept = CS_TAKE(arena, int64_t, B);
    w.part = cs_arena_take(arena, global > local ? global : local);
    return w;
}

size_t
CS_TYPED(cs_objective_scratch)(size_t B, size_t P, size_t L, size_t D, cs_objective_needs needs,
                               size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, L, D, needs, threads, &counter);
    return counter.used;
}

/* Settle the vectors of one modality and where their gradient goes. */
static cs_status
open_modality(size_t B, size_t D, size_t rows, const cs_real *x, const uint16_t *bits,
              const uint8_t *valid, const cs_real *given, cs_real *dgiven, modality *m)
{
    m->rows = rows;
    m->valid = valid;
    m->pooled = given == NULL;
    m->vector = m->pooled ? m->mean : given;
    m->dvector = m->pooled || dgiven == NULL ? m->dmean : dgiven;
    if (!m->pooled)
        return CS_OK;
#ifndef CS_FLOAT64
    if (x == NULL)
        return cs_pool_bits(B, rows, D, bits, valid, m->mean);
#else
    (void)bits;
#endif
    return CS_TYPED(cs_pool_forward)(B, rows, D, x, valid, m->mean);
}

/* What every row that a mean was taken over receives: the mean's gradient, divided by their number
 * in place. NULL where no mean was taken. */
static const cs_real *
bias_of(size_t B, size_t D, const modality *m)
{
    for (size_t i = 0; m->pooled && i < B; i++) {
        size_t count = cs_valid_rows(cs_rows_of_sample(i, m->rows, m->valid));
        for (size_t d = 0; count > 1 && d < D; d++)
            m->dmean[i * D + d] /= (cs_real)count;
    }
    return m->pooled ? m->dmean : NULL;
}

/* What each sample's cross-entropies are multiplied by. Returns the number of alignment weights of
 * a valid token on a valid patch. */
static double
set_sample_weights(size_t B, size_t P, size_t L, const CS_TYPED(cs_objective_input) *in,
                   int per_token, size_t patch_shift, workspace *w)
{
    double entries = 0, tokens = 0;
    for (size_t i = 0; i < B; i++) {
        size_t source = (i + patch_shift) % B;
        size_t patches = cs_valid_rows(cs_rows_of_sample(source, P, in->patch_valid));
        size_t count = cs_valid_rows(cs_rows_of_sample(i, L, in->text_valid));
        if (patches == 0)
            count = 0;
        entries += (double)patches * (double)count;
        tokens += (double)count;
        w->sample_weight[i] = count == 0 ? 0 : (cs_real)(0.5 / ((double)B * (double)count));
    }
    for (size_t i = 0; per_token && i < B; i++)
        w->sample_weight[i] = w->sample_weight[i] == 0 ? 0 : (cs_real)(0.5 / tokens);
    return entries;
}

/* Neumaier's compensated sum; one that is not finite is what a plain sum would be. */
static double
sum(size_t n, const double *x)
{
    double total = 0, lost = 0;
    for (size_t i = 0; i < n; i++) {
        double next = total + x[i];
        lost += fabs(total) >= fabs(x[i]) ? (total - next) + x[i] : (x[i] - next) + total;
        total = next;
    }
    return isfinite(total) ? total + lost : total;
}

static void
sum_samples(size_t B, double entries, const workspace *w, double *sums)
{
    double kept = 0;
    for (size_t i = 0; i < B; i++)
        kept += (double)w->kept[i];
    sums[CS_LOCAL_LOSS] = sum(B, w->loss);
    sums[CS_KEPT_FRACTION] = entries > 0 ? kept / entries : 1;
    sums[CS_DLOCAL_SCALE] = sum(B, w->dscale);
    sums[CS_DSOFTMAX_SCALE] = sum(B, w->dsoftmax_scale);
}

/* Whether patches and tokens are given once each, and bfloat16 is asked for in float only. */
static int
is_whole(const CS_TYPED(cs_objective_input) *in, const cs_objective_options *options)
{
    int halves = in->patch_bits != NULL || in->token_bits != NULL || options->rounded;
    return (in->patches == NULL) == (in->patch_bits != NULL) &&
           (in->tokens == NULL) == (in->token_bits != NULL) &&
           (!halves || sizeof(cs_real) == sizeof(float));
}

/* The local loss of all samples; `backward` after the global loss, whose gradients by means it adds
 * to the rows they were taken over. */
static cs_status
local_part(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_objective_input) *in,
           const cs_objective_options *options, int backward,
           const CS_TYPED(cs_objective_output) *out, size_t threads, workspace *w)
{
    double entries = set_sample_weights(B, P, L, in, options->per_token, options->patch_shift, w);
    CS_TYPED(cs_sparc_input) samples = {
        .patches = in->patches,
        .tokens = in->tokens,
        .patch_bits = in->patch_bits,
        .token_bits = in->token_bits,
        .patch_valid = in->patch_valid,
        .text_valid = in->text_valid,
        .sample_weight = w->sample_weight,
    };
    CS_TYPED(cs_sparc_output) results = {
        .loss = w->loss,
        .dscale = w->dscale,
        .dsoftmax_scale = w->dsoftmax_scale,
        .kept = w->kept,
        .weights = out->weights,
    };
    cs_sparc_options local = {
        .align = options->align,
        .detach_weights = options->detach_weights,
        .token_bias_everywhere = options->pool_all_text,
        .patch_shift = options->patch_shift,
        .rounded = options->rounded,
        .logit_scale = options->local_logit_scale,
        .weight = options->local_weight,
    };
    if (backward) {
        samples.patch_bias = bias_of(B, D, &w->image);
        samples.token_bias = bias_of(B, D, &w->text);
        results.dpatches = out->dpatches;
        results.dtokens = out->dtokens;
    }
    CS_TRY(CS_TYPED(cs_sparc)(B, P, L, D, &samples, &local, &results, threads, w->part));
    sum_samples(B, entries, w, out->sums);
    return CS_OK;
}

cs_status
CS_TYPED(cs_objective)(size_t B, size_t P, size_t L, size_t D,
                       const CS_TYPED(cs_objective_input) *in, const cs_objective_options *options,
                       const CS_TYPED(cs_objective_output) *out, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    int backward = out->dpatches != NULL && out->dtokens != NULL;
    cs_objective_needs needs = {
        .local = {backward, options->rounded, in->token_bits != NULL},
        .positive = cs_groups_match(&in->groups),
        .image_given = in->image_global != NULL,
        .text_given = in->text_global != NULL,
        .dimage_given = out->dimage != NULL,
        .dtext_given = out->dtext != NULL,
        .extra_texts = in->extra_texts,
    };
    workspace w = layout(B, P, L, D, needs, threads, &arena);
    double global[2];
    if (!is_whole(in, options))
        return CS_EVALUE;
    CS_TRY(open_modality(B, D, P, in->patches, in->patch_bits, in->patch_valid, in->image_global,
                         out->dimage, &w.image));
    CS_TRY(open_modality(B, D, L, in->tokens, in->token_bits,
                         options->pool_all_text ? NULL : in->text_valid, in->text_global,
                         out->dtext, &w.text));
    CS_TRY(CS_TYPED(cs_contrastive)(B, in->extra_texts, D, w.image.vector, w.text.vector,
                                    in->extra_global, &in->groups, (cs_real)options->logit_scale,
                                    (cs_real)options->global_weight, global,
                                    backward ? w.image.dvector : NULL,
                                    backward ? w.text.dvector : NULL, out->dextra, threads,
                                    w.part));
    out->sums[CS_GLOBAL_LOSS] = global[0];
    out->sums[CS_DSCALE] = global[1];
    return local_part(B, P, L, D, in, options, backward, out, threads, &w);
}
