"""The file that describes a study: which settings, seeds, tasks, figures and comparisons.

JSON, one object. What is trained are the flags of ``csparc train`` without their dashes, once for
all settings (``common``) and again where a setting differs; docs/study/README.md shows a whole one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from csparc._json import read_json
from csparc._repr import fields_line, line
from csparc._text import show
from csparc.errors import DataError

KEYS = ("name", "claim", "common", "settings", "seeds", "evaluate", "figures", "comparisons")
EVALUATE_KEYS = ("data", "batch-size", "tasks")
FIGURE_KEYS = ("figure", "title", "chance", "control", "ceiling", "primary")
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Figure:
    """A figure the report tells: where a unit has it, and what to hold it against."""

    key: str
    """``TASK.NAME``, ``.`` within: ``retrieval.image_to_text_R@1``."""
    title: str
    chance: str | float | None = None
    """The value without any skill: a number, or the key of a figure."""
    control: str | float | None = None
    """The same on what should show nothing, such as another picture's patches."""
    ceiling: str | float | None = None
    """The best that the data or the towers allow."""
    primary: bool = False
    """Whether comparisons are reported of it; Holm's family is all of these."""

    __repr__ = fields_line


@dataclass(frozen=True)
class Unit:
    """The work of one setting with one seed."""

    setting: str
    seed: int
    flags: Mapping[str, Any] = field(repr=False)
    """Flags of ``csparc train``, without dashes."""
    config_hash: str
    """Of the flags: equal where the same is trained."""
    evaluation_hash: str
    """Of the held-out data and the tasks."""

    __repr__ = fields_line

    @property
    def key(self) -> tuple[str, int]:
        """What a unit is called among the results."""
        return self.setting, self.seed

    @property
    def folder(self) -> str:
        """The name of its folder; another configuration has another."""
        plain = "".join(c if c.isalnum() or c in "+-" else "-" for c in self.setting)
        return f"{plain}-seed{self.seed}-{self.config_hash[:8]}"

    def arguments(self) -> list[str]:
        """The flags as words of a command line."""
        return flag_words(self.flags)


