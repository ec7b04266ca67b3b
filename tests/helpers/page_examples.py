"""The example of a page of the docs as the file it is, registered while a test runs."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
"""A fenced block: its language and its text."""


def example_file(page: str, folder: Path, name: str) -> Path:
    """The one Python block of a page, written as a module."""
    (text,) = [text for kind, text in BLOCK.findall(page) if kind == "python"]
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def registered(
    file: Path, classes: MutableMapping[str, type], name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The module of a file that registers one class, ``name``, behind those there are."""
    before = dict(classes)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, file.stem, module)
    spec.loader.exec_module(module)
    assert [*classes] == [*before, name]
    yield module
    classes.clear()
    classes.update(before)
