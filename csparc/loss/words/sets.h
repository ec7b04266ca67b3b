/* The arrays of one call of the word contrast (loss/words/word_contrast.h), and how its work is
 * cut: rows of words into segments of panels, pictures among owners. Segment after segment meets
 * all pictures of a set, so that sums over pictures are kept for one segment at a time; each owner
 * sums over its pictures for itself, and then owners are summed in order. Pictures of a group have
 * one owner, because tokens of one caption may match all of them. */
#ifndef CS_WORDS_SETS_H
#define CS_WORDS_SETS_H

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/tiling.h"
#include "loss/filip/valid_rows.h"
#include "loss/words/contrast.h"
#include "loss/words/pool_cosines.h"
#include "loss/words/words_input.h"

enum { CS_PANELS = 4, CS_SEGMENT = CS_PANELS * CS_PANEL };

/* Operands rounded to bfloat16 (la/bf16_product.h), where products are to be; of the words, and of
 * a thread. */
typedef struct {
    cs_bf16x2 *rows, *columns, *stack; /* [lanes,D], its panels transposed, [lanes,D] stacked */
} cs_words_bf16;

typedef struct {
    cs_bf16x2 *patch_rows, *patch_stack; /* [P,D] */
    cs_bf16x2 *rows, *stack;             /* [panels,P,width], [P,width] stacked */
} cs_picture_bf16;

/* What a thread has for itself. */
typedef struct {
    cs_real *packed;           /* [P,D] valid patches where they lie apart or are bfloat16 */
    cs_real *dpacked;          /* [P,D] gradients of patches that lie apart */
    cs_real *x;                /* [panels,P,width] products with a segment, gradients by them */
    cs_real *weight;           /* [P,CS_PANEL] slopes over lengths */
    cs_real *gathered;         /* [CS_PANEL,D] */
    cs_real *radial;           /* [P] */
    cs_picture_bf16 bf16;
} CS_TYPED(cs_words_tile);

struct CS_TYPED(cs_words_products); /* loss/words/products.h */

typedef struct {
    const cs_words_shape *shape;
    const struct CS_TYPED(cs_words_products) *products;
    const cs_word_pool *pool;
    const CS_TYPED(cs_words_gradients) *to;
    int gradients, shared; /* shared: some row of the set has several tokens */
    size_t threads;
    CS_TYPED(cs_word_contrast) contrast;
    CS_TYPED(cs_taken_rows) patch; /* valid patches by picture */
    const CS_TYPED(cs_words_input) *in;
    cs_real *patch_inverse;        /* [B P] inverse lengths, in the order of `patch` */
    cs_real *word_inverse;         /* [rows of all sets] */
    cs_real *level;                /* [samples,contrast.lanes] under CS_POOL_SOFTMAX */
    uint16_t *winner;              /* the same under CS_POOL_MAX */
    cs_real *along;                /* [samples,P] */
    double *dscale;                /* [samples] */
    size_t *visit, owners;         /* [samples] places of the set, owner after owner */
    size_t owner_start[CS_MOST_OWNERS + 1];
    size_t lanes;                  /* of the largest segment */
    size_t kept;                   /* products of pictures with segments that are kept at most */
    cs_real *kept_products;        /* [kept] segment after segment, [samples,panels,P,width] */
    cs_real *columns, *rows;       /* [panels,D,width], [lanes,D] the segment's unit vectors */
    cs_words_bf16 bf16;
    size_t sums_each;              /* 2 where rows may be shared, else 1 */
    cs_real *sums;                 /* [owners,sums_each,lanes,D] A and B of the segment, or A */
    cs_real *tiles;                /* [threads,tile_size] */
    size_t tile_size;
} CS_TYPED(cs_words_work);

/* Rows u0 .. u0+count of the set in panels of `width` lanes, the last filled up with zeros. */
typedef struct {
    size_t u0, count, panels, width, number; /* number: segments before it */
    int first, last; /* of the set */
} cs_segment;

CS_TYPED(cs_words_work)
CS_TYPED(cs_words_layout)(const cs_words_shape *shape, const cs_word_pool *pool, int gradients,
                          size_t threads, cs_arena *arena);

/* The list of patches that take part, and what each token counts. */
void CS_TYPED(cs_words_open)(const CS_TYPED(cs_words_input) *in, double logit_scale,
                             CS_TYPED(cs_words_work) *w);

/* Make set s the one that is contrasted. */
void CS_TYPED(cs_words_open_set)(size_t s, CS_TYPED(cs_words_work) *w);

cs_segment CS_TYPED(cs_words_segment)(const CS_TYPED(cs_words_work) *w, size_t u0);

CS_TYPED(cs_words_tile)
CS_TYPED(cs_words_tile_of)(const CS_TYPED(cs_words_work) *w, size_t thread);

/* The kept products [panels,P,width] of the set's picture q with the segment; NULL: not kept. */
cs_real *CS_TYPED(cs_words_kept)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment,
                                 size_t q);

/* The owner's sums: A at 0, B at 1. */
cs_real *CS_TYPED(cs_words_sum)(const CS_TYPED(cs_words_work) *w, size_t owner, size_t which);

#endif
