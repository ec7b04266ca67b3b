/* FILIP: the score of image i and caption j averages, over the patches, the similarity of each with
 * the token most similar to it, and vice versa.
 *
 *   X_ij = mean over query patches of i of max over key tokens of j of ph . th    image to caption
 *   Y_ij = mean over query tokens of i of max over key patches of j of th . ph    caption to image
 *   loss = 1/(2B) [ CE(logit_scale X) + CE(logit_scale Y) ]      each over its own rows
 *
 *   patches (B,P,D), tokens (B,L,D) in
 *   patch_query, patch_key (B,P), token_query, token_key (B,L) or NULL: rows that take part as
 *     queries, as keys; keys must be valid rows. Rows in neither are not read.
 *   groups: duplicates (loss/entropy/same_group.h), which have nothing to do with drop groups
 *   out[0] loss, out[1] dloss/dlogit_scale
 *   dpatches (B,P,D), dtokens (B,L,D) written, or both NULL; asked_*: 0 for the usual tile
 *
 * Cost and scratch: twice loss/filip/max_similarity.h; nothing of size B x B is stored. A zero
 * vector has similarity 0, may attain a maximum, and has gradient 0.
 */
#ifndef CS_FILIP_FILIP_H
#define CS_FILIP_FILIP_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

typedef struct {
    const cs_real *patches, *tokens;
    const uint8_t *patch_query, *patch_key, *token_query, *token_key;
    cs_groups groups;
} CS_TYPED(cs_filip_input);

size_t CS_TYPED(cs_filip_scratch)(size_t B, size_t P, size_t L, size_t D, long long asked_rows,
                                  long long asked_columns, size_t threads);

cs_status CS_TYPED(cs_filip)(size_t B, size_t P, size_t L, size_t D,
                             const CS_TYPED(cs_filip_input) *in, cs_real logit_scale,
                             long long asked_rows, long long asked_columns, double *out,
                             cs_real *dpatches, cs_real *dtokens, size_t threads, void *scratch);

/* Choose keys: of each sample the patch_count patches that are most similar to any valid token of
 * its drop group, `drop_group` consecutive samples of the batch, and the token_count tokens that
 * are most similar to any valid patch of it; of valid rows only.
 *
 *   patch_valid (B,P), text_valid (B,L) or NULL; kept_patches, kept_tokens out, 1 = key
 *   drop_group >= 1
 *
 * Ties go to the lowest row; where a drop group has nothing to compare with, all rows tie. No
 * gradient. Cost 2 B drop_group P L D FLOP. */
typedef struct {
    const uint8_t *patch_valid, *text_valid;
    size_t patch_count, token_count, drop_group;
} cs_filip_rules;

size_t CS_TYPED(cs_filip_select_scratch)(size_t B, size_t P, size_t L, size_t D, size_t drop_group,
                                         size_t threads);

cs_status CS_TYPED(cs_filip_select)(size_t B, size_t P, size_t L, size_t D, const cs_real *patches,
                                    const cs_real *tokens, const cs_filip_rules *rules,
                                    uint8_t *kept_patches, uint8_t *kept_tokens, size_t threads,
                                    void *scratch);

#endif
