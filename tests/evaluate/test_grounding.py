"""Grounding diagnostics: against loops written from the definitions, and on planted cases."""

import numpy as np
import pytest
from planted_weights import Weighs

from csparc import _random, losses
from csparc.evaluate import Grounding, evaluate_grounding, variance_explained
from csparc.evaluate.figures import value_at
from csparc.evaluate.grounding_figures import grounding_figures
from csparc.evaluate.intervals import _STREAM, interval_of


def minmax_weights(patches, tokens, text_mask):
    """The sparse min-max weights in their plainest form."""
    scores = np.einsum("bld,bpd->blp", tokens, patches)
    low, high = scores.min(axis=2, keepdims=True), scores.max(axis=2, keepdims=True)
    hat = (scores - low) / (high - low)
    hat = np.where(hat >= 1 / patches.shape[1], hat, 0.0)
    return hat / hat.sum(axis=2, keepdims=True)


MINMAX = Weighs(minmax_weights)


def case(seed=0, n=7, p=9, length=5, d=6):
    rng = np.random.default_rng(seed)
    patches, tokens = rng.normal(size=(n, p, d)), rng.normal(size=(n, length, d))
    mask = np.arange(length) < rng.integers(1, length + 1, n)[:, None]
    return patches, tokens, mask


def slow_side(patches, tokens, mask, scale):
    """Local loss, token accuracy, zeroed share and effective patches, one caption at a time."""
    losses, hits, weights = [], [], []
    for v, t, m in zip(patches, tokens, mask, strict=True):
        t = t[m]
        a = minmax_weights(v[None], t[None], None)[0]
        c = a @ v
        u = (
            scale
            * (c / np.linalg.norm(c, axis=1, keepdims=True))
            @ (t / np.linalg.norm(t, axis=1, keepdims=True)).T
        )
        rows = [np.log(np.exp(u[j]).sum()) - u[j, j] for j in range(len(t))]
        columns = [np.log(np.exp(u[:, j]).sum()) - u[j, j] for j in range(len(t))]
        losses.append(np.mean(rows + columns))
        if len(t) > 1:
            hits += [u[j].argmax() == j for j in range(len(t))]
        weights += list(a)
    weights = np.array(weights)
    entropy = -np.array([sum(x * np.log(x) for x in row if x > 0) for row in weights])
    return {
        "local_loss": np.mean(losses),
        "token_accuracy": 100 * np.mean(hits),
        "zeroed": 100 * np.mean(weights == 0),
        "effective_patches": np.mean(np.exp(entropy)),
    }


@pytest.mark.parametrize("seed", range(5))
def test_equals_slow_reference(seed, monkeypatch):
    monkeypatch.setattr("csparc.evaluate.grounding._BLOCK", 3)
    patches, tokens, mask = case(seed)
    found = evaluate_grounding(patches, tokens, mask, logit_scale=7.0, loss=MINMAX)
    expected = {
        "matched": slow_side(patches, tokens, mask, 7.0),
        "swapped": slow_side(np.roll(patches, -1, axis=0), tokens, mask, 7.0),
    }
    for side, figures in expected.items():
        assert found[side] == pytest.approx(figures)
    gap = expected["swapped"]["local_loss"] - expected["matched"]["local_loss"]
    assert found["gap"] == pytest.approx(gap)
    assert found["n"] == len(patches)


def test_every_figure_is_the_mean_of_its_items_and_is_drawn_by_picture():
    patches, tokens, mask = case(11, n=8)
    rows = np.array([0, 0, 1, 2, 2, 3, 4, 4])
    found = evaluate_grounding(
        patches[:5], tokens, mask, patch_rows=rows, logit_scale=5.0, loss=MINMAX
    )
    figures = grounding_figures(found)
    words, told_apart = mask.sum(), mask.sum(axis=1)[mask.sum(axis=1) > 1].sum()
    for path, n, chance in (
        ("matched.local_loss", 8, found["chance_local_loss"]),
        ("swapped.token_accuracy", told_apart, found["chance_token_accuracy"]),
        ("swapped.effective_patches", words, 9),
        ("matched.zeroed", words, None),
        ("gap", 8, 0.0),
        ("place_correlation", words, 0.0),
    ):
        one = figures[path]
        assert (one.n, one.chance) == (n, chance), path
        assert one.value == one.statistic(one.items) == value_at(found, path.split("."))
    losses = {
        picture: figures["gap"].items[rows == picture].tolist() for picture in range(5)
    }  # fmt: skip
    drawn = []
    for sample in range(40):
        picked = _random.integers(2, (_STREAM, sample), 5, 5)
        drawn.append(np.mean([loss for picture in picked for loss in losses[int(picture)]]))
    expected = np.percentile(drawn, [2.5, 97.5])
    assert interval_of(figures["gap"], 40, 2) == pytest.approx(expected)
    by_word = np.repeat(rows, mask.sum(axis=1))
    np.testing.assert_array_equal(figures["matched.zeroed"].pictures, by_word)


