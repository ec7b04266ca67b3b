"""What a case of an op pair is: how to call it, what it should give, what to differentiate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass
class OpCase:
    """A call of X_forward and X_backward on inputs drawn by ``draw``.

    ``forward`` returns (outputs, kept); ``backward`` takes the gradients of the outputs and returns
    those of the inputs it is differentiable in; ``reference`` gives the outputs in plain NumPy.
    ``parameters`` names the inputs whose gradients accumulate.
    """

    op: str = ""
    label: str = ""
    parameters: tuple[str, ...] = field(default=())

    def draw(self, rng: np.random.Generator) -> Arrays:
        raise NotImplementedError

    def forward(self, x: Arrays) -> tuple[Arrays, Arrays]:
        raise NotImplementedError

    def backward(self, x: Arrays, kept: Arrays, d: Arrays, into: Arrays) -> Arrays:
        """Gradients by input name. ``into`` holds the buffers of parameter gradients."""
        raise NotImplementedError

    def reference(self, x: Arrays) -> Arrays:
        raise NotImplementedError
