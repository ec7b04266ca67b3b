"""Which patches each word of a caption, or the caption as a whole, selects in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from csparc import _html
from csparc._repr import fields_line
from csparc._scalars import sentence
from csparc.losses.explains import Alignment
from csparc.losses.foreign import UnknownLoss, as_loss

CUT = "The caption is longer than the model reads: its end is left out."
WHOLE = "whole caption"
"""What stands for the words where a loss weighs patches by the caption as a whole."""


@dataclass(frozen=True)
class LocalFeatures:
    """What a loss's local part reads of B pairs: tokens [B, L, D], ids [B, L], the mask [B, L] of
    the tokens that enter it, the captions' vectors [B, D], and patches [N, P, D] of N pictures with
    the row [B] of each pair among them."""

    patches: np.ndarray
    tokens: np.ndarray
    ids: np.ndarray
    mask: np.ndarray
    text_global: np.ndarray
    rows: np.ndarray

    __repr__ = fields_line

    def alignment(
        self, loss: Any, rule: str = "own", pairs: slice = slice(None), rows: Any = None
    ) -> Alignment:
        """What ``loss`` aligned in these pairs, or SPARC's weights (``rule="sparc"``; and of None,
        a loss that nobody knows). ``rows`` [B]: on the patches of these pictures instead."""
        known = UnknownLoss() if loss is None else as_loss(loss)
        rows = self.rows if rows is None else rows
        return known.alignment(
            self.patches[rows[pairs]], self.tokens[pairs], text_global=self.text_global[pairs],
            text_mask=self.mask[pairs], rule=rule,
        )  # fmt: skip


@dataclass(frozen=True)
class Explanation:
    """T words of a caption, the weights [T, P] each gives the patches, and their grid.

    ``title`` and ``notes`` say whose weights they are. ``chosen_by`` [T, P]: the
    similarities, where weights only mark the patch with the largest one. ``sentence`` [P]: see
    `sentence_maps`. Where a loss weighs by the caption as a whole, that is the only "word".
    """

    words: list[str]
    weights: np.ndarray
    grid: tuple[int, int]
    title: str = ""
    notes: tuple[str, ...] = ()
    chosen_by: np.ndarray | None = None
    sentence: np.ndarray | None = None

    __repr__ = fields_line

    def _repr_html_(self) -> str:
        """The weights of each word over the grid of patches, and whose they are."""
        maps = [_html.heat_map(row, self.grid, word) for word, row in zip(self.words, self.weights)]
        told = [self.title, *self.notes]
        return "".join(_html.paragraph(text) for text in told if text) + "".join(maps)

    @property
    def ranking(self) -> np.ndarray:
        """What orders the patches of a word: ``chosen_by``, or the weights."""
        return self.weights if self.chosen_by is None else self.chosen_by


def local_features(
    model: Any,
    tokenizer: Any,
    images: np.ndarray,
    captions: Sequence[str],
    batch_size: int = 64,
    specials: bool = False,
    rows: np.ndarray | None = None,
) -> LocalFeatures:
    """Adapted patches and tokens of B captions and of their pictures, float32 [N, 3, S, S].

    ``specials``: begin and end marks enter the local loss (`Trainer`'s ``loss_specials``).
    ``rows`` [B]: the picture of each caption; default one caption a picture. Each picture and each
    caption is encoded once.
    """
    patches = [
        model.encode_image(images[first : first + batch_size], return_patches=True)[1]
        for first in range(0, len(images), batch_size)
    ]
    rows = np.arange(len(captions)) if rows is None else np.asarray(rows)
    texts = caption_features(model, tokenizer, captions, batch_size, specials)
    return LocalFeatures(np.concatenate(patches), *texts, rows)


def caption_features(
    model: Any,
    tokenizer: Any,
    captions: Sequence[str],
    batch_size: int = 64,
    specials: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields ``tokens`` to ``text_global`` of `LocalFeatures`, of B captions."""
    ids = np.asarray(tokenizer(list(captions)))
    tokens, wholes = [], []
    for first in range(0, len(ids), batch_size):
        here = ids[first : first + batch_size]
        valid = tokenizer.valid_mask(here)
        whole, local = model.encode_text(here, return_tokens=True, text_mask=valid)
        tokens.append(local)
        wholes.append(whole)
    mask = np.asarray(tokenizer.loss_mask(ids, specials), dtype=bool)
    return np.concatenate(tokens), ids, mask, np.concatenate(wholes)


def sentence_maps(
    model: Any,
    tokenizer: Any,
    images: np.ndarray,
    captions: Sequence[str],
    batch_size: int = 64,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Cosine [B, P] of each caption with every patch of its picture, on the global path.

    Patches are g_v(h_v(f_v(x))), captions the pooled text: the comparison the paper segments with
    (D.7). The local loss and its weights play no part in it. ``rows`` as in `local_features`.
    """
    ids = np.asarray(tokenizer(list(captions)))
    rows = np.arange(len(ids)) if rows is None else np.asarray(rows)
    steps = range(0, len(images), batch_size)
    dense = np.concatenate(
        [model.encode_dense(images[first : first + batch_size], normalize=True) for first in steps]
    )
    maps = []
    for first in range(0, len(ids), batch_size):
        here = slice(first, first + batch_size)
        valid = tokenizer.valid_mask(ids[here])
        texts = model.encode_text(ids[here], normalize=True, text_mask=valid)
        maps.append((dense[rows[here]] @ texts[:, :, None])[:, :, 0])
    return np.concatenate(maps)


def explain(
    model: Any,
    tokenizer: Any,
    image: np.ndarray,
    caption: str,
    loss: Any,
    rule: str = "own",
    specials: bool = False,
) -> Explanation:
    """The alignment of one preprocessed picture float32 [3, S, S] and one caption.

    ``loss`` is the object the model was trained with; ``rule`` as in `LocalFeatures.alignment`,
    ``specials`` as in `local_features`.
    """
    captions, cut_before = [sentence(caption, "caption")], tokenizer.truncated
    found = local_features(model, tokenizer, image[None], captions, specials=specials)
    alignment = found.alignment(loss, rule)
    one = explanations(tokenizer, found.ids, alignment, model.config.grid)[0]
    if tokenizer.truncated == cut_before:
        return one
    return replace(one, notes=(*one.notes, CUT))


def explanations(
    tokenizer: Any, ids: np.ndarray, alignment: Alignment, grid: tuple[int, int]
) -> list[Explanation]:
    """One explanation a pair; what the pieces of a word have is averaged."""
    by_word = alignment.weights.ndim == 3
    found = []
    for pair, row in enumerate(ids):
        words = tokenizer.word_spans(row) if by_word else []

        def rows_of(array: np.ndarray, pair: int = pair, words: list = words) -> np.ndarray:
            if not by_word:
                return array[pair : pair + 1]
            means = [array[pair, word.start : word.stop].mean(axis=0) for word in words]
            return np.stack(means) if means else np.zeros((0, array.shape[2]))

        chosen_by = alignment.chosen_by
        found.append(
            Explanation(
                [word.text for word in words] if by_word else [WHOLE],
                rows_of(alignment.weights),
                grid,
                alignment.title,
                alignment.notes,
                None if chosen_by is None else rows_of(chosen_by),
            )
        )
    return found
