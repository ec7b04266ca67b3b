"""What a benchmark leaves behind, and what is said of it: rates, ratios, fractions of the peak, as
lines for a terminal and as one table. Pure: nothing is timed here, and nothing but the standard
library is imported."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

GB_OF_PEER = "GB of torch: inputs, gradients, extra"
"""The figure of what a call needs in all."""


@dataclass
class Measurement:
    """One case: the seconds of every repeat of every entry, timed in turn in one process.

    The first entry is the one compared with the others.
    """

    seconds: dict[str, list[float]]
    work: dict[str, float]
    """Useful work of one call by entry, in ``unit``."""
    peak: float = 0.0
    """Most work a second the processor could do, of the same process; 0: not known."""
    unit: str = "FLOP"
    compared: bool = True
    """Whether the ratios say something."""
    figures: dict[str, float] = field(default_factory=dict)
    """Other numbers, unit in the name."""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return list(self.seconds)

    def best(self, name: str) -> float:
        """The fastest repeat: the one least disturbed."""
        return min(self.seconds[name])

    def spread(self, name: str) -> float:
        """How far the median lies above the fastest, as a share of it."""
        return median(self.seconds[name]) / self.best(name) - 1

    def rate(self, name: str) -> float:
        """Useful work a second."""
        return self.work[name] / self.best(name)

    def ratio(self, name: str) -> float:
        """How many times as fast as entry ``name`` the first one works."""
        return self.rate(self.names[0]) / self.rate(name)

    def peak_fraction(self, name: str) -> float | None:
        return self.rate(name) / self.peak if self.peak > 0 else None

    def remarks(self) -> list[str]:
        """Figures and notes as text, and a warning where the times cannot be right."""
        out = [f"{label}: {value:.3g}" for label, value in self.figures.items()]
        out += [f"{label}: {text}" for label, text in self.notes.items()]
        if any((self.peak_fraction(name) or 0) > 1 for name in self.names):
            out.append("disturbed: faster than the peak, which other programs must have slowed")
        return out


@dataclass
class Record:
    """A case as it was run: a measurement, or why there is none."""

    script: str
    case: str
    threads: int
    measurement: Measurement | None = None
    error: str = ""


def record_from(values: dict[str, Any]) -> Record:
    """A record from what ``json.loads`` gives of one."""
    found = values.get("measurement")
    return Record(**{**values, "measurement": None if found is None else Measurement(**found)})


def save(path: Path, machine: dict[str, Any], records: list[Record]) -> None:
    """Write a run: the machine and every repeat of every case."""
    run = {"machine": machine, "records": [asdict(record) for record in records]}
    path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> tuple[dict[str, Any], list[Record]]:
    """Read what :func:`save` wrote."""
    run = json.loads(path.read_text(encoding="utf-8"))
    return run["machine"], [record_from(values) for values in run["records"]]


def merged(old: list[Record], new: list[Record]) -> list[Record]:
    """All records, a case that is in both as it is in ``new``."""
    again = {(record.script, record.case) for record in new}
    return [record for record in old if (record.script, record.case) not in again] + new


def duration(seconds: float) -> str:
    """Three figures in the unit that suits them."""
    unit, size = "s", 1.0
    for smaller in ("ms", "us"):
        if seconds < size:
            unit, size = smaller, size / 1000
    value = seconds / size
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def quantity(value: float, unit: str) -> str:
    """A rate: GFLOP/s, or the unit's own name."""
    return f"{value / 1e9:.1f} GFLOP/s" if unit == "FLOP" else f"{value:.0f} {unit}/s"


def lines(record: Record) -> list[str]:
    """For a terminal: ratios first, then times and spread, then what else was measured."""
    plural = "s" if record.threads > 1 else ""
    out = [f"{record.script} {record.case}, {record.threads} thread{plural}"]
    result = record.measurement
    if result is None:
        return [*out, f"  not measured: {record.error}"]
    for name in result.names[1:] if result.compared else ():
        out.append(f"  {result.ratio(name):6.2f} x the rate of {name}")
    for name in result.names:
        spread = f"median +{result.spread(name):.0%}, {len(result.seconds[name])} repeats"
        fraction = result.peak_fraction(name)
        out.append(
            f"  {name:24s} {duration(result.best(name)):>8s} ({spread})  "
            + quantity(result.rate(name), result.unit)
            + ("" if fraction is None else f"  {fraction:.1%} of the peak")
        )
    return out + [f"  {remark}" for remark in result.remarks()]


HEAD = ("case", "entry", "the first is", "fastest", "median", "rate", "of the peak")


def table(machine: dict[str, Any], records: list[Record]) -> str:
    """All cases as one Markdown page, with the machine they were run on."""
    rows = [HEAD, ("---",) * len(HEAD)]
    more = []
    for record in records:
        label = f"{record.script.removeprefix('bench_')} {record.case}"
        result = record.measurement
        if result is None:
            rows.append((label, f"not measured: {record.error}", *[""] * 5))
            continue
        for position, name in enumerate(result.names):
            fraction = result.peak_fraction(name)
            rows.append((
                label if position == 0 else "",
                name,
                f"{result.ratio(name):.2f} x" if position and result.compared else "",
                duration(result.best(name)),
                f"+{result.spread(name):.0%}",
                quantity(result.rate(name), result.unit),
                "" if fraction is None else f"{fraction:.0%}",
            ))  # fmt: skip
        remarks = result.remarks()
        if remarks:
            more.append(f"- {label}: " + "; ".join(remarks))
    where = [f"- {name}: {value}" for name, value in machine.items()]
    body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(["# Benchmarks", "", *where, "", *body, "", *more]) + "\n"
