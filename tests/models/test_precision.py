"""Linear layers that multiply bfloat16: near those of float32, and the same every time."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import csparc
from csparc import nn

CLOSE = 2e-2
"""Relative norm of a difference: a rounding is 2e-3, a few layers add to it."""


def make(**options) -> csparc.TwoTower:
    return csparc.create_model("nano", vocab_size=50, **options)


@pytest.fixture
def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image = rng.normal(size=(9, 3, 64, 64)).astype(np.float32)
    return image, rng.integers(1, 50, (9, 32)).astype(np.int32)


def gradients(model: csparc.TwoTower, batch: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    model.zero_grad()
    tape = nn.Tape()
    out = model(*batch, tape=tape)
    tape.backward({out.patches: out.patches.data, out.text_global: out.text_global.data})
    return {name: p.grad.copy() for name, p in model.parameters.items()}


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_features_and_gradients_are_near_those_of_float32(batch):
    model = make()
    exact, exact_grads = model.encode_image(batch[0]), gradients(model, batch)
    model.precision = "bf16"
    rounded, rounded_grads = model.encode_image(batch[0]), gradients(model, batch)
    assert 0 < apart(rounded, exact) < CLOSE
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    assert 0 < apart(rounded_grads[name], exact_grads[name]) < CLOSE
    assert rounded_grads[name].dtype == model.parameters[name].data.dtype == np.float32
    model.precision = "float32"
    assert model.precision == "fp32"
    np.testing.assert_array_equal(model.encode_image(batch[0]), exact)


def test_same_bits_on_any_threads(batch):
    model, seen = make(precision="bf16"), set()
    for threads in (1, 2, 3):
        csparc.set_num_threads(threads)
        seen.add(b"".join(grad.tobytes() for grad in gradients(model, batch).values()))
    assert len(seen) == 1


def test_a_copy_for_other_pictures_keeps_it():
    assert make(precision="bf16").resized(128).precision == "bf16"


def test_refusals():
    with pytest.raises(ValueError, match=r"precision: expected 'fp32', 'bf16'.*found 'amp'"):
        make(precision="amp")
    with pytest.raises(ValueError, match="precision: expected 'fp32' of a model in float64"):
        make(dtype=np.float64, precision="bf16")


def test_says_once_where_it_is_no_faster():
    code = (
        "import csparc, warnings\n"
        "warnings.simplefilter('always')\n"
        "model = csparc.create_model('nano', vocab_size=50, precision='bf16')\n"
        "model.precision = 'bf16'\n"
    )
    environment = {**os.environ, "CSPARC_BF16": "plain"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stderr.count("no faster than 'fp32'") == 1, run.stderr
