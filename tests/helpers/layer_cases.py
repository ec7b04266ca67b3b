"""Cases of the ops that make up the encoders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from attention_cases import ATTENTION_CASES
from op_case import OpCase

from csparc import _core


@dataclass
class Linear(OpCase):
    """Sizes below reach the tile kernels, packed products, and the cut of the rows."""

    rows: int = 7
    inputs: int = 5
    outputs: int = 3
    bias: bool = True
    residual: bool = False
    op: str = "linear"
    parameters: tuple[str, ...] = ("weight", "bias")

    def __post_init__(self):
        if not self.bias:
            self.parameters = ("weight",)

    def draw(self, rng):
        x = {
            "x": rng.normal(size=(self.rows, self.inputs)),
            "weight": rng.normal(size=(self.outputs, self.inputs)) / math.sqrt(self.inputs),
        }
        if self.bias:
            x["bias"] = rng.normal(size=self.outputs)
        if self.residual:
            x["residual"] = rng.normal(size=(self.rows, self.outputs))
        return x

    def forward(self, x):
        y = np.empty((self.rows, self.outputs), x["x"].dtype)
        _core.linear_forward(x["x"], x["weight"], x.get("bias"), x.get("residual"), None, False, y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        dx = np.empty_like(x["x"])
        parameters = into["weight"], into.get("bias")
        _core.linear_backward(x["x"], x["weight"], d["y"], False, dx, *parameters)
        return {"x": dx, **into, **({"residual": d["y"]} if self.residual else {})}

    def reference(self, x):
        return {"y": x["x"] @ x["weight"].T + x.get("bias", 0.0) + x.get("residual", 0.0)}


@dataclass
class LayerNorm(OpCase):
    rows: int = 5
    width: int = 17
    op: str = "layernorm"
    parameters: tuple[str, ...] = ("weight", "bias")

    def draw(self, rng):
        return {
            "x": rng.normal(size=(self.rows, self.width)) + 2.0,
            "weight": rng.normal(size=self.width),
            "bias": rng.normal(size=self.width),
        }

    def forward(self, x):
        y = np.empty_like(x["x"])
        mean, rstd = np.empty(self.rows, y.dtype), np.empty(self.rows, y.dtype)
        _core.layernorm_forward(x["x"], x["weight"], x["bias"], 1e-5, y, mean, rstd)
        return {"y": y}, {"mean": mean, "rstd": rstd}

    def backward(self, x, kept, d, into):
        dx = np.empty_like(x["x"])
        _core.layernorm_backward(
            x["x"],
            x["weight"],
            kept["mean"],
            kept["rstd"],
            d["y"],
            dx,
            into["weight"],
            into["bias"],
        )
        return {"x": dx, **into}

    def reference(self, x):
        centred = x["x"] - x["x"].mean(axis=1, keepdims=True)
        variance = (centred**2).mean(axis=1, keepdims=True)
        return {"y": centred / np.sqrt(variance + 1e-5) * x["weight"] + x["bias"]}


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


ACTIVATIONS = {
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
}


@dataclass
class Activation(OpCase):
    size: int = 37

    def draw(self, rng):
        x = 2.0 * rng.normal(size=self.size)
        # Differences must not reach across the kink of relu.
        return {"x": np.where(np.abs(x) < 0.01, 0.5, x)}

    def forward(self, x):
        y = np.empty_like(x["x"])
        getattr(_core, f"{self.op}_forward")(x["x"], y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        dx = np.empty_like(x["x"])
        getattr(_core, f"{self.op}_backward")(x["x"], d["y"], dx)
        return {"x": dx}

    def reference(self, x):
        return {"y": ACTIVATIONS[self.op](x["x"])}


@dataclass
class Embed(OpCase):
    entries: int = 9
    width: int = 5
    rows: int = 13
    op: str = "embed"
    parameters: tuple[str, ...] = ("weight",)

    def draw(self, rng):
        return {
            "weight": rng.normal(size=(self.entries, self.width)),
            "ids": rng.integers(0, self.entries, self.rows).astype(np.int32),
        }

    def forward(self, x):
        y = np.empty((self.rows, self.width), x["weight"].dtype)
        _core.embed_forward(x["weight"], x["ids"], y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        _core.embed_backward(x["ids"], d["y"], into["weight"])
        return into

    def reference(self, x):
        return {"y": x["weight"][x["ids"]]}


@dataclass
class Position(OpCase):
    shape: tuple[int, int, int] = (3, 5, 7)
    rows: int = 5
    op: str = "position"
    parameters: tuple[str, ...] = ("position",)

    def draw(self, rng):
        table = rng.normal(size=(self.rows, self.shape[2]))
        return {"x": rng.normal(size=self.shape), "position": table}

    def forward(self, x):
        y = np.empty_like(x["x"])
        _core.position_forward(x["x"], x["position"], y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        _core.position_backward(d["y"], into["position"])
        return {"x": d["y"], **into}

    def reference(self, x):
        behind = self.shape[1] - self.rows
        return {"y": x["x"] + np.pad(x["position"], ((0, behind), (0, 0)))}


@dataclass
class Patchify(OpCase):
    size: int = 2
    grid: tuple[int, int] = (3, 2)
    op: str = "patchify"

    def draw(self, rng):
        high, wide = (n * self.size for n in self.grid)
        return {"images": rng.normal(size=(2, 3, high, wide))}

    def forward(self, x):
        rows, columns = self.grid
        y = np.empty((2, rows * columns, 3 * self.size**2), x["images"].dtype)
        _core.patchify_forward(x["images"], self.size, y)
        return {"patches": y}, {}

    def backward(self, x, kept, d, into):
        dimages = np.empty_like(x["images"])
        _core.patchify_backward(d["patches"], self.size, dimages)
        return {"images": dimages}

    def reference(self, x):
        rows, columns = self.grid
        cut = x["images"].reshape(2, 3, rows, self.size, columns, self.size)
        return {"patches": cut.transpose(0, 2, 4, 1, 3, 5).reshape(2, rows * columns, -1)}


@dataclass
class Pool(OpCase):
    """``counts`` gives the valid positions of each sample, None: all. They are the last ones, or
    wrap around to the first where they are ``turned``."""

    counts: tuple[int, ...] | None = None
    length: int = 6
    width: int = 5
    turned: int = 0
    op: str = "pool"

    def draw(self, rng):
        return {"x": rng.normal(size=(3, self.length, self.width))}

    def valid(self) -> np.ndarray | None:
        if self.counts is None:
            return None
        last = np.arange(self.length)[::-1] < np.array(self.counts)[:, None]
        return np.roll(last, self.turned, axis=1).view(np.uint8)

    def forward(self, x):
        y = np.empty((3, self.width), x["x"].dtype)
        _core.pool_forward(x["x"], self.valid(), y)
        return {"y": y}, {}

    def backward(self, x, kept, d, into):
        dx = np.empty_like(x["x"])
        _core.pool_backward(self.valid(), d["y"], dx)
        return {"x": dx}

    def reference(self, x):
        if self.counts is None:
            return {"y": x["x"].mean(axis=1)}
        valid = self.valid()[:, :, None]
        return {"y": (x["x"] * valid).sum(axis=1) / np.maximum(valid.sum(axis=1), 1)}


LAYER_CASES: list[OpCase] = [
    Linear(label="1x1x1", rows=1, inputs=1, outputs=1),
    Linear(label="7x5x3-no-bias", bias=False),
    Linear(label="9x7x20-residual", rows=9, inputs=7, outputs=20, residual=True),
    Linear(label="130x33x50", rows=130, inputs=33, outputs=50),
    Linear(label="700x16x31", rows=700, inputs=16, outputs=31, bias=False, residual=True),
    Linear(label="515x260x570", rows=515, inputs=260, outputs=570),
    Linear(label="8200x32x128-streamed", rows=8200, inputs=32, outputs=128),
    Linear(label="3x600x520", rows=3, inputs=600, outputs=520, bias=False, residual=True),
    *(LayerNorm(label=f"{n}x{c}", rows=n, width=c) for n, c in [(1, 2), (5, 17), (150, 64)]),
    *(
        Activation(op=op, label=str(size), size=size)
        for op in ACTIVATIONS
        for size in (1, 37, 20000)
    ),
    *ATTENTION_CASES,
    Embed(label="9x5"),
    Embed(label="300x16", entries=300, width=16, rows=400),
    Position(label="3x5x7"),
    Position(label="rows-behind", rows=3),
    Patchify(label="2"),
    Patchify(label="3", size=3, grid=(1, 4)),
    Pool(label="all"),
    Pool(label="masked", counts=(6, 2, 0)),
    Pool(label="wide", width=64),
    Pool(label="wide with holes", counts=(1, 5, 3), width=131, turned=2),
]
