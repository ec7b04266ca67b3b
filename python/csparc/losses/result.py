"""What a loss returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np


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
        entries = [f"{name}={text}" for name, text in self._rows()]
        grads = ", ".join(f"{name}: {_short(value)}" for name, value in self.grads.items())
        if grads:
            entries.append(f"grads={{{grads}}}")
        return f"LossOutput({', '.join(entries)})"

    def _repr_html_(self) -> str:
        """A small table: the numbers, and the shapes of the gradients."""
        gradients = [(f"gradient of {name}", _short(value)) for name, value in self.grads.items()]
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for name, text in [*self._rows(), *gradients]
        )
        return f"<table>{rows}</table>"

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Name and text of everything but gradients."""
        yield "loss", _short(self.loss)
        yield from ((name, _short(value)) for name, value in self.parts.items())
        if self.kept_fraction != 1:
            yield "kept_fraction", _short(self.kept_fraction)
        if self.weights is not None:
            yield "weights", _short(self.weights)


def _short(value: Any) -> str:
    """An array by type and shape, a number with six digits, a dict by its entries."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_short(entry)}" for name, entry in value.items()) + "}"
    shape = getattr(value, "shape", ())
    return f"{value.dtype} {list(shape)}" if shape else f"{float(value):.6g}"