def test_nothing_is_printed_without_its_chance():
    patches, tokens, mask = case(2)
    found = evaluate_grounding(patches, tokens, mask, logit_scale=3.0, loss=MINMAX)
    found |= {"captions": "first", "n_pictures": 7, "variance": variance_explained(patches)}
    lines = Grounding().lines(found)
    told = [line.split("  ")[0] for line in lines]
    assert "words told apart, %" in told
    assert "weights that are 0, %" not in told
    (alike,) = [line for line in lines if line.startswith("same places in both")]
    assert alike.split()[-2:] == [f"{found['place_correlation']:.3f}", "0.000"]


def test_what_single_words_cannot_tell_is_a_dash():
    patches, tokens, mask = case(2)
    mask = np.arange(mask.shape[1]) < np.ones((len(mask), 1))
    found = evaluate_grounding(patches, tokens, mask, logit_scale=3.0, loss=MINMAX)
    found |= {"captions": "first", "n_pictures": 7, "variance": variance_explained(patches)}
    told = "\n".join(Grounding().lines(found))
    assert "nan" not in told
    assert "words told apart, %" in told


def test_masked_tokens_influence_nothing():
    patches, tokens, mask = case(1)
    changed = np.where(mask[:, :, None], tokens, 1e3)
    one, two = (
        evaluate_grounding(patches, x, mask, logit_scale=10.0, loss=MINMAX)
        for x in (tokens, changed)
    )
    assert one == two


def test_grounded_tokens_have_a_gap_and_ungrounded_ones_none():
    """Tokens equal to a patch of their own image, against tokens that fit every image alike."""
    rng = np.random.default_rng(2)
    patches = rng.normal(size=(20, 8, 16)) * 3
    mask = np.ones((20, 4), dtype=bool)
    options = {"logit_scale": 10.0, "loss": MINMAX}
    grounded = evaluate_grounding(patches, patches[:, :4], mask, **options)
    assert grounded["gap"] > 5 * grounded["gap_standard_error"]
    same = np.repeat(patches[:1], 20, axis=0)
    blind = evaluate_grounding(same, patches[:, :4], mask, **options)
    assert blind["gap"] == 0.0


def test_swapped_patches_come_from_another_picture():
    patches, tokens, mask = case(3, n=4)
    patches[1] = patches[0]
    options = {"logit_scale": 5.0, "loss": MINMAX}
    found = evaluate_grounding(patches, tokens, mask, image_index=[0, 0, 1, 2], **options)
    expected = slow_side(patches[[2, 2, 3, 0]], tokens, mask, 5.0)
    assert found["swapped"] == pytest.approx(expected)


def test_pictures_of_several_captions_are_given_once():
    patches, tokens, mask = case(3, n=5)
    rows = np.array([0, 0, 1, 2, 2])
    options = {"logit_scale": 5.0, "loss": MINMAX}
    once = evaluate_grounding(patches[:3], tokens, mask, patch_rows=rows, **options)
    each = evaluate_grounding(patches[rows], tokens, mask, image_index=rows, **options)
    assert once == each


def test_uniform_weights_use_all_patches():
    patches, tokens, mask = case(4, p=9)
    found = evaluate_grounding(
        patches,
        tokens,
        mask,
        logit_scale=1.0,
        loss=Weighs(lambda v, t, m: np.full((len(v), t.shape[1], v.shape[1]), 1 / v.shape[1])),
    )
    assert found["matched"]["effective_patches"] == pytest.approx(9.0)
    assert found["matched"]["zeroed"] == 0.0


def test_empty_caption_is_left_out():
    patches, tokens, mask = case(5)
    mask[2] = False
    found = evaluate_grounding(patches, tokens, mask, logit_scale=3.0, loss=MINMAX)
    kept = np.delete(np.arange(len(patches)), 2)
    expected = slow_side(patches[kept], tokens[kept], mask[kept], 3.0)
    assert found["n"] == len(kept)
    assert found["matched"] == pytest.approx(expected)


