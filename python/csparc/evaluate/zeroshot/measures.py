"""Ranks of the right classes among the scores of all, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from csparc.evaluate.figure import Figure, share

TOP = (1, 5)


def class_scores(images: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products [B, K] of pictures [B, D] with the vectors [K, D] of classes, summed in float64 and
    compared as float32: classes of the same vector tie exactly."""
    return (np.asarray(images, np.float64) @ np.asarray(vectors, np.float64).T).astype(np.float32)


def class_ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rank int64 [B] of class ``labels[b]`` in scores [B, K]: 1 + those that score higher + those
    that score the same and have a smaller number, so that an encoder that maps all classes to one
    point gets what chance gives."""
    labels = np.asarray(labels)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    return 1 + np.count_nonzero((scores > own) | ((scores == own) & before), axis=1)


def evaluate_zero_shot(image_features, classifier, labels) -> dict[str, Figure]:
    """Accuracy of a classifier on pictures of one class each.

    Parameters
    ----------
    image_features : array [N, D]
        One row a picture, of any length.
    classifier : array [D, K]
        As `build_zero_shot_classifier` returns it.
    labels : integer array [N]
        The class of each picture, or bool [N, K] where a picture may be of several.

    Returns
    -------
    dict
        ``top1``, ``top5`` (where K > 5) and ``mean_per_class``, or of several classes ``map``, each
        a `csparc.evaluate.Figure`, in per cent.

    Raises
    ------
    ValueError
        Shapes that do not fit, a label out of range.
    """
    images, columns, found = (np.asarray(x) for x in (image_features, classifier, labels))
    if images.ndim != 2 or columns.ndim != 2 or images.shape[1] != columns.shape[0]:
        raise ValueError(
            f"image_features and classifier: expected [N, D] and [D, K], found {images.shape} and "
            f"{columns.shape}"
        )
    scores = class_scores(images, columns.T)
    if found.dtype == bool and found.shape == scores.shape:
        return {"map": average_precision(scores, found)}
    if found.shape != (len(images),) or found.dtype.kind not in "iu":
        raise ValueError(
            f"labels: expected one integer a picture, shape ({len(images)},), or bool "
            f"{scores.shape}, found {found.dtype} {found.shape}"
        )
    if len(found) and not 0 <= found.min() <= found.max() < scores.shape[1]:
        raise ValueError(
            f"labels: expected 0 to {scores.shape[1] - 1}, found {found.min()} to {found.max()}"
        )
    return accuracies(class_ranks(scores, found), found, scores.shape[1])


def accuracies(ranks, labels, classes: int, **config: Any) -> dict[str, Figure]:
    """``top1``, ``top5`` (nothing where there are no more than five classes) and
    ``mean_per_class``: the mean over classes with a picture of the share that is right."""
    ranks, labels = np.asarray(ranks), np.asarray(labels)
    told = {"classes": classes, **config}
    figures = {
        f"top{k}": share(ranks <= k, 100.0 * k / classes, **told) for k in TOP if k < classes
    }
    items = np.stack([labels, 100 * (ranks <= 1)], axis=1)
    figures["mean_per_class"] = Figure(
        mean_of_groups(items), len(ranks), 100.0 / classes, told, items, mean_of_groups
    )
    return figures


def mean_of_groups(items: np.ndarray) -> float:
    """Of (group, value) [n, 2]: the mean over groups of the means of their values."""
    if not len(items):
        return float("nan")
    _, place = np.unique(items[:, 0], return_inverse=True)
    return float(np.mean(np.bincount(place, items[:, 1]) / np.bincount(place)))


def average_precision(scores: np.ndarray, labels: np.ndarray, **config: Any) -> Figure:
    """Mean over classes with a picture of the average precision of their scores [N, K].

    The average precision of a class is the mean over its pictures of the precision at their rank.
    Pictures that score the same share the rank of the last of them, so their order is no matter.
    """
    both = np.stack([np.asarray(scores, np.float64), np.asarray(labels, np.float64)], axis=2)
    known = np.flatnonzero(both[:, :, 1].any(axis=0))
    n = len(both)
    chance = [_chance_precision(int(both[:, k, 1].sum()), n) for k in known]
    value = _mean_precision(both)
    told = {"classes": both.shape[1], "classes_with_pictures": len(known), **config}
    return Figure(value, n, float(np.mean(chance)) if chance else None, told, both, _mean_precision)


def _mean_precision(both: np.ndarray) -> float:
    found = [
        _precision(both[:, k, 0], both[:, k, 1] > 0)
        for k in range(both.shape[1])
        if both[:, k, 1].any()
    ]
    return 100.0 * float(np.mean(found)) if found else float("nan")


def _precision(scores: np.ndarray, right: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    above = np.cumsum(right)[last]
    gained = np.diff(above, prepend=0)
    return float(np.sum(gained * above / (last + 1)) / right.sum())


def _chance_precision(positives: int, n: int) -> float:
    """Expected average precision of ``positives`` of ``n`` in random order, in per cent: the mean
    over ranks r of (1 + (r - 1) (P - 1) / (n - 1)) / r."""
    harmonic = float(np.sum(1.0 / np.arange(1, n + 1))) / n
    others = (positives - 1) / max(n - 1, 1)
    return 100.0 * (harmonic + others * (1.0 - harmonic))
