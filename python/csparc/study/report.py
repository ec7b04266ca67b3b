"""What a study found, computed from its lines: figures by setting, paired differences, time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csparc._repr import fields_line, line
from csparc._whereabouts import absent
from csparc.errors import DataError
from csparc.evaluate.figures import value_at
from csparc.study.description import Figure, Study, read_study
from csparc.study.results import DESCRIPTION, LINES, latest, read_results
from csparc.study.statistics import Paired, deviation, holm, mean, paired

ENOUGH_SEEDS = 5
LEVEL = 0.05
SPENT = ("training_processor_s", "training_wall_s", "training_peak_MB", "evaluation_processor_s")


@dataclass(frozen=True)
class Cell:
    """A figure of a setting over its seeds."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    mean: float | None
    deviation: float | None
    """Sample standard deviation, ddof 1; None of fewer than two."""

    __repr__ = fields_line

    @property
    def n(self) -> int:
        """The seeds."""
        return len(self.values)


@dataclass(frozen=True)
class Row:
    """A setting in the table of a figure, with what it is held against."""

    setting: str
    found: Cell
    chance: float | None
    """Means over the seeds, where these are figures themselves."""
    control: float | None
    ceiling: float | None

    __repr__ = fields_line


@dataclass(frozen=True)
class Comparison:
    """A primary figure of one setting minus that of another, by seed."""

    figure: Figure
    first: str
    second: str
    found: Paired
    holm: float | None
    """p adjusted over all comparisons of all primary figures; None where there is no p."""

    __repr__ = fields_line

    @property
    def wording(self) -> str:
        """What may be said of it."""
        if self.found.n == 0:
            return "no pairs"
        if self.found.low is None:
            return "one pair: no interval"
        if self.found.direction is None:
            return "no difference detected"
        uncertain = self.holm is not None and self.holm > LEVEL
        return self.found.direction + (", not after Holm" if uncertain else "")


@dataclass(frozen=True)
class Report:
    """All tables of a study."""

    study: Study
    tables: tuple[tuple[Figure, tuple[Row, ...]], ...]
    comparisons: tuple[Comparison, ...]
    spent: Mapping[str, Mapping[str, float]]
    """By setting: means of `SPENT` over its seeds."""
    failures: tuple[Mapping[str, Any], ...]
    """Lines of units that failed and were not done since."""
    lines: tuple[Mapping[str, Any], ...]
    """The lines the figures come from."""
    planned: int
    """Units of the study."""
    other_lines: int = field(default=0)
    """Lines that another one of the same unit replaced, or of units the study no longer has."""

    def __repr__(self) -> str:
        return line(self, self.study.name, done=len(self.lines), planned=self.planned)

    @property
    def seeds(self) -> int:
        """The least number of seeds that a setting has results of."""
        done = [sum(one["setting"] == name for one in self.lines) for name in self.study.settings]
        return min(done, default=0)

    @property
    def is_evidence(self) -> bool:
        """Whether every setting has five seeds or more."""
        return self.seeds >= ENOUGH_SEEDS

    def distinct(self, *keys: str) -> list[Any]:
        """The different values that the lines have at a place."""
        found = [value_at(one, keys) for one in self.lines]
        return list(dict.fromkeys(value for value in found if value is not None))


def report(study: Study, lines: Sequence[Mapping[str, Any]]) -> Report:
    """Compute the tables of a study from its lines.

    Parameters
    ----------
    study : Study
    lines : sequence of dict
        As `csparc.study.read_results` gives them. The last line of a unit counts.
    """
    found = latest(lines, study.units())
    done = [one for one in found.values() if one["failure"] is None]
    failures = [one for one in found.values() if one["failure"] is not None]
    figures = study.figures or tuple(_all_figures(study, done))
    tables = tuple((figure, tuple(_rows(study, done, figure))) for figure in figures)
    spent = {
        name: {key: _mean_of(done, name, key) for key in (*SPENT, "steps")}
        for name in study.settings
    }
    return Report(
        study, tables, tuple(_comparisons(study, done, figures)), spent, tuple(failures),
        tuple(done), sum(1 for _ in study.units()), len(lines) - len(found),
    )  # fmt: skip


def open_place(place: str | os.PathLike) -> tuple[Study, list[dict[str, Any]]]:
    """The study and the lines of a folder that ``csparc study run`` wrote, or of NAME.json with its
    lines beside it in NAME.jsonl.

    Raises
    ------
    DataError
        One of the two files is not there or damaged.
    """
    path = Path(place)
    if path.is_dir():
        description, lines = path / DESCRIPTION, path / LINES
    else:
        description, lines = path, path.with_suffix(".jsonl")
    study = read_study(description)
    if not lines.exists():
        raise DataError(f"{lines}: expected the lines of the study, found {absent(str(lines))}")
    return study, read_results(lines)


def figure_at(record: Mapping[str, Any], key: str | float | None) -> float | None:
    """A figure of a line by its key, or the number itself; None where there is no finite one."""
    if not isinstance(key, str):
        return key
    value = value_at(record["figures"], key.split("."))
    finite = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if finite and not isinstance(value, bool) else None


def _all_figures(study: Study, done: Sequence[Mapping[str, Any]]) -> Iterable[Figure]:
    """Where the study names none: the main figures of its tasks that some line has."""
    from csparc.evaluate import make_task

    for label, text in study.tasks.items():
        for name in make_task(text).main:
            key = f"{label}.{name}"
            if any(figure_at(one, key) is not None for one in done):
                yield Figure(key, key, primary=True)


def _rows(study: Study, done: Sequence[Mapping[str, Any]], figure: Figure) -> Iterable[Row]:
    for name in study.settings:
        own = [one for one in done if one["setting"] == name]
        pairs = [(one["seed"], figure_at(one, figure.key)) for one in own]
        seeds = tuple(seed for seed, value in pairs if value is not None)
        values = tuple(value for _, value in pairs if value is not None)
        beside = [_mean(figure_at(one, key) for one in own)
                  for key in (figure.chance, figure.control, figure.ceiling)]  # fmt: skip
        middle = mean(values) if values else None
        yield Row(name, Cell(seeds, values, middle, deviation(values)), *beside)


def _comparisons(
    study: Study, done: Sequence[Mapping[str, Any]], figures: Sequence[Figure]
) -> list[Comparison]:
    by_unit = {(one["setting"], one["seed"]): one for one in done}
    found = []
    for figure in figures:
        for first, second in study.comparisons if figure.primary else ():
            differences = []
            for seed in study.seeds:
                one, other = by_unit.get((first, seed)), by_unit.get((second, seed))
                values = [r and figure_at(r, figure.key) for r in (one, other)]
                if None not in values:
                    differences.append(values[0] - values[1])
            found.append((figure, first, second, _paired(differences)))
    tested = [i for i, (*_, pairs) in enumerate(found) if pairs.p is not None]
    adjusted = dict(zip(tested, holm([found[i][-1].p for i in tested])))
    return [Comparison(*entry, adjusted.get(i)) for i, entry in enumerate(found)]


def _paired(differences: Sequence[float]) -> Paired:
    if not differences:
        return Paired(0, math.nan, None, None, None, 0, 0, 0)
    return paired(differences)


def _mean_of(done: Sequence[Mapping[str, Any]], setting: str, key: str) -> float | None:
    return _mean(one.get(key) for one in done if one["setting"] == setting)


def _mean(values: Iterable[float | None]) -> float | None:
    listed = [value for value in values if value is not None]
    return mean(listed) if listed else None
