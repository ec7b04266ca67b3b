"""Averages of the weights over the steps of a run, which are used in the weights' place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from csparc import _core
from csparc._repr import line
from csparc.nn import Parameter


class Averages:
    """Exponential moving averages (EMA) of parameters.

    After step t, counted from 1, average = d average + (1 - d) weight with
    d = min(decay, (t - 1) / (t + 9)): after the first step the average is the weights, and while
    t < 1 / (1 - decay) it is over about the last tenth of the steps. Of ``decay`` alone, short runs
    would be left with what they began from.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        Those that are trained.
    decay : float
        From 0 to below 1.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The averages by name, before the first step copies of the parameters.
    """

    def __init__(self, parameters: Mapping[str, Parameter], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self.arrays = {name: parameter.data.copy() for name, parameter in parameters.items()}

    def __repr__(self) -> str:
        return line(self, f"{len(self.arrays)} parameters", decay=self.decay)

    def update(self, step: int) -> None:
        """Take in the weights after step ``step``."""
        rate = 1.0 - min(self.decay, (step - 1) / (step + 9))
        for name, parameter in self.parameters.items():
            weight, average = parameter.data.reshape(-1), self.arrays[name].reshape(-1)
            _core.average(rate, weight, average)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While this context is open the parameters hold the averages, and ``arrays`` the weights
        themselves."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def settle(self) -> None:
        """Give the parameters the averages for good."""
        for name, parameter in self.parameters.items():
            np.copyto(parameter.data, self.arrays[name])

    def _exchange(self) -> None:
        for name, parameter in self.parameters.items():
            weight = parameter.data.copy()
            np.copyto(parameter.data, self.arrays[name])
            np.copyto(self.arrays[name], weight)
