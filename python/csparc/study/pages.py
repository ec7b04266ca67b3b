"""The report of a study as files: markdown, JSON and plots; nothing in them is typed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from csparc._text import one_line
from csparc.checkpoint.folder import write_text_atomically
from csparc.errors import DataError
from csparc.study.curves import compared_curves
from csparc.study.report import ENOUGH_SEEDS, Comparison, Report, Row
from csparc.study.wording import (
    counted,
    number,
    plain,
    short_commit,
    signed,
    small,
    span,
    with_deviation,
)

BEGIN = "<!-- tables of the study {}, by csparc study report -->"
END = "<!-- end of the tables -->"


def write_report(folder: str | os.PathLike, found: Report, plots: bool = True) -> Path:
    """Write ``report.md``, ``report.json`` and, with ``plots`` (the extra ``train``),
    ``figures.png``, ``differences.png`` and ``curves.png``; returns the path of the first.

    Raises
    ------
    ImportError
        Plots without matplotlib.
    OSError
        A file cannot be written.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    page = out / "report.md"
    pictures = []
    if plots and found.lines:
        from csparc.study.plots import plot_curves, plot_differences, plot_figures
        from csparc.viz import save

        drawings = {
            "figures": plot_figures, "differences": plot_differences, "curves": plot_curves,
        }  # fmt: skip
        for name, draw in drawings.items():
            drawn = draw(found)
            if drawn is not None:
                save(drawn, out / f"{name}.png")
                pictures.append(f"![{name}]({name}.png)\n")
    text = "\n".join([f"# {plain(found.study.name)}\n", markdown(found), *pictures])
    write_text_atomically(page, text)
    data = json.dumps(as_json(found), indent=2, allow_nan=False) + "\n"
    write_text_atomically(out / "report.json", data)
    return page


def write_into(path: str | os.PathLike, found: Report) -> None:
    """Write the tables into a page, between its two comments.

    Raises
    ------
    DataError
        The page lacks one of the comments.
    """
    page = Path(path)
    text = page.read_text(encoding="utf-8")
    written = with_tables(text, found, os.fspath(path))
    write_text_atomically(page, written)


def with_tables(text: str, found: Report, where: str = "page") -> str:
    """``text`` with the tables anew between the two comments."""
    begin = BEGIN.format(found.study.name)
    before, first, rest = text.partition(begin)
    _, second, after = rest.partition(END)
    if not first or not second:
        raise DataError(f"{where}: expected the lines {begin!r} and {END!r}, found one or none")
    return f"{before}{begin}\n{markdown(found)}{END}{after}"


