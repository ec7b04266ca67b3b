#include "data/scene_shape.h"

/* Signed distances to the outlines, in 1/64 pixel, negative inside, in the object's own frame (u to
 * its right, v down, both within 2^13). Only values within a pixel of the outline matter, so a
 * circle's is (|p|^2 - r^2) / 2r and corners are the maximum of their edges. Right shifts of
 * negative numbers are arithmetic on every compiler this is built with. */

#define UNIT 16384 /* 1, for direction components */

static int32_t
largest(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t
smallest(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t
magnitude(int32_t a)
{
    return a < 0 ? -a : a;
}

static int32_t
along(int32_t u, int32_t v, int32_t nu, int32_t nv)
{
    return (nu * u + nv * v) >> 14;
}

static int32_t
circle(int32_t u, int32_t v, int32_t r)
{
    int32_t excess = u * u + v * v - r * r;
    if (excess >= 128 * r) /* a pixel or more away: spare the division */
        return 64;
    if (excess <= -128 * r)
        return -64;
    return (excess + 256 * r) / (2 * r) - 128; /* rounded down, on either side */
}

static int32_t
rectangle(int32_t u, int32_t v, int32_t half_width, int32_t half_height)
{
    return largest(magnitude(u) - half_width, magnitude(v) - half_height);
}

static int32_t
triangle(int32_t u, int32_t v, int32_t r)
{
    int32_t w = v - r / 8; /* equilateral; the middle of its height is the centre */
    int32_t inner = r * 37 / 64;
    return largest(w - inner, along(magnitude(u), w, 14189, -UNIT / 2) - inner);
}

/* A pentagram is where at most one of its five lines is exceeded. */
static int32_t
star(int32_t u, int32_t v, int32_t r)
{
    int32_t side = magnitude(u);
    int32_t line[5] = {-v, along(side, v, 15582, -5063), along(-side, v, 15582, -5063),
                       along(side, v, 9630, 13255), along(-side, v, 9630, 13255)};
    int32_t first = line[0], second = INT32_MIN;
    for (int i = 1; i < 5; i++) {
        second = largest(second, smallest(first, line[i]));
        first = largest(first, line[i]);
    }
    return second - r * 3 / 8; /* tips at 1.21 r */
}

/* A square on its corner and two circles on its upper edges. */
static int32_t
heart(int32_t u, int32_t v, int32_t r)
{
    int32_t half = r * 39 / 64, side = magnitude(u), w = v - r / 8;
    int32_t centre = half * 11585 / UNIT;
    int32_t square = ((side + magnitude(w)) * 11585 >> 14) - half;
    return smallest(square, circle(side - centre, w + centre, half));
}

static int32_t
hexagon(int32_t u, int32_t v, int32_t r)
{
    int32_t side = magnitude(u), inner = r * 57 / 64, w = magnitude(v);
    return largest(w - inner, along(side, w, 14189, UNIT / 2) - inner);
}

/* A circle without another of the same size that lies to its right. */
static int32_t
crescent(int32_t u, int32_t v, int32_t r)
{
    return largest(circle(u, v, r), -circle(u - r * 5 / 8, v, r * 7 / 8));
}

/* Pointing to the right: a shaft, and a head whose edges slope by half a right angle. */
static int32_t
arrow(int32_t u, int32_t v, int32_t r)
{
    int32_t shaft = rectangle(u + r / 2, v, r * 5 / 8, r * 5 / 16);
    int32_t head = largest(-u, ((u + magnitude(v)) * 11585 >> 14) - r * 13 / 16);
    return smallest(shaft, head);
}

static int32_t
distance(int32_t shape, int32_t u, int32_t v, int32_t r)
{
    switch ((cs_scene_shape)shape) {
    case CS_SHAPE_CIRCLE:
        return circle(u, v, r);
    case CS_SHAPE_SQUARE:
        return rectangle(u, v, r * 7 / 8, r * 7 / 8);
    case CS_SHAPE_TRIANGLE:
        return triangle(u, v, r);
    case CS_SHAPE_CROSS:
        return smallest(rectangle(u, v, r * 9 / 8, r * 3 / 8),
                        rectangle(u, v, r * 3 / 8, r * 9 / 8));
    case CS_SHAPE_STAR:
        return star(u, v, r);
    case CS_SHAPE_RING:
        return largest(circle(u, v, r), -circle(u, v, r * 9 / 16));
    case CS_SHAPE_HEART:
        return heart(u, v, r);
    case CS_SHAPE_BAR:
        return rectangle(u, v, r * 19 / 16, r * 3 / 8);
    case CS_SHAPE_DIAMOND:
        return ((magnitude(u) * 3 / 2 + magnitude(v)) * 9 >> 4) - r * 21 / 32;
    case CS_SHAPE_HEXAGON:
        return hexagon(u, v, r);
    case CS_SHAPE_CRESCENT:
        return crescent(u, v, r);
    case CS_SHAPE_ARROW:
        return arrow(u, v, r);
    case CS_SHAPE_COUNT:
        break;
    }
    return 64;
}

int
cs_scene_object_valid(const cs_scene_object *object)
{
    const int32_t place = 1 << 20, turn = 1 << 16;
    return object->shape >= 0 && object->shape < CS_SHAPE_COUNT && object->radius >= 64 &&
           object->radius <= 4096 && magnitude(object->x) <= place &&
           magnitude(object->y) <= place && magnitude(object->angle) <= turn;
}

static int32_t
clip(int32_t value, int32_t high)
{
    return value < 0 ? 0 : value > high ? high : value;
}

/* Whether a texture darkens the point: stripes of two pixels, dots of three in a grid of five, and
 * squares of three. */
static int
is_dark(int32_t texture, int32_t u, int32_t v)
{
    enum { PITCH = 320, SQUARE = 192, FAR = 1 << 13 };
    int32_t across = (u + FAR) % PITCH - PITCH / 2, down = (v + FAR) % PITCH - PITCH / 2;
    switch ((cs_scene_texture)texture) {
    case CS_TEXTURE_STRIPED:
        return (v >> 7) & 1;
    case CS_TEXTURE_DOTTED:
        return across * across + down * down < 96 * 96;
    case CS_TEXTURE_CHECKED:
        return ((u + FAR) / SQUARE + (v + FAR) / SQUARE) & 1;
    case CS_TEXTURE_PLAIN:
    case CS_TEXTURE_COUNT:
        break;
    }
    return 0;
}

cs_scene_bounds
cs_scene_cover(const cs_scene_object *object, size_t H, size_t W, uint8_t *cover)
{
    int32_t reach = cs_scene_reach(object->radius) + 64;
    cs_scene_bounds bounds = {
        clip((object->x - reach) / 64, (int32_t)W), clip((object->y - reach) / 64, (int32_t)H),
        clip((object->x + reach) / 64 + 1, (int32_t)W),
        clip((object->y + reach) / 64 + 1, (int32_t)H)};
    int64_t angle = object->angle, square = angle * angle / 65536;
    int32_t cosine = (int32_t)(65536 - square / 2 + square * square / 65536 / 24);
    int32_t sine =
        (int32_t)(angle * (65536 - square / 6 + square * square / 65536 / 120) / 65536);
    for (int32_t row = bounds.y0; row < bounds.y1; row++) {
        int32_t dy = row * 64 + 32 - object->y;
        for (int32_t column = bounds.x0; column < bounds.x1; column++) {
            int32_t dx = column * 64 + 32 - object->x;
            int32_t u = (cosine * dx + sine * dy) >> 16;
            int32_t v = (cosine * dy - sine * dx) >> 16;
            int32_t opacity = clip(32 - distance(object->shape, u, v, object->radius), 64);
            int32_t dark = is_dark(object->texture, u, v);
            cover[(size_t)row * W + (size_t)column] =
                (uint8_t)(opacity | (dark ? CS_COVER_DARK : 0));
        }
    }
    return bounds;
}
