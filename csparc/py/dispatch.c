#include "py/dispatch.h"

#include "base/real.h"
#include "base/rng.h"
#include "data/normalize.h"
#include "data/resize.h"
#include "data/scene.h"
#include "la/gemm.h"
#include "la/bf16_product.h"
#include "la/tiles.h"
#include "loss/sparc/pieces.h"
#include "loss/clip/infonce.h"
#include "loss/filip/filip.h"
#include "loss/gram/gloria.h"
#include "loss/mgca/tokens.h"
#include "loss/sparc/objective.h"
#include "loss/gram/pacl.h"
#include "loss/mgca/prototypes.h"
#include "loss/clip/siglip.h"
#include "loss/words/distinct_words.h"
#include "loss/words/word_contrast.h"
#include "op/activation.h"
#include "op/add.h"
#include "op/attention.h"
#include "op/attention_pool.h"
#include "op/conv.h"
#include "op/embed.h"
#include "op/l2norm.h"
#include "op/layernorm.h"
#include "op/linear.h"
#include "op/patchify.h"
#include "op/pool.h"
#include "op/position.h"
#include "op/sequence.h"
#include "optim/adamw.h"
#include "optim/norm.h"

#define DIM(letter) (call->dim[#letter[0] - 'A'])
#define IN(i) ((const cs_real *)call->argument[i].array)
#define OUT(i) ((cs_real *)call->argument[i].array)
#define I32(i) ((int32_t *)call->argument[i].array)
#define I64(i) ((int64_t *)call->argument[i].array)
#define U8(i) ((uint8_t *)call->argument[i].array)
#define U16(i) ((uint16_t *)call->argument[i].array)
#define U32(i) ((uint32_t *)call->argument[i].array)
#define U64(i) ((uint64_t *)call->argument[i].array)
#define F32(i) ((float *)call->argument[i].array)
#define F64(i) ((double *)call->argument[i].array)
#define NUM(i) ((cs_real)call->argument[i].real)
#define REAL(i) (call->argument[i].real)
#define INT(i) (call->argument[i].integer)
#define THREADS (call->threads)
#define SCRATCH (call->scratch)

#define CS_OP(name, signature, bytes, expression) \
    static size_t                                 \
    scratch_of_##name(const cs_call *call)        \
    {                                             \
        (void)call;                               \
        return (size_t)(bytes);                   \
    }                                             \
    static cs_status                              \
    run_##name(const cs_call *call)               \
    {                                             \
        return expression;                        \
    }
#include "py/ops.def"
#undef CS_OP

static const cs_op ops[] = {
#define CS_OP(name, signature, bytes, expression) \
    {#name, signature, scratch_of_##name, run_##name},
#include "py/ops.def"
#undef CS_OP
    {NULL, NULL, NULL, NULL},
};

const cs_op *
CS_TYPED(cs_ops)(void)
{
    return ops;
}
