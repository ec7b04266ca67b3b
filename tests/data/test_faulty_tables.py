"""Tables as spreadsheets and data frames write them: no row is lost, and none without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import save

from csparc import data
from csparc.errors import DataError

COUNT = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        save(tmp_path / "pics" / f"p{number:03d}.png", number)
    return tmp_path


def opened(folder: Path, content: str | bytes, spec: str = "tsv:{}", **options) -> data.Dataset:
    path = folder / "table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return data.open(spec.format(path), **options)


def captions(found: data.Dataset) -> list[list[str]]:
    return [found.captions(number) for number in range(len(found))]


def lone_quotes(separator: str, rows: set[int], more: str = "") -> str:
    """A table in which the captions of some rows begin with a quote that is never closed."""
    lines = [separator.join(["filepath", "title"])]
    for number in range(COUNT):
        quote = '"' * (number in rows)
        lines.append(f"pics/p{number:03d}.png{separator}{quote}picture {number}{more}")
    return "\n".join(lines) + "\n"


@pytest.mark.filterwarnings("ignore:.*a quote that does not close its cell")
@pytest.mark.parametrize("rows", [{4, 11}, {4, 5}, {0, 23}, {7}, {1, 2, 3}, set(range(24)), {23}])
@pytest.mark.parametrize("scheme", ["tsv", "csv"])
def test_lone_quotes_swallow_no_rows(folder: Path, scheme: str, rows: set[int]) -> None:
    found = opened(folder, lone_quotes("\t" if scheme == "tsv" else ",", rows), f"{scheme}:{{}}")
    assert captions(found) == [
        [f"{chr(34) * (number in rows)}picture {number}"] for number in range(COUNT)
    ]
    first = min(rows)
    assert f"row {first + 1}, line {first + 2}" in found.problems.notes()[0]
    assert "quoting=none" in found.problems.notes()[0]


def test_quotes_that_hold_lines_together_are_kept(folder: Path) -> None:
    text = 'filepath,title\npics/p000.png,"red, round\nand ""new"""\npics/p001.png,"a\r\nb"\n'
    found = opened(folder, text, "csv:{}")
    assert captions(found) == [['red, round and "new"'], ["a b"]]
    assert found.problems.notes() == []
    quoted = 'filepath\ttitle\n"pics/p000.png"\t"one\ntwo"\n"pics/p001.png"\tx\n'
    assert captions(opened(folder, quoted)) == [["one two"], ["x"]]


def test_quoting_is_an_option(folder: Path) -> None:
    text = 'filepath\ttitle\npics/p000.png\t"one"\npics/p001.png\t"two\n'
    assert captions(opened(folder, text, "tsv:{};quoting=none")) == [['"one"'], ['"two']]
    with pytest.raises(DataError, match="a quote that does not close its cell"):
        opened(folder, text, "tsv:{};quoting=rfc4180")
    with pytest.raises(DataError, match="quoting: expected auto, rfc4180, none, found 'nine'"):
        opened(folder, text, "tsv:{};quoting=nine")


@pytest.mark.filterwarnings("ignore:.*a quote that does not close its cell")
@pytest.mark.parametrize("scheme", ["tsv", "csv"])
@pytest.mark.parametrize(
    ("cell", "caption"),
    [
        ('"Stop" sign', '"Stop" sign'),
        ('"Stop" and "Go"', '"Stop" and "Go"'),
        ('"', '"'),
        ('"red, round', '"red, round'),
        ('"a ""big"" dog"', 'a "big" dog'),
        ('5" pipe', '5" pipe'),
        ('"one" ', "one"),
    ],
)
def test_quotes_of_a_caption_stay(folder: Path, scheme: str, cell: str, caption: str) -> None:
    separator = "\t" if scheme == "tsv" else ","
    rows = [f"pics/p000.png{separator}{cell}", f"pics/p001.png{separator}another"]
    found = opened(folder, "\n".join([f"filepath{separator}title", *rows]), f"{scheme}:{{}}")
    assert captions(found) == [[caption], ["another"]]


def test_a_row_that_cannot_be_split_costs_itself_alone(folder: Path) -> None:
    rows = "".join(f"picture {number},pics/p{number:03d}.png\n" for number in range(12))
    text = f'title,filepath\n{rows}"red, round,pics/p020.png\nx,pics/p021.png\n'
    found = opened(folder, text, "csv:{}")
    assert len(found) == 13
    assert "row 13: expected 2 cells, found a quote" in found.problems.summary()


