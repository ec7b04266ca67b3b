"""What a model of the demo does on the held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from csparc.demo.data import DemoData
from csparc.demo.plan import Evaluation
from csparc.evaluate import evaluate_retrieval
from csparc.evaluate.diagnose import diagnose
from csparc.evaluate.encode import encode_dataset
from csparc.evaluate.explain import Explanation, explanations, local_features, sentence_maps
from csparc.evaluate.grounding import words_alike

ALIGNMENTS = 12


class Look:
    """Evaluates a model, as it is at the moment."""

    def __init__(
        self, model: Any, tokenizer: Any, preprocess: Any, data: DemoData, loss: Any
    ) -> None:
        self.model, self.tokenizer, self.preprocess = model, tokenizer, preprocess
        self.data, self.loss = data, loss

    def evaluate(self) -> Evaluation:
        """Retrieval, what words select and on what that depends, and for scenes what only they
        allow."""
        model, tokenizer, preprocess, held_out = (
            self.model, self.tokenizer, self.preprocess, self.data.held_out,
        )  # fmt: skip
        features = encode_dataset(model, tokenizer, held_out, preprocess)
        arrays = (features.image_features, features.text_features, features.image_index)
        semantic = None
        if self.data.scenes is not None:
            from csparc.evaluate.scenes import semantic_recall

            semantic = semantic_recall(self.data.scenes, *arrays, features.items)
        return Evaluation(
            features=features,
            pictures=[preprocess.fixed(held_out.load(int(item))) for item in features.items],
            retrieval=evaluate_retrieval(*arrays),
            grounding=diagnose(model, tokenizer, held_out, preprocess, self.loss, captions="all"),
            semantic=semantic,
        )

    def with_alignments(self, found: Evaluation) -> Evaluation:
        """The same with the alignments of the first few pictures, and how alike words select."""
        captions = [self.data.held_out.captions(int(item)) for item in found.features.items]
        pictures = found.pictures[:ALIGNMENTS]
        longest = [max(own, key=len) for own in captions[:ALIGNMENTS]]
        images = self.preprocess.normalize(np.stack(pictures))
        maps = sentence_maps(self.model, self.tokenizer, images, longest)
        shown = [
            replace(one, sentence=row) for one, row in zip(self.explain(pictures, longest), maps)
        ]
        alike = None
        if found.grounding["weights"]["of"] == "words":
            first = self.explain(found.pictures, [own[0] for own in captions])
            alike = words_alike([one.ranking for one in first])
        return replace(found, alignments=list(zip(longest, shown)), words_alike=alike)

    def explain(self, pictures: Sequence[np.ndarray], captions: Sequence[str]) -> list[Explanation]:
        """What the words of each caption select in its picture, uint8 as the model sees it."""
        images = self.preprocess.normalize(np.stack(pictures))
        found = local_features(self.model, self.tokenizer, images, captions)
        aligned = found.alignment(self.loss)
        return explanations(self.tokenizer, found.ids, aligned, self.model.config.grid)
