"""What the demo found, as plain data: everything its page shows, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from csparc.losses.registry import DEFAULT


@dataclass(frozen=True)
class Hit:
    """One answer of a search: a picture or a caption, its place and cosine, whether it is right.

    ``true`` marks a caption that also describes the picture though it is another's; None where
    nobody knows.
    """

    rank: int
    score: float
    own: bool
    true: bool | None = None
    image: np.ndarray | None = None
    text: str | None = None


@dataclass(frozen=True)
class TextSearch:
    """A caption and the pictures nearest to it, best first, its own one always among them."""

    caption: str
    hits: Sequence[Hit]


@dataclass(frozen=True)
class ImageSearch:
    """A picture and the captions nearest to it, best first, its best own one always among them."""

    image: np.ndarray
    hits: Sequence[Hit]


@dataclass(frozen=True)
class Alignment:
    """A picture [H, W, 3] (uint8), words of a caption, and the weights [T, P] of each on a grid.

    ``sentence`` [P]: similarity of the whole caption with every patch, of any range.
    ``chosen_by`` [T, P]: where weights mark a best match, what it is the best by.
    """

    image: np.ndarray
    caption: str
    words: Sequence[str]
    weights: np.ndarray
    grid: tuple[int, int]
    sentence: np.ndarray | None = None
    chosen_by: np.ndarray | None = None


@dataclass(frozen=True)
class DemoResult:
    """A finished demonstration run.

    ``retrieval`` and ``untrained_retrieval`` are results of `evaluate_retrieval` on the same
    held-out pairs, ``grounding`` of `evaluate_grounding`. Where the data know what their pictures
    show, ``semantic`` holds results of `semantic_recall`, ``placement`` of `placement`, a dict a
    part of speech, and ``sentence_placement`` of `sentence_placement` (all from
    `csparc.evaluate.scenes`). ``log`` holds one dict a step (see
    `csparc.viz.read_log`). ``configuration`` maps a heading to names and values. ``conditions`` is
    the sentence every claim on the page stands under; ``notes`` are further limits to state.
    ``loss`` is the name of the loss trained, as in `csparc.losses.registry`; ``words_alike`` of
    `csparc.evaluate.grounding`, where words have weights.
    """

    title: str
    conditions: str
    model: str
    parameters: int
    data: str
    steps: int
    pairs: int
    seconds: float
    threads: int
    log: Sequence[Mapping]
    retrieval: Mapping
    untrained_retrieval: Mapping
    grounding: Mapping
    semantic: Mapping | None = None
    untrained_semantic: Mapping | None = None
    placement: Mapping | None = None
    untrained_placement: Mapping | None = None
    sentence_placement: Mapping | None = None
    untrained_sentence_placement: Mapping | None = None
    text_searches: Sequence[TextSearch] = ()
    image_searches: Sequence[ImageSearch] = ()
    alignments: Sequence[Alignment] = ()
    configuration: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    command: str = "csparc demo"
    loss: str = DEFAULT
    words_alike: float | None = None
    notes: Sequence[str] = ()
