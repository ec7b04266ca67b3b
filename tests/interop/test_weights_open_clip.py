"""CLIP and SigLIP of open_clip: read, equal to 1e-5, written, and read there again."""

from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weight_peers as peers  # noqa: E402

from csparc import create_model, load_checkpoint  # noqa: E402
from csparc.errors import CheckpointError  # noqa: E402
from csparc.weights import read_weights, write_weights  # noqa: E402

open_clip = peers.peer("open_clip")

CONFIGS = {
    "CLIP": ("CLIP", {}),
    "CLIP with QuickGELU": ("CLIP", {"quick_gelu": True}),
    "CLIP pooled by id": ("CLIP", {"text": {"pool_type": "eos", "eos_id": peers.EOS}}),
    "CLIP with a bias": ("CLIP", {"init_logit_bias": -3.0, "text": {"mlp_ratio": 2.5}}),
    "SigLIP": ("SigLIP", {}),
    "SigLIP 2": ("SigLIP", {"text": {"act_kwargs": {"approximate": "tanh"}}}),
}


@pytest.fixture(params=CONFIGS, ids=lambda name: name.replace(" ", "-"))
def saved(request, tmp_path, monkeypatch):
    """Their model, its configuration, and its folder."""
    family, options = CONFIGS[request.param]
    options = dict(options)
    config = peers.open_clip_config(family)
    config["text_cfg"] |= options.pop("text", {})
    config |= options
    model = peers.open_clip_model(config, monkeypatch)
    return model, config, peers.save_open_clip(model, config, tmp_path / "theirs")


def patches_and_tokens(model, images, ids):
    """Projected, of their model: ln_post and projection of the patches, or the tokens before
    SigLIP's head; ln_final and projection of every token."""
    if hasattr(model.visual, "trunk"):
        patches = model.visual.trunk.forward_features(images)
        text = model.text
        x, mask = text._embeds(ids)
        x = text.ln_final(text.transformer(x, attn_mask=mask))
        return patches, text.text_projection(x)
    visual = model.visual
    x = visual.ln_post(visual.transformer(visual._embeds(images)))
    embedded = model.token_embedding(ids) + model.positional_embedding[: ids.shape[1]]
    y = model.ln_final(model.transformer(embedded, attn_mask=model.attn_mask))
    return x[:, 1:] @ visual.proj, y @ model.text_projection


@torch.no_grad()
def test_embeddings_and_logits_are_theirs(saved):
    theirs, _, folder = saved
    ours = load_checkpoint(folder)[0]
    images, ids = peers.batch()
    theirs_in = peers.as_torch(images, ids)
    pooled, patches = ours.encode_image(images, return_patches=True)
    caption, tokens = ours.encode_text(ids, return_tokens=True)
    peers.assert_close(pooled, theirs.encode_image(theirs_in[0]))
    peers.assert_close(caption, theirs.encode_text(theirs_in[1]))
    for one, other in zip(ours.get_logits(images, ids), theirs.get_logits(*theirs_in)):
        peers.assert_close(one, other)
    peers.assert_local_is(ours, ids, (patches, tokens), patches_and_tokens(theirs, *theirs_in))


@torch.no_grad()
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_what_is_written_loads_there(saved, dtype, tmp_path):
    theirs, config, folder = saved
    found = read_weights(folder)
    layout_has_no_place = config.get("custom_text")  # for an image tower of these sizes
    refused = pytest.raises(CheckpointError, match="base, large or so400m image tower")
    with refused if layout_has_no_place else nullcontext():
        write_weights(found.model, tmp_path / "ours", "open_clip", dtype=dtype)
    if layout_has_no_place:
        assert not (tmp_path / "ours").exists()
        return
    record = json.loads((tmp_path / "ours" / "open_clip_config.json").read_text())
    again = open_clip.model.CLIP(**record["model_cfg"]).eval()
    path = tmp_path / "ours" / "open_clip_model.safetensors"
    open_clip.load_checkpoint(again, str(path))
    exact = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[dtype]
    for name, value in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.to(exact).float()), name
    images, ids = peers.as_torch(*peers.batch())
    if dtype == "fp32":
        torch.testing.assert_close(again.encode_image(images), theirs.encode_image(images))
        torch.testing.assert_close(again.encode_text(ids), theirs.encode_text(ids))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read(dtype, tmp_path):
    config = peers.open_clip_config("CLIP")
    theirs = peers.open_clip_model(config)
    folder = peers.save_open_clip(theirs, config, tmp_path / "half", dtype)
    found = read_weights(folder).model
    expected = theirs.visual.proj.to(dtype).float().T
    np.testing.assert_array_equal(found.visual.adapter.weight.data, expected.detach().numpy())


@pytest.mark.parametrize("wrapped", [False, True])
def test_files_of_torch(wrapped, tmp_path):
    config = peers.open_clip_config("CLIP")
    theirs = peers.open_clip_model(config)
    record = theirs.state_dict()
    if wrapped:
        record = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in record.items()}}
    torch.save(record, tmp_path / "epoch_3.pt")
    with pytest.raises(CheckpointError, match="which GELU"):
        load_checkpoint(tmp_path / "epoch_3.pt")
    found = read_weights(tmp_path / "epoch_3.pt", activation="gelu").model
    images, _ = peers.batch()
    width = found.config.image.heads
    assert width == 1  # 64 wide heads where nothing says it
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    found = load_checkpoint(tmp_path / "epoch_3.pt")[0]
    peers.assert_close(found.encode_image(images), theirs.encode_image(torch.from_numpy(images)))


def test_a_pickle_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    torch.save({"visual.conv1.weight": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(CheckpointError, match="weights_only=True"):
        load_checkpoint(tmp_path / "bomb.pt")
    assert not (tmp_path / "run").exists()


def test_a_program_of_torch_is_named(tmp_path):
    with pytest.warns(DeprecationWarning, match="deprecated"):
        torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "ViT-B-32.pt")
    with pytest.raises(CheckpointError, match="TorchScript"):
        load_checkpoint(tmp_path / "ViT-B-32.pt")


@torch.no_grad()
def test_vit_b_32_by_name(tmp_path):
    """The real sizes, both ways: open_clip's factory reads what is written here."""
    theirs = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).eval()
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    peers.save_open_clip(theirs, config, tmp_path / "theirs")
    record = {"model_cfg": config, "preprocess_cfg": {"size": 224}}
    (tmp_path / "theirs" / "open_clip_config.json").write_text(json.dumps(record))
    ours = create_model("ViT-B-32-quickgelu", pretrained=tmp_path / "theirs")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3, 224, 224)).astype(np.float32)
    ids = rng.integers(1, 40_000, (2, 77)).astype(np.int32)
    ids[:, 9] = 49_407
    theirs_in = peers.as_torch(images, ids)
    peers.assert_close(ours.encode_image(images), theirs.encode_image(theirs_in[0]))
    peers.assert_close(ours.encode_text(ids), theirs.encode_text(theirs_in[1]))
    peers.assert_close(ours.get_logits(images, ids)[0], theirs.get_logits(*theirs_in)[0])
    write_weights(ours, tmp_path / "ours", "open_clip")
    again = open_clip.create_model(f"local-dir:{tmp_path / 'ours'}").eval()
    assert torch.equal(again.encode_image(theirs_in[0]), theirs.encode_image(theirs_in[0]))
    assert torch.equal(again.encode_text(theirs_in[1]), theirs.encode_text(theirs_in[1]))
