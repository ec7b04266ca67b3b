"""Folders as people and systems leave them: every file is used, or counted and named once."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from pictures import save

from csparc import data
from csparc.errors import DataError


def fill(folder: Path, count: int = 4, text: str = "picture {}\n") -> Path:
    for number in range(count):
        save(folder / f"p{number:03d}.png", number)
        (folder / f"p{number:03d}.txt").write_text(text.format(number), encoding="utf-8")
    return folder


def names(found: data.Dataset) -> list[str]:
    return [found.name(number) for number in range(len(found))]


def test_an_ordinary_folder_has_no_notes(tmp_path: Path) -> None:
    assert data.open(fill(tmp_path)).problems.notes() == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("notes.md", "1 .md (notes.md)"),
        ("p009.txt", "1 .txt (p009.txt)"),
        ("IMG.HEIC", "1 .heic (IMG.HEIC)"),
        ("IMG.CR2", "1 .cr2 (IMG.CR2)"),
        (".DS_Store", "hidden files and folders (1)"),
        ("._p000.png", "hidden files and folders (1)"),
        ("__MACOSX/._p000.png", "hidden files and folders (1)"),
        (".thumbs/x.png", "hidden files and folders (1)"),
        ("p000.TXT", "1 .txt (p000.TXT)"),
        ("README", "1 without ending (README)"),
        ("sub/x.json", "1 .json (sub/x.json)"),
    ],
)
def test_what_is_not_used_is_counted(tmp_path: Path, file: str, said: str) -> None:
    fill(tmp_path)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"x")
    found = data.open(tmp_path)
    assert len(found) == 4
    assert found.problems.notes() == [f"{tmp_path}: not used: {said}"]


def test_pictures_that_a_captions_file_does_not_name_are_counted(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    (tmp_path / "a" / "captions.csv").write_text("file_name,text\np001.png,one\n")
    found = data.open(tmp_path / "a")
    assert names(found) == ["p001.png"]
    chosen, unused = found.problems.notes()
    assert "captions are read from captions.csv" in chosen
    assert "captions=none" in chosen
    assert "3 .png (p000.png), 4 .txt (p000.txt)" in unused


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(5, "EIO"), OSError(116, "")])
def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    fill(tmp_path, 12)
    fill(tmp_path / "locked")
    scandir = os.scandir

    def refuses(path: str) -> object:
        if os.fspath(path).endswith("locked"):
            error.filename = path
            raise error
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.warns(UserWarning, match=r"locked: the folder cannot be listed"):
        found = data.open(tmp_path)
    assert len(found) == 12
    assert "locked: the folder cannot be listed" in found.problems.summary()


def test_a_folder_of_other_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.HEIC").write_bytes(b"x")
    with pytest.raises(DataError, match=r"found 1 files of other kinds \(\.heic\): convert them"):
        data.open(tmp_path)


ENDINGS = ["jpg", "JPG", "jpeg", "JPEG", "jfif", "png", "PNG", "Webp", "tif", "TIFF", "bmp", "gif"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("text", ["txt", "TXT", "Txt"])
def test_endings_are_taken_in_any_case(tmp_path: Path, ending: str, text: str) -> None:
    save(tmp_path / "P000.png", 1).tobytes()
    os.rename(tmp_path / "P000.png", tmp_path / f"P000.{ending}")
    (tmp_path / f"P000.{text}").write_text("one\n")
    found = data.open(tmp_path)
    assert found.captions(0) == ["one"]
    assert found.problems.notes() == []


@pytest.mark.parametrize("there", ["P000.txt", "p000.png.txt", "P000.PNG.TXT"])
def test_a_text_of_nearly_the_name_is_named(tmp_path: Path, there: str) -> None:
    save(tmp_path / "p000.png")
    (tmp_path / there).write_text("one\n")
    with pytest.raises(DataError, match=rf"expected p000\.txt \({there} is there\)"):
        data.open(tmp_path)


def test_a_text_of_two_pictures_is_said(tmp_path: Path) -> None:
    fill(tmp_path)
    save(tmp_path / "p001.webp.png")
    os.rename(tmp_path / "p001.webp.png", tmp_path / "p001.bmp")
    with pytest.warns(UserWarning, match=r"p001\.txt: is the caption text of both p001\.bmp and"):
        assert len(data.open(tmp_path)) == 5


@pytest.mark.parametrize(("picture", "text"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_texts_in_another_unicode_form_are_found(tmp_path: Path, picture: str, text: str) -> None:
    for name in ("Café_Übung0", "が0", "Å"):
        save(tmp_path / f"{unicodedata.normalize(picture, name)}.png")
        (tmp_path / f"{unicodedata.normalize(text, name)}.txt").write_text("one\n")
    assert len(data.open(tmp_path, max_bad=0)) == 3


@pytest.mark.parametrize("stem", ["results", "captions", "metadata"])
def test_a_text_beside_its_picture_is_no_captions_file(tmp_path: Path, stem: str) -> None:
    fill(tmp_path)
    save(tmp_path / f"{stem}.png")
    (tmp_path / f"{stem}.txt").write_text("a chart on a wall\n")
    found = data.open(tmp_path, max_bad=0)
    assert len(found) == 5
    assert ["a chart on a wall"] in [found.captions(number) for number in range(5)]


def test_a_table_beside_a_picture_of_its_name_is_a_captions_file(tmp_path: Path) -> None:
    save(tmp_path / "metadata.png", 1)
    (tmp_path / "metadata.csv").write_text("file_name,text\nmetadata.png,one\n")
    assert data.open(tmp_path).captions(0) == ["one"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("results.csv", "step,loss\n1,0.5\n"),
        ("metadata.jsonl", '{"camera": "x"}\n'),
        ("results.txt", "R@1 12.5\n"),
        ("metadata.csv", "file_name,title\nother/x.png,x\n"),
    ],
)
def test_a_file_of_another_meaning_does_not_take_over(
    tmp_path: Path, file: str, content: str
) -> None:
    fill(tmp_path)
    (tmp_path / file).write_text(content)
    found = data.open(tmp_path, max_bad=0)
    assert len(found) == 4
    assert f"({file})" in found.problems.notes()[0]


def test_of_two_files_the_one_that_names_the_pictures_is_it(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "results.csv").write_text("step,loss\n1,0.5\n")
    (tmp_path / "captions.csv").write_text("file_name,text\np000.png,one\np001.png,two\n")
    assert data.open(tmp_path, max_bad=0).captions(1) == ["two"]
    for number in range(2):
        (tmp_path / f"p{number:03d}.txt").unlink()
    assert data.open(tmp_path, max_bad=0).captions(1) == ["two"]
    (tmp_path / "results.csv").write_text("file_name,text\np000.png,one\n")
    with pytest.raises(DataError, match=r"one captions file, found captions\.csv, results\.csv"):
        data.open(tmp_path)


def test_the_message_says_which_captions_file_was_chosen(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "results.txt").write_text("R@1\t12.5\nR@5\t20\n")
    with pytest.raises(DataError, match=r"captions from results\.txt; captions=FILE names another"):
        data.open(tmp_path)
    (tmp_path / "captions.csv").write_text("step,loss\n")
    (tmp_path / "results.txt").unlink()
    with pytest.raises(DataError, match=r"expected a column .*captions=none"):
        data.open(tmp_path)


def test_captions_none_reads_the_texts(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "captions.txt").write_text("p000.png\tanother\n")
    assert data.open(f"folder:{tmp_path}").captions(0) == ["another"]
    assert data.open(f"folder:{tmp_path};captions=none").captions(0) == ["picture 0"]


def test_a_whole_text_can_be_one_caption(tmp_path: Path) -> None:
    fill(tmp_path, 2, "one\r\nand {}\n\n")
    assert data.open(f"folder:{tmp_path}").captions(1) == ["one", "and 1"]
    assert data.open(f"folder:{tmp_path};text=whole").captions(1) == ["one and 1"]
    with pytest.raises(DataError, match="text: expected lines, whole, found 'all'"):
        data.open(f"folder:{tmp_path};text=all")


@pytest.mark.parametrize(
    ("file", "option"),
    [
        (None, "caption_key=text"),
        (None, "img_key=image"),
        (None, "separator=tab"),
        (None, "quoting=none"),
        ("captions.txt", "caption_key=text"),
        ("captions.txt", "separator=comma"),
        ("captions.txt", "text=whole"),
        ("captions.jsonl", "separator=comma"),
        ("captions.jsonl", "quoting=none"),
    ],
)
def test_an_option_without_effect_is_an_error(
    tmp_path: Path, file: str | None, option: str
) -> None:
    fill(tmp_path)
    if file is not None:
        (tmp_path / file).write_text('{"file_name": "p000.png", "text": "x"}\n')
        option = f"captions={file};{option}"
    with pytest.raises(DataError, match="has no effect"):
        data.open(f"folder:{tmp_path};{option}")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html>\n<html>", "an HTML page"),
        (bytes(30), "a file of zero bytes"),
        (b"\0\x05\x16\x07" + bytes(30), "what macOS keeps beside a file"),
    ],
)
def test_a_text_that_is_none_is_called_by_its_kind(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    (fill(tmp_path) / "p001.txt").write_bytes(content)
    found = data.open(tmp_path, max_bad=0.5)
    assert f"p001.txt: expected captions as text, found {kind}" in found.problems.summary()


@pytest.mark.parametrize("file", ["captions.tsv", "captions.jsonl", "captions.txt"])
def test_a_captions_file_in_another_unicode_form_names_its_pictures(
    tmp_path: Path, file: str
) -> None:
    name = unicodedata.normalize("NFC", "Übung é.png")
    save(tmp_path / unicodedata.normalize("NFD", name), 3)
    (tmp_path / f"{unicodedata.normalize('NFD', name)[:-4]}.txt").write_text("beside\n")
    lines = {
        "captions.tsv": f"file_name\ttext\n{name}\tone\n",
        "captions.jsonl": f'{{"file_name": "{name}", "text": "one"}}\n',
        "captions.txt": f"{name}\tone\n",
    }
    (tmp_path / file).write_text(lines[file], encoding="utf-8")
    found = data.open(tmp_path)
    assert found.captions(0) == ["one"]
    assert found.load(0).shape == (12, 16, 3)
    assert not [note for note in found.problems.notes() if ".png" in note]


@pytest.mark.parametrize("spec", ["folder:{}", "csv:{}", "coco:{},x.json"])
def test_what_cannot_be_looked_at_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    stat, blocked = os.stat, str(tmp_path / "locked" / "x")

    def refuses(path: object, *rest: object, **more: object) -> object:
        if path == blocked:
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *rest, **more)

    monkeypatch.setattr(os, "stat", refuses)
    with pytest.raises(DataError, match="Permission denied"):
        data.open(spec.format(blocked))


def test_utf_16_texts_are_read(tmp_path: Path) -> None:
    fill(tmp_path)
    for number, encoding in enumerate(["utf-16", "utf-16-le", "utf-8-sig", "utf-32"]):
        (tmp_path / f"p{number:03d}.txt").write_text("ein Häuschen\nzwei\n", encoding=encoding)
    found = data.open(tmp_path, max_bad=0)
    assert [found.captions(number) for number in range(4)] == [["ein Häuschen", "zwei"]] * 4


def table(folder: Path, given: str) -> data.Dataset:
    (folder / "t.csv").write_text(f"filepath,title\n{given},x\n", encoding="utf-8")
    return data.open(f"csv:{folder / 't.csv'}")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("none.png", r" in the table's folder /"),
        ("pics\\p000.png", r"write 'pics/p000\.png' \(that is there\)"),
        ("file://pics/p000.png", "without file://"),
        ("Pics/P000.PNG", r"'pics/p000\.png' is there, in another case"),
        ("pics /p000.png", r"'pics/p000\.png' is there, of almost the same name: compare the bl"),
        ("pics/ p000.png", r"is there, without blanks around its name"),
        ("p001.png", "it is there from the working folder"),
    ],
)
def test_a_missing_picture_says_what_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, hint: str
) -> None:
    fill(tmp_path / "set" / "pics")
    fill(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(data.BadItem, match=f"no such file.*{hint}"):
        table(tmp_path / "set", given).load(0)


@pytest.mark.parametrize("address", ["http://x.org/a.jpg", "https://x.org/a.jpg", "s3://b/a.jpg"])
def test_an_address_is_no_path(tmp_path: Path, address: str) -> None:
    with pytest.raises(DataError, match=f"found the address '{address}': fetch the picture"):
        table(tmp_path, address)


@pytest.mark.parametrize(("given", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_path_in_another_unicode_form_is_found(tmp_path: Path, given: str, there: str) -> None:
    path = "Übung/Café.png"
    expected = save(tmp_path / unicodedata.normalize(there, path), 3)
    found = table(tmp_path, unicodedata.normalize(given, path))
    np.testing.assert_array_equal(found.load(0), expected)


def test_blanks_of_a_name_are_kept_where_the_file_has_them(tmp_path: Path) -> None:
    expected = save(tmp_path / " a.png", 3)
    np.testing.assert_array_equal(table(tmp_path, " a.png").load(0), expected)
    expected = save(tmp_path / "b.png", 4)
    np.testing.assert_array_equal(table(tmp_path, " b.png ").load(0), expected)


@pytest.mark.parametrize(
    "spec", ["folder:~/s", "~/s", "csv:~/s/t.csv", "coco:~/s,~/s/c.json", "folder:~/s;text=lines"]
)
def test_a_tilde_is_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "s", 1)
    table(tmp_path / "s", "p000.png")
    (tmp_path / "s" / "c.json").write_text(
        '{"images": [{"id": 1, "file_name": "p000.png"}], '
        '"annotations": [{"image_id": 1, "caption": "x"}]}'
    )
    assert len(data.open(spec)) == 1


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("folder:Set", "'set' is there, in another case"),
        ("folder:set ", "'set' is there, without blanks"),
        ("folder:.\\set", r"write './set' \(that is there\)"),
        ("csv:none.csv", "looked for /"),
        ("Folder:set", "write folder: in lower case"),
        ("coco:Set,c.json", "'set' is there, in another case"),
        ("file:///set", "without file://, '/set'"),
    ],
)
def test_a_missing_path_of_a_specification_has_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "set", 1)
    with pytest.raises(DataError, match=hint):
        data.open(spec)


@pytest.mark.parametrize("scheme", ["coco:{0},{0}/c.json", "karpathy:{0},{0}/c.json,test", "{0}"])
def test_columns_have_no_effect_on_what_has_none(tmp_path: Path, scheme: str) -> None:
    fill(tmp_path, 1)
    for options in ({"img_key": "x"}, {"caption_key": "x"}, {"separator": ";"}):
        with pytest.raises(DataError, match="has no effect"):
            data.open(scheme.format(tmp_path), **options)


def test_scenes_have_the_first_of_their_captions() -> None:
    whole = data.open("scenes:size=3")
    assert len(whole.captions(1)) == 5
    assert data.open("scenes:size=3", max_captions=2).captions(1) == whole.captions(1)[:2]
