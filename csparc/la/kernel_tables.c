/* Which copy of the kernels runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "op/layer_kernels.h"
#include "la/rows.h"

CS_ISA_TABLE(CS_TYPED(cs_rows), CS_TYPED(cs_row_kernels), cs_row_kernels_of)
CS_ISA_TABLE(CS_TYPED(cs_layer_rows), CS_TYPED(cs_layer_kernels), cs_layer_kernels_of)
