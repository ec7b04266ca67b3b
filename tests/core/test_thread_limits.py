"""Where threads cannot be made, calls run on fewer, with the same bits, and the process lives."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

HEAD = """
import os, resource, numpy as np, csparc
rng = np.random.default_rng(0)
arrays = rng.normal(size=(2, 64, 256)).astype("f4")
def bits():
    out = csparc.clip_loss(*arrays, grad=True)
    return out.loss, *(np.asarray(g).tobytes() for g in out.grads.values())
csparc.set_num_threads(1)
one = bits()
"""
NO_PROCESSES = """
if os.getuid() == 0:
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
"""
LITTLE_MEMORY = """
import re
held = int(re.search(r"VmSize:\\s*(\\d+)", open("/proc/self/status").read())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (held + {more}, resource.RLIM_INFINITY))
"""
TAIL = """
csparc.set_num_threads({threads})
assert bits() == one
print(csparc.get_num_threads())
"""


def threads_granted(limit, threads, **environment):
    """Threads that a call uses in a process with such a limit; it must end well."""
    script = HEAD + limit + TAIL.format(threads=threads)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True,
        timeout=120, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("threads", [2, 64])
def test_a_limit_on_processes(threads):
    assert threads_granted(NO_PROCESSES, threads) == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs the size of a process")
@pytest.mark.parametrize("threads", [2, 64])
def test_a_limit_on_memory(threads):
    stack = {"OMP_STACKSIZE": "16M"}
    assert threads_granted(LITTLE_MEMORY.format(more=1 << 20), threads, **stack) == 1
    granted = threads_granted(LITTLE_MEMORY.format(more=150 << 20), threads, **stack)
    assert min(threads, 3) - 1 <= granted < 16


def test_without_limits_all_threads_are_granted():
    assert threads_granted("", 5) == 5
