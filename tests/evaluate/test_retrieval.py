"""Retrieval against a slow reference written from its definition, hand-computed cases, chance."""

import itertools
import math

import numpy as np
import pytest

from csparc.evaluate import evaluate_retrieval
from csparc.evaluate.figures import RetrievalFigures
from csparc.evaluate.retrieval import chance


def slow_rank(scores, right):
    """Place of ``right`` when candidates are sorted by score, equal ones by their index."""
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], j))
    return 1 + order.index(right)


def slow_retrieval(images, texts, index):
    """The definitions, one query at a time, with every score held at once."""
    unit = [np.asarray(x, np.float64) for x in (images, texts)]
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in unit]
    scores = np.rint((unit[0] @ unit[1].T) * 2.0**24)
    result = {}
    queries = [i for i in range(len(images)) if i in set(index)]
    ranks = {
        "image_to_text": [
            min(slow_rank(scores[i], j) for j in range(len(texts)) if index[j] == i)
            for i in queries
        ],
        "text_to_image": [slow_rank(scores[:, j], index[j]) for j in range(len(texts))],
    }
    ties = {
        "image_to_text": [
            any(
                scores[i, j] == max(scores[i, o] for o in range(len(texts)) if index[o] == i)
                for j in range(len(texts))
                if index[j] != i
            )
            for i in queries
        ],
        "text_to_image": [
            any(scores[i, j] == scores[index[j], j] for i in range(len(images)) if i != index[j])
            for j in range(len(texts))
        ],
    }
    for direction in ranks:
        place = np.array(ranks[direction])
        for k in (1, 5, 10):
            result[f"{direction}_R@{k}"] = 100 * np.mean(place <= k)
        result[f"{direction}_mean_rank"] = np.mean(place)
        result[f"{direction}_median_rank"] = math.floor(np.median(place))
        result[f"{direction}_tie_share"] = 100 * np.mean(ties[direction])
    return result


def random_case(seed):
    """Features with duplicated rows, so that ties happen, and uneven numbers of captions."""
    rng = np.random.default_rng(seed)
    n, m, d = rng.integers(2, 14), rng.integers(2, 30), rng.integers(1, 4)
    images = rng.integers(-2, 3, (n, d)).astype(np.float32)
    texts = rng.integers(-2, 3, (m, d)).astype(np.float32)
    return images, texts, rng.integers(0, n, m)


@pytest.mark.parametrize("seed", range(30))
def test_equals_slow_reference(seed):
    images, texts, index = random_case(seed)
    found = evaluate_retrieval(images, texts, index)
    for key, value in slow_retrieval(images, texts, index).items():
        assert found[key] == pytest.approx(value), key


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_change_nothing(monkeypatch, dtype):
    for seed in range(6):
        images, texts, index = random_case(seed)
        images, texts = images.astype(dtype), texts.astype(dtype)
        whole = evaluate_retrieval(images, texts, index)
        for name, value in (("IMAGES", 3), ("TEXTS", 3), ("_PAIRS", 2)):
            monkeypatch.setattr(f"csparc.evaluate.cosine_ranks.{name}", value)
        assert evaluate_retrieval(images, texts, index) == whole
        monkeypatch.undo()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [1.0, 2.0**-70])
def test_vectors_that_have_nothing_to_do_with_each_other(seed, length):
    """Ranks all over, in float32 as the features are, and by unit vectors where they are short."""
    rng = np.random.default_rng(seed)
    images, texts = (length * rng.normal(size=(n, 24)).astype(np.float32) for n in (30, 90))
    index = rng.integers(0, 30, 90)
    found, expected = evaluate_retrieval(images, texts, index), slow_retrieval(images, texts, index)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key


def test_scores_that_float32_cannot_tell_apart_are_ranked_as_in_float64():
    rng = np.random.default_rng(0)
    texts = np.repeat(rng.normal(size=(1, 64)), 40, axis=0) + 1e-6 * rng.normal(size=(40, 64))
    images = texts[:20] + 1e-6 * rng.normal(size=(20, 64))
    index = np.repeat(np.arange(20), 2)
    found, expected = evaluate_retrieval(images, texts, index), slow_retrieval(images, texts, index)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key


def test_sums_whose_terms_are_all_rounded_the_same_way_are_ranked_as_in_float64():
    """Float32 sums of 512 nearly equal terms are all wrong by tens of units in the last place of 1,
    by more than many of the cosines differ."""
    rng = np.random.default_rng(0)
    steps = np.arange(512) < rng.integers(0, 512, (120, 1))
    features = np.float32(0.0772) * np.where(steps, np.float32(1.002), np.float32(1))
    images, texts, index = features[:40], features[40:], np.repeat(np.arange(40), 2)
    found, expected = evaluate_retrieval(images, texts, index), slow_retrieval(images, texts, index)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key


def test_ranks_of_every_query_give_the_recalls():
    images, texts, index = random_case(7)
    found = evaluate_retrieval(images, texts, index)
    for direction, figure in found.recalls(1).items():
        assert figure.value == pytest.approx(found[f"{direction}_R@1"])
        assert figure.chance == found["chance"][f"{direction}_R@1"]
        assert len(figure.items) == figure.n == len(found.ranks[direction])
    assert found.recalls(7)["text_to_image"].chance is None
    with pytest.raises(ValueError, match="recalls: expected figures of an evaluation"):
        RetrievalFigures(found).recalls(1)


