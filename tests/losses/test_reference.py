"""The float64 reference against finite differences, the paper's listing and its own invariants."""

import numpy as np
import pytest
import tolerances
from differences import check_gradients, make_batch

from csparc import reference

NORMALIZERS = ["minmax_sparse", "minmax", "softmax"]


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("reduction", ["sample", "token"])
@pytest.mark.parametrize("globals_given", [True, False])
def test_sparc_gradients(normalizer, similarity, reduction, globals_given):
    batch, text_mask, patch_mask = make_batch()
    if not globals_given:
        del batch["image_global"], batch["text_global"]
    arguments = {**batch, "logit_scale": 3.0, "local_logit_scale": 5.0}
    if normalizer == "softmax":
        arguments["softmax_scale"] = 0.8
    options = dict(
        text_mask=text_mask, patch_mask=patch_mask, normalizer=normalizer, similarity=similarity,
        reduction=reduction, global_weight=0.5, local_weight=2.0, sigma=0.3,
        text_pool="unmasked" if reduction == "token" else "masked",
    )  # fmt: skip
    result = reference.sparc_loss(**arguments, **options)
    assert result.margin > 1e-3
    assert set(result.grads) == set(arguments)
    check_gradients(
        lambda **moved: reference.sparc_loss(**moved, **options).loss, arguments, result.grads
    )


@pytest.mark.parametrize("globals_given", [True, False])
def test_shuffled_patches_gradients(globals_given):
    batch, text_mask, patch_mask = make_batch(6)
    text_mask[0] = patch_mask[2] = False
    if not globals_given:
        del batch["image_global"], batch["text_global"]
    options = dict(text_mask=text_mask, patch_mask=patch_mask, local_patches="shuffled", sigma=0.3)
    result = reference.sparc_loss(**batch, **options)
    assert result.margin > 1e-3
    check_gradients(
        lambda **moved: reference.sparc_loss(**moved, **options).loss,
        batch, {name: result.grads[name] for name in batch},
    )  # fmt: skip
    # Sample 0 has no tokens and 2 no patches, which sample 1 would read: patches 0 are read by 2.
    assert result.weights[2].any()
    assert not result.weights[:2].any()


def test_shared_scale_gets_both_gradients():
    batch, text_mask, _ = make_batch(2)
    arguments = {**batch, "logit_scale": 4.0}
    result = reference.sparc_loss(**arguments, text_mask=text_mask)
    check_gradients(
        lambda **moved: reference.sparc_loss(**moved, text_mask=text_mask).loss,
        arguments,
        result.grads,
    )


def test_clip_gradients():
    batch, _, _ = make_batch(3)
    arguments = {k: batch[k] for k in ("image_global", "text_global")} | {"logit_scale": 6.0}
    result = reference.clip_loss(**arguments)
    check_gradients(lambda **moved: reference.clip_loss(**moved).loss, arguments, result.grads)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_sparse_similarity_gradients(normalizer, similarity):
    batch, text_mask, patch_mask = make_batch(4)
    arguments = {k: batch[k] for k in ("patches", "tokens")}
    dweights = np.random.default_rng(5).normal(size=(3, 5, 7))
    options = dict(
        text_mask=text_mask, patch_mask=patch_mask, normalizer=normalizer, similarity=similarity
    )
    weights, grads = reference.sparse_similarity(**arguments, **options, dweights=dweights)
    assert np.allclose(weights.sum(axis=2)[text_mask], 1, atol=tolerances.IDENTITY)
    assert not weights[~text_mask].any()
    check_gradients(
        lambda **moved: np.sum(reference.sparse_similarity(**moved, **options)[0] * dweights),
        arguments,
        grads,
    )


def test_group_patches_gradients():
    rng = np.random.default_rng(6)
    arguments = {"weights": rng.normal(size=(2, 3, 4)), "patches": rng.normal(size=(2, 4, 5))}
    dgrouped = rng.normal(size=(2, 3, 5))
    _, grads = reference.group_patches(**arguments, dgrouped=dgrouped)
    check_gradients(
        lambda **moved: np.sum(reference.group_patches(**moved)[0] * dgrouped), arguments, grads
    )


def test_detached_weights_are_constants():
    """The gradient is that of the loss with the alignment weights held fixed."""
    batch, _, _ = make_batch(7)
    V, T = batch["patches"], batch["tokens"]
    weights = reference.sparse_similarity(V, T)[0]

    def fixed(patches, tokens):
        total = 0.0
        for a, v, t in zip(weights, patches, tokens):
            unit = reference.unit_vector
            logits = 9.0 * unit(a @ v)[0] @ unit(t)[0].T
            total += reference.matching_cross_entropy(logits)[0] / (2 * len(V) * len(t))
        return total

    result = reference.sparc_loss(
        V, T, logit_scale=9.0, global_weight=0.0, local_weight=1.0, detach_weights=True
    )
    assert fixed(V, T) == pytest.approx(result.local_loss, rel=tolerances.IDENTITY)
    del result.grads["logit_scale"]
    check_gradients(fixed, {"patches": V, "tokens": T}, result.grads)


