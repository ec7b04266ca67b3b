"""The page of runs: figures with what stands beside them, curves, and what each finds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from csparc.demo.page.document import document
from csparc.demo.page.lines import Line, lines_chart
from csparc.demo.page.sections import section
from csparc.evaluate import TASKS
from csparc.report.runs import Evaluation, Run
from csparc.viz.curves import NOT_DRAWN, TITLES, curve, smooth

COLOURS = 6
"""Runs have as many colours, and then the same again."""


def render(runs: Sequence[Run], shown: str = "") -> str:
    """The whole page as HTML text: no script, no network; ``shown`` are sections of pictures."""
    title = "One run" if len(runs) == 1 else f"{len(runs)} runs side by side"
    lead = "What each run found on held-out data, and how it got there. "
    body = "".join(
        (
            '<header class="short"><p class="brand">csparc <span>SPARC image-text alignment in C, '
            f'for NumPy</span></p><h1>{title}</h1><p class="lead">{lead}</p>{legend(runs)}'
            "</header><main>",
            *(figures_section(key, found) for key, found in by_task(runs).items()),
            curves_section(runs),
            shown,
            "</main>",
        )
    )
    return document(title, body, "report.css")


def legend(runs: Sequence[Run]) -> str:
    """Names of runs with the colours of their curves."""
    items = "".join(
        f'<li><i class="run{number % COLOURS}"></i>{escape(run.name)}</li>'
        for number, run in enumerate(runs)
    )
    return f'<ul class="runs">{items}</ul>'


def by_task(runs: Sequence[Run]) -> dict[tuple[str, str], list[tuple[str, Evaluation]]]:
    """By task and data, the evaluations of the runs that have one."""
    found: dict[tuple[str, str], list[tuple[str, Evaluation]]] = {}
    for run in runs:
        for one in run.evaluations:
            found.setdefault((one.task, one.data), []).append((run.name, one))
    return found


def figures_section(key: tuple[str, str], found: Sequence[tuple[str, Evaluation]]) -> str:
    """A table of one task on one data set: a row a figure that has a chance, a column a run."""
    task, data = key
    known = ((path, r) for _, one in found for path, r in one.measured.items())
    paths = list(dict.fromkeys(path for path, r in known if r.get("chance") is not None))
    main = [path for path in TASKS[task].main if path in paths] if task in TASKS else []
    records = [record for _, one in found for record in one.measured.values()]
    told = f"On <code>{escape(data)}</code>." if data else ""
    if any("interval" in record for record in records):
        told += " Beside a figure its 95 % interval over draws of the pictures."
    if any("controls" in record for record in records):
        told += " Below it what controls reach: what does not differ from them says nothing."
    rest = [path for path in paths if path not in main]
    body = _table(main or paths, found)
    if main and rest:
        more = f"{len(rest)} more figures" if len(rest) > 1 else "One more figure"
        body += f"<details><summary>{more}</summary>{_table(rest, found)}</details>"
    return section(f"task-{escape(task)}", task, told, body)


def _table(paths: Sequence[str], found: Sequence[tuple[str, Evaluation]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name, _ in found)
    rows = "".join(_row(path, [one.measured.get(path) for _, one in found]) for path in paths)
    return (
        '<div class="wide"><table class="figures"><thead><tr><td></td>'
        f'{head}<th scope="col">chance</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(path: str, records: Sequence[Mapping[str, Any] | None]) -> str:
    cells = "".join(f"<td>{_cell(record)}</td>" for record in records)
    chance = next((record.get("chance") for record in records if record), None)
    unit = next((record.get("unit", "") for record in records if record), "")
    told = path.replace("_", " ").replace(".", " · ")
    return f'<tr><th scope="row">{escape(told)}</th>{cells}<td>{_number(chance, unit)}</td></tr>'


def _cell(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "–"
    unit = str(record.get("unit", ""))
    parts = [f"<b>{_number(record.get('value'), unit)}</b>"]
    if interval := record.get("interval"):
        parts.append(f' <em class="interval">{" to ".join(_number(end) for end in interval)}</em>')
    told = " ".join(
        f"<span>{escape(str(name))} {_number(value)}</span>"
        for name, value in record.get("controls", {}).items()
    )
    return "".join(parts) + (f'<em class="control">{told}</em>' if told else "")


def curves_section(runs: Sequence[Run]) -> str:
    """A chart of each curve that some log has, all runs in it."""
    charts = []
    for kind, most in (("log", True), ("validation", False)):
        logs = [getattr(run, kind) for run in runs]
        for key in _curves_of(logs, most):
            lines = []
            for number, (run, log) in enumerate(zip(runs, logs)):
                steps, values = curve(log, key)
                if len(values):
                    shown = smooth(values) if most else values
                    lines.append(Line(run.name, number % COLOURS, steps, shown))
            title = TITLES.get(key, key.replace("_", " "))
            charts.append(
                f"<figure><figcaption><b>{escape(title)}</b></figcaption>"
                f"{lines_chart(title, lines)}</figure>"
            )
    if not charts:
        return ""
    lead = (
        "The horizontal axis counts steps. What a step logs is a running average, what a "
        "validation logs is not."
    )
    return section("curves", "How they got there", lead, f'<div class="charts">{"".join(charts)}'
                   "</div>")  # fmt: skip


def _curves_of(logs: Sequence[Sequence[dict]], of_steps: bool) -> list[str]:
    """The keys that are drawn: of steps all but what is no curve of interest or 0 throughout, of
    validations the first recall of both directions and the figures of tasks."""
    keys = dict.fromkeys(key for log in logs for record in log for key in record)
    if of_steps:
        wanted = [key for key in keys if key not in NOT_DRAWN]
    else:
        wanted = [key for key in keys if key.endswith("_to_text_R@1") or
                  key.endswith("_to_image_R@1") or key.startswith("val/")]  # fmt: skip
    return [key for key in wanted if any(curve(log, key)[1].any() for log in logs)]


def _number(value: Any, unit: str = "") -> str:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    text = f"{value:.1f}" if abs(value) >= 1 or value == 0 else f"{value:.2g}"
    return f"{text} {unit}".strip().replace("-", "\N{MINUS SIGN}")
