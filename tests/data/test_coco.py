"""A COCO captions file gives each picture its captions, and what is wrong in it is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pictures import save

from csparc import data


@pytest.fixture
def record() -> dict:
    """Two pictures with a gap in the ids, captions out of order."""
    return {
        "info": {"year": 2014},
        "images": [
            {"id": 90, "file_name": "val/b.jpg", "width": 4, "height": 3},
            {"id": 7, "file_name": "val/a.png"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "caption": "A dog\nruns . "},
            {"id": 2, "image_id": 90, "caption": "Ein Häuschen"},
            {"id": 3, "image_id": 7, "caption": "a brown dog"},
        ],
    }


def opened(folder: Path, record: dict, **options: object) -> data.Dataset:
    save(folder / "pics" / "val" / "a.png", 1)
    (folder / "captions.json").write_text(json.dumps(record))
    return data.open(f"coco:{folder / 'pics'},{folder / 'captions.json'}", **options)


def test_captions_meet_their_pictures(tmp_path: Path, record: dict) -> None:
    found = opened(tmp_path, record)
    assert [found.name(i) for i in range(2)] == ["val/b.jpg", "val/a.png"]
    assert found.captions(0) == ["Ein Häuschen"]
    assert found.captions(1) == ["A dog runs .", "a brown dog"]
    np.testing.assert_array_equal(found.load(1), save(tmp_path / "again.png", 1))
    with pytest.raises(data.BadItem, match=r"val/b\.jpg: no such file"):
        found.load(0)


def test_first_captions_only(tmp_path: Path, record: dict) -> None:
    assert opened(tmp_path, record, max_captions=1).captions(1) == ["A dog runs ."]


@pytest.mark.parametrize(
    ("part", "entry", "reason"),
    [
        ("images", {"id": 1}, "images[2]: expected a picture's path, found None"),
        ("images", {"file_name": "x.png"}, "images[2]: expected an object with id"),
        ("images", {"id": True, "file_name": "x.png"}, "images[2]: expected an object with id"),
        ("images", {"id": 5, "file_name": "x.png"}, "images[2]: has no caption"),
        ("images", {"id": 5, "file_name": "../x.png"}, "images[2]: path '../x.png' leaves"),
        ("images", ["x.png"], "images[2]: expected an object"),
        ("annotations", {"image_id": 8, "caption": "x"}, "annotations[3]: image_id 8 is not among"),
        ("annotations", {"image_id": 7, "caption": ""}, "annotations[3]: the caption is empty"),
        ("annotations", {"image_id": 7, "caption": 3}, "annotations[3]: expected a caption"),
        ("annotations", {"image_id": [7], "caption": "x"}, "annotations[3]: expected an object"),
        ("annotations", {"image_id": 7, "caption": "\ud800"}, "annotations[3]: the caption holds"),
        ("annotations", None, "annotations[3]: expected an object"),
    ],
)
def test_bad_entries(tmp_path: Path, record: dict, part: str, entry: object, reason: str) -> None:
    record[part].append(entry)
    found = opened(tmp_path, record, max_bad=0.5)
    assert len(found) == 2
    assert len(found.problems) == 1
    assert reason in found.problems.summary()


def test_files_that_no_entry_names_are_counted(tmp_path: Path, record: dict) -> None:
    for name in ("x.png", "val/y.png", "val/z.jpg", "train/far.png"):
        save(tmp_path / "pics" / name, 1)
    (tmp_path / "pics" / "val" / "notes.md").write_text("notes")
    save(tmp_path / "pics" / "val" / "b.jpg", 2)
    assert opened(tmp_path, record).problems.notes() == [
        f"{tmp_path / 'pics'}: not used: 1 .md (val/notes.md), 2 .png (val/y.png), "
        "1 .jpg (val/z.jpg), folders without a picture that is named (1)"
    ]


def test_what_is_named_and_bad_is_not_counted_again(tmp_path: Path, record: dict) -> None:
    record["images"].append({"id": 8, "file_name": "val/alone.png"})
    save(tmp_path / "pics" / "val" / "alone.png", 1)
    found = opened(tmp_path, record, max_bad=0.5)
    assert found.problems.notes() == []
    assert "images[2]: has no caption" in found.problems.summary()


def test_a_key_twice_is_said(tmp_path: Path, record: dict) -> None:
    opened(tmp_path, record)
    file = tmp_path / "captions.json"
    file.write_text(file.read_text().replace('"id": 7,', '"id": 90, "id": 7,'))
    with pytest.warns(
        UserWarning, match=r"a key twice in one object \('id'\): the last one counts"
    ):
        found = data.open(f"coco:{tmp_path / 'pics'},{file}")
    assert found.captions(1) == ["A dog runs .", "a brown dog"]
