"""The pieces of the local loss, each with its backward: alignment weights, grouped patches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import check_axes, real_inputs, valid_mask
from csparc._like import gives_like
from csparc._repr import fields_line
from csparc._scalars import choice, number, signed_scale_number
from csparc.losses._grads import GradientBuffers

NORMALIZERS = ("minmax_sparse", "minmax", "softmax")
SIMILARITIES = ("dot", "cosine")
DEGENERATE = ("zero", "uniform")


@dataclass(frozen=True)
class AlignOptions:
    """Options of the alignment, checked, as the core takes them."""

    normalizer: str
    similarity: str
    sigma: float | None
    softmax_scale: float
    degenerate: str

    __repr__ = fields_line

    def for_core(self) -> tuple[int, int, int, float, float]:
        """(normalizer, cosine, uniform, sigma, softmax_scale); a negative sigma stands for 1/P."""
        return (
            choice(self.normalizer, "normalizer", NORMALIZERS),
            choice(self.similarity, "similarity", SIMILARITIES),
            choice(self.degenerate, "degenerate", DEGENERATE),
            -1.0 if self.sigma is None else number(self.sigma, "sigma", low=0, high=1),
            signed_scale_number(self.softmax_scale, "softmax_scale"),
        )


@gives_like
def sparse_similarity(
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    normalizer: str = "minmax_sparse",
    similarity: str = "dot",
    sigma: float | None = None,
    softmax_scale: float = 1.0,
    degenerate: str = "uniform",
) -> np.ndarray:
    """Alignment weights of every token over the patches (SPARC paper, equations 2 to 4).

    Similarities ``s = tokens . patches`` are mapped to [0, 1] by each token's smallest and largest,
    set to zero below ``sigma``, and divided by their sum.

    Parameters
    ----------
    patches : [B, P, D]
    tokens : [B, L, D]
    text_mask, patch_mask : [B, L], [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing, whatever it
        holds, NaN included.
    normalizer
        ``"minmax_sparse"`` as above; ``"minmax"`` without the threshold; ``"softmax"`` of
        ``softmax_scale * s`` over the patches.
    similarity
        ``"dot"`` of the raw vectors, as the paper; ``"cosine"`` of unit vectors.
    sigma
        Threshold in [0, 1], kept when equal; None: one over the number of valid patches.
    degenerate
        Weights of a token that all patches match equally well (range at most 1e-6 of the largest
        similarity): ``"uniform"`` 1/P each, ``"zero"`` none. No gradient flows through them.

    Returns
    -------
    weights : [B, L, P]
        Each valid token's row sums to 1 over the valid patches; 0 elsewhere. float64 if an input
        is, else float32.

    Notes
    -----
    2 L P D floating-point operations a sample, of valid rows only.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), softmax_scale from -1e6 to 1e6 and sigma from 0 to 1; a
    number beyond is a ValueError.
    """
    options = AlignOptions(normalizer, similarity, sigma, softmax_scale, degenerate).for_core()
    arrays = real_inputs(patches=patches, tokens=tokens).arrays
    sizes, masks = _check_pair(arrays, text_mask, patch_mask)
    weights = np.empty((sizes["B"], sizes["L"], sizes["P"]), arrays["patches"].dtype)
    kept = np.empty(sizes["B"], np.int64)
    _core.sparse_similarity_forward(*arrays.values(), *masks, *options, weights, kept)
    return weights


@gives_like
def sparse_similarity_backward(
    dweights: ArrayLike,
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    normalizer: str = "minmax_sparse",
    similarity: str = "dot",
    sigma: float | None = None,
    softmax_scale: float = 1.0,
    degenerate: str = "uniform",
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Gradients of ``patches`` and ``tokens`` from that of the weights [B, L, P].

    Other arguments as :func:`sparse_similarity`; the weights are formed again. ``out_grads``:
    arrays to write to, by name. With ``normalizer="softmax"`` the result also holds
    ``softmax_scale``. 6 L P D operations a sample.
    """
    options = AlignOptions(normalizer, similarity, sigma, softmax_scale, degenerate).for_core()
    inputs = real_inputs(patches=patches, tokens=tokens, dweights=dweights)
    arrays = inputs.arrays
    sizes, masks = _check_pair(arrays, text_mask, patch_mask)
    buffers = GradientBuffers(inputs, ["patches", "tokens"], out_grads)
    dsoftmax_scale = np.zeros(sizes["B"])
    _core.sparse_similarity_backward(
        arrays["patches"], arrays["tokens"], *masks, *options, arrays["dweights"],
        buffers["patches"], buffers["tokens"], dsoftmax_scale,
    )  # fmt: skip
    scale = {"softmax_scale": math.fsum(dsoftmax_scale)} if normalizer == "softmax" else {}
    return buffers.finished(**scale)


def _check_pair(
    arrays: dict[str, np.ndarray], text_mask: ArrayLike | None, patch_mask: ArrayLike | None
) -> tuple[dict[str, int], tuple[np.ndarray | None, np.ndarray | None]]:
    """Sizes by letter, and the masks in the core's order."""
    sizes = check_axes(arrays, {"patches": "BPD", "tokens": "BLD", "dweights": "BLP"})
    return sizes, (
        valid_mask(patch_mask, "patch_mask", sizes["B"], sizes["P"]),
        valid_mask(text_mask, "text_mask", sizes["B"], sizes["L"]),
    )


@gives_like
def group_patches(
    weights: ArrayLike, patches: ArrayLike, *, patch_mask: ArrayLike | None = None
) -> np.ndarray:
    """Language-grouped vision embeddings: weighted sums of patches (SPARC paper, equation 5).

    ``weights`` [B, L, P], ``patches`` [B, P, D] -> [B, L, D]. Patches that are not valid
    (``patch_mask`` as in :func:`sparse_similarity`) are left out, whatever they or their weights
    hold. 2 L P D operations a sample.
    """
    arrays = real_inputs(weights=weights, patches=patches).arrays
    sizes = check_axes(arrays, {"weights": "BLP", "patches": "BPD"})
    mask = valid_mask(patch_mask, "patch_mask", sizes["B"], sizes["P"])
    grouped = np.empty((sizes["B"], sizes["L"], sizes["D"]), arrays["patches"].dtype)
    _core.group_patches_forward(*arrays.values(), mask, grouped)
    return grouped


@gives_like
def group_patches_backward(
    dgrouped: ArrayLike,
    weights: ArrayLike,
    patches: ArrayLike,
    *,
    patch_mask: ArrayLike | None = None,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Gradients of ``weights`` and ``patches`` from that of the grouped vectors [B, L, D]."""
    inputs = real_inputs(weights=weights, patches=patches, dgrouped=dgrouped)
    arrays = inputs.arrays
    sizes = check_axes(arrays, {"weights": "BLP", "patches": "BPD", "dgrouped": "BLD"})
    mask = valid_mask(patch_mask, "patch_mask", sizes["B"], sizes["P"])
    buffers = GradientBuffers(inputs, ["weights", "patches"], out_grads)
    _core.group_patches_backward(
        arrays["weights"], arrays["patches"], mask, arrays["dgrouped"],
        buffers["weights"], buffers["patches"],
    )  # fmt: skip
    return buffers.finished()
