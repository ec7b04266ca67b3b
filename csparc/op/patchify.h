/* An image as rows of its patches: what a convolution with kernel and stride p sees.
 *
 *   patches[b, i (X/p) + j, (c p + u) p + v] = images[b, c, i p + u, j p + v]
 *
 *   images (B,3,Y,X) in    patches (B,P,E) out    Y, X height and width, multiples of p
 *   dpatches in, dimages written                   P = (Y/p)(X/p), row by row; E = 3pp
 *
 * CS_ESHAPE unless the sizes agree. A permutation: memory traffic only, exact.
 */
#ifndef CS_PATCHIFY_H
#define CS_PATCHIFY_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_patchify_forward)(size_t B, size_t Y, size_t X, size_t P, size_t E, size_t p,
                                        const cs_real *images, cs_real *patches);
cs_status CS_TYPED(cs_patchify_backward)(size_t B, size_t Y, size_t X, size_t P, size_t E, size_t p,
                                         const cs_real *dpatches, cs_real *dimages);

#endif
