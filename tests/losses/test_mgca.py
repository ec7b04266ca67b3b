"""MGCA in the C core equals the float64 reference: tokens, prototypes, and learned arrays.

The ops are mgca_tokens and mgca_prototypes.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from loss_asserts import (
    DTYPES,
    assert_finite,
    assert_matches_reference,
    assert_same_bits_for_any_threads,
)
from loss_batches import MASKS, draw, masks
from tolerances import FLOAT32, IDENTITY, assert_close

import csparc
from csparc import _core, reference

D, WIDTH, K = 13, 8, 7
INNER = ("query", "key", "value")


def attention(rng, dtype, biases, D=D, width=WIDTH):
    """Random projections of one direction."""
    weights = {name: rng.normal(size=(width, D)) for name in INNER}
    weights["out"] = rng.normal(size=(D, width))
    if biases:
        weights |= {f"{name}_bias": rng.normal(size=width) for name in INNER}
        weights["out_bias"] = rng.normal(size=D)
    return {name: array.astype(dtype) for name, array in weights.items()}


def learned(rng, dtype=np.float64, biases=False, D=D):
    """Prototypes and the projections of both directions, of different widths."""
    prototypes = reference.unit_vector(rng.normal(size=(K, D)))[0].astype(dtype)
    return {
        "prototypes": prototypes,
        "word_attention": attention(rng, dtype, biases, D),
        "patch_attention": attention(rng, dtype, biases, D, WIDTH + 4),
    }


def check(batch, text_mask, patch_mask, dtype, **options):
    given = dict(text_mask=text_mask, patch_mask=patch_mask)
    expected = reference.mgca_loss(**batch, **given, **options)
    return assert_matches_reference(
        csparc.mgca_loss, expected, batch, **given, dtype=dtype, **options
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("biases", [True, False])
def test_against_reference(dtype, kind, heads, biases, rng):
    check(
        draw(rng, dtype), *masks(rng, kind), dtype, **learned(rng, dtype, biases), heads=heads,
        logit_scale=6.0, local_logit_scale=5.0, prototype_scale=3.0, weights=(1.0, 0.8, 0.6),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("convention", ["paper", "code"])
def test_without_projections(dtype, kind, convention, rng):
    out = check(
        draw(rng, dtype), *masks(rng, kind), dtype, prototypes=learned(rng, dtype)["prototypes"],
        attention="free", convention=convention, local_logit_scale=4.0,
    )  # fmt: skip
    assert "word_attention" not in out.grads


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("only", range(3))
def test_each_term_alone(dtype, only, rng):
    weights = np.eye(3)[only]
    full = np.ones((4, 11), bool), np.ones((4, 17), bool)
    out = csparc.mgca_loss(**draw(rng, dtype), **learned(rng, dtype), weights=weights, grad=True)
    if only != 1:
        assert not out.grads["patches"].any()
        assert not out.grads["word_attention"]["out"].any()
    check(draw(rng, dtype), *full, dtype, **learned(rng, dtype), weights=weights)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 1, 1, 3), (1, 5, 4, 2), (3, 1, 6, 5), (20, 3, 2, 5),
                                   (3, 9, 40, 3), (2, 196, 55, 64)])  # fmt: skip
def test_sizes(dtype, shape, rng):
    B, P, L, width = shape
    batch = draw(rng, dtype, B=B, P=P, L=L, D=width)
    out = check(
        batch, np.ones((B, L), bool), np.ones((B, P), bool), dtype, **learned(rng, dtype, D=width)
    )
    if B == 1:
        assert out.global_loss == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads(dtype, rng):
    sizes = dict(B=37, P=9, L=8)
    batch = draw(rng, dtype, **sizes)
    text_mask, patch_mask = masks(rng, "holes", **sizes)
    own = learned(rng, dtype, True)
    assert_same_bits_for_any_threads(
        lambda: csparc.mgca_loss(
            **batch, **own, text_mask=text_mask, patch_mask=patch_mask, grad=True
        )
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["mha", "free"])
def test_equal_patches_and_zero_vectors(dtype, kind, rng):
    batch, own = draw(rng, dtype), learned(rng, dtype)
    batch["patches"][0] = batch["patches"][0, 0]
    batch["patches"][1] = 0
    batch["tokens"][2, 3] = batch["patches"][2, 5] = 0
    batch["tokens"][3] = 0
    batch["image_global"][2] = 0
    if kind == "free":
        own = {"prototypes": own["prototypes"]}
    full = np.ones((4, 11), bool), np.ones((4, 17), bool)
    out = check(batch, *full, dtype, **own, attention=kind)
    assert not out.grads["patches"][1].any()
    assert not out.grads["tokens"][3].any()


@pytest.mark.parametrize("size", [1e-18, 1e-8, 30.0, 1e8, 1e18])
@pytest.mark.parametrize("kind", ["full", "empty"])
def test_any_magnitude_is_finite(size, kind, rng):
    text_mask, patch_mask = masks(rng, kind)
    assert_finite(
        csparc.mgca_loss(
            **draw(rng, np.float32, size=size), **learned(rng, np.float32), text_mask=text_mask,
            patch_mask=patch_mask, logit_scale=100.0, local_logit_scale=100.0,
            prototype_scale=100.0, grad=True,
        )
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [1, 8, 1000], ids="length {}".format)
def test_assignments(length, dtype, rng):
    """The core's Sinkhorn against the reference's; shares below the smallest number count too."""
    image, text = (
        reference.unit_vector(rng.normal(size=(40, D)))[0].astype(dtype) for _ in range(2)
    )
    prototypes = learned(rng, dtype)["prototypes"] * dtype(length)
    targets = np.empty((2, 40, K), dtype)
    _core.mgca_prototypes(
        image, text, prototypes, 5.0, 1.0, np.zeros(2), *targets, None, None, None
    )
    from csparc.reference.mgca import sinkhorn

    for found, side in zip(targets, (image, text)):
        expected = sinkhorn(side.astype(np.float64) @ prototypes.T.astype(np.float64))
        rounding = FLOAT32 if dtype == np.float32 else IDENTITY * 100
        assert_close(found, expected, rounding * length)
        assert_close(found.sum(axis=1), np.ones(40), FLOAT32)


def test_prototypes_of_any_length_are_finite(rng):
    """The function takes prototypes as they are, however unlikely their assignments."""
    own = learned(rng, np.float32)
    own["prototypes"] *= np.float32(1e4)
    assert_finite(csparc.mgca_loss(**draw(rng, np.float32), **own, grad=True))


def test_one_pair_is_assigned_evenly(rng):
    batch = draw(rng, B=1)
    targets = np.empty((2, 1, K))
    _core.mgca_prototypes(
        batch["image_global"], batch["text_global"], learned(rng)["prototypes"], 5.0, 1.0,
        np.zeros(2), *targets, None, None, None,
    )  # fmt: skip
    assert_close(targets, np.full((2, 1, K), 1 / K), IDENTITY)


def test_a_shift_of_keys_has_no_gradient(rng):
    out = csparc.mgca_loss(**draw(rng), **learned(rng, biases=True), grad=True)
    assert not out.grads["word_attention"]["key_bias"].any()
    assert out.grads["word_attention"]["query_bias"].any()


def test_not_finite_input_is_not_hidden(rng):
    for name in ("patches", "tokens", "image_global"):
        batch = draw(rng, np.float32)
        batch[name].reshape(4, -1)[1, 3] = np.nan
        assert np.isnan(csparc.mgca_loss(**batch, **learned(rng, np.float32)).loss)


@pytest.mark.filterwarnings("ignore:.*no entry of the batch is valid")
def test_nothing_valid_at_all(rng):
    batch, own = draw(rng), learned(rng)
    out = csparc.mgca_loss(**batch, **own, text_mask=np.zeros((4, 11)), grad=True)
    assert out.local_loss == 0
    assert not out.grads["patches"].any()
    assert not out.grads["word_attention"]["query"].any()


def test_types_of_projections(rng):
    """A wider input makes the whole call wider; every gradient has its own argument's type."""
    batch, own = draw(rng, np.float32), learned(rng, np.float32)
    own["word_attention"]["out"] = own["word_attention"]["out"].astype(np.float64)
    out = csparc.mgca_loss(**batch, **own, grad=True)
    assert out.grads["patches"].dtype == np.float32
    assert out.grads["word_attention"]["out"].dtype == np.float64
    assert out.grads["word_attention"]["query"].dtype == np.float32


