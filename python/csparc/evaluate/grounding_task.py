"""The task ``grounding``: the diagnostics of a model on a data set, and how they are printed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from csparc.evaluate.diagnose import CAPTIONS, diagnose
from csparc.evaluate.figure import Figure
from csparc.evaluate.figures import value_at
from csparc.evaluate.grounding_figures import SIDES, grounding_figures
from csparc.evaluate.tasks import Subject, Task, TaskResult, option, register
from csparc.losses.explains import RULES

_NAMES = {"NOUN": "nouns", "ADJ": "adjectives", "COLOUR": "colours", "PHRASE": "phrases",
          "CAPTION": "captions"}  # fmt: skip
_OF_PLACES = (
    ("auc", "  above other objects’ patches"),
    ("auc_named", "  above others its caption names"),
    ("auc_all", "  above all other patches"),
    ("pointing", "  heaviest patch on its object"),
)
"""Figure, and what it is called."""
_OF_WEIGHTS = (
    ("local_loss", "SPARC’s loss of these weights"),
    ("token_accuracy", "words told apart, %"),
    ("effective_patches", "patches a weight spreads over"),
    ("zeroed", "weights that are 0, %"),
)
"""Figure of both sides, and what it is called."""


@register
@dataclass(frozen=True, repr=False)
class Grounding(Task):
    """`diagnose` of a model with its loss; without one, as `diagnose` measures None."""

    name = "grounding"
    help = "which patches words select, and whether that depends on the picture"
    about = (
        "What the local loss aligned, on a picture's own patches and on another "
        "picture's, and what decides a patch embedding; where places are known also whether words "
        "select the object they name."
    )
    main = (
        "gap", "matched.token_accuracy", "matched.effective_patches", "place_correlation",
        "placement.NOUN.auc", "placement.ADJ.auc", "placement.CAPTION.auc",
        "sentence_placement.auc",
        "placement.NOUN.auc_named", "placement.NOUN.pointing",
        "placement.COLOUR.auc_named", "placement.COLOUR.pointing",
        "placement.PHRASE.auc", "placement.PHRASE.pointing",
        "variance.position", "variance.picture",
    )  # fmt: skip

    weights: str = option(
        RULES[0],
        "the weights of the loss the model was trained with (default), or SPARC's",
        RULES,
    )
    captions: str = option(
        CAPTIONS[0], "the first caption of every picture (default), or all of them", CAPTIONS
    )

    def config(self) -> dict[str, Any]:
        """Nothing: the figures themselves say what was measured."""
        return {}

    def run(self, subject: Subject) -> TaskResult | None:
        figures = diagnose(
            subject.model,
            subject.tokenizer,
            subject.data,
            subject.preprocess,
            subject.loss,
            rule=self.weights,
            specials=subject.loss_specials,
            captions=self.captions,
            batch_size=subject.batch_size,
            progress=subject.progress,
            should_stop=subject.should_stop,
        )
        return None if figures is None else TaskResult(figures)

    def measured(self, figures: Mapping[str, Any]) -> dict[str, Figure]:
        """Each with what every pair or word gave."""
        return grounding_figures(figures)

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Figures on own and on other pictures side by side, then places if they are known; none
        without its chance."""
        about = " ".join([f"{figures['weights']['title']}.", *figures["weights"]["notes"]])
        told = "their first captions"
        if figures["captions"] == "all":
            told = f"all of their captions ({figures['n']} with a word)"
        found = {path: one for path, one in self.measured(figures).items()
                 if one.chance is not None}  # fmt: skip
        return [
            f"{figures['n_pictures']} pictures and {told}",
            f"weights: {about}",
            *_weight_lines(found),
            *_variance_lines(found),
            *_place_lines(figures, found),
        ]


def _weight_lines(found: Mapping[str, Figure]) -> list[str]:
    """What weights do on a picture's own patches, on another one's, and what guessing gives."""
    lines = [_row("", "own picture", "another’s", "reference")]
    for name, what in _OF_WEIGHTS:
        own, other = (found.get(f"{side}.{name}") for side in SIDES)
        if own is not None and other is not None:
            lines.append(_row(what, own.value, other.value, own.chance))
    alike = found["place_correlation"]
    return [*lines, _row("same places in both", alike.value, "", alike.chance)]


def _variance_lines(found: Mapping[str, Figure]) -> list[str]:
    """What decides a patch embedding, beside what noise would give."""
    lines = [_row("variance of patches, %", "explained", "", "noise")]
    for kind, what in (("position", "the place"), ("picture", "the picture")):
        one = found[f"variance.{kind}"]
        lines.append(_row(f"  by {what} alone", one.value, "", one.chance))
    return lines


def _place_lines(figures: Mapping[str, Any], found: Mapping[str, Figure]) -> list[str]:
    """Every figure of places beside the control, chance and, where it is known, the ceiling."""
    groups = {kind: (f"placement.{kind}", kind) for kind in figures.get("placement", {})}
    if "sentence_placement" in figures:
        groups["sentences (global path)"] = ("sentence_placement", "")
    if not groups:
        return []
    ceiling = figures.get("ceiling", {})
    lines = [_row("its object’s patches, %", "own picture", "another’s", "chance",
                  *(["supervised"] if ceiling else []))]  # fmt: skip
    for name, (path, kind) in groups.items():
        scores = value_at(figures, path.split("."))
        swapped = figures.get("placement_swapped", {}).get(kind, {})
        lines.append(f"{_NAMES.get(name, name)} ({scores['n_pointing']})")
        for key, what in _OF_PLACES:
            one = found.get(f"{path}.{key}")
            if one is None:
                continue
            known = [ceiling[kind][key]] if kind in ceiling else []
            lines.append(_row(what, one.value, swapped.get(key), one.chance, *known))
        lines.append(_row("    on a random object", "", "", scores["pointing_object_chance"]))
    if ceiling:
        lines.append(f"supervised: {ceiling['source']}")
    return lines


def _row(name: str, *values: float | str | None) -> str:
    """A name, and values in columns: numbers, headings, and - where there is none, as of words
    told apart where no caption has two."""
    cells = (
        v if isinstance(v, str) else "-" if v is None or not math.isfinite(v) else f"{v:.3f}"
        for v in values
    )
    return (f"{name:32s}" + "".join(f"{cell:>14s}" for cell in cells)).rstrip()
