/* One side of a contrast of all pairs of a batch: the cross-entropies of the images over all
 * captions, or of the captions over all images, from states formed tile by tile. */
#ifndef CS_ENTROPY_CONTRAST_SIDE_H
#define CS_ENTROPY_CONTRAST_SIDE_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/logsumexp.h"
#include "loss/entropy/same_group.h"

typedef struct {
    CS_TYPED(cs_cross_entropies) rows; /* [B] */
    CS_TYPED(cs_matches) matches;      /* [B] where a row may have several, else empty */
} CS_TYPED(cs_contrast_side);

/* Cut the arrays out of `arena`; `positive`: a row may have several matches. */
void CS_TYPED(cs_contrast_side_layout)(size_t B, int positive, cs_arena *arena,
                                       CS_TYPED(cs_contrast_side) *side);

/* No row has entries yet. */
void CS_TYPED(cs_contrast_side_clear)(size_t B, const cs_groups *groups,
                                      const CS_TYPED(cs_contrast_side) *side);

/* Sum of the cross-entropies once all entries are in; sets lse and share. matching [B]: the
 * diagonal, where it is the only match. has_image, has_caption [B] or NULL (all): a row that lacks
 * either is not contrasted and gets an infinite log-sum, so that its softmax is 0. */
double CS_TYPED(cs_contrast_side_close)(size_t B, const cs_groups *groups, const cs_real *matching,
                                        const uint8_t *has_image, const uint8_t *has_caption,
                                        const CS_TYPED(cs_contrast_side) *side);

#endif
