"""Arithmetic of the losses by formula: as the core computes them, and as the paper's setting does.

Letters: B pairs, P patches, L tokens, D shared width, H width of MGCA's attention, K prototypes.
A multiplication and an addition are 2 FLOP; matrix products alone are counted, all rows valid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What the cost of a loss depends on."""

    B: int
    P: int
    L: int
    D: int
    H: int = 128
    K: int = 500
    keep: float = 0.2
    drop_group: int = 64

    @property
    def kept_patches(self) -> int:
        return max(1, math.ceil(self.keep * self.P - 1e-9))

    @property
    def kept_tokens(self) -> int:
        return max(1, math.ceil(self.keep * self.L - 1e-9))


# Value and gradients as csparc/loss computes them (each header states its part). -----------------


def clip_flop(s: Sizes) -> int:
    """Scores, again for the gradient, and a product for each side: csparc/loss/clip/infonce.h."""
    return 8 * s.B**2 * s.D


def siglip_flop(s: Sizes) -> int:
    """One pass: scores and a product for each side: csparc/loss/clip/siglip.h."""
    return 6 * s.B**2 * s.D


def sparc_flop(s: Sizes) -> int:
    """Within a pair: similarities, groups, scores, thrice: csparc/loss/sparc/local_loss.h."""
    return clip_flop(s) + s.B * (12 * s.L * s.P * s.D + 6 * s.L**2 * s.D)


def filip_flop(s: Sizes) -> int:
    """All queries with kept keys, both ways (csparc/loss/filip/max_similarity.h), and which keys
    to keep (csparc/loss/filip/filip.h). Gradients of winners, 4 B² D (P + L), are additions of
    rows, not products, and not counted."""
    whole, rest = divmod(s.B, s.drop_group)
    within_groups = whole * s.drop_group**2 + rest**2
    kept = s.P * s.kept_tokens + s.L * s.kept_patches
    return 2 * s.D * (s.B**2 * kept + within_groups * s.P * s.L)


def clip_filip_flop(s: Sizes) -> int:
    return clip_flop(s) + filip_flop(s)


def pacl_flop(s: Sizes) -> int:
    """In terms of the images' Gram matrices: csparc/loss/gram/pacl.h."""
    return s.B**2 * (8 * s.P * s.D + 4 * s.P**2 + 2 * _half_gram(s.P)) + _gram_flop(s)


def gloria_flop(s: Sizes) -> int:
    """The same for every word: csparc/loss/gram/gloria.h."""
    words = 8 * s.P * s.D + 4 * s.P**2 + 2 * _half_gram(s.P)
    return clip_flop(s) + s.B**2 * s.L * words + _gram_flop(s)


def _half_gram(P: int) -> int:
    """Entries of a symmetric matrix that are formed: from the diagonal down, 32 columns at a time
    (csparc/loss/gram/packed_images.h)."""
    whole = -(-P // 8) * 8
    return sum((P - start) * min(32, whole - start) for start in range(0, P, 32))


def _gram_flop(s: Sizes) -> int:
    """Gram matrices on both passes, and the product with their gradient."""
    return s.B * s.D * (4 * _half_gram(s.P) + 2 * s.P**2)


def mgca_flop(s: Sizes) -> int:
    """Two cross-attentions within a pair (csparc/loss/mgca/cross_attention.h) and the prototypes
    (csparc/loss/mgca/prototypes.h)."""
    both = s.L + s.P
    tokens = 8 * both * s.D * s.H + 8 * s.L * s.P * s.H + 2 * (s.L**2 + s.P**2) * s.D
    return clip_flop(s) + 3 * s.B * tokens + 12 * s.B * s.K * s.D


LOSS_FLOP: dict[str, Callable[[Sizes], int]] = {
    "sparc": sparc_flop,
    "clip": clip_flop,
    "siglip": siglip_flop,
    "pacl": pacl_flop,
    "filip": filip_flop,
    "clip+filip": clip_filip_flop,
    "gloria": gloria_flop,
    "mgca": mgca_flop,
}
"""Name of a loss -> FLOP of one call with gradients."""
