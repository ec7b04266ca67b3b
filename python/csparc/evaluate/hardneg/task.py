"""The task ``hardneg``: a model on captions that are nearly right, in the layouts of benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc.data.readers.matching import MatchingPictures
from csparc.data.scenes import Scenes
from csparc.errors import DataError
from csparc.evaluate.encode import Stopped, encode_texts, unit_pictures, unit_texts
from csparc.evaluate.hardneg.measures import blind_accuracy, evaluate_matching, evaluate_pairs
from csparc.evaluate.hardneg.scenes import KINDS, scene_negatives
from csparc.evaluate.tasks import Subject, Task, TaskResult, register


@dataclass(frozen=True)
class Entry:
    """Picture ``item`` with a caption of it and a wrong one, and in which way that is wrong."""

    item: int
    caption: str
    negative: str
    kind: str

    __repr__ = fields_line


@register
class HardNegatives(Task):
    """`evaluate_matching` of a model, by kind, beside `blind_accuracy`; of pairs of pictures
    `evaluate_pairs`, too."""

    name = "hardneg"
    help = "tell captions from others that are nearly the same, and wrong"
    about = (
        "Whether a caption is nearer to its picture than a hard negative: SugarCrepe "
        "(sugarcrepe:IMAGES,FILES), Winoground (winoground:DIR), any data with hard negatives, and "
        "generated scenes. Beside it what the words alone give away."
    )
    main = ("all", *KINDS, "text", "image", "group")

    def check(self, subject: Subject) -> None:
        super().check(subject)
        if not isinstance(subject.data, Scenes) and not subject.data.has_hard_negatives:
            raise ValueError(
                "hardneg: expected data with hard negatives or generated scenes, found "
                f"{subject.data.spec}"
            )

    def run(self, subject: Subject) -> TaskResult | None:
        entries = entries_of(subject.data)
        try:
            features, items, problems = _pictures(subject)
            row = {int(item): number for number, item in enumerate(items)}
            entries = [entry for entry in entries if entry.item in row]
            if not entries:
                raise DataError(f"{subject.data.spec}: expected hard negatives, found none")
            vectors = _texts(subject, [t for e in entries for t in (e.caption, e.negative)])
        except Stopped:
            return None
        own = features[[row[entry.item] for entry in entries]]
        scores = [_cosines(own, vectors, [getattr(e, side) for e in entries])
                  for side in ("caption", "negative")]  # fmt: skip
        figures = matching_figures(entries, *scores)
        if getattr(subject.data, "paired", False):
            figures |= evaluate_pairs(_pair_scores(entries, *scores))
        return TaskResult(figures, problems)


def entries_of(data: Any) -> list[Entry]:
    """The pairs of captions to tell apart, in the order of the pictures; of generated scenes those
    of every kind."""
    if isinstance(data, Scenes):
        return [Entry(one.item, one.caption, one.negative, kind)
                for kind in KINDS for one in scene_negatives(data, kind)]  # fmt: skip
    kind_of = data.kind if isinstance(data, MatchingPictures) else lambda item: "all"
    return [
        Entry(item, data.captions(item)[0], negative, kind_of(item))
        for item in range(len(data))
        for negative in data.hard_negatives(item)
    ]


def matching_figures(entries: list[Entry], right: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    """``all``, each kind where there are several, and ``blind``: the same of words alone."""
    kinds = np.array([entry.kind for entry in entries])
    names = list(dict.fromkeys(kinds.tolist()))
    pictures = np.array([entry.item for entry in entries])
    figures: dict[str, Any] = {"all": evaluate_matching(right, wrong, pictures)}
    if len(names) > 1:
        for kind in names:
            own = kinds == kind
            figures[kind] = evaluate_matching(right[own], wrong[own], pictures[own])
    figures["blind"] = {
        kind: blind_accuracy(*zip(*((e.caption, e.negative) for e in entries if e.kind == kind)))
        for kind in names
        if np.count_nonzero(kinds == kind) > 1
    }
    return figures


def _pair_scores(entries: list[Entry], right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Scores [N, 2, 2] of the examples both of whose pictures could be read."""
    place = {entry.item: number for number, entry in enumerate(entries)}
    pairs = [(place[i], place[i + 1]) for i in place if i % 2 == 0 and i + 1 in place]
    return np.array(
        [[[right[a], wrong[a]], [wrong[b], right[b]]] for a, b in pairs]
    ).reshape(-1, 2, 2)  # fmt: skip


def _pictures(subject: Subject) -> tuple[np.ndarray, np.ndarray, Any]:
    pictures = unit_pictures(subject)
    made, items = zip(*pictures)
    return np.concatenate(made), np.concatenate(items), pictures.problems


def _texts(subject: Subject, texts: list[str]) -> dict[str, np.ndarray]:
    """A unit vector of each text; a text that is said again is encoded once."""
    once = list(dict.fromkeys(texts))
    of_ids = unit_texts(subject.model, subject.tokenizer)
    made = encode_texts(once, subject.tokenizer, of_ids, subject.batch_size, subject.should_stop)
    return dict(zip(once, np.concatenate(made)))


def _cosines(images: np.ndarray, vectors: dict[str, np.ndarray], texts: list[str]) -> np.ndarray:
    rows = np.stack([vectors[text] for text in texts])
    return np.einsum("nd,nd->n", images, rows, dtype=np.float64)
