"""Retrieval during training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from csparc._repr import fields_line
from csparc.evaluate import evaluate_retrieval
from csparc.evaluate.encode import encode_dataset

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.models import TwoTower


@dataclass(frozen=True)
class Validation:
    """Retrieval on held-out data with the model as it is."""

    dataset: Dataset
    tokenizer: Tokenizer
    transform: Preprocess
    batch_size: int = 64

    __repr__ = fields_line

    def run(
        self, model: TwoTower, should_stop: Callable[[], bool] = lambda: False
    ) -> dict[str, Any] | None:
        """What `csparc.evaluate.evaluate_retrieval` returns; None when asked to stop."""
        features = encode_dataset(
            model, self.tokenizer, self.dataset, self.transform,
            batch_size=self.batch_size, should_stop=should_stop,
        )  # fmt: skip
        if features is None:
            return None
        return evaluate_retrieval(
            features.image_features, features.text_features, features.image_index
        )


def score(result: dict[str, Any]) -> float:
    """What "best" means: the mean of both R@1, in per cent."""
    return (result["image_to_text_R@1"] + result["text_to_image_R@1"]) / 2
