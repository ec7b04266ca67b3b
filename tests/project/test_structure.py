"""The includes of the C core make no circle and go from a room to those below it alone."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

from circles import circle

CORE = Path(__file__).resolve().parents[2] / "csparc"

BELOW: dict[str, set[str]] = {
    "base": set(),
    "la": {"base"},
    "op": {"base", "la"},
    "loss/kernels": {"base", "la"},
    "loss/entropy": {"base", "la", "loss/kernels"},
    "optim": {"base"},
    "data": {"base", "la"},
    "rank": {"base"},
}
"""What each room may include beside itself. A room of csparc/loss that is not listed holds a family
of losses, on op, kernels and entropy; py includes what it likes, and nobody includes py."""

FAMILY = BELOW["op"] | {"op", "loss/kernels", "loss/entropy"}

BETWEEN_FAMILIES = {
    ("loss/sparc", "loss/clip"): "the global loss of the SPARC objective is that of CLIP",
    ("loss/words", "loss/filip"): "both compare unit vectors of the rows that take part",
}
"""Where one family includes another, and why."""


def room_of(path: str) -> str:
    """The room a file of the core lies in; csparc.h, which all read, belongs to base."""
    folder = str(PurePosixPath(path).parent)
    return "base" if folder == "." else folder


def unit_of(path: str) -> str:
    """A header and the source beside it count as one: a circle may run through either."""
    return path.removesuffix(".c").removesuffix(".h")


def includes() -> dict[str, set[str]]:
    """By file of the core, the files of the core that it includes."""
    found = {}
    for path in sorted(CORE.rglob("*")):
        if path.suffix in (".c", ".h", ".def"):
            text = path.read_text()
            names = re.findall(r'^\s*#\s*include\s*"(.+)"', text, flags=re.MULTILINE)
            found[str(path.relative_to(CORE).as_posix())] = set(names)
    return found


def refused(source: str, target: str) -> bool:
    """Whether a file in the room `source` may not include one in the room `target`."""
    if source in (target, "py"):
        return False
    families = source.startswith("loss/") and source not in BELOW
    allowed = FAMILY if families else BELOW[source]
    return target not in allowed and (source, target) not in BETWEEN_FAMILIES


def test_every_include_is_a_file_of_the_core() -> None:
    files = includes()
    missing = {(file, name) for file, names in files.items() for name in names - files.keys()}
    # Python's and NumPy's headers are included in angle brackets; the build writes two more.
    written = {"derived/arguments.h", "derived/parameters.h"}
    assert {name for _, name in missing} == written, missing


def test_no_circle_of_files() -> None:
    graph: dict[str, set[str]] = {}
    for file, names in includes().items():
        units = graph.setdefault(unit_of(file), set())
        units |= {unit_of(name) for name in names} - {unit_of(file)}
    assert circle(graph) == []


def test_rooms_include_only_what_lies_below() -> None:
    wrong = [
        f"{file} includes {name}"
        for file, names in includes().items()
        for name in sorted(names)
        if refused(room_of(file), room_of(name))
    ]
    assert not wrong


def test_every_exception_is_used() -> None:
    used = {(room_of(file), room_of(name)) for file, names in includes().items() for name in names}
    assert BETWEEN_FAMILIES.keys() <= used


def test_no_two_headers_share_a_guard() -> None:
    guards = Counter(
        guard
        for path in sorted(CORE.rglob("*.h"))
        for guard in re.findall(r"^#ifndef (CS_\w+_H|CSPARC_H)$", path.read_text(), re.MULTILINE)
    )
    assert [guard for guard, count in guards.items() if count > 1] == []


def test_what_is_forbidden_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert refused("base", "la")
    assert refused("la", "op")
    assert refused("loss/entropy", "loss/clip")
    assert refused("loss/filip", "loss/gram")
    assert refused("op", "py")
    assert not refused("loss/filip", "loss/entropy")
    assert not refused("loss/sparc", "loss/clip")
