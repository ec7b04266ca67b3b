"""Areas and the pointing game: against loops written from the definitions, and planted cases."""

import numpy as np
import pytest

from csparc.evaluate import Places, alignment_scores, place_scores


def drawn(seed, words=40, patches=12, values=5):
    """Weights with many ties, and three objects that own patches at random, one of them named."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(-1, 3, (words, patches))
    return rng.integers(0, values, (words, patches)) / values, owner


def places_of(owner, also=(1,)):
    inside = owner == 0
    objects = np.array([len(set(row[row >= 0])) for row in owner])
    return Places(inside, owner > 0, np.isin(owner, also), objects)


def slow_area(row, hit, miss):
    pairs = [(a, b) for a in row[hit] for b in row[miss]]
    return np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]) if pairs else np.nan


@pytest.mark.parametrize("seed", range(4))
def test_equals_slow_reference(seed, monkeypatch):
    monkeypatch.setattr("csparc.evaluate.placement._CELLS", 100)
    weights, owner = drawn(seed)
    found = place_scores(weights, places_of(owner))
    sides = {"auc": owner > 0, "auc_named": owner == 1, "auc_all": owner != 0}
    for name, miss in sides.items():
        areas = [slow_area(w, o == 0, m) for w, o, m in zip(weights, owner, miss)]
        assert found[name] == pytest.approx(100 * np.nanmean(areas))
        assert found[name.replace("auc", "n")] == np.sum(~np.isnan(areas))
    named = (owner == 0).any(axis=1)
    right = [o[w.argmax()] == 0 for w, o in zip(weights[named], owner[named])]
    assert found["pointing"] == pytest.approx(100 * np.mean(right))
    assert found["pointing_chance"] == pytest.approx(100 * (owner[named] == 0).mean())
    share = [1 / len(set(row[row >= 0])) for row in owner[named]]
    assert found["pointing_object_chance"] == pytest.approx(100 * np.mean(share))
    assert found["n_pointing"] == named.sum()
    assert found["auc_chance"] == 50.0


def test_words_that_weigh_as_their_sentence_get_half_against_what_it_names():
    """Two objects, a word for each, one map: against the third object it may be as good as any."""
    owner = np.array([[0, 0, 1, 2, -1], [1, 1, 0, 2, -1]])
    weights = np.tile([0.4, 0.3, 0.35, 0.1, 0.0], (2, 1))
    found = place_scores(weights, places_of(owner))
    assert found["auc_named"] == 50.0
    assert found["auc"] > 70.0
    assert found["auc_all"] > 70.0


def test_weights_that_look_at_nothing_score_chance():
    rng = np.random.default_rng(0)
    owner = rng.integers(-1, 3, (3000, 16))
    found = place_scores(rng.random(owner.shape), places_of(owner))
    assert found["auc"] == pytest.approx(50, abs=2)
    assert found["auc_named"] == pytest.approx(50, abs=2)
    assert found["auc_all"] == pytest.approx(50, abs=2)
    assert found["pointing"] == pytest.approx(found["pointing_chance"], abs=3)


def test_the_heaviest_patch_on_a_random_object_scores_its_chance():
    rng = np.random.default_rng(1)
    owner = rng.integers(-1, 4, (4000, 9))
    weights = np.zeros(owner.shape)
    for row, objects in zip(weights, owner):
        row[objects == rng.choice(np.unique(objects[objects >= 0]))] = 1.0
    found = place_scores(weights, places_of(owner))
    assert found["pointing"] == pytest.approx(found["pointing_object_chance"], abs=2.5)


def test_figures_over_no_word_are_no_figures():
    owner = np.full((2, 4), -1)
    found = place_scores(np.ones((2, 4)), places_of(owner))
    assert {name for name, value in found.items() if value == value} == {
        "auc_chance", "n", "n_named", "n_all", "n_pointing",
    }  # fmt: skip
    assert found["n_pointing"] == found["n_all"] == 0


def test_alignment_scores_by_hand():
    weights = [[0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.4, 0.4], [1.0, 0.0, 0.0, 0.0]]
    inside = [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    found = alignment_scores(weights, inside)
    first = (1 + 1 + 0 + 1) / 4
    second = (0.5 + 0 + 1 + 0.5) / 4
    assert found["auc"] == pytest.approx(100 * (first + second) / 2)
    assert found["n"] == found["n_pointing"] == 2
    assert found["pointing"] == 50.0
    assert found["pointing_chance"] == 50.0


def test_alignment_compared_with_other_objects_only():
    found = alignment_scores([[0.5, 0.4, 0.1]], [[0, 1, 0]], outside=[[0, 0, 1]])
    assert found["auc"] == 100.0
    assert found["pointing"] == 0.0


def test_random_weights_score_chance():
    rng = np.random.default_rng(0)
    weights, inside = rng.random((400, 16)), rng.random((400, 16)) < 0.3
    found = alignment_scores(weights, inside)
    assert found["auc"] == pytest.approx(50.0, abs=3.0)
    assert found["pointing"] == pytest.approx(found["pointing_chance"], abs=6.0)


def test_no_words_is_nan_not_a_figure():
    found = alignment_scores(np.zeros((1, 4)), np.zeros((1, 4), bool))
    assert np.isnan(found["auc"])
    assert found["n"] == 0
