"""Runs that begin from weights: of csparc's own, of open_clip's and of Hugging Face's layout."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import small_training
from small_training import scenes, tokenizer, trainer

import csparc
from csparc.checkpoint.checkpoint import find_checkpoint, read_checkpoint
from csparc.cli import main as cli
from csparc.data.transforms import Preprocess
from csparc.losses import ClipLoss, SiglipLoss
from csparc.models.resize import resize_positions
from csparc.trainer.initial import read_initial
from csparc.weights import write_weights
from csparc.weights.converting import convert
from csparc.weights.source import find_weights

SIZES = {"image_size": 32, "image": small_training.TOWER, "text": small_training.TOWER}
CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "argmax", "activation": "quick_gelu", "shared_width": 16, **SIZES,
}  # fmt: skip
SIGLIP = {
    "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
    "shared_width": 16, "activation": "gelu", "norm_eps": 1e-6, **SIZES,
}  # fmt: skip
DATA = ["--train-data", "scenes:tier=S;size=24", "--val-data", "scenes:tier=S;size=8;split=val"]
RUN = [*DATA, "--batch-size", "8", "--steps", "2", "--progress", "none"]


def foreign(folder, form, to="open_clip"):
    """A folder as other programs lay it out, with a tokenizer and pixel values of its own."""
    words = tokenizer()
    model = csparc.create_model("nano", vocab_size=words.vocab_size, **form)
    made = Preprocess(32, mean=(0.1, 0.2, 0.3), resize_mode="squash")
    write_weights(model, folder, to, tokenizer=words, preprocess=made)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The folder of a run of csparc's, whose loss learned a bias of its own."""
    out = tmp_path_factory.mktemp("own") / "run"
    trainer(out, SiglipLoss(), steps=3).run()
    return out


def test_layouts_of_others_come_with_what_belongs_to_them(tmp_path):
    found = read_initial(foreign(tmp_path / "clip", CLIP))
    assert (
        found.preprocess.config()
        == Preprocess(32, mean=(0.1, 0.2, 0.3), resize_mode="squash").config()
    )
    assert found.tokenizer(["a red square"]).tolist() == tokenizer()(["a red square"]).tolist()
    assert found.loss is None
    assert found.begin(ClipLoss()) == []


def test_the_bias_of_a_models_logits_goes_to_the_loss(tmp_path):
    folder = foreign(tmp_path / "siglip", SIGLIP, "hf")
    found = read_initial(folder)
    found.model.logit_bias.data[...] = -3
    loss = SiglipLoss()
    assert found.begin(loss) == ["logit_bias"]
    assert loss.value("logit_bias") == -3
    assert found.begin(SiglipLoss(logit_bias=-7), given=["logit_bias"]) == []


def test_a_bias_that_was_learned_is_written_for_others(tmp_path):
    began = read_initial(foreign(tmp_path / "siglip", SIGLIP, "hf"))
    loss, settings = SiglipLoss(), {**small_training.SETTINGS, "steps": 2}
    began.begin(loss)
    csparc.Trainer(
        began.model, loss, scenes(), tokenizer=began.tokenizer, val_preprocess=began.preprocess,
        out=tmp_path / "run", **settings,
    ).run()  # fmt: skip
    learned = csparc.load_checkpoint(tmp_path / "run").loss.value("logit_bias")
    convert(tmp_path / "run", tmp_path / "out", "hf")
    assert csparc.load_checkpoint(tmp_path / "out").model.logit_bias.data[0] == learned != -10


def test_a_run_of_our_own_gives_its_loss(own):
    found, loss = read_initial(own), SiglipLoss()
    taken = found.begin(loss)
    saved = read_checkpoint(own / "checkpoints" / "last.safetensors")
    assert taken == list(saved.loss) == ["logit_bias"]
    assert loss.value("logit_bias") == saved.loss["logit_bias"][0] != -10


def test_pictures_of_another_size_resize_positions(own):
    found = read_initial(own, options={"image_size": 48})
    assert (found.preprocess.height, found.model.config.grid) == (48, (6, 6))
    name = "visual.positional_embedding"
    before = csparc.load_checkpoint(own).model.parameters[name].data
    expected = resize_positions(before, (4, 4), (6, 6))
    np.testing.assert_array_equal(found.model.parameters[name].data, expected)


