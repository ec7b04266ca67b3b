"""The word contrast beside other parts: sums, weights, learned scales, pictures, scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
from loss_asserts import GLOBALS, assert_finite
from loss_batches import draw, masks
from tolerances import FLOAT64, assert_close

import csparc
from csparc.losses import LOSSES, make_loss
from csparc.losses.pair_scores import LateFeatures
from csparc.losses.word_contrast import POOLS

ROWS = ("patches", "tokens")
NAMES = ("clip+words", "sparc+words", "clip+filip+words")


@pytest.fixture
def batch(rng):
    arrays = draw(rng)
    text_mask, patch_mask = masks(rng, "holes")
    ids = rng.integers(-1, 9, text_mask.shape)
    lacks = rng.random((len(ids), 9)) < 0.7
    marks = {"text_mask": text_mask, "patch_mask": patch_mask}
    return arrays, marks, {"word_ids": ids, "lacks": lacks}


def other_parts(name, arrays, marks, loss):
    """The loss without the word contrast, by its function."""
    if name == "clip+words":
        out = csparc.clip_loss(*(arrays[key] for key in GLOBALS), grad=True)
        grads = {key: 0.5 * value for key, value in out.grads.items()}
        return csparc.losses.LossOutput(0.5 * out.loss, parts=out.parts, grads=grads)
    function = csparc.sparc_loss if name == "sparc+words" else csparc.clip_filip_loss
    options = {}
    if name == "clip+filip+words":
        options = {"local_logit_scale": loss.value("local_logit_scale")}
    return function(**arrays, **marks, **options, grad=True)


@pytest.mark.parametrize("weight", [1.0, 0.25])
@pytest.mark.parametrize("name", NAMES)
def test_a_sum_of_the_parts(name, weight, batch):
    arrays, marks, spoken = batch
    loss = make_loss(name, [f"words_weight={weight}", "word_logit_scale=6", "negatives=1"])
    out = loss(**arrays, **marks, **spoken, grad=True)
    words = csparc.word_contrast_loss(
        *(arrays[key] for key in ROWS), **marks, **spoken, negatives=1, grad=True,
        logit_scale=loss.value("word_logit_scale"),
    )  # fmt: skip
    rest = other_parts(name, arrays, marks, loss)
    assert_close(out.loss, rest.loss + weight * words.loss, FLOAT64)
    assert out.parts == {**rest.parts, "words_loss": words.loss}
    assert loss(**arrays, **marks, **spoken).loss == out.loss
    for key in (*ROWS, *GLOBALS, "logit_scale"):
        own = weight * words.grads[key] if key in ROWS else 0
        assert_close(out.grads[key], rest.grads.get(key, 0) + own, FLOAT64, key)
    assert_close(out.grads["word_logit_scale"], weight * words.grads["logit_scale"], FLOAT64)
    if name == "clip+filip+words":
        assert out.grads["local_logit_scale"] == rest.grads["local_logit_scale"]


@pytest.mark.parametrize("name", NAMES)
def test_its_own_scale_stays_below_its_own_limit(name):
    loss = make_loss(name, ["word_logit_scale=30", "word_scale_max=20"])
    loss.constrain(100.0)
    np.testing.assert_allclose(loss.value("word_logit_scale"), 20, rtol=1e-6)
    loss.constrain(5.0)
    np.testing.assert_allclose(loss.value("word_logit_scale"), 5, rtol=1e-6)
    if name == "clip+filip+words":
        loss.parameters["local_logit_scale"].data[...] = np.log(50)
        loss.constrain(100.0)
        np.testing.assert_allclose(loss.value("local_logit_scale"), 50, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_weight_0_is_measured_and_trains_nothing(name, batch):
    arrays, marks, spoken = batch
    loss = make_loss(name, ["words_weight=0"])
    out = loss(**arrays, **marks, **spoken, grad=True)
    rest = other_parts(name, arrays, marks, loss)
    assert out.loss == rest.loss
    assert out.parts["words_loss"] > 0
    assert out.grads["word_logit_scale"] == 0
    for key in ROWS:
        np.testing.assert_array_equal(out.grads[key], rest.grads.get(key, 0 * arrays[key]))
    assert not loss.alignment(*(arrays[key] for key in ROWS)).trained


@pytest.mark.parametrize("name", NAMES)
def test_groups_buffers_and_configuration(name, batch):
    arrays, marks, spoken = batch
    loss = make_loss(name, ["pool=softmax", "pool_scale=3"])
    buffers = {key: np.empty_like(array) for key, array in arrays.items()}
    groups = {"groups": [0, 1, 0, -1], "same_group": "positive"}
    out = loss(**arrays, **marks, **spoken, **groups, out_grads=buffers)
    assert all(out.grads[key] is buffers[key] for key in arrays)
    assert_finite(out)
    assert out.loss != loss(**arrays, **marks, **spoken).loss
    options = json.loads(json.dumps(loss.config()))
    assert LOSSES[options.pop("loss")](**options) == loss
    assert "own" in loss.limits()[0]


def test_what_it_is_not_told_is_named(batch):
    arrays, marks, _ = batch
    with pytest.raises(TypeError, match="word_ids: expected an array, found None"):
        make_loss("clip+words")(**arrays, **marks)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", ["word-contrast", *NAMES])
def test_weights_of_a_word_are_the_slopes_of_its_score(name, pool, batch):
    """By difference quotients of the pooled cosine, up to the factor that the weights sum to 1."""
    arrays, marks, _ = batch
    loss = make_loss(name, [f"pool={pool}", "pool_scale=4"])
    found = loss.alignment(*(arrays[key] for key in ROWS), **marks)
    assert found.trained
    assert found.rule == name
    cosine = np.einsum("bld,bpd->blp", *(
        arrays[key] / np.linalg.norm(arrays[key], axis=2, keepdims=True) for key in ROWS[::-1]
    ))  # fmt: skip
    i, word = 0, int(np.flatnonzero(marks["text_mask"][0])[0])
    valid = marks["patch_mask"][i]
    x = cosine[i, word, valid]
    expected = np.exp(4 * x) / np.exp(4 * x).sum() if pool != "max" else x == x.max()
    assert_close(found.weights[i, word, valid], expected, FLOAT64)
    assert not found.weights[i, word, ~valid].any()


@pytest.mark.parametrize("pool", POOLS)
def test_its_score_is_the_mean_over_words_of_what_it_contrasts(pool, rng):
    """The score of a caption of two words with a picture, from the losses of two pictures."""
    patches, tokens = rng.normal(size=(2, 5, 4)), rng.normal(size=(4, 4))
    features = LateFeatures(patches, tokens, np.array([2, 0, 2]), rng.normal(size=(3, 4)))
    loss = make_loss("clip+words", [f"pool={pool}", "pool_scale=4"])
    rows = dict(loss.pair_scores(features).image_rows())
    assert rows[0].shape == (1, 3)
    assert rows[0][0, 1] == 0
    for word, picture in ((0, 0), (3, 1)):
        alone = LateFeatures(patches, tokens[word : word + 1], np.array([1]), np.zeros((1, 4)))
        z = [float(row[0, 0]) for _, row in loss.pair_scores(alone).image_rows()]
        pair = patches[[picture, 1 - picture]]
        out = csparc.word_contrast_loss(
            pair, tokens[[[word], [word]]], [[0], [-1]], logit_scale=3.0, pool=pool, pool_scale=4.0
        )
        other = np.log1p(np.exp(3.0 * (z[1 - picture] - z[picture]))) / 2
        assert out.loss == pytest.approx(other, rel=1e-5)
