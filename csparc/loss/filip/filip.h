/* FILIP: every patch meets its best token, every token its best patch, in every pair.
 *
 *   X_ij = mean over query patches of i of max over key tokens of j of ph . th    image to caption
 *   Y_ij = mean over query tokens of i of max over key patches of j of th . ph    caption to image
 *   loss = 1/(2B) [ CE(logit_scale X) + CE(logit_scale Y) ]    each over its own rows (loss/filip/max_similarity.h)
 *
 *   patches (B,P,D), tokens (B,L,D) in
 *   patch_query, patch_key (B,P), token_query, token_key (B,L) or NULL: rows that take part as
 *     queries, as keys; keys must be valid rows. Rows in neither are not read.
 *   groups: loss/entropy/same_group.h; they are not those of the choice of keys
 *   out[0] loss, out[1] dloss/dlogit_scale
 *   dpatches (B,P,D), dtokens (B,L,D) written, or both NULL; asked_*: 0 for the usual tile
 *
 * Cost and scratch: loss/filip/max_similarity.h, both directions; nothing of size B x B is stored. A zero vector
 * has similarity 0, may win a maximum, and has gradient 0.
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

/* Choose keys: of each sample, the `count` valid rows most similar to any valid row of the other
 * kind in its group of `group` consecutive samples.
 *
 *   patch_valid (B,P), text_valid (B,L) or NULL; kept_patches, kept_tokens out, 1 = key
 *
 * Ties go to the lowest row, and so does everything where a group has nothing to compare with. No
 * gradient. Cost 2 B group P L D FLOP. */
typedef struct {
    const uint8_t *patch_valid, *text_valid;
    size_t patch_count, token_count, group;
} cs_filip_rules;

size_t CS_TYPED(cs_filip_select_scratch)(size_t B, size_t P, size_t L, size_t D, size_t group,
                                         size_t threads);

cs_status CS_TYPED(cs_filip_select)(size_t B, size_t P, size_t L, size_t D, const cs_real *patches,
                                    const cs_real *tokens, const cs_filip_rules *rules,
                                    uint8_t *kept_patches, uint8_t *kept_tokens, size_t threads,
                                    void *scratch);

#endif
