/* Which copy of the layer kernels runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "op/layer_kernels.h"

CS_ISA_TABLE(CS_TYPED(cs_layer_rows), CS_TYPED(cs_layer_kernels), cs_layer_kernels_of)
