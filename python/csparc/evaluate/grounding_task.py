"""The task ``grounding``: the diagnostics of a model on a data set, and how they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from csparc.evaluate.diagnose import CAPTIONS, diagnose
from csparc.evaluate.figure import Figure
from csparc.evaluate.figures import value_at
from csparc.evaluate.placement import PlaceScores
from csparc.evaluate.tasks import Subject, Task, TaskResult, option, register
from csparc.losses.explains import RULES

_NAMES = {"NOUN": "nouns", "ADJ": "adjectives", "COLOUR": "colours", "PHRASE": "phrases",
          "CAPTION": "captions"}  # fmt: skip
_MEASURES = (
    ("auc", "n", "auc_chance", "  above other objects’ patches"),
    ("auc_named", "n_named", "auc_chance", "  above others its caption names"),
    ("auc_all", "n_all", "auc_chance", "  above all other patches"),
    ("pointing", "n_pointing", "pointing_chance", "  heaviest patch on its object"),
)
"""Figure, the words it is over, its chance, and what it is called."""
_OTHERS = (
    ("matched.local_loss", "n", "chance_local_loss", ""),
    ("matched.token_accuracy", "n", "chance_token_accuracy", "%"),
    ("matched.effective_patches", "n", "patches", ""),
    ("variance.position", "n_pictures", "variance.position_chance", "%"),
    ("variance.picture", "n_pictures", "variance.picture_chance", "%"),
)
"""Figures that are no mean over words alone: path, what they are over, their chance, their unit."""


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
        """What is known of places, with what each word gave, and of the others the values."""
        found = {
            path: Figure(value, int(figures[n]), value_at(figures, chance.split(".")), unit=unit)
            for path, n, chance, unit in _OTHERS
            if (value := value_at(figures, path.split("."))) is not None
        }
        groups = {f"placement.{name}": one for name, one in figures.get("placement", {}).items()}
        if "sentence_placement" in figures:
            groups["sentence_placement"] = figures["sentence_placement"]
        for above, scores in groups.items():
            if isinstance(scores, PlaceScores):
                own = scores.measured().items()
                found |= {f"{above}.{name}": one for name, one in own if one.n}
        return found

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Figures on own and on other pictures side by side, then places if they are known."""
        matched, swapped = figures["matched"], figures["swapped"]
        about = " ".join([f"{figures['weights']['title']}.", *figures["weights"]["notes"]])
        told = "their first captions"
        if figures["captions"] == "all":
            told = f"all of their captions ({figures['n']} with a word)"
        return [
            f"{figures['n_pictures']} pictures and {told}",
            f"weights: {about}",
            _row("", "own picture", "another’s", "reference"),
            _row("SPARC’s loss of these weights", matched["local_loss"], swapped["local_loss"],
                 figures["chance_local_loss"]),
            _row("words told apart, %", matched["token_accuracy"], swapped["token_accuracy"],
                 figures["chance_token_accuracy"]),
            _row("patches a weight spreads over", matched["effective_patches"],
                 swapped["effective_patches"], float(figures["patches"])),
            _row("weights that are 0, %", matched["zeroed"], swapped["zeroed"]),
            _row("same places in both", figures["place_correlation"]),
            *_variance_lines(figures["variance"]),
            *_place_lines(figures),
        ]  # fmt: skip


def _variance_lines(found: Mapping[str, float]) -> list[str]:
    """What decides a patch embedding, beside what noise would give."""
    return [
        _row("variance of patches, %", "explained", "", "noise"),
        _row("  by the place alone", found["position"], "", found["position_chance"]),
        _row("  by the picture alone", found["picture"], "", found["picture_chance"]),
    ]


def _place_lines(figures: Mapping[str, Any]) -> list[str]:
    """Every figure of places beside the control, chance and, where it is known, the ceiling."""
    groups = {kind: (found, kind) for kind, found in figures.get("placement", {}).items()}
    if "sentence_placement" in figures:
        groups["sentences (global path)"] = (figures["sentence_placement"], "")
    if not groups:
        return []
    ceiling = figures.get("ceiling", {})
    lines = [_row("its object’s patches, %", "own picture", "another’s", "chance",
                  *(["supervised"] if ceiling else []))]  # fmt: skip
    for name, (found, kind) in groups.items():
        swapped = figures.get("placement_swapped", {}).get(kind, {})
        lines.append(f"{_NAMES.get(name, name)} ({found['n_pointing']})")
        for key, count, chance, what in _MEASURES:
            if found[count] == 0:
                continue
            known = [ceiling[kind][key]] if kind in ceiling else []
            lines.append(_row(what, found[key], swapped.get(key), found[chance], *known))
        lines.append(_row("    on a random object", "", "", found["pointing_object_chance"]))
    if ceiling:
        lines.append(f"supervised: {ceiling['source']}")
    return lines


def _row(name: str, *values: float | str | None) -> str:
    """A name, and values in columns: numbers, headings, and - where there is none."""
    cells = (v if isinstance(v, str) else "-" if v is None else f"{v:.3f}" for v in values)
    return (f"{name:32s}" + "".join(f"{cell:>14s}" for cell in cells)).rstrip()