@dataclass(frozen=True)
class Study:
    """An experiment as its file describes it; `read_study` makes it."""

    name: str
    claim: str
    common: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    data: str
    """The held-out data that are evaluated."""
    tasks: Mapping[str, str]
    """What the figures of a task are under -> the task, for `csparc.evaluate.make_task`."""
    batch_size: int = 64
    figures: tuple[Figure, ...] = ()
    comparisons: tuple[tuple[str, str], ...] = ()
    """Pairs of settings: the first minus the second."""
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The object of the file."""

    def __repr__(self) -> str:
        return line(self, self.name, settings=len(self.settings), seeds=len(self.seeds))

    def units(self) -> Iterator[Unit]:
        """All settings of the first seed, then of the next: an early end leaves paired seeds."""
        evaluation = _hash({"data": self.data, "tasks": self.tasks, "batch": self.batch_size})
        for seed in self.seeds:
            for name, own in self.settings.items():
                flags = {**self.common, **own}
                yield Unit(name, seed, flags, _hash(flags), evaluation)


def read_study(path: str | os.PathLike, flags: Collection[str] | None = None) -> Study:
    """Read and check the file of a study.

    Parameters
    ----------
    path : path
    flags : collection of str, optional
        The flags of ``csparc train`` that a setting may give; None does not look at them.

    Raises
    ------
    DataError
        No JSON, an unknown key (named, with those near it), a value of another type, a comparison
        of a setting that is not there.
    """
    name = os.fspath(path)
    found = read_json(name, "a study, one JSON object", unique_keys=True)
    return _Reader(name, flags).study(found)


def flag_words(flags: Mapping[str, Any]) -> list[str]:
    """Flags as words: true is the flag alone, a list its values, an object a flag an entry."""
    words: list[str] = []
    for key, value in flags.items():
        flag = f"--{key}"
        if isinstance(value, Mapping):
            words += [f"{flag}={name}={_text(entry)}" for name, entry in value.items()]
        elif isinstance(value, list):
            words += [flag, *map(_text, value)]
        elif value is True:
            words.append(flag)
        elif value is not False:
            words.append(f"{flag}={_text(value)}")
    return words


def nearest(key: str, known: Collection[str]) -> str:
    """What to say of a key nobody knows: the near ones, or all where none is near."""
    near = difflib.get_close_matches(key, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(known)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class _Reader:
    """Turns the object of a file into a `Study`; errors name the file, the place, the key."""

    def __init__(self, name: str, flags: Collection[str] | None) -> None:
        self.name, self.flags = name, flags

    def study(self, found: Any) -> Study:
        self._keys(found, KEYS, "the study", needed=("name", "common", "settings", "evaluate"))
        evaluate = found["evaluate"]
        self._keys(evaluate, EVALUATE_KEYS, "evaluate", needed=("data", "tasks"))
        common = self._setting("common", found["common"])
        settings = self._typed(found["settings"], dict, "settings", "an object of settings by name")
        if not settings:
            self._refuse("settings: expected one setting or more, found none")
        settings = {key: self._setting(f"setting {key}", own) for key, own in settings.items()}
        tasks = self._typed(evaluate["tasks"], dict, "evaluate: tasks", "an object of tasks")
        for label, task in tasks.items():
            self._typed(task, str, f"evaluate: tasks: {label}", "a task as a text")
            if "." in label:
                self._refuse(f"evaluate: tasks: expected a name without a dot, found {label!r}")
        study = Study(
            name=self._typed(found["name"], str, "name", "a text"),
            claim=self._typed(found.get("claim", ""), str, "claim", "a text"),
            common=common,
            settings=settings,
            seeds=self._seeds(found.get("seeds", [0])),
            data=self._typed(evaluate["data"], str, "evaluate: data", "a data set as a text"),
            tasks=tasks,
            batch_size=self._whole(evaluate.get("batch-size", 64), "evaluate: batch-size", 1),
            figures=tuple(self._figures(found.get("figures", []), tasks)),
            comparisons=tuple(self._comparisons(found.get("comparisons", []), settings)),
            source=found,
        )
        folders = [unit.folder for unit in study.units()]
        if len(set(folders)) < len(folders):
            self._refuse("settings: expected names that differ in their letters and digits")
        return study

    def _setting(self, where: str, own: Any) -> dict[str, Any]:
        self._typed(own, dict, where, "an object of flags of csparc train, without dashes")
        for key, value in own.items():
            if self.flags is not None and key not in self.flags:
                self._refuse(f"{where}: unknown key {show(key, 40)}; {nearest(key, self.flags)}")
            entries = [value]
            if isinstance(value, (dict, list)):
                entries = list(value.values() if isinstance(value, dict) else value)
            if not all(entry is None or isinstance(entry, _SCALARS) for entry in entries):
                self._refuse(
                    f"{where}: {key}: expected a text, a number, true, false, or a list or object "
                    f"of these, found {show(value, 60)}"
                )
        return own

    def _seeds(self, found: Any) -> tuple[int, ...]:
        seeds = self._typed(found, list, "seeds", "a list of whole numbers")
        for seed in seeds:
            self._whole(seed, "seeds")
        if not seeds or len(set(seeds)) < len(seeds):
            self._refuse(f"seeds: expected one or more, each once, found {show(seeds, 60)}")
        return tuple(seeds)

    def _figures(self, found: Any, tasks: Mapping[str, str]) -> Iterator[Figure]:
        for entry in self._typed(found, list, "figures", "a list of objects"):
            self._keys(entry, FIGURE_KEYS, "figures", needed=("figure",))
            key = self._key(entry["figure"], "figures: figure", tasks)
            beside = {}
            for name in ("chance", "control", "ceiling"):
                value = entry.get(name)
                if isinstance(value, str):
                    self._key(value, f"figures: {key}: {name}", tasks)
                elif value is not None and not _is_number(value):
                    self._refuse(
                        f"figures: {key}: {name}: expected a number or a figure's key, found "
                        f"{show(value, 60)}"
                    )
                beside[name] = value
            title = self._typed(entry.get("title", key), str, f"figures: {key}: title", "a text")
            primary = entry.get("primary", False)
            self._typed(primary, bool, f"figures: {key}: primary", "true or false")
            yield Figure(key, title, **beside, primary=primary)

    def _key(self, key: Any, where: str, tasks: Mapping[str, str]) -> str:
        self._typed(key, str, where, "TASK.NAME as a text")
        task, dot, _ = key.partition(".")
        if not dot or task not in tasks:
            self._refuse(
                f"{where}: expected TASK.NAME with a task of {', '.join(tasks)}, found "
                f"{show(key, 60)}"
            )
        return key

    def _comparisons(self, found: Any, settings: Mapping) -> Iterator[tuple[str, str]]:
        for pair in self._typed(found, list, "comparisons", "a list of pairs of settings"):
            if not isinstance(pair, list) or len(pair) != 2:
                self._refuse(f"comparisons: expected two settings each, found {show(pair, 60)}")
            for name in pair:
                if name not in settings:
                    known = nearest(str(name), settings)
                    self._refuse(f"comparisons: unknown setting {show(name, 40)}; {known}")
            yield pair[0], pair[1]

    def _keys(self, found: Any, known: Collection[str], where: str, needed: Collection[str]):
        self._typed(found, dict, where, f"an object with {', '.join(known)}")
        for key in found:
            if key not in known:
                self._refuse(f"{where}: unknown key {show(key, 40)}; {nearest(key, known)}")
        for key in needed:
            if key not in found:
                keys = ", ".join(found) or "none"
                self._refuse(f"{where}: expected the key {key!r}, found {keys}")

    def _whole(self, value: Any, where: str, low: int | None = None) -> int:
        if type(value) is not int or (low is not None and value < low):
            least = "" if low is None else f" of at least {low}"
            self._refuse(f"{where}: expected a whole number{least}, found {show(value, 60)}")
        return value

    def _typed(self, value: Any, kind: type, where: str, expected: str) -> Any:
        if not isinstance(value, kind):
            self._refuse(f"{where}: expected {expected}, found {show(value, 60)}")
        return value

    def _refuse(self, reason: str) -> None:
        raise DataError(f"{self.name}: {reason}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
