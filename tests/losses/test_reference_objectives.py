"""The other objectives in float64 against finite differences and their own special cases."""

import numpy as np
import pytest
import tolerances
from differences import check_gradients, make_batch
from loss_asserts import GLOBALS, flattened

from csparc import reference


def ragged_batch(seed=0):
    """Five pairs: holes in both masks, caption 3 empty, image 4 empty, one word in caption 2."""
    batch, text_mask, patch_mask = make_batch(seed, B=5, P=7, L=4, D=6)
    text_mask[3], patch_mask[4] = False, False
    text_mask[2] = [True, False, False, False]
    return batch, {"text_mask": text_mask, "patch_mask": patch_mask}


def check(loss, arguments, **options):
    """Finite differences in every argument; returns the result at the arguments themselves."""
    result = loss(**arguments, **options)
    assert set(result.grads) == set(arguments)
    check_gradients(lambda **moved: loss(**moved, **options).loss, arguments, result.grads)
    return result


def test_siglip():
    batch, _ = ragged_batch(1)
    arguments = {name: batch[name] for name in GLOBALS}
    result = check(reference.siglip_loss, {**arguments, "logit_scale": 3.0, "logit_bias": -1.0})
    unit = [reference.unit_vector(batch[name])[0] for name in GLOBALS]
    probability = 1 / (1 + np.exp(-(3.0 * unit[0] @ unit[1].T - 1.0)))
    same = np.eye(5, dtype=bool)
    expected = -np.sum(np.log(np.where(same, probability, 1 - probability))) / 5
    assert result.loss == pytest.approx(expected, rel=tolerances.IDENTITY)


@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
@pytest.mark.parametrize("pool", ["raw", "unit"])
@pytest.mark.parametrize("renormalize", [True, False])
def test_pacl(weights, pool, renormalize):
    batch, masks = ragged_batch(2)
    arguments = {name: batch[name] for name in ("patches", "text_global")}
    arguments |= {"logit_scale": 3.0, "weight_scale": 1.5}
    options = dict(weights=weights, pool=pool, renormalize=renormalize)
    result = check(reference.pacl_loss, arguments, patch_mask=masks["patch_mask"], **options)
    # The image without patches is nobody's positive and nobody's negative; its caption counts.
    assert not result.grads["patches"][4].any()
    assert result.grads["text_global"][4].any()


@pytest.mark.parametrize("drop", ["keys", "both", "none"])
@pytest.mark.parametrize("drop_group", [1, 2, 64])
def test_filip(drop, drop_group):
    batch, masks = ragged_batch(3)
    arguments = {name: batch[name] for name in ("patches", "tokens")} | {"logit_scale": 3.0}
    options = dict(**masks, drop=drop, drop_group=drop_group, keep=0.4)
    result = check(reference.filip_loss, arguments, **options)
    assert not result.grads["patches"][4].any()
    assert not result.grads["tokens"][3].any()
    if drop == "none":
        return
    assert result.kept_patches.sum(axis=1).tolist() == [
        min(3, valid) for valid in masks["patch_mask"].sum(axis=1)
    ]
    assert result.kept_tokens.sum(axis=1).tolist() == [
        min(2, valid) for valid in masks["text_mask"].sum(axis=1)
    ]
    forced = reference.filip_loss(
        **arguments, **(options | {"keep": 1.0}),
        kept_patches=result.kept_patches, kept_tokens=result.kept_tokens,
    )  # fmt: skip
    assert forced.loss == result.loss


def test_filip_without_dropping_is_the_plain_double_maximum():
    batch, _ = ragged_batch(4)
    patch, token = (reference.unit_vector(batch[name])[0] for name in ("patches", "tokens"))
    similarity = np.einsum("ipd,jld->ijpl", patch, token)
    X, Y = similarity.max(axis=3).mean(axis=2), similarity.max(axis=2).mean(axis=2).T
    expected = sum(reference.row_cross_entropy(5.0 * scores)[0] for scores in (X, Y)) / 10
    for options in ({"drop": "none"}, {"drop": "keys", "keep": 1.0}, {"drop": "both", "keep": 1.0}):
        found = reference.filip_loss(batch["patches"], batch["tokens"], logit_scale=5.0, **options)
        assert found.loss == pytest.approx(expected, rel=tolerances.IDENTITY)


