"""Weights go round the layouts from the command line, and training goes on from them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_model import small_model
from small_training import scenes, tokenizer

from csparc import load_checkpoint
from csparc.cli import main as cli
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError
from csparc.models import TwoTower
from csparc.trainer import Trainer
from csparc.weights import write_weights
from csparc.weights.converting import convert

CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "argmax", "activation": "quick_gelu",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A CLIP as transformers lays it out."""
    return write_weights(small_model(np.float32, **CLIP), tmp_path / "hf", "hf").parent


def same(one: TwoTower, other: TwoTower) -> bool:
    return one.config == other.config and all(
        np.array_equal(p.data, other.parameters[name].data) for name, p in one.parameters.items()
    )


def test_round_the_layouts(folder, tmp_path, capsys):
    for source, out, to in (
        ("hf", "open_clip", "open_clip"),
        ("open_clip", "own.safetensors", "csparc"),
        ("own.safetensors", "again", "hf"),
    ):
        line = ["convert", str(tmp_path / source), str(tmp_path / out), "--to", to]
        assert cli.main(line) == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].startswith("TwoTower(")
        assert printed[-1].startswith(str(tmp_path / out))
    expected = load_checkpoint(folder)[0]
    for name in ("open_clip", "own.safetensors", "again"):
        assert same(load_checkpoint(tmp_path / name)[0], expected)


def test_sizes_and_half_precision(folder, tmp_path):
    line = ["convert", str(folder), str(tmp_path / "out"), "--to", "hf", "--dtype", "bf16"]
    assert cli.main([*line, "--image-size", "24", "--context-length", "5"]) == 0
    model = load_checkpoint(tmp_path / "out")[0]
    assert (model.config.image_size, model.config.context_length) == (24, 5)
    record = json.loads((tmp_path / "out" / "config.json").read_text())
    assert record["vision_config"]["image_size"] == 24


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing.safetensors", "out", "--to", "hf"], "no such file"),
        (["hf", "hf", "--to", "open_clip"], "expected no such folder, or an empty one"),
        (["hf", "no/own.safetensors", "--to", "csparc"], "expected an existing folder"),
        (["hf", "own.safetensors", "--to", "csparc", "--dtype", "bf16"], "expected 'fp32'"),
        (["hf/model.safetensors", "out", "--to", "hf", "--tokenizer", "no.json"], "a tokenizer"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, told, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["convert", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"hf"}


def test_a_file_alone_needs_its_activation(folder, tmp_path, capsys):
    (folder / "config.json").unlink()
    line = ["convert", str(folder), str(tmp_path / "own.safetensors"), "--to", "csparc"]
    assert cli.main(line) == 2
    assert "which GELU" in capsys.readouterr().err
    assert cli.main([*line, "--activation", "quick_gelu"]) == 0
    assert load_checkpoint(tmp_path / "own.safetensors")[0].config.activation == "quick_gelu"


def test_the_papers_form_goes_nowhere(tmp_path):
    from csparc.weights import write_checkpoint

    write_checkpoint(small_model(np.float32), tmp_path / "own.safetensors")
    with pytest.raises(CheckpointError, match="global_pool='text'"):
        convert(tmp_path / "own.safetensors", tmp_path / "out", "open_clip")


@pytest.mark.parametrize("loss", ["sparc", "siglip"])
def test_training_goes_on_from_them_and_back(loss, tmp_path):
    """Loaded, trained with a tokenizer of csparc's, saved as a run, and written for open_clip."""
    words = tokenizer()
    made = small_model(
        np.float32, vocab_size=words.vocab_size, context_length=words.context_length,
        **{**CLIP, "text_pool": "eos", "eos_id": words.eot_token_id},
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="transformers takes for the largest id"):
        write_weights(made, tmp_path / "hf", "hf")
    model, _, metadata = load_checkpoint(write_weights(made, tmp_path / "theirs", "open_clip"))
    before = {name: p.data.copy() for name, p in model.parameters.items()}
    trainer = Trainer(
        model, loss, scenes(), tokenizer=tokenizer(), out=str(tmp_path / "run"), steps=3,
        batch_size=8, lr=1e-3, warmup=1, progress="none",
        val_preprocess=Preprocess(**metadata.preprocess),
    )  # fmt: skip
    trainer.run()
    trained, words, _ = load_checkpoint(tmp_path / "run")
    assert trained.config == model.config
    moved = [name for name, p in trained.parameters.items() if np.any(p.data != before[name])]
    assert "visual.class_embedding" in moved
    convert(tmp_path / "run", tmp_path / "back", "open_clip")
    again, theirs, _ = load_checkpoint(tmp_path / "back")
    assert same(again, trained)
    np.testing.assert_array_equal(theirs("a red circle"), words("a red circle"))


@pytest.mark.parametrize("family", ["CLIP", "SigLIP"])
def test_commands_take_them_where_a_tokenizer_is(family, tmp_path, capsys):
    """Encoding, evaluation and alignment, without a loss they were trained with."""
    words = tokenizer()
    form = {**CLIP, "text_pool": "eos", "eos_id": words.eot_token_id}
    if family == "SigLIP":
        form = {
            "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
            "norm_eps": 1e-6, "activation": "gelu", "shared_width": 8,
        }  # fmt: skip
    sizes = {"vocab_size": words.vocab_size, "context_length": words.context_length}
    to = "open_clip" if family == "CLIP" else "hf"
    made = small_model(np.float32, **sizes, **form)
    folder = write_weights(made, tmp_path / "theirs", to, tokenizer=words).parent
    beside = ["--checkpoint", str(folder), "--data", "scenes:tier=S;size=6"]
    out = tmp_path / "f.npz"
    assert cli.main(["encode", *beside, "--out", str(out)]) == 0
    assert np.isfinite(np.load(out)["text_features"]).all()
    for task in ("retrieval", "grounding"):
        assert cli.main(["eval", task, *beside, "--json", str(tmp_path / f"{task}.json")]) == 0
    picture = tmp_path / "picture.png"
    image_module = pytest.importorskip("PIL.Image")
    image_module.fromarray(scenes().load(0)).save(picture)
    drawn = ["align", "--checkpoint", str(folder), "--image", str(picture)]
    assert cli.main([*drawn, "--caption", "a red circle", "--out", str(tmp_path / "a.png")]) == 0
