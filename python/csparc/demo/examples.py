"""The nearest neighbours the demo's page shows: of the first pairs in order, not of the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from csparc.demo.page.result import Hit, ImageSearch, TextSearch
from csparc.evaluate.encode import Features

NEAREST = 5
Truth = Callable[[int, int], bool | None]
"""``truth(row, caption)``: is the caption true of that picture; None where nobody knows."""


def text_searches(
    features: Features, pictures: Sequence[np.ndarray], count: int, truth: Truth
) -> list[TextSearch]:
    """For the longest caption of each of the first ``count`` pictures, the nearest pictures.

    ``pictures`` [N] are uint8 views of the rows of ``features``.
    """
    searches = []
    for row in range(min(count, len(pictures))):
        own = np.flatnonzero(features.image_index == row)
        caption = int(max(own, key=lambda j: len(features.captions[j])))
        searches.append(text_search(features, pictures, caption, truth))
    return searches


def text_search(
    features: Features, pictures: Sequence[np.ndarray], caption: int, truth: Truth
) -> TextSearch:
    """The pictures nearest to a caption, a number of ``features.captions``; as `text_searches`."""
    row = int(features.image_index[caption])
    scores = features.image_features @ features.text_features[caption]
    hits = [
        Hit(
            rank,
            float(scores[i]),
            i == row,
            None if i == row else truth(i, caption),
            image=pictures[i],
        )
        for rank, i in _nearest(scores, [row])
    ]
    return TextSearch(features.captions[caption], hits)


def image_searches(
    features: Features, pictures: Sequence[np.ndarray], count: int, truth: Truth
) -> list[ImageSearch]:
    """For the first ``count`` pictures the nearest captions; equal texts are shown once."""
    first_of = {}
    for j, text in enumerate(features.captions):
        first_of.setdefault(text, j)
    searches = []
    for row in range(min(count, len(pictures))):
        own = {features.captions[j] for j in np.flatnonzero(features.image_index == row)}
        distinct = np.array(sorted(first_of.values()))
        scores = features.text_features[distinct] @ features.image_features[row]
        right = [k for k, j in enumerate(distinct) if features.captions[j] in own]
        hits = []
        for rank, k in _nearest(scores, right):
            j = int(distinct[k])
            mine = features.captions[j] in own
            hits.append(
                Hit(
                    rank,
                    float(scores[k]),
                    mine,
                    None if mine else truth(row, j),
                    text=features.captions[j],
                )
            )
        searches.append(ImageSearch(pictures[row], hits))
    return searches


def _nearest(scores: np.ndarray, right: Sequence[int]) -> list[tuple[int, int]]:
    """(place, candidate) of the best few, and of the best right one where it is not among them."""
    order = np.argsort(-scores, kind="stable")
    nearest = [(place, int(i)) for place, i in enumerate(order[:NEAREST], 1)]
    if not any(i in right for _, i in nearest):
        place = next(p for p, i in enumerate(order, 1) if i in right)
        nearest.append((place, int(order[place - 1])))
    return nearest
