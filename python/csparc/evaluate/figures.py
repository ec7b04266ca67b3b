"""What an evaluation returns: a dict of figures, printed in one line, a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from csparc import _html
from csparc._repr import line, short
from csparc.evaluate.figure import Figure, mean, share


class Figures(dict):
    """Figures by name, some of them dicts of figures themselves."""

    def __repr__(self) -> str:
        return line(self, **{str(name): value for name, value in self.items()})

    def _repr_html_(self) -> str:
        """A row a figure; those of a dict stand below each other under its name."""
        return _html.table(_rows(self))


class RetrievalFigures(Figures):
    """The figures of `csparc.evaluate.evaluate_retrieval`.

    ``ranks``: the rank int64 of each query's right answer, by direction, and ``pictures`` the
    picture of each query; not among the figures.
    """

    ranks: dict[str, np.ndarray] | None = None
    pictures: dict[str, np.ndarray] | None = None

    def recalls(self, k: int) -> dict[str, Figure]:
        """R@k of both directions with what each query gave.

        Raises
        ------
        ValueError
            Figures without their ranks, as a log has them.
        """
        if self.ranks is None:
            raise ValueError("recalls: expected figures of an evaluation, found some without ranks")
        return {
            direction: share(
                found <= k, self["chance"].get(f"{direction}_R@{k}"), self._owner(direction), k=k
            )
            for direction, found in self.ranks.items()
        }

    def measured(self) -> dict[str, Figure]:
        """Every recall and rank as a `Figure`; nothing without the ranks."""
        found = {}
        for direction, ranks in (self.ranks or {}).items():
            for k in (1, 5, 10):
                found[f"{direction}_R@{k}"] = self.recalls(k)[direction]
            for kind, statistic in (("mean", mean), ("median", _median)):
                name, items = f"{direction}_{kind}_rank", ranks.astype(np.float64)
                found[name] = Figure(
                    self[name], len(ranks), self["chance"].get(name), {}, items, statistic, "",
                    self._owner(direction),
                )  # fmt: skip
        return found

    def _owner(self, direction: str) -> np.ndarray | None:
        return None if self.pictures is None else self.pictures[direction]

    def __repr__(self) -> str:
        names = ("n_images", "n_texts", "image_to_text_R@1", "text_to_image_R@1")
        return line(self, **{name: self[name] for name in names if name in self})

    def _repr_html_(self) -> str:
        """Recalls and ranks in both directions, each beside what chance would give."""
        directions, chance = ("image_to_text_", "text_to_image_"), self.get("chance", {})
        kinds = [
            name.removeprefix(directions[0]) for name in self if name.startswith(directions[0])
        ]
        rows = []
        for kind in kinds:
            cells = [
                found.get(direction + kind, "")
                for direction in directions
                for found in (self, chance)
            ]
            rows.append([kind.replace("_", " "), *(_text(cell) for cell in cells)])
        title = f"{self.get('n_images', '?')} pictures, {self.get('n_texts', '?')} captions"
        return _html.table(rows, ["image to text", "chance", "text to image", "chance"], title)


def _median(ranks: np.ndarray) -> float:
    return float(np.floor(np.median(ranks)))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else short(value)


def _rows(found: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        told = f"{above}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _rows(value, f"{told}: ")
        else:
            yield told, _text(value)


def mean_known(values: np.ndarray) -> float:
    """The mean over what is not nan; nan over nothing."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def value_at(record: Any, keys: Iterable[str]) -> Any:
    """What stands in a record under one key within the other; None where nothing does."""
    for key in keys:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record
