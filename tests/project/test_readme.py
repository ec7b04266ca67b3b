"""Every code block of the README runs as it is printed.

The first two shell blocks install the package and run this suite: CI runs those (.ci/run).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL.Image")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")
pytest.importorskip("matplotlib")

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
INSTALLING = 2


def blocks(root: Path, language: str) -> list[str]:
    return [
        text for kind, text in BLOCK.findall((root / "README.md").read_text()) if kind == language
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder: ``photos/`` holds pictures and captions, one of them a red bicycle."""
    from PIL import Image

    place = tmp_path_factory.mktemp("somebody's pictures")
    (place / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        colour, thing = ("red", "green", "blue")[i % 3], ("bicycle", "boat", "house", "tree")[i % 4]
        name = "bicycle" if i == 0 else f"{colour}-{thing}-{i}"
        pixels = rng.integers(0, 80, size=(48, 64, 3), dtype=np.uint8)
        pixels[12:36, 16:48, i % 3] = 220
        Image.fromarray(pixels).save(place / "photos" / f"{name}.png")
        (place / "photos" / f"{name}.txt").write_text(f"a {colour} {thing}\n")
    return place


def run_in(folder: Path, command: list[str] | str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    answer = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, f"{command}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


def test_python_blocks(folder: Path, root: Path) -> None:
    found = blocks(root, "python")
    assert found
    for text in found:
        run_in(folder, [sys.executable, "-W", "error", "-c", text])
    assert (folder / "alignment.png").stat().st_size > 0


def test_shell_blocks(folder: Path, root: Path) -> None:
    assert shutil.which("csparc", path=str(Path(sys.executable).parent))
    found = [line for text in blocks(root, "sh")[INSTALLING:] for line in text.splitlines() if line]
    assert found
    for line in found:
        run_in(folder, line)


def test_the_first_screen_is_two_command_lines(root: Path) -> None:
    assert all(text.count("\n") == 1 for text in blocks(root, "sh")[:INSTALLING])


def test_the_loss_needs_numpy_alone(folder: Path) -> None:
    program = "import sys, csparc; csparc.sparc_loss; print(*sorted(sys.modules))"
    modules = set(run_in(folder, [sys.executable, "-c", program]).split())
    assert not modules & {"PIL", "tokenizers", "safetensors", "tqdm", "matplotlib", "torch", "jax"}
