"""Batches are the same bits on any number of threads and from any place the loader resumes.

Also: bad pictures are replaced and counted, threads end, and reading stays a bounded way ahead.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from batch_asserts import assert_same
from pictures import pixels

from csparc.data import BadItem, BadItems, Dataset, tokenizer
from csparc.data.loading import sampler
from csparc.data.loading.cache import PictureCache
from csparc.data.loading.loader import Loader
from csparc.data.loading.prefetch import Prefetch, ordered_map
from csparc.data.transforms import preprocess
from csparc.errors import DataError


class Numbers(Dataset):
    """Pictures made from their numbers; some are bad, reading takes an uneven time."""

    spec = "numbers"

    def __init__(self, count: int, bad: tuple[int, ...] = (), max_bad: float = 0.5) -> None:
        self.count, self.bad = count, bad
        self.problems = BadItems(max_bad)
        self.loads = 0

    def __len__(self) -> int:
        return self.count

    def captions(self, index: int) -> list[str]:
        return [f"red {index}", f"blue {index}", f"green {index}"]

    def name(self, index: int) -> str:
        return f"number {index}"

    def load(self, index: int) -> np.ndarray:
        self.loads += 1
        if index % 7 == 0:
            time.sleep(0.002)
        if index in self.bad:
            raise BadItem(self.name(index), "is bad")
        return pixels(index, 9, 11)


TOKENIZER = tokenizer.train(["red blue green 0 1 2 3"] * 4, context_length=12)


def loader(dataset: Dataset, batch_size: int = 4, train: bool = True, **options: object) -> Loader:
    transform = preprocess(8, train=train)
    return Loader(dataset, TOKENIZER, transform, batch_size, **{"seed": 5, **options})


def take(source: Iterator[dict], count: int) -> list[dict]:
    return [next(source) for _ in range(count)]


def numbers(batches: list[dict]) -> list[list[int]]:
    return [batch["index"].tolist() for batch in batches]


def flat(batches: list[dict]) -> list[int]:
    return [index for batch in batches for index in batch["index"]]


def test_what_a_batch_holds() -> None:
    with loader(Numbers(10)) as source:
        batch = next(source)
    assert {key: (value.dtype, value.shape) for key, value in batch.items()} == {
        "image": (np.float32, (4, 3, 8, 8)),
        "index": (np.int64, (4,)),
        "text": (np.int32, (4, 12)),
        "text_mask": (bool, (4, 12)),
        "loss_mask": (bool, (4, 12)),
    }
    for row, index in enumerate(batch["index"]):
        words = TOKENIZER.word_spans(batch["text"][row])
        assert words[0].text in ("red", "blue", "green")
        assert words[1].text == str(index)
    assert (batch["text_mask"].sum(axis=1) - batch["loss_mask"].sum(axis=1) == 2).all()


def test_specials_in_the_loss_and_no_text_at_all() -> None:
    with loader(Numbers(10), loss_specials=True) as source:
        batch = next(source)
    np.testing.assert_array_equal(batch["loss_mask"], batch["text_mask"])
    with Loader(Numbers(10), None, preprocess(8), 4) as source:
        assert set(next(source)) == {"image", "index"}


def test_an_epoch_is_a_permutation_and_epochs_differ() -> None:
    with loader(Numbers(20)) as source:
        first, second = take(source, 5), take(source, 5)
    assert len(source) == 5
    for epoch in (first, second):
        assert sorted(flat(epoch)) == list(range(20))
    assert numbers(first) != numbers(second)
    assert numbers(first) != numbers(take(loader(Numbers(20), seed=6), 5))
    assert flat(first) == sampler.order(5, 0, 20).tolist()


def test_captions_and_crops_change_with_the_epoch() -> None:
    with loader(Numbers(8), batch_size=8) as source:
        batches = take(source, 6)
    by_number = [batch["text"][batch["index"].argsort()] for batch in batches]
    assert len({rows.tobytes() for rows in by_number}) == 6
    pictures = [batch["image"][batch["index"].argsort()] for batch in batches]
    assert len({rows.tobytes() for rows in pictures}) == 6
    with loader(Numbers(8), batch_size=8, caption="first", train=False) as source:
        batches = take(source, 2)
    first, second = (batch["image"][batch["index"].argsort()] for batch in batches)
    np.testing.assert_array_equal(first, second)
    for batch in batches:
        assert all(TOKENIZER.word_spans(row)[0].text == "red" for row in batch["text"])


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 7}, {"cache_bytes": 0}])
def test_bits_do_not_depend_on_threads_or_the_cache(options: dict) -> None:
    with (
        loader(Numbers(50, bad=(3, 14))) as source,
        loader(Numbers(50, bad=(3, 14)), **options) as other,
    ):
        assert_same(take(source, 30), take(other, 30))


def test_a_cursor_goes_on_with_exactly_the_next_batch() -> None:
    def new(cursor: dict | None = None) -> Loader:
        return loader(Numbers(30, bad=(1, 8, 22)), cursor=cursor)

    with new() as source:
        cursors, batches = [source.cursor], []
        for _ in range(16):
            batches.append(next(source))
            cursors.append(source.cursor)
    assert cursors[0] == {"epoch": 0, "position": 0, "pictures": 30}
    assert {cursor["epoch"] for cursor in cursors} == {0, 1, 2}
    for begin, cursor in enumerate(cursors[:-1]):
        with new(cursor) as source:
            assert_same(take(source, min(3, 16 - begin)), batches[begin : begin + 3])


def test_bad_pictures_make_room_for_the_next() -> None:
    told = []
    with loader(Numbers(20, bad=(2, 5, 6)), epochs=2, on_bad=told.append) as source:
        batches = list(source)
    assert len(batches) == 2 * (17 // 4)
    order = [index for index in sampler.order(5, 0, 20) if index not in (2, 5, 6)]
    assert flat(batches[:4]) == order[:16]
    assert sorted(bad.name for bad in told) == ["number 2", "number 5", "number 6"]
    assert source.report.reasons == {bad.name: "is bad" for bad in told}
    assert source.cursor == {"epoch": 2, "position": 0, "pictures": 20}


def test_in_order_and_to_the_end_for_evaluation() -> None:
    options = {"shuffle": False, "drop_last": False, "epochs": 1, "train": False}
    with loader(Numbers(10, bad=(9,)), **options) as source:
        assert len(source) == 3
        assert numbers(list(source)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
        assert len(source.report) == 1
        assert list(source) == []


def test_too_many_bad_pictures() -> None:
    some = Numbers(20, bad=(2, 5, 6), max_bad=0.1)
    with loader(some) as source, pytest.raises(DataError, match="numbers: 3 of 20 items are bad"):
        take(source, 20)
    everything = Numbers(8, bad=tuple(range(8)), max_bad=1)
    with loader(everything) as source, pytest.raises(DataError, match="nothing is left"):
        next(source)
    few = Numbers(6, bad=(0, 1, 2), max_bad=0.5)
    with loader(few) as source, pytest.raises(DataError, match="4 good pictures, found 3"):
        next(source)


def test_bad_pictures_of_one_name_count_one_by_one() -> None:
    class Nameless(Numbers):
        def name(self, index: int) -> str:
            return "a picture"

    some = Nameless(20, bad=(2, 5, 6), max_bad=0.1)
    with loader(some) as source, pytest.raises(DataError, match="numbers: 3 of 20 items are bad"):
        take(source, 20)
    everything = Nameless(8, bad=tuple(range(8)), max_bad=1)
    with loader(everything) as source, pytest.raises(DataError, match="nothing is left"):
        next(source)


def test_what_the_reader_left_out_counts() -> None:
    dataset = Numbers(20, bad=(2,), max_bad=0.1)
    for row in range(2):
        dataset.problems.add(BadItem(f"row {row}", "is empty"))
    with loader(dataset) as source:
        assert len(source.report) == 2
        with pytest.raises(DataError, match="3 of 22"):
            take(source, 20)


def test_wrong_arguments() -> None:
    with pytest.raises(DataError, match="at least batch_size=4 pictures, found 3"):
        loader(Numbers(3))
    with pytest.raises(DataError, match="the 31 pictures of the interrupted run, found 30"):
        loader(Numbers(30), cursor={"epoch": 1, "position": 4, "pictures": 31})
    with pytest.raises(ValueError, match="cursor"):
        loader(Numbers(30), cursor={"epoch": 0, "position": 31})
    with pytest.raises(ValueError, match="batch_size"):
        loader(Numbers(3), batch_size=0)
    with pytest.raises(ValueError, match="caption"):
        loader(Numbers(30), caption="last")


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("csparc-")]


def test_threads_end_when_closed_or_forgotten() -> None:
    source = loader(Numbers(1000))
    next(source)
    assert ours()
    source.close()
    assert ours() == []
    cursor = source.cursor
    again = next(source)
    assert_same([again], take(loader(Numbers(1000), cursor=cursor), 1))
    gone = weakref.ref(source)
    del source
    gc.collect()
    assert gone() is None
    deadline = time.monotonic() + 10
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ours() == []


def test_other_errors_arrive_in_their_place() -> None:
    class Broken(Numbers):
        def load(self, index: int) -> np.ndarray:
            if index == 10:
                raise RuntimeError("the disk is on fire")
            return super().load(index)

    with loader(Broken(40), shuffle=False) as source:
        assert numbers(take(source, 2)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
        with pytest.raises(RuntimeError, match="on fire"):
            next(source)
        with pytest.raises(StopIteration):
            next(source)
    assert ours() == []


def test_reading_stays_a_bounded_way_ahead() -> None:
    dataset = Numbers(5000)
    with loader(dataset, batch_size=8) as source:
        next(source)
        time.sleep(0.2)
        before = dataset.loads
        time.sleep(0.1)
        assert dataset.loads == before < 250


def test_ordered_map_and_prefetch() -> None:
    def slow(n: int) -> int:
        time.sleep(0.002 * (n % 3))
        return n * n

    assert list(ordered_map(slow, range(20), threads=4, ahead=5)) == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        list(ordered_map(lambda n: 1 // n, [2, 1, 0], threads=2, ahead=2))
    prefetch = Prefetch(iter(range(4)), ahead=2)
    assert list(prefetch) == [0, 1, 2, 3]
    prefetch.close()
    assert ours() == []


def test_cache_keeps_what_fits_and_changes_nothing() -> None:
    dataset = Numbers(4)
    transform = preprocess(8)
    cache = PictureCache(dataset, transform, budget=2 * 8 * 8 * 3 + 1)
    first = [cache.get(index) for index in range(4)]
    again = [cache.get(index) for index in range(4)]
    assert len(cache) == 2
    assert dataset.loads == 6
    for index in range(4):
        np.testing.assert_array_equal(first[index], again[index])
        np.testing.assert_array_equal(first[index], transform.fixed(dataset.load(index)))
    dataset.cacheable = False
    cache = PictureCache(dataset, transform)
    cache.get(0)
    assert len(cache) == 0


def test_draws_are_functions_of_seed_epoch_and_picture() -> None:
    draws = sampler.PictureDraws(1, 2, 3).uniform(5)
    np.testing.assert_array_equal(draws, sampler.PictureDraws(1, 2, 3).uniform(9)[:5])
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0), (1, 3, 2)):
        assert (draws != sampler.PictureDraws(*other).uniform(5)).all()
    chosen = [sampler.caption_choice(1, epoch, 3, 5) for epoch in range(60)]
    assert set(chosen) == set(range(5))
