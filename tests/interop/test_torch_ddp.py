"""Two processes with gathered features have the gradients of one with the whole batch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensor_calls

torch = pytest.importorskip("torch")

import ddp_process  # noqa: E402

PROCESSES = 2
LONGEST = 240  # seconds


CASES = {
    "sparc": "patches and tokens stay where they are",
    "sparc without globals": "everything is gathered",
    "clip": "",
    "filip": "",
    "mgca": "",
    "clip+words": "ids of words too",
    "clip with extra texts": "those of all processes are negatives of all pictures",
    "sparc with extra texts": "they meet the global vectors alone",
}


def drawn(case):
    """Arrays, masks and groups of the whole batch, the same for every process."""
    rng = np.random.default_rng(0)
    loss = case.split()[0]
    arrays, masks = tensor_calls.batch(rng, loss), tensor_calls.masks(rng, loss)
    if case.endswith("without globals"):
        del arrays["image_global"], arrays["text_global"]
    if case.endswith("extra texts"):
        arrays |= tensor_calls.extra_texts(rng)
    # The first group has a pair of the first process and one of the second.
    return arrays, {**masks, "groups": np.array([0, 1, 0, 2])}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What both processes wrote of all cases."""
    path = tmp_path_factory.mktemp("processes")
    for case in CASES:
        arrays, others = drawn(case)
        np.savez(path / f"{case}.batch.npz", **arrays, **others)
    started = [
        subprocess.Popen(
            [sys.executable, ddp_process.__file__, str(rank), str(PROCESSES), path],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(PROCESSES)
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=LONGEST)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert not any(process.returncode for process in started), "\n".join(outputs)
    return path


@pytest.mark.parametrize("case", CASES)
def test_equal_to_one_process(case, folder):
    loss = case.split()[0]
    arrays, others = drawn(case)
    found = [dict(np.load(folder / f"{case}.{rank}.npz")) for rank in range(PROCESSES)]

    model = ddp_process.Towers(loss, tensor_calls.options(loss), tensor_calls.D)
    value = model({name: torch.from_numpy(x) for name, x in arrays.items()}, **others)
    value.backward()
    expected = ddp_process.gradients(model)
    assert np.mean([one["value"] for one in found]) == pytest.approx(value.item(), rel=1e-12)
    for one in found:
        for name, gradient in expected.items():
            np.testing.assert_allclose(one[name], gradient, rtol=1e-9, atol=1e-12, err_msg=name)