def test_place_correlation_of_weights_that_ignore_the_picture_and_that_follow_it():
    patches, tokens, mask = case(9, n=40, p=16)
    rng = np.random.default_rng(0)
    fixed = rng.random((1, tokens.shape[1], 16))
    blind = evaluate_grounding(
        patches,
        tokens,
        mask,
        logit_scale=3.0,
        loss=Weighs(lambda v, t, m: np.repeat(fixed / fixed.sum(axis=2, keepdims=True), len(v), 0)),
    )
    assert blind["place_correlation"] == pytest.approx(1.0)
    following = evaluate_grounding(patches, tokens, mask, logit_scale=3.0, loss=MINMAX)
    assert abs(following["place_correlation"]) < 0.15
    weights = [minmax_weights(v, tokens, mask) for v in (patches, np.roll(patches, -1, axis=0))]
    rows = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(w[mask] for w in weights))]
    assert following["place_correlation"] == pytest.approx(np.mean(rows))


def test_place_correlation_of_uniform_weights_is_no_figure():
    patches, tokens, mask = case(4)
    found = evaluate_grounding(
        patches,
        tokens,
        mask,
        logit_scale=1.0,
        loss=Weighs(lambda v, t, m: np.full((len(v), t.shape[1], v.shape[1]), 1 / v.shape[1])),
    )
    assert np.isnan(found["place_correlation"])


def test_chance():
    patches, tokens, _ = case(6, n=3, length=4)
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], dtype=bool)
    found = evaluate_grounding(patches, tokens, mask, logit_scale=3.0, loss=MINMAX)
    assert found["chance_token_accuracy"] == pytest.approx(100 * (1 + 1) / 6)
    assert found["chance_local_loss"] == pytest.approx(np.log([2, 4, 1]).mean())


def test_scale_zero_scores_the_chance_loss():
    patches, tokens, mask = case(8)
    found = evaluate_grounding(patches, tokens, mask, logit_scale=0.0, loss=MINMAX)
    assert found["matched"]["local_loss"] == pytest.approx(found["chance_local_loss"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patches": np.ones((2, 3))}, "expected patches"),
        ({"text_mask": np.zeros((7, 5), bool)}, "no valid token"),
        ({"image_index": [4] * 7}, "another image"),
        ({"patch_rows": [0] * 6}, "patch_rows: expected an integer for each of 7 pairs"),
        ({"patch_rows": [0.0] * 7}, "patch_rows: expected an integer for each of 7 pairs"),
        ({"patch_rows": [0, 1, 2, 3, 4, 5, 7]}, "expected rows of 7 pictures, found 0 to 7"),
    ],
)
def test_wrong_input_is_named(change, message):
    patches, tokens, mask = case()
    arguments = {"patches": patches, "tokens": tokens, "text_mask": mask} | change
    with pytest.raises(ValueError, match=message):
        evaluate_grounding(logit_scale=1.0, loss=MINMAX, **arguments)


def test_weights_of_whole_captions_tell_no_word_apart():
    patches, tokens, mask = case(6)
    mask[2] = False
    rng = np.random.default_rng(1)
    weights = rng.random((len(patches), 9))
    found = evaluate_grounding(
        patches, tokens, mask, logit_scale=3.0,
        loss=Weighs(lambda v, t, m: weights[: len(v)]),
    )  # fmt: skip
    assert found["weights"]["of"] == "captions"
    live = np.delete(weights, 2, axis=0)
    shares = live / live.sum(axis=1, keepdims=True)
    spread = np.exp(-(shares * np.log(shares)).sum(axis=1)).mean()
    assert found["matched"]["effective_patches"] == pytest.approx(spread)
    assert found["place_correlation"] == pytest.approx(1.0)
    assert found["n"] == len(patches) - 1
    for key in ("gap", "gap_standard_error", "chance_local_loss", "chance_token_accuracy"):
        assert found[key] is None
    assert found["matched"]["local_loss"] is found["swapped"]["token_accuracy"] is None


def test_the_losses_own_weights_are_measured_and_named():
    patches, tokens, mask = case(2)
    texts = tokens.mean(axis=1)
    filip = evaluate_grounding(patches, tokens, mask, logit_scale=3.0, loss=losses.FilipLoss())
    assert filip["matched"]["effective_patches"] == pytest.approx(1.0)
    assert filip["matched"]["zeroed"] == pytest.approx(100 * 8 / 9)
    assert filip["weights"]["title"].startswith("FILIP")
    pacl = evaluate_grounding(
        patches, tokens, mask, logit_scale=3.0, loss=losses.PaclLoss(), text_global=texts
    )
    assert pacl["weights"]["rule"] == "pacl"
    forced = evaluate_grounding(
        patches, tokens, mask, logit_scale=3.0, loss=losses.FilipLoss(), rule="sparc"
    )
    plain = evaluate_grounding(patches, tokens, mask, logit_scale=3.0)
    assert forced["matched"] == plain["matched"]
    assert plain["weights"]["rule"] == forced["weights"]["rule"] == "sparc"
    assert plain["weights"]["trained"]
    assert not forced["weights"]["trained"]
