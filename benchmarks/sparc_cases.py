"""The cases of bench_sparc: shapes, lengths, what is compared with what, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

SCALE = 1 / 0.07


@dataclass(frozen=True)
class Shape:
    """Sizes of one batch; ``captions``: lengths as of COCO captions, padded to L; ``holes``: share
    of the patches that the mask leaves out, here and there; ``given``: with global vectors, as a
    model gives them, where they are means of the rows otherwise."""

    B: int = 256
    P: int = 196
    L: int = 55
    D: int = 512
    captions: bool = False
    holes: float = 0.0
    given: bool = False
    bfloat16: bool = False
    """Whether sparc_loss gets the arrays in bfloat16."""

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """patches, tokens, mask of valid tokens."""
        rng = np.random.default_rng(0)
        patches = rng.standard_normal((self.B, self.P, self.D), dtype=np.float32)
        tokens = rng.standard_normal((self.B, self.L, self.D), dtype=np.float32)
        lengths = np.full(self.B, self.L)
        if self.captions:
            spread = np.exp(0.22 * rng.standard_normal(self.B))
            lengths = np.clip(np.round(13 * spread), 7, self.L).astype(int)
            lengths[0] = self.L
        return patches, tokens, np.arange(self.L) < lengths[:, None]

    def global_vectors(self) -> dict[str, np.ndarray]:
        """By argument name; empty where they are not given."""
        rng = np.random.default_rng(2)
        names = ("image_global", "text_global") if self.given else ()
        return {n: rng.standard_normal((self.B, self.D), dtype=np.float32) for n in names}

    def patch_mask(self) -> np.ndarray | None:
        """Valid patches [B, P]; None: all of them."""
        if self.holes == 0:
            return None
        return np.random.default_rng(1).random((self.B, self.P)) >= self.holes

    def flop(self, mask: np.ndarray, gradients: bool = True) -> float:
        """Of the local part over what is valid, 4 L P D + 2 L L D a sample, thrice with gradients.

        The global part is timed and not counted.
        """
        lengths = mask.sum(axis=1).astype(float)
        holes = self.patch_mask()
        patches = float(self.P) if holes is None else holes.sum(axis=1)
        local = float(np.sum(4 * lengths * patches * self.D + 2 * lengths**2 * self.D))
        return local * (3 if gradients else 1)


@dataclass(frozen=True)
class Case:
    """``shapes`` by entry; with ``peers`` the first one is also given to torch and jax."""

    goal: str
    shapes: dict[str, Shape] = field(default_factory=lambda: {"csparc": Shape()})
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further arguments of sparc_loss by entry."""
    peers: bool = False
    gradients: bool = True
    isa: str | None = None
    repeats: int = 9
    calls: int = 1
    kind: str = "rate"
    """"rate"; "scaling": one thread against all; "fixed": cost of a call; "memory"; "bfloat16"."""


def neighbours(letter: str, isa: str | None = None) -> Case:
    """Sizes of one letter, those one above a tile beside those that fill it."""
    sizes = SIZES[letter]
    shapes = {f"{letter} {size}": Shape(**{"B": 16, letter: size}, given=True) for size in sizes}
    aim = "70 % of the peak; one above a tile within 15 % of its neighbour per FLOP"
    return Case(aim, shapes, isa=isa)


SIZES = {
    "P": (49, 50, 256, 257, 576, 577),
    "D": (64, 65, 256, 257, 768, 769),
    "L": (8, 9, 16, 17, 77, 78, 256, 257),
}
FULL, SMALL = Shape(), Shape(8, 49, 12, 64)
TINY = Shape(1, 1, 1, 1)
VARIANTS: dict[str, dict[str, Any]] = {
    "minmax_sparse": {},
    "minmax": {"normalizer": "minmax"},
    "softmax": {"normalizer": "softmax"},
    "cosine": {"similarity": "cosine"},
    "holes": {},
    "return_weights": {"return_weights": True},
    "detach_weights": {"detach_weights": True},
}

CASES: dict[str, Case] = {
    "full": Case(
        "85 % of the peak; 3.5 x torch eager, 2.5 x torch compiled, 4 x jax", peers=True
    ),
    "captions": Case(
        "8 x torch compiled on the padded batch", {"csparc": Shape(captions=True)}, peers=True
    ),
    "value": Case("the loss alone", peers=True, gradients=False, repeats=5),
    "small": Case(
        "whole call against peers", {"csparc": SMALL}, peers=True, repeats=10, calls=50
    ),
    "given": Case("85 % of the peak, global vectors given", {"csparc": Shape(given=True)}),
    "given-avx2": Case(
        "78 % of this machine's peak of AVX2", {"csparc": Shape(given=True)}, isa="avx2"
    ),
    "full-avx2": Case("78 % of this machine's peak of AVX2", isa="avx2"),
    "full-portable": Case("correct, not fast", {"csparc": Shape(B=32)}, isa="portable", repeats=5),
    "scaling": Case("1.9 x from one thread to two", kind="scaling"),
    "patches": neighbours("P"),
    "width": neighbours("D"),
    "tokens": neighbours("L"),
    "patches-avx2": neighbours("P", "avx2"),
    "width-avx2": neighbours("D", "avx2"),
    "tokens-avx2": neighbours("L", "avx2"),
    "variants": Case(
        "each 70 % of the plain one's rate",
        {name: Shape(B=64, holes=0.1 if name == "holes" else 0.0) for name in VARIANTS},
        VARIANTS,
    ),
    "bf16": Case(
        "1.5 x the same in float32; the peak is that of bfloat16 products",
        {
            "bf16 of bf16 arrays": Shape(bfloat16=True),
            "bf16 of wide arrays": FULL,
            "fp32 of bf16 arrays": Shape(bfloat16=True),
            "float32": FULL,
        },
        {name: {"precision": "bf16"} for name in ("bf16 of bf16 arrays", "bf16 of wide arrays")},
        kind="bfloat16",
    ),
    "fixed": Case(
        "under 20 us above the arithmetic, Python included",
        {"B 8": SMALL, "B 16": Shape(16, 49, 12, 64), "all sizes 1": TINY},
        repeats=30,
        calls=50,
        kind="fixed",
    ),
    "memory": Case(
        "under 2 MB a thread, none that grows with B x P x L",
        {"B 64": Shape(B=64, given=True), "B 256": Shape(given=True)},
        repeats=1,
        kind="memory",
    ),
}  # fmt: skip
