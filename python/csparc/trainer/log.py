"""Logs of a run: one JSON object a line, in the order of the steps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from csparc._json import parse_json
from csparc.checkpoint import file_system
from csparc.errors import DataError

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.losses import Loss

BEFORE_PARTS = ("step", "loss")
AFTER_PARTS = (
    "logit_scale", "lr", "grad_norm", "param_norm", "update_norm", "kept_fraction",
    "pairs_per_second", "data_wait",
)  # fmt: skip


HARD_NEGATIVES = "hard_negatives"


def step_keys(loss: Loss, data: Dataset | None = None) -> tuple[str, ...]:
    """The columns of ``log.jsonl``.

    ``step`` counts finished steps from 1. After ``loss`` come its parts: ``global_loss``,
    ``local_loss`` and ``prototype_loss``, 0 where the loss has no such part, and the others it has.
    ``logit_scale`` is the multiplied value the loss was computed with, ``grad_norm`` the length
    before clipping, ``param_norm`` the length of all parameters after the step, ``update_norm``
    that of their change, ``data_wait`` the share of the step's time in which data were waited for.
    Of data with hard negatives ``hard_negatives`` counts those of the step.

    Raises
    ------
    ValueError
        A part is called as another column is.
    """
    after = AFTER_PARTS
    if data is not None and data.has_hard_negatives:
        after = (*AFTER_PARTS, HARD_NEGATIVES)
    taken = {*BEFORE_PARTS, *after} & set(loss.columns)
    if taken:
        raise ValueError(
            f"{type(loss).__name__}.parts: expected names that no other column of a log has, found "
            f"{', '.join(sorted(taken))}"
        )
    return (*BEFORE_PARTS, *loss.columns, *after)


class JsonLines:
    """A file of records, each with a ``step``; every line is handed to the system at once.

    Parameters
    ----------
    path : path or None
        Appended to; None keeps nothing.
    keys : tuple of str or None
        The keys every record must have, in the order they are written; None takes any.
    """

    def __init__(self, path: str | os.PathLike | None, keys: tuple[str, ...] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.keys = keys
        self._file = None

    def append(self, record: Mapping[str, object]) -> None:
        """Write one record; NaN and infinity, which JSON does not have, are refused."""
        keys = self.keys or tuple(record)
        if set(keys) != set(record):
            raise KeyError(f"expected the keys {', '.join(keys)}, found {', '.join(record)}")
        if self.path is None:
            return
        if self._file is None:
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        line = json.dumps({key: record[key] for key in keys}, allow_nan=False) + "\n"
        data = memoryview(line.encode("utf-8"))
        while data:
            data = data[self._file.write(data) :]

    def cut_back(self, step: int) -> None:
        """Drop everything after the records of ``step``, and a line that is not whole."""
        if self.path is None or not self.path.exists():
            return
        self.close()
        keep = 0
        with open(self.path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n") or not _within(line, step):
                    break
                keep += len(line)
        os.truncate(self.path, keep)

    def flush_to_disk(self) -> None:
        """Make what was written survive a power failure."""
        if self._file is not None:
            file_system.flush_file(self._file.fileno())

    def close(self) -> None:
        """Close the file; a later `append` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _within(line: bytes, step: int) -> bool:
    try:
        record = parse_json(line, "log")
    except DataError:
        return False
    return isinstance(record, dict) and type(record.get("step")) is int and record["step"] <= step
