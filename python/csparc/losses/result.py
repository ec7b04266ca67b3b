"""What a loss returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class LossOutput:
    """Value of a loss, its parts, and what was asked for.

    ``float(out)`` is the loss.
    """

    loss: float
    """The sum of the parts, each times its weight."""
    global_loss: float
    """The global part, unweighted."""
    local_loss: float = 0.0
    """The local part, unweighted."""
    prototype_loss: float = 0.0
    """The part over prototypes, unweighted; of MGCA alone."""
    kept_fraction: float = 1.0
    """Share of all pairs of a valid token and a valid patch whose weight the threshold kept; 1
    where nothing was dropped, or there was no pair."""
    weights: np.ndarray | None = None
    """Alignment weights [B, L, P] with ``return_weights``: each valid token's row sums to 1 over
    the valid patches; 0 where token or patch is not valid."""
    grads: dict[str, np.ndarray | float] = field(default_factory=dict)
    """With ``grad``: gradient of ``loss`` by argument name, arrays in the argument's shape, scales
    as floats."""

    def __float__(self) -> float:
        return self.loss
