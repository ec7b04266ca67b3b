"""How much memory this process may still take: of the machine, and of the groups it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Available(NamedTuple):
    """Bytes that may still be taken, and what sets them."""

    nbytes: int
    source: str


def available_memory(root: str | os.PathLike = "/") -> Available | None:
    """The least of ``MemAvailable`` and of what every limit of control groups (cgroup v1 and v2,
    those of containers) leaves; None where the system tells nothing.

    Pages of files that can be dropped do not count as taken. ``root`` holds ``proc`` and ``sys``.
    """
    found = [*_machine(Path(root)), *_groups(Path(root))]
    return min(found, default=None)


def _machine(root: Path) -> Iterator[Available]:
    for line in _lines(root / "proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable" and value.split()[:1] and value.split()[0].isdigit():
            yield Available(1024 * int(value.split()[0]), "the machine's free memory")


def _groups(root: Path) -> Iterator[Available]:
    """Lines of proc/self/cgroup are ID:CONTROLLERS:PATH, of version 2 without controllers. Limits
    of the groups above hold too. A container may see its own group as the root of all."""
    mount = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            names, base = ("memory.max", "memory.current"), mount
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            base = mount / "memory"
        else:
            continue
        group = base / path.strip("/")
        for folder in (group, *group.parents):
            yield from _left(folder, *names)
            if folder == base:
                break


def _left(folder: Path, limit: str, usage: str) -> Iterator[Available]:
    most, taken = (_number(folder / name) for name in (limit, usage))
    if most is None or taken is None or most >= 1 << 60:  # version 1 writes "none" as a huge number
        return
    stat = dict(line.split()[:2] for line in _lines(folder / "memory.stat") if " " in line)
    droppable = stat.get("total_inactive_file", stat.get("inactive_file", "0"))
    taken -= int(droppable) if droppable.isdigit() else 0
    yield Available(max(0, most - max(0, taken)), "the memory limit of its control group")


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