GOOD = "filepath,title\npics/p000.png,rot\npics/p001.png,grün\n"

EXPORTS = {
    "UTF-8 with its mark": GOOD.encode("utf-8-sig"),
    "UTF-16 with its mark": GOOD.encode("utf-16"),
    "UTF-16, little end first": GOOD.encode("utf-16-le"),
    "UTF-16, big end first": "\ufeff".encode("utf-16-be") + GOOD.encode("utf-16-be"),
    "UTF-32": GOOD.encode("utf-32"),
    "semicolons": GOOD.replace(",", ";").encode(),
    "tabs": GOOD.replace(",", "\t").encode(),
    "bars": GOOD.replace(",", "|").encode(),
    "semicolons that are stated": b"sep=;\r\n" + GOOD.replace(",", ";").encode(),
    "commas that are stated": b'"sep=,"\n' + GOOD.encode(),
    "Unicode text of a spreadsheet": GOOD.replace(",", "\t").encode("utf-16"),
    "every cell in quotes": b'"filepath";"title"\n"pics/p000.png";"rot"\n'
                            b'"pics/p001.png";"gr\xc3\xbcn"',
    "empty rows at the end": (GOOD + ",\n,\n\n").encode(),
    "carriage returns": GOOD.replace("\n", "\r").encode(),
    "invisible characters around cells": GOOD.replace(",", "\u200b,\ufeff").encode(),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["csv", "tsv"])
@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_spreadsheets_are_read(folder: Path, scheme: str, name: str) -> None:
    found = opened(folder, EXPORTS[name], f"{scheme}:{{}}", max_bad=0)
    assert captions(found) == [["rot"], ["grün"]]
    assert found.load(1).shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!doctype html><html></html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer.*git lfs pull"),
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", "a document of Excel"),
        (b"PAR1\x15" + bytes(20), "a Parquet table: save it as CSV"),
        (b"\x1f\x8b\x08" + bytes(20), "a gzip-compressed file"),
        (bytes(100), "a file of zero bytes"),
        (GOOD.encode("latin-1"), "another encoding: save it as UTF-8"),
        (GOOD.encode("utf-16")[:-1], "another encoding .*: save it as UTF-8"),
    ],
)
def test_other_files_are_called_by_their_kind(folder: Path, content: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=f"found {kind}"):
        opened(folder, content, "csv:{}")


@pytest.mark.parametrize("wrong", [b"gr\xfcn", b"a\0b", b"\xed\xa0\x80", b"x" * 200_000, b""])
@pytest.mark.parametrize("quoting", ["auto", "none"])
def test_one_row_refuses_itself_alone(folder: Path, wrong: bytes, quoting: str) -> None:
    rows = [f"pics/p{number:03d}.png,picture {number}".encode() for number in range(COUNT)]
    rows[5] = b"pics/p005.png," + wrong
    found = opened(folder, b"\n".join([b"filepath,title", *rows]), f"csv:{{}};quoting={quoting}")
    if len(wrong) < 1000 or quoting == "auto":
        assert len(found) == COUNT - 1
        assert "table row 6: " in found.problems.summary()


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "null", "<NA>"])
def test_words_for_an_empty_cell_are_warned_of_once(folder: Path, word: str) -> None:
    rows = [f"pics/p{n:03d}.png,{word if n % 3 == 0 else f'{word} {n}'}" for n in range(COUNT)]
    with pytest.warns(UserWarning, match="8 captions are words by which .* row 1: ") as caught:
        found = opened(folder, "\n".join(["filepath,title", *rows]), "csv:{}")
    assert len(caught) == 1
    assert len(found) == COUNT


def test_one_caption_of_such_a_word_is_no_news(folder: Path) -> None:
    text = "filepath,title\npics/p000.png,none\npics/p001.png,a dog\n"
    assert opened(folder, text, "csv:{}").problems.notes() == []


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("captions=x.txt", "captions=x.txt: has no effect"),
        ("text=whole", "text=whole: has no effect"),
        ("caption_key=nowhere", "expected a column 'nowhere'"),
        ("img_key=nowhere", "expected a column 'nowhere'"),
        ("separator=semicolon", "expected a column 'filepath'"),
        ("caption_key=title;caption_key=title", "caption_key is given twice"),
    ],
)
def test_an_option_has_an_effect_or_is_an_error(folder: Path, option: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        opened(folder, GOOD, f"csv:{{}};{option}")
