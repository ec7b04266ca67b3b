/* csparc: SPARC (SPARse Fine-grained Contrastive Alignment, arXiv 2401.09865) and rival losses of
 * image-text training in C11.
 *
 * The page to read first. The core is a set of pure functions on buffers. It knows nothing of
 * Python (only py/ does) and nothing of BLIS (only la/gemm.c and la/blis_context.c do).
 *
 * Letters for dimensions, the same everywhere and in the signatures of py/ops.def:
 *   B  pairs of image and caption in a batch     N  rows of a matrix, when rows are just rows
 *   P  image patches                             M  output features of a linear map
 *   L  caption tokens                            T  positions of a sequence, image or text
 *   D  width of the shared embedding space       V  entries of a vocabulary
 *   C  width inside an encoder                   G  blocks of rows summed separately
 *   H  attention heads                           K  terms of a sum: the inner size of a product
 * Local letters (image height, caption count, ...) are declared by the header that uses them.
 *
 * Words, each with one meaning:
 *   pair     an image and a caption. The pairs (i,i) of a batch match; a loss over all pairs scores
 *            every image i with every caption j.
 *   sample   one of the B images with its caption, where no other enters.
 *   group    the pairs of a batch with the same id: duplicates (loss/entropy/same_group.h).
 *   drop group       consecutive samples, among which FILIP chooses keys (loss/filip/filip.h).
 *   grouped vector   sum_p a_pk v_p of token k over the patches: equation 5 and nothing else.
 *   objective  the weighted sum of a global and a local loss (loss/sparc/objective.h).
 *   block    consecutive rows, samples or tokens that one unit of work takes. Only in base/rng.h it
 *            is what one evaluation of the generator gives, as the literature has it.
 *   owner    the captions, or samples, of a batch whose sums one thread forms at a time
 *            (loss/entropy/tiling.h).
 *   dead     a vector too short to have a direction: its unit vector and its gradient are 0
 *            (la/norm.h).
 *   along, radial   For a loss that sees x only as x / |x|, with g its gradient by x / |x|:
 *            dx = g / |x| + radial x,  radial = -along / |x|^2,  along = <g, x / |x|>. Where the
 *            loss sees cosines, along is the sum of their gradients times the cosines.
 *   scratch  memory of the caller's that holds nothing before a call and nothing after it.
 *
 * Conventions
 *   - Arrays are row-major and contiguous; a view inside the core is a pointer and its strides.
 *   - Arguments come in one order: dimensions, inputs, outputs, scratch. X_backward sits under
 *     X_forward and takes the same names, gradients prefixed with d.
 *   - Parameter gradients are added to (+=), activation gradients are written (=).
 *   - Nothing allocates, prints or exits: the caller owns every buffer. A function that needs
 *     scratch has a size function beside it.
 *   - The only state is what is chosen when the module is loaded, the instruction set (base/cpu.h),
 *     BLIS's context (la/blis_context.h) and what multiplies bfloat16 (la/bf16_product.h), and what
 *     changes no result, the number of threads (base/threads.h) and the count of arithmetic
 *     (base/count.h).
 *   - What Python calls, and can fail, returns cs_status. Input is validated once, at the edge
 *     (py/take.c), against the signature; the core trusts it.
 *   - Loops are parallel over outputs, never over a reduction, and work is cut into blocks by the
 *     shape alone: the same bits for any number of threads.
 *   - A .c that includes base/real.h is compiled for float and for double (CS_TYPED marks names);
 *     one that includes base/isa.h is compiled once per instruction set (CS_KERNEL marks names);
 *     one that includes la/simd.h likewise, but for float only (CS_SIMD marks names).
 *
 * Reading order, each knowing only those before it:
 *   base/          status, size, arena, blocks, thread_probe, threads, rng, cpu
 *   la/            rows, norm, unit_vector, gemm, tiles, multiply, bf16_product,
 *                  packed_operands, panels, packed
 *   op/            one layer a file
 *   loss/kernels/  widths, alignment, logits, pairs, words: loops for every instruction set
 *   loss/entropy/  logsumexp, same_group, contrast_side, tiling; diagonal, one_row,
 *                  rows_and_columns
 *   loss/clip/     score_tiles, extra_texts, infonce, siglip
 *   loss/sparc/    rows_in, products, sample, token_contrast, local_loss, objective
 *   loss/gram/     packed_images, short_sums, word_attention; pacl, gloria
 *   loss/filip/    valid_rows, max_similarity, max_backward, filip, keys
 *   loss/mgca/     cross_attention, tokens, prototypes
 *   loss/words/    distinct_words, contrast, pool_cosines, sets, products,
 *                  pictures, word_contrast
 *   optim/, data/, rank/  beside the losses, on base/ and la/
 *   py/            the edge to Python
 */
#ifndef CSPARC_H
#define CSPARC_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"

#endif
