"""A folder of pictures is read with its texts, and no link leads out of it unless allowed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pictures import save

from csparc import data
from csparc.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one in a subfolder."""
    for number, name in enumerate(["b.png", "a.PNG", "deep/er/c.png"]):
        path = tmp_path / "set" / name
        save(path, number)
        path.with_suffix(".txt").write_text(f"caption {number}\n\n  second  one {number}\r\n")
    return tmp_path / "set"


def test_text_beside_each_picture(folder: Path) -> None:
    opened = data.open(f"folder:{folder}")
    assert [opened.name(i) for i in range(3)] == ["a.PNG", "b.png", "deep/er/c.png"]
    assert opened.captions(2) == ["caption 2", "second one 2"]
    picture = opened.load(1)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, save(folder / "b.png", 0))


def test_hidden_files_and_others_are_passed_over(folder: Path) -> None:
    save(folder / ".thumbs" / "x.png")
    save(folder / "._b.png")
    (folder / "notes.md").write_text("no picture")
    assert len(data.open(folder)) == 3


def test_byte_order_mark_and_unicode(folder: Path) -> None:
    (folder / "a.txt").write_bytes("\ufeffein Häuschen\n画像\n".encode())
    assert data.open(folder).captions(0) == ["ein Häuschen", "画像"]


def test_pictures_without_text_are_counted(folder: Path) -> None:
    save(folder / "d.png", 4)
    (folder / "e.txt").write_text("text without a picture")
    with pytest.raises(DataError, match=r"1 of 7 items are bad.*d\.png: has no captions"):
        data.open(folder)
    opened = data.open(folder, max_bad=0.5)
    assert len(opened) == 3
    assert list(opened.problems.reasons) == ["d.png"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no caption"),
        (b"\n \r\n", "has no caption"),
        (b"\xe9t\xe9", "another encoding"),
        (b"nul \0 here", "NUL"),
        (b"x" * (1 << 20) + b"y", "more than"),
    ],
)
def test_bad_texts(folder: Path, content: bytes, reason: str) -> None:
    (folder / "a.txt").write_bytes(content)
    opened = data.open(folder, max_bad=0.5)
    assert len(opened) == 2
    assert reason in opened.problems.summary()


def test_no_such_folder_and_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no such folder"):
        data.open(f"folder:{tmp_path / 'none'}")
    with pytest.raises(DataError, match="expected pictures"):
        data.open(f"folder:{tmp_path}")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="found a file"):
        data.open(f"folder:{tmp_path / 'file'}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.txt", "a.PNG\tone, two\nb.png\tthree\na.PNG\tfour\n"),
        ("captions.txt", "image,caption\na.PNG,one, two\nb.png,three\na.PNG,four\n"),
        ("captions.txt", 'a.PNG,"one, two"\nb.png,three\na.PNG, four\n'),
        ("results.token", "a.PNG#0\tone, two\r\nb.png#0\tthree\r\na.PNG#1\tfour"),
        ("results.csv", "image_name| comment_number| comment\n"
                        "a.PNG| 0| one, two\nb.png| 4 three\na.PNG| 1| four\n"),
        ("captions.csv", '\ufefffile_name,text\na.PNG,"one, two"\nb.png,three\na.PNG,four\n'),
        ("metadata.tsv", "image\tcaption\nb.png\tthree\na.PNG\tone, two\na.PNG\tfour\n"),
        ("metadata.jsonl", '{"file_name": "a.PNG", "text": ["one, two", "four"]}\n\n'
                           '{"file_name": "b.png", "captions": ["three"]}\n'),
    ],
)  # fmt: skip
def test_captions_file(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    opened = data.open(folder)
    assert len(opened.problems) == 0
    found = {opened.name(i): opened.captions(i) for i in range(len(opened))}
    assert found == {"a.PNG": ["one, two", "four"], "b.png": ["three"]}


def test_captions_file_by_option(folder: Path) -> None:
    (folder / "mine.txt").write_text("deep/er/c.png\tthe deep one\n")
    assert data.open(f"folder:{folder};captions=mine.txt").captions(0) == ["the deep one"]
    (folder / "mine.jsonl").write_text('{"p": "b.png", "c": "the b"}\n')
    spec = f"folder:{folder};captions=mine.jsonl;img_key=p;caption_key=c"
    assert data.open(spec).captions(0) == ["the b"]
    with pytest.raises(DataError, match="found no such file"):
        data.open(f"folder:{folder};captions=none.txt")


def test_two_captions_files_are_one_too_many(folder: Path) -> None:
    (folder / "captions.txt").write_text("a.PNG\tone\n")
    (folder / "captions.csv").write_text("file_name,text\na.PNG,one\n")
    with pytest.raises(DataError, match=r"found captions\.txt, captions\.csv"):
        data.open(folder)


def test_captions_file_rows_that_do_not_fit(folder: Path) -> None:
    (folder / "captions.txt").write_text("a.PNG\tone\nno picture here\n../x.png\ttwo\n")
    opened = data.open(folder, max_bad=0.9)
    assert len(opened) == 1
    assert "line 2: expected a picture's name" in opened.problems.summary()
    assert "leaves the data folder" in opened.problems.summary()


def test_max_captions(folder: Path) -> None:
    assert data.open(f"folder:{folder};max_captions=1").captions(0) == ["caption 1"]


def test_links_may_not_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "secret.png", 9)
    (tmp_path / "secret.txt").write_text("secret\n")
    os.symlink(tmp_path / "secret.png", folder / "link.png")
    (folder / "link.txt").write_text("a link\n")
    opened = data.open(folder)
    index = [opened.name(i) for i in range(len(opened))].index("link.png")
    with pytest.raises(data.BadItem, match="link that leaves"):
        opened.load(index)
    trusted = data.open(folder, allow_outside=True)
    np.testing.assert_array_equal(trusted.load(index), save(tmp_path / "x.png", 9))
    (folder / "link.txt").unlink()
    os.symlink(tmp_path / "secret.txt", folder / "link.txt")
    assert "link that leaves" in data.open(folder, max_bad=0.5).problems.summary()


def test_links_inside_the_folder_are_fine(folder: Path) -> None:
    os.symlink("b.png", folder / "same.png")
    os.symlink("b.txt", folder / "same.txt")
    opened = data.open(folder)
    np.testing.assert_array_equal(opened.load(1), opened.load(3))


def test_a_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    os.symlink(folder, tmp_path / "alias")
    assert data.open(tmp_path / "alias").load(0).shape == (12, 16, 3)


def test_loops_of_links_end(folder: Path) -> None:
    os.symlink(folder, folder / "deep" / "again")
    assert len(data.open(folder)) == 3
    assert len(data.open(folder, allow_outside=True)) == 3


def test_a_pipe_is_no_picture(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "pipe.txt").write_text("would hang\n")
    opened = data.open(folder)
    index = [opened.name(i) for i in range(len(opened))].index("pipe.png")
    with pytest.raises(data.BadItem, match="not a regular file"):
        opened.load(index)
    os.mkfifo(folder / "captions.txt")
    assert len(data.open(folder)) == 4


def test_a_picture_that_went_away(folder: Path) -> None:
    opened = data.open(folder)
    (folder / "b.png").unlink()
    with pytest.raises(data.BadItem, match=r"b\.png: no such file"):
        opened.load(1)
