"""csparc.torch in two processes: with gathered features, DistributedDataParallel leaves the
gradients of one process with the whole batch."""

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


def run(loss, batch, folder):
    """(loss, gradients by parameter) of each process."""
    results = [folder / f"{rank}.npz" for rank in range(PROCESSES)]
    started = [
        subprocess.Popen(
            [sys.executable, ddp_process.__file__, str(rank), str(PROCESSES), loss, batch, result],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank, result in enumerate(results)
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=LONGEST)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert not any(process.returncode for process in started), "\n".join(outputs)
    return [dict(np.load(result)) for result in results]


CASES = {
    "sparc": "sparc",  # patches and tokens stay where they are
    "sparc without globals": "sparc",  # everything is gathered
    "clip": "clip",
    "filip": "filip",
    "mgca": "mgca",
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_one_process(case, rng, tmp_path):
    loss = CASES[case]
    arrays, masks = tensor_calls.batch(rng, loss), tensor_calls.masks(rng, loss)
    if case.endswith("without globals"):
        del arrays["image_global"], arrays["text_global"]
    groups = np.array([0, 1, 0, 2])  # a pair of the first process and one of the second
    np.savez(tmp_path / "batch.npz", **arrays, **masks, groups=groups)
    found = run(loss, tmp_path / "batch.npz", tmp_path)

    model = ddp_process.Towers(loss, tensor_calls.options(loss), tensor_calls.D)
    given = {name: torch.from_numpy(x) for name, x in arrays.items()}
    value = model(given, **masks, groups=groups)
    value.backward()
    expected = ddp_process.gradients(model)
    assert np.mean([one["value"] for one in found]) == pytest.approx(value.item(), rel=1e-12)
    for one in found:
        for name, gradient in expected.items():
            np.testing.assert_allclose(one[name], gradient, rtol=1e-9, atol=1e-12, err_msg=name)
