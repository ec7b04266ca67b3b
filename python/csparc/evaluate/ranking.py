"""Ranks of the right answers among scores, recalls and mean ranks, and what chance would give."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import numpy as np

from csparc.evaluate.cosine_ranks import Ranks
from csparc.evaluate.figures import RetrievalFigures

RECALL_AT = (1, 5, 10)
Block = tuple[int, np.ndarray]
"""(the first query, scores [queries, candidates] float32)."""


def evaluate_scores(
    image_rows: Iterable[Block], text_rows: Iterable[Block], image_index, n_images: int
) -> RetrievalFigures:
    """What `csparc.evaluate.evaluate_retrieval` returns, from scores however they are made.

    ``image_rows`` gives the scores of all captions for some images at a time, ``text_rows`` those
    of all images for some captions: every image, every caption once. The two may be of different
    matrices.
    """
    index = np.asarray(image_index)
    of_images = _image_query_ranks(image_rows, index, n_images)
    of_texts = _text_query_ranks(text_rows, index)
    return retrieval_figures(of_images, of_texts, index)


def retrieval_figures(of_images: Ranks, of_texts: Ranks, index: np.ndarray) -> RetrievalFigures:
    """What `csparc.evaluate.evaluate_retrieval` returns, from the ranks of each image's best
    caption and of each caption's image, ``index`` [M]."""
    captions_of = np.bincount(index, minlength=len(of_images.ranks))
    asked = captions_of > 0
    ranks = {"image_to_text": of_images.ranks[asked], "text_to_image": of_texts.ranks}
    ties = {"image_to_text": of_images.tied[asked], "text_to_image": of_texts.tied}
    result = RetrievalFigures()
    for direction in ranks:
        result |= _summary(direction, ranks[direction], ties[direction])
    result["chance"] = chance(captions_of)
    result["n_images"] = len(captions_of)
    result["n_image_queries"] = int(asked.sum())
    result["n_texts"] = len(of_texts.ranks)
    result.ranks = ranks
    result.pictures = {"image_to_text": np.flatnonzero(asked), "text_to_image": index}
    return result


def chance(captions_of) -> dict:
    """What a random order is expected to give, for ``captions_of`` [N] captions of each image.

    An image with c of M captions misses the first k with probability C(M-c, k) / C(M, k); its best
    caption has expected rank (M+1) / (c+1). A caption finds its one image with probability k / N.
    """
    captions_of = np.asarray(captions_of, dtype=np.int64)
    n, m = len(captions_of), int(captions_of.sum())
    counts, weights = np.unique(captions_of[captions_of > 0], return_counts=True)
    weights = weights / weights.sum()
    result = {}
    for k in RECALL_AT:
        result[f"image_to_text_R@{k}"] = 100.0 * (1.0 - _miss(counts, weights, m, k))
        result[f"text_to_image_R@{k}"] = 100.0 * min(k, n) / n
    result["image_to_text_mean_rank"] = float(weights @ ((m + 1) / (counts + 1)))
    result["text_to_image_mean_rank"] = (n + 1) / 2
    median = 1 + bisect_left(range(1, m), True, key=lambda k: _miss(counts, weights, m, k) <= 0.5)
    result["image_to_text_median_rank"] = float(median)
    result["text_to_image_median_rank"] = float((n + 1) // 2)
    return result


def _miss(counts: np.ndarray, weights: np.ndarray, m: int, k: int) -> float:
    """Probability that none of an image's captions is among ``k`` random ones of ``m``."""
    drawn = np.arange(min(k, m))[:, None]
    return float(weights @ np.prod(np.maximum(m - counts - drawn, 0) / (m - drawn), axis=0))


def _image_query_ranks(blocks: Iterable[Block], index: np.ndarray, n_images: int) -> Ranks:
    """Rank [N] of each image's best caption, and whether a wrong caption ties with it [N]."""
    ranks = np.zeros(n_images, dtype=np.int64)
    tied = np.zeros(n_images, dtype=bool)
    by_image = np.argsort(index, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=n_images))])
    for first, scores in blocks:
        for row, image in enumerate(range(first, first + len(scores))):
            own = by_image[bounds[image] : bounds[image + 1]]
            if len(own) == 0:
                continue
            best = own[np.argmax(scores[row, own])]
            ranks[image], equal = _rank(scores[row], best)
            tied[image] = equal > np.count_nonzero(scores[row, own] == scores[row, best])
    return Ranks(ranks, tied)


def _text_query_ranks(blocks: Iterable[Block], index: np.ndarray) -> Ranks:
    """Rank [M] of each caption's image, and whether a wrong image ties with it [M]."""
    ranks = np.zeros(len(index), dtype=np.int64)
    tied = np.zeros(len(index), dtype=bool)
    for first, scores in blocks:
        for row, text in enumerate(range(first, first + len(scores))):
            ranks[text], equal = _rank(scores[row], index[text])
            tied[text] = equal > 1
    return Ranks(ranks, tied)


def _rank(scores: np.ndarray, right: int) -> tuple[int, int]:
    """Rank of candidate ``right`` among ``scores``, and how many candidates share its score."""
    value = scores[right]
    better = np.count_nonzero(scores > value)
    equal = scores == value
    return 1 + better + np.count_nonzero(equal[:right]), np.count_nonzero(equal)


def _summary(direction: str, ranks: np.ndarray, tied: np.ndarray) -> dict:
    result = {f"{direction}_R@{k}": 100.0 * float(np.mean(ranks <= k)) for k in RECALL_AT}
    result[f"{direction}_mean_rank"] = float(np.mean(ranks))
    result[f"{direction}_median_rank"] = float(np.floor(np.median(ranks)))
    result[f"{direction}_tie_share"] = 100.0 * float(np.mean(tied))
    return result
