"""``csparc index`` and ``csparc search`` print what they did, and errors that say what to do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import picture_index
import pytest
from interrupts import heed_interrupts
from PIL import Image

from csparc.cli.main import main
from csparc.search import export_index, open_index
from csparc.search.files import open_vectors, read_manifest


def said(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, what was printed, and the error."""
    code = main([str(one) for one in arguments])
    return code, *capsys.readouterr()


def test_index_says_what_it_did(run, photos, tmp_path, capsys):
    command = ("index", "--checkpoint", run, "--data", f"folder:{photos}", "--out", tmp_path / "i")
    code, out, _ = said(capsys, *command, "--export", "npy")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("1 bad item skipped: broken.jpg: expected a picture")
    expected = "20 pictures: 20 encoded, 0 recognised by their content, 0 removed, 1 skipped"
    assert lines[1] == expected
    assert [Path(line).name for line in lines[2:]] == ["export.npy", "export.jsonl", "i"]
    (photos / "00.png").unlink()
    code, out, _ = said(capsys, *command)
    assert "19 pictures: 0 encoded, 0 recognised by their content, 1 removed, 1 skipped" in out


def test_an_index_is_not_mixed_with_a_run(run, photos, capsys):
    there = sorted(run.rglob("*"))
    command = ("index", "--checkpoint", run, "--data", f"folder:{photos}", "--out", run)
    code, _, told = said(capsys, *command)
    assert code == 2
    assert "out: expected a folder without a run for an index, found" in told
    assert sorted(run.rglob("*")) == there


def test_search_prints_a_table(whole, index, capsys):
    code, out, _ = said(capsys, "search", whole[1], "a red circle", "--k", 12)
    assert code == 0
    hits = index.search("a red circle", 12)
    rows = [line.split() for line in out.splitlines()]
    assert [row[2] for row in rows] == [hit.name for hit in hits]
    assert [int(row[0]) for row in rows] == list(range(1, 13))
    assert float(rows[0][1]) == pytest.approx(hits[0].score, abs=1e-3)


def test_search_prints_json(whole, index, capsys):
    code, out, _ = said(capsys, "search", whole[1], "a red circle", "--json")
    assert code == 0
    found = json.loads(out)
    assert [hit["index"] for hit in found["hits"]] == [
        hit.index for hit in index.search("a red circle", 9)
    ]
    assert found["pictures"] == picture_index.COUNT
    assert found["sentence"] == "a red circle"


def test_search_with_a_picture_finds_it_and_with_both_the_middle(whole, index, capsys):
    picture = whole[0] / "07.png"
    code, out, _ = said(capsys, "search", whole[1], "--image", picture, "--k", 1)
    assert (code, out.split()[2]) == (0, "07.png")
    both = index.search("a circle", picture_index.COUNT, image=index.load(0))
    one, other = (
        {hit.index: hit.score for hit in index.search(*given, picture_index.COUNT, **named)}
        for given, named in ((("a circle",), {}), ((None,), {"image": index.load(0)}))
    )
    sums = sorted(one, key=lambda row: (-(one[row] + other[row]), row))
    assert [hit.index for hit in both] == sums


