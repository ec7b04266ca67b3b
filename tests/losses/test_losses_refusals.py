"""The public losses: what is refused, and how."""

from __future__ import annotations

import numpy as np
import pytest
from loss_batches import draw

import csparc

B, P, L, D = 4, 17, 11, 13


@pytest.fixture
def batch(rng):
    return draw(rng, np.float32)


def test_out_grads_refusals(batch):
    x = batch["patches"]

    def call(out):
        csparc.sparc_loss(**batch, out_grads=out)

    frozen = np.empty_like(x)
    frozen.flags.writeable = False
    for buffer, found in [
        (np.empty((B, P, D + 1), np.float32), r"found an array of shape \(4, 17, 14\)"),
        (np.empty_like(x, dtype=np.float64), "dtype float64"),
        (frozen, "found a read-only one"),
        (np.lib.stride_tricks.as_strided(np.empty_like(x), strides=(0, D * 4, 4)), "share memory"),
        (np.lib.stride_tricks.as_strided(np.empty_like(x), strides=(4, D * 4, 4)), "share memory"),
        (x, "found it shares patches's"),
        (batch["patches"].base if x.base is not None else x[:], "found it shares patches's"),
    ]:
        with pytest.raises(ValueError, match=r"^out_grads\['patches'\]: expected .*" + found):
            call({"patches": buffer})
    with pytest.raises(TypeError, match=r"^out_grads: expected arrays by argument name .*found a"):
        call([x.copy()])
    with pytest.raises(TypeError, match=r"^out_grads\['patches'\]: expected .*found a list"):
        call({"patches": []})
    with pytest.raises(ValueError, match=r"^out_grads: expected names among .*found 'logit_scale'"):
        call({"logit_scale": np.empty(1)})
    both = np.empty_like(x)
    with pytest.raises(ValueError, match="found it shares"):
        csparc.sparc_loss(x, x, out_grads={"patches": both, "tokens": both})
    # A copy is made of what is not contiguous; the caller's own memory is still protected.
    turned = np.asfortranarray(x)
    with pytest.raises(ValueError, match="found it shares patches's"):
        csparc.sparc_loss(turned, batch["tokens"], out_grads={"patches": turned})


def test_width_zero_is_refused():
    with pytest.raises(ValueError, match=r"^patches: expected vectors of at least one entry"):
        csparc.sparc_loss(np.ones((2, 3, 0)), np.ones((2, 4, 0)))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(patches=np.ones((B, P))), ValueError, r"patches: expected 3 axes \[B, P, D\]"),
        (dict(tokens=np.ones((B + 1, L, D))), ValueError,
         r"tokens: expected \[B, L, D\] with B = 4 as in patches, found shape \(5, 11, 13\)"),
        (dict(tokens=np.ones((B, L, D + 1))), ValueError, "tokens: .*D = 13 as in patches"),
        (dict(text_global=np.ones((B, D - 1))), ValueError, "text_global: .*D = 13 as in patches"),
        (dict(patches=np.ones((B, P, D), complex)), TypeError, "patches: .*found dtype complex128"),
        (dict(patches=None), TypeError, "patches: .*found None"),
        (dict(tokens="words"), TypeError, "tokens: expected"),
        (dict(text_mask=np.ones((B, P))), ValueError, "text_mask: .*found an array of shape"),
        (dict(patch_mask=[99] * B), ValueError, "patch_mask: .*found the length 99"),
        (dict(logit_scale=0.0), ValueError, r"logit_scale: expected .* 1e-06 to 1e\+06, found 0"),
        (dict(logit_scale=float("nan")), ValueError, "logit_scale: expected .*found nan"),
        (dict(local_logit_scale=-1.0), ValueError, "local_logit_scale: expected .* from 1e-06"),
        (dict(global_weight="much"), TypeError, "global_weight: expected .*found 'much'"),
        (dict(local_weight=float("inf")), ValueError, "local_weight: expected .*found inf"),
        (dict(normalizer="max"), ValueError, "normalizer: expected 'minmax_sparse', 'minmax' or"),
        (dict(similarity="cos"), ValueError, "similarity: expected 'dot' or 'cosine', found 'cos'"),
        (dict(sigma=1.5), ValueError, r"sigma: expected .* from 0 to 1, found 1\.5"),
        (dict(softmax_scale=None), TypeError, "softmax_scale: expected .*found None"),
        (dict(reduction="mean"), ValueError, "reduction: expected 'sample' or 'token'"),
        (dict(text_pool="mean"), ValueError, "text_pool: expected 'masked' or 'unmasked'"),
        (dict(degenerate=0), ValueError, "degenerate: expected 'zero' or 'uniform', found 0"),
        (dict(detach_weights=1), TypeError, "detach_weights: expected True or False, found 1"),
        (dict(grad="yes"), TypeError, "grad: expected True or False, found 'yes'"),
        (dict(return_weights=1), TypeError, "return_weights: expected True or False, found 1"),
    ],
)  # fmt: skip
def test_refusals(batch, change, error, message):
    with pytest.raises(error, match=r"^" + message):
        csparc.sparc_loss(**{**batch, **change})


def test_flags_of_numpy_are_taken(batch):
    out = csparc.sparc_loss(**batch, detach_weights=np.True_, return_weights=np.True_)
    assert out.loss == csparc.sparc_loss(**batch, detach_weights=True).loss
    assert type(csparc.SparcLoss(detach_weights=np.True_).config()["detach_weights"]) is bool


def test_clip_refusals(batch):
    with pytest.raises(ValueError, match=r"^text_global: .*B = 4 as in image_global"):
        csparc.clip_loss(batch["image_global"], batch["text_global"][1:])
    with pytest.raises(ValueError, match=r"^logit_scale: expected"):
        csparc.clip_loss(batch["image_global"], batch["text_global"], logit_scale=-1)
    with pytest.raises(ValueError, match=r"^weights: "):
        csparc.group_patches(np.ones((2, 3)), np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match=r"^dgrouped: .*D = 13"):
        csparc.group_patches_backward(np.ones((B, L, D + 1)), np.ones((B, L, P)), batch["patches"])
