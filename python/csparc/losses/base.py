"""Losses that own numbers and arrays which are trained with the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._arrays import describe
from csparc._scalars import positive
from csparc.losses.explains import Aligned

if TYPE_CHECKING:
    from csparc.nn import Parameter

MOST_SCALE = 100.0
"""Scales are kept at or below this after every step, as CLIP does."""


class LearnedLoss(Aligned):
    """What a loss with parameters of its own adds to one without.

    Attributes
    ----------
    parameters : dict of str to Parameter
        By argument name; entries of a dict argument as ``argument.entry``. A scale is stored as its
        logarithm. The optimiser treats them as it does the model's.
    initial_logit_scale : float
        What the model's own ``logit_scale`` should start from.

    After a call with ``grad=True``, ``accumulate(out.grads)`` adds to the parameters' gradients;
    after the optimiser's step, ``constrain()`` puts them back where they may be.
    """

    initial_logit_scale = 1 / 0.07

    def __init__(self) -> None:
        self.parameters: dict[str, Parameter] = {}
        self._scales: set[str] = set()

    def prepare(self, shared_width: int) -> None:
        """Own from now on what depends on the width D of the embeddings; most losses own nothing
        that does. Called before anything is trained or loaded."""

    def config(self) -> dict[str, Any]:
        """What recreates this object: ``loss``, its name, and its options, as JSON holds them."""
        raise NotImplementedError

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in self.config().items() if k != "loss")
        return f"{type(self).__name__}({options})"

    def _own_scale(self, name: str, value: float) -> None:
        """Own a positive number, learned through its logarithm."""
        self._own(name, (1,), fill=math.log(positive(value, name)))
        self._scales.add(name)

    def _own(self, name: str, shape: tuple[int, ...], seed: int = 0, **how: Any) -> Parameter:
        from csparc.nn import Parameter

        parameter = Parameter(shape, np.dtype(np.float32), **how)
        parameter.name = name
        parameter.initialise(seed)
        self.parameters[name] = parameter
        return parameter

    def value(self, name: str) -> float:
        """What the loss is called with for the number ``name``: a scale's exponential."""
        stored = float(self.parameters[name].data[0])
        return math.exp(stored) if name in self._scales else stored

    def accumulate(self, grads: Mapping[str, Any], factor: float = 1.0) -> None:
        """Add ``factor`` times the gradients of a call to those of the parameters."""
        for name, parameter in self.parameters.items():
            argument, _, entry = name.partition(".")
            gradient = grads[argument][entry] if entry else grads[argument]
            total = parameter.grad
            if total is None:
                continue
            if name in self._scales:
                gradient = gradient * self.value(name)
            total += np.asarray(factor * gradient, total.dtype)

    def constrain(self) -> None:
        """Bring scales back to at most 100."""
        for name in self._scales:
            data = self.parameters[name].data
            np.minimum(data, math.log(MOST_SCALE), out=data)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the parameters by name."""
        return {name: parameter.data.copy() for name, parameter in self.parameters.items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Set every parameter; names and shapes are checked before anything is written."""
        if set(state) != set(self.parameters):
            raise ValueError(
                f"state: expected {', '.join(sorted(self.parameters)) or 'nothing'}, "
                f"found {', '.join(sorted(state)) or 'nothing'}"
            )
        for name, parameter in self.parameters.items():
            found = np.asarray(state[name])
            if found.shape != parameter.shape or found.dtype.kind != "f":
                raise ValueError(
                    f"state[{name!r}]: expected real numbers of shape {parameter.shape}, "
                    f"found {describe(found)}"
                )
        for name, parameter in self.parameters.items():
            parameter.data[...] = state[name]