def test_any_of_several_captions_counts():
    """Image 0 has captions 0 and 1; only caption 1 is close, and one close caption is a hit."""
    images = np.array([[1.0, 0.0], [0.0, 1.0]])
    texts = np.array([[-1.0, 0.1], [1.0, 0.1], [0.1, 1.0]])
    found = evaluate_retrieval(images, texts, np.array([0, 0, 1]))
    assert found["image_to_text_R@1"] == 100.0
    assert found["text_to_image_R@1"] == pytest.approx(200 / 3)
    assert found["text_to_image_mean_rank"] == pytest.approx(4 / 3)


def test_collapsed_encoder_scores_chance_and_says_it_is_tied():
    n, per_image = 40, 5
    index = np.repeat(np.arange(n), per_image)
    found = evaluate_retrieval(np.ones((n, 8)), np.ones((n * per_image, 8)), index)
    for k in (1, 5, 10):
        assert found[f"text_to_image_R@{k}"] == pytest.approx(100 * k / n)
        assert found[f"image_to_text_R@{k}"] <= found["chance"][f"image_to_text_R@{k}"]
    assert found["image_to_text_tie_share"] == found["text_to_image_tie_share"] == 100.0


def test_perfect_encoder():
    features = np.eye(6)
    found = evaluate_retrieval(features, features, np.arange(6))
    assert found["image_to_text_R@1"] == found["text_to_image_R@1"] == 100.0
    assert found["image_to_text_median_rank"] == found["text_to_image_mean_rank"] == 1.0
    assert found["image_to_text_tie_share"] == 0.0


def test_length_of_features_changes_nothing():
    images, texts, index = random_case(5)
    scale = np.linspace(1e-3, 1e3, len(images))[:, None]
    stretched = evaluate_retrieval(images * scale, texts * np.float64(1e200), index)
    assert stretched == evaluate_retrieval(images, texts, index)


def test_duplicate_captions_tie_wherever_they_stand():
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(301, 17)).astype(np.float32)
    texts[300] = texts[0]
    images = rng.normal(size=(301, 17)).astype(np.float32)
    images[0] = texts[0]
    found = evaluate_retrieval(images, texts, np.arange(301))
    assert found["image_to_text_tie_share"] > 0.0


def test_chance_is_the_mean_over_random_orders():
    """All orders of four captions of two images (1 and 3 captions): the exact expectation."""
    owners = [0, 1, 1, 1]
    first_ranks = np.array(
        [
            [
                next(p for p, caption in enumerate(order, 1) if owners[caption] == image)
                for image in (0, 1)
            ]
            for order in itertools.permutations(range(4))
        ]
    )
    expected = chance([1, 3])
    assert expected["image_to_text_R@1"] == pytest.approx(100 * np.mean(first_ranks <= 1))
    assert expected["image_to_text_R@5"] == 100.0
    assert expected["image_to_text_mean_rank"] == pytest.approx(first_ranks.mean())
    assert expected["image_to_text_median_rank"] == math.floor(np.median(first_ranks))
    assert expected["text_to_image_R@1"] == 50.0


def test_chance_of_the_standard_splits():
    expected = chance([5] * 1000)
    assert expected["image_to_text_R@10"] == pytest.approx(
        100 * (1 - math.comb(4995, 10) / math.comb(5000, 10))
    )
    assert expected["text_to_image_R@5"] == pytest.approx(0.5)


def test_random_features_score_near_chance():
    rng = np.random.default_rng(1)
    found = evaluate_retrieval(
        rng.normal(size=(300, 32)), rng.normal(size=(1500, 32)), np.repeat(np.arange(300), 5)
    )
    expected = found["chance"]
    for key in ("image_to_text_mean_rank", "text_to_image_mean_rank"):
        assert found[key] == pytest.approx(expected[key], rel=0.2)


def test_image_without_captions_asks_nothing_but_can_be_a_wrong_answer():
    images = np.array([[1.0, 0.0], [1.0, 0.0]])
    found = evaluate_retrieval(images, np.array([[1.0, 0.0]]), np.array([1]))
    assert found["n_image_queries"] == 1
    assert found["text_to_image_R@1"] == 0.0


@pytest.mark.parametrize(
    ("images", "texts", "index", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), [0, 1], "differ in width: 3 and 4"),
        (np.ones((2, 3)), np.ones((2, 3)), [0, 2], r"image_index\[1\] is 2"),
        (np.ones((2, 3)), np.ones((2, 3)), [0.0, 1.0], "one integer a caption"),
        (np.ones((2, 3)), np.ones((2, 3)), [0], "one integer a caption"),
        (np.ones(3), np.ones((2, 3)), [0, 1], "image_features must be a matrix"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), [0, 1], "text_features must be finite, row 0"),
        (np.ones((2, 3)), np.ones((0, 3)), [], "text_features must be a matrix"),
    ],
)
def test_wrong_input_is_named(images, texts, index, message):
    with pytest.raises(ValueError, match=message):
        evaluate_retrieval(images, texts, np.array(index))
