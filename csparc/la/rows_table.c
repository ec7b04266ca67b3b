/* Which copy of the row kernels runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "la/rows.h"

CS_ISA_TABLE(CS_TYPED(cs_rows), CS_TYPED(cs_row_kernels), cs_row_kernels_of)
