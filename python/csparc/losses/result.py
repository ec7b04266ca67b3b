"""What a loss returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc import _html
from csparc._repr import line, short


@dataclass(frozen=True, init=False, repr=False)
class LossOutput:
    """Value of a loss, its parts, and what was asked for.

    ``float(out)`` is the loss. Made by keywords: ``LossOutput(2.5, parts={"ranking_loss": 2.5},
    grads=...)``; parts called ``global_loss``, ``local_loss`` and ``prototype_loss`` may be given
    under their names instead.
    """

    loss: float
    """The sum of the parts, each times its weight."""
    parts: Mapping[str, float]
    """The parts, unweighted, by the names in the loss's ``parts``; also the columns of a log."""
    kept_fraction: float
    """Share of all pairs of a valid token and a valid patch whose weight the threshold kept; 1
    where nothing was dropped, or there was no pair."""
    weights: np.ndarray | None
    """Alignment weights [B, L, P] with ``return_weights``: each valid token's row sums to 1 over
    the valid patches; 0 where token or patch is not valid."""
    grads: dict[str, Any]
    """With ``grad``: gradient of ``loss`` by argument name, arrays in the argument's shape, scales
    as floats."""

    def __init__(
        self,
        loss: float,
        global_loss: float | None = None,
        local_loss: float | None = None,
        prototype_loss: float | None = None,
        kept_fraction: float = 1.0,
        weights: np.ndarray | None = None,
        grads: dict[str, Any] | None = None,
        *,
        parts: Mapping[str, float] | None = None,
    ) -> None:
        if parts is None:
            named = {
                "global_loss": global_loss, "local_loss": local_loss,
                "prototype_loss": prototype_loss,
            }  # fmt: skip
            parts = {name: value for name, value in named.items() if value is not None}
        self.__dict__.update(
            loss=loss, parts=parts, kept_fraction=kept_fraction, weights=weights,
            grads={} if grads is None else grads,
        )  # fmt: skip

    @property
    def global_loss(self) -> float:
        """The global part, unweighted; 0 where the loss has none."""
        return self.parts.get("global_loss", 0.0)

    @property
    def local_loss(self) -> float:
        """The local part, unweighted; 0 where the loss has none."""
        return self.parts.get("local_loss", 0.0)

    @property
    def prototype_loss(self) -> float:
        """The part over prototypes, unweighted; 0 where the loss has none."""
        return self.parts.get("prototype_loss", 0.0)

    def with_arrays(self, taken: Callable[[Any], Any]) -> LossOutput:
        """The same with ``taken(weights)`` and ``taken(grads)`` in their place."""
        return LossOutput(
            self.loss, parts=self.parts, kept_fraction=self.kept_fraction,
            weights=taken(self.weights), grads=taken(self.grads),
        )  # fmt: skip

    def __float__(self) -> float:
        return self.loss

    def __repr__(self) -> str:
        fields = {"loss": self.loss, **self.parts}
        if self.kept_fraction != 1:
            fields["kept_fraction"] = self.kept_fraction
        if self.weights is not None:
            fields["weights"] = self.weights
        if self.grads:
            fields["grads"] = self.grads
        return line(self, **fields)

    def _repr_html_(self) -> str:
        """A small table: the numbers, and the shapes of weights and gradients."""
        return _html.table(self._rows())

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Name and text of everything there is."""
        yield "loss", short(self.loss)
        yield from ((name, short(value)) for name, value in self.parts.items())
        if self.kept_fraction != 1:
            yield "kept_fraction", short(self.kept_fraction)
        if self.weights is not None:
            yield "weights", short(self.weights)
        yield from _gradients(self.grads, "gradient of ")


def _gradients(grads: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in grads.items():
        if isinstance(value, Mapping):
            yield from _gradients(value, f"{before}{name} ")
        else:
            yield before + name, short(value)
