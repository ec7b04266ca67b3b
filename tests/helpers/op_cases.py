"""One case per op pair.

To add an op, add a class here or in the file of its kind. test_ops.py runs every case;
test_registry.py names any op without one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from grid_cases import GRID_CASES
from layer_cases import LAYER_CASES
from op_case import OpCase
from sparc_op_cases import LOSS_CASES

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
    *GRID_CASES,
    *LOSS_CASES,
    *(
        L2Norm(label=f"{rows}x{width}", rows=rows, width=width)
        for rows, width in [(1, 1), (5, 17), (3, 64), (2, 513)]
    ),
]

# Ops that are one function without a gradient, and the file that tests them: by a call of the op
# itself, or of what stands for it below.
PLAIN = {
    "contrastive": "losses/test_clip.py",
    "sparc": "losses/test_sparc.py",
    "filip": "losses/test_filip.py",
    "filip_select": "losses/test_filip.py",
    "gloria": "losses/test_gloria.py",
    "mgca_prototypes": "losses/test_mgca.py",
    "mgca_tokens": "losses/test_mgca.py",
    "pacl": "losses/test_pacl.py",
    "distinct_words": "losses/test_word_contrast.py",
    "words": "losses/test_word_contrast.py",
    "siglip": "losses/test_siglip.py",
    "normalize": "data/test_transforms.py",
    "resize": "data/test_resize.py",
    "gemm": "core/test_gemm.py",
    "product": "core/test_tiles.py",
    "product_two_terms": "core/test_tiles.py",
    "transpose": "core/test_tiles.py",
    "fma_peak": "core/test_tiles.py",
    "linear_panels": "core/test_prepack.py",
    "linear_prepack": "core/test_prepack.py",
    "bf16_product": "core/test_bf16_product.py",
    "bf16_product_two_terms": "core/test_bf16_product.py",
    "bf16_of_floats": "core/test_bf16_product.py",
    "bf16_of_bits": "core/test_bf16_product.py",
    "floats_of_bf16": "core/test_bf16_product.py",
    "bf16_add": "core/test_bf16_product.py",
    "bf16_transpose": "core/test_bf16_product.py",
    "bf16_peak": "core/test_bf16_product.py",
    "rng_bits": "core/test_rng.py",
    "scene_draw": "data/test_scene_core.py",
    "scene_render": "data/test_scene_core.py",
    "add": "core/test_layers.py",
    "accumulate": "core/test_layers.py",
    "adamw": "core/test_optim.py",
    "average": "core/test_optim.py",
    "sum_of_squares": "core/test_optim.py",
    "count_before": "core/test_before.py",
    "dot_rows": "core/test_before.py",
}
THROUGH = {
    "contrastive": "csparc.clip_loss",
    "sparc": "csparc.sparc_loss",
    "filip": "csparc.filip_loss",
    "filip_select": "csparc.filip_loss",
    "gloria": "csparc.gloria_loss",
    "mgca_prototypes": "csparc.mgca_loss",
    "mgca_tokens": "csparc.mgca_loss",
    "pacl": "csparc.pacl_loss",
    "distinct_words": "distinct_rows",
    "words": "csparc.word_contrast_loss",
    "siglip": "csparc.siglip_loss",
    "resize": "transforms.resize",
    "adamw": "optim.AdamW",
    "sum_of_squares": "optim.global_norm",
}
