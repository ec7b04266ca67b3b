"""Processors a process may use: affinity, and quotas in trees of control groups made up here."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

import csparc
from csparc._processors import processors, quota

NONE = float("inf")


def tree(folder, membership, files):
    """A tree of control groups and the file that names this process's."""
    for name, content in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    names = folder / "membership"
    names.write_text(membership)
    return folder / "cgroup", names


def version_1(folder, time, period=100000):
    return {f"{folder}/cpu.cfs_quota_us": f"{time}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


CASES = [
    ("0::/\n", {"cpu.max": "max 100000\n"}, NONE),
    ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
    ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
    ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n", "a/cpu.max": "150000 100000\n"}, 0.5),
    ("0::/a/b\n", {"a/b/cpu.max": "500000 100000\n", "cpu.max": "300000 100000\n"}, 3.0),
    ("0::/../../host/path\n", {"cpu.max": "100000 50000\n"}, 2.0),
    ("3:cpuset:/x\n1:cpu,cpuacct:/a\n", version_1("cpu,cpuacct/a", 250000), 2.5),
    ("1:cpu:/a/b\n", version_1("cpu/a/b", -1) | version_1("cpu/a", 100000), 1.0),
    ("4:cpuacct,cpu:/docker/0123\n", version_1("cpu", 400000, 200000), 2.0),
    ("2:cpuset:/a\n", version_1("cpu/a", 100000), NONE),
    ("5:cpu:/\n0::/s\n", version_1("cpu", -1) | {"unified/s/cpu.max": "100000 100000"}, 1.0),
    ("0::/\n", {"cpu.max": "many\n"}, NONE),
    ("0::/\n", {"cpu.max": "0 100000\n"}, NONE),
    ("nonsense\n", {"cpu.max": "max 100000\n"}, NONE),
]  # fmt: skip


@pytest.mark.parametrize(("membership", "files", "expected"), CASES)
def test_the_least_quota_on_the_way_to_the_root(tmp_path, membership, files, expected):
    assert quota(*tree(tmp_path, membership, files)) == expected


def test_processors_are_a_quota_rounded_up_within_the_affinity(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for number, (limit, expected) in enumerate([("50000", 1), ("150000", 2), ("9000000", 8)]):
        folder = tmp_path / str(number)
        assert processors(*tree(folder, "0::/", {"cpu.max": f"{limit} 100000"})) == expected


def test_without_control_groups_the_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert processors(tmp_path, tmp_path / "none") == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert processors(tmp_path, tmp_path / "none") == 6


def fresh(code, **environment):
    kept = {k: v for k, v in os.environ.items() if k[-11:] != "NUM_THREADS"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=kept | environment,
    )  # fmt: skip


def test_the_default_is_what_may_be_used_and_a_setting_wins():
    code = "import csparc; print(csparc.get_num_threads())"
    assert int(fresh(code).stdout) == processors()
    assert fresh(code, OMP_NUM_THREADS="3").stdout == "3\n"
    assert fresh(code, CSPARC_NUM_THREADS="1", OMP_NUM_THREADS="3").stdout == "1\n"
    assert fresh(code, OMP_NUM_THREADS="many").stdout == f"{processors()}\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_set_before_the_import_counts():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import csparc"
    assert fresh(code + "; print(csparc.get_num_threads())").stdout == "1\n"


def test_too_many_threads_are_said_once_and_only_then(monkeypatch):
    monkeypatch.setattr(csparc.config, "processors", lambda: 2)
    monkeypatch.setattr(csparc.config, "_said_too_many", False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for count in (1, 2, 3, 9):
            csparc.set_num_threads(count)
    assert [str(warning.message) for warning in said] == [
        "3 threads were asked for, and this process may keep 2 processors busy: more threads than "
        "that take turns, and calls take longer"
    ]


def test_too_many_threads_of_the_environment_are_said():
    done = fresh("import csparc", CSPARC_NUM_THREADS="999")
    assert done.stderr.count("RuntimeWarning: CSPARC_NUM_THREADS asks for 999 threads") == 1
