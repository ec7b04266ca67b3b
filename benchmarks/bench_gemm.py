"""The products of a linear layer, against other ways to compute them.

    python benchmarks/bench_gemm.py --case mlp

Forward (x W'), the gradients of its input (dy W) and of its weight (dy' x), float32, as fractions
of the FMA peak, and how much faster they are with operands rounded to bfloat16. Beside them dy W by
BLIS on slices of the result, and by the tiles that read the weight in place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core

REPEATS = 12
CASES = {
    "mlp": (784, 768, 3072),
    "mlp-out": (784, 3072, 768),
    "qkv": (784, 768, 2304),
    "projection": (784, 768, 768),
    "text": (880, 512, 2048),
    "few-rows": (128, 512, 2048),
    "one-image": (49, 768, 3072),
    "tiny": (4096, 192, 768),
}
"""Rows, inputs, outputs: of ViT-B/32 with 16 pictures and its text tower, of few rows, of tiny."""


def products(n: int, inputs: int, outputs: int) -> dict[str, Callable[[], None]]:
    rng = np.random.default_rng(0)
    shapes = ((n, inputs), (outputs, inputs), (n, outputs), (n, outputs), (n, inputs))
    x, weight, dy, y, dx = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    dweight, none = np.zeros_like(weight), None
    entries: dict[str, Callable[[], None]] = {}
    for name, rounded in (("", False), (", bf16", True)):
        entries[f"forward{name}"] = lambda r=rounded: _core.linear_forward(
            x, weight, none, none, none, r, y
        )
        entries[f"input gradient{name}"] = lambda r=rounded: _core.linear_backward(
            x, weight, dy, r, dx, none, none
        )
        entries[f"weight gradient{name}"] = lambda r=rounded: _core.linear_backward(
            x, weight, dy, r, none, dweight, none
        )
    entries["input gradient by BLIS"] = lambda: _core.gemm(dy, weight, dx)
    entries["input gradient by tiles in place, one thread"] = lambda: _core.product(
        dy, weight, none, none, 0, dx
    )
    return entries


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    entries = products(*CASES[case])
    flop = 2.0 * np.prod(np.array(CASES[case], float))
    result = interleave(entries, dict.fromkeys(entries, flop), REPEATS, limits)
    for name in [name for name in result.seconds if name.endswith(", bf16")]:
        exact = name.removesuffix(", bf16")
        result.figures[f"{name}, times as fast"] = result.best(exact) / result.best(name)
        del result.seconds[name], result.work[name]  # the peak is that of float32
    result.compared = False
    result.notes["isa"] = _core.config()["isa"]
    result.notes["bfloat16"] = _core.config()["bfloat16"]
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
