"""Pictures of what runs do on the same data: what a sentence finds, and what its words select."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from csparc.data.scenes import Scenes
from csparc.demo.examples import text_search
from csparc.demo.page.page import alignment_article
from csparc.demo.page.result import Alignment
from csparc.demo.page.searches import picture_hits
from csparc.demo.page.sections import section
from csparc.evaluate import Subject, evaluate_retrieval
from csparc.evaluate.encode import Features, encode_subject
from csparc.evaluate.explain import explanations, local_features, sentence_maps
from csparc.evaluate.scenes import caption_numbers, is_true

SEARCHES = 3
"""Of each run, the sentences that are shown of the best and of the worst."""
ALIGNMENTS = 3
"""Pictures whose words are shown, the same of each run."""


def pictures_sections(names: Sequence[str], subjects: Sequence[Subject]) -> str:
    """What runs find and what their words select, of models on the same data with pictures."""
    found = [encode_subject(one) for one in subjects]
    searches = "".join(
        f"<h3>{escape(name)}</h3>{_searches(one, features)}"
        for name, one, features in zip(names, subjects, found)
    )
    alignments = "".join(
        f"<h3>{escape(name)}</h3>{''.join(map(alignment_article, _alignments(one, features)))}"
        for name, one, features in zip(names, subjects, found)
    )
    return section(
        "retrievals", "Best and worst retrievals",
        "Of each run the sentences, one a picture, whose own picture has the best and the worst "
        "place; of equals the one with the higher cosine is better. “Own” marks that picture; "
        "where it is not among the five nearest it follows with its place. Numbers are cosines.",
        searches,
    ) + section(
        "alignments", "What words select",
        "The first pictures of the data in order, each with the longest of its sentences: the "
        "patches that each word selected, lit on the dimmed picture. “Sentence” compares the whole "
        "sentence with each patch. A selection is not yet a found object: see the figures of "
        "grounding.",
        alignments,
    )  # fmt: skip


class _Views:
    """Pictures of a data set as a model sees them, uint8, read when they are asked for."""

    def __init__(self, subject: Subject, items: np.ndarray) -> None:
        self.subject, self.items = subject, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> np.ndarray:
        picture = self.subject.data.load(int(self.items[row]))
        return self.subject.preprocess.fixed(picture)


def _searches(subject: Subject, features: Features) -> str:
    """Pictures found by the sentences of the best place, and by those of the worst."""
    views: Any = _Views(subject, features.items)
    numbers = caption_numbers(features.image_index)

    def truth(row: int, caption: int) -> bool | None:
        if not isinstance(subject.data, Scenes):
            return None
        owner = int(features.items[features.image_index[caption]])
        return is_true(subject.data, int(features.items[row]), owner, int(numbers[caption]))

    parts = []
    for title, captions in zip(("Best", "Worst"), extremes(features)):
        parts.append(f"<h4>{title}</h4>")
        for caption in captions:
            one = text_search(features, views, caption, truth)
            parts.append(
                f'<article class="search"><h4>“{escape(one.caption)}”</h4><ol class="pictures few">'
                f"{picture_hits(one.hits)}</ol></article>"
            )
    return "".join(parts)


def extremes(features: Features, count: int = SEARCHES) -> tuple[list[int], list[int]]:
    """Captions of different pictures whose picture has the best place, and the worst."""
    arrays = (features.image_features, features.text_features, features.image_index)
    ranks = evaluate_retrieval(*arrays).ranks["text_to_image"]
    own = np.einsum("md,md->m", features.image_features[arrays[2]], features.text_features)
    order = np.lexsort((-own, ranks))
    return _of_pictures(order, arrays[2], count), _of_pictures(order[::-1], arrays[2], count)


def _of_pictures(order: np.ndarray, index: np.ndarray, count: int) -> list[int]:
    """The first captions of an order, one of each picture."""
    found: dict[int, int] = {}
    for caption in order.tolist():
        found.setdefault(int(index[caption]), caption)
        if len(found) == count:
            break
    return list(found.values())


def _alignments(subject: Subject, features: Features) -> Iterator[Alignment]:
    views = _Views(subject, features.items[:ALIGNMENTS])
    pictures = [views[row] for row in range(len(views))]
    captions = [max(subject.data.captions(int(item)), key=len) for item in views.items]
    images = subject.preprocess.normalize(np.stack(pictures))
    model = (subject.model, subject.tokenizer, images, captions)
    found = local_features(*model, specials=subject.loss_specials)
    explained = explanations(
        subject.tokenizer, found.ids, found.alignment(subject.loss), subject.model.config.grid
    )
    for picture, caption, one, row in zip(pictures, captions, explained, sentence_maps(*model)):
        yield Alignment(
            picture, caption, one.words, one.weights, one.grid, row, chosen_by=one.chosen_by
        )
