"""What a person sees of the command line when streams, arguments or the disk are not as usual."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from csparc.cli import common
from csparc.cli import main as cli

PROGRAM = "import sys; from csparc.cli.main import main; sys.exit(main())"


def run(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``csparc ARGUMENTS`` in a shell that redirects its streams."""
    words = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *words],
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(redirection: str) -> None:
    done = run(redirection, "info")
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line() -> None:
    done = run("> /dev/full", "info")
    assert done.returncode == 2
    assert done.stderr == "csparc: standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--nonsense"], "csparc train: error: "),
        (["train", "--train-data", "x", "--out", "y"], "one of the arguments --steps --epochs"),
        (["demo", "--steps", "0"], "--steps: expected a whole number of at least 1, found 0"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, says, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said
    assert said.endswith("--help)\n")


def test_a_warning_is_one_line_without_the_place_in_the_source(capsys, monkeypatch) -> None:
    def warn(arguments) -> int:
        warning = UserWarning("a caption\nwas cut")
        sys.stderr.write(warnings.formatwarning(warning, UserWarning, __file__, 1))
        return 0

    monkeypatch.setattr("csparc.cli.info.run", warn)
    before = warnings.formatwarning
    assert cli.main(["info"]) == 0
    assert capsys.readouterr().err == "csparc: warning: a caption was cut\n"
    assert warnings.formatwarning is before


def test_a_full_disk_is_named_and_leaves_no_half_file(tmp_path: Path) -> None:
    out = tmp_path / "features.npz"

    def write_half() -> None:
        with common.writing(out):
            out.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        write_half()
    assert caught.value.filename == str(out)
    assert not out.exists()


def test_a_file_that_cannot_be_opened_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "features.npz"
    out.write_bytes(b"precious")

    def fail_to_open() -> None:
        with common.writing(out):
            raise PermissionError(13, "Permission denied", str(out))

    with pytest.raises(PermissionError):
        fail_to_open()
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "caption", "says"),
    [
        ("picture", "a", "out: expected a file ending in .png, .svg, .pdf, found 'picture'"),
        ("a.png", " ", "caption: expected at least one word, found ' '"),
    ],
)
def test_align_refuses_before_any_work(name, caption, says, tmp_path: Path, capsys) -> None:
    command = ["align", "--checkpoint", "c", "--image", "i", "--caption", caption]
    assert cli.main([*command, "--out", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err == f"csparc: {says}\n"