def markdown(found: Report) -> str:
    """All tables, with what is said before them."""
    parts = [*_opening(found), *_overview(found)]
    for figure, rows in found.tables:
        rows = [row for row in rows if row.found.n]
        if not rows:
            continue
        parts += [f"**{plain(figure.title)}** (`{figure.key}`)", table(_figure_rows(rows))]
    parts += [*_differences(found), *_curves(found), *_time(found), *_failures(found)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def as_json(found: Report) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "study": found.study.name,
        "claim": found.study.claim,
        "evidence": found.is_evidence,
        "done": len(found.lines),
        "failed": len(found.failures),
        "planned": found.planned,
        "figures": [
            {"figure": asdict(figure), "rows": [asdict(row) for row in rows]}
            for figure, rows in found.tables
        ],
        "comparisons": [_comparison_json(one) for one in found.comparisons],
        "curves": [one.summary() for one in compared_curves(found)],
        "spent": found.spent,
        "failures": found.failures,
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table of markdown; the first row is its head."""
    listed = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in listed)


def _opening(found: Report) -> Iterator[str]:
    if not found.is_evidence:
        yield (
            "**Fewer than five seeds: not evidence.** The setting with the fewest results has "
            f"{found.seeds} of {ENOUGH_SEEDS}."
        )
    if found.study.claim:
        yield one_line(found.study.claim)
    yield (
        f"{len(found.lines)} of {found.planned} units are done, {len(found.failures)} failed. "
        "Means over seeds ± sample standard deviation (ddof 1); n is the number of seeds."
    )
    trained = [by for each in found.lines for by in each.get("trained_by") or ()]
    told = {
        "trained at commit": list(dict.fromkeys(short_commit(by) for by in trained)),
        "evaluated at commit": list(dict.fromkeys(short_commit(each) for each in found.lines)),
        "version": found.distinct("version"),
        "kernels": found.distinct("isa"),
        "threads a unit": found.distinct("threads"),
        "steps": found.distinct("steps"),
        "pairs trained on": found.distinct("examples"),
        "parameters": found.distinct("parameters"),
        "training data": found.distinct("data", "training"),
        "held-out data": found.distinct("data", "held_out"),
    }
    lines = [f"{name} {', '.join(map(counted, values))}" for name, values in told.items() if values]
    if lines:
        yield "; ".join(lines) + "."


def _overview(found: Report) -> Iterator[str]:
    """Every setting and every figure in one table, with chance and ceiling below."""
    if not found.tables:
        return
    rows = [["setting", *(plain(figure.title) for figure, _ in found.tables), "n"]]
    for place, name in enumerate(found.study.settings):
        cells = [rows_[place].found for _, rows_ in found.tables]
        n = sorted({cell.n for cell in cells})
        told = [with_deviation(cell.mean, cell.deviation) for cell in cells]
        rows.append([plain(name), *told, "-".join(map(str, dict.fromkeys((n[0], n[-1]))))])
    for name in ("chance", "ceiling"):
        values = [span(getattr(row, name) for row in rows_) for _, rows_ in found.tables]
        if any(values):
            rows.append([name, *(value or "-" for value in values), ""])
    yield table(rows)


def _figure_rows(rows: Sequence[Row]) -> list[list[str]]:
    beside = [
        name for name in ("chance", "control", "ceiling")
        if any(getattr(row, name) is not None for row in rows)
    ]  # fmt: skip
    told = [["setting", "mean", "deviation", "n", "by seed", *beside]]
    for row in rows:
        cell = row.found
        values = ", ".join(map(number, cell.values)) or "-"
        others = [number(getattr(row, name)) for name in beside]
        told.append([plain(row.setting), number(cell.mean), number(cell.deviation),
                     str(cell.n), values, *others])  # fmt: skip
    return told


def _differences(found: Report) -> Iterator[str]:
    compared = [one for one in found.comparisons if one.found.n]
    if not compared:
        return
    yield (
        "**Paired differences** of the primary figures, seed by seed: mean, 95 % t-interval, "
        "signs, p (two-sided t) and p after Holm over all rows of this table."
        + (
            " Pairs of which nothing is done are left out."
            if len(compared) < len(found.comparisons)
            else ""
        )
    )
    rows = [["figure", "difference", "n", "mean", "95 %", "+, 0, −", "p", "Holm", "in words"]]
    for one in compared:
        pairs = one.found
        interval = "-" if pairs.low is None else f"{signed(pairs.low)} to {signed(pairs.high)}"
        rows.append([
            plain(one.figure.title), f"{plain(one.first)} − {plain(one.second)}", str(pairs.n),
            signed(pairs.mean), interval, f"{pairs.positive}, {pairs.zero}, {pairs.negative}",
            small(pairs.p), small(one.holm), one.wording,
        ])  # fmt: skip
    yield table(rows)


def _curves(found: Report) -> Iterator[str]:
    rows = [["difference", "n", "mean of steps", "largest", "at step", "deviation there",
             "root mean square, of the deviation's", "last losses"]]  # fmt: skip
    for one in compared_curves(found):
        told = one.summary()
        share = told["share_of_deviation"]
        rows.append([
            f"{plain(one.first)} − {plain(one.second)}", str(told["n"]), str(one.window),
            signed(told["largest"]), counted(told["step"]), number(told["deviation"]),
            "-" if share is None else f"{100 * share:.0f} %",
            ", ".join(f"{loss:.3f}" for loss in told["last"]),
        ])  # fmt: skip
    if len(rows) > 1:
        yield (
            "**Losses in training**, smoothed by means of so many steps: the difference of the "
            "means over seeds, and the standard deviation over seeds, pooled over both settings."
        )
        yield table(rows)


def _time(found: Report) -> Iterator[str]:
    if not found.lines:
        return
    yield (
        "**Time** of a unit, means over seeds: training with its start, by processor and by the "
        "clock on the wall; evaluation; most memory."
    )
    rows = [["setting", "steps", "training, processor s", "wall s", "evaluation, processor s",
             "peak MB"]]  # fmt: skip
    for name, spent in found.spent.items():
        if spent["steps"] is None:
            continue
        told = [spent[key] for key in ("steps", "training_processor_s", "training_wall_s",
                                       "evaluation_processor_s", "training_peak_MB")]  # fmt: skip
        rows.append([plain(name), *("-" if v is None else f"{v:,.0f}" for v in told)])
    yield table(rows)


def _failures(found: Report) -> Iterator[str]:
    if not found.failures:
        return
    yield "**Failures**, with the last finite line of their logs."
    rows = [["setting", "seed", "error", "last step", "its loss"]]
    for one in found.failures:
        last = one["failure"]["last"]
        rows.append([plain(one["setting"]), str(one["seed"]), plain(one["failure"]["error"]),
                     str(last.get("step", "-")), number(last.get("loss"))])  # fmt: skip
    yield table(rows)


def _comparison_json(one: Comparison) -> dict[str, Any]:
    pairs = asdict(one.found)
    pairs["mean"] = None if math.isnan(one.found.mean) else one.found.mean
    return {"figure": one.figure.key, "first": one.first, "second": one.second, **pairs,
            "holm": one.holm, "wording": one.wording}  # fmt: skip
