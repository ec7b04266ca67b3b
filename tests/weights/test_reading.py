"""Weights of other programs without those programs: what is refused, and that nothing is half done.

Files are made by csparc's own writer, which tests/interop holds against open_clip and transformers.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from checkpoints import put_together, take_apart
from small_model import small_model

import csparc
from csparc import create_model, load_checkpoint
from csparc.checkpoint import safetensors_file
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError
from csparc.losses import LOSSES
from csparc.models import TwoTower
from csparc.weights import read_weights, write_checkpoint, write_weights
from csparc.weights.layouts import LAYOUTS

CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "argmax", "activation": "quick_gelu",
}  # fmt: skip
SIGLIP = {
    "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
    "norm_eps": 1e-6, "activation": "gelu_tanh", "shared_width": 8,
}  # fmt: skip
FILES = {
    ("CLIP", "open_clip"): "open_clip_model.safetensors",
    ("CLIP", "hf"): "model.safetensors",
    ("SigLIP", "hf"): "model.safetensors",
}


def model_of(family: str) -> TwoTower:
    options = CLIP if family == "CLIP" else SIGLIP
    # Of the initial values alone, so no file of theirs says it: what is read has the default.
    return small_model(np.float32, seed=3, token_scale=0.02, **options)


@pytest.fixture(params=FILES, ids=" of ".join)
def written(request, tmp_path) -> tuple[TwoTower, Path]:
    """A model, and the file of its weights."""
    family, to = request.param
    model = model_of(family)
    return model, write_weights(model, tmp_path / "written", to)


def rewrite(path: Path, change) -> None:
    """Change the tensors of a file: ``change`` gets them by name."""
    header = safetensors_file.read_header(path, None)
    tensors = {name: safetensors_file.read_floats(path, header, name) for name in header.tensors}
    change(tensors)
    with open(path, "wb") as file:
        safetensors_file.write(file, tensors, {"format": "pt"})


def test_there_and_back(written):
    model, path = written
    for where in (path, path.parent):
        found = load_checkpoint(where)[0]
        assert found.config == model.config
        for name, parameter in model.parameters.items():
            np.testing.assert_array_equal(found.parameters[name].data, parameter.data)


def test_metadata_make_a_checkpoint_of_it(written, tmp_path):
    model, path = written
    found, tokenizer, metadata = load_checkpoint(path)
    assert tokenizer is None
    preprocess = Preprocess(**metadata.preprocess)
    assert (preprocess.height, preprocess.width) == (16, 16)
    write_checkpoint(found, tmp_path / "own.safetensors", preprocess=preprocess)
    again = load_checkpoint(tmp_path / "own.safetensors")[0]
    assert again.config == model.config
    assert create_model is csparc.create_model


WRONG = {
    "a tensor too few": (lambda t: t.pop(min(t)), "found no "),
    "a tensor too many": (lambda t: t.update(extra=np.zeros(2, "f4")), "found also 'extra'"),
    "another shape": (
        lambda t: t.update({max(t): np.zeros((3, 3, 3), "f4")}), "shape|axes|positions"
    ),
    "not finite": (lambda t: t[min(t)].reshape(-1)[:1].fill(np.nan), "finite numbers"),
    "no layer norm": (lambda t: t.pop(next(n for n in t if "ln_1" in n or "norm1" in n)), "no "),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_tensors_are_one_line(written, kind):
    _, path = written
    change, message = WRONG[kind]
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)
    assert str(path.parent) in str(caught.value)


def test_a_file_alone_does_not_say_its_gelu(written, tmp_path):
    model, path = written
    alone = Path(shutil.copy(path, tmp_path / "alone.safetensors"))
    with pytest.raises(CheckpointError, match="which GELU"):
        load_checkpoint(alone)
    found = read_weights(alone, activation=model.config.activation).model
    assert found.config.activation == model.config.activation


def config_of(path: Path) -> Path:
    return next(path.parent / n for n in ("open_clip_config.json", "config.json")
                if (path.parent / n).exists())  # fmt: skip


DISAGREE = {
    ("CLIP", "open_clip"): [
        (("vision_cfg", "width"), 9, "image.width = 9"),
        (("vision_cfg", "layers"), 7, "image.layers = 7"),
        (("vision_cfg", "head_width"), 0, "a configuration that can be used"),
        (("vision_cfg", "width"), "8", "a configuration that can be used"),
        (("vision_cfg", "ls_init_value"), 0.1, "no vision_cfg.ls_init_value"),
        (("vision_cfg", "pool_type"), "avg", "vision_cfg.pool_type 'tok'"),
        (("vision_cfg", "image_size"), 32, "image_size = 32"),
        (("text_cfg", "heads"), 4, "text.heads: expected a divisor"),
        (("text_cfg", "heads"), "3", "text.heads"),
        (("text_cfg", "pool_type"), "first", "pool_type 'argmax', 'eos' or 'last'"),
        (("text_cfg", "no_causal_mask"), True, "a causal text tower"),
        (("text_cfg", "qk_norm"), True, "no text_cfg.qk_norm"),
        (("text_cfg", "hf_model_name"), "roberta", "no text_cfg.hf_model_name"),
        (("text_cfg", "norm_kwargs"), {"eps": 1e-6}, "one eps in all norms"),
        (("quick_gelu",), "yes", "quick_gelu true or false"),
        (("embed_dim",), 77, "shared_width = 77"),
    ],
    ("CLIP", "hf"): [
        (("model_type",), "siglip", "model_type 'clip'"),
        (("vision_config", "hidden_size"), 9, "image.width = 9"),
        (("vision_config", "num_channels"), 4, "num_channels 3"),
        (("text_config", "num_hidden_layers"), 7, "text.layers = 7"),
        (("text_config", "hidden_act"), "swish", "text_config.hidden_act"),
        (("text_config", "hidden_act"), None, "text_config.hidden_act"),
        (("text_config", "num_attention_heads"), 4, "text.heads: expected a divisor"),
        (("text_config", "eos_token_id"), 400, "eos_id"),
        (("text_config", "layer_norm_eps"), 1e-6, "one layer_norm_eps"),
        (("vision_config",), 3, "vision_config as an object"),
    ],
    ("SigLIP", "hf"): [
        (("model_type",), "siglip2", "model_type 'siglip'"),
        (("vision_config", "vision_use_head"), False, "vision_use_head True"),
        (("vision_config", "intermediate_size"), 9, "image.hidden = 9"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "where", "value", "message"),
    [(kind, *case) for kind, cases in DISAGREE.items() for case in cases],
)
def test_configurations_that_do_not_agree(kind, where, value, message, tmp_path):
    family, to = kind
    path = write_weights(model_of(family), tmp_path / "written", to)
    config = config_of(path)
    record = json.loads(config.read_text())
    place = record.get("model_cfg", record)
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    config.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": "siglip2"}', '{"model_cfg": 3}'])
def test_configurations_that_are_none(written, text):
    _, path = written
    config_of(path).write_text(text)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_file_that_is_cut_short(written, share):
    _, path = written
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(CheckpointError):
        read_weights(path)


def test_a_header_that_claims_much_costs_nothing(written):
    """A patch map of a million channels takes no memory of the towers that go with it."""
    _, path = written
    header, data = take_apart(path.read_bytes())
    name = next(n for n in header if "conv1" in n or "patch_embedding.weight" in n)
    old, begin = header[name]["shape"], header[name]["data_offsets"][0]
    numbers = int(np.prod(old))
    header[name]["shape"] = [numbers // 3, 3, 1, 1]
    assert begin >= 0
    path.write_bytes(put_together(json.dumps(header).encode(), data))
    config_of(path).unlink()
    with pytest.raises(CheckpointError):
        read_weights(path, activation="gelu")


def test_a_folder_without_weights_and_one_in_shards(tmp_path):
    with pytest.raises(CheckpointError, match=r"open_clip_model.safetensors.* found none"):
        read_weights(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointError, match="weights in several files"):
        read_weights(tmp_path)


def test_by_name(written):
    _, path = written
    with pytest.raises(CheckpointError, match=r"weights of ViT-B-32, image.width 768, found .* 8"):
        create_model("ViT-B-32", pretrained=path)
    with pytest.raises(TypeError, match="vocab_size: expected one of activation, image_size"):
        create_model("ViT-B-32", pretrained=path, vocab_size=7)
    with pytest.raises(ValueError, match="model: expected one of"):
        create_model("ViT-Q-32", pretrained=path)


def test_checkpoints_of_our_own_by_name(tmp_path):
    model = create_model("nano", vocab_size=99, dtype=np.float64)
    write_checkpoint(model, tmp_path / "own.safetensors")
    with pytest.raises(CheckpointError, match=r"weights of nano, vocab_size 32000, found"):
        create_model("nano", pretrained=tmp_path / "own.safetensors")
    whole = create_model("nano")
    write_checkpoint(whole, tmp_path / "whole.safetensors")
    found = create_model("nano", pretrained=tmp_path / "whole.safetensors", context_length=20)
    assert found.config.context_length == 20
    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found.parameters["positional_embedding"].data,
        whole.parameters["positional_embedding"].data[:20],
    )


def test_transforms_are_those_of_the_file(tmp_path):
    model, made = model_of("CLIP"), Preprocess(16, mean=(0.1, 0.2, 0.3), interpolation="bilinear")
    found = read_weights(write_weights(model, tmp_path / "clip", "hf", preprocess=made))
    assert found.preprocess.config() == made.config()
    siglip = read_weights(write_weights(model_of("SigLIP"), tmp_path / "siglip", "hf"))
    assert siglip.preprocess.resize_mode == "squash"
    assert siglip.preprocess.mean == (0.5, 0.5, 0.5)


class TestWriting:
    @pytest.mark.parametrize("to", ["open_clip", "hf"])
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "global_pool='text'"),
            ({**CLIP, "registers": 2}, "registers=0"),
            ({**CLIP, "projection_bias": True}, "projection_bias=False"),
            ({**CLIP, "pre_norm": False}, "pre_norm=True"),
            ({**CLIP, "text_pool": "mean"}, "pooled at a token"),
            ({**SIGLIP, "causal": True}, "causal=False"),
        ],
    )
    def test_what_has_no_place_is_refused(self, to, options, message, tmp_path):
        with pytest.raises(CheckpointError, match=message):
            write_weights(small_model(np.float32, **options), tmp_path / "out", to)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({**SIGLIP}, "with exact GELU"),
            ({**SIGLIP, "activation": "gelu"}, "base, large or so400m"),
            ({**CLIP, "image": {"activation": "gelu"}}, "quick_gelu in both towers or none"),
        ],
    )
    def test_what_open_clip_has_not(self, options, message, tmp_path):
        with pytest.raises(CheckpointError, match=message):
            write_weights(small_model(np.float32, **options), tmp_path / "out", "open_clip")

    def test_a_folder_with_something_is_left_alone(self, tmp_path):
        (tmp_path / "note.txt").write_text("mine")
        with pytest.raises(FileExistsError, match="expected no such folder"):
            write_weights(model_of("CLIP"), tmp_path, "hf")
        assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]

    def test_nothing_is_left_of_what_fails(self, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(safetensors_file, "write", full)
        with pytest.raises(OSError, match="No space"):
            write_weights(model_of("CLIP"), tmp_path / "out", "hf")
        assert list(tmp_path.iterdir()) == []

    def test_numbers_beyond_half_precision(self, tmp_path):
        model = model_of("CLIP")
        model.parameters["ln_final.weight"].data[0] = 1e6
        with pytest.raises(CheckpointError, match="within float16"):
            write_weights(model, tmp_path / "half", "hf", dtype="fp16")
        write_weights(model, tmp_path / "bf16", "hf", dtype="bf16")
        found = read_weights(tmp_path / "bf16").model.parameters["ln_final.weight"].data
        assert found[0] == pytest.approx(1e6, rel=2**-8)


def test_tables_name_every_tensor_once():
    for layout in LAYOUTS:
        for side in ("ours", "theirs"):
            names = [name for entry in layout.entries for name in getattr(entry, side)]
            assert len(names) == len(set(names)), layout.name


@pytest.mark.parametrize("family", ["CLIP", "SigLIP"])
@pytest.mark.parametrize("loss", ["sparc", "clip", "siglip", "filip", "clip+filip", "pacl",
                                  "gloria", "mgca"])  # fmt: skip
def test_every_objective_trains_them(family, loss, rng):
    """A step of each lowers its loss on the batch, and every tower has a gradient."""
    assert loss in LOSSES
    model = small_model(np.float64, seed=3, **(CLIP if family == "CLIP" else SIGLIP))
    image = rng.normal(size=(4, 3, 16, 16))
    text = rng.integers(1, 10, (4, 7)).astype(np.int32)
    text[:, -1] = 10
    objective = LOSSES[loss]() if isinstance(LOSSES[loss], type) else LOSSES[loss]
    tape = csparc.nn.Tape()
    out = model(image, text, tape=tape)
    arrays = {name: getattr(out, name).data for name in objective.features}
    found = objective(**arrays, text_mask=np.ones(text.shape, bool), logit_scale=10.0, grad=True)
    tape.backward({getattr(out, name): found.grads[name] for name in objective.features})
    moved = [n for n, p in model.parameters.items() if np.any(p.grad)]
    assert any(name.startswith("visual.") for name in moved)
    assert any(name.startswith("transformer.") for name in moved)
