#include "py/scratch.h"

#include <stdlib.h>

/* Kept blocks: one for each of a few Python threads calling at once. */
enum { KEPT = 8, ALIGNMENT = 64 };

static cs_scratch kept[KEPT];
static size_t held, most_held; /* bytes of all blocks that exist, in use or kept */

static void
release(cs_scratch block)
{
    held -= block.bytes;
    free(block.memory);
}

int
cs_scratch_take(size_t bytes, cs_scratch *out)
{
    /* The smallest kept block that is large enough. */
    int best = -1;
    for (int i = 0; i < KEPT; i++) {
        if (kept[i].bytes >= bytes && (best < 0 || kept[i].bytes < kept[best].bytes))
            best = i;
    }
    if (best >= 0) {
        *out = kept[best];
        kept[best] = (cs_scratch){NULL, 0};
        return 0;
    }
    size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded < bytes)
        return -1;
    out->memory = aligned_alloc(ALIGNMENT, rounded);
    out->bytes = rounded;
    if (out->memory == NULL)
        return -1;
    held += rounded;
    most_held = held > most_held ? held : most_held;
    return 0;
}

void
cs_scratch_give(cs_scratch block)
{
    if (block.memory == NULL)
        return;
    /* An empty place, else the place of the smallest block if that is smaller than this one. */
    int place = 0;
    for (int i = 1; i < KEPT; i++) {
        if (kept[i].bytes < kept[place].bytes)
            place = i;
    }
    if (kept[place].bytes >= block.bytes) {
        release(block);
        return;
    }
    release(kept[place]);
    kept[place] = block;
}

size_t
cs_scratch_peak(void)
{
    size_t most = most_held;
    for (int i = 0; i < KEPT; i++) {
        release(kept[i]);
        kept[i] = (cs_scratch){NULL, 0};
    }
    most_held = held;
    return most;
}
