#include "data/scene_ground.h"

#include <string.h>

int
cs_scene_ground_valid(const cs_scene_ground *ground, size_t H, size_t S)
{
    int plain = ground->above == -1 && ground->below == -1;
    int bands = ground->above >= 0 && ground->above < CS_STUFF_COUNT && ground->below >= 0 &&
                ground->below < CS_STUFF_COUNT && (size_t)ground->above < S &&
                (size_t)ground->below < S;
    return (plain || bands) && ground->level >= 0 && ground->level <= 255 &&
           ground->horizon >= 0 && (size_t)ground->horizon <= H && ground->light >= 0 &&
           ground->light <= 1024 && ground->noise >= 0 && ground->noise <= 255 &&
           ground->grain >= 0;
}

/* 64 bits that look random, a function of the grain and of a place (the mixing of SplitMix64). */
static uint64_t
speckle(const cs_scene_ground *ground, size_t at)
{
    uint64_t word = ((uint64_t)ground->grain << 32 | at) * 0x9E3779B97F4A7C15u;
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

/* How bright the pattern of a kind of stuff is at a pixel, in 1/256. */
static uint32_t
pattern(const cs_scene_ground *ground, int32_t kind, size_t H, size_t W, size_t row, size_t column)
{
    size_t wave = column % 16 < 8 ? column % 8 / 4 : (15 - column % 16) / 4;
    switch ((cs_scene_stuff)kind) {
    case CS_STUFF_SKY: /* paler towards the horizon */
        return (uint32_t)(192 + 64 * row / H);
    case CS_STUFF_GRASS: /* blades, four pixels high */
        return 192 + (speckle(ground, row / 4 * W + column) & 63);
    case CS_STUFF_SAND:
        return 224 + (speckle(ground, row * W + column) & 31);
    case CS_STUFF_WATER: /* crests of waves, eight rows apart */
        return (row + wave) % 8 < 2 ? 256 : 200;
    case CS_STUFF_BRICK: /* joints around bricks of 16 by 8 pixels */
        return row % 8 == 0 || (column + row / 8 % 2 * 8) % 16 == 0 ? 160 : 256;
    case CS_STUFF_SNOW:
        return 244 + (speckle(ground, row / 2 * W + column / 2) & 12);
    case CS_STUFF_COUNT:
        break;
    }
    return 256;
}

void
cs_scene_ground_paint(const cs_scene_ground *ground, size_t H, size_t W, const uint8_t *stuff,
                      uint8_t *pixels)
{
    if (ground->above < 0) {
        memset(pixels, ground->level, 3 * H * W);
        return;
    }
    for (size_t row = 0; row < H; row++) {
        int32_t kind = row < (size_t)ground->horizon ? ground->above : ground->below;
        for (size_t column = 0; column < W; column++) {
            uint32_t gain = pattern(ground, kind, H, W, row, column);
            for (size_t channel = 0; channel < 3; channel++)
                pixels[3 * (row * W + column) + channel] =
                    (uint8_t)(stuff[3 * (size_t)kind + channel] * gain / 256);
        }
    }
}

void
cs_scene_ground_light(const cs_scene_ground *ground, size_t H, size_t W, uint8_t *pixels)
{
    if (ground->light == 256 && ground->noise == 0)
        return;
    for (size_t at = 0; at < H * W; at++) {
        uint64_t word = speckle(ground, H * W + at); /* apart from the words of the patterns */
        for (size_t channel = 0; channel < 3; channel++) {
            int32_t byte = (int32_t)(word >> 8 * channel & 255);
            int32_t value = pixels[3 * at + channel] * ground->light / 256 +
                            byte * (2 * ground->noise + 1) / 256 - ground->noise;
            pixels[3 * at + channel] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}
