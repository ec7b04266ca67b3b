"""Cases of the ops on grids of pixels and patches: convolution, attention pooling, registers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from op_case import OpCase

from csparc import _core


@dataclass
class Conv(OpCase):
    """``planar``: images [B,C,Y,X]. Sizes below reach several panels of channels, images summed in
    groups, taps shared out among threads, and images smaller than the kernel."""

    batch: int = 2
    size: tuple[int, int] = (6, 4)
    inputs: int = 3
    outputs: int = 5
    stride: int = 1
    bias: bool = True
    planar: bool = False
    parameters: tuple[str, ...] = ("weight", "bias")

    def __post_init__(self):
        self.op = "conv_planar" if self.planar else "conv"
        if not self.bias:
            self.parameters = ("weight",)

    def draw(self, rng):
        last = (self.batch, *self.size, self.inputs)
        planar = (self.batch, self.inputs, *self.size)
        x = {
            "x": rng.normal(size=planar if self.planar else last),
            "weight": rng.normal(size=(self.outputs, self.inputs, 3, 3))
            / 3
            / math.sqrt(self.inputs),
        }
        return x | ({"bias": rng.normal(size=self.outputs)} if self.bias else {})

    def forward(self, x):
        rows, columns = (n // self.stride for n in self.size)
        y = np.empty((self.batch, rows, columns, self.outputs), x["x"].dtype)
        forward = getattr(_core, f"{self.op}_forward")
        forward(x["x"], x["weight"], x.get("bias"), self.stride, y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        dx = np.full_like(x["x"], np.nan)
        backward = getattr(_core, f"{self.op}_backward")
        backward(x["x"], x["weight"], self.stride, d["y"], dx, into["weight"], into.get("bias"))
        return {"x": dx, **into}

    def reference(self, x):
        image = x["x"].transpose(0, 2, 3, 1) if self.planar else x["x"]
        padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        (high, wide), s = self.size, self.stride
        y = np.zeros((self.batch, high // s, wide // s, self.outputs))
        for u in range(3):
            for v in range(3):
                seen = padded[:, u : u + high : s, v : v + wide : s]
                y += seen @ x["weight"][:, :, u, v].T
        return {"y": y + x.get("bias", 0.0)}


@dataclass
class AttentionPool(OpCase):
    """``counts``: valid rows of each sample, None: all; ``own``: every sample has its queries."""

    batch: int = 3
    queries: int = 2
    length: int = 5
    heads: int = 2
    head_width: int = 3
    counts: tuple[int, ...] | None = None
    own: bool = False
    op: str = "attention_pool"

    def draw(self, rng):
        width, groups = self.heads * self.head_width, self.batch if self.own else 1
        return {
            "q": rng.normal(size=(groups, self.queries, self.heads, self.head_width)),
            "kv": rng.normal(size=(self.batch, self.length, 2, width)),
        }

    def valid(self) -> np.ndarray | None:
        if self.counts is None:
            return None
        rows = np.arange(self.length) < np.array(self.counts)[:, None]
        rows[:, 0] &= np.array(self.counts) != 2  # a row that is not valid before one that is
        return rows

    def seen(self):
        valid = self.valid()
        return None if valid is None else valid.view(np.uint8)

    def forward(self, x):
        y = np.empty((self.batch, *x["q"].shape[1:]), x["q"].dtype)
        lse = np.empty((self.batch, self.heads, self.queries), y.dtype)
        _core.attention_pool_forward(x["q"], x["kv"], self.seen(), y, lse)
        return {"y": y}, {"y": y, "lse": lse}

    def backward(self, x, kept, d, into):
        dq, dkv = np.full_like(x["q"], np.nan), np.full_like(x["kv"], np.nan)
        _core.attention_pool_backward(
            x["q"], x["kv"], self.seen(), kept["y"], kept["lse"], d["y"], dq, dkv
        )
        return {"q": dq, "kv": dkv}

    def reference(self, x):
        rows = x["kv"].reshape(self.batch, self.length, 2, self.heads, self.head_width)
        q = np.broadcast_to(x["q"], (self.batch, *x["q"].shape[1:]))
        scores = np.einsum("bqhd,bthd->bhqt", q, rows[:, :, 0]) / math.sqrt(self.head_width)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        if self.counts is not None:
            weights = weights * self.valid()[:, None, None, :]
        sums = weights.sum(axis=-1, keepdims=True)
        weights = weights / np.where(sums == 0, 1.0, sums)
        return {"y": np.einsum("bhqt,bthd->bqhd", weights, rows[:, :, 1])}


@dataclass
class Append(OpCase):
    shape: tuple[int, int, int] = (3, 4, 5)
    rows: int = 2
    op: str = "append"
    parameters: tuple[str, ...] = ("rows",)

    def draw(self, rng):
        return {
            "x": rng.normal(size=self.shape),
            "rows": rng.normal(size=(self.rows, self.shape[2])),
        }

    def forward(self, x):
        batch, length, width = self.shape
        y = np.empty((batch, length + self.rows, width), x["x"].dtype)
        _core.append_forward(x["x"], x["rows"], y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        dx = np.empty_like(x["x"])
        _core.append_backward(d["y"], dx, into["rows"])
        return {"x": dx, **into}

    def reference(self, x):
        rows = np.broadcast_to(x["rows"], (self.shape[0], *x["rows"].shape))
        return {"y": np.concatenate([x["x"], rows], axis=1)}


@dataclass
class Leading(OpCase):
    shape: tuple[int, int, int] = (3, 6, 5)
    length: int = 4
    op: str = "leading"

    def draw(self, rng):
        return {"x": rng.normal(size=self.shape)}

    def forward(self, x):
        y = np.empty((self.shape[0], self.length, self.shape[2]), x["x"].dtype)
        _core.leading_forward(x["x"], y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        dx = np.full_like(x["x"], np.nan)
        _core.leading_backward(d["y"], dx)
        return {"x": dx}

    def reference(self, x):
        return {"y": x["x"][:, : self.length]}


GRID_CASES: list[OpCase] = [
    *(
        Conv(label=f"{name}-{'planar' if planar else 'last'}", planar=planar, **sizes)
        for planar in (False, True)
        for name, sizes in {
            "stride1": {},
            "stride2": {"stride": 2},
            "no-bias": {"stride": 2, "bias": False, "inputs": 1, "outputs": 1},
            "one-pixel": {"size": (1, 1)},
            "one-row": {"size": (2, 8), "stride": 2},
            "blocks": {"batch": 19, "size": (4, 2), "inputs": 9, "outputs": 8, "stride": 2},
        }.items()
    ),
    Conv(label="panels", batch=5, size=(3, 5), inputs=67, outputs=131),
    Conv(label="panels2", batch=5, size=(4, 6), inputs=67, outputs=70, stride=2),
    Conv(label="long", batch=1, size=(70, 12), inputs=4, outputs=16),
    AttentionPool(label="shared"),
    AttentionPool(label="own", own=True),
    AttentionPool(label="masked", counts=(5, 2, 0)),
    AttentionPool(label="masked-own", counts=(1, 4, 0), own=True),
    AttentionPool(label="many", queries=70, length=90, head_width=8),
    AttentionPool(label="one", batch=1, queries=1, heads=1),
    Append(label="3x4x5"),
    Append(label="wide", shape=(40, 30, 64), rows=3),
    Leading(label="3x6x5"),
    Leading(label="all", length=6),
]
