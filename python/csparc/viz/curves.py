"""Loss curves from a training log: one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath

import numpy as np

from csparc._extras import require
from csparc._json import parse_json
from csparc._text import show
from csparc.errors import DataError
from csparc.viz.alignment import THEMES

NOT_DRAWN = ("step", "lr", "param_norm", "update_norm", "pairs_per_second", "data_wait")
"""What a log holds beside curves of interest; all else is drawn: the loss, its parts, and more."""
TITLES = {"grad_norm": "gradient norm", "kept_fraction": "share of weights kept"}
"""Of the curves whose names do not say enough."""


def read_log(path: str | PathLike) -> list[dict]:
    """Read a log of one JSON object a line; a last line that was cut off is left out.

    Raises
    ------
    DataError
        A line in the middle that is not a JSON object, named by its number.
    """
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{fspath(path)} line {number}"
        try:
            record = parse_json(line, where, "one JSON object")
        except DataError:
            if number < len(lines):
                raise
            break
        if not isinstance(record, dict):
            raise DataError(f"{where}: expected one JSON object, found {show(record, 60)}")
        records.append(record)
    return records


def curve(log: Sequence[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of ``key``, over the records that hold both as finite numbers."""
    pairs = [(r["step"], r[key]) for r in log if _number(r.get("step")) and _number(r.get(key))]
    steps, values = zip(*pairs) if pairs else ((), ())
    return np.array(steps, dtype=np.float64), np.array(values, dtype=np.float64)


def smooth(values: np.ndarray, span: int | None = None) -> np.ndarray:
    """Exponential average over about ``span`` values (default a fiftieth of them), bias-free."""
    span = span or max(1, len(values) // 50)
    keep = 1.0 - 1.0 / span
    result, total, weight = np.empty(len(values)), 0.0, 0.0
    for i, value in enumerate(values):
        total, weight = keep * total + value, keep * weight + 1.0
        result[i] = total / weight
    return result


def plot_curves(log: Sequence[dict], *, theme: str = "light"):
    """Draw the curves of ``log`` (see `read_log`), each in a panel of its own: the loss, its parts,
    scale, gradient norm and whatever else it holds, but what is 0 throughout: a part that the loss
    does not have.

    Returns a matplotlib Figure made without pyplot; write it with `csparc.viz.save`.
    """
    figure_class = require("matplotlib.figure", extra="train").Figure
    colours = THEMES[theme]
    keys = dict.fromkeys(key for record in log for key in record if key not in NOT_DRAWN)
    found = [(TITLES.get(key, key.replace("_", " ")), *curve(log, key)) for key in keys]
    found = [item for item in found if np.any(item[2])]
    columns = min(3, max(len(found), 1))
    rows = max(1, -(-len(found) // columns))
    figure = figure_class(
        figsize=(3.6 * columns, 2.5 * rows), facecolor=colours["ground"], layout="constrained"
    )
    for place, (title, steps, values) in enumerate(found, 1):
        axes = figure.add_subplot(rows, columns, place, facecolor=colours["ground"])
        axes.plot(steps, values, color="#0072b2", alpha=0.35, linewidth=0.8)
        axes.plot(steps, smooth(values), color="#0072b2", linewidth=1.8)
        axes.set_title(title, size=10, loc="left", color=colours["ink"])
        axes.tick_params(labelsize=8, colors=colours["quiet"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(colours["quiet"])
    return figure


def _number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
