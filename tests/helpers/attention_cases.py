"""Cases of self-attention: lengths, masks, causal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from op_case import OpCase

from csparc import _core


@dataclass
class Attention(OpCase):
    """Sequences of ``lengths`` rows; ``valid``: leading keys seen in each; ``holes`` drops some.

    With a ``window`` a sequence is rows of a grid ``width`` wide, and then ``registers``.
    """

    lengths: tuple[int, ...] = (5, 5)
    heads: int = 2
    head_width: int = 3
    valid: tuple[int, ...] | None = None
    holes: bool = False
    causal: bool = False
    window: int = 0
    width: int = 0
    registers: int = 0
    op: str = "attention"

    def draw(self, rng):
        width = self.heads * self.head_width
        return {"qkv": rng.normal(size=(sum(self.lengths), 3, width))}

    def offsets(self) -> np.ndarray:
        return np.cumsum([0, *self.lengths]).astype(np.int32)

    def mask(self) -> np.ndarray | None:
        if self.valid is None:
            return None
        rows = [np.arange(n) < seen for n, seen in zip(self.lengths, self.valid, strict=True)]
        for row in rows:
            row[::3] &= not self.holes
        return np.concatenate(rows)

    def options(self) -> tuple:
        mask = self.mask()
        seen = None if mask is None else mask.view(np.uint8)
        return seen, self.causal, self.window, self.width, self.registers

    def forward(self, x):
        rows = len(x["qkv"])
        y = np.empty((rows, self.heads, self.head_width), x["qkv"].dtype)
        lse = np.empty((self.heads, rows), y.dtype)
        _core.attention_forward(x["qkv"], self.offsets(), *self.options(), y, lse)
        return {"y": y}, {"y": y, "lse": lse}

    def backward(self, x, kept, d, into):
        dqkv = np.full_like(x["qkv"], np.nan)
        _core.attention_backward(
            x["qkv"], self.offsets(), *self.options(), kept["y"], kept["lse"], d["y"], dqkv
        )
        return {"qkv": dqkv}

    def near(self) -> np.ndarray:
        """Which rows of one sequence see which, by a loop over pairs."""
        rows, patches = self.lengths[0], self.lengths[0] - self.registers
        near = np.ones((rows, rows), bool)
        for t in range(patches):
            for s in range(patches):
                (ty, tx), (sy, sx) = divmod(t, self.width), divmod(s, self.width)
                near[t, s] = max(abs(ty - sy), abs(tx - sx)) <= self.window // 2
        return near

    def reference(self, x):
        rows = len(x["qkv"])
        q, k, v = (x["qkv"][:, i].reshape(rows, self.heads, self.head_width) for i in range(3))
        scores = np.einsum("thd,shd->hts", q, k) / math.sqrt(self.head_width)
        sequence = np.repeat(np.arange(len(self.lengths)), self.lengths)
        seen = sequence[:, None] == sequence
        if self.valid is not None:
            seen &= self.mask()
        if self.causal:
            seen &= np.tril(np.ones((rows, rows), bool))
        if self.window:
            seen &= np.tile(self.near(), (len(self.lengths),) * 2)
        weights = np.where(seen, np.exp(scores - scores.max(-1, keepdims=True)), 0.0)
        sums = weights.sum(-1, keepdims=True)
        weights = weights / np.where(sums == 0, 1.0, sums)
        return {"y": np.einsum("hts,shd->thd", weights, v)}


ATTENTION_CASES: list[OpCase] = [
    Attention(label="one", lengths=(1,), heads=1, head_width=1),
    Attention(label="plain"),
    Attention(label="long", lengths=(133, 64), head_width=16),
    Attention(label="ragged", lengths=(3, 0, 17, 1)),
    Attention(label="causal", lengths=(70, 9), head_width=5, causal=True),
    Attention(label="padded", lengths=(20, 20), valid=(20, 7)),
    Attention(label="empty", valid=(0, 3)),
    Attention(label="holes", lengths=(9, 9), valid=(9, 5), holes=True),
    Attention(label="window", lengths=(15, 15), window=3, width=5),
    Attention(label="window-registers", lengths=(38, 38), window=5, width=6, registers=2),
    Attention(label="window-many-registers", lengths=(74, 74), window=3, width=2, registers=70),
    Attention(label="window-wide", lengths=(141,), window=3, width=70, registers=1),
    Attention(label="window-line", lengths=(40, 40), window=7, width=1),
    Attention(label="window-of-all", lengths=(10, 10), window=99, width=3, registers=1),
    Attention(label="window-of-one", lengths=(6, 6), window=1, width=3),
    Attention(label="causal-holes", lengths=(7, 6), valid=(7, 4), holes=True, causal=True),
]
