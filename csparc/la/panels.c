#include "la/panels.h"

#include "base/size.h"
#include "base/threads.h"
#include "la/packed_operands.h"

size_t
cs_panels_words(size_t K, size_t N, int bf16)
{
    return cs_size_times(cs_ceil_divide(K, bf16 ? 2 : 1), cs_packed_width(N));
}

size_t
cs_panels_depth(size_t K)
{
    enum { LINE = 32 };
    const size_t parts = cs_ceil_divide(K, CS_PACKED_DEPTH);
    return parts > 1 ? cs_ceil_divide(cs_ceil_divide(K, parts), LINE) * LINE : K;
}

size_t
cs_panels_offset(size_t N, size_t pair, size_t k, size_t depth, size_t j)
{
    return k / pair * cs_packed_width(N) + cs_ceil_divide(depth, pair) * j;
}

/* Which of the panels of which part. */
typedef struct {
    const cs_packed_f32 *product;
    const cs_packed_form *form;
    size_t panel, across, deep;
} cut;

/* Floats of room in which a panel is rounded. */
enum { SPARE = CS_PACKED_WIDEST * CS_PACKED_DEPTH };

static void
copy_panel(const cut *c, size_t index, float *panels, float *spare)
{
    const cs_packed_f32 *p = c->product;
    cs_packed_part part = {.j = index % c->across * c->panel, .k = index / c->across * c->deep};
    part.columns = index % c->across + 1 == c->across ? p->N - part.j : c->panel;
    part.depth = cs_block_length(part.k, c->deep, p->K);
    c->form->columns(p, &part, c->panel,
                     panels + cs_panels_offset(p->N, c->form->pair, part.k, part.depth, part.j),
                     spare);
}

size_t
cs_panels_scratch(size_t threads)
{
    return CS_SIZE(threads, SPARE, sizeof(float));
}

void
cs_panels_copy(const cs_packed_f32 *product, int bf16, float *panels, size_t threads, void *scratch)
{
    const size_t panel = cs_panel_columns_f32(), deep = cs_panels_depth(product->K);
    if (product->N == 0 || product->K == 0)
        return;
    const cut c = {product, bf16 ? &cs_packed_halves : &cs_packed_floats, panel,
                   cs_packed_panels(product->N, panel), deep};
    const size_t count = c.across * cs_ceil_divide(product->K, deep);
    const size_t several = cs_threads_for(threads, count, CS_SIZE(product->N, product->K));
    CS_EACH_DYNAMIC(index, thread, count, several,
                    copy_panel(&c, index, panels, (float *)scratch + thread * SPARE));
}
