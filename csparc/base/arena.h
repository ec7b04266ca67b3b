/* Cutting scratch into arrays. The same code lays the arrays out and, on an arena without memory,
 * measures them: a size function cannot disagree with its user. What does not fit a size_t measures
 * as SIZE_MAX, which nobody can allocate. */
#ifndef CS_ARENA_H
#define CS_ARENA_H

#include "base/size.h"

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
    size_t lines = bytes / LINE + (bytes % LINE != 0);
    arena->used = cs_size_plus(arena->used, cs_size_times(lines, LINE));
    return taken;
}

/* An array of `type`, whose sizes are multiplied: CS_TAKE(arena, cs_real, B, P, D). */
#define CS_TAKE(arena, type, ...) cs_arena_take(arena, CS_SIZE(sizeof(type), __VA_ARGS__))

#endif
