#include "loss/mgca/prototypes.h"

#include "base/arena.h"
#include "base/real.h"
#include "la/gemm.h"
#include "loss/entropy/tiling.h"
#include "op/l2norm.h"

#define SMOOTHING ((cs_real)0.05)
#define NARROW 4 /* a float holds exp(z / SMOOTHING) of z in this range; that of cosines is 2 */

enum {
    ROUNDS = 3,
    PROTOTYPES = 64 /* whose sums one thread forms at a time */
};

typedef struct {
    cs_real *unit, *norm, *z; /* [B,D], [B], [B,K]: scores, then their gradient */
} side;

typedef struct {
    side image, text;
    double *of_sample, *of_prototype; /* [B], [K] Sinkhorn factors, or their logarithms */
    double *loss, *dscale;            /* [B] */
} workspace;

static workspace
layout(size_t B, size_t K, size_t D, cs_arena *arena)
{
    workspace w;
    side *sides[] = {&w.image, &w.text};
    for (size_t i = 0; i < 2; i++) {
        sides[i]->unit = CS_TAKE(arena, cs_real, B, D);
        sides[i]->norm = CS_TAKE(arena, cs_real, B);
        sides[i]->z = CS_TAKE(arena, cs_real, B, K);
    }
    w.of_sample = CS_TAKE(arena, double, B);
    w.of_prototype = CS_TAKE(arena, double, K);
    w.loss = CS_TAKE(arena, double, B);
    w.dscale = CS_TAKE(arena, double, B);
    return w;
}

size_t
CS_TYPED(cs_prototypes_scratch)(size_t B, size_t K, size_t D)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, K, D, &counter);
    return counter.used;
}

