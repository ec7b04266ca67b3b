"""Arrays that come to the SPARC loss in bfloat16: the bits of the same numbers in float32."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from half_numbers import drawn, without_globals
from loss_batches import MASKS, masks, poison
from tolerances import FLOAT32, assert_close

import csparc
from csparc import _core

half = ml_dtypes.bfloat16


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("which", [("patches",), ("tokens",), ("patches", "tokens")])
def test_bfloat16_arrays_are_read_as_their_numbers(which, similarity, kind, precision, rng):
    """The same bits as of the widened arrays, whichever of them comes in bfloat16."""
    text_mask, patch_mask = masks(rng, kind)
    wide = poison(drawn(rng, D=24), text_mask, patch_mask)
    narrow = {n: x.astype(half) if n in which else x for n, x in wide.items()}
    options = dict(text_mask=text_mask, patch_mask=patch_mask, similarity=similarity)
    options |= dict(precision=precision, return_weights=True)
    for grad in (False, True):
        out = csparc.sparc_loss(**narrow, **options, grad=grad)
        expected = csparc.sparc_loss(**wide, **options, grad=grad)
        assert (out.loss, out.local_loss) == (expected.loss, expected.local_loss)
        assert np.array_equal(out.weights, expected.weights)
        for name, gradient in expected.grads.items():
            assert np.array_equal(out.grads[name], gradient), name


@pytest.mark.parametrize("text_pool", ["masked", "unmasked"])
def test_means_of_bfloat16_arrays(text_pool, rng):
    text_mask, patch_mask = masks(rng, "holes")
    wide = without_globals(drawn(rng))
    narrow = {name: x.astype(half) for name, x in wide.items()}
    options = dict(text_mask=text_mask, patch_mask=patch_mask, text_pool=text_pool, grad=True)
    out, expected = csparc.sparc_loss(**narrow, **options), csparc.sparc_loss(**wide, **options)
    assert_close(out.global_loss, expected.global_loss, FLOAT32)
    for name in wide:
        assert_close(out.grads[name], expected.grads[name], FLOAT32, name)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        np.asfortranarray,
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        lambda x: np.concatenate([x[:1, :1, :1].ravel(), x.ravel()])[1:].reshape(x.shape),
    ],
    ids=["plain", "fortran", "reversed", "odd address"],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_layouts_give_the_same_bits(precision, change, rng):
    wide = drawn(rng, D=24)
    narrow = {name: change(x.astype(half)) for name, x in without_globals(wide).items()}
    for array in narrow.values():
        array.flags.writeable = False
    out = csparc.sparc_loss(**{**wide, **narrow}, precision=precision, grad=True)
    expected = csparc.sparc_loss(**wide, precision=precision, grad=True)
    assert out.loss == expected.loss
    for name in wide:
        assert np.array_equal(out.grads[name], expected.grads[name]), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_torch_tensors(precision, rng):
    torch = pytest.importorskip("torch")
    wide = drawn(rng, D=24)
    narrow = {name: torch.from_numpy(x).bfloat16() for name, x in wide.items()}
    out = csparc.sparc_loss(**narrow, precision=precision, grad=True)
    expected = csparc.sparc_loss(**wide, precision=precision, grad=True)
    assert out.loss == expected.loss
    for name in wide:
        assert np.array_equal(out.grads[name], expected.grads[name]), name


def test_a_float64_array_among_them_makes_all_float64(rng):
    wide = drawn(rng)
    mixed = {
        **wide,
        "patches": wide["patches"].astype(half),
        "tokens": wide["tokens"].astype(float),
    }
    out = csparc.sparc_loss(**mixed, grad=True)
    expected = csparc.sparc_loss(**{n: x.astype(float) for n, x in wide.items()}, grad=True)
    assert out.loss == expected.loss
    assert out.grads["patches"].dtype == np.float32
    assert np.array_equal(out.grads["tokens"], expected.grads["tokens"])


def test_core_refuses_both_forms_of_an_array(rng):
    x = np.ones((1, 2, 4), np.float32)
    bits = np.ones((1, 2, 4), np.uint16)
    options = (None,) * 6 + (0, 0, 0, 1, -1.0, 1.0, 0, 0, 0, 0)
    tail = (np.empty(6), *(None,) * 6)
    for patches, patch_bits, tokens, rounded_products in [
        (x, bits, x, 0),
        (None, None, x, 0),
        (x.astype(float), None, x.astype(float), 1),
    ]:
        with pytest.raises(ValueError, match="sparc"):
            _core.sparc(
                patches, tokens, *options, rounded_products, 1.0, 1.0, 1.0, 1.0, patch_bits, None,
                *tail,
            )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_copy_of_the_arrays(precision: str, root: Path) -> None:
    """Resident memory grows by the scratch, not by patches in another type."""
    program = root / "tests" / "helpers" / "resident_bfloat16.py"
    done = subprocess.run(
        [sys.executable, str(program), precision], capture_output=True, text=True, check=True
    )
    grown, patches = json.loads(done.stdout)
    assert grown < patches / 2
