"""What the tests of the objectives besides SPARC share."""

from __future__ import annotations

import numpy as np
from loss_batches import poison
from tolerances import FLOAT32, FLOAT32_SCALAR, FLOAT64, SCALAR_FLOOR, assert_close

import csparc

DTYPES = [np.float32, np.float64]
GLOBALS = ("image_global", "text_global")


def flattened(grads):
    """Gradients by name, entries of dicts as "argument.entry"."""
    flat = {}
    for name, gradient in grads.items():
        parts = gradient if isinstance(gradient, dict) else {"": gradient}
        flat |= {f"{name}.{part}" if part else name: g for part, g in parts.items()}
    return flat


def assert_matches(out, expected, dtype):
    """Value, parts and every gradient of the core's result against the reference's."""
    array, scalar = (FLOAT64, FLOAT64) if dtype == np.float64 else (FLOAT32, FLOAT32_SCALAR)
    for part in ("loss", "global_loss", "local_loss", "prototype_loss"):
        assert_close(getattr(out, part), getattr(expected, part), array, part)
    found, wanted = flattened(out.grads), flattened(expected.grads)
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        if np.ndim(gradient):
            assert_close(found[name], gradient, array, name)
            assert found[name].dtype == dtype, name
        else:
            error = abs(found[name] - gradient) / max(abs(gradient), SCALAR_FLOOR)
            assert error <= scalar, f"{name}: error {error:.2e}"


def assert_matches_reference(loss, expected, batch, text_mask, patch_mask, dtype, **options):
    """``loss`` of the core, with NaN where the masks say no, against what the reference says of the
    same ``batch``: no gradient there, and without gradients the same value."""
    call = poisoned(batch, text_mask, patch_mask)
    out = loss(**call, **options, grad=True)
    assert_matches(out, expected, dtype)
    assert not out.grads["patches"][~patch_mask].any()
    assert not out.grads["tokens"][~text_mask].any()
    assert loss(**call, **options).loss == out.loss
    return out


def bits(out):
    """Everything a loss returned, as bytes."""
    grads = flattened(out.grads)
    return (
        out.loss, out.global_loss, out.local_loss,
        *(np.asarray(grads[name]).tobytes() for name in sorted(grads)),
    )  # fmt: skip


def assert_same_bits_for_any_threads(call):
    """``call()`` -> LossOutput: the same bytes on 1, 2, 3 and 7 threads, and again on 2."""
    seen = set()
    for threads in (1, 2, 3, 7, 2):
        csparc.set_num_threads(threads)
        seen.add(bits(call()))
    assert len(seen) == 1


def assert_finite(out):
    assert np.isfinite(out.loss)
    for name, gradient in flattened(out.grads).items():
        assert np.isfinite(gradient).all(), name


def poisoned(batch, text_mask, patch_mask):
    """A copy whose rows that are not valid hold NaN or infinity, and the masks."""
    return {
        **poison(batch, text_mask, patch_mask), "text_mask": text_mask, "patch_mask": patch_mask,
    }  # fmt: skip
