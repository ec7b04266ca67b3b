"""Commands that encode do so in the precision that is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
import small_training
from PIL import Image

from csparc.cli import main as cli
from csparc.data.export import export
from csparc.models import TwoTower, frozen

BF16 = ["--precision", "bf16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, eight pictures with captions, one more, and an index of the eight."""
    folder = tmp_path_factory.mktemp("precision")
    small_training.trainer(folder / "run", steps=1, val_data=None).run()
    export(small_training.scenes(8), "folder", folder / "photos")
    Image.fromarray(small_training.scenes(9).load(8)).save(folder / "one.png")
    assert cli.main(["index", *line("index", folder, folder / "index")]) == 0
    return folder


def line(command, folder, out):
    """The arguments of a command that writes ``out``, or prints."""
    given, data = ["--checkpoint", folder / "run"], ["--data", f"folder:{folder / 'photos'}"]
    lines = {
        "encode": [*given, *data, "--out", f"{out}.npz"],
        "encode --patches": [*given, *data, "--patches", "--out", out],
        "index": [*given, *data, "--out", out],
        "search": [folder / "index", "a red circle"],
        "search --image": [folder / "index", "--image", folder / "one.png"],
        "eval retrieval": [*given, *data, "--json", f"{out}.json"],
        "eval all": [*given, *data, "--json", f"{out}.json"],
        "report": [folder / "run", *data, "--out", f"{out}.html"],
        "align": [*given, "--image", folder / "one.png", "--caption", "a red circle", "--out",
                  f"{out}.png"],
    }  # fmt: skip
    return [str(word) for word in lines[command]]


COMMANDS = ("encode", "encode --patches", "index", "search", "search --image", "eval retrieval",
            "eval all", "report", "align")  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_both_towers_run_in_what_was_asked_for(command, folder, tmp_path, monkeypatch):
    seen = set()
    for home, name in ((TwoTower, "encode_image"), (TwoTower, "encode_text"),
                       (frozen, "image_rows"), (frozen, "text_rows")):  # fmt: skip
        monkeypatch.setattr(home, name, noting(getattr(home, name), seen))
    words = [*command.replace(" --image", "").split(), *line(command, folder, tmp_path / "out")]
    assert cli.main([*words, *BF16]) == 0
    assert seen == {"bf16"}


def noting(encode, seen):
    def noted(model, *arguments, **options):
        seen.add(model.precision)
        return encode(model, *arguments, **options)

    return noted


def test_embeddings_differ_by_rounding(folder, tmp_path):
    found = []
    for name, flags in (("plain", []), ("rounded", BF16)):
        assert cli.main(["encode", *line("encode", folder, tmp_path / name), *flags]) == 0
        found.append(np.load(tmp_path / f"{name}.npz"))
    for key in ("image_features", "text_features"):
        plain, rounded = (one[key] for one in found)
        assert not np.array_equal(plain, rounded)
        assert np.einsum("nd,nd->n", plain, rounded).min() > 0.99


def test_figures_say_what_they_were_computed_in(folder, tmp_path):
    for name, flags in (("plain", []), ("rounded", BF16)):
        words = ["eval", "retrieval", *line("eval retrieval", folder, tmp_path / name)]
        assert cli.main([*words, *flags]) == 0
    configs = [
        json.loads((tmp_path / f"{name}.json").read_text())["config"]
        for name in ("plain", "rounded")
    ]
    assert "precision" not in configs[0]
    assert configs[1]["precision"] == "bf16"
