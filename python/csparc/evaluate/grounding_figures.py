"""The figures of grounding as records: value, items, chance, and what decided them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from csparc.evaluate.figure import Figure
from csparc.evaluate.figures import Figures, value_at
from csparc.evaluate.placement import PlaceScores
from csparc.evaluate.variance import VarianceFigures

SIDES = ("matched", "swapped")
"""Words on the patches of their own picture, and on those of another one."""
_OF_SIDES = (
    ("local_loss", "chance_local_loss", ""),
    ("token_accuracy", "chance_token_accuracy", "%"),
    ("effective_patches", "patches", ""),
    ("zeroed", None, "%"),
)
"""Figure, the key of its chance, its unit. Nobody can say how many weights guessing zeroes."""
_OF_BOTH = ("gap", "place_correlation")
"""What words that ignore the picture, or weights of no relation to each other, give 0."""


class GroundingFigures(Figures):
    """The figures of `csparc.evaluate.evaluate_grounding`.

    ``of_items``: by path, as ``matched.local_loss``, what each pair, or each of its words, gave
    [n], and the picture of each [n]; not among the figures.
    """

    of_items: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None


def grounding_figures(figures: Mapping[str, Any]) -> dict[str, Figure]:
    """Every figure of `csparc.evaluate.diagnose.diagnose` that is over something, by its path."""
    config = {"weights": figures["weights"]["rule"], "captions": figures.get("captions")}
    found = _of_weights(figures, config)
    variance = figures.get("variance")
    if isinstance(variance, VarianceFigures):
        found |= {f"variance.{name}": one for name, one in variance.measured().items()}
    groups = {f"placement.{name}": one for name, one in figures.get("placement", {}).items()}
    groups["sentence_placement"] = figures.get("sentence_placement")
    for above, scores in groups.items():
        if isinstance(scores, PlaceScores):
            own = scores.measured(**config).items()
            found |= {f"{above}.{name}": one for name, one in own if one.n}
    return found


def _of_weights(figures: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Figure]:
    """Of the local loss and of the weights themselves; nothing of what they do not tell apart."""
    rows = [
        (f"{side}.{name}", None if key is None else figures[key], unit)
        for name, key, unit in _OF_SIDES
        for side in SIDES
    ]
    rows += [(name, 0.0, "") for name in _OF_BOTH]
    kept = getattr(figures, "of_items", None) or {}
    found = {}
    for path, chance, unit in rows:
        value = value_at(figures, path.split("."))
        if value is None:
            continue
        items, pictures = kept.get(path, (None, None))
        n = figures["n"] if items is None else len(items)
        found[path] = Figure(value, n, chance, config, items, unit=unit, pictures=pictures)
    return found
