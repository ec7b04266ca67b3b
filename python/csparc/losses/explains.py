"""The alignment of a loss: weights of words, or of whole captions, over the patches of a picture.

`Loss.alignment` gives them: the weights its own forward pass forms for a picture and its caption,
with its options and learned parameters. They serve drawings and diagnostics; no gradient flows
through them. This module holds what the losses share to form them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import check_axes, real_inputs, valid_mask
from csparc._repr import fields_line
from csparc.losses.sparc_pieces import sparse_similarity

RULES = ("own", "sparc")
"""Whose rule the weights follow: the loss's own, or SPARC's on any model."""
SPARC_TITLES = {
    "minmax_sparse": "SPARC: the patches each word keeps",
    "minmax": "SPARC without threshold: min-max weights of each word",
    "softmax": "SPARC with softmax: weights of each word",
}
WEIGHTLESS = "The local part had weight 0: nothing trained these weights."
AXES = {"patches": "BPD", "tokens": "BLD", "text_global": "BD"}


@dataclass(frozen=True)
class Alignment:
    """Weights over patches, and in words what they are."""

    weights: np.ndarray
    """[B, L, P] of every token, or [B, P] of whole captions; 0 where token or patch is not valid,
    elsewhere as the loss has them (PACL's sigmoids need not sum to 1)."""
    rule: str
    """The loss whose rule the weights follow, by its ``name``."""
    title: str
    """Whose weights they are, for a heading: ``FILIP: best match of each word``."""
    notes: tuple[str, ...] = ()
    """What a reader must know beside that: a sentence each, options that differ from the usual."""
    trained: bool = True
    """Whether training shaped these weights."""
    chosen_by: np.ndarray | None = field(default=None, repr=False)
    """Where weights only mark a best match: [B, L, P] what it is the best by, else None."""

    __repr__ = fields_line

    @property
    def ranking(self) -> np.ndarray:
        """What orders the patches of a token or caption: ``chosen_by``, or the weights."""
        return self.weights if self.chosen_by is None else self.chosen_by

    def about(self) -> dict[str, Any]:
        """What was measured or drawn, for a report: JSON values."""
        return {
            "rule": self.rule,
            "title": self.title,
            "notes": list(self.notes),
            "of": "words" if self.weights.ndim == 3 else "captions",
            "trained": self.trained,
        }


class Pairs:
    """B pictures and their captions, checked: arrays of one type, 0 where not valid."""

    def __init__(
        self,
        patches: ArrayLike,
        tokens: ArrayLike,
        text_global: ArrayLike | None,
        text_mask: ArrayLike | None,
        patch_mask: ArrayLike | None,
    ) -> None:
        arrays = real_inputs(
            optional=("text_global",), patches=patches, tokens=tokens, text_global=text_global
        ).arrays
        sizes = check_axes(arrays, AXES)
        B, L, P = (sizes[letter] for letter in "BLP")
        text, patch = (
            np.ones((B, n), bool) if mask is None else mask.astype(bool)
            for mask, n in (
                (valid_mask(text_mask, "text_mask", B, L), L),
                (valid_mask(patch_mask, "patch_mask", B, P), P),
            )
        )
        self.text_valid, self.patch_valid = text, patch
        self.patches = np.where(patch[:, :, None], arrays["patches"], 0)
        self.tokens = np.where(text[:, :, None], arrays["tokens"], 0)
        self.text_global = arrays.get("text_global")

    @property
    def valid(self) -> np.ndarray:
        """Bool [B, L, P]: token and patch are both valid."""
        return self.text_valid[:, :, None] & self.patch_valid[:, None, :]

    def weights(self, tokens: np.ndarray | None = None, **options: Any) -> np.ndarray:
        """`sparse_similarity` of the valid patches and tokens."""
        tokens = self.tokens if tokens is None else tokens
        return sparse_similarity(
            self.patches, tokens, text_mask=self.text_valid, patch_mask=self.patch_valid, **options
        )


def borrowed(pairs: Pairs, trained_with: str, why: str) -> Alignment:
    """SPARC's weights on the patches of a model that was trained with another loss."""
    title = f"SPARC’s rule on a model trained with {trained_with}"
    return Alignment(pairs.weights(), "sparc", title, (why,), trained=False)


def if_trained(found: Alignment, weight: float) -> Alignment:
    """The same, marked where the local part it belongs to had the weight 0."""
    if weight != 0:
        return found
    return replace(found, notes=(*found.notes, WEIGHTLESS), trained=False)


def sparc_alignment(pairs: Pairs, options: Mapping[str, Any]) -> Alignment:
    """SPARC's weights, by the ``options`` of `sparse_similarity`."""
    kind = options.get("normalizer", "minmax_sparse")
    notes = []
    if options.get("sigma") is not None and kind == "minmax_sparse":
        notes.append(f"Threshold {options['sigma']:g}.")
    if options.get("similarity", "dot") != "dot":
        notes.append("Cosine similarity.")
    return Alignment(pairs.weights(**options), "sparc", SPARC_TITLES[kind], tuple(notes))


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Unit vectors along the last axis, 0 for one too short to have a direction."""
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    unit, norm = np.empty_like(rows), np.empty(len(rows), rows.dtype)
    _core.l2norm_forward(rows, unit, norm)
    return unit.reshape(x.shape)


def softmax(logits: np.ndarray, valid: np.ndarray, axis: int) -> np.ndarray:
    """Softmax over what is valid along an axis, 0 elsewhere and where nothing is."""
    shifted = np.where(valid, logits, -np.inf)
    top = shifted.max(axis=axis, keepdims=True, initial=-np.inf)
    exponent = np.exp(shifted - np.where(np.isfinite(top), top, 0))
    total = exponent.sum(axis=axis, keepdims=True)
    return exponent / np.where(total > 0, total, 1)
