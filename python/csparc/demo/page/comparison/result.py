"""Two settings on the same pictures, as plain data: everything their page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from csparc.demo.page.result import Hit
from csparc.demo.settings import Setting
from csparc.viz.compared import ComparedPicture


@dataclass(frozen=True)
class Contender:
    """One of the settings, how it was trained, and what it does on the held-out pictures.

    ``retrieval`` is of `evaluate_retrieval`, ``grounding`` of `csparc.evaluate.diagnose`: what it
    holds of ``placement`` is known where the data know what their pictures show, and then
    ``semantic`` is of `semantic_recall`. ``log`` holds one dict a step.
    """

    setting: Setting
    steps: int
    batch_size: int
    seconds: float
    processor_seconds: float
    parameters: int
    log: Sequence[Mapping]
    retrieval: Mapping
    grounding: Mapping
    configuration: Mapping[str, Mapping[str, object]]
    semantic: Mapping | None = None


@dataclass(frozen=True)
class ComparedSearch:
    """A sentence and, of every contender in order, the pictures nearest to it."""

    caption: str
    hits: Sequence[Sequence[Hit]]


@dataclass(frozen=True)
class Comparison:
    """A finished run of the settings, on the same data.

    ``rule`` says which pictures and captions are shown, ``word_rule`` which words first.
    ``held_out`` pictures were measured.
    """

    data: str
    generated: bool
    held_out: int
    contenders: Sequence[Contender]
    pictures: Sequence[ComparedPicture]
    searches: Sequence[ComparedSearch]
    rule: str
    word_rule: str
    threads: int
    command: str
