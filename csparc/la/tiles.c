#include "la/tiles.h"

#include "la/simd.h"

#define ITEM float
#define TERM cs_term_f32
#define RESULT cs_result_f32
#define PRODUCT CS_SIMD(cs_product)
#define fuse madd
#define half_fuse half_madd

#include "la/tile_loops.h"

size_t CS_SIMD(cs_panel_columns)(void);
size_t
CS_SIMD(cs_panel_columns)(void)
{
    return PANEL * UNIT;
}
