"""AdamW over a model's parameters, clipping by the global norm, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from csparc import _core
from csparc._repr import line
from csparc._scalars import number, positive
from csparc.nn import Parameter


class AdamW:
    """AdamW (arXiv 1711.05101) over named parameters; equations in csparc/optim/adamw.h.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        Those frozen at the time are left out. Frozen later, they stay as they are.
    betas : (float, float)
        Decay of the first and second moment. Defaults as open_clip's for ViT.
    eps : float
        Added to the square root of the second moment.
    weight_decay : float
        Decoupled decay, on parameters with ``decay`` only: no biases, norms, scales, positions.
    lr_factors : mapping of str to float, optional
        By name, what the learning rate (and with it the decay) of a parameter is multiplied by; 1
        of those it does not name.

    Attributes
    ----------
    m, v : dict of str to ndarray
        First and second moments by name, in the parameters' dtype.
    t : int
        Steps done.
    """

    def __init__(
        self,
        parameters: Mapping[str, Parameter],
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-6,
        weight_decay: float = 0.2,
        lr_factors: Mapping[str, float] = MappingProxyType({}),
    ):
        for beta in betas:
            number(beta, "betas", low=0, below=1)
        positive(eps, "eps")
        number(weight_decay, "weight_decay", low=0)
        self.parameters = {n: p for n, p in parameters.items() if p.requires_grad}
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.lr_factors = {
            name: number(factor, f"lr_factors[{name!r}]", low=0)
            for name, factor in lr_factors.items()
        }
        self.m = {name: np.zeros_like(p.data) for name, p in self.parameters.items()}
        self.v = {name: np.zeros_like(p.data) for name, p in self.parameters.items()}
        self.t = 0
        self._scale = 1.0

    def __repr__(self) -> str:
        told = f"{len(self.parameters)} parameters"
        return line(
            self, told, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, t=self.t
        )

    def grad_norm(self) -> float:
        """Norm of all gradients together; summed in float64."""
        grads = (p.grad for p in self.parameters.values())
        return global_norm([grad for grad in grads if grad is not None])

    def clip(self, max_norm: float | None) -> float:
        """Make the next ``step`` use gradients of norm ``max_norm`` at most; None: as they are.

        Returns
        -------
        float
            The norm before clipping. The gradients themselves are not changed.
        """
        norm = self.grad_norm()
        self._scale = 1.0 if max_norm is None or norm <= max_norm else max_norm / norm
        return norm

    def step(self, lr: float) -> tuple[float, float]:
        """Update the parameters and set their gradients to zero.

        Returns
        -------
        (float, float)
            Norm of the update, weight decay included, and norm of the parameters after it.
        """
        self.t += 1
        corrections = [1.0 / (1.0 - beta**self.t) for beta in self.betas]
        sums, total = np.empty(2), np.zeros(2)
        for name, parameter in self.parameters.items():
            grad = parameter.grad
            if grad is None:
                continue
            _core.adamw(
                lr * self.lr_factors.get(name, 1.0),
                self.weight_decay if parameter.decay else 0.0,
                *self.betas,
                self.eps,
                *corrections,
                self._scale,
                grad.reshape(-1),
                parameter.data.reshape(-1),
                self.m[name].reshape(-1),
                self.v[name].reshape(-1),
                sums,
            )
            total += sums
        self._scale = 1.0
        update, weight = np.sqrt(total)
        return float(update), float(weight)


def global_norm(arrays: list[np.ndarray]) -> float:
    """Square root of the sum of the squares of all entries, in float64 and in a fixed order."""
    total, part = 0.0, np.empty(1)
    for array in arrays:
        _core.sum_of_squares(array.reshape(-1), part)
        total += float(part[0])
    return math.sqrt(total)


def cosine(step: int, lr: float, warmup: int, total: int) -> float:
    """Learning rate of step ``step`` (from 0): linear warm-up, then half a cosine down to 0.

    lr (step + 1) / warmup for step < warmup, then lr (1 + cos(pi (step - warmup) / (total -
    warmup))) / 2: the course of open_clip. From ``total`` on it is 0.
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    if step >= total:
        return 0.0
    return lr * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (total - warmup)))
