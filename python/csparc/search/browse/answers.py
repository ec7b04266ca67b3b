"""What the page asks for and gets: pictures found, pictures themselves, patches of words."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from csparc.data.report import BadItem
from csparc.evaluate.explain import explanations, local_features
from csparc.search.index import Index
from csparc.search.results_page import cosine
from csparc.search.thumbnails import jpeg, whole_thumbnail
from csparc.viz.alignment import sharp_view
from csparc.viz.overlay import enlarge
from csparc.viz.words_view import layer, told

MOST = 60
"""Pictures of one answer."""
LONGEST_QUERY = 1000
"""Characters of a query."""
_VIEW = 288
_WHOLE = 2048
_EXPLAINED = 16


class Answers:
    """The answers about one index; several threads may ask, the model works for one at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()

    def search(self, sentence: str, k: int) -> dict[str, Any]:
        """The ``k`` nearest pictures, `MOST` at most, as JSON values.

        Raises
        ------
        ValueError
            No word in the sentence, or too many letters.
        """
        if len(sentence) > LONGEST_QUERY:
            raise ValueError(f"expected at most {LONGEST_QUERY} letters, found {len(sentence)}")
        with self._lock:
            hits = self._index.search(sentence, min(k, MOST))
        return {
            "pictures": len(self._index),
            "hits": [
                {
                    "number": hit.index,
                    "name": hit.name,
                    "score": cosine(hit.score),
                    "captions": list(hit.captions[:3]),
                }
                for hit in hits
            ],
        }

    def words(self, sentence: str, numbers: list[int]) -> dict[str, Any]:
        """What each word of a sentence selects in some pictures, `_EXPLAINED` at most.

        ``words``, and by the number of a picture that can be read, for each of them, a layer to lay
        over its view as SVG and what it shows in words; ``title`` and ``notes`` say whose weights
        they are. Raises as `search`.
        """
        if len(sentence) > LONGEST_QUERY:
            raise ValueError(f"expected at most {LONGEST_QUERY} letters, found {len(sentence)}")
        given, seen = self._index.model, {}
        for number in numbers[:_EXPLAINED]:
            try:
                seen[number] = given.preprocess.fixed(self._index.load(number))
            except BadItem:
                continue  # the page shows its place empty
        if not seen:
            return {"words": [], "layers": {}, "title": "", "notes": []}
        with self._lock:
            images = given.preprocess.normalize(np.stack(list(seen.values())))
            specials = getattr(given, "loss_specials", False)
            rows = np.arange(len(seen))
            found = local_features(
                given.model, given.tokenizer, images, [sentence] * len(seen), specials=specials,
                rows=rows,
            )  # fmt: skip
            aligned = found.alignment(given.loss)
            each = explanations(given.tokenizer, found.ids, aligned, given.model.config.grid)
        layers = {
            number: [[layer(one, word), told(one, word)] for word in range(len(one.words))]
            for number, one in zip(seen, each)
        }
        first = each[0]
        return {
            "words": first.words,
            "layers": layers,
            "title": first.title,
            "notes": list(first.notes),
        }

    def view(self, number: int) -> bytes:
        """As much of a picture as the model sees, as JPEG.

        Raises
        ------
        BadItem
            It cannot be read.
        """
        seen = sharp_view(self._index.model.preprocess, self._index.load(number))
        return jpeg(enlarge(seen, _VIEW))

    def picture(self, number: int) -> bytes:
        """The whole picture as JPEG, with at most `_WHOLE` pixels a side; raises as `view`."""
        return whole_thumbnail(self._index.load(number), _WHOLE)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._index)
