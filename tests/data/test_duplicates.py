"""Equal captions and equal pictures in a batch: found, marked, kept apart, and resumed from."""

from __future__ import annotations

import numpy as np
import pytest
from batch_asserts import assert_same
from pictures import pixels
from test_loader import Numbers, loader, numbers, take

from csparc.data.loading.duplicates import Content, group_ids, picture_key
from csparc.errors import DataError


class Repeated(Numbers):
    """Pictures 2 k and 2 k + 1 look the same for k < ``twins``; few different captions."""

    def __init__(self, count: int, captions: int, twins: int = 0, bad: tuple[int, ...] = ()):
        super().__init__(count, bad)
        self.sentences, self.twins = captions, twins

    def captions(self, index: int) -> list[str]:
        return [f"{colour} {index % self.sentences}" for colour in ("red", "blue")]

    def load(self, index: int) -> np.ndarray:
        picture = super().load(index)
        return pixels(index // 2 * 2, 9, 11) if index // 2 < self.twins else picture


def rows_of(batch: dict) -> list[bytes]:
    return [row.tobytes() for row in batch["text"]]


def test_groups_are_connected_pairs() -> None:
    contents = [
        Content(caption, picture)
        for caption, picture in [
            (b"a", b"0"), (b"b", b"1"), (b"c", b"0"), (b"d", b"2"), (b"b", b"2"), (b"e", b"3"),
        ]
    ]  # fmt: skip
    assert group_ids(contents).tolist() == [0, 1, 0, 1, 1, 5]
    assert group_ids(contents[::-1]).tolist() == [0, 1, 1, 3, 1, 3]
    without_text = [Content(None, content.picture) for content in contents]
    assert group_ids(without_text).tolist() == [0, 1, 0, 3, 3, 5]
    assert group_ids([]).dtype == np.int64


def test_pictures_are_told_apart_by_pixels_and_shape() -> None:
    picture = pixels(1, 4, 6)
    assert picture_key(picture) == picture_key(np.asfortranarray(picture))
    other = picture.copy()
    other[3, 5, 2] ^= 1
    assert picture_key(picture) != picture_key(other)
    assert picture_key(picture) != picture_key(picture.reshape(6, 4, 3))


def test_groups_of_a_batch() -> None:
    data = Repeated(24, captions=5, twins=4)
    with loader(data, batch_size=12, duplicates="group") as source:
        batches = take(source, 6)
    assert any(len(set(rows_of(batch))) < 12 for batch in batches)
    for batch in batches:
        rows, index, group = rows_of(batch), batch["index"], batch["group"]
        assert group.dtype == np.int64
        for i in range(12):
            for j in range(12):
                twins = index[i] // 2 == index[j] // 2 and index[i] // 2 < 4
                if rows[i] == rows[j] or twins:
                    assert group[i] == group[j]
        assert len(set(group.tolist())) > 1
    with loader(data, batch_size=12) as source:
        plain = take(source, 6)
    assert_same(plain, [{key: b[key] for key in b if key != "group"} for b in batches])


def test_apart_within_each_batch() -> None:
    data = Repeated(60, captions=9, twins=10, bad=(3, 30))
    epochs: dict[int, list[int]] = {0: [], 1: []}
    with loader(data, batch_size=6, duplicates="avoid", epochs=2) as source:
        for batch in source:
            assert len(set(rows_of(batch))) == 6
            twin = [index // 2 for index in batch["index"] if index // 2 < 10]
            assert len(set(twin)) == len(twin)
            epochs[source.cursor["epoch"]] += batch["index"].tolist()
    for indices in epochs.values():
        assert len(set(indices)) == len(indices) >= 8 * 6
        assert set(indices).isdisjoint((3, 30))


def test_what_waits_comes_first_in_the_order_of_the_epoch() -> None:
    with loader(Repeated(8, captions=4), batch_size=4, duplicates="avoid", caption="first",
                shuffle=False, epochs=1) as source:  # fmt: skip
        assert numbers(list(source)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    data = Repeated(8, captions=4)
    data.captions = lambda index: [f"red {[0, 0, 1, 1, 2, 2, 3, 3][index]}"]
    options = dict(batch_size=4, duplicates="avoid", shuffle=False, epochs=1)
    with loader(data, **options) as source:
        first = next(source)
        assert source.cursor == {
            "epoch": 0, "position": 7, "pictures": 8, "waiting": [1, 3, 5]
        }  # fmt: skip
        assert numbers([first, *source]) == [[0, 2, 4, 6], [1, 3, 5, 7]]
    with loader(data, drop_last=False, **{**options, "batch_size": 3}) as source:
        assert numbers(list(source)) == [[0, 2, 4], [1, 3, 5], [6], [7]]


def test_nothing_to_avoid_changes_nothing() -> None:
    with (
        loader(Numbers(30, bad=(4,))) as source,
        loader(Numbers(30, bad=(4,)), duplicates="avoid") as other,
    ):
        assert_same(take(source, 14), take(other, 14))
        assert source.cursor == other.cursor


@pytest.mark.parametrize("options", [{}, {"drop_last": False}])
def test_the_length_of_an_epoch_is_what_comes(options: dict) -> None:
    data = Repeated(60, captions=4, twins=10, bad=(3, 30))
    settings = dict(batch_size=6, duplicates="avoid", cache_bytes=0, **options)
    counts = {}
    with loader(data, epochs=4, **settings) as source:
        for batch in source:
            epoch = source.cursor["epoch"]
            if not options and len(batch["index"]) == 6:
                assert len(source) == source.batches_in(epoch)
            # The cursor after an epoch's last batch may be the next epoch's.
            epoch -= source.cursor["position"] == 0
            counts[epoch] = counts.get(epoch, 0) + 1
    data.loads = 0
    with loader(data, **settings) as source:
        assert {epoch: source.batches_in(epoch) for epoch in range(4)} == counts
        assert data.loads == 60  # each once
        assert len(source) == counts[0]
        assert not source.report
        assert source.cursor == {"epoch": 0, "position": 0, "pictures": 60}
    assert len(set(counts.values())) > 1  # no formula would do


def test_the_length_of_data_with_too_much_that_is_bad() -> None:
    data = Repeated(40, captions=9, bad=tuple(range(25)))
    with loader(data, duplicates="avoid") as source, pytest.raises(DataError, match="are bad"):
        len(source)


@pytest.mark.parametrize("options", [{}, {"drop_last": False, "epochs": 3}])
def test_a_cursor_goes_on_with_exactly_the_next_batch(options: dict) -> None:
    def new(cursor: dict | None = None):
        data = Repeated(40, captions=7, twins=5, bad=(1, 8, 22))
        return loader(data, batch_size=5, duplicates="avoid", cursor=cursor, **options)

    with new() as source:
        cursors, batches = [source.cursor], []
        for _ in range(20):
            batches.append(next(source))
            cursors.append(source.cursor)
    assert sum("waiting" in cursor for cursor in cursors) > 5
    assert {cursor["epoch"] for cursor in cursors} >= {0, 1, 2}
    for begin, cursor in enumerate(cursors[:-1]):
        with new(cursor) as source:
            assert_same(take(source, min(3, 20 - begin)), batches[begin : begin + 3])
            if begin + 3 <= 20:
                assert source.cursor == cursors[begin + 3]


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 7}, {"cache_bytes": 0}])
def test_bits_do_not_depend_on_threads_or_the_cache(options: dict) -> None:
    for duplicates in ("avoid", "group"):
        settings = dict(batch_size=5, duplicates=duplicates)
        with (
            loader(Repeated(40, 7, 5), **settings) as source,
            loader(Repeated(40, 7, 5), **settings, **options) as other,
        ):
            assert_same(take(source, 20), take(other, 20))


def test_too_few_different_captions() -> None:
    data = Repeated(24, captions=3)
    message = r"batch_size=4 pairs of which no two share caption or picture, found 3 at most"
    with (
        loader(data, batch_size=4, duplicates="avoid", caption="first") as source,
        pytest.raises(DataError, match=message),
    ):
        next(source)


def test_wrong_arguments() -> None:
    with pytest.raises(
        ValueError, match=r"^duplicates: expected 'allow', 'avoid' or 'group', found 'no'"
    ):
        loader(Numbers(30), duplicates="no")
    with pytest.raises(ValueError, match="waiting pictures below 30"):
        loader(Numbers(30), cursor={"epoch": 0, "position": 3, "waiting": [30]})
