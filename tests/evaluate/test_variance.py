"""Variance of patch embeddings by place and by picture: the definition, noise, planted cases."""

import numpy as np
import pytest

from csparc.evaluate import variance_explained
from csparc.evaluate.intervals import interval_of


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_definition(dtype, monkeypatch):
    monkeypatch.setattr("csparc.evaluate.variance._BLOCK", 3)
    rng = np.random.default_rng(0)
    patches = rng.normal(1e3, size=(8, 5, 4)) + 2 * rng.normal(size=(8, 1, 4))
    patches = (patches + rng.normal(size=(1, 5, 4))).astype(dtype)
    found = variance_explained(patches)
    exact = patches.astype(np.float64)
    mean = exact.mean(axis=(0, 1))
    total = ((exact - mean) ** 2).sum()
    for name, axis, others in (("position", 0, 8), ("picture", 1, 5)):
        between = others * ((exact.mean(axis=axis) - mean) ** 2).sum()
        assert found[name] == pytest.approx(100 * between / total, rel=1e-9)


def test_pictures_are_drawn_again_where_that_says_something():
    rng = np.random.default_rng(4)
    patches = rng.normal(size=(12, 5, 4)) + rng.normal(size=(12, 1, 4))
    figures = variance_explained(patches).measured()
    one = figures["picture"]
    assert (one.n, one.value) == (12, one.statistic(one.items))
    for seed in range(4):
        drawn = np.random.default_rng(seed).integers(0, 12, 12)
        again = variance_explained(patches[drawn])["picture"]
        assert one.statistic(one.items[drawn]) == pytest.approx(again, rel=1e-9)
    low, high = interval_of(one, 200)
    assert low < one.value < high
    assert interval_of(figures["position"], 200) is None
    assert figures["position"].chance == pytest.approx(100 * 4 / 59)


def test_places_look_explained_where_pictures_are_drawn_twice():
    """Why that share has no interval: of noise a draw gives about twice what all pictures give."""
    rng = np.random.default_rng(1)
    patches = rng.normal(size=(60, 16, 32))
    drawn = [variance_explained(patches[rng.integers(0, 60, 60)])["position"] for _ in range(30)]
    assert np.mean(drawn) > 1.6 * variance_explained(patches)["position"]


def test_noise_gives_chance():
    found = variance_explained(np.random.default_rng(0).normal(size=(40, 16, 200)))
    assert found["position"] == pytest.approx(found["position_chance"], rel=0.1)
    assert found["picture"] == pytest.approx(found["picture_chance"], rel=0.1)
    assert found["position_chance"] == pytest.approx(100 * 15 / 639)


def test_patches_that_tell_their_place_or_their_picture_alone():
    rng = np.random.default_rng(0)
    by_place = np.tile(rng.normal(size=(1, 6, 3)), (7, 1, 1))
    by_picture = np.tile(rng.normal(size=(7, 1, 3)), (1, 6, 1))
    placed, pictured = variance_explained(by_place), variance_explained(by_picture)
    assert (placed["position"], placed["picture"]) == pytest.approx((100, 0), abs=1e-9)
    assert (pictured["position"], pictured["picture"]) == pytest.approx((0, 100), abs=1e-9)


def test_equal_patches_have_no_variance_to_explain():
    found = variance_explained(np.full((3, 4, 5), 0.1, np.float32))
    assert np.isnan([found["position"], found["picture"]]).all()


@pytest.mark.parametrize("shape", [(3, 4), (1, 1, 5), (0, 4, 5)])
def test_too_little_is_refused(shape):
    with pytest.raises(ValueError, match="patches: expected"):
        variance_explained(np.zeros(shape))
