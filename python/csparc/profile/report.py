"""What a profile says: a row an op and shape, as JSON and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from csparc import _core
from csparc._repr import fields_line
from csparc._version import __version__
from csparc.cost import ops
from csparc.profile.peaks import Peaks
from csparc.profile.recorder import Entry, Steps

SMALL = 0.01
"""Shapes of an op that take less than this share of a step each are one row."""

PARTS = ("encoders", "loss", "optimiser", "waiting for data", "between ops")
"""What a step is made of; "between ops" is Python and NumPy."""

_MARKS = {"products": "", "bf16": " b", "memory": " m"}


@dataclass(frozen=True)
class Row:
    """The calls of an op with one shape, or with several of which each takes little."""

    op: str
    part: str
    shape: str
    calls: float
    """A step."""
    seconds: float
    """A step."""
    share: float
    """Of a step."""
    flop: float
    """A step, of matrix products."""
    nbytes: float
    """A step: what the calls must read and write."""
    peak_fraction: float | None
    """Of the FMA peak where there are products, else of the memory's; above 1 what is moved came
    from a cache. None where no time was measured."""
    bound: str
    """"products", "bf16" (of bfloat16) or "memory": what the fraction is of."""

    __repr__ = fields_line


@dataclass(frozen=True)
class Report:
    """What was found; times are of a mean step."""

    steps: int
    seconds: float
    waiting: float
    """Share of a step in which data were waited for."""
    parts: dict[str, float]
    """Share of a step by part (`PARTS`)."""
    peak_fraction: float
    """Share of a step in which all its products would be done at their peak."""
    peaks: Peaks
    rows: list[Row]
    beside: list[Row]
    """What other threads did meanwhile: pictures resized, normalised."""

    __repr__ = fields_line

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON holds it, with the core's configuration."""
        return {
            "csparc": __version__, "instruction_set": _core.config()["isa"], **asdict(self),
        }  # fmt: skip


def report(steps: Steps, peaks: Peaks) -> Report:
    """Sum up the steps of a profile.

    Raises
    ------
    ValueError
        There are none.
    """
    if steps.count == 0:
        raise ValueError("profile: expected at least one training step, found none")
    entries = [one for one in steps.entries.values() if one.calls]
    rows = _rows([one for one in entries if one.here], steps, peaks)
    beside = _rows([one for one in entries if not one.here], steps, peaks)
    parts = dict.fromkeys(PARTS, 0.0)
    for row in rows:
        # What the trainer's own thread does for data is part of no wait.
        parts["between ops" if row.part == "data" else row.part] += row.share
    parts["waiting for data"] = steps.waited / steps.seconds
    parts["between ops"] += max(0.0, 1 - sum(parts.values()))
    step = steps.seconds / steps.count
    products = [row for row in rows if row.flop]
    at_peak = sum(row.peak_fraction * row.share for row in products if row.peak_fraction)
    return Report(
        steps.count, step, parts["waiting for data"], parts, at_peak, peaks,
        rows, beside,
    )  # fmt: skip


def _rows(entries: list[Entry], steps: Steps, peaks: Peaks) -> list[Row]:
    """The longest first."""
    groups: dict[tuple[str, bool, int], list[Entry]] = {}
    for number, entry in enumerate(entries):
        small = entry.seconds < SMALL * steps.seconds
        groups.setdefault((entry.op, entry.bf16, -1 if small else number), []).append(entry)
    rows = [_row(group, steps, peaks) for group in groups.values()]
    return sorted(rows, key=lambda row: -row.seconds)


def _row(group: list[Entry], steps: Steps, peaks: Peaks) -> Row:
    seconds = sum(one.seconds for one in group)
    flop = sum(one.flop for one in group)
    nbytes = float(sum(one.calls * one.nbytes for one in group))
    done, most, bound = nbytes, peaks.bandwidth, "memory"
    if flop:
        bf16 = group[0].bf16
        done, most, bound = flop, *((peaks.bf16, "bf16") if bf16 else (peaks.flop, "products"))
    op, count = group[0].op, steps.count
    return Row(
        op, ops.part_of(op), _shape(group), sum(one.calls for one in group) / count,
        seconds / count, seconds / steps.seconds, flop / count, nbytes / count,
        done / seconds / most if seconds else None, bound,
    )  # fmt: skip


def _shape(group: list[Entry]) -> str:
    """``N 4096, K 64``; of several shapes the range of each size."""
    letters = dict.fromkeys(letter for one in group for letter in one.sizes)
    told = []
    for letter in letters:
        found = [one.sizes[letter] for one in group if letter in one.sizes]
        low, high = min(found), max(found)
        told.append(f"{letter} {low}" if low == high else f"{letter} {low}-{high}")
    several = f"{len(group)} shapes: " if len(group) > 1 else ""
    return several + ", ".join(told)


def lines(found: Report, most: int = 24) -> Iterable[str]:
    """A table for a terminal: the parts of a step, then the ``most`` longest rows."""
    parts = ", ".join(f"{name} {share:.1%}" for name, share in found.parts.items())
    yield f"a step takes {duration_of(found.seconds)} (mean of {found.steps}): {parts}"
    yield (
        f"products reach {found.peak_fraction:.0%} of their peak over the whole step; peak "
        f"{found.peaks.flop / 1e9:.0f} GFLOP/s (b: bfloat16, {found.peaks.bf16 / 1e9:.0f}), m: "
        f"memory {found.peaks.bandwidth / 1e9:.1f} GB/s, "
        f"threads {found.peaks.threads}"
    )
    table = [("share", "time", "calls", "of peak", "op", "shape")]
    table += [
        (f"{row.share:.1%}", duration_of(row.seconds), f"{row.calls:.4g}", peak_of(row), row.op,
         row.shape)
        for row in found.rows[:most]
    ]  # fmt: skip
    widths = [max(len(row[n]) for row in table) for n in range(4)]
    name = max(len(row[4]) for row in table)
    for row in table:
        numbers = "  ".join(cell.rjust(width) for cell, width in zip(row, widths))
        yield f"{numbers}  {row[4]:{name}s}  {row[5]}"
    if len(found.rows) > most:
        rest = sum(row.share for row in found.rows[most:])
        yield f"and {len(found.rows) - most} more rows, {rest:.1%} of a step"


def peak_of(row: Row) -> str:
    """The fraction of the peak: of products, of those of bfloat16 (b), or of the memory (m)."""
    if row.peak_fraction is None:
        return ""
    return f"{row.peak_fraction:.0%}{_MARKS[row.bound]}"


def duration_of(seconds: float) -> str:
    """Three figures, in the unit that suits them."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    if seconds >= 1e-3:
        return f"{1e3 * seconds:.3g} ms"
    return f"{1e6 * seconds:.3g} us"