def test_filip_ties_go_to_the_lowest_index():
    V = np.repeat(np.eye(2, 3)[:, None], 5, axis=1)  # five equal patches in each of two images
    T = np.repeat(np.eye(2, 3)[:, None], 3, axis=1)
    result = reference.filip_loss(V, T, keep=0.4, logit_scale=1.0)
    assert result.kept_patches.tolist() == [[True, True, False, False, False]] * 2
    assert result.kept_tokens.tolist() == [[True, True, False]] * 2
    # Of equal keys only the first receives what the images send; queries all receive the same.
    for gradient in (result.grads["tokens"], result.grads["patches"]):
        assert np.array_equal(gradient[:, 1], gradient[:, 2])
        assert not np.allclose(gradient[:, 0], gradient[:, 1])


def test_filip_count_of_kept_keys_is_not_pushed_up_by_rounding():
    from csparc.reference.filip import kept_count

    assert [kept_count(0.2, 55), kept_count(0.2, 196), kept_count(1.0, 7)] == [11, 40, 7]


def test_clip_filip():
    batch, masks = ragged_batch(5)
    arguments = {**batch, "logit_scale": 3.0, "local_logit_scale": 4.0}
    result = check(
        reference.clip_filip_loss, arguments, **masks, global_weight=0.3, local_weight=0.9
    )
    assert result.loss == pytest.approx(0.3 * result.global_loss + 0.9 * result.local_loss)


@pytest.mark.parametrize("attention", ["regions", "words_then_regions"])
@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("divide_by_pool_scale", [True, False])
def test_gloria(attention, pooling, divide_by_pool_scale):
    batch, masks = ragged_batch(6)
    arguments = {
        **batch, "logit_scale": 3.0, "local_logit_scale": 4.0, "attention_scale": 2.0,
        "pool_scale": 1.5,
    }  # fmt: skip
    result = check(
        reference.gloria_loss, arguments, **masks, attention=attention, pooling=pooling,
        divide_by_pool_scale=divide_by_pool_scale, global_weight=0.6, local_weight=0.7,
    )  # fmt: skip
    assert not result.grads["patches"][4].any()
    assert not result.grads["tokens"][3].any()


def attention_weights(rng, biases, width=4, D=6):
    """Random projections of one direction of MGCA's cross-attention."""
    inner = ("query", "key", "value")
    weights = {name: rng.normal(size=(width, D)) for name in inner}
    weights["out"] = rng.normal(size=(D, width))
    if biases:
        weights |= {f"{name}_bias": rng.normal(size=width) for name in inner}
        weights["out_bias"] = rng.normal(size=D)
    return weights


@pytest.mark.parametrize("attention", ["mha", "free"])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("convention", ["paper", "code"])
@pytest.mark.parametrize("biases", [False, True])
def test_mgca(attention, heads, convention, biases):
    rng = np.random.default_rng(7)
    batch, masks = ragged_batch(7)
    arguments = {
        **batch, "logit_scale": 3.0, "local_logit_scale": 4.0, "prototype_scale": 2.0,
        "prototypes": reference.unit_vector(rng.normal(size=(5, 6)))[0],
    }  # fmt: skip
    if attention == "mha":
        arguments |= flattened(
            {name: attention_weights(rng, biases) for name in ("word_attention", "patch_attention")}
        )

    def loss(targets=None, **moved):
        plain = {name: value for name, value in moved.items() if "." not in name}
        projections = {"word_attention": {}, "patch_attention": {}}
        for name in moved.keys() - plain.keys():
            owner, _, part = name.partition(".")
            projections[owner][part] = moved[name]
        return reference.mgca_loss(
            **plain, **projections, **masks, attention=attention, heads=heads,
            convention=convention, weights=(1.0, 0.8, 0.6), targets=targets,
        )  # fmt: skip

    result = loss(**arguments)
    grads = flattened(result.grads)
    assert set(grads) == set(arguments)
    fixed = (result.image_targets, result.text_targets)
    check_gradients(lambda **moved: loss(targets=fixed, **moved).loss, arguments, grads)
    assert not result.grads["patches"][4].any()
    assert not result.grads["tokens"][3].any()
    for target in fixed:
        assert np.allclose(target.sum(axis=1), 1, atol=tolerances.IDENTITY)