def test_errors_name_the_argument(rng):
    batch, own = draw(rng), learned(rng)
    word = own["word_attention"]
    for options, kind, message in [
        ({"word_attention": None}, TypeError, "word_attention: expected a dict"),
        ({"word_attention": {"query": word["query"]}}, ValueError, "found no 'key'"),
        ({"word_attention": word | {"bias": 0}}, ValueError, "found 'bias'"),
        ({"word_attention": word | {"out": word["query"]}}, ValueError, r"word_attention\['out'\]"),
        ({"attention": "free"}, ValueError, "word_attention: expected None"),
        ({"heads": 3}, ValueError, "heads = 3 divides"), ({"heads": 1.0}, TypeError, "heads"),
        ({"prototypes": np.ones((3, 4))}, ValueError, "prototypes"),
        ({"weights": (1, 2)}, ValueError, "weights: expected three"),
        ({"weights": (1, 2, None)}, TypeError, r"weights\[2\]: expected a finite number"),
        ({"convention": "book"}, ValueError, "convention"),
    ]:  # fmt: skip
        with pytest.raises(kind, match=message):
            csparc.mgca_loss(**batch, **(own | options))


@pytest.mark.parametrize("kind", ["mha", "free"])
def test_object(kind, rng):
    batch = draw(rng, np.float32)
    options = dict(prototypes=K, width=8, heads=2, biases=True, attention=kind, seed=3)
    loss = csparc.MgcaLoss(embed_dim=D, **options)
    owned = set(loss.parameters)
    assert {"prototypes", "local_logit_scale", "prototype_scale"} <= owned
    assert len(owned) == (3 + 16 if kind == "mha" else 3)
    prototypes = loss.parameters["prototypes"].data
    assert_close(np.linalg.norm(prototypes, axis=1), np.ones(K), FLOAT32)
    out = loss(**batch, logit_scale=9.0, grad=True)
    loss.accumulate(out.grads, 2.0)
    assert_close(loss.parameters["prototypes"].grad, 2 * out.grads["prototypes"], FLOAT32)
    if kind == "mha":
        found = loss.parameters["patch_attention.out"].grad
        assert_close(found, 2 * out.grads["patch_attention"]["out"], FLOAT32)
        assert found.any()
    prototypes *= 3
    loss.constrain()
    assert_close(np.linalg.norm(prototypes, axis=1), np.ones(K), FLOAT32)
    again = csparc.MgcaLoss(
        **{k: v for k, v in json.loads(json.dumps(loss.config())).items() if k != "loss"}
    )
    again.load_state_dict(loss.state_dict())
    assert again(**batch, logit_scale=9.0).loss == loss(**batch, logit_scale=9.0).loss
    late = csparc.MgcaLoss(**options)
    assert (
        late(**batch, logit_scale=9.0).loss
        == csparc.MgcaLoss(embed_dim=D, **options)(**batch, logit_scale=9.0).loss
    )


def test_a_width_that_no_memory_holds_is_refused():
    with pytest.raises(MemoryError, match=r"^prototypes: expected an array that some memory holds"):
        csparc.MgcaLoss(embed_dim=2**63)


def test_object_made_for_another_width(rng):
    loss = csparc.MgcaLoss(embed_dim=D + 1, prototypes=K, width=8)
    with pytest.raises(ValueError, match=rf"embed_dim: expected {D}, the width .* found {D + 1}"):
        loss(**draw(rng))
    with pytest.raises(ValueError, match="patches: expected 3 axes"):
        csparc.MgcaLoss(prototypes=K)(**{**draw(rng), "patches": 3.0})
