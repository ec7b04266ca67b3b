#include <string.h>

#include "base/rng.h"
#include "base/threads.h"
#include "data/scene_shape.h"

#define ATTEMPTS 2048         /* a split that keeps one class in 16 needs 16 on average */
#define BLOCKS_PER_ATTEMPT 32 /* more than a scene of six objects uses */
#define MOST_OBJECTS 6
#define MOST_CELLS 64
#define LEAST_PIXELS 12

static uint32_t
free_cell(cs_rng *rng, uint32_t cells, uint32_t used, uint8_t *taken)
{
    uint32_t skip = cs_rng_below(rng, cells - used), cell = 0;
    while (taken[cell] || skip-- > 0)
        cell++;
    taken[cell] = 1;
    return cell;
}

static int32_t
between(cs_rng *rng, int32_t low, int32_t high)
{
    return low + (int32_t)cs_rng_below(rng, (uint32_t)(high - low + 1));
}

/* The centre along one axis: the cell's, moved, and kept so far inside that nothing is cut off. */
static int32_t
place(cs_rng *rng, const cs_scene_rules *rules, uint32_t cell, int32_t radius)
{
    int32_t extent = rules->side * 64, reach = cs_scene_reach(radius);
    int32_t at = extent * (2 * (int32_t)cell + 1) / (2 * rules->grid) +
                 between(rng, -rules->jitter, rules->jitter);
    return at < reach ? reach : at > extent - reach ? extent - reach : at;
}

static size_t
draw_objects(cs_rng *rng, const cs_scene_rules *rules, size_t M, const uint8_t *allowed,
             cs_scene_object *objects)
{
    uint8_t taken[MOST_CELLS] = {0};
    uint32_t grid = (uint32_t)rules->grid;
    size_t count = (size_t)between(rng, rules->min_objects, rules->max_objects);
    for (size_t k = 0; k < count; k++) {
        cs_scene_object *object = &objects[k];
        const uint8_t *drawn = &allowed[2 * cs_rng_below(rng, (uint32_t)M)];
        *object = (cs_scene_object){.colour = drawn[0], .shape = drawn[1]};
        object->size = between(rng, 0, rules->sizes - 1);
        object->texture = between(rng, 0, rules->textures - 1);
        object->radius =
            between(rng, rules->radius_low[object->size], rules->radius_high[object->size]);
        object->angle = between(rng, -rules->turn, rules->turn);
        object->gain = between(rng, 218, 282); /* 0.85 to 1.1 */
        uint32_t cell = free_cell(rng, grid * grid, (uint32_t)k, taken);
        object->x = place(rng, rules, cell % grid, object->radius);
        object->y = place(rng, rules, cell / grid, object->radius);
    }
    return count;
}

static uint64_t
object_key(const cs_scene_object *object, int32_t side)
{
    uint64_t key = 0;
    const int32_t parts[6] = {object->shape,   object->colour,          object->size,
                              object->texture, object->x / (4 * side), object->y / (4 * side)};
    for (int i = 0; i < 6; i++)
        key = key << 8 | (uint64_t)parts[i];
    return key;
}

static int32_t
key_class(const cs_scene_rules *rules, const cs_scene_object *objects, size_t count)
{
    uint64_t keys[MOST_OBJECTS], hash = count;
    for (size_t k = 0; k < count; k++) { /* insertion sort: the key is a set */
        uint64_t key = object_key(&objects[k], rules->side);
        size_t to = k;
        for (; to > 0 && keys[to - 1] > key; to--)
            keys[to] = keys[to - 1];
        keys[to] = key;
    }
    for (size_t k = 0; k < count; k++) {
        hash = (hash ^ keys[k]) * 0x9E3779B97F4A7C15u;
        hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
    }
    return (int32_t)(hash % CS_SCENE_CLASSES);
}

static int32_t
shape_count(const cs_scene_object *objects, size_t count)
{
    int32_t shapes = 0;
    for (uint32_t seen = 0, k = 0; k < count; k++) {
        uint32_t bit = 1u << objects[k].shape;
        shapes += (seen & bit) == 0;
        seen |= bit;
    }
    return shapes;
}

static void
see(cs_scene_object *object, int32_t row, int32_t column)
{
    if (object->area++ == 0) {
        object->x0 = column;
        object->x1 = column + 1;
        object->y0 = row;
    }
    object->x0 = column < object->x0 ? column : object->x0;
    object->x1 = column >= object->x1 ? column + 1 : object->x1;
    object->y1 = row + 1;
}

/* Fill area and box from what is seen of each object; 0 if one shows too little. */
static int
visible(const cs_scene_rules *rules, cs_scene_object *objects, size_t count, uint8_t *scratch)
{
    size_t side = (size_t)rules->side;
    uint8_t *cover = scratch, *instance = scratch + side * side;
    int32_t whole[MOST_OBJECTS] = {0};
    memset(instance, 0, side * side);
    for (size_t k = 0; k < count; k++) {
        cs_scene_bounds bounds = cs_scene_cover(&objects[k], side, side, cover);
        for (int32_t row = bounds.y0; row < bounds.y1; row++)
            for (int32_t column = bounds.x0; column < bounds.x1; column++) {
                size_t at = (size_t)row * side + (size_t)column;
                if (2 * (cover[at] & CS_COVER_OPACITY) > CS_COVER_FULL) {
                    instance[at] = (uint8_t)(k + 1);
                    whole[k]++;
                }
            }
    }
    for (size_t at = 0; at < side * side; at++)
        if (instance[at])
            see(&objects[instance[at] - 1], (int32_t)(at / side), (int32_t)(at % side));
    for (size_t k = 0; k < count; k++)
        if (objects[k].area < LEAST_PIXELS ||
            256 * objects[k].area < (256 - rules->hidden) * whole[k])
            return 0;
    return 1;
}

