/* Scratch memory for ops, kept between calls. Take and give only while holding the GIL. */
#ifndef CS_SCRATCH_H
#define CS_SCRATCH_H

#include <stddef.h>

typedef struct {
    void *memory; /* 64-byte aligned */
    size_t bytes;
} cs_scratch;

/* A block of at least `bytes` nobody else holds; -1 when memory is out. */
int cs_scratch_take(size_t bytes, cs_scratch *out);

/* Give a block back for the next call. A few are kept, the rest freed. */
void cs_scratch_give(cs_scratch block);

/* The most bytes that existed at one time since the last such call, in use or kept. Frees what is
 * kept, so the next figure starts from what is in use. */
size_t cs_scratch_peak(void);

#endif
