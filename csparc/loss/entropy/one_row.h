/* Cross-entropy of one row of scores X [B] that is at hand as a whole, and its gradient.
 *
 *   loss = 1/(2B) [ lse_j scale X_j - scale X_i ]
 *
 * or, where pair i has duplicates, as loss/entropy/same_group.h has it. j runs over the samples
 * whose key_count is above 0, of which i must be one. score: X in, factor / scale dloss/dX out;
 * out[0] loss, out[1] dloss/dscale, both added to.
 */
#ifndef CS_ENTROPY_ONE_ROW_H
#define CS_ENTROPY_ONE_ROW_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

void CS_TYPED(cs_contrast_row)(size_t B, size_t i, const size_t *key_count,
                               const cs_groups *groups, cs_real scale, cs_real factor,
                               cs_real *score, double *out);

#endif
