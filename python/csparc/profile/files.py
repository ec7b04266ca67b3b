"""The files of a profile: the report as JSON, the picture of it as a page."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from csparc._terminal import escaped
from csparc.checkpoint.folder import write_text_atomically
from csparc.profile.page import page
from csparc.profile.recorder import Profile
from csparc.profile.report import Report, lines, report


def paths(path: str | os.PathLike) -> tuple[Path, Path]:
    """``NAME.json`` and ``NAME.html``, whatever the suffix of a path."""
    path = Path(path).absolute()
    return path.with_suffix(".json"), path.with_suffix(".html")


def write(found: Report, path: str | os.PathLike) -> None:
    """Write both files, each whole or not at all."""
    data, picture = paths(path)
    text = json.dumps(found.as_json(), indent=1, allow_nan=False) + "\n"
    write_text_atomically(data, text)
    write_text_atomically(picture, page(found))


@contextmanager
def profiling(path: str | os.PathLike | None) -> Iterator[Profile | None]:
    """A profile of the steps that run in this context, written and printed on standard error when
    it ends, also where steps fail; None without a path.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist: before anything runs.
    """
    if path is None:
        yield None
        return
    for target in paths(path):
        if not target.parent.is_dir():
            raise FileNotFoundError(f"profile: expected an existing folder for {target}")
    with Profile() as profile:
        try:
            yield profile
        finally:
            profile.close()
            if profile.steps.count:
                found = report(profile.steps, profile.peaks)
                write(found, path)
                _tell((*lines(found), f"profile: {paths(path)[1]}"))


def _tell(texts: Iterable[str]) -> None:
    """Lines on standard error; where that is closed or full they alone are lost."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(*map(escaped, texts), sep="\n", file=sys.stderr)
