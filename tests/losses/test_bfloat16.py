"""Products on bfloat16 in the SPARC loss, against the float64 reference of the rounded numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from half_numbers import drawn, without_globals
from loss_batches import MASKS, draw, masks, poison
from other_isa import run_code
from tolerances import (
    BFLOAT16,
    BFLOAT16_LOSS,
    BFLOAT16_SCALAR,
    BFLOAT16_TWIN,
    FLOAT32,
    SCALAR_FLOOR,
    assert_close,
)

import csparc
from csparc import reference

OPTIONS = [
    dict(),
    dict(sigma=0.3),
    dict(normalizer="minmax"),
    dict(normalizer="softmax", softmax_scale=0.7),
    dict(similarity="cosine"),
    dict(similarity="cosine", normalizer="softmax", detach_weights=True),
    dict(reduction="token", text_pool="unmasked"),
    dict(local_logit_scale=20.0, global_weight=0.0),
]
half = ml_dtypes.bfloat16


def check(batch, options, text_mask, patch_mask, dtype=np.float32):
    """Value and gradients on bfloat16 products against the reference of the same numbers."""
    reads_padding = options.get("text_pool") == "unmasked"
    given = dict(batch) if reads_padding else poison(batch, text_mask, patch_mask)
    for name in ("patches", "tokens"):
        given[name] = given[name].astype(dtype)
    with_masks = dict(text_mask=text_mask, patch_mask=patch_mask)
    out = csparc.sparc_loss(
        **given, **options, **with_masks, precision="bf16", grad=True, return_weights=True
    )
    keep = None
    if options.get("normalizer", "minmax_sparse") == "minmax_sparse":
        keep = out.weights > 0
    expected = reference.sparc_loss(**batch, **options, **with_masks, keep_mask=keep)
    assert_close(out.loss, expected.loss, BFLOAT16_LOSS, "loss")
    assert_close(out.local_loss, expected.local_loss, BFLOAT16_LOSS, "local loss")
    assert_close(out.weights, expected.weights, FLOAT32, "weights")
    for name, gradient in expected.grads.items():
        if np.ndim(gradient):
            assert_close(out.grads[name], gradient, BFLOAT16, name)
            assert out.grads[name].dtype == np.float32
        else:
            error = abs(out.grads[name] - gradient)
            assert error <= BFLOAT16_SCALAR * max(abs(gradient), SCALAR_FLOOR), name
    return out


@pytest.mark.parametrize("dtype", [np.float32, half])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda options: "-".join(f"{k}={v}" for k, v in options.items())
)
@pytest.mark.parametrize("D", [13, 24])
def test_products_against_reference(D, options, kind, dtype, rng):
    batch = drawn(rng, D=D)
    check(batch, {"logit_scale": 9.0, **options}, *masks(rng, kind), dtype)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 4, 3, 8), (3, 1, 4, 9), (2, 5, 1, 7),
                                   (2, 33, 65, 31), (1, 8, 8, 8), (5, 7, 9, 15), (2, 40, 150, 48),
                                   (2, 196, 55, 512)])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, half])
def test_sizes(shape, dtype, rng):
    B, P, L, D = shape
    batch = without_globals(drawn(rng, B=B, P=P, L=L, D=D))
    check(batch, {}, *masks(rng, "full", B, P, L), dtype)


def test_width_one_is_finite(rng):
    """Unit vectors are signs there: every gradient of the local loss cancels."""
    out = csparc.sparc_loss(**drawn(rng, D=1), precision="bf16", grad=True)
    assert all(np.isfinite(gradient).all() for gradient in out.grads.values())


@pytest.mark.parametrize("size", [1e-15, 1e-8, 30.0, 1e8, 1e15, 1e18, 1e37])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", ["full", "holes"])
@pytest.mark.parametrize("dtype", [np.float32, half])
def test_any_magnitude_is_finite(size, similarity, kind, dtype, rng):
    text_mask, patch_mask = masks(rng, kind)
    batch = draw(rng, np.float32, size=size)
    batch["patches"] = batch["patches"].astype(dtype)
    batch["tokens"] = batch["tokens"].astype(dtype)
    options = dict(text_mask=text_mask, patch_mask=patch_mask, similarity=similarity)
    out = csparc.sparc_loss(**batch, **options, precision="bf16", grad=True)
    assert np.isfinite(out.loss)
    for name, gradient in out.grads.items():
        assert np.isfinite(gradient).all(), name


@pytest.mark.parametrize("degenerate", ["uniform", "zero"])
def test_equal_patches_and_zero_vectors(degenerate, rng):
    batch = drawn(rng)
    batch["patches"][0] = np.round(batch["patches"][0, :1])
    batch["tokens"][0] = np.round(batch["tokens"][0])
    batch["patches"][1] = 0
    batch["tokens"][2, 3] = 0
    batch["patches"][2, 5] = 0
    out = check(batch, dict(degenerate=degenerate), *masks(rng, "full"))
    assert np.all(out.weights[:2] == (np.float32(1 / 17) if degenerate == "uniform" else 0))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_bits_for_any_threads_and_buffers(precision, rng):
    batch = {n: x.astype(half) for n, x in drawn(rng, B=9, P=30, L=70, D=32).items()}
    results = []
    for threads in (1, 2, 5):
        csparc.set_num_threads(threads)
        into = {n: np.full(x.shape, np.nan, np.float32) for n, x in batch.items()}
        out = csparc.sparc_loss(**batch, precision=precision, out_grads=into)
        results.append((out, into))
    for out, into in results[1:]:
        assert out.loss == results[0][0].loss
        for name in batch:
            assert np.array_equal(into[name], results[0][1][name]), name


def test_value_is_the_same_with_and_without_gradients(rng):
    batch = without_globals(drawn(rng))
    for dtype in (np.float32, half):
        given = {name: x.astype(dtype) for name, x in batch.items()}
        plain = csparc.sparc_loss(**given, precision="bf16")
        assert plain.loss == csparc.sparc_loss(**given, precision="bf16", grad=True).loss


def test_option(rng):
    batch = drawn(rng)
    assert csparc.SparcLoss().config()["precision"] == "fp32"
    assert csparc.SparcLoss(precision="float32").config()["precision"] == "fp32"
    loss = csparc.SparcLoss(precision="bfloat16")
    assert loss.config()["precision"] == "bf16"
    assert loss(**batch).loss == csparc.sparc_loss(**batch, precision="bf16").loss
    assert loss(**batch).local_loss != csparc.sparc_loss(**batch).local_loss
    with pytest.raises(ValueError, match="precision: expected 'fp32', 'bf16'"):
        csparc.sparc_loss(**batch, precision="fp16")
    wide = {name: x.astype(float) for name, x in batch.items()}
    with pytest.raises(ValueError, match="precision: expected 'fp32' for inputs of 64 bits"):
        csparc.sparc_loss(**wide, precision="bf16")


def gradients(path: str) -> None:
    rng = np.random.default_rng(5)
    batch = without_globals(drawn(rng, B=4, P=49, L=30, D=64))
    out = csparc.sparc_loss(**batch, precision="bf16", global_weight=0.0, grad=True)
    np.savez(path, loss=out.loss, **{name: out.grads[name] for name in batch})


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_twin_agrees(isa: str, tmp_path: Path) -> None:
    """The plain twin of every instruction set against what this process runs."""
    ours, twin = tmp_path / "ours.npz", tmp_path / "twin.npz"
    forced = {**os.environ, "CSPARC_BF16": "plain", "CSPARC_ISA": isa}
    if subprocess.run([sys.executable, "-c", "import csparc"], env=forced).returncode != 0:
        pytest.skip(f"this processor has no {isa}")
    gradients(str(ours))
    code = f"import test_bfloat16; test_bfloat16.gradients({str(twin)!r})"
    run_code(code, __file__, forced)
    found, expected = np.load(ours), np.load(twin)
    for name in expected.files:
        assert_close(found[name], expected[name], BFLOAT16_TWIN, name)


def test_estimated_memory() -> None:
    csparc.set_num_threads(2)
    sizes = dict(B=64, P=196, L=55, D=512)
    exact = csparc.estimate_memory("sparc", **sizes)
    rounded_too = csparc.estimate_memory("sparc", **sizes, precision="bf16")
    operands = 2 * 4 * (196 * 512 + 2 * 55 * 512 + 55 * 196)
    assert operands < rounded_too - exact < 2 * operands
    with pytest.raises(ValueError, match="precision"):
        csparc.estimate_memory("sparc", **sizes, precision="fp8")
