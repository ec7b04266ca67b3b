"""The loss among other threads, after fork, and beside other users of OpenMP."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from loss_batches import draw, masks

import csparc

SCRIPT_HEAD = """
import numpy as np
rng = np.random.default_rng(0)
V, T = rng.normal(size=(6, 30, 16)), rng.normal(size=(6, 9, 16))
def loss():
    import csparc
    out = csparc.sparc_loss(V, T, text_mask=[9, 3, 5, 1, 0, 7], grad=True)
    return out.loss, out.grads["patches"].tobytes()
"""


def run_script(body, **environment):
    """Run a script in a fresh interpreter; it must end well within a minute."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT_HEAD + body],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def bits(batch, **options):
    out = csparc.sparc_loss(**batch, **options, grad=True, return_weights=True)
    return (out.loss, out.weights.tobytes(), *(np.asarray(g).tobytes() for g in out.grads.values()))


def test_several_python_threads_at_once(rng):
    """Each caller gets its own result, also while another changes the thread count."""
    work = []
    for _ in range(4):
        batch = draw(rng, np.float32, B=5, P=40, L=15, D=24)
        text_mask, patch_mask = masks(rng, "holes", B=5, P=40, L=15)
        options = dict(text_mask=text_mask, patch_mask=patch_mask)
        work.append((batch, options, bits(batch, **options)))
    wrong, stop = [], threading.Event()

    def repeat(batch, options, expected):
        while not stop.is_set():
            if bits(batch, **options) != expected:
                wrong.append(1)
                return

    def change_threads():
        while not stop.is_set():
            for count in (1, 3, 2, 7):
                csparc.set_num_threads(count)

    threads = [threading.Thread(target=repeat, args=item) for item in work]
    threads.append(threading.Thread(target=change_threads))
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_gil_is_released(rng):
    """While the core works, another Python thread makes progress: without that, it would only run
    before and after each call."""
    batch = draw(rng, np.float32, B=64, P=196, L=55, D=256)
    csparc.set_num_threads(1)
    csparc.sparc_loss(**batch, grad=True)
    ticks, inside, done = 0, [], threading.Event()

    def count():
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    for _ in range(3):
        before = ticks
        csparc.sparc_loss(**batch, grad=True)
        inside.append(ticks - before)
    done.set()
    thread.join()
    assert max(inside) >= 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork does not exist here")
def test_after_fork():
    """The OpenMP pool of the parent does not exist in the child: the child works serially."""
    body = """
import os, csparc
csparc.set_num_threads(3)
expected = loss()
pid = os.fork()
if pid == 0:
    same = loss() == expected and csparc.get_num_threads() == 1
    os._exit(0 if same else 1)
assert os.waitpid(pid, 0)[1] == 0
assert loss() == expected and csparc.get_num_threads() == 3
print("ok")
"""
    assert run_script(body, PYTHONWARNINGS="ignore") == "ok"


def test_multiprocessing_pool():
    body = """
import multiprocessing, csparc
def work(_):
    return loss()[0]
expected = loss()[0]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(4)) == [expected] * 4
print("ok")
"""
    if not hasattr(os, "fork"):
        pytest.skip("fork does not exist here")
    assert run_script(body, PYTHONWARNINGS="ignore") == "ok"


USE = {
    "sklearn": """
from sklearn.cluster import KMeans
def use():
    KMeans(3, n_init=1, random_state=0).fit(rng.normal(size=(200, 8)))
""",
    "torch": """
import torch
def use():
    x = torch.randn(300, 300, requires_grad=True)
    (x @ x).sum().backward()
""",
}


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("other", USE)
def test_beside_another_openmp(other, order):
    if importlib.util.find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    alone = run_script("print(hash(loss()))", PYTHONHASHSEED="0")
    if order == "before":
        body = USE[other] + "use(); first = loss(); use(); assert loss() == first"
    else:
        body = "first = loss()\n" + USE[other] + "use(); assert loss() == first; use()"
    assert run_script(body + "\nprint(hash(loss()))", PYTHONHASHSEED="0") == alone
