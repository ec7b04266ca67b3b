"""How a loss states its cost: the sizes it depends on, and the stages of a call.

A multiplication and an addition are 2 FLOP; matrix products alone are counted, all rows valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from csparc._repr import fields_line


@dataclass(frozen=True)
class Sizes:
    """B pairs, P patches of an image, L tokens of a caption, D the shared width; N captions without
    a picture."""

    B: int
    P: int
    L: int
    D: int
    N: int = 0

    __repr__ = fields_line


@dataclass(frozen=True)
class Stage:
    """A step of one call with gradients: an op of the core, and the NumPy arrays held meanwhile."""

    op: str | None
    """Its name in ``csparc/py/ops.def``; None where NumPy alone works."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Of the op, those beside B, P, L, D that its scratch depends on."""
    arrays: int = 0
    """Bytes held by the loss while it runs, inputs and gradients left out."""

    __repr__ = fields_line


def contrast_flop(s: Sizes) -> int:
    """Symmetric InfoNCE of global vectors, value and gradients: scores, again for the gradient, and
    a product for each side (csparc/loss/clip/infonce.h)."""
    return 8 * s.B * (s.B + s.N) * s.D


def forward_contrast_flop(s: Sizes, own: float) -> float:
    """Its forward pass for ``own`` of the pairs, as `Loss.forward_flop` counts."""
    return own * 4 * s.B * s.D + own * 2 * s.N * s.D


def half_gram(P: int) -> int:
    """Entries formed of a symmetric [P, P] matrix: from the diagonal down, 32 columns at a time
    (csparc/loss/gram/packed_images.h)."""
    whole = -(-P // 8) * 8
    return sum((P - start) * min(32, whole - start) for start in range(0, P, 32))


def through_gram_flop(P: int, D: int) -> int:
    """Of one caption (or word) with the P patches of one image, value and gradients, once the Gram
    matrix of the patches is there."""
    return 8 * P * D + 4 * P**2 + 2 * half_gram(P)


def gram_flop(s: Sizes) -> int:
    """Gram matrices of all images on both passes, and the product with their gradient."""
    return s.B * s.D * (4 * half_gram(s.P) + 2 * s.P**2)