SMALL = [(1, 1, 1), (1, 4, 3), (3, 1, 3), (3, 4, 1)]


def every_loss(V, T, image, text, scale, masks):
    """All objectives with token masks on one batch."""
    rows = {"patches": V, "tokens": T, **masks}
    both = {"image_global": image, "text_global": text}
    D = V.shape[2]
    weights = attention_weights(np.random.default_rng(0), False, D=D)
    prototypes = np.eye(3, D)
    yield reference.siglip_loss(image, text, logit_scale=scale)
    yield reference.pacl_loss(V, text, patch_mask=masks.get("patch_mask"), logit_scale=scale)
    yield reference.filip_loss(**rows, logit_scale=scale)
    yield reference.clip_filip_loss(**rows, **both, logit_scale=scale, local_logit_scale=scale)
    yield reference.gloria_loss(
        **rows, **both, logit_scale=scale, local_logit_scale=scale, attention_scale=scale,
        pool_scale=scale,
    )  # fmt: skip
    yield reference.mgca_loss(
        **rows, **both, logit_scale=scale, local_logit_scale=scale, prototype_scale=scale,
        word_attention=weights, patch_attention=weights, prototypes=prototypes,
    )  # fmt: skip


def assert_finite(result):
    assert np.isfinite(result.loss)
    for name, gradient in flattened(result.grads).items():
        assert np.isfinite(gradient).all(), name


@pytest.mark.parametrize("shape", SMALL)
def test_small_sizes_at_the_largest_scale_are_finite(shape):
    B, P, L = shape
    batch, _, _ = make_batch(8, B=B, P=5, L=3)
    V, T = 30 * batch["patches"][:, :P], 30 * batch["tokens"][:, :L]
    for result in every_loss(V, T, *(batch[name] for name in GLOBALS), 100.0, {}):
        assert_finite(result)


def test_equal_patches_zero_vectors_and_empty_rows_are_finite():
    batch, masks = ragged_batch(9)
    batch["patches"][0] = batch["patches"][0, 0]
    batch["patches"][1] = 0.0
    batch["tokens"][0, 1] = batch["text_global"][2] = batch["image_global"][1] = 0.0
    for result in every_loss(
        batch["patches"], batch["tokens"], *(batch[name] for name in GLOBALS), 20.0, masks
    ):
        assert_finite(result)


def test_masked_entries_influence_nothing():
    batch, masks = ragged_batch(10)
    pair = [batch[name] for name in GLOBALS]
    clean = list(every_loss(batch["patches"], batch["tokens"], *pair, 5.0, masks))
    batch["patches"][~masks["patch_mask"]], batch["tokens"][~masks["text_mask"]] = np.nan, np.inf
    dirty = list(every_loss(batch["patches"], batch["tokens"], *pair, 5.0, masks))
    for before, after in zip(clean, dirty):
        assert before.loss == after.loss
        for name, gradient in flattened(before.grads).items():
            assert np.array_equal(gradient, flattened(after.grads)[name]), name


def test_one_pair_is_nothing_to_contrast():
    batch, _, _ = make_batch(11, B=1)
    pair = [batch[name] for name in GLOBALS]
    _, pacl, filip, both, gloria, mgca = every_loss(batch["patches"], batch["tokens"], *pair, 9, {})
    for result in (pacl, filip, both, gloria):
        assert result.loss == 0
        assert not any(np.any(g) for g in result.grads.values())
    assert mgca.global_loss == 0
    assert np.allclose(mgca.image_targets, 1 / 3)
