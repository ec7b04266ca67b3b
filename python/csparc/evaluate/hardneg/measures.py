"""Scores of right and of wrong captions compared, and what a guess without pictures would get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from csparc import _text
from csparc.evaluate.figure import Figure, share

_RIDGE = 1.0
_STEPS = 8


def evaluate_matching(right, wrong, pictures=None) -> Figure:
    """The per cent of pictures whose caption scores higher than the wrong one, of scores ``right``
    and ``wrong`` [N]; equal scores count as wrong. Chance 50. ``pictures`` [N]: the picture of
    each, where one has several."""
    right, wrong = np.asarray(right), np.asarray(wrong)
    if right.shape != wrong.shape or right.ndim != 1:
        raise ValueError(
            f"right, wrong: expected as many scores [N], found {right.shape} and {wrong.shape}"
        )
    return share(right > wrong, 50.0, pictures, ties=int(np.count_nonzero(right == wrong)))


def evaluate_pairs(scores) -> dict[str, Figure]:
    """Winoground's scores, of scores [N, 2, 2]: picture i of an example with caption j.

    Returns
    -------
    dict
        ``text``: both pictures score higher with their own caption (chance 25). ``image``: both
        captions with their own picture (25). ``group``: both (100 / 6). Equal scores count as
        wrong.
    """
    s = np.asarray(scores)
    if s.ndim != 3 or s.shape[1:] != (2, 2):
        raise ValueError(f"scores: expected [N, 2, 2], found {s.shape}")
    text = (s[:, 0, 0] > s[:, 0, 1]) & (s[:, 1, 1] > s[:, 1, 0])
    image = (s[:, 0, 0] > s[:, 1, 0]) & (s[:, 1, 1] > s[:, 0, 1])
    return {
        "text": share(text, 25.0),
        "image": share(image, 25.0),
        "group": share(text & image, 100.0 / 6.0),
    }


def blind_accuracy(right: Sequence[str], wrong: Sequence[str], bigrams: bool = False) -> Figure:
    """How often words alone tell right captions from wrong ones, without any picture.

    A logistic regression on counts of words (with ``bigrams`` also of neighbours) is trained on
    every other pair and asked of the rest, and the other way round; a tie counts half. Far from 50
    the pairs give their answer away. Pairs that come one after another should be of different
    pictures, or words may be learned from the same ones.
    """
    features = _differences(right, wrong, bigrams)
    hits = np.empty(len(right))
    for part in (0, 1):
        weights = _logistic(features[1 - part :: 2])
        scores = features[part::2] @ weights
        hits[part::2] = np.where(np.abs(scores) < 1e-9, 0.5, scores > 0)
    return share(hits, 50.0, bigrams=bigrams)


def _differences(right: Sequence[str], wrong: Sequence[str], bigrams: bool) -> np.ndarray:
    """Counts of words in the right caption less those in the wrong one, [N, W]."""
    columns: dict[tuple[str, ...], int] = {}
    rows = []
    for pair in zip(right, wrong, strict=True):
        counts: Counter[tuple[str, ...]] = Counter()
        for text, sign in zip(pair, (1, -1)):
            words = [text[a:b].casefold() for a, b in _text.word_spans(text)]
            grams = [(word,) for word in words]
            grams += list(zip(["<", *words], [*words, ">"])) if bigrams else []
            for gram in grams:
                counts[gram] += sign
        rows.append({columns.setdefault(g, len(columns)): n for g, n in counts.items() if n})
    found = np.zeros((len(rows), max(1, len(columns))))
    for row, counts_of in enumerate(rows):
        found[row, list(counts_of)] = list(counts_of.values())
    return found


def _logistic(differences: np.ndarray) -> np.ndarray:
    """Weights that make ``differences @ weights`` positive, by Newton's method with a ridge."""
    weights = np.zeros(differences.shape[1])
    for _ in range(_STEPS):
        right = 0.5 * (1.0 + np.tanh(0.5 * (differences @ weights)))
        slope = differences.T @ (1.0 - right) - _RIDGE * weights
        curve = (differences * (right * (1.0 - right))[:, None]).T @ differences
        weights += np.linalg.solve(curve + _RIDGE * np.eye(len(weights)), slope)
    return weights
