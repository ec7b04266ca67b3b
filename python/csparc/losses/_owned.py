"""Scales and arrays that belong to a loss and are trained together with the model."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from csparc._arrays import describe
from csparc._scalars import scale_number

if TYPE_CHECKING:
    from csparc.nn import Parameter

Own = TypeVar("Own", bound="Owned")
MOST_SCALE = 100.0
"""Scales are kept at or below this after every step where nobody says otherwise, as in CLIP."""


class Owned:
    """What is learned beside the model: most losses own nothing, and these methods then do nothing.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        By argument name; entries of a dict argument as ``argument.entry``. A scale is stored as its
        logarithm. The optimiser treats them as it does the model's.

    After a call with ``grad=True``, ``accumulate(out.grads)`` adds to the parameters' gradients;
    after the optimiser's step, ``constrain()`` puts them back where they may be.
    """

    parameters: ClassVar[Mapping[str, Parameter]] = MappingProxyType({})
    _scales: ClassVar[frozenset[str]] = frozenset()
    _given: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def _own_scale(self, name: str, value: float) -> None:
        """Own a positive number, learned through its logarithm."""
        self._own(name, (1,), fill=math.log(scale_number(value, name)))
        object.__setattr__(self, "_scales", self._scales | {name})

    def _own(self, name: str, shape: tuple[int, ...], seed: int = 0, **how: Any) -> Parameter:
        """Own an array, float32, of the argument ``name``; ``how`` as `csparc.nn.Parameter`."""
        from csparc.nn import Parameter

        if np.dtype(np.float32).itemsize * math.prod(shape) > sys.maxsize:
            raise MemoryError(
                f"{name}: expected an array that some memory holds, found the shape {shape}: ask "
                "for a loss of smaller sizes"
            )
        parameter = Parameter(shape, np.dtype(np.float32), **how)
        parameter.name = name
        parameter.initialise(seed)
        if not self.parameters:
            object.__setattr__(self, "parameters", {})
        self.parameters[name] = parameter
        return parameter

    def value(self, name: str) -> Any:
        """What the loss is called with for the number ``name``: what was learned, of a scale its
        exponential; where it is not learned, the option."""
        if name in self._given:
            return self._given[name]
        if name not in self.parameters:
            return getattr(self, name)
        stored = float(self.parameters[name].data[0])
        return math.exp(stored) if name in self._scales else stored

    @property
    def scales(self) -> frozenset[str]:
        """Names of the parameters that are stored as their logarithm."""
        return self._scales

    def with_values(self: Own, values: Mapping[str, float | np.ndarray]) -> Own:
        """This loss with values from elsewhere in place of some that it owns, for one call.

        ``values`` has numbers as the loss is called with them (of a scale: not its logarithm) and
        arrays, which are not copied, by the names of ``parameters``.
        """
        other = copy.copy(self)
        numbers = {name: value for name, value in values.items() if isinstance(value, float)}
        arrays = {
            name: SimpleNamespace(data=value, shape=value.shape, grad=None)
            for name, value in values.items()
            if name not in numbers
        }
        object.__setattr__(other, "_given", numbers)
        object.__setattr__(other, "parameters", {**self.parameters, **arrays})
        return other

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

    def constrain(self, scale_max: float = MOST_SCALE) -> None:
        """Bring back what must stay in its place, scales to at most ``scale_max``."""
        self.limit_scales(scale_max)

    def limit_scales(self, scale_max: float) -> None:
        """Bring scales down to ``scale_max``, whose logarithm is stored rounded as theirs are."""
        for name in self._scales:
            data = self.parameters[name].data
            np.minimum(data, math.log(scale_max), out=data)

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
