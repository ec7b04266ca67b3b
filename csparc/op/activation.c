#include "op/activation.h"

#include "base/blocks.h"
#include "base/real.h"
#include "op/layer_kernels.h"

enum { BLOCK = 16384 };

typedef void forward_kernel(size_t n, const cs_real *x, cs_real *y);
typedef void backward_kernel(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx);

static cs_status
run_forward(forward_kernel *kernel, size_t N, const cs_real *x, cs_real *y)
{
    const size_t blocks = cs_ceil_divide(N, BLOCK);
    CS_EACH(b, blocks, cs_threads_if(blocks > 1),
            kernel(cs_block_length(b * BLOCK, BLOCK, N), x + b * BLOCK, y + b * BLOCK));
    return CS_OK;
}

static cs_status
run_backward(backward_kernel *kernel, size_t N, const cs_real *x, const cs_real *dy, cs_real *dx)
{
    const size_t blocks = cs_ceil_divide(N, BLOCK);
    CS_EACH(b, blocks, cs_threads_if(blocks > 1),
            kernel(cs_block_length(b * BLOCK, BLOCK, N), x + b * BLOCK, dy + b * BLOCK,
                   dx + b * BLOCK));
    return CS_OK;
}

cs_status
CS_TYPED(cs_gelu_forward)(size_t N, const cs_real *x, cs_real *y)
{
    return run_forward(CS_TYPED(cs_layer_rows)()->gelu_forward, N, x, y);
}

cs_status
CS_TYPED(cs_gelu_backward)(size_t N, const cs_real *x, const cs_real *dy, cs_real *dx)
{
    return run_backward(CS_TYPED(cs_layer_rows)()->gelu_backward, N, x, dy, dx);
}

cs_status
CS_TYPED(cs_quick_gelu_forward)(size_t N, const cs_real *x, cs_real *y)
{
    return run_forward(CS_TYPED(cs_layer_rows)()->quick_gelu_forward, N, x, y);
}

cs_status
CS_TYPED(cs_quick_gelu_backward)(size_t N, const cs_real *x, const cs_real *dy, cs_real *dx)
{
    return run_backward(CS_TYPED(cs_layer_rows)()->quick_gelu_backward, N, x, dy, dx);
}

cs_status
CS_TYPED(cs_gelu_tanh_forward)(size_t N, const cs_real *x, cs_real *y)
{
    return run_forward(CS_TYPED(cs_layer_rows)()->gelu_tanh_forward, N, x, y);
}

cs_status
CS_TYPED(cs_gelu_tanh_backward)(size_t N, const cs_real *x, const cs_real *dy, cs_real *dx)
{
    return run_backward(CS_TYPED(cs_layer_rows)()->gelu_tanh_backward, N, x, dy, dx);
}

cs_status
CS_TYPED(cs_relu_forward)(size_t N, const cs_real *x, cs_real *y)
{
    return run_forward(CS_TYPED(cs_layer_rows)()->relu_forward, N, x, y);
}

cs_status
CS_TYPED(cs_relu_backward)(size_t N, const cs_real *x, const cs_real *dy, cs_real *dx)
{
    return run_backward(CS_TYPED(cs_layer_rows)()->relu_backward, N, x, dy, dx);
}
