/* All of the right operand of la/packed.h, copied before the products that read it.
 *
 *   b (K,N) in, as la/packed.h takes it
 *   panels (cs_panels_words) written, words of 32 bits: parts of CS_PACKED_DEPTH terms at most, in
 *     each the panels of la/packed_operands.h one after the other; floats, or pairs of bfloat16
 *
 * A product that is given them reads them in the order of memory and copies nothing of b; its bits
 * are those without. Panels depend on the instruction set in use and serve this process alone.
 * O(KN). Scratch as the size function says. float only.
 */
#ifndef CS_PANELS_H
#define CS_PANELS_H

#include "la/packed_shape.h"

size_t cs_panels_words(size_t K, size_t N, int bf16);

/* Terms of every part but the last, which has the rest. */
size_t cs_panels_depth(size_t K);

/* Where the panel of column j begins in the part of `depth` terms from term k on; `pair` terms are
 * a word. j is a whole number of panels. */
size_t cs_panels_offset(size_t N, size_t pair, size_t k, size_t depth, size_t j);

size_t cs_panels_scratch(size_t threads);
#ifndef CS_FLOAT64
/* Of what product says of b, K and N. */
void cs_panels_copy(const cs_packed_f32 *product, int bf16, float *panels, size_t threads,
                    void *scratch);
#endif

#endif
