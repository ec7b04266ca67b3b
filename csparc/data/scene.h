/* Procedural scenes: flat coloured shapes on a ground, drawn from counter-based numbers.
 *
 * A scene is a function of (seed, stream, index) and a table of rules, whatever the batch, the
 * order and the threads. All arithmetic is on integers, so pixels and masks are the same bits on
 * every machine and compiler.
 *
 * Letters here: N scenes, K objects a scene at most, F columns of an object's record
 * (CS_SCENE_COLUMNS), R entries of the rules (CS_SCENE_RULES), C colours of the palette, M allowed
 * combinations of colour and shape, S kinds of stuff a ground is made of, G entries of a ground
 * (CS_SCENE_GROUND), H x W pixels.
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
    CS_SHAPE_DIAMOND,
    CS_SHAPE_HEXAGON,
    CS_SHAPE_CRESCENT,
    CS_SHAPE_ARROW,
    CS_SHAPE_COUNT
} cs_scene_shape;

typedef enum {
    CS_TEXTURE_PLAIN,
    CS_TEXTURE_STRIPED,
    CS_TEXTURE_DOTTED,
    CS_TEXTURE_CHECKED,
    CS_TEXTURE_COUNT
} cs_scene_texture;

/* What lies behind the objects of a scene that has no plain ground. */
typedef enum {
    CS_STUFF_SKY,
    CS_STUFF_GRASS,
    CS_STUFF_SAND,
    CS_STUFF_WATER,
    CS_STUFF_BRICK,
    CS_STUFF_SNOW,
    CS_STUFF_COUNT
} cs_scene_stuff;

/* One row of objects [N,K,F] int32. An absent object has shape -1 and 0 elsewhere; absent ones come
 * last. area and the box x0 <= column < x1, y0 <= row < y1 describe the visible pixels. */
typedef struct {
    int32_t shape, colour;
    int32_t size;    /* from the smallest, 0 */
    int32_t texture; /* a cs_scene_texture */
    int32_t x, y, radius, angle, gain;
    int32_t area, x0, y0, x1, y1;
} cs_scene_object;

#define CS_SCENE_COLUMNS (sizeof(cs_scene_object) / sizeof(int32_t))

/* One row of grounds [N,G] int32: a grey of this level where above is -1, otherwise two bands of
 * stuff that meet above the row `horizon`. Everything is lit by `light` and gets the noise of the
 * key `grain`, up to `noise` levels either way; 256 and 0 leave it as it is. */
typedef struct {
    int32_t level;        /* 0 to 255 */
    int32_t above, below; /* cs_scene_stuff, or -1 both */
    int32_t horizon;      /* 0 to H */
    int32_t light;        /* 1/256, at most 4 */
    int32_t noise, grain;
} cs_scene_ground;

#define CS_SCENE_GROUND (sizeof(cs_scene_ground) / sizeof(int32_t))

/* What the scenes of a stream are like, as an int32 array [R]. */
typedef struct {
    int32_t side;                         /* pixels */
    int32_t grid;                         /* grid x grid cells, at most one object in each */
    int32_t jitter;                       /* of the centre about the cell's, either way */
    int32_t turn;                         /* largest rotation, either way, at most 1 radian */
    int32_t sizes, textures;               /* 1 to 3 and 1 to 4 */
    int32_t radius_low[3], radius_high[3]; /* per size, both included */
    int32_t min_objects, max_objects;
    int32_t min_shapes;              /* different shapes at least */
    int32_t class_low, class_high;   /* key classes, of CS_SCENE_CLASSES: low <= class < high */
    int32_t hidden;                  /* most of an object that others may cover, 1/256 */
    int32_t stuff;                   /* kinds of stuff on grounds, 0 for plain ones */
    int32_t light, noise;            /* most that either differs from 256 and from 0 */
} cs_scene_rules;

#define CS_SCENE_RULES (sizeof(cs_scene_rules) / sizeof(int32_t))

/* A scene's key is its set of (shape, colour, size, texture, x and y rounded to 1/16 of the side);
 * a hash of it names the scene's class. Streams with disjoint classes cannot share a key. */
#define CS_SCENE_CLASSES 16

/* Draw the objects. allowed [M,2]: the combinations (colour, shape) that may occur, equally often.
 * A draw is rejected and made again while its class is not the stream's, an object shows fewer than
 * 12 pixels or too little of its own, or shapes are too few.
 * out: objects [N,K,F], grounds [N,G]. scratch: cs_scene_scratch bytes a thread.
 * CS_EVALUE: rules out of range or never met; CS_EINDEX: no such shape or index < 0; CS_ESHAPE: R,
 * F, G or K. */
cs_status cs_scene_draw(size_t N, size_t K, size_t F, size_t G, size_t R, size_t M, uint64_t seed,
                        uint64_t stream, const int64_t *index, const int32_t *rules,
                        const uint8_t *allowed, int32_t *objects, int32_t *grounds,
                        size_t threads, uint8_t *scratch);

/* Paint the ground and the objects, the first one lowest: opacity clip(1/2 - signed distance in
 * pixels, 0, 1). palette [C,3] of objects, stuff [S,3] of grounds.
 * out: pixels [N,H,W,3], instance [N,H,W] (0 ground, k + 1 where object k is the topmost with
 * opacity above 1/2). Cost: about 15 ns a pixel of the objects' bounds. */
cs_status cs_scene_render(size_t N, size_t K, size_t F, size_t C, size_t H, size_t W,
                          size_t S, size_t G, const uint8_t *palette, const uint8_t *stuff,
                          const int32_t *objects, const int32_t *grounds, uint8_t *pixels,
                          uint8_t *instance, size_t threads, uint8_t *scratch);

/* Scratch a thread needs, in bytes. */
static inline size_t cs_scene_scratch(size_t H, size_t W)
{
    return CS_SIZE(2, H, W);
}

#define CS_SCENE_MAX_SIDE 256 /* of scenes that are drawn */

#endif
