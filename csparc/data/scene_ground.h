/* What lies behind the objects of a scene, and the light and noise on all of it. */
#ifndef CS_SCENE_GROUND_H
#define CS_SCENE_GROUND_H

#include "data/scene.h"

/* Whether every entry is in the range that scene.h states, for pictures of H rows and S kinds of
 * stuff. */
int cs_scene_ground_valid(const cs_scene_ground *ground, size_t H, size_t S);

/* pixels [H,W,3]: the plain level, or the two bands of stuff [S,3] with their patterns. */
void cs_scene_ground_paint(const cs_scene_ground *ground, size_t H, size_t W, const uint8_t *stuff,
                           uint8_t *pixels);

/* pixels [H,W,3], changed in place: times light, plus noise, kept within 0 to 255. */
void cs_scene_ground_light(const cs_scene_ground *ground, size_t H, size_t W, uint8_t *pixels);

#endif
