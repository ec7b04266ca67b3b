"""What every objective of this package returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from csparc._repr import fields_line


@dataclass
class Result:
    """What a loss returns: values, the alignment weights, and gradients by argument name."""

    loss: float
    global_loss: float = 0.0
    local_loss: float = 0.0
    prototype_loss: float = 0.0
    kept_fraction: float = 1.0
    margin: float = np.inf
    """Distance of the nearest discrete choice (threshold, minimum) from flipping, as a part of
    the row's range: a comparison in another precision means something above that precision."""
    weights: np.ndarray | None = None
    keep_mask: np.ndarray | None = None
    kept_patches: np.ndarray | None = None
    """FILIP: the patches [B, P] and tokens [B, L] that serve as keys."""
    kept_tokens: np.ndarray | None = None
    image_targets: np.ndarray | None = None
    """MGCA: the prototype assignments [B, K] of images and captions."""
    text_targets: np.ndarray | None = None
    grads: dict = field(default_factory=dict)

    __repr__ = fields_line
