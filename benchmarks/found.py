"""A run's records by name, as the tables of the documentation look them up."""

from __future__ import annotations

from results import Measurement, Record

MISSING = "not measured"
Rows = list[tuple[str, ...]]


class Found:
    """The records of a run by ``benchmark/case``."""

    def __init__(self, records: list[Record]) -> None:
        self.records = {f"{r.script.removeprefix('bench_')}/{r.case}": r for r in records}

    def result(self, name: str) -> Measurement:
        """KeyError: the case was not run, or failed."""
        result = self.records[name].measurement
        if result is None:
            raise KeyError(name)
        return result

    def threads(self, name: str) -> int:
        return self.records[name].threads


def entry(result: Measurement, *words: str) -> str:
    """The first entry whose name holds all words; KeyError: none does."""
    for name in result.names:
        if all(word in name for word in words):
            return name
    raise KeyError(" ".join(words))
