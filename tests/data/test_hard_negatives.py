"""Hard negatives are read from tables, lists, shards and folders, and one a picture is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, save, write_tar

from csparc import data
from csparc.data import ShuffledPairs, tokenizer
from csparc.data.export import WRITERS, export
from csparc.data.loading.loader import Loader
from csparc.data.readers.hard_negatives import in_cell
from csparc.data.subset import Subset
from csparc.data.transforms import preprocess
from csparc.errors import DataError

TEXTS = ["a red dog", "a red cat", "a dog's hat", "the dog is blue"]
TOKENIZER = tokenizer.train(TEXTS * 4, context_length=12)


def table(folder: Path, text: str, name: str = "t.csv") -> str:
    for number in range(4):
        save(folder / f"{number}.png", number)
    (folder / name).write_text(text)
    return f"{name[-3:]}:{folder / name}"


def negatives(opened: data.Dataset) -> list[list[str]]:
    return [opened.hard_negatives(index) for index in range(len(opened))]


@pytest.mark.parametrize("column", ["hard_negative", "neg_caption"])
def test_a_column_of_a_table(column: str, tmp_path: Path) -> None:
    spec = table(
        tmp_path,
        f"filepath,title,{column}\n0.png,a red dog,a red cat\n1.png,a hat,\n"
        "0.png,one dog,the dog is blue\n0.png,a dog,a red cat\n2.png,a cat, \n",
    )
    opened = data.open(spec)
    assert negatives(opened) == [["a red cat", "the dog is blue"], [], []]
    assert opened.has_hard_negatives
    assert opened.captions(0) == ["a red dog", "one dog", "a dog"]
    assert not opened.problems
    unread = data.open(f"{spec};hard_negative_key=none")
    assert not unread.has_hard_negatives
    assert unread.fingerprint() != opened.fingerprint()


def test_a_column_of_another_name(tmp_path: Path) -> None:
    spec = table(tmp_path, "filepath\ttitle\tfalse\thard_negative\n0.png\ta\tb\tc\n", "t.tsv")
    assert negatives(data.open(spec, hard_negative_key="false")) == [["b"]]
    assert negatives(data.open(spec)) == [["c"]]
    with pytest.raises(DataError, match=r"expected a column 'wrong', found .*hard_negative_key"):
        data.open(f"{spec};hard_negative_key=wrong")
    with pytest.raises(DataError, match="hard_negative_key=x: has no effect, as scenes"):
        data.open("scenes:tier=S;size=4", hard_negative_key="x")


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("", []),
        ("a red dog", ["a red dog"]),
        ("""['a red cat', "a dog's hat"]""", ["a red cat", "a dog's hat"]),
        (r"""[ 'it\'s', ]""", ["it's"]),
        ("[]", []),
        ("['', 'a']", ["a"]),
        ("[a red dog]", ["[a red dog]"]),
        (r"['\N{no such letter}']", [r"['\N{no such letter}']"]),
        ("['a', ['b']]", ["['a', ['b']]"]),
        ("[" * 5000, ["[" * 5000]),
    ],
)
def test_a_cell_holds_one_several_or_none(cell: str, texts: list[str]) -> None:
    assert in_cell(cell) == texts


def test_a_list_of_a_data_frame_in_a_table(tmp_path: Path) -> None:
    spec = table(tmp_path, "filepath\ttitle\tneg_caption\n0.png\ta\t['b', \"c's\"]\n", "t.tsv")
    assert negatives(data.open(spec)) == [["b", "c's"]]


def test_bad_ones_are_named_and_cost_no_picture(tmp_path: Path) -> None:
    rows = "".join(f"{n % 4}.png,caption {n},false {n}\n" for n in range(40))
    spec = table(tmp_path, f"filepath,title,hard_negative\n{rows}1.png,a,b\0c\n1.png,x,x\n")
    opened = data.open(spec)
    assert len(opened) == 4
    assert len(opened.hard_negatives(1)) == 10
    (name,) = opened.problems.reasons
    assert name.endswith("row 41 hard negative")
    assert "NUL" in opened.problems.reasons[name]
    assert any("1 hard negatives are captions of" in note for note in opened.problems.notes())
    rows = "".join(f"{n}.png,caption {n},false\0{n}\n" for n in range(4))
    with pytest.raises(DataError, match="4 of 8 items are bad"):
        data.open(table(tmp_path, f"filepath,title,hard_negative\n{rows}"))
    many = "".join(f"{n}.png,caption {n},nan\n" for n in range(4))
    with pytest.warns(UserWarning, match="4 captions are words by which programs write an"):
        data.open(table(tmp_path, f"filepath,title,hard_negative\n{many}"))


def test_a_list_of_objects(tmp_path: Path) -> None:
    lines = [
        {"file_name": "0.png", "text": "a", "hard_negative": ["b", "c", None]},
        {"file_name": "1.png", "text": "a", "hard_negative": "d"},
        {"file_name": "2.png", "text": "a", "hard_negative": None},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    table(tmp_path, text, "metadata.jsonl")
    assert negatives(data.open(tmp_path)) == [["b", "c"], ["d"], []]
    with pytest.raises(DataError, match="hard_negative_key=other: expected hard negatives, found"):
        data.open(f"folder:{tmp_path};hard_negative_key=other")


def test_texts_beside_pictures(tmp_path: Path) -> None:
    for name in ("a", "b", "b.hard_negative"):
        save(tmp_path / f"{name}.png", len(name))
        (tmp_path / f"{name}.txt").write_text(f"picture {name}\n")
    (tmp_path / "a.hard_negative.txt").write_text("one\ntwo\n")
    opened = data.open(tmp_path)
    assert negatives(opened) == [["one", "two"], [], []]
    assert opened.captions(1) == ["picture b.hard_negative"]
    assert not opened.problems.notes()
    unread = data.open(f"folder:{tmp_path};hard_negative_key=none")
    assert not unread.has_hard_negatives
    (tmp_path / "a.hard_negative.txt").write_bytes(b"\xfa\xff")
    damaged = data.open(tmp_path, max_bad=0.5)
    assert not damaged.has_hard_negatives
    assert list(damaged.problems.reasons) == ["a.hard_negative.txt"]
    assert len(damaged) == 3


def test_members_and_keys_of_shards(tmp_path: Path) -> None:
    told = {"caption": "a", "hard_negative": ["b", "c"], "other": "d"}
    path = write_tar(
        tmp_path / "a.tar",
        [
            ("0.png", encoded(0)), ("0.txt", b"a"), ("0.hard_negative.txt", b"one\ntwo\n"),
            ("1.png", encoded(1)), ("1.json", json.dumps(told).encode()),
            ("2.png", encoded(2)), ("2.txt", b"a"), ("2.json", json.dumps(told).encode()),
            ("3.png", encoded(3)), ("3.txt", b"a"),
        ],
    )  # fmt: skip
    opened = data.open(f"webdataset:{path}")
    assert negatives(opened) == [["one", "two"], ["b", "c"], [], []]
    assert opened.problems.notes() == [f"{path}: not used: 1 .json"]
    assert negatives(data.open(f"webdataset:{path};hard_negative_key=other")) == [
        [], ["d"], ["d"], [],
    ]  # fmt: skip
    named = data.open(f"webdataset:{path}", hard_negative_key="hard_negative.txt")
    assert negatives(named) == [["one", "two"], [], [], []]
    assert not data.open(f"webdataset:{path};hard_negative_key=none").has_hard_negatives


def test_a_bad_member_costs_no_sample(tmp_path: Path) -> None:
    entries = []
    for n in range(12):
        entries += [(f"{n}.png", encoded(n)), (f"{n}.txt", b"a")]
    entries += [("3.hard_negative.txt", encoded(1))]
    opened = data.open(f"webdataset:{write_tar(tmp_path / 'a.tar', entries)}")
    assert len(opened) == 12
    assert "found a PNG" in " ".join(opened.problems.reasons.values())


def opened_table(folder: Path, pictures: int = 4) -> data.Dataset:
    rows = "".join(
        f"{n}.png,a red dog,\"['a red cat', 'a dog\\'s hat', 'the dog is blue']\"\n"
        for n in range(1, pictures)
    )
    return data.open(table(folder, f"filepath,title,hard_negative\n0.png,a dog,\n{rows}"))


def loader(dataset: data.Dataset, batch_size: int = 4, **options: object) -> Loader:
    given = {"seed": 5, "hard_negatives": True, **options}
    return Loader(dataset, TOKENIZER, preprocess(8, train=False), batch_size, **given)


def rows(batch: dict[str, np.ndarray]) -> list[bytes]:
    return [row.tobytes() for row in batch["hard_negative"]]


def test_one_of_each_picture_that_has_some(tmp_path: Path) -> None:
    dataset = opened_table(tmp_path)
    with loader(dataset) as batches:
        found = [next(batches) for _ in range(8)]
    seen = set()
    for batch in found:
        assert batch["hard_negative"].shape == (3, 12)
        assert batch["hard_negative"].dtype == batch["text"].dtype
        np.testing.assert_array_equal(batch["hard_negative_mask"], batch["hard_negative"] != 0)
        seen |= set(rows(batch))
    assert seen == {row.tobytes() for row in TOKENIZER(TEXTS[1:])}
    with loader(dataset, threads=3) as batches:
        again = [next(batches) for _ in range(3)]
        cursor = batches.cursor
    with loader(dataset, cursor=cursor) as batches:
        again += [next(batches) for _ in range(5)]
    assert list(map(rows, again)) == list(map(rows, found))
    with loader(dataset, caption="first", shuffle=False) as batches:
        assert rows(next(batches)) == [TOKENIZER(["a red cat"])[0].tobytes()] * 3


def test_batches_without_any(tmp_path: Path) -> None:
    dataset = opened_table(tmp_path)
    with loader(dataset, 1, shuffle=False) as batches:
        assert next(batches)["hard_negative"].shape == (0, 12)
    with loader(dataset, hard_negatives=False) as batches:
        assert "hard_negative" not in next(batches)
    part = Subset(dataset, [0])
    assert not part.has_hard_negatives
    assert Subset(dataset, [2, 0]).hard_negatives(0) == dataset.hard_negatives(2)
    with pytest.raises(ValueError, match="hard_negatives: expected False without a tokenizer"):
        Loader(dataset, None, preprocess(8, train=False), 2, hard_negatives=True)


@pytest.mark.parametrize(("duplicates", "count"), [("allow", 2), ("group", 1), ("avoid", 1)])
def test_one_that_is_a_caption_of_the_batch(duplicates: str, count: int, tmp_path: Path) -> None:
    """Is left out where duplicates are looked for; elsewhere it comes as captions do."""
    text = "0.png,a red dog,a red cat\n1.png,a red cat,the dog is blue\n"
    dataset = data.open(table(tmp_path, f"filepath,title,hard_negative\n{text}"))
    with loader(dataset, 2, duplicates=duplicates) as batches:
        assert len(next(batches)["hard_negative"]) == count


def test_tokenizers_know_their_words(tmp_path: Path) -> None:
    assert "the dog is blue" in set(opened_table(tmp_path).all_captions())


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_what_was_exported_is_read_again(kind: str, tmp_path: Path) -> None:
    dataset = opened_table(tmp_path)
    if kind not in ("folder", "csv", "tsv", "webdataset"):
        with pytest.raises(DataError, match=f"hard negatives for {kind}, which has no place"):
            export(dataset, kind, tmp_path / "out")
        return
    again = data.open(export(dataset, kind, tmp_path / "out"))
    assert negatives(again) == negatives(dataset)
    assert [again.captions(n) for n in range(4)] == [dataset.captions(n) for n in range(4)]
    assert not again.problems.notes()


def test_shuffled_pairs_take_them_with_the_captions(tmp_path: Path) -> None:
    dataset = opened_table(tmp_path)
    shuffled = ShuffledPairs(dataset, kind="random")
    for index, partner in enumerate(shuffled.partner.tolist()):
        assert partner != index
        assert shuffled.hard_negatives(index) == dataset.hard_negatives(partner)
    assert shuffled.has_hard_negatives
