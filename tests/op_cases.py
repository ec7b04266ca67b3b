"""One case per op pair.

To add an op, add a class here or in the file of its kind. test_ops.py runs every case;
test_registry.py names any op without one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from layer_cases import LAYER_CASES
from loss_cases import LOSS_CASES
from op_case import OpCase

from csparc import _core


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
    *LAYER_CASES,
    *LOSS_CASES,
    *(
        L2Norm(label=f"{rows}x{width}", rows=rows, width=width)
        for rows, width in [(1, 1), (5, 17), (3, 64), (2, 513)]
    ),
]

# Ops that are one function without a gradient, and the file that tests them.
PLAIN = {
    "contrastive": "test_contrastive.py",
    "sparc": "test_sparc.py",
    "filip": "test_filip.py",
    "filip_select": "test_filip.py",
    "gloria": "test_gloria.py",
    "mgca_prototypes": "test_mgca.py",
    "mgca_tokens": "test_mgca.py",
    "pacl": "test_pacl.py",
    "siglip": "test_siglip.py",
    "normalize": "test_transforms.py",
    "resize": "test_transforms.py",
    "gemm": "test_gemm.py",
    "product": "test_tiles.py",
    "product_two_terms": "test_tiles.py",
    "transpose": "test_tiles.py",
    "fma_peak": "test_tiles.py",
    "bf16_product": "test_pairs.py",
    "bf16_product_two_terms": "test_pairs.py",
    "bf16_of_floats": "test_pairs.py",
    "bf16_of_bits": "test_pairs.py",
    "floats_of_bf16": "test_pairs.py",
    "bf16_add": "test_pairs.py",
    "bf16_transpose": "test_pairs.py",
    "bf16_peak": "test_pairs.py",
    "rng_bits": "test_rng.py",
    "scene_draw": "test_scene_core.py",
    "scene_render": "test_scene_core.py",
    "add": "test_layers.py",
    "accumulate": "test_layers.py",
    "adamw": "test_optim.py",
    "sum_of_squares": "test_optim.py",
}
