"""How many processors this process may keep busy: its affinity, and the CPU quota of a container.

A container limited to two processors of a large host sees all of the host's. Its limit stands in
its control group or any above it, as time (quota) in each period.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def processors(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Processors of the affinity, or the quota rounded up where that is less; at least 1.

    ``cgroups`` is where control groups are mounted, ``membership`` the file that names this
    process's.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(count, quota(cgroups, membership))))


def quota(cgroups: Path, membership: Path) -> float:
    """The least CPU quota, in processors, on the way from this process's groups to the root."""
    return min(_quotas(cgroups, membership), default=math.inf)


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    try:
        lines = membership.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            for mount in (cgroups, cgroups / "unified"):
                for folder in _up(mount, path):
                    yield from _of_version_2(folder)
        elif "cpu" in controllers.split(","):
            for mount in (cgroups / controllers, cgroups / "cpu"):
                for folder in _up(mount, path):
                    yield from _of_version_1(folder)


def _up(mount: Path, path: str) -> Iterator[Path]:
    """The group's folder and those above it, up to the mount. Inside a container some may not be
    there: its root is then a group of the host's."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for count in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:count])


def _of_version_2(folder: Path) -> Iterator[float]:
    """``cpu.max``: "max 100000" or "200000 100000"."""
    words = _read(folder / "cpu.max").split()
    if len(words) == 2:
        yield from _share(*words)


def _of_version_1(folder: Path) -> Iterator[float]:
    """``cpu.cfs_quota_us``, -1 for none, of ``cpu.cfs_period_us``."""
    yield from _share(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _share(time: str, period: str) -> Iterator[float]:
    try:
        found = int(time), int(period)
    except ValueError:
        return
    if min(found) > 0:
        yield found[0] / found[1]


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
