/* Cutting scratch into arrays. The same code lays the arrays out and, on an arena without memory,
 * measures them: a size function cannot disagree with its user. */
#ifndef CS_ARENA_H
#define CS_ARENA_H

#include <stddef.h>

typedef struct {
    char *memory; /* NULL: only count */
    size_t used;
} cs_arena;

/* The next `bytes`, aligned to a cache line; NULL when only counting. */
static inline void *
cs_arena_take(cs_arena *arena, size_t bytes)
{
    enum { LINE = 64 };
    void *taken = arena->memory == NULL ? NULL : arena->memory + arena->used;
    arena->used += (bytes + LINE - 1) / LINE * LINE;
    return taken;
}

#endif
