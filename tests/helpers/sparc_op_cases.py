"""Op cases of the pieces of the local loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from op_case import OpCase

from csparc import _core, reference

NORMALIZERS = ("minmax_sparse", "minmax", "softmax")
FAR_FROM_A_CHOICE = 0.02


@dataclass
class SparseSimilarity(OpCase):
    normalizer: str = "minmax_sparse"
    similarity: str = "dot"
    op: str = "sparse_similarity"

    def draw(self, rng):
        """Inputs whose threshold and minimum no step of a difference quotient can flip."""
        while True:
            x = {"patches": rng.normal(size=(2, 6, 5)), "tokens": rng.normal(size=(2, 3, 5))}
            x["text_valid"] = np.array([[1, 0, 1], [1, 1, 0]], np.uint8)
            x["patch_valid"] = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1]], np.uint8)
            margin = reference.sparc_loss(
                x["patches"],
                x["tokens"],
                text_mask=x["text_valid"],
                patch_mask=x["patch_valid"],
                normalizer=self.normalizer,
                similarity=self.similarity,
                sigma=0.4,
            ).margin
            if margin > FAR_FROM_A_CHOICE:
                return x

    def call(self, x):
        return (
            x["patches"],
            x["tokens"],
            x["patch_valid"],
            x["text_valid"],
            NORMALIZERS.index(self.normalizer),
            self.similarity == "cosine",
            1,
            0.4,
            0.7,
        )

    def forward(self, x):
        weights = np.empty((2, 3, 6), x["patches"].dtype)
        _core.sparse_similarity_forward(*self.call(x), weights, np.empty(2, np.int64))
        return {"weights": weights}, {}

    def backward(self, x, kept, d, into):
        dpatches, dtokens = np.empty_like(x["patches"]), np.empty_like(x["tokens"])
        _core.sparse_similarity_backward(
            *self.call(x), d["weights"], dpatches, dtokens, np.empty(2)
        )
        return {"patches": dpatches, "tokens": dtokens}

    def reference(self, x):
        weights, _ = reference.sparse_similarity(
            x["patches"],
            x["tokens"],
            text_mask=x["text_valid"],
            patch_mask=x["patch_valid"],
            normalizer=self.normalizer,
            similarity=self.similarity,
            sigma=0.4,
            softmax_scale=0.7,
        )
        return {"weights": weights}


@dataclass
class GroupPatches(OpCase):
    op: str = "group_patches"

    def draw(self, rng):
        return {
            "weights": rng.normal(size=(2, 3, 6)),
            "patches": rng.normal(size=(2, 6, 5)),
            "patch_valid": np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1]], np.uint8),
        }

    def forward(self, x):
        grouped = np.empty((2, 3, 5), x["patches"].dtype)
        _core.group_patches_forward(x["weights"], x["patches"], x["patch_valid"], grouped)
        return {"grouped": grouped}, {}

    def backward(self, x, kept, d, into):
        dweights, dpatches = np.empty_like(x["weights"]), np.empty_like(x["patches"])
        _core.group_patches_backward(
            x["weights"], x["patches"], x["patch_valid"], d["grouped"], dweights, dpatches
        )
        return {"weights": dweights, "patches": dpatches}

    def reference(self, x):
        return {"grouped": (x["weights"] * x["patch_valid"][:, None]) @ x["patches"]}


LOSS_CASES: list[OpCase] = [
    *(
        SparseSimilarity(label=f"{normalizer}-{similarity}", normalizer=normalizer,
                         similarity=similarity)
        for normalizer in NORMALIZERS
        for similarity in ("dot", "cosine")
    ),
    GroupPatches(label="masked"),
]  # fmt: skip
