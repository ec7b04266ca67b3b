"""One case per op pair: how to call it, what it should give, what to differentiate.

To add an op, add a class here. test_ops.py runs every case; test_registry.py names any op without
one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from csparc import _core

Arrays = dict[str, np.ndarray]


@dataclass
class OpCase:
    """A call of X_forward and X_backward on inputs drawn by ``draw``.

    ``forward`` returns (outputs, kept); ``backward`` takes the gradients of the outputs and returns
    those of the inputs it is differentiable in; ``reference`` gives the outputs in plain NumPy.
    ``parameters`` names the inputs whose gradients accumulate.
    """

    op: str = ""
    label: str = ""
    parameters: tuple[str, ...] = field(default=())

    def draw(self, rng: np.random.Generator) -> Arrays:
        raise NotImplementedError

    def forward(self, x: Arrays) -> tuple[Arrays, Arrays]:
        raise NotImplementedError

    def backward(self, x: Arrays, kept: Arrays, d: Arrays, into: Arrays) -> Arrays:
        """Gradients by input name. ``into`` holds the buffers of parameter gradients."""
        raise NotImplementedError

    def reference(self, x: Arrays) -> Arrays:
        raise NotImplementedError


@dataclass
class L2Norm(OpCase):
    rows: int = 5
    width: int = 17
    op: str = "l2norm"

    def draw(self, rng):
        return {"x": rng.normal(size=(self.rows, self.width))}

    def forward(self, x):
        y, norm = np.empty_like(x["x"]), np.empty(self.rows, x["x"].dtype)
        _core.l2norm_forward(x["x"], y, norm)
        return {"y": y}, {"y": y, "norm": norm}

    def backward(self, x, kept, d, into):
        dx = np.empty_like(x["x"])
        _core.l2norm_backward(kept["y"], kept["norm"], d["y"], dx)
        return {"x": dx}

    def reference(self, x):
        return {"y": x["x"] / np.linalg.norm(x["x"], axis=1, keepdims=True)}


CASES: list[OpCase] = [
    *(
        L2Norm(label=f"{rows}x{width}", rows=rows, width=width)
        for rows, width in [(1, 1), (5, 17), (3, 64), (2, 513)]
    ),
]

# Ops that are one function without a gradient, and the file that tests them.
PLAIN = {
    "gemm": "test_gemm.py",
    "rng_bits": "test_rng.py",
    "scene_draw": "test_scene_core.py",
    "scene_render": "test_scene_core.py",
}
