"""Which patches each word of a caption selects in a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

ALIGNMENT_OPTIONS = ("normalizer", "similarity", "sigma", "softmax_scale", "degenerate")


@dataclass(frozen=True)
class LocalFeatures:
    """What the local loss reads of B pairs: patches [B, P, D], tokens [B, L, D], ids [B, L] and
    the mask [B, L] of the tokens that enter it."""

    patches: np.ndarray
    tokens: np.ndarray
    ids: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Explanation:
    """T words of a caption, the weights [T, P] each gives the patches, and their grid.

    ``sentence`` [P]: cosine of the whole caption with every patch, see `sentence_maps`.
    """

    words: list[str]
    weights: np.ndarray
    grid: tuple[int, int]
    sentence: np.ndarray | None = None


def local_features(
    model: Any, tokenizer: Any, images: np.ndarray, captions: Sequence[str], batch_size: int = 64
) -> LocalFeatures:
    """Adapted patches and tokens of pairs: images float32 [B, 3, S, S], B captions."""
    ids = np.asarray(tokenizer(list(captions)))
    patches, tokens = [], []
    for first in range(0, len(ids), batch_size):
        rows = slice(first, first + batch_size)
        patches.append(model.encode_image(images[rows], return_patches=True)[1])
        valid = tokenizer.valid_mask(ids[rows])
        tokens.append(model.encode_text(ids[rows], return_tokens=True, text_mask=valid)[1])
    return LocalFeatures(
        np.concatenate(patches),
        np.concatenate(tokens),
        ids,
        np.asarray(tokenizer.loss_mask(ids), dtype=bool),
    )


def sentence_maps(
    model: Any, tokenizer: Any, images: np.ndarray, captions: Sequence[str], batch_size: int = 64
) -> np.ndarray:
    """Cosine [B, P] of each caption with every patch of its picture, on the global path.

    Patches are g_v(h_v(f_v(x))), captions the pooled text: the comparison the paper segments with
    (D.7). The local loss and its weights play no part in it.
    """
    ids = np.asarray(tokenizer(list(captions)))
    maps = []
    for first in range(0, len(ids), batch_size):
        rows = slice(first, first + batch_size)
        dense = model.encode_dense(images[rows], normalize=True)
        valid = tokenizer.valid_mask(ids[rows])
        texts = model.encode_text(ids[rows], normalize=True, text_mask=valid)
        maps.append((dense @ texts[:, :, None])[:, :, 0])
    return np.concatenate(maps)


def alignment_weights(options: Mapping[str, object] | None = None) -> Callable:
    """``weights_of(patches, tokens, text_mask) -> [B, L, P]`` of a loss with these options.

    Of a loss's options those that shape the weights are used (`ALIGNMENT_OPTIONS`); default those
    of `csparc.sparc_loss`.
    """
    used = {key: value for key, value in (options or {}).items() if key in ALIGNMENT_OPTIONS}
    return partial(_weights, used)


def explain(
    model: Any, tokenizer: Any, image: np.ndarray, caption: str, weights_of: Callable
) -> Explanation:
    """The alignment of one preprocessed picture float32 [3, S, S] and one caption."""
    found = local_features(model, tokenizer, image[None], [caption])
    weights = weights_of(found.patches, found.tokens, found.mask)[0]
    return explanations(tokenizer, found, weights[None], model.config.grid)[0]


def explanations(
    tokenizer: Any, found: LocalFeatures, weights: np.ndarray, grid: tuple[int, int]
) -> list[Explanation]:
    """One explanation a pair; the weights of a word's pieces are averaged."""
    result = []
    for ids, rows in zip(found.ids, weights, strict=True):
        words = tokenizer.word_spans(ids)
        means = [rows[word.start : word.stop].mean(axis=0) for word in words]
        stacked = np.stack(means) if means else np.zeros((0, rows.shape[1]))
        result.append(Explanation([word.text for word in words], stacked, grid))
    return result


def _weights(options: dict, patches, tokens, text_mask) -> np.ndarray:
    from csparc import sparc_loss

    return sparc_loss(patches, tokens, text_mask=text_mask, return_weights=True, **options).weights
