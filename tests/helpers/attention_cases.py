"""Cases of self-attention: lengths, masks, causal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from op_case import OpCase

from csparc import _core


@dataclass
class Attention(OpCase):
    """Sequences of ``lengths`` rows; ``valid``: leading keys seen in each; ``holes`` drops some."""

    lengths: tuple[int, ...] = (5, 5)
    heads: int = 2
    head_width: int = 3
    valid: tuple[int, ...] | None = None
    holes: bool = False
    causal: bool = False
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

    def forward(self, x):
        rows = len(x["qkv"])
        y = np.empty((rows, self.heads, self.head_width), x["qkv"].dtype)
        lse = np.empty((self.heads, rows), y.dtype)
        mask = self.mask()
        seen = None if mask is None else mask.view(np.uint8)
        _core.attention_forward(x["qkv"], self.offsets(), seen, self.causal, y, lse)
        return {"y": y}, {"y": y, "lse": lse}

    def backward(self, x, kept, d, into):
        dqkv, mask = np.empty_like(x["qkv"]), self.mask()
        seen = None if mask is None else mask.view(np.uint8)
        _core.attention_backward(
            x["qkv"], self.offsets(), seen, self.causal, kept["y"], kept["lse"], d["y"], dqkv
        )
        return {"qkv": dqkv}

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
    Attention(label="causal-holes", lengths=(7, 6), valid=(7, 4), holes=True, causal=True),
]
