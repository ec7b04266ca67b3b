"""Find the pictures of a data set that fit a sentence, their embeddings held in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csparc import _scalars
from csparc._repr import line
from csparc.evaluate.encode import encode_dataset
from csparc.search.hits import Hit
from csparc.search.nearest import nearest
from csparc.search.queries import query_vector

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.models import TwoTower


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
    Making it encodes every picture once; a search then costs 2 N D operations for N pictures. For
    pictures that are searched again on another day there is `csparc.search.update_index`.
    """

    def __init__(
        self, model: TwoTower, tokenizer: Tokenizer, dataset: Dataset, preprocess: Preprocess
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.dataset = dataset
        self.preprocess = preprocess
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
        _scalars.sentence(sentence, "sentence")
        rows, scores = nearest(self.image_features, query_vector(self, sentence), k)
        return [
            Hit(item, self.dataset.name(item), score, tuple(self.dataset.captions(item)))
            for item, score in zip(self.items[rows].tolist(), scores.tolist())
        ]
