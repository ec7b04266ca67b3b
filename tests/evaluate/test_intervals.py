"""Intervals are those of a slow form that draws pictures one by one, and exact where known."""

import math

import numpy as np
import pytest

from csparc import _random
from csparc.evaluate import bootstrap, evaluate_retrieval
from csparc.evaluate.beside import beside, beside_lines
from csparc.evaluate.figure import Figure, figures_within, share
from csparc.evaluate.intervals import _STREAM, interval_of
from csparc.evaluate.retrieval import Retrieval
from csparc.evaluate.zeroshot.measures import accuracies, mean_of_groups

rng = np.random.default_rng(7)


def slow(values, statistic, pictures, samples, seed, level=95.0):
    """Draw pictures, and put together what belongs to each."""
    owners = sorted(set(pictures.tolist()))
    found = []
    for sample in range(samples):
        drawn = _random.integers(seed, (_STREAM, sample), len(owners), len(owners))
        rows = [row for one in drawn for row in np.flatnonzero(pictures == owners[one])]
        found.append(statistic(values[rows]))
    found = sorted(value for value in found if not math.isnan(value))
    ends = []
    for part in ((100 - level) / 200, (100 + level) / 200):
        place = part * (len(found) - 1)
        low = math.floor(place)
        high = min(low + 1, len(found) - 1)
        ends.append(found[low] + (place - low) * (found[high] - found[low]))
    return tuple(ends)


@pytest.mark.parametrize("level", [95.0, 60.0])
def test_the_mean_is_that_of_the_slow_form(level):
    pictures = rng.integers(0, 9, 40) * 3 + 1
    values = rng.random(40)
    expected = slow(values, np.mean, pictures, 50, 3, level)
    fast = bootstrap(values, pictures=pictures, samples=50, seed=3, level=level)
    plain = bootstrap(values, np.mean, pictures=pictures, samples=50, seed=3, level=level)
    assert fast == pytest.approx(expected, abs=1e-12)
    assert plain == pytest.approx(expected, abs=1e-12)


def test_any_statistic_is_that_of_the_slow_form():
    pictures, values = rng.integers(0, 6, 30), rng.random((30, 2, 3))

    def ratio(items):
        first, second = items.sum(axis=(0, 2))
        return float("nan") if first < second else first / second

    expected = slow(values, ratio, pictures, 40, 0)
    found = bootstrap(values, ratio, pictures=pictures, samples=40)
    assert found == pytest.approx(expected, abs=1e-12)


def test_what_is_the_same_everywhere_has_no_width_and_nothing_has_nan():
    assert bootstrap(np.full(5, 0.25), samples=20) == (0.25, 0.25)
    assert all(map(math.isnan, bootstrap(np.zeros(0), samples=5)))
    assert all(map(math.isnan, bootstrap(np.ones(3), lambda _: math.nan, samples=5)))


def test_one_picture_is_one_item_however_many_captions_it_has():
    values = np.array([0.0, 1.0, 1.0, 0.0])
    assert bootstrap(values, pictures=[4, 4, 4, 4], samples=30) == (0.5, 0.5)
    low, high = bootstrap(values, pictures=[0, 0, 1, 1], samples=200)
    assert (low, high) == (0.5, 0.5)
    low, high = bootstrap(values, pictures=[0, 1, 1, 0], samples=200)
    assert (low, high) == (0.0, 1.0)


def test_half_of_many_has_the_width_of_the_normal_law():
    low, high = bootstrap(np.arange(2000) % 2, samples=1000)
    width = 2 * 1.96 * math.sqrt(0.25 / 2000)
    assert high - low == pytest.approx(width, rel=0.15)
    assert (low + high) / 2 == pytest.approx(0.5, abs=0.005)


def test_a_seed_decides():
    values = rng.random(30)
    assert bootstrap(values, samples=20, seed=1) == bootstrap(values, samples=20, seed=1)
    assert bootstrap(values, samples=20, seed=1) != bootstrap(values, samples=20, seed=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": np.ones((3, 2))}, r"values: expected an array \[n\]"),
        ({"values": np.ones(3), "pictures": [0, 1]}, "pictures: expected the picture of each of 3"),
        ({"values": np.ones(3), "samples": 0}, "samples"),
        ({"values": np.ones(3), "level": 100}, "level"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(**given)


def test_figures_of_retrieval_are_drawn_by_picture():
    images, texts = rng.normal(size=(12, 4)), rng.normal(size=(36, 4))
    index = np.repeat(np.arange(12), 3)
    figures = evaluate_retrieval(images, texts, index)
    measured = Retrieval().measured(figures)
    assert set(measured) == {name for name in figures["chance"]}
    for name, figure in measured.items():
        assert figure.value == figure.statistic(figure.items), name
        assert figure.value == pytest.approx(figures[name], abs=1e-12), name
        assert figure.chance == figures["chance"][name]
    one = measured["text_to_image_R@5"]
    expected = slow(one.items, np.mean, index, 30, 5)
    assert interval_of(one, 30, 5) == pytest.approx(expected, abs=1e-9)
    assert Retrieval().measured(dict(figures)) == {}


def test_a_figure_is_drawn_by_its_own_statistic():
    figure = accuracies(rng.integers(1, 3, 40), rng.integers(0, 4, 40), 6)["mean_per_class"]
    expected = slow(figure.items, mean_of_groups, np.arange(40), 25, 0)
    assert interval_of(figure, 25) == pytest.approx(expected, abs=1e-9)
    assert interval_of(Figure(1.0, 3, None), 25) is None


def test_what_stands_beside_is_recorded_and_printed():
    figures = {"a": share([1, 0, 1, 1], 25.0), "of": {"b": Figure(2.0, 4, None, unit="")}, "n": 4}
    measured = figures_within(figures)
    assert list(measured) == ["a", "of.b"]
    rows = beside(measured, {"same": {"a": share([0, 0], 25.0)}}, samples=50, seed=1)
    record = rows["a"].record()
    assert record["value"] == 75.0
    assert record["chance"] == 25.0
    assert record["unit"] == "%"
    assert record["interval"] == list(interval_of(figures["a"], 50, 1))
    assert record["controls"] == {"same": 0.0}
    assert rows["of.b"].record() == {"value": 2.0, "n": 4, "chance": None, "unit": ""}
    ends = "{:.2f} to {:.2f}".format(*record["interval"]).split()
    head, first = beside_lines(rows)  # nothing is printed without its chance
    assert head.split() == ["found", "95", "%", "interval", "chance", "same"]
    assert first.split() == ["a", "75.00", *ends, "25.00", "0.00"]
