"""The C core's SPARC loss equals the float64 reference, over options, masks and types.

Also ties, degenerate rows, ranges and bits.
"""

from __future__ import annotations

import numpy as np
import pytest
from loss_batches import MASKS, check_against_reference, draw, masks
from tolerances import FLOAT32, FLOAT64, IDENTITY, assert_close

import csparc
from csparc import reference

DTYPES = [np.float32, np.float64]
NORMALIZERS = ["minmax_sparse", "minmax", "softmax"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_against_reference(dtype, kind, similarity, normalizer, rng):
    batch = draw(rng, dtype)
    options = dict(normalizer=normalizer, similarity=similarity, logit_scale=9.0)
    if normalizer == "minmax_sparse":
        options["sigma"] = 0.3
    if normalizer == "softmax":
        options["softmax_scale"] = 0.7
    check_against_reference(csparc.sparc_loss, batch, options, dtype, *masks(rng, kind))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(
    "options",
    [
        dict(reduction="token"),
        dict(local_logit_scale=20.0, global_weight=0.25, local_weight=5.0),
        dict(detach_weights=True),
        dict(detach_weights=True, similarity="cosine", normalizer="softmax"),
        dict(degenerate="zero"),
        dict(global_weight=0.0),
        dict(local_weight=0.0),
        dict(local_patches="shuffled"),
        dict(local_patches="shuffled", similarity="cosine", reduction="token"),
    ],
    ids=lambda options: "-".join(f"{k}={v}" for k, v in options.items()),
)
@pytest.mark.parametrize("globals_given", [True, False])
def test_options_against_reference(dtype, kind, options, globals_given, rng):
    batch = draw(rng, dtype)
    if not globals_given:
        del batch["image_global"], batch["text_global"]
    options = {"logit_scale": 9.0, **options}
    check_against_reference(csparc.sparc_loss, batch, options, dtype, *masks(rng, kind))


@pytest.mark.parametrize("dtype", DTYPES)
def test_shuffled_patches_are_those_of_the_next_image(dtype, rng):
    batch = draw(rng, dtype)
    text_mask, patch_mask = masks(rng, "empty")
    shuffled = csparc.sparc_loss(
        **batch, text_mask=text_mask, patch_mask=patch_mask, local_patches="shuffled", grad=True,
        return_weights=True,
    )  # fmt: skip
    moved = {**batch, "patches": np.roll(batch["patches"], -1, axis=0)}
    own = csparc.sparc_loss(
        **moved, text_mask=text_mask, patch_mask=np.roll(patch_mask, -1, axis=0), grad=True,
        return_weights=True,
    )  # fmt: skip
    for part in ("loss", "global_loss", "local_loss", "kept_fraction"):
        assert getattr(shuffled, part) == getattr(own, part)
    assert np.array_equal(shuffled.weights, own.weights)
    assert np.array_equal(shuffled.grads["patches"], np.roll(own.grads["patches"], 1, axis=0))
    assert np.array_equal(shuffled.grads["tokens"], own.grads["tokens"])
    plain = csparc.sparc_loss(**batch, text_mask=text_mask, patch_mask=patch_mask)
    assert shuffled.local_loss != plain.local_loss


def test_one_sample_has_its_own_patches_however_shuffled(rng):
    batch = draw(rng, B=1)
    own, shuffled = (csparc.sparc_loss(**batch, local_patches=p) for p in ("own", "shuffled"))
    assert own.loss == shuffled.loss


@pytest.mark.parametrize("dtype", DTYPES)
def test_unmasked_text_pool_reaches_the_padding(dtype, rng):
    batch = {k: v for k, v in draw(rng, dtype).items() if k in ("patches", "tokens")}
    text_mask, patch_mask = masks(rng, "holes")
    options = dict(text_mask=text_mask, patch_mask=patch_mask, text_pool="unmasked")
    out = csparc.sparc_loss(**batch, **options, grad=True)
    expected = reference.sparc_loss(**batch, **options)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    assert_close(out.loss, expected.loss, tolerance)
    for name in ("patches", "tokens"):
        assert_close(out.grads[name], expected.grads[name], tolerance, name)
    assert out.grads["tokens"][~text_mask].all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["full", "prefix"])
