"""The C core. Arrays are C-contiguous, aligned, native; all real arrays of a call share float32 or
float64. Outputs are written in place. Equations are in the headers under csparc/.

Written by build_support/ops.py from csparc/py/ops.def."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[Any]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
UInt16 = NDArray[np.uint16]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

OPS: dict[str, str]

def set_num_threads(count: int, /) -> None: ...
def get_num_threads() -> int: ...
def config() -> dict[str, Any]: ...
def scratch_bytes(op: str, itemsize: int, sizes: dict[str, int], /) -> int: ...
def scratch_peak() -> int: ...
def count_flop(on: bool, /) -> int: ...
def gemm(a: Real, b: Real, c: Real, /) -> None: ...
def product(
    a: Real,
    b: Real,
    e: Real | None,
    rows: Real | None,
    hints: int,
    c: Real,
    /,
) -> None: ...
def product_two_terms(a: Real, b: Real, at: Real, bt: Real, c: Real, /) -> None: ...
def transpose(x: Real, xt: Real, /) -> None: ...
def fma_peak(rounds: int, flop: Float64, /) -> None: ...
def bf16_product(
    a: UInt32,
    b: UInt32,
    e: Float32 | None,
    rows: Float32 | None,
    hints: int,
    c: Float32,
    /,
) -> None: ...
def bf16_product_two_terms(a: UInt32, b: UInt32, at: UInt32, bt: UInt32, c: Float32, /) -> None: ...
def bf16_of_floats(x: Float32, rows: UInt32 | None, stack: UInt32 | None, /) -> None: ...
def bf16_of_bits(
    x: UInt16,
    valid: UInt8 | None,
    rows: UInt32 | None,
    stack: UInt32 | None,
    /,
) -> None: ...
def floats_of_bf16(x: UInt16, y: Float32, /) -> None: ...
def bf16_add(a: float, x: UInt16, y: Float32, /) -> None: ...
def bf16_transpose(rows: UInt32, transposed: UInt32, /) -> None: ...
def bf16_peak(rounds: int, flop: Float64, /) -> None: ...
def l2norm_forward(x: Real, y: Real, norm: Real, /) -> None: ...
def l2norm_backward(y: Real, norm: Real, dy: Real, dx: Real, /) -> None: ...
def rng_bits(seed: int, stream: int, block: int, out: UInt64, /) -> None: ...
def scene_draw(
    seed: int,
    stream: int,
    index: Int64,
    rules: Int32,
    pairs: UInt8,
    objects: Int32,
    grounds: Int32,
    /,
) -> None: ...
def scene_render(
    palette: UInt8,
    stuff: UInt8,
    objects: Int32,
    grounds: Int32,
    pixels: UInt8,
    instance: UInt8,
    /,
) -> None: ...
def linear_panels(weight: Real, bf16: int, words: UInt64, /) -> None: ...
def linear_prepack(weight: Real, bf16: int, panels: UInt32, /) -> None: ...
def linear_forward(
    x: Real,
    weight: Real,
    bias: Real | None,
    residual: Real | None,
    panels: UInt32 | None,
    bf16: int,
    y: Real,
    /,
) -> None: ...
def linear_backward(
    x: Real,
    weight: Real,
    dy: Real,
    bf16: int,
    dx: Real | None,
    dweight: Real | None,
    dbias: Real | None,
    /,
) -> None: ...
def layernorm_forward(
    x: Real,
    weight: Real,
    bias: Real,
    eps: float,
    y: Real,
    mean: Real,
    rstd: Real,
    /,
) -> None: ...
def layernorm_backward(
    x: Real,
    weight: Real,
    mean: Real,
    rstd: Real,
    dy: Real,
    dx: Real | None,
    dweight: Real | None,
    dbias: Real | None,
    /,
) -> None: ...
def gelu_forward(x: Real, y: Real, /) -> None: ...
def gelu_backward(x: Real, dy: Real, dx: Real, /) -> None: ...
def quick_gelu_forward(x: Real, y: Real, /) -> None: ...
def quick_gelu_backward(x: Real, dy: Real, dx: Real, /) -> None: ...
def gelu_tanh_forward(x: Real, y: Real, /) -> None: ...
def gelu_tanh_backward(x: Real, dy: Real, dx: Real, /) -> None: ...
def relu_forward(x: Real, y: Real, /) -> None: ...
def relu_backward(x: Real, dy: Real, dx: Real, /) -> None: ...
def attention_forward(
    qkv: Real,
    offsets: Int32,
    valid: UInt8 | None,
    causal: int,
    window: int,
    width: int,
    registers: int,
    y: Real,
    lse: Real,
    /,
) -> None: ...
def attention_backward(
    qkv: Real,
    offsets: Int32,
    valid: UInt8 | None,
    causal: int,
    window: int,
    width: int,
    registers: int,
    y: Real,
    lse: Real,
    dy: Real,
    dqkv: Real,
    /,
) -> None: ...
def attention_pool_forward(
    q: Real,
    kv: Real,
    valid: UInt8 | None,
    y: Real,
    lse: Real,
    /,
) -> None: ...
def attention_pool_backward(
    q: Real,
    kv: Real,
    valid: UInt8 | None,
    y: Real,
    lse: Real,
    dy: Real,
    dq: Real,
    dkv: Real,
    /,
) -> None: ...
def append_forward(x: Real, rows: Real, y: Real, /) -> None: ...
def append_backward(dy: Real, dx: Real | None, drows: Real | None, /) -> None: ...
def leading_forward(x: Real, y: Real, /) -> None: ...
def leading_backward(dy: Real, dx: Real, /) -> None: ...
def embed_forward(weight: Real, ids: Int32, y: Real, /) -> None: ...
def embed_backward(ids: Int32, dy: Real, dweight: Real, /) -> None: ...
def position_forward(x: Real, position: Real, y: Real, /) -> None: ...
def position_backward(dy: Real, dposition: Real, /) -> None: ...
def add(x: Real, y: Real, z: Real, /) -> None: ...
def accumulate(x: Real, y: Real, /) -> None: ...
def patchify_forward(images: Real, size: int, patches: Real, /) -> None: ...
def patchify_backward(dpatches: Real, size: int, dimages: Real, /) -> None: ...
def conv_forward(x: Real, weight: Real, bias: Real | None, stride: int, y: Real, /) -> None: ...
def conv_backward(
    x: Real,
    weight: Real,
    stride: int,
    dy: Real,
    dx: Real | None,
    dweight: Real | None,
    dbias: Real | None,
    /,
) -> None: ...
def conv_planar_forward(
    x: Real,
    weight: Real,
    bias: Real | None,
    stride: int,
    y: Real,
    /,
) -> None: ...
def conv_planar_backward(
    x: Real,
    weight: Real,
    stride: int,
    dy: Real,
    dx: Real | None,
    dweight: Real | None,
    dbias: Real | None,
    /,
) -> None: ...
def pool_forward(x: Real, valid: UInt8 | None, y: Real, /) -> None: ...
def pool_backward(valid: UInt8 | None, dy: Real, dx: Real, /) -> None: ...
def normalize(x: UInt8, mean: Real, std: Real, y: Real, /) -> None: ...
def resize(
    x: UInt8,
    left: int,
    top: int,
    width: int,
    height: int,
    bilinear: int,
    z: UInt8,
    /,
) -> None: ...
def count_before(
    scores: Float32,
    images: Real,
    texts: Real,
    image_inverse: Float64,
    text_inverse: Float64,
    image_target: Float32,
    text_target: Float32,
    image_right: Int64,
    text_right: Int64,
    first_image: int,
    first_text: int,
    error: float,
    image_before: Int64,
    image_equal: Int64,
    text_before: Int64,
    text_equal: Int64,
    /,
) -> None: ...
def dot_rows(x: Real, y: Real, z: Float64, /) -> None: ...
def adamw(
    lr: float,
    decay: float,
    beta1: float,
    beta2: float,
    eps: float,
    correction1: float,
    correction2: float,
    scale: float,
    grad: Real,
    weight: Real,
    m: Real,
    v: Real,
    sums: Float64,
    /,
) -> None: ...
def average(rate: float, weight: Real, average: Real, /) -> None: ...
def sum_of_squares(x: Real, sum: Float64, /) -> None: ...
def contrastive(
    image: Real,
    text: Real,
    extra: Real | None,
    group: Int64 | None,
    positive: int,
    logit_scale: float,
    weight: float,
    out: Float64,
    dimage: Real | None,
    dtext: Real | None,
    dextra: Real | None,
    /,
) -> None: ...
def sparse_similarity_forward(
    patches: Real,
    tokens: Real,
    patch_valid: UInt8 | None,
    text_valid: UInt8 | None,
    normalizer: int,
    cosine: int,
    uniform: int,
    sigma: float,
    softmax_scale: float,
    weights: Real,
    kept: Int64,
    /,
) -> None: ...
def sparse_similarity_backward(
    patches: Real,
    tokens: Real,
    patch_valid: UInt8 | None,
    text_valid: UInt8 | None,
    normalizer: int,
    cosine: int,
    uniform: int,
    sigma: float,
    softmax_scale: float,
    dweights: Real,
    dpatches: Real,
    dtokens: Real,
    dsoftmax_scale: Float64,
    /,
) -> None: ...
def group_patches_forward(
    weights: Real,
    patches: Real,
    patch_valid: UInt8 | None,
    grouped: Real,
    /,
) -> None: ...
def group_patches_backward(
    weights: Real,
    patches: Real,
    patch_valid: UInt8 | None,
    dgrouped: Real,
    dweights: Real,
    dpatches: Real,
    /,
) -> None: ...
def sparc(
    patches: Real | None,
    tokens: Real | None,
    image_global: Real | None,
    text_global: Real | None,
    extra_global: Real | None,
    patch_valid: UInt8 | None,
    text_valid: UInt8 | None,
    group: Int64 | None,
    positive: int,
    normalizer: int,
    cosine: int,
    uniform: int,
    sigma: float,
    softmax_scale: float,
    detach_weights: int,
    per_token: int,
    pool_all_text: int,
    patch_shift: int,
    rounded: int,
    logit_scale: float,
    local_logit_scale: float,
    global_weight: float,
    local_weight: float,
    patch_bits: UInt16 | None,
    token_bits: UInt16 | None,
    sums: Float64,
    weights: Real | None,
    dpatches: Real | None,
    dtokens: Real | None,
    dimage: Real | None,
    dtext: Real | None,
    dextra: Real | None,
    /,
) -> None: ...
def siglip(
    image: Real,
    text: Real,
    extra: Real | None,
    group: Int64 | None,
    positive: int,
    logit_scale: float,
    logit_bias: float,
    rows: int,
    columns: int,
    out: Float64,
    dimage: Real | None,
    dtext: Real | None,
    dextra: Real | None,
    /,
) -> None: ...
def pacl(
    patches: Real,
    text: Real,
    patch_valid: UInt8 | None,
    group: Int64 | None,
    positive: int,
    logit_scale: float,
    weight_scale: float,
    sigmoid: int,
    unit_pool: int,
    renormalize: int,
    rows: int,
    columns: int,
    out: Float64,
    dpatches: Real | None,
    dtext: Real | None,
    /,
) -> None: ...
def filip(
    patches: Real,
    tokens: Real,
    patch_query: UInt8 | None,
    patch_key: UInt8 | None,
    token_query: UInt8 | None,
    token_key: UInt8 | None,
    group: Int64 | None,
    positive: int,
    logit_scale: float,
    rows: int,
    columns: int,
    out: Float64,
    dpatches: Real | None,
    dtokens: Real | None,
    /,
) -> None: ...
def filip_select(
    patches: Real,
    tokens: Real,
    patch_valid: UInt8 | None,
    text_valid: UInt8 | None,
    patch_count: int,
    token_count: int,
    group: int,
    kept_patches: UInt8,
    kept_tokens: UInt8,
    /,
) -> None: ...
def gloria(
    patches: Real,
    tokens: Real,
    patch_valid: UInt8 | None,
    text_valid: UInt8 | None,
    group: Int64 | None,
    positive: int,
    attention_scale: float,
    pool_scale: float,
    logit_scale: float,
    words_first: int,
    mean: int,
    divide: int,
    weight: float,
    rows: int,
    columns: int,
    out: Float64,
    dpatches: Real | None,
    dtokens: Real | None,
    /,
) -> None: ...
def distinct_words(
    tokens: Real | None,
    word: Int64,
    order: Int64,
    start: Int64,
    token_bits: UInt16 | None,
    row: Int64,
    first: Int64,
    row_start: Int64,
    /,
) -> None: ...
def words(
    patches: Real | None,
    tokens: Real | None,
    patch_valid: UInt8 | None,
    word: Int64,
    lacks: UInt8,
    row: Int64,
    first: Int64,
    row_start: Int64,
    order: Int64,
    start: Int64,
    samples: int,
    set_rows: int,
    group: Int64 | None,
    positive: int,
    pool: int,
    pool_scale: float,
    logit_scale: float,
    weight: float,
    add: int,
    patch_bits: UInt16 | None,
    token_bits: UInt16 | None,
    rounded: int,
    out: Float64,
    dpatches: Real | None,
    dtokens: Real | None,
    /,
) -> None: ...
def mgca_tokens(
    patches: Real,
    tokens: Real,
    patch_valid: UInt8 | None,
    text_valid: UInt8 | None,
    word_inner: Real | None,
    word_out: Real | None,
    word_inner_bias: Real | None,
    word_out_bias: Real | None,
    patch_inner: Real | None,
    patch_out: Real | None,
    patch_inner_bias: Real | None,
    patch_out_bias: Real | None,
    heads: int,
    scale: float,
    weight: float,
    out: Float64,
    dpatches: Real | None,
    dtokens: Real | None,
    dword_inner: Real | None,
    dword_out: Real | None,
    dword_inner_bias: Real | None,
    dword_out_bias: Real | None,
    dpatch_inner: Real | None,
    dpatch_out: Real | None,
    dpatch_inner_bias: Real | None,
    dpatch_out_bias: Real | None,
    /,
) -> None: ...
def mgca_prototypes(
    image: Real,
    text: Real,
    prototypes: Real,
    scale: float,
    weight: float,
    out: Float64,
    image_targets: Real,
    text_targets: Real,
    dimage: Real | None,
    dtext: Real | None,
    dprototypes: Real | None,
    /,
) -> None: ...
