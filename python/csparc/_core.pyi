"""The C core. Arrays are C-contiguous, aligned, native; all real arrays of a call share float32 or
float64. Outputs are written in place. Equations are in the headers under csparc/."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[Any]

OPS: dict[str, str]

def set_num_threads(count: int, /) -> None: ...
def get_num_threads() -> int: ...
def config() -> dict[str, Any]: ...
def gemm(a: Real, b: Real, c: Real, /) -> None: ...
def l2norm_forward(x: Real, y: Real, norm: Real, /) -> None: ...
def l2norm_backward(y: Real, norm: Real, dy: Real, dx: Real, /) -> None: ...
def rng_bits(seed: int, stream: int, block: int, out: NDArray[np.uint64], /) -> None: ...
def scene_draw(
    seed: int,
    stream: int,
    index: NDArray[np.int64],
    rules: NDArray[np.int32],
    pairs: NDArray[np.uint8],
    objects: NDArray[np.int32],
    background: NDArray[np.uint8],
    /,
) -> None: ...
def scene_render(
    palette: NDArray[np.uint8],
    objects: NDArray[np.int32],
    background: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    instance: NDArray[np.uint8],
    /,
) -> None: ...