def test_paper_size(dtype, kind, rng):
    sizes = dict(B=2, P=196, L=55)
    batch = draw(rng, dtype, **sizes, D=512)
    out, _ = check_against_reference(
        csparc.sparc_loss, batch, {}, dtype, *masks(rng, kind, **sizes)
    )
    assert 0.9 < out.kept_fraction < 1  # sigma = 1/P hardly drops anything


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 4, 3, 2), (3, 1, 4, 5), (2, 5, 1, 3),
                                   (2, 33, 65, 31), (1, 8, 8, 8), (5, 7, 9, 1)])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degenerate", ["uniform", "zero"])
def test_sizes(shape, dtype, degenerate, rng):
    B, P, L, D = shape
    batch = draw(rng, dtype, B, P, L, D)
    out, _ = check_against_reference(
        csparc.sparc_loss, batch, dict(degenerate=degenerate), dtype, *masks(rng, "full", B, P, L)
    )
    if L == 1:
        assert out.local_loss == 0
    if B == 1:
        assert out.global_loss == 0
        assert not out.grads["image_global"].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_ties(dtype, rng):
    """Small integers: every dot product is exact, so ties and equality at the threshold are too."""
    batch = {
        name: rng.integers(-2, 3, size=value.shape).astype(dtype)
        for name, value in draw(rng, L=9, D=4).items()
    }
    out = csparc.sparc_loss(**batch, sigma=0.25, grad=True, return_weights=True)
    expected = reference.sparc_loss(**batch, sigma=0.25)
    assert expected.margin == 0
    assert np.array_equal(out.weights > 0, expected.weights > 0)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    for name in ("patches", "tokens"):
        assert_close(out.grads[name], expected.grads[name], tolerance, name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degenerate", ["uniform", "zero"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_equal_patches_and_zero_vectors(dtype, degenerate, normalizer, rng):
    batch = draw(rng, dtype)
    batch["patches"][0] = np.round(batch["patches"][0, :1])
    batch["tokens"][0] = np.round(batch["tokens"][0])
    batch["patches"][1] = 0
    batch["tokens"][2, 3] = 0
    batch["patches"][2, 5] = 0
    batch["image_global"][3] = batch["text_global"][0] = 0
    options = dict(degenerate=degenerate, normalizer=normalizer, logit_scale=5.0)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    out = csparc.sparc_loss(**batch, **options, grad=True, return_weights=True)
    expected = reference.sparc_loss(**batch, **options)
    assert_close(out.loss, expected.loss, tolerance)
    assert_close(out.weights, expected.weights, tolerance)
    assert_close(out.kept_fraction, expected.kept_fraction, IDENTITY)
    for name in batch:
        assert_close(out.grads[name], expected.grads[name], tolerance, name)
    if normalizer != "softmax":
        assert np.all(out.weights[:2] == (dtype(1 / 17) if degenerate == "uniform" else 0))


@pytest.mark.parametrize("size", [1e-15, 1e-8, 30.0, 1e8, 1e15, 1e18])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("kind", ["full", "empty"])
def test_any_magnitude_is_finite_in_float32(size, similarity, normalizer, kind, rng):
    batch = draw(rng, np.float32, size=size)
    text_mask, patch_mask = masks(rng, kind)
    out = csparc.sparc_loss(
        **batch, text_mask=text_mask, patch_mask=patch_mask, similarity=similarity,
        normalizer=normalizer, logit_scale=100.0, grad=True, return_weights=True,
    )  # fmt: skip
    assert np.isfinite(out.loss)
    assert np.isfinite(out.weights).all()
    assert all(np.isfinite(g).all() for g in out.grads.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("normalizer", ["minmax_sparse", "minmax"])
def test_scales_beyond_the_square_root_of_the_range(dtype, normalizer, rng):
    """The local loss does not see the length of a token or a common scale of the patches: powers of
    two that overflow every product give the same bits in float64 and nearly so in float32."""
    batch = {k: v for k, v in draw(rng, dtype).items() if k in ("patches", "tokens")}
    text_mask, patch_mask = masks(rng, "holes")
    options = dict(
        text_mask=text_mask, patch_mask=patch_mask, normalizer=normalizer, global_weight=0.0
    )
    plain = csparc.sparc_loss(**batch, **options, grad=True)
    factor = dtype(2.0) ** (61 if dtype == np.float32 else 509)
    scaled = {name: value * factor for name, value in batch.items()}
    out = csparc.sparc_loss(**scaled, **options, grad=True)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    assert_close(out.local_loss, plain.local_loss, tolerance)
    for name in batch:
        assert_close(
            out.grads[name].astype(np.float64) * float(factor), plain.grads[name], tolerance, name
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_mixed_magnitudes_are_finite(dtype, similarity, normalizer, rng):
    """Every row its own power of ten, over all that the type can square; ties at the top of it."""
    most = 18 if dtype == np.float32 else 150
    for draw_number in range(12):
        batch = draw(rng, np.float64, P=9, L=6, D=5)
        patches = batch["patches"] * 10.0 ** rng.uniform(-most, most, size=(4, 9, 1))
        tokens = batch["tokens"] * 10.0 ** rng.uniform(-most, most, size=(4, 6, 1))
        if draw_number % 3 == 0:
            patches = np.round(batch["patches"]) * 10.0**most
        if draw_number % 2 == 0:
            tokens = np.sign(tokens) * 10.0**most
        out = csparc.sparc_loss(
            patches.astype(dtype), tokens.astype(dtype), similarity=similarity,
            normalizer=normalizer, logit_scale=100.0, grad=True, return_weights=True,
        )  # fmt: skip
        assert np.isfinite(out.loss)
        assert np.isfinite(out.weights).all()
        for name, gradient in out.grads.items():
            assert np.isfinite(gradient).all(), name


def test_one_huge_token_leaves_the_others_alone(rng):
    batch = {k: v for k, v in draw(rng, np.float32).items() if k in ("patches", "tokens")}
    plain = csparc.sparc_loss(**batch, global_weight=0.0, grad=True)
    batch["tokens"][:, 2] *= np.float32(2.0**60)
    out = csparc.sparc_loss(**batch, global_weight=0.0, grad=True)
    assert_close(out.local_loss, plain.local_loss, FLOAT32)
    assert_close(out.grads["patches"], plain.grads["patches"], FLOAT32)
    assert_close(out.grads["tokens"][:, 3:], plain.grads["tokens"][:, 3:], FLOAT32)


def test_not_finite_input_is_not_hidden(rng):
    for name, bad in [("patches", np.nan), ("patches", np.inf), ("tokens", np.nan),
                      ("tokens", -np.inf), ("image_global", np.nan)]:  # fmt: skip
        batch = draw(rng, np.float32)
        batch[name].reshape(4, -1)[1, 3] = bad
        assert np.isnan(csparc.sparc_loss(**batch).loss), (name, bad)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads_and_calls(dtype, rng):
    batch = draw(rng, dtype, B=9, P=50, L=20, D=48)
    text_mask, patch_mask = masks(rng, "holes", B=9, P=50, L=20)
    seen = set()
    for threads in (1, 2, 3, 7, 2):
        csparc.set_num_threads(threads)
        out = csparc.sparc_loss(
            **batch, text_mask=text_mask, patch_mask=patch_mask, grad=True, return_weights=True
        )
        arrays = [out.weights, *out.grads.values()]
        seen.add((out.loss, out.local_loss, *(np.asarray(a).tobytes() for a in arrays)))
    assert len(seen) == 1


def test_value_is_the_same_with_and_without_gradients(rng):
    batch = draw(rng, np.float32)
    full = csparc.sparc_loss(**batch, grad=True, return_weights=True)
    bare = csparc.sparc_loss(**batch)
    assert (bare.loss, bare.kept_fraction) == (full.loss, full.kept_fraction)
    assert bare.weights is None
    assert bare.grads == {}


def test_padding_and_order_of_tokens_do_not_matter(rng):
    """Masks with holes, the same tokens packed, and permuted: one loss, matching gradients."""
    batch = {k: v for k, v in draw(rng).items() if k in ("patches", "tokens")}
    text_mask, _ = masks(rng, "holes")
    holes = csparc.sparc_loss(**batch, text_mask=text_mask, grad=True)
    order = np.argsort(~text_mask, axis=1, kind="stable")[:, ::-1]
    moved = np.take_along_axis(batch["tokens"], order[..., None], axis=1)
    out = csparc.sparc_loss(
        batch["patches"], moved, text_mask=np.take_along_axis(text_mask, order, 1), grad=True
    )
    assert_close(out.loss, holes.loss, FLOAT64)
    back = np.take_along_axis(holes.grads["tokens"], order[..., None], axis=1)
    assert_close(out.grads["tokens"], back, FLOAT64)
    assert_close(out.grads["patches"], holes.grads["patches"], FLOAT64)
