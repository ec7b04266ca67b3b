"""What stands beside a figure: its chance, its interval, and the same figure of controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from csparc._repr import fields_line
from csparc.evaluate.figure import Figure
from csparc.evaluate.intervals import LEVEL, interval_of

__all__ = ["Beside", "beside", "beside_lines"]


@dataclass(frozen=True)
class Beside:
    """A figure with its interval, None where it has none, and that of each control by name."""

    figure: Figure
    interval: tuple[float, float] | None = None
    controls: Mapping[str, Figure] = field(default_factory=dict)

    __repr__ = fields_line

    def record(self) -> dict[str, Any]:
        """value, n, chance, unit, and where they were asked for interval and controls, as JSON
        holds them: null where over nothing."""
        found = self.figure.record() | {"unit": self.figure.unit}
        del found["config"]
        if self.interval is not None:
            found["interval"] = [_number(end) for end in self.interval]
        if self.controls:
            found["controls"] = {n: one.record()["value"] for n, one in self.controls.items()}
        return found


def beside(
    measured: Mapping[str, Figure],
    controls: Mapping[str, Mapping[str, Figure]] | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> dict[str, Beside]:
    """Figures by their paths with their intervals from ``samples`` draws, none where that is None,
    and the figures of ``controls`` by name that have the same paths."""
    return {
        path: Beside(
            figure,
            None if samples is None else interval_of(figure, samples, seed),
            {name: found[path] for name, found in (controls or {}).items() if path in found},
        )
        for path, figure in measured.items()
    }


def beside_lines(rows: Mapping[str, Beside]) -> list[str]:
    """Every figure that has a chance as a line: found, interval, chance, and what each control
    gave."""
    rows = {path: row for path, row in rows.items() if row.figure.chance is not None}
    controls = list(dict.fromkeys(name for row in rows.values() for name in row.controls))
    ranged = any(row.interval is not None for row in rows.values())
    width = max([28, *(len(path) + 2 for path in rows)])
    heads = [f"{'found':>10s}", *([f"{f'{LEVEL:g} % interval':>20s}"] if ranged else [])]
    heads += [f"{name:>11s}" for name in ("chance", *controls)]
    lines = [f"{'':{width}s}{''.join(heads)}"]
    for path, row in rows.items():
        cells = [_cell(row.figure.value, 10)]
        if ranged:
            ends = ["-"] if row.interval is None else [_cell(end, 0) for end in row.interval]
            cells.append(f"{' to '.join(ends):>20s}")
        cells.append(_cell(row.figure.chance, 11))
        cells += [_cell(one.value if (one := row.controls.get(name)) else None, 11)
                  for name in controls]  # fmt: skip
        lines.append(f"{path:{width}s}{''.join(cells)}")
    return lines


def _cell(value: float | None, width: int) -> str:
    known = value is not None and math.isfinite(value)
    return f"{f'{value:.2f}' if known else '-':>{width}s}"


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
