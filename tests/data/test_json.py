"""JSON from files: what is wrong is named with its place, and what nobody uses is no obstacle."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from csparc import data
from csparc._json import parse_json, read_json
from csparc.data import BadItem
from csparc.errors import DataError


def test_nan_and_infinity_are_read_as_floats():
    found = parse_json('{"score": NaN, "limits": [-Infinity, Infinity]}', "x.json")
    assert math.isnan(found["score"])
    assert found["limits"] == [-math.inf, math.inf]


def test_a_file_may_hold_nan_where_nobody_looks(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"?")
    (tmp_path / "captions.json").write_text(
        '{"info": {"version": NaN}, "images": [{"id": 1, "file_name": "a.png", "area": Infinity}],'
        ' "annotations": [{"image_id": 1, "caption": "a red square", "score": NaN}]}'
    )
    opened = data.open(f"coco:{tmp_path},{tmp_path / 'captions.json'}")
    assert opened.captions(0) == ["a red square"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a": 1,\n "b" 2}', "found no valid JSON: .*line 2 column 6"),
        ("[" * 200_000, "found JSON nested too deeply"),
        (b'{"a": "\xff"}', "found no UTF-8 text at byte 7"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(content: str | bytes, found: str):
    with pytest.raises(DataError, match=rf"^list\.json line 3: expected a record, {found}"):
        parse_json(content, "list.json line 3", "a record")


def test_a_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"a\.json: expected a list, found no such file"):
        read_json(tmp_path / "a.json", "a list")
    with pytest.raises(DataError, match="expected a list, found a folder"):
        read_json(tmp_path, "a list")
    (tmp_path / "a.json").write_bytes("\ufeff[1]".encode())
    assert read_json(tmp_path / "a.json", "a list") == [1]
    (tmp_path / "a.json").write_bytes('["ä"]'.encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.json: expected a list, found no UTF-8 text at byte 2"):
        read_json(tmp_path / "a.json", "a list")


def test_a_caller_chooses_the_exception_and_whether_keys_repeat():
    with pytest.raises(BadItem) as caught:
        parse_json("{", "row 3", error=BadItem)
    assert caught.value.name == "row 3"
    assert parse_json('{"a": 1, "a": 2}', "x") == {"a": 2}
    with pytest.raises(DataError, match="the key 'a' twice"):
        parse_json('{"a": 1, "a": 2}', "x", unique_keys=True)


def test_keys_that_are_given_again_are_named_once_for_each_object():
    repeated: Counter[str] = Counter()
    content = '[{"a": 1, "a": 2, "a": 3, "b": {"c": 1, "c": 2}}, {"c": 0, "c": 5}, {"d": 1}]'
    found = parse_json(content, "x", repeated=repeated)
    assert found == [{"a": 3, "b": {"c": 2}}, {"c": 5}, {"d": 1}]
    assert repeated == {"a": 1, "c": 2}


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        ('"text": "a blue boat"', "line 2: expected the key 'text' once in an object, found it"),
        ('"file_name": "b.png"', "line 2: expected the key 'file_name' once in an object, found"),
        ('"size": 1, "size": 2', "no bad items"),
    ],
)
def test_a_record_that_gives_its_caption_twice_is_bad(tmp_path: Path, again: str, reason: str):
    lines = [json.dumps({"file_name": f"{n}.png", "text": f"a red {n}"}) for n in "abc"]
    lines[1] = lines[1].replace("{", f"{{{again}, ")
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    opened = data.open(f"folder:{tmp_path};captions=c.jsonl", max_bad=0.5)
    assert reason in opened.problems.summary()
    assert len(opened) == (3 if reason == "no bad items" else 2)
