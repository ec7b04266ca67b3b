"""Find the pictures of a data set that fit a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csparc import _scalars
from csparc._repr import fields_line, line
from csparc.evaluate.encode import encode_dataset

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.models import TwoTower


@dataclass(frozen=True)
class Hit:
    """A picture that was found."""

    index: int
    """Its number in the data set."""
    name: str
    """What the data set calls it: for files, the path inside the data folder."""
    score: float
    """Cosine of its embedding and the sentence's, -1 to 1. Compare it within one search only."""
    captions: tuple[str, ...] = ()
    """The captions the data set has of it, in their order."""

    __repr__ = fields_line


class Search:
    """The embeddings of a data set's pictures, to be searched with sentences.

    Parameters
    ----------
    model, tokenizer
        As `csparc.load_checkpoint` returns them.
    dataset : Dataset
    preprocess : Preprocess
        The model's transform for evaluation.

    Attributes
    ----------
    problems : BadItems
        The pictures that could not be read and are not found.

    Notes
    -----
    Making it encodes every picture once; a search then costs 2 N D operations for N pictures.
    """

    def __init__(
        self, model: TwoTower, tokenizer: Tokenizer, dataset: Dataset, preprocess: Preprocess
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.dataset = dataset
        features = encode_dataset(model, tokenizer, dataset, preprocess)
        self.problems = features.problems
        self.items = features.items
        self.image_features = features.image_features

    def __repr__(self) -> str:
        return line(self, f"{len(self.items):,} pictures", f"width {self.image_features.shape[1]}")

    def __call__(self, sentence: str, k: int = 5) -> list[Hit]:
        """The ``k`` pictures nearest to ``sentence``, the best first; of equals the earlier one.

        All of the pictures where there are fewer.

        Raises
        ------
        ValueError, TypeError
            A sentence without a word, a ``k`` below 1.
        """
        k = _scalars.whole_number(k, "k", low=1)
        ids = self.tokenizer([_scalars.sentence(sentence, "sentence")])
        valid = self.tokenizer.valid_mask(ids)
        text = self.model.encode_text(ids, normalize=True, text_mask=valid)[0]
        scores = self.image_features @ text
        best = np.argsort(-scores, kind="stable")[:k]
        return [
            Hit(item, self.dataset.name(item), score, tuple(self.dataset.captions(item)))
            for item, score in zip(self.items[best].tolist(), scores[best].tolist())
        ]
