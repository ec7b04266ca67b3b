/* How much of each pixel one object covers; what drawing and rendering of scenes share. */
#ifndef CS_SCENE_SHAPE_H
#define CS_SCENE_SHAPE_H

#include "data/scene.h"

#define CS_COVER_FULL 64   /* opacity 1 */
#define CS_COVER_OPACITY 0x7F
#define CS_COVER_DARK 0x80 /* in a dark stripe */

typedef struct {
    int32_t x0, y0, x1, y1;
} cs_scene_bounds;

/* Whether the record can be drawn: its shape is known, and size and place are in the ranges in
 * which the arithmetic does not overflow. */
int cs_scene_object_valid(const cs_scene_object *object);

/* The distance from the centre beyond which no shape of this radius reaches. */
static inline int32_t cs_scene_reach(int32_t radius)
{
    return radius + radius / 4;
}

/* cover [H,W], written inside the bounds returned only: opacity 0..64, plus CS_COVER_DARK. */
cs_scene_bounds cs_scene_cover(const cs_scene_object *object, size_t H, size_t W, uint8_t *cover);

#endif
