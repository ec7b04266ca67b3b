/* Procedural scenes: flat coloured shapes on a grey ground, drawn from counter-based numbers.
 *
 * A scene is a function of (seed, stream, index) and a table of rules, whatever the batch, the
 * order and the threads. All arithmetic is on integers, so pixels and masks are the same bits on
 * every machine and compiler.
 *
 * Letters here: N scenes, K objects a scene at most, F columns of an object's record
 * (CS_SCENE_COLUMNS), R entries of the rules (CS_SCENE_RULES), C colours of the palette, M allowed
 * combinations of colour and shape, H x W pixels.
 * Units: lengths 1/64 pixel, angles 1/65536 radian, gain 1/256; x to the right, y down, pixel
 * (row, column) has its centre at ((column + 1/2) 64, (row + 1/2) 64). */
#ifndef CS_SCENE_H
#define CS_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "base/size.h"
#include "base/status.h"

typedef enum {
    CS_SHAPE_CIRCLE,
    CS_SHAPE_SQUARE,
    CS_SHAPE_TRIANGLE,
    CS_SHAPE_CROSS,
    CS_SHAPE_STAR,
    CS_SHAPE_RING,
    CS_SHAPE_HEART,
    CS_SHAPE_BAR,
    CS_SHAPE_COUNT
} cs_scene_shape;

/* One row of objects [N,K,F] int32. An absent object has shape -1 and 0 elsewhere; absent ones come
 * last. area and the box x0 <= column < x1, y0 <= row < y1 describe the visible pixels. */
typedef struct {
    int32_t shape, colour;
    int32_t size;    /* 0 small, 1 large */
    int32_t texture; /* 0 plain, 1 striped */
    int32_t x, y, radius, angle, gain;
    int32_t area, x0, y0, x1, y1;
} cs_scene_object;

#define CS_SCENE_COLUMNS (sizeof(cs_scene_object) / sizeof(int32_t))

/* What the scenes of a stream are like, as an int32 array [R]. */
typedef struct {
    int32_t side;                         /* pixels */
    int32_t grid;                         /* grid x grid cells, at most one object in each */
    int32_t jitter;                       /* of the centre about the cell's, either way */
    int32_t turn;                         /* largest rotation, either way, at most 1 radian */
    int32_t sizes, textures;              /* 1 or 2 of each */
    int32_t radius_low[2], radius_high[2]; /* per size, both included */
    int32_t min_objects, max_objects;
    int32_t min_shapes;              /* different shapes at least */
    int32_t class_low, class_high;   /* key classes, of CS_SCENE_CLASSES: low <= class < high */
} cs_scene_rules;

#define CS_SCENE_RULES (sizeof(cs_scene_rules) / sizeof(int32_t))

/* A scene's key is its set of (shape, colour, size, texture, x and y rounded to 1/16 of the side);
 * a hash of it names the scene's class. Streams with disjoint classes cannot share a key. */
#define CS_SCENE_CLASSES 16

/* Draw the objects. allowed [M,2]: the combinations (colour, shape) that may occur, equally often.
 * A draw is rejected and made again while its class is not the stream's, an object shows fewer than
 * 12 pixels or less than half of its own, or shapes are too few.
 * out: objects [N,K,F], background [N] (grey level). scratch: cs_scene_scratch bytes a thread.
 * CS_EVALUE: rules out of range or never met; CS_EINDEX: no such shape or index < 0; CS_ESHAPE: R,
 * F or K. */
cs_status cs_scene_draw(size_t N, size_t K, size_t F, size_t R, size_t M, uint64_t seed,
                        uint64_t stream, const int64_t *index, const int32_t *rules,
                        const uint8_t *allowed, int32_t *objects, uint8_t *background,
                        size_t threads, uint8_t *scratch);

/* Paint the objects, the first one lowest: opacity clip(1/2 - signed distance in pixels, 0, 1).
 * out: pixels [N,H,W,3], instance [N,H,W] (0 ground, k + 1 where object k is the topmost with
 * opacity above 1/2). Cost: about 15 ns a pixel of the objects' bounds. */
cs_status cs_scene_render(size_t N, size_t K, size_t F, size_t C, size_t H, size_t W,
                          const uint8_t *palette, const int32_t *objects,
                          const uint8_t *background, uint8_t *pixels, uint8_t *instance,
                          size_t threads, uint8_t *scratch);

/* Scratch a thread needs, in bytes. */
static inline size_t cs_scene_scratch(size_t H, size_t W)
{
    return CS_SIZE(2, H, W);
}

#define CS_SCENE_MAX_SIDE 256 /* of scenes that are drawn */

#endif