static cs_real
largest(size_t n, const cs_real *x)
{
    cs_real top = x[0];
    for (size_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

/* Factors that bring the columns of prototypes k0 .. to equal sums. */
static void
balance_prototypes(size_t B, size_t K, size_t k0, const cs_real *q, const workspace *w)
{
    size_t end = cs_least(k0 + PROTOTYPES, K);
    for (size_t k = k0; k < end; k++)
        w->of_prototype[k] = 0;
    for (size_t i = 0; i < B; i++)
        for (size_t k = k0; k < end; k++)
            w->of_prototype[k] += (double)q[i * K + k] * w->of_sample[i];
    for (size_t k = k0; k < end; k++)
        w->of_prototype[k] = 1 / ((double)K * w->of_prototype[k]);
}

static double
share_of_sample(size_t K, const cs_real *q, const workspace *w)
{
    double sum = 0;
    for (size_t k = 0; k < K; k++)
        sum += (double)q[k] * w->of_prototype[k];
    return sum;
}

/* q [K] of one sample: its powers times the prototypes' factors, with sum 1. */
static void
give_shares(size_t K, const workspace *w, cs_real *q)
{
    double share = share_of_sample(K, q, w);
    for (size_t k = 0; k < K; k++)
        q[k] = (cs_real)((double)q[k] * w->of_prototype[k] / share);
}

/* q [K] = exp((z - largest) / 0.05); returns the largest. */
static cs_real
powers(size_t K, const cs_real *z, cs_real *q)
{
    cs_real top = largest(K, z);
    for (size_t k = 0; k < K; k++)
        q[k] = exp((z[k] - top) / SMOOTHING);
    return top;
}

/* q [B,K] from scores z [B,K] of a narrow range. */
static void
sinkhorn_of_factors(size_t B, size_t K, const cs_real *z, const workspace *w, cs_real *q)
{
    const size_t threads = cs_threads_for_exps(B, B * K);
    CS_EACH(i, B, threads, w->of_sample[i] = (double)powers(K, z + i * K, q + i * K));
    double highest = w->of_sample[0];
    for (size_t i = 1; i < B; i++)
        highest = w->of_sample[i] > highest ? w->of_sample[i] : highest;
    for (size_t i = 0; i < B; i++)
        w->of_sample[i] = exp((w->of_sample[i] - highest) / (double)SMOOTHING);
    for (int round = 0; round < ROUNDS; round++) {
        CS_EACH(block, cs_ceil_divide(K, PROTOTYPES), threads,
                balance_prototypes(B, K, block * PROTOTYPES, q, w));
        CS_EACH(i, B, threads,
                w->of_sample[i] = 1 / ((double)B * share_of_sample(K, q + i * K, w)));
    }
    CS_EACH(i, B, threads, give_shares(K, w, q + i * K));
}

/* Logarithms of the same factors, for scores of any range: an entry that would vanish beside the
 * largest of all may still be the largest of its prototype or its sample. */
static void
balance_prototypes_by_logarithms(size_t B, size_t K, size_t k0, const cs_real *z,
                                 const workspace *w)
{
    double top[PROTOTYPES], sum[PROTOTYPES];
    size_t width = cs_least(PROTOTYPES, K - k0);
    for (size_t k = 0; k < width; k++) {
        top[k] = -INFINITY;
        sum[k] = 0;
    }
    for (size_t i = 0; i < B; i++)
        for (size_t k = 0; k < width; k++)
            top[k] = fmax(top[k], (double)z[i * K + k0 + k] / (double)SMOOTHING + w->of_sample[i]);
    for (size_t i = 0; i < B; i++)
        for (size_t k = 0; k < width; k++) {
            double score = (double)z[i * K + k0 + k] / (double)SMOOTHING + w->of_sample[i];
            sum[k] += exp(score - top[k]);
        }
    for (size_t k = 0; k < width; k++)
        w->of_prototype[k0 + k] = -(log((double)K) + top[k] + log(sum[k]));
}

/* ln sum_k exp(z_k / SMOOTHING + of_prototype_k). */
static double
log_share_of_sample(size_t K, const cs_real *z, const workspace *w)
{
    double top = -INFINITY, sum = 0;
    for (size_t k = 0; k < K; k++) {
        double score = (double)z[k] / (double)SMOOTHING + w->of_prototype[k];
        top = score > top ? score : top; /* on fmax GCC 12 for AArch64 crashes */
    }
    for (size_t k = 0; k < K; k++)
        sum += exp((double)z[k] / (double)SMOOTHING + w->of_prototype[k] - top);
    return top + log(sum);
}

static void
give_shares_of_logarithms(size_t K, const cs_real *z, const workspace *w, cs_real *q)
{
    double share = log_share_of_sample(K, z, w);
    for (size_t k = 0; k < K; k++)
        q[k] = (cs_real)exp((double)z[k] / (double)SMOOTHING + w->of_prototype[k] - share);
}

static void
sinkhorn_of_logarithms(size_t B, size_t K, const cs_real *z, const workspace *w, cs_real *q)
{
    const size_t threads = cs_threads_for_exps(B, B * K);
    for (size_t i = 0; i < B; i++)
        w->of_sample[i] = 0;
    for (int round = 0; round < ROUNDS; round++) {
        CS_EACH(block, cs_ceil_divide(K, PROTOTYPES), threads,
                balance_prototypes_by_logarithms(B, K, block * PROTOTYPES, z, w));
        CS_EACH(i, B, threads,
                w->of_sample[i] = -(log((double)B) + log_share_of_sample(K, z + i * K, w)));
    }
    CS_EACH(i, B, threads, give_shares_of_logarithms(K, z + i * K, w, q + i * K));
}

/* q [B,K] from scores z [B,K]. */
static void
sinkhorn(size_t B, size_t K, const cs_real *z, const workspace *w, cs_real *q)
{
    cs_real least = z[0];
    for (size_t i = 1; i < B * K; i++)
        least = z[i] < least ? z[i] : least;
    if (largest(B * K, z) - least <= NARROW)
        sinkhorn_of_factors(B, K, z, w, q);
    else
        sinkhorn_of_logarithms(B, K, z, w, q);
}

/* One sample's cross-entropy with its targets, added to loss and dscale; z becomes
 * factor (softmax(scale z) - q). */
static void
predict(size_t K, cs_real scale, cs_real factor, const cs_real *q, cs_real *z, double *loss,
        double *dscale)
{
    cs_real top = largest(K, z), sum = 0;
    double missed = 0, along = 0;
    for (size_t k = 0; k < K; k++)
        sum += exp(scale * (z[k] - top));
    cs_real log_sum = log(sum);
    for (size_t k = 0; k < K; k++) {
        cs_real log_share = scale * (z[k] - top) - log_sum;
        cs_real d = factor * (exp(log_share) - q[k]);
        missed -= (double)(q[k] * log_share);
        along += (double)(d * (z[k] - top));
        z[k] = d;
    }
    *loss += missed;
    *dscale += along;
}

static void
predict_both(size_t i, size_t K, cs_real scale, cs_real factor,
             const CS_TYPED(cs_prototypes_output) *to, const workspace *w)
{
    w->loss[i] = w->dscale[i] = 0;
    if (K == 0)
        return;
    predict(K, scale, factor, to->image_targets + i * K, w->text.z + i * K, &w->loss[i],
            &w->dscale[i]);
    predict(K, scale, factor, to->text_targets + i * K, w->image.z + i * K, &w->loss[i],
            &w->dscale[i]);
}

static void
gradients(size_t B, size_t K, size_t D, const CS_TYPED(cs_prototypes_input) *in, const side *s,
          cs_real beta, cs_real *dx, cs_real *dprototypes)
{
    CS_TYPED(cs_gemm_parallel)(B, D, K, in->scale, s->z, K, 1, in->prototypes, D, 1, 0, dx, D, 1);
    CS_TYPED(cs_gemm_parallel)(K, D, B, in->scale, s->z, 1, K, s->unit, D, 1, beta, dprototypes, D,
                               1);
}

cs_status
CS_TYPED(cs_prototypes)(size_t B, size_t K, size_t D, const CS_TYPED(cs_prototypes_input) *in,
                        const CS_TYPED(cs_prototypes_output) *to, double *out, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, K, D, &arena);
    const cs_real *given[] = {in->image, in->text};
    cs_real *targets[] = {to->image_targets, to->text_targets};
    side *sides[] = {&w.image, &w.text};
    cs_real factor = in->weight / (cs_real)(2 * (B > 0 ? B : 1));
    out[0] = out[1] = 0;
    for (size_t i = 0; i < 2 && B > 0 && K > 0; i++) {
        CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, given[i], sides[i]->unit, sides[i]->norm));
        CS_TYPED(cs_gemm_parallel)(B, K, D, 1, sides[i]->unit, D, 1, in->prototypes, 1, D, 0,
                                   sides[i]->z, K, 1);
        sinkhorn(B, K, sides[i]->z, &w, targets[i]);
    }
    CS_EACH(i, B, cs_threads_for_exps(B, B * K), predict_both(i, K, in->scale, factor, to, &w));
    for (size_t i = 0; i < B; i++) {
        out[0] += w.loss[i] / (2 * (double)B);
        out[1] += w.dscale[i];
    }
    if (to->dimage == NULL || to->dtext == NULL || to->dprototypes == NULL || B == 0 || K == 0)
        return CS_OK;
    gradients(B, K, D, in, &w.image, 0, to->dimage, to->dprototypes);
    gradients(B, K, D, in, &w.text, 1, to->dtext, to->dprototypes);
    CS_TRY(CS_TYPED(cs_l2norm_backward)(B, D, w.image.unit, w.image.norm, to->dimage, to->dimage));
    return CS_TYPED(cs_l2norm_backward)(B, D, w.text.unit, w.text.norm, to->dtext, to->dtext);
}
