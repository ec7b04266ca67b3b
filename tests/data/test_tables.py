"""Tables of paths and captions are read in every dialect, and bad rows are named and skipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import save

from csparc import data
from csparc.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(["a.png", "b c.png", "é/画.png", "x,y.png"]):
        save(tmp_path / name, number)
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> str:
    content = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(content)
    return f"{name.rpartition('.')[2]}:{folder / name}"


def listed(opened: data.Dataset) -> list[tuple[str, list[str]]]:
    return [(opened.name(i), opened.captions(i)) for i in range(len(opened))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_mark(folder: Path, end: str, mark: str, last: bool) -> None:
    lines = ["filepath,title", "a.png,one", "b c.png,two", "é/画.png,drei"]
    text = mark + end.join(lines) + (end if last else "")
    assert listed(data.open(write(folder, text))) == [
        ("a.png", ["one"]),
        ("b c.png", ["two"]),
        ("é/画.png", ["drei"]),
    ]


def test_quoting(folder: Path) -> None:
    text = 'title,filepath,more\n"a ""big"", red\none","x,y.png",7\n5" pipe,a.png,8\n'
    assert listed(data.open(write(folder, text))) == [
        ("x,y.png", ['a "big", red one']),
        ("a.png", ['5" pipe']),
    ]


def test_rows_of_one_picture_are_its_captions(folder: Path) -> None:
    text = "filepath\ttitle\na.png\tone\nb c.png\ttwo\n./a.png\tthree\n\n"
    opened = data.open(write(folder, text, "t.tsv"))
    assert listed(opened) == [("a.png", ["one", "three"]), ("b c.png", ["two"])]
    np.testing.assert_array_equal(opened.load(0), save(folder / "again.png", 0))


def test_wrong_columns_say_which_there_are(folder: Path) -> None:
    spec = write(folder, "image,caption\na.png,one\n")
    with pytest.raises(DataError, match=r"t\.csv: expected a column 'filepath', found 'image', 'c"):
        data.open(spec)
    assert len(data.open(f"{spec};img_key=image;caption_key=caption")) == 1
    with pytest.raises(DataError, match="expected a column 'title'"):
        data.open(f"{spec};img_key=image")


def test_another_separator_is_guessed_in_the_message(folder: Path) -> None:
    spec = write(folder, "filepath\twords\na.png\tone\n")
    with pytest.raises(DataError, match="separator=tab"):
        data.open(spec)
    spec = f"{spec};caption_key=words"
    for separator in ("tab", "\\t", "\t"):
        assert len(data.open(f"{spec};separator={separator}")) == 1
    with pytest.raises(DataError, match="expected one character"):
        data.open(f"{spec};separator=--")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.png", "expected 2 columns as in the header, found 1"),
        ("a.png,x,y", "expected 2 columns as in the header, found 3"),
        (",caption", "expected a picture's path, found ''"),
        ("a.png,", "the caption is empty"),
        ("/etc/passwd,caption", "path '/etc/passwd' leaves the data folder"),
        ("../a.png,caption", "path '../a.png' leaves the data folder"),
        ("é/../../a.png,caption", "path 'é/../../a.png' leaves the data folder"),
        (f"{'x' * 5000},caption", "expected a picture's path"),
    ],
)
def test_bad_rows_are_named_and_skipped(folder: Path, row: str, reason: str) -> None:
    opened = data.open(write(folder, f"filepath,title\n{row}\nb c.png,two\n"), max_bad=0.5)
    assert listed(opened) == [("b c.png", ["two"])]
    assert f"row 1: {reason}" in opened.problems.summary()


def test_paths_outside_when_allowed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    array = save(elsewhere / "o.png", 5)
    spec = write(folder, f"filepath,title\n{elsewhere / 'o.png'},outside\n")
    with pytest.raises(DataError, match="--allow-outside"):
        data.open(spec)
    np.testing.assert_array_equal(data.open(spec, allow_outside=True).load(0), array)


def test_absolute_paths_inside_are_fine(folder: Path) -> None:
    spec = write(folder, f"filepath,title\n{folder / 'a.png'},inside\n")
    assert listed(data.open(spec)) == [("a.png", ["inside"])]


def test_a_missing_picture_is_found_when_it_is_read(folder: Path) -> None:
    opened = data.open(write(folder, "filepath,title\nnone.png,one\n"))
    with pytest.raises(data.BadItem, match=r"none\.png: no such file"):
        opened.load(0)