def listing_loss(v_patch, l_token, mask, scale, global_weight, local_weight):
    """Listing 1 of the paper with its slips read as intended (keepdims, matrix products)."""

    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def masked_pairwise(a, b, mask):
        logits = scale * np.einsum("btd,bpd->btp", unit(a), unit(b))
        logits = np.where(mask[:, None], logits, -np.inf)
        top = logits.max(axis=-1, keepdims=True)
        lse = np.log(np.exp(logits - top).sum(axis=-1)) + top[..., 0]
        own = np.einsum("btt->bt", np.where(mask[:, None], logits, 0))
        return np.sum((lse - own) * mask) / np.sum(mask)

    def pairwise(a, b):
        logits = scale * unit(a) @ unit(b).T
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))

    similarity = np.einsum("btd,bpd->btp", l_token, v_patch)
    similarity = similarity - similarity.min(axis=-1, keepdims=True)
    similarity = similarity / similarity.max(axis=-1, keepdims=True)
    similarity = np.where(similarity < 1 / v_patch.shape[1], 0.0, similarity)
    weights = similarity / similarity.sum(axis=-1, keepdims=True)
    grouped = np.einsum("btp,bpd->btd", weights, v_patch)
    local = masked_pairwise(grouped, l_token, mask) + masked_pairwise(l_token, grouped, mask)
    image, text = v_patch.mean(axis=1), l_token.mean(axis=1)
    both = pairwise(image, text) + pairwise(text, image)
    return global_weight * both / 2 + local_weight * local / 2


def test_listing():
    batch, text_mask, _ = make_batch(8)
    result = reference.sparc_loss(
        batch["patches"], batch["tokens"], text_mask=text_mask, logit_scale=7.0,
        global_weight=0.5, local_weight=3.0, reduction="token", text_pool="unmasked",
    )  # fmt: skip
    expected = listing_loss(batch["patches"], batch["tokens"], text_mask, 7.0, 0.5, 3.0)
    assert result.loss == pytest.approx(expected, rel=tolerances.IDENTITY)


@pytest.mark.parametrize("normalizer", ["minmax_sparse", "minmax"])
def test_local_invariants(normalizer):
    """The local loss is blind to the length of any token and to a common scale of the patches."""
    batch, text_mask, _ = make_batch(9)
    V, T = batch["patches"], batch["tokens"]
    grads = reference.sparc_loss(
        V, T, text_mask=text_mask, normalizer=normalizer, global_weight=0.0
    ).grads
    along_tokens = np.sum(T * grads["tokens"], axis=2)
    along_patches = np.sum(V * grads["patches"], axis=(1, 2))
    assert np.abs(along_tokens).max() < tolerances.IDENTITY * np.abs(T * grads["tokens"]).sum()
    assert np.abs(along_patches).max() < tolerances.IDENTITY * np.abs(V * grads["patches"]).sum()
    assert not grads["tokens"][~text_mask].any()


@pytest.mark.parametrize("normalizer", ["minmax_sparse", "minmax"])
def test_similarity_gradient_sums_to_zero_without_a_term_for_the_maximum(normalizer):
    """align_backward against equations B4 to B6 written out in full, maximum term included."""
    rng = np.random.default_rng(10)
    s, g = rng.normal(size=(4, 9)), rng.normal(size=(4, 9))
    alignment = reference.align(s, normalizer, 0.2, "uniform")
    ds = reference.align_backward(g, alignment, normalizer)
    low, span = s.min(axis=1, keepdims=True), np.ptp(s, axis=1, keepdims=True)
    relative = (s - low) / span
    kept = relative * alignment.keep
    Z = kept.sum(axis=1, keepdims=True)
    dkept = (g - np.sum(g * kept / Z, axis=1, keepdims=True)) / Z
    drelative = dkept * alignment.keep
    full = drelative / span
    rows = np.arange(4)
    full[rows, s.argmin(axis=1)] += np.sum(drelative * (relative - 1) / span, axis=1)
    full[rows, s.argmax(axis=1)] -= np.sum(drelative * relative / span, axis=1)
    assert np.abs(full - ds).max() < tolerances.IDENTITY
    assert np.abs(ds.sum(axis=1)).max() < tolerances.IDENTITY
