/* Products of matrices that are larger than a core's caches: a part of the operands at a time is
 * held near a core, and copied where the tiles of la/tiles.h read it better so.
 *
 *   c[m,n] = start[m,n] + sum_k a[m,k] b[k,n] + bias[n]
 *
 *   a (M,K), b (K,N) in, each with any row stride or any column stride, the other being 1
 *   start (M,N) in, or NULL for 0; it may be c itself     bias (N) in, or NULL
 *   c (M,N) out, its columns contiguous
 *
 * A thread takes a block of c. For it some rows of b are copied into panels as wide as a tile,
 * which stay in the third-level cache, and a few rows of a at a time stay in the second-level cache
 * while their product with every panel is added to the block. Rows of a are copied only where a
 * tile cannot read them well where they lie. A product of few rows copies nothing of b: it reads b
 * in place, or, where b's columns are contiguous, computes c^T and turns it. What one thread packs
 * no other reads. Every sum starts at `start` and runs over k in order, bias last: bits do not
 * depend on how c and K are cut, nor on the threads, and are those of la/tiles.h.
 *
 * The same with operands that are rounded to the nearest bfloat16, ties to even, as they are
 * copied; sums, start, bias and c stay float32 (la/bf16_product.h).
 *
 * 2MNK FLOP. Scratch as the size function says, for any shape. double: through la/gemm.h.
 */
#ifndef CS_PACKED_H
#define CS_PACKED_H

#include <stddef.h>

#include "base/real.h"
#include "la/packed_shape.h"

size_t CS_TYPED(cs_packed_scratch)(size_t threads);
void CS_TYPED(cs_packed_product)(const CS_TYPED(cs_packed) *product, size_t threads, void *scratch);

#ifndef CS_FLOAT64
void cs_bf16_packed_product(const cs_packed_f32 *product, size_t threads, void *scratch);
#endif

#endif
