"""A split of a Karpathy file gives its pictures and sentences, and bad entries are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pictures import save

from csparc import data
from csparc.errors import DataError


def image(name: str, split: str, *captions: str, **more: object) -> dict:
    sentences = [{"raw": text, "tokens": text.split(), "sentid": 0} for text in captions]
    return {"filename": name, "split": split, "sentences": sentences, **more}


@pytest.fixture
def images() -> list[dict]:
    return [
        image("a.png", "train", "one", "two", filepath="train2014", cocoid=9),
        image("b.png", "restval", "three", filepath="val2014"),
        image("c.png", "test", "four "),
        image("d.png", "val", "five"),
    ]


def opened(folder: Path, images: object, split: str, **options: object) -> data.Dataset:
    (folder / "dataset.json").write_text(json.dumps({"images": images, "dataset": "x"}))
    return data.open(f"karpathy:{folder},{folder / 'dataset.json'},{split}", **options)


def test_train_takes_restval_and_joins_filepath(tmp_path: Path, images: list) -> None:
    save(tmp_path / "train2014" / "a.png", 3)
    found = opened(tmp_path, images, "train")
    assert [found.name(i) for i in range(2)] == ["train2014/a.png", "val2014/b.png"]
    assert found.captions(0) == ["one", "two"]
    assert found.load(0).shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("split", "names"), [("restval", ["val2014/b.png"]), ("test", ["c.png"]), ("val", ["d.png"])]
)
def test_other_splits(tmp_path: Path, images: list, split: str, names: list) -> None:
    found = opened(tmp_path, images, split)
    assert [found.name(i) for i in range(len(found))] == names


def test_no_such_split_says_which_there_are(tmp_path: Path, images: list) -> None:
    with pytest.raises(DataError, match=r"split 'tets', found 'train' \(1\), 'restval' \(1\)"):
        opened(tmp_path, images, "tets")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"filename": "x.png", "sentences": []}, "expected an object with filename, split"),
        (image("x.png", "train"), "has no caption"),
        (image("", "train", "x"), "expected a picture's path"),
        (image("x.png", "train", "x", filepath=7), "expected filepath as text"),
        (image("x.png", "train", "x", filepath="../.."), "leaves the data folder"),
        ({"filename": "x.png", "split": "train", "sentences": 4}, "expected a list of sentences"),
        ({"filename": "x.png", "split": "train", "sentences": [4]}, "expected a caption, found 4"),
        (image("x.png", "train", " "), "sentences[0]: the caption is empty"),
        ("x.png", "expected an object"),
    ],
)
def test_bad_entries(tmp_path: Path, images: list, entry: object, reason: str) -> None:
    found = opened(tmp_path, [*images, entry], "train", max_bad=0.5)
    assert len(found) == 2
    assert len(found.problems) == 1
    assert reason in found.problems.summary()


def test_files_of_no_split_are_counted(tmp_path: Path, images: list) -> None:
    for name in ("train2014/a.png", "val2014/b.png", "d.png", "e.png", "train2014/f.png"):
        save(tmp_path / name, 3)
    assert opened(tmp_path, images, "test").problems.notes() == [
        f"{tmp_path}: not used: 2 .png (e.png)"
    ]


def test_a_key_twice_is_said(tmp_path: Path, images: list) -> None:
    opened(tmp_path, images, "test")
    file = tmp_path / "dataset.json"
    file.write_text(file.read_text().replace('"raw": "five"', '"raw": "six", "raw": "five"'))
    with pytest.warns(
        UserWarning, match=r"a key twice in one object \('raw'\): the last one counts"
    ):
        assert data.open(f"karpathy:{tmp_path},{file},val").captions(0) == ["five"]
