#include <string.h>

#include "base/threads.h"
#include "data/scene_ground.h"
#include "data/scene_shape.h"

static void
ink(const cs_scene_object *object, const uint8_t *palette, uint8_t plain[3], uint8_t dark[3])
{
    for (size_t channel = 0; channel < 3; channel++) {
        int32_t value = palette[3 * (size_t)object->colour + channel] * object->gain / 256;
        plain[channel] = (uint8_t)(value > 255 ? 255 : value);
        dark[channel] = (uint8_t)(plain[channel] * 5 / 9);
    }
}

static void
paint(const cs_scene_object *object, uint8_t id, size_t H, size_t W, const uint8_t *palette,
      uint8_t *pixels, uint8_t *instance, uint8_t *cover)
{
    uint8_t plain[3], dark[3];
    ink(object, palette, plain, dark);
    cs_scene_bounds bounds = cs_scene_cover(object, H, W, cover);
    for (int32_t row = bounds.y0; row < bounds.y1; row++) {
        for (int32_t column = bounds.x0; column < bounds.x1; column++) {
            size_t at = (size_t)row * W + (size_t)column;
            int opacity = cover[at] & CS_COVER_OPACITY;
            if (opacity == 0)
                continue;
            const uint8_t *colour = cover[at] & CS_COVER_DARK ? dark : plain;
            for (size_t channel = 0; channel < 3; channel++) {
                uint8_t *pixel = &pixels[3 * at + channel];
                *pixel = (uint8_t)((*pixel * (CS_COVER_FULL - opacity) +
                                    colour[channel] * opacity + CS_COVER_FULL / 2) /
                                   CS_COVER_FULL);
            }
            if (2 * opacity > CS_COVER_FULL)
                instance[at] = id;
        }
    }
}

static void
render_scene(size_t K, size_t H, size_t W, const uint8_t *palette, const uint8_t *stuff,
             const cs_scene_object *objects, const cs_scene_ground *ground, uint8_t *pixels,
             uint8_t *instance, uint8_t *cover)
{
    cs_scene_ground_paint(ground, H, W, stuff, pixels);
    memset(instance, 0, H * W);
    for (size_t k = 0; k < K; k++)
        if (objects[k].shape >= 0)
            paint(&objects[k], (uint8_t)(k + 1), H, W, palette, pixels, instance, cover);
    cs_scene_ground_light(ground, H, W, pixels);
}

static cs_status
check(size_t N, size_t K, size_t C, size_t S, size_t H, const cs_scene_object *objects,
      const cs_scene_ground *grounds)
{
    for (size_t i = 0; i < N; i++)
        if (!cs_scene_ground_valid(&grounds[i], H, S))
            return CS_EVALUE;
    for (size_t i = 0; i < N * K; i++) {
        const cs_scene_object *object = &objects[i];
        if (object->shape == -1)
            continue;
        if (!cs_scene_object_valid(object) || object->gain < 0 || object->gain > 1024)
            return CS_EVALUE;
        if (object->colour < 0 || (size_t)object->colour >= C)
            return CS_EINDEX;
    }
    return CS_OK;
}

cs_status
cs_scene_render(size_t N, size_t K, size_t F, size_t C, size_t H, size_t W, size_t S, size_t G,
                const uint8_t *palette, const uint8_t *stuff, const int32_t *objects,
                const int32_t *grounds, uint8_t *pixels, uint8_t *instance, size_t threads,
                uint8_t *scratch)
{
    if (F != CS_SCENE_COLUMNS || G != CS_SCENE_GROUND || K > 255 || H > 65536 / 2 || W > 65536 / 2)
        return CS_ESHAPE;
    const cs_scene_object *all = (const cs_scene_object *)objects;
    const cs_scene_ground *ground = (const cs_scene_ground *)grounds;
    CS_TRY(check(N, K, C, S, H, all, ground));
    size_t bytes = cs_scene_scratch(H, W);
    if (N == 1) /* callers that take scenes singly bring their own threads */
        threads = 1;
    CS_EACH_DYNAMIC(i, thread, N, threads,
                    render_scene(K, H, W, palette, stuff, &all[K * i], &ground[i],
                                 pixels + 3 * H * W * i, instance + H * W * i,
                                 scratch + thread * bytes));
    return CS_OK;
}