static cs_scene_ground
draw_ground(cs_rng *rng, const cs_scene_rules *rules)
{
    cs_scene_ground ground = {.level = between(rng, 24, 88), .above = -1, .below = -1,
                              .light = 256};
    if (rules->stuff > 0) {
        ground.above = between(rng, 0, rules->stuff - 1);
        ground.below = (ground.above + between(rng, 1, rules->stuff - 1)) % rules->stuff;
        ground.horizon = between(rng, rules->side * 3 / 8, rules->side * 5 / 8);
    }
    if (rules->light > 0)
        ground.light = between(rng, 256 - rules->light, 256 + rules->light);
    if (rules->noise > 0) {
        ground.noise = rules->noise;
        ground.grain = between(rng, 0, INT32_MAX - 1);
    }
    return ground;
}

/* Objects beyond the scene's count are absent; all are when no attempt met the rules. */
static void
draw_scene(const cs_scene_rules *rules, size_t K, size_t M, uint64_t seed, uint64_t stream,
           uint64_t index, const uint8_t *allowed, cs_scene_object *objects,
           cs_scene_ground *ground, uint8_t *scratch)
{
    size_t count = 0;
    for (uint64_t attempt = 0; count == 0 && attempt < ATTEMPTS; attempt++) {
        cs_rng rng;
        cs_rng_start(&rng, seed, stream, (index * ATTEMPTS + attempt) * BLOCKS_PER_ATTEMPT);
        count = draw_objects(&rng, rules, M, allowed, objects);
        int32_t class = key_class(rules, objects, count);
        *ground = draw_ground(&rng, rules);
        if (class < rules->class_low || class >= rules->class_high ||
            shape_count(objects, count) < rules->min_shapes ||
            !visible(rules, objects, count, scratch))
            count = 0;
    }
    for (size_t k = count; k < K; k++)
        objects[k] = (cs_scene_object){.shape = -1};
}

static int
within(int32_t value, int32_t low, int32_t high)
{
    return value >= low && value <= high;
}

static cs_status
check_rules(const cs_scene_rules *rules, size_t K)
{
    int fine = within(rules->side, 16, CS_SCENE_MAX_SIDE) && within(rules->grid, 1, 8) &&
               within(rules->jitter, 0, rules->side * 64) && within(rules->turn, 0, 65536) &&
               within(rules->sizes, 1, 3) && within(rules->textures, 1, CS_TEXTURE_COUNT) &&
               within(rules->max_objects, 1, MOST_OBJECTS) &&
               within(rules->min_objects, 1, rules->max_objects) &&
               rules->max_objects <= rules->grid * rules->grid &&
               within(rules->min_shapes, 0, rules->max_objects) &&
               within(rules->class_low, 0, CS_SCENE_CLASSES) &&
               within(rules->class_high, 0, CS_SCENE_CLASSES) && within(rules->hidden, 0, 255) &&
               within(rules->stuff, 0, CS_STUFF_COUNT) && rules->stuff != 1 &&
               within(rules->light, 0, 255) && within(rules->noise, 0, 64);
    for (int size = 0; fine && size < 3; size++)
        fine = within(rules->radius_low[size], 64, rules->radius_high[size]) &&
               2 * cs_scene_reach(rules->radius_high[size]) <= 64 * rules->side &&
               rules->radius_high[size] <= 4096;
    if (!fine)
        return CS_EVALUE;
    return (size_t)rules->max_objects <= K ? CS_OK : CS_ESHAPE;
}

cs_status
cs_scene_draw(size_t N, size_t K, size_t F, size_t G, size_t R, size_t M, uint64_t seed,
              uint64_t stream, const int64_t *index, const int32_t *rules, const uint8_t *allowed,
              int32_t *objects, int32_t *grounds, size_t threads, uint8_t *scratch)
{
    if (F != CS_SCENE_COLUMNS || G != CS_SCENE_GROUND || R != CS_SCENE_RULES || M < 1)
        return CS_ESHAPE;
    const cs_scene_rules *table = (const cs_scene_rules *)rules;
    CS_TRY(check_rules(table, K));
    for (size_t m = 0; m < M; m++)
        if (allowed[2 * m + 1] >= CS_SHAPE_COUNT)
            return CS_EINDEX;
    for (size_t i = 0; i < N; i++)
        if (index[i] < 0)
            return CS_EINDEX;
    size_t bytes = cs_scene_scratch((size_t)table->side, (size_t)table->side);
    cs_scene_object *all = (cs_scene_object *)objects;
    cs_scene_ground *ground = (cs_scene_ground *)grounds;
    if (N == 1) /* callers that take scenes singly bring their own threads */
        threads = 1;
    CS_EACH_DYNAMIC(i, thread, N, threads,
                    draw_scene(table, K, M, seed, stream, (uint64_t)index[i], allowed, &all[K * i],
                               &ground[i], scratch + thread * bytes));
    for (size_t i = 0; i < N; i++)
        if (all[K * i].shape < 0)
            return CS_EVALUE;
    return CS_OK;
}
