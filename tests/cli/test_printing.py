"""No text, encoding, terminal or reader that printing meets costs a command its result."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from checkpoints import write_checkpoint

from csparc._progress import Progress
from csparc._terminal import escaped
from csparc.cli import main as cli
from csparc.cli.output import Printed

STEERING = ["\x1b[31m", "\x07", "\r", "\x9b2J", "\x85", "\u202e", "\u2066", "\u2028", "\x7f"]
STEERING += ["\udc9b2J"]  # a byte of a name that is no text
TRAIN = ["train", "--train-data", "scenes:tier=S;size=8", "--batch-size", "4"]
ENCODINGS = ["latin-1", "ascii", "cp1252", "utf-8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkpoint, and pictures one of which cannot be read and has a name few encodings have."""
    from PIL import Image

    place = tmp_path_factory.mktemp("fotos-é")
    write_checkpoint(place / "model.safetensors")
    (place / "data").mkdir()
    rng = np.random.default_rng(1)
    for name in [*(f"p{number:02d}" for number in range(20)), "größe_犬3"]:
        picture = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
        picture.save(place / "data" / f"{name}.png")
        (place / "data" / f"{name}.txt").write_text("a red square\n")
    (place / "data" / "größe_犬3.png").write_bytes(b"")
    return place


def run(*arguments: str, redirection: str = "", **environment: str) -> subprocess.CompletedProcess:
    words = [sys.executable, "-m", "csparc", *arguments]
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *words],
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        capture_output=True,
        timeout=300,
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_without_the_letters_costs_no_result(encoding, folder, tmp_path) -> None:
    file = tmp_path / "犬.json"
    command = ["eval", "retrieval", "--checkpoint", str(folder / "model.safetensors")]
    data = ["--data", f"folder:{folder / 'data'}", "--json", str(file)]
    done = run(*command, *data, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())["bad_items"] == 1
    letter = "犬".encode() if encoding == "utf-8" else rb"\u72ac"
    assert b"_" + letter + b"3.png" in done.stdout


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_the_last_line_is_printed_in_any_encoding(encoding, tmp_path) -> None:
    out = tmp_path / "lauf-犬"
    done = run(*TRAIN, "--steps", "1", "--out", str(out), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(rb"lauf-\u72ac")
    assert (out / "checkpoints" / "last.safetensors").exists()


def test_results_are_written_before_they_are_printed(folder, tmp_path) -> None:
    """Standard output is full, which is told after the file was written."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    for task in ("retrieval", "grounding"):
        file = tmp_path / f"{task}.json"
        done = run(
            "eval", task, "--checkpoint", str(folder / "model.safetensors"),
            "--data", "scenes:tier=S;size=8", "--json", str(file),
            redirection="> /dev/full", PYTHONUNBUFFERED="1",
        )  # fmt: skip
        assert done.returncode == 2
        last = done.stderr.splitlines()[-1]
        assert last == b"csparc: standard output: No space left on device"
        assert json.loads(file.read_text())["config"]["data"].startswith("scenes:")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2>&1 | head -c 1"])
def test_a_lost_standard_error_does_not_stop_training(redirection, tmp_path) -> None:
    done = run(*TRAIN, "--steps", "3", "--out", str(tmp_path / "run"), redirection=redirection)
    assert done.returncode == 0
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()


class Lost(io.StringIO):
    """A stream whose other end has gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize("kind", ["lines", "bar"])
@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "gone"), OSError(5, "I/O"), OSError(28, "full"), ValueError("")]
)
def test_progress_that_cannot_be_shown_is_left_out(kind, error, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", Lost(error))
    with Progress("working", 3, kind=kind, lasting=True) as progress:
        progress.to(3, 3, "a note")
        progress.say("a line")
    assert progress.kind == "none"


@pytest.mark.parametrize("steering", STEERING)
def test_no_text_steers_the_terminal(steering, capsys, monkeypatch) -> None:
    """Of an error, a warning, an argument, a line about the run, and what is printed."""

    def tell(arguments) -> int:
        print(f"shard {steering}.tar\tgood")
        warning = UserWarning(f"glyph {steering} missing")
        sys.stderr.write(warnings.formatwarning(warning, UserWarning, __file__, 1))
        Progress("working", kind="lines").say(f"skipped {steering}.png")
        raise ValueError(f"found {steering}")

    monkeypatch.setattr("csparc.cli.info.run", tell)
    assert cli.main(["info"]) == 2
    with pytest.raises(SystemExit):
        cli.main(["info", f"--{steering}"])
    printed = capsys.readouterr()
    shown = printed.out + printed.err
    assert steering not in shown
    shows = ascii(steering)[1:-1]
    assert printed.out == f"shard {shows}.tar\tgood\n"
    assert printed.err.count("\n") == 4
    assert shown.count(shows) >= 2  # white space among them is a blank in an error


@pytest.mark.parametrize("text", ["größe 犬 🦊", "زهرة", "a\\b", "line\n\tnext"])
def test_other_text_stays_as_it_is(text) -> None:
    assert escaped(text, keep="\n\t") == text


@pytest.mark.parametrize("text", ["犬", "\udce9"])
def test_text_an_encoding_lacks_is_spelled_out(text) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    print(text, file=Printed(stream), flush=True)
    assert stream.buffer.getvalue() == ascii(text)[1:-1].encode() + b"\n"


def test_notes_neither_steer_the_terminal_nor_cost_a_result(folder, tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("p00", "p01"):
        for ending in ("png", "txt"):
            (data / f"{name}.{ending}").write_bytes(
                (folder / "data" / f"{name}.{ending}").read_bytes()
            )
    (data / "notes.\x1b[31mmd").write_text("notes")
    words = "encode", "--checkpoint", folder / "model.safetensors", "--data", f"folder:{data}"
    said = run(*map(str, words), "--out", str(tmp_path / "a.npz"))
    assert rb"not used: 1 .\x1b[31mmd (" in said.stderr
    assert b"\x1b" not in said.stderr
    full = run(*map(str, words), "--out", str(tmp_path / "b.npz"), redirection="2>/dev/full")
    assert full.returncode == 0
    assert (tmp_path / "b.npz").exists()