def test_search_writes_a_page_that_loads_nothing(run, tmp_path, capsys):
    photos = picture_index.make_photos(tmp_path / "photos", 3)
    (photos / "<b>bold<b>.png").write_bytes((photos / "00.png").read_bytes())
    picture_index.update(run, photos, tmp_path / "index")
    (photos / "01.png").unlink()
    page = tmp_path / "found.html"
    code, out, _ = said(capsys, "search", tmp_path / "index", "a <i>boat</i>", "--html", page)
    assert (code, out.strip()) == (0, str(page))
    text = page.read_text()
    assert text.count('<img src="data:image/jpeg;base64,') == 3
    assert "no such file in the data folder" in text
    assert "<b>bold" not in text
    assert "<i>" not in text
    assert not re.search(r"https?:|url\(|@import|<script|src=\"(?!data:)", text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "sentence: expected a sentence, --image or both, found neither"),
        ((" ",), "sentence: expected at least one word"),
        (("a", "--image", "none.png"), "none.png: no such file"),
        (("a", "--html", "nowhere/page.html"), "expected an existing folder"),
        (("a", "--root", "nowhere"), "found no such folder: where it was moved, --root NEW"),
        (("a", "--checkpoint", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_searched_is_said(whole, capsys, arguments, says):
    code, _, error = said(capsys, "search", whole[1], *arguments)
    assert code == 2
    assert says in error
    assert error.count("\n") == 1


def test_an_index_whose_model_is_gone_or_trained_on(tmp_path, capsys):
    run = picture_index.make_run(tmp_path / "run")
    photos = picture_index.make_photos(tmp_path / "photos", 3)
    picture_index.update(run, photos, tmp_path / "index")
    run.rename(tmp_path / "moved")
    code, _, error = said(capsys, "search", tmp_path / "index", "a boat")
    assert code == 2
    assert "found none there: --checkpoint PATH" in error
    given = ("--checkpoint", tmp_path / "moved")
    assert said(capsys, "search", tmp_path / "index", "a boat", *given)[0] == 0
    picture_index.make_run(run, seed=3)
    code, _, error = said(capsys, "search", tmp_path / "index", "a boat")
    assert code == 2
    assert "--checkpoint names the right one; csparc index with --overwrite" in error


def test_no_index(tmp_path, capsys):
    code, _, error = said(capsys, "search", tmp_path, "a boat")
    assert code == 2
    assert "found none: csparc index --checkpoint PATH --data SPEC --out" in error


def test_a_missing_backend_names_its_extra(whole, photos, run, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, error = said(capsys, "search", whole[1], "a boat", "--backend", "faiss")
    assert code == 2
    assert "pip install 'csparc[faiss]'" in error
    command = ("index", "--checkpoint", run, "--data", photos, "--out", tmp_path / "i")
    code, _, error = said(capsys, *command, "--export", "parquet")
    assert code == 2
    assert "pip install 'csparc[parquet]'" in error
    assert not (tmp_path / "i").exists()


def test_faiss_and_numpy_find_the_same(whole, capsys):
    pytest.importorskip("faiss")
    command = ("search", whole[1], "a red circle", "--json", "--backend")
    assert said(capsys, *command, "faiss") == said(capsys, *command, "numpy")


def test_an_export_holds_the_index(run, photos, tmp_path):
    (photos / "00.txt").write_text("a red boat\n")
    picture_index.update(run, photos, tmp_path / "index")
    vectors = open_vectors(tmp_path / "index", read_manifest(tmp_path / "index"))
    array, text = export_index(tmp_path / "index", "npy")
    assert (np.load(array) == vectors).all()
    records = [json.loads(line) for line in text.read_text().splitlines()]
    index = open_index(tmp_path / "index")
    assert [one["path"] for one in records] == [index.entry(row).path for row in range(len(index))]
    assert records[0]["captions"] == ["a red boat"]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(*export_index(tmp_path / "index", "parquet")).to_pydict()
    assert table["path"] == [one["path"] for one in records]
    assert table["row"] == list(range(len(index)))
    assert table["captions"] == [one["captions"] for one in records]
    assert (np.array(table["vector"], np.float32) == vectors).all()


def test_browse_prints_an_address_that_answers(whole):
    process = subprocess.Popen(
        [sys.executable, "-m", "csparc", "browse", whole[1]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    try:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
        with urllib.request.urlopen(address, timeout=60) as page:
            assert b"<html" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert "csparc: interrupted" in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_a_picture_of_more_pixels_than_allowed_is_skipped(run, photos, tmp_path, capsys):
    Image.new("RGB", (200, 100)).save(photos / "large.png")
    command = ("index", "--checkpoint", run, "--data", photos, "--out", tmp_path / "index")
    code, out, _ = said(capsys, *command, "--max-pixels", 1000)
    assert code == 0
    assert "large.png: 200 x 100 pixels are more than the limit" in out
    assert f"{picture_index.COUNT} pictures: " in out
    assert os.listdir(tmp_path / "index")
