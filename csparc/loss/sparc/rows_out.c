#include "loss/sparc/rows_out.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"

void
CS_TYPED(cs_store_weights)(const CS_TYPED(cs_sample_operands) *x, cs_real *weights)
{
    const CS_TYPED(cs_sample_rows) *rows = &x->rows;
    size_t P = rows->patch_rows.count, L = rows->token_rows.count, k = 0;
    memset(weights, 0, L * P * sizeof(cs_real));
    for (size_t token = 0; token < L; token++) {
        if (!cs_row_is_valid(rows->token_rows, token))
            continue;
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, k - k % rows->width);
        const cs_real *from = block.weights + (k - block.first);
        for (size_t patch = 0; patch < P; patch++) {
            if (!cs_row_is_valid(rows->patch_rows, patch))
                continue;
            weights[token * P + patch] = *from;
            from += block.lanes;
        }
        k++;
    }
}

cs_real *
CS_TYPED(cs_patch_target)(const CS_TYPED(cs_sample_rows) *rows, cs_real *dpatches)
{
    return dpatches + (rows->patches_in_place ? rows->first_patch * rows->D : 0);
}

cs_real *
CS_TYPED(cs_token_target)(const CS_TYPED(cs_sample_rows) *rows, cs_real *dtokens)
{
    return dtokens + (rows->tokens_in_place ? rows->first_token * rows->D : 0);
}

/* A row without a gradient but the bias, if any. */
static void
store_bias_row(size_t D, const cs_real *bias, cs_real *row)
{
    if (bias == NULL)
        memset(row, 0, D * sizeof(cs_real));
    else
        memcpy(row, bias, D * sizeof(cs_real));
}

/* dx rows from packed rows x scale; `scale` has one entry a packed row, or is one number for all
 * (scale_step 0). The `valid` packed rows lie in dx itself, each at its place or before it: going
 * from the last to the first, none is overwritten before it is moved. */
static void
store_rows(size_t D, cs_row_set rows, size_t valid, const cs_real *packed, const cs_real *scale,
           size_t scale_step, const cs_real *bias, int bias_everywhere, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    for (size_t row = rows.count; row-- > 0;) {
        cs_real *out = dx + row * D;
        if (!cs_row_is_valid(rows, row)) {
            store_bias_row(D, bias_everywhere ? bias : NULL, out);
            continue;
        }
        valid--;
        const cs_real *from = packed + valid * D;
        cs_real factor = scale[valid * scale_step];
        if (from != out || factor != 1)
            kernels->scale_add(D, factor, from, 0, out);
        if (bias != NULL)
            kernels->scale_add(D, 1, bias, 1, out);
    }
}

void
CS_TYPED(cs_store_patches)(const CS_TYPED(cs_sample_rows) *rows, const cs_real *bias,
                           cs_real *dpatches)
{
    store_rows(rows->D, rows->patch_rows, rows->P, CS_TYPED(cs_patch_target)(rows, dpatches),
               &rows->patch_scale, 0, bias, 0, dpatches);
}

void
CS_TYPED(cs_store_tokens)(const CS_TYPED(cs_sample_rows) *rows, const cs_real *bias,
                          int bias_everywhere, cs_real *dtokens)
{
    store_rows(rows->D, rows->token_rows, rows->L, CS_TYPED(cs_token_target)(rows, dtokens),
               rows->token_scale, 1, bias, bias_everywhere, dtokens);
}

void
CS_TYPED(cs_store_bias)(size_t D, cs_row_set rows, const cs_real *bias, int bias_everywhere,
                        cs_real *dx)
{
    for (size_t row = 0; row < rows.count; row++)
        store_bias_row(D, bias_everywhere || cs_row_is_valid(rows, row) ? bias : NULL,
                       dx + row * D);
}
