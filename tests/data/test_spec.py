"""A data set opens by its short text with options, and a text that means nothing is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pictures import save

from csparc import data
from csparc.errors import CsparcError, DataError


def table(path: Path, text: str = "filepath,title\na.png,one\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path.parent / "a.png", 1)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_bare_folder_is_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("one\n")
    opened = data.open(tmp_path)
    assert len(opened) == 1
    assert opened.captions(0) == ["one"]
    assert opened.spec == str(tmp_path)
    assert list(opened.all_captions()) == ["one"]


@pytest.mark.parametrize("suffix", ["csv", "CSV"])
def test_a_bare_table_is_known_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    assert data.open(table(tmp_path / f"t.{suffix}")).captions(0) == ["one"]


def test_a_bare_tsv(tmp_path: Path) -> None:
    opened = data.open(table(tmp_path / "t.tsv", "filepath\ttitle\na.png\tone\n"))
    assert opened.captions(0) == ["one"]


@pytest.mark.parametrize(
    "folder", ["with space", "co:lon", "csv:odd", "com,ma", "semi;colon", "naïve 画", "q'uo\"te"]
)
def test_awkward_folder_names(tmp_path: Path, folder: str) -> None:
    path = table(tmp_path / folder / "t;x=1.csv")
    assert data.open(f"csv:{path}").captions(0) == ["one"]
    assert data.open(f"csv:{path};max_captions=1").captions(0) == ["one"]
    listing = {"images": [{"id": 1, "file_name": "a.png"}]}
    listing["annotations"] = [{"image_id": 1, "caption": "two"}]
    captions = tmp_path / folder / "c,d.json"
    captions.write_text(json.dumps(listing))
    assert data.open(f"coco:{path.parent},{captions}").captions(0) == ["two"]


def test_options_in_the_spec(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "p;words\na.png;one\na.png;two\n")
    spec = f"csv:{path};img_key=p;caption_key=words;separator=;"
    assert data.open(spec).captions(0) == ["one", "two"]
    assert data.open(f"{spec};max_captions=1").captions(0) == ["one"]
    assert data.open(path, img_key="p", caption_key="words", separator="semicolon").captions(0)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "expected SCHEME:PATH"),
        ("nowhere", "existing path or one of folder:"),
        ("fodler:x", "existing path or one of folder:"),
        ("csv:", "expected a path after csv:"),
        ("csv:t.csv;max_captions=many", "max_captions: expected a count"),
        ("csv:t.csv;max_captions=0", "max_captions: expected a count"),
        ("csv:t.csv;img_key=", "expected a value for img_key"),
        ("csv:t.csv;image=x", "expected the options img_key"),
        ("coco:pictures", "found no comma"),
        ("coco:nowhere,captions.json", "expected the folder of the pictures"),
        ("karpathy:test", "IMAGES_DIR,FILE.json,SPLIT"),
        ("karpathy:test,dataset.json", "IMAGES_DIR,FILE.json,SPLIT, found too few commas"),
        ("webdataset:none-{0..2}-*.tar", "found no file of that name"),
        ("a\0b", "expected SCHEME:PATH"),
    ],
)
def test_specs_that_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=says) as caught:
        data.open(spec)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, CsparcError)


def test_a_file_of_no_known_kind(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(DataError, match="say which: SCHEME:PATH"):
        data.open(tmp_path / "a.png")


def test_max_captions_is_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_captions"):
        data.open(tmp_path, max_captions=0)


def test_too_many_bad_items_are_an_error(tmp_path: Path) -> None:
    rows = "".join(f"{n}.png,caption {n}\n" for n in range(9))
    path = table(tmp_path / "t.csv", f"filepath,title\n{rows}x.png,\n")
    opened = data.open(path)
    assert len(opened) == 9
    assert len(opened.problems) == 1
    assert "row 10: the caption is empty" in opened.problems.summary()
    with pytest.raises(DataError, match=r"1 of 10 items are bad.*row 10"):
        data.open(path, max_bad=0.05)
    with pytest.raises(ValueError, match="max_bad"):
        data.open(path, max_bad=2)


def test_report_names_each_item_once() -> None:
    report = data.BadItems(max_bad=0.5)
    assert report.summary() == "no bad items"
    assert report.add(data.BadItem("a", "broken"))
    assert not report.add(data.BadItem("a", "broken"))
    for n in range(8):
        report.add(data.BadItem(f"b{n}", "gone"))
    assert report.summary(most=1) == "9 bad items skipped: a: broken; and 8 more"
    report.check(18)
    with pytest.raises(DataError, match="9 of 17"):
        report.check(17)
    with pytest.raises(DataError, match="nothing is left"):
        report.check(9)
