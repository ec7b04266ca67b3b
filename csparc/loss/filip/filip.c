#include "loss/filip/filip.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "la/unit_vector.h"
#include "loss/filip/max_similarity.h"

typedef struct {
    cs_real *patch_norm, *token_norm; /* [B,P], [B,L] */
    void *direction;                  /* scratch of either direction */
} workspace;

static workspace
layout(size_t B, size_t P, size_t L, size_t D, long long asked_rows, long long asked_columns,
       size_t threads, cs_arena *arena)
{
    size_t to_text = CS_TYPED(cs_late_scratch)(B, P, L, D, asked_rows, asked_columns, threads);
    size_t to_image = CS_TYPED(cs_late_scratch)(B, L, P, D, asked_rows, asked_columns, threads);
    workspace w;
    w.patch_norm = CS_TAKE(arena, cs_real, B, P);
    w.token_norm = CS_TAKE(arena, cs_real, B, L);
    w.direction = cs_arena_take(arena, to_text > to_image ? to_text : to_image);
    return w;
}

size_t
CS_TYPED(cs_filip_scratch)(size_t B, size_t P, size_t L, size_t D, long long asked_rows,
                           long long asked_columns, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, L, D, asked_rows, asked_columns, threads, &counter);
    return counter.used;
}

/* Length of a row that takes part, 0 for a dead one and for the rest. */
static cs_real
length_of(size_t n, size_t D, const cs_real *x, const uint8_t *query, const uint8_t *key)
{
    if (query != NULL && key != NULL && !query[n] && !key[n])
        return 0;
    return cs_live_norm(CS_TYPED(cs_rows)(), D, x + n * D);
}

static void
measure(size_t N, size_t D, const cs_real *x, const uint8_t *query, const uint8_t *key,
        cs_real *norm)
{
    CS_EACH(n, N, cs_threads_for_entries(N, N * D), norm[n] = length_of(n, D, x, query, key));
}

/* From the gradient by a row's unit vector to that by the row itself, in place. The unit vector is
 * not at hand and formed entry by entry. */
static void
unit_vector_backward(size_t D, const cs_real *x, cs_real norm, cs_real *dx)
{
    if (norm == 0) {
        memset(dx, 0, D * sizeof(cs_real));
        return;
    }
    cs_real inverse = 1 / norm, along = 0;
#pragma omp simd reduction(+ : along)
    for (size_t d = 0; d < D; d++)
        along += x[d] * inverse * dx[d];
    cs_unit_backward_along(CS_TYPED(cs_rows)(), D, inverse, along * inverse, x, dx, dx);
}

static void
unit_vectors_backward(size_t N, size_t D, const cs_real *x, const cs_real *norm, cs_real *dx)
{
    CS_EACH(n, N, cs_threads_for_entries(N, N * D),
            unit_vector_backward(D, x + n * D, norm[n], dx + n * D));
}

cs_status
CS_TYPED(cs_filip)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_filip_input) *in,
                   cs_real logit_scale, long long asked_rows, long long asked_columns, double *out,
                   cs_real *dpatches, cs_real *dtokens, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, P, L, D, asked_rows, asked_columns, threads, &arena);
    int gradients = dpatches != NULL && dtokens != NULL;
    out[0] = out[1] = 0;
    measure(B * P, D, in->patches, in->patch_query, in->patch_key, w.patch_norm);
    measure(B * L, D, in->tokens, in->token_query, in->token_key, w.token_norm);
    if (gradients) {
        memset(dpatches, 0, B * P * D * sizeof(cs_real));
        memset(dtokens, 0, B * L * D * sizeof(cs_real));
    }
    CS_TYPED(cs_late_side)
    patch = {P, in->patches, w.patch_norm, in->patch_query, gradients ? dpatches : NULL},
    token = {L, in->tokens, w.token_norm, in->token_key, gradients ? dtokens : NULL};
    CS_TRY(CS_TYPED(cs_late)(B, D, &patch, &token, &in->groups, logit_scale, asked_rows,
                             asked_columns, out, threads, w.direction));
    patch.mask = in->patch_key;
    token.mask = in->token_query;
    CS_TRY(CS_TYPED(cs_late)(B, D, &token, &patch, &in->groups, logit_scale, asked_rows,
                             asked_columns, out, threads, w.direction));
    if (gradients) {
        unit_vectors_backward(B * P, D, in->patches, w.patch_norm, dpatches);
        unit_vectors_backward(B * L, D, in->tokens, w.token_norm, dtokens);
    }
    return CS_OK;
}
