"""SPARC's contrast of the tokens of a caption with what their weights group, in float64."""

from __future__ import annotations

import numpy as np


def token_contrast(
    weights: np.ndarray, patches: np.ndarray, tokens: np.ndarray, valid: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric cross-entropy of each caption [b], and which tokens [b, L] are found first.

    ``weights`` [b, L, P] group ``patches`` [b, P, D] for ``tokens`` [b, L, D], of which those that
    are ``valid`` [b, L] enter; ``scale`` multiplies cosines.
    """
    logits = _local_logits(weights, patches, tokens, scale)
    both = valid[:, :, None] & valid[:, None, :]
    scores = np.where(both, logits, -np.inf)
    right = np.where(valid, scores.argmax(axis=2), -1) == np.arange(valid.shape[1])
    total = np.zeros(len(valid))
    diagonal = np.where(valid, np.diagonal(logits, axis1=1, axis2=2), 0.0)
    for axis in (1, 2):
        peak = np.where(valid, scores.max(axis=axis), 0.0)
        shifted = np.where(both, logits - np.expand_dims(peak, axis), -np.inf)
        sums = np.where(valid, np.exp(shifted).sum(axis=axis), 1.0)
        total += np.where(valid, peak + np.log(sums) - diagonal, 0.0).sum(axis=1)
    return total / np.maximum(2 * valid.sum(axis=1), 1), right


def _local_logits(weights, patches, tokens, scale) -> np.ndarray:
    """Scaled cosines [b, L, L]: grouped patch vector j of a caption against its token k."""
    grouped = _unit(weights @ patches.astype(np.float64))
    return scale * (grouped @ _unit(tokens.astype(np.float64)).transpose(0, 2, 1))


def _unit(x: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(norms > 0, norms, 1.0)
