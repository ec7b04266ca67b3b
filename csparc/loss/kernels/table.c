/* Which copy of the kernels of the losses runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "loss/kernels/alignment.h"
#include "loss/kernels/logits.h"
#include "loss/kernels/pairs.h"
#include "loss/kernels/words.h"

CS_ISA_TABLE(CS_TYPED(cs_alignment_kernels_in_use), CS_TYPED(cs_alignment_kernels),
             cs_alignment_kernels_of)
CS_ISA_TABLE(CS_TYPED(cs_logit_kernels_in_use), CS_TYPED(cs_logit_kernels), cs_logit_kernels_of)
CS_ISA_TABLE(CS_TYPED(cs_pair_kernels_in_use), CS_TYPED(cs_pair_kernels), cs_pair_kernels_of)
CS_ISA_TABLE(CS_TYPED(cs_word_kernels_in_use), CS_TYPED(cs_word_kernels), cs_word_kernels_of)
