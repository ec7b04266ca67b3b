/* The products of one picture with one segment of words. Two tables run them on different operands:
 * exact ones (la/tiles.h), read where they lie; and, float only, operands rounded to bfloat16 in
 * the two forms of la/bf16_product.h, whose sums stay float.
 *
 *   take_words    the panel's unit vectors are rows of the segment
 *   take_patches  before the others, of each picture with each segment
 *   project       x [P,width] = V T^T of one panel
 *   to_words      c [count,D] = d^T V of one panel, or that added to it
 *   to_patches    dv [P,D] = d T of all panels, and what `result` adds
 */
#ifndef CS_WORDS_PRODUCTS_H
#define CS_WORDS_PRODUCTS_H

#include "base/real.h"
#include "la/tiles.h"
#include "loss/words/sets.h"

/* The valid patches of a picture. */
typedef struct {
    size_t q, j;                   /* place in the set, number in the batch */
    size_t count, first;           /* how many, and number of the first in the batch */
    int together;                  /* whether they lie one after another */
    const cs_real *rows, *inverse; /* [count,D], [count] */
    const size_t *index;           /* [count] numbers in the batch */
} CS_TYPED(cs_words_picture);

/* A panel of a segment, rows first .. first+count of it. */
typedef struct {
    const cs_segment *segment;
    size_t number, first, count;
} cs_panel;

static inline cs_panel
cs_panel_of(const cs_segment *segment, size_t number)
{
    size_t first = number * segment->width;
    return (cs_panel){segment, number, first,
                      cs_block_length(first, segment->width, segment->count)};
}

struct CS_TYPED(cs_words_products) {
    void (*take_words)(const CS_TYPED(cs_words_work) *w, const cs_panel *panel);
    void (*take_patches)(const CS_TYPED(cs_words_work) *w, const CS_TYPED(cs_words_picture) *v,
                         const CS_TYPED(cs_words_tile) *t);
    /* fetch: the patches come from memory. */
    void (*project)(const CS_TYPED(cs_words_work) *w, const cs_panel *panel,
                    const CS_TYPED(cs_words_picture) *v, const CS_TYPED(cs_words_tile) *t,
                    int fetch, cs_real *x);
    void (*to_words)(const CS_TYPED(cs_words_work) *w, const cs_panel *panel,
                     const CS_TYPED(cs_words_picture) *v, const CS_TYPED(cs_words_tile) *t,
                     const cs_real *d, int add, cs_real *c);
    /* d: t->x, panel after panel. */
    void (*to_patches)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment,
                       const CS_TYPED(cs_words_picture) *v, const CS_TYPED(cs_words_tile) *t,
                       const CS_TYPED(cs_result) *result);
};

extern const struct CS_TYPED(cs_words_products) CS_TYPED(cs_words_products_exact);
#ifndef CS_FLOAT64
extern const struct cs_words_products_f32 cs_words_products_bf16;
#endif

#endif
