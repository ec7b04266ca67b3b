/* csparc: SPARC (SPARse Fine-grained Contrastive Alignment, arXiv 2401.09865) in C11.
 *
 * The page to read first. The core is a set of pure functions on buffers. It knows nothing of
 * Python (only py/ does) and nothing of BLIS (only la/gemm.c does).
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
 * Conventions
 *   - Arrays are row-major and contiguous; a view inside the core is a pointer and its strides.
 *   - Arguments come in one order: dimensions, inputs, outputs, scratch. X_backward sits under
 *     X_forward and takes the same names, gradients prefixed with d.
 *   - Parameter gradients are added to (+=), activation gradients are written (=).
 *   - Nothing allocates, prints, exits or keeps globals: the caller owns every buffer. A function
 *     that needs scratch has a size function beside it.
 *   - Functions visible outside their file return cs_status. Input is validated once, at the edge
 *     (py/bind.c), against the signature; the core trusts it.
 *   - Loops are parallel over outputs, never over a reduction, and work is cut into blocks by the
 *     shape alone: the same bits for any number of threads.
 *   - A .c that includes base/real.h is compiled for float and for double (CS_TYPED marks names);
 *     one that includes base/isa.h is compiled once per instruction set (CS_KERNEL marks names);
 *     one that includes la/simd.h likewise, but for float only (CS_SIMD marks names).
 *
 * Reading order: base (status, threads, rng, cpu), la (gemm, rows, tiles, pairs), op (one layer
 * each), loss (contrastive, align, sparc, objective), optim, data, py.
 */
#ifndef CSPARC_H
#define CSPARC_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"

#endif
