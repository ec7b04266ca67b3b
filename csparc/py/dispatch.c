#include "py/dispatch.h"

#include "base/real.h"
#include "derived/arguments.h"

#define CS_MAYBE_UNUSED __attribute__((unused))

#define CS_OP(name, signature, bytes, expression)            \
    static size_t                                            \
    scratch_of_##name(const cs_call *call)                   \
    {                                                        \
        const size_t threads CS_MAYBE_UNUSED = call->threads; \
        CS_ARGUMENTS_OF_##name                               \
        return (size_t)(bytes);                              \
    }                                                        \
    static cs_status                                         \
    run_##name(const cs_call *call)                          \
    {                                                        \
        const size_t threads CS_MAYBE_UNUSED = call->threads; \
        void *scratch CS_MAYBE_UNUSED = call->scratch;       \
        CS_ARGUMENTS_OF_##name                               \
        return expression;                                   \
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