def test_from_the_command_line(own, tmp_path, capsys):
    """The first loss is that of the weights, and what is written loads."""
    line = ["train", *RUN, "--init", str(own), "--out", str(tmp_path / "run"), "--lr", "1e-4",
            "--loss", SiglipLoss.name, "--lock-image", "--unlock-image-blocks", "1",
            "--ema", "0.99", "--layer-decay", "0.7", "--early-stop", "3"]  # fmt: skip
    assert cli.main(line) == 0
    said = capsys.readouterr().err
    assert f"beginning from {own}: TwoTower(" in said
    assert "the loss begins with its logit_bias" in said
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert saved.metadata.train_config["lock_image_unlocked_groups"] == 2
    assert saved.metadata.train_config["layer_decay"] == 0.7
    before = csparc.load_checkpoint(own)
    assert saved.metadata.tokenizer == before.metadata.tokenizer
    assert saved.metadata.model_config == before.metadata.model_config
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert first["logit_scale"] == pytest.approx(
        float(np.exp(before.model.logit_scale.data[0])), rel=1e-6
    )
    assert cli.main([*line, "--resume", "latest"]) == 0


def content(path):
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def test_a_run_records_what_it_began_from(own, tmp_path, capsys):
    """By its content as well, since a path says little of it later; what goes on keeps it."""
    first, plain = tmp_path / "first", tmp_path / "plain"
    expected = {"source": str(own), "blake2b": content(find_checkpoint(own))}
    assert cli.main(["train", *RUN, "--init", str(own), "--out", str(first)]) == 0
    assert csparc.load_checkpoint(first).metadata.init == expected
    assert cli.main(["train", *RUN, "--init", str(first), "--out", str(first), "--steps", "3",
                     "--lr", "1e-5", "--resume", "latest"]) == 0  # fmt: skip
    assert csparc.load_checkpoint(first).metadata.init == expected
    capsys.readouterr()
    assert cli.main(["info", str(first)]) == 0
    out = capsys.readouterr().out
    assert f"began from  '{own}', blake2b '{expected['blake2b']}'" in out
    assert "3 steps, 24 pairs" in out
    assert "memory of training" in out
    small_training.trainer(plain, steps=1).run()
    assert not csparc.load_checkpoint(plain).metadata.init
    assert cli.main(["info", str(plain)]) == 0
    assert "not recorded" in capsys.readouterr().out


def test_what_fit_and_others_begin_from_is_recorded(tmp_path):
    folder = tmp_path / "theirs"
    foreign(folder, CLIP)
    fit = {"steps": 1, "batch_size": 8, "progress": "none", "out": tmp_path / "run"}
    csparc.fit(scenes(), init=folder, **fit)
    found = csparc.load_checkpoint(tmp_path / "run").metadata.init
    assert found == {"source": str(folder), "blake2b": content(find_weights(folder))}


def test_a_learning_rate_for_weights_that_have_learned(own, tmp_path):
    line = ["train", *RUN, "--init", str(own), "--out", str(tmp_path / "run")]
    assert cli.main(line) == 0
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert saved.metadata.train_config["lr"] == 1e-5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "tiny"], "expected weights of tiny, image.width 192, found image.width 16"),
        (["--vocab-size", "99"], "vocab_size: expected none beside --init"),
        (
            ["--model-opt", "registers=2"],
            "registers: expected only activation, image_size, context",
        ),
        (["--model-opt", "activation=relu"], "activation: expected none beside"),
        (["--tokenizer", "other.json"], "tokenizer: expected that of"),
        (["--init", "nothing.safetensors"], "no such file"),
    ],
)
def test_what_contradicts_is_one_line(words, told, own, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = csparc.data.tokenizer.train(["one two"], vocab_size=280, context_length=32)
    (tmp_path / "other.json").write_text(json.dumps(json.loads(small.to_json())["tokenizer"]))
    line = ["train", *RUN, "--init", str(own), "--out", "run", *words]
    assert cli.main(line) == 2
    error = capsys.readouterr().err
    assert told in error
    assert not (tmp_path / "run").exists()


def test_weights_without_a_tokenizer_ask_for_one(tmp_path, capsys):
    folder = foreign(tmp_path / "clip", CLIP)
    words = folder / "tokenizer.json"
    words.rename(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match="tokenizer: expected the file of a tokenizer"):
        read_initial(folder)
    found = read_initial(folder, tokenizer=tmp_path / "tokenizer.json")
    assert found.tokenizer.vocab_size == tokenizer().vocab_size


def test_fit_begins_from_weights(own):
    """With the loss they were trained with, and nothing learned at a learning rate of nothing."""
    run = csparc.fit(
        scenes(24), init=own, steps=1, batch_size=8, lr=1e-30, progress="none", ema=0.5
    )
    before = csparc.load_checkpoint(own)
    assert type(run.loss) is SiglipLoss
    assert run.loss.value("logit_bias") == before.loss.value("logit_bias")
    assert run.tokenizer.to_json() == before.tokenizer.to_json()
    for name, parameter in run.model.parameters.items():
        np.testing.assert_array_equal(parameter.data, before.model.parameters[name].data)
