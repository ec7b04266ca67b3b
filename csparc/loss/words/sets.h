/* The arrays of one call of the word contrast (loss/words/word_contrast.h), and how its work is
 * cut: rows of words into segments of panels, pictures among owners. Segment after segment meets
 * all pictures of a set, so that sums over pictures are kept for one segment at a time; each owner
 * sums over its pictures for itself, and then owners are summed in order. */
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

/* What a thread has for itself. */
typedef struct {
    cs_real *patches;         /* [P,D] unit vectors of its picture */
    cs_real *cosines, *slope; /* [P,CS_PANEL] */
    cs_real *dcosines;        /* [panels,P,width] gradients by the cosines with a segment */
    cs_real *gathered;        /* [CS_PANEL,D] */
} CS_TYPED(cs_words_tile);

typedef struct {
    const cs_words_shape *shape;
    const cs_word_pool *pool;
    int gradients, shared; /* shared: some row of the set has several tokens */
    size_t threads;
    CS_TYPED(cs_word_contrast) contrast;
    CS_TYPED(cs_taken_rows) patch; /* valid patches by picture */
    CS_TYPED(cs_taken_rows) word;  /* rows of all sets; its start is not used */
    cs_real *patch_norm;           /* [B P] */
    cs_real *word_norm;            /* [B L], of tokens that begin a row */
    double *dscale;                /* [most samples] */
    size_t lanes;                  /* of the largest segment */
    size_t kept;                   /* pictures with a segment whose slopes are kept */
    cs_real *slopes;               /* [kept,P,lanes] */
    cs_real *columns, *rows;       /* [panels,D,width], [lanes,D] the segment's */
    cs_real *sums;                 /* [owners,2,lanes,D] A and B of the segment, or its sum */
    cs_real *tiles;                /* [threads,tile_size] */
    size_t tile_size;
} CS_TYPED(cs_words_work);

/* Rows u0 .. u0+count of the set in panels of `width` lanes, the last filled up with zeros. */
typedef struct {
    size_t u0, count, panels, width, number;
} cs_segment;

CS_TYPED(cs_words_work)
CS_TYPED(cs_words_layout)(const cs_words_shape *shape, int gradients, size_t threads,
                          cs_arena *arena);

/* Lengths, the lists of what takes part, and what each token counts. */
void CS_TYPED(cs_words_open)(const CS_TYPED(cs_words_input) *in, double logit_scale,
                             CS_TYPED(cs_words_work) *w);

cs_segment CS_TYPED(cs_words_segment)(const CS_TYPED(cs_words_work) *w, size_t u0);

/* Take the segment's rows as columns and as rows. */
void CS_TYPED(cs_words_take)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment);

CS_TYPED(cs_words_tile)
CS_TYPED(cs_words_tile_of)(const CS_TYPED(cs_words_work) *w, size_t thread);

/* The kept slopes [panels,P,width] of the set's picture q with the segment; NULL: not kept. */
cs_real *CS_TYPED(cs_words_kept)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment,
                                 size_t q);

/* Pictures of an owner. All are one's where tokens of several captions match a picture, whose
 * gradients it alone then adds to. */
size_t CS_TYPED(cs_words_owned)(const CS_TYPED(cs_words_work) *w);

/* The owner's sums: A, or the only one, at 0, B at 1. */
cs_real *CS_TYPED(cs_words_sum)(const CS_TYPED(cs_words_work) *w, size_t owner, size_t which);

#endif
