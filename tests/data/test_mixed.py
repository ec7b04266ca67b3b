"""Several data sets together: shares, orders, bad pictures, duplicates, places to go on from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from batch_asserts import assert_same

import csparc
from csparc.data import BadItem, BadItems, Dataset, Mixed, MixedBatches, tokenizer
from csparc.data.loading.alternating import AlternatingLoader, loader_of
from csparc.data.loading.loader import Loader
from csparc.data.scenes import Scenes
from csparc.data.subset import Subset
from csparc.data.transforms import preprocess
from csparc.errors import DataError

TOKENIZER = tokenizer.train(["red blue green 0 1 2 3"] * 4, context_length=12)


class Dots(Dataset):
    """Pictures of one colour, three captions each; some are bad."""

    def __init__(self, name: str, count: int, bad: tuple[int, ...] = (), same: int = 0) -> None:
        self.spec, self.count, self.bad, self.same = name, count, bad, same
        self.problems = BadItems(0.5)

    def __len__(self) -> int:
        return self.count

    def captions(self, index: int) -> list[str]:
        if index < self.same:
            return ["red"]
        return [f"{word} {self.spec} {index}" for word in ("red", "blue", "green")]

    def name(self, index: int) -> str:
        return f"number {index}"

    def load(self, index: int) -> np.ndarray:
        if index in self.bad:
            raise BadItem(self.name(index), "is bad")
        shade = (37 * index + 101 * ord(self.spec[0])) % 241 + 1 if index >= self.same else 0
        return np.full((9, 11, 3), shade, np.uint8)


def batches(dataset: Dataset, count: int, size: int = 6, **options: object):
    transform = preprocess(8, train=True)
    with loader_of(dataset, TOKENIZER, transform, size, **{"seed": 5, **options}) as loader:
        return [next(loader) for _ in range(count)], loader


def test_every_batch_has_its_shares_and_an_epoch_the_first_set():
    both = Mixed([Dots("a", 10), Dots("b", 7)], (1, 2))
    assert both.epoch_length == 30
    found, _ = batches(both, 15)
    for batch in found:
        assert sorted(batch["index"] >= 10) == [False] * 2 + [True] * 4
    for epoch in range(3):
        drawn = np.concatenate([batch["index"] for batch in found[5 * epoch : 5 * epoch + 5]])
        assert sorted(drawn[drawn < 10]) == list(range(10))
    others = np.concatenate([batch["index"] for batch in found])
    times = Counter(others[others >= 10].tolist())
    assert set(times.values()) <= {8, 9}  # 60 of 7, each pass whole before the next
    assert set(times) == set(range(10, 17))


@pytest.mark.parametrize(
    ("weights", "share"), [((1, 1), (3, 3)), ((0.5, 2.5), (1, 5)), ((3, 1), None)]
)
def test_shares_are_whole_or_rounded_either_way(weights, share):
    both = Mixed([Dots("a", 20), Dots("b", 20)], weights)
    for batch in batches(both, 4)[0]:
        have = int((batch["index"] < 20).sum())
        assert have == share[0] if share else have in (4, 5)


def test_a_picture_that_comes_again_is_drawn_anew():
    both = Mixed([Dots("a", 40), Dots("b", 1)], (1, 1))
    captions = {tuple(row) for batch in batches(both, 6)[0] for row in batch["text"][::1]
                if "b" in TOKENIZER.decode_tokens(row)}  # fmt: skip
    assert len(captions) == 3
    orders = [both.epoch_order(seed, epoch)[0].tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(map(tuple, orders))) == 4
    assert both.epoch_order(1, 1)[0].tolist() == orders[3]


@pytest.mark.parametrize("way", ["mixed", "batches"])
@pytest.mark.parametrize("duplicates", ["allow", "avoid", "group"])
def test_any_place_can_be_gone_on_from(way, duplicates):
    sets = [Dots("a", 23, bad=(4,), same=3), Dots("bb", 9, bad=(2,), same=2)]
    both = Mixed(sets, (2, 1)) if way == "mixed" else MixedBatches(sets)
    options = {"duplicates": duplicates}
    whole, _ = batches(both, 24, 4, **options)
    for begun in (1, 5, 8, 13):
        some, loader = batches(both, begun, 4, **options)
        rest, _ = batches(both, 24 - begun, 4, cursor=loader.cursor, **options)
        assert_same(some + rest, whole)


def test_threads_do_not_change_a_bit():
    both = Mixed([Dots("a", 23), Dots("bb", 9)], (2, 1))
    assert_same(batches(both, 12, threads=1)[0], batches(both, 12, threads=4)[0])


def test_duplicates_of_two_sets_are_found():
    both = Mixed([Dots("a", 8, same=2), Dots("f", 8, same=2)], (1, 1))
    for batch in batches(both, 12, 8, duplicates="group")[0]:
        same = batch["index"] % 8 < 2
        assert len(set(batch["group"][same].tolist())) <= 1
        assert len(set(batch["group"].tolist())) >= (~same).sum()
    for batch in batches(both, 12, 4, duplicates="avoid")[0]:
        assert (batch["index"] % 8 < 2).sum() <= 1


def test_each_set_has_its_own_report_and_its_own_limit():
    sets = [Dots("a", 20, bad=(3,)), Dots("b", 6, bad=(3,))]
    for both in (Mixed(sets, (1, 1)), MixedBatches(sets)):
        _, loader = batches(both, 40, 2)
        assert [len(report) for report in loader.reports] == [1, 1]
        assert set(loader.report.reasons) == {"number 3 of a", "number 3 of b"}
    mostly = [Dots("a", 60), Dots("b", 6, bad=(0, 1, 2, 3))]
    for both in (Mixed(mostly, (1, 1)), MixedBatches(mostly)):
        with pytest.raises(DataError, match=r"b: . of 6 items are bad"):
            batches(both, 30)


def test_batches_in_turn_are_those_of_each_set():
    sets = [Dots("a", 20), Dots("b", 9)]
    found, loader = batches(MixedBatches(sets), 8)
    assert isinstance(loader, AlternatingLoader)
    assert (loader.summed, loader.batches_in(0)) == (2, 3)
    for part, dataset in enumerate(sets):
        assert_same(found[part::2], batches(dataset, 4)[0])


def test_what_holds_of_the_sets_holds_of_the_mix():
    sets = [Scenes(tier="S", size=5), Subset(Scenes(tier="M", size=9), [3, 4])]
    both = csparc.data.Mixed(sets)
    assert len(both) == 7
    assert list(both.all_captions()) == [*sets[0].all_captions(), *sets[1].all_captions()]
    assert both.captions(6) == sets[1].captions(1)
    assert both.shown_words(6) == sets[1].shown_words(1)
    np.testing.assert_array_equal(both.load(6), sets[1].load(1))
    assert both.name(6) == f"{sets[1].name(1)} of {sets[1].spec}"
    prints = {
        both.fingerprint(),
        Mixed(sets[::-1]).fingerprint(),
        Mixed(sets, (1, 2)).fingerprint(),
    }
    assert len(prints | {MixedBatches(sets).fingerprint()}) == 4


def test_open_takes_several():
    specs = ["scenes:tier=S;size=5", "scenes:tier=M;size=4"]
    assert csparc.data.open(specs).weights == (1, 1)
    assert csparc.data.open(specs, mix=(2, 6)).weights == (1, 3)
    assert isinstance(csparc.data.open(specs, mix="batches"), MixedBatches)
    assert len(csparc.data.open(specs[:1])) == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a, b: Mixed([a]), "expected two or more data sets"),
        (lambda a, b: Mixed([a, Mixed([a, b])]), "not mixed themselves"),
        (lambda a, b: Mixed([a, b], (1,)), "mix: expected 2 weights, one a data set, found 1"),
        (lambda a, b: Mixed([a, b], (1, 0)), "mix: expected a finite number above 0"),
        (lambda a, b: Mixed([a, b], (1, 1e-6)), "sum up to 1000 at most, found 1000000:1"),
        (lambda a, b: csparc.data.open(["scenes:", "scenes:"], mix="x"), "weights or 'batches'"),
        (lambda a, b: csparc.data.open("scenes:", mix=(1, 2)), "mix: expected several data sets"),
        (lambda a, b: Loader(MixedBatches([a, b]), None, preprocess(8), 2), "AlternatingLoader"),
        (lambda a, b: batches(Mixed([a, b], (3, 1)), 1, 20), "batch_size=20 pictures, found 13"),
    ],
)  # fmt: skip
def test_refusals(make, message):
    with pytest.raises((DataError, ValueError, TypeError), match=message):
        make(Dots("a", 10), Dots("b", 7))
