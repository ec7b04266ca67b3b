"""Image-text retrieval: recall at k, mean and median rank, in both directions, beside chance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

import numpy as np

from csparc._rows import unit_rows_float64

RECALL_AT = (1, 5, 10)
Block = tuple[int, np.ndarray]
"""(the first query, scores [queries, candidates] float32)."""
_BLOCK_ENTRIES = 1 << 20


def evaluate_retrieval(image_features, text_features, image_index) -> dict:
    """Rank every caption for every image and every image for every caption.

    The score of a pair is the cosine of its features, summed in float64 and compared as float32:
    two captions with the same features tie exactly wherever they stand. The rank of the right
    answer is ``1 + #{better} + #{equal, with a smaller index}``, so an encoder that maps everything
    to one point gets no credit for it. Of an image's several captions the best placed counts.

    Parameters
    ----------
    image_features : array [N, D]
        One row an image; any real dtype, of any length (rows are normalised here).
    text_features : array [M, D]
        One row a caption.
    image_index : integer array [M]
        The image each caption belongs to, ``0 <= image_index < N``. An image without captions is
        still a candidate answer but asks no question. (Code that lets every image ask counts it as
        a miss.)

    Returns
    -------
    dict
        ``image_to_text_R@1``, ``_R@5``, ``_R@10`` (per cent of images),
        ``image_to_text_mean_rank``, ``_median_rank`` (1 is best; the median rounds down, as in
        open_clip), ``image_to_text_tie_share`` (per cent of queries whose right answer ties with a
        wrong one); the same with ``text_to_image_``; ``chance``, a dict with the value a random
        order is expected to give for every recall and rank; ``n_images``, ``n_image_queries``,
        ``n_texts``.

    Raises
    ------
    ValueError
        Shapes that do not fit, an index out of range, features that are not finite, no captions.

    Notes
    -----
    2 N M D multiply-adds for each direction. Scores are made a block of rows at a time: the extra
    memory is about 16 MiB, or a few rows of the larger side, beside the normalised copies.
    """
    images = unit_rows_float64(image_features, "image_features")
    texts = unit_rows_float64(text_features, "text_features")
    index = checked_index(image_index, len(images), len(texts))
    if images.shape[1] != texts.shape[1]:
        raise ValueError(
            f"image_features and text_features differ in width: {images.shape[1]} and "
            f"{texts.shape[1]}; both must come from the same model"
        )
    return evaluate_scores(
        _score_blocks(images, texts), _score_blocks(texts, images), index, len(images)
    )


def evaluate_scores(
    image_rows: Iterable[Block], text_rows: Iterable[Block], image_index, n_images: int
) -> dict:
    """What `evaluate_retrieval` returns, from scores made some other way.

    ``image_rows`` gives the scores of all captions for some images at a time, ``text_rows`` those
    of all images for some captions: every image, every caption once. The two may be of different
    matrices.
    """
    index = np.asarray(image_index)
    captions_of = np.bincount(index, minlength=n_images)
    image_ranks, image_ties = _image_query_ranks(image_rows, index, n_images)
    asked = captions_of > 0
    text_ranks, text_ties = _text_query_ranks(text_rows, index)
    result = _summary("image_to_text", image_ranks[asked], image_ties[asked])
    result |= _summary("text_to_image", text_ranks, text_ties)
    result["chance"] = chance(captions_of)
    result["n_images"] = n_images
    result["n_image_queries"] = int(asked.sum())
    result["n_texts"] = len(index)
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


def _image_query_ranks(
    blocks: Iterable[Block], index: np.ndarray, n_images: int
) -> tuple[np.ndarray, np.ndarray]:
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
    return ranks, tied


def _text_query_ranks(blocks: Iterable[Block], index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank [M] of each caption's image, and whether a wrong image ties with it [M]."""
    ranks = np.zeros(len(index), dtype=np.int64)
    tied = np.zeros(len(index), dtype=bool)
    for first, scores in blocks:
        for row, text in enumerate(range(first, first + len(scores))):
            ranks[text], equal = _rank(scores[row], index[text])
            tied[text] = equal > 1
    return ranks, tied


def _rank(scores: np.ndarray, right: int) -> tuple[int, int]:
    """Rank of candidate ``right`` among ``scores``, and how many candidates share its score."""
    value = scores[right]
    better = np.count_nonzero(scores > value)
    equal = scores == value
    return 1 + better + np.count_nonzero(equal[:right]), np.count_nonzero(equal)


def _score_blocks(queries: np.ndarray, candidates: np.ndarray) -> Iterator[Block]:
    """Cosines of unit rows, a bounded number of entries at a time."""
    rows = max(1, _BLOCK_ENTRIES // max(len(candidates), 1))
    for first in range(0, len(queries), rows):
        yield first, (queries[first : first + rows] @ candidates.T).astype(np.float32)


def checked_index(image_index, n_images: int, n_texts: int) -> np.ndarray:
    index = np.asarray(image_index)
    if index.shape != (n_texts,) or index.dtype.kind not in "iu":
        raise ValueError(
            f"image_index must hold one integer a caption, shape ({n_texts},), got shape "
            f"{index.shape} of {index.dtype}"
        )
    if index.min() < 0 or index.max() >= n_images:
        wrong = int(np.argmax((index < 0) | (index >= n_images)))
        raise ValueError(
            f"image_index[{wrong}] is {index[wrong]}, but there are {n_images} images "
            f"(expected 0 to {n_images - 1})"
        )
    return index.astype(np.int64)


def _summary(direction: str, ranks: np.ndarray, tied: np.ndarray) -> dict:
    result = {f"{direction}_R@{k}": 100.0 * float(np.mean(ranks <= k)) for k in RECALL_AT}
    result[f"{direction}_mean_rank"] = float(np.mean(ranks))
    result[f"{direction}_median_rank"] = float(np.floor(np.median(ranks)))
    result[f"{direction}_tie_share"] = 100.0 * float(np.mean(tied))
    return result
