"""What every objective of this package returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Result:
    """What a loss returns: values, the alignment weights, and gradients by argument name."""

    loss: float
    global_loss: float = 0.0
    local_loss: float = 0.0
    kept_fraction: float = 1.0
    margin: float = np.inf
    """Distance of the nearest discrete choice (threshold, minimum) from flipping, as a part of
    the row's range: a comparison in another precision means something above that precision."""
    weights: np.ndarray | None = None
    keep_mask: np.ndarray | None = None
    grads: dict = field(default_factory=dict)
