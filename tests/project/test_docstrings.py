"""Every test file says in its first line what it proves, and every module says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORTEST = 12
"""Characters of a line that says something."""


def first_line(source: str) -> str:
    """The first line of a module's docstring, empty where there is none."""
    return (ast.get_docstring(ast.parse(source)) or "\n").splitlines()[0]


def is_sentence(line: str) -> bool:
    """Whether a line stands for itself: it begins something and ends it."""
    return len(line) >= SHORTEST and line.endswith(".") and not line[0].islower()


def files(folder: str, pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(pattern))


@pytest.mark.parametrize("path", files("tests", "test_*.py"))
def test_a_test_file_says_in_one_line_what_it_proves(path: str) -> None:
    line = first_line((ROOT / path).read_text())
    assert is_sentence(line), f"{path}: expected a first line that is a sentence, found {line!r}"


@pytest.mark.parametrize("path", files("python/csparc", "*.py"))
def test_a_module_says_what_it_is(path: str) -> None:
    assert len(first_line((ROOT / path).read_text())) >= SHORTEST


def test_what_is_missing_is_seen() -> None:
    assert first_line("import os\n") == ""
    assert first_line('"""Says it.\n\nMore."""') == "Says it."
    assert is_sentence("Captions meet their pictures.")
    assert not is_sentence("Captions meet their pictures, and the")
    assert not is_sentence("Tests.")
    assert not is_sentence("")
