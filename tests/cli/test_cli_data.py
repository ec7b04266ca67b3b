"""What commands say about data: notes once on standard error, results alone on standard output."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import save

from csparc.cli import common
from csparc.cli import main as cli
from csparc.errors import DataError

for needed in ("PIL", "tokenizers", "safetensors", "tqdm"):
    pytest.importorskip(needed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps on twelve pictures."""
    folder = tmp_path_factory.mktemp("run")
    fill(folder / "photos")
    spec = f"folder:{folder / 'photos'}"
    words = ["--batch-size", "4", "--steps", "2", "--out", str(folder / "run")]
    assert cli.main(["train", "--train-data", spec, *words]) == 0
    return folder


def fill(folder: Path) -> Path:
    for number in range(12):
        save(folder / f"p{number:03d}.png", number)
        (folder / f"p{number:03d}.txt").write_text(f"picture {number}\n")
    return folder


def reading(**given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    common.add_reading(parser)
    return argparse.Namespace(**vars(parser.parse_args([])) | given)


@pytest.mark.parametrize("command", ["encode", "eval retrieval", "train"])
def test_notes_are_said_once_beside_the_result(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture, command: str
) -> None:
    (fill(tmp_path / "set") / "notes.md").write_text("x")
    flag = "--train-data" if command == "train" else "--data"
    words = [*command.split(), flag, f"folder:{tmp_path / 'set'}"]
    if command == "train":
        words += ["--batch-size", "4", "--steps", "1", "--out", str(tmp_path / "r")]
    else:
        words += ["--checkpoint", str(trained / "run")]
    if command == "encode":
        words += ["--out", str(tmp_path / "f.npz")]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    assert said.err.count("not used: 1 .md (notes.md)") == 1
    assert "notes.md" not in said.out


def test_the_limit_of_pixels_can_be_raised_and_lowered(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["encode", "--checkpoint", str(trained / "run"), "--out", str(tmp_path / "f.npz")]
    words += ["--data", f"folder:{trained / 'photos'}", "--max-pixels"]
    assert cli.main([*words, "191"]) == 2
    assert "16 x 12 pixels are more than the limit of 191" in capsys.readouterr().err
    assert cli.main([*words, "192"]) == 0
    assert len(np.load(tmp_path / "f.npz")["image_features"]) == 12
    align = ["align", "--checkpoint", str(trained / "run"), "--caption", "a dog"]
    align += ["--image", str(trained / "photos" / "p000.png"), "--out", str(tmp_path / "o.png")]
    assert cli.main([*align, "--max-pixels", "191"]) == 2
    assert "(max_pixels=, --max-pixels, to allow more)" in capsys.readouterr().err


def test_a_missing_image_has_a_hint(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    words = ["align", "--checkpoint", "run", "--caption", "a dog", "--out", str(tmp_path / "o.png")]
    assert cli.main([*words, "--image", "photos\\p000.png"]) == 2
    assert "write 'photos/p000.png' (that is there)" in capsys.readouterr().err


def test_demo_takes_the_limit_with_data_alone(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["demo", "--max-pixels", "5"]) == 2
    assert "--max-pixels: has no effect without --data" in capsys.readouterr().err


def test_columns_are_for_the_data_that_takes_them(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    table = folder / "t.csv"
    table.write_text("filepath,words\np000.png,one\n")
    arguments = reading(csv_caption_key="words")
    spec = f"folder:{folder};captions=none"
    assert len(common.open_silently(f"csv:{table}", arguments, [spec])) == 1
    images = tmp_path / "c.json"
    shutil.copy(table, images)
    with pytest.raises(DataError, match="caption_key=words: has no effect"):
        common.open_silently(f"coco:{folder},{images}", arguments)
    with pytest.raises(DataError, match="no valid JSON"):
        common.open_silently(f"coco:{folder},{images}", arguments, [f"csv:{table}"])
