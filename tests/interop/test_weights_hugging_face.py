"""CLIP and SigLIP of transformers: read, equal to 1e-5, written, and read there again."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weight_peers as peers  # noqa: E402

from csparc import create_model, load_checkpoint  # noqa: E402
from csparc.weights import read_weights, write_weights  # noqa: E402

transformers = peers.peer("transformers")

MODELS = {
    "CLIP": ("CLIP", {}, {}),
    "CLIP pooled at the largest id": ("CLIP", {"eos_token_id": 2}, {}),
    "CLIP with GELU": ("CLIP", {"hidden_act": "gelu"}, {"hidden_act": "gelu"}),
    "SigLIP": ("SigLIP", {}, {}),
    "SigLIP with two GELUs": ("SigLIP", {}, {"hidden_act": "gelu"}),
}


@pytest.fixture(params=MODELS, ids=lambda name: name.replace(" ", "-"))
def saved(request, tmp_path):
    """Their model and its folder."""
    model = peers.hugging_face_model(*MODELS[request.param])
    model.save_pretrained(tmp_path / "theirs")
    return model, tmp_path / "theirs"


def local_features(model, images, ids):
    """Projected patches and tokens of theirs."""
    seen = model.vision_model(pixel_values=images).last_hidden_state
    read = model.text_model(input_ids=ids).last_hidden_state
    if hasattr(model, "visual_projection"):
        patches = model.visual_projection(model.vision_model.post_layernorm(seen[:, 1:]))
        return patches, model.text_projection(read)
    return seen, model.text_model.head(read)


@torch.no_grad()
def test_embeddings_and_logits_are_theirs(saved):
    theirs, folder = saved
    ours = load_checkpoint(folder)[0]
    images, ids = peers.batch()
    theirs_in = peers.as_torch(images, ids)
    out = theirs(pixel_values=theirs_in[0], input_ids=theirs_in[1])
    pooled, patches = ours.encode_image(images, return_patches=True)
    caption, tokens = ours.encode_text(ids, return_tokens=True)
    peers.assert_close(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), out.image_embeds)
    peers.assert_close(caption / np.linalg.norm(caption, axis=1, keepdims=True), out.text_embeds)
    logits, transposed = ours.get_logits(images, ids)
    peers.assert_close(logits, out.logits_per_image)
    peers.assert_close(transposed, out.logits_per_text)
    peers.assert_local_is(ours, ids, (patches, tokens), local_features(theirs, *theirs_in))


@torch.no_grad()
def test_what_is_written_loads_there(saved, tmp_path):
    theirs, folder = saved
    write_weights(read_weights(folder).model, tmp_path / "ours", "hf")
    again, told = type(theirs).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for name, value in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    images, ids = peers.as_torch(*peers.batch())
    out, expected = (m.eval()(pixel_values=images, input_ids=ids) for m in (again, theirs))
    assert torch.equal(out.logits_per_image, expected.logits_per_image)


def test_entries_that_published_files_leave_out(tmp_path):
    """google/siglip-base-patch16-224 states no size at all: transformers' own defaults count."""
    theirs = peers.hugging_face_model("SigLIP", {"hidden_size": 48, "num_attention_heads": 12},
                                      {"num_attention_heads": 12})  # fmt: skip
    theirs.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    record = json.loads(path.read_text())
    for side in ("text_config", "vision_config"):
        for key in ("num_attention_heads", "hidden_act", "layer_norm_eps"):
            del record[side][key]
    path.write_text(json.dumps(record))
    images, ids = peers.batch()
    out = theirs(*reversed(peers.as_torch(images, ids)))
    peers.assert_close(
        load_checkpoint(tmp_path)[0].get_logits(images, ids)[0], out.logits_per_image
    )


@torch.no_grad()
@pytest.mark.parametrize("family", ["CLIP", "SigLIP"])
def test_from_one_package_to_the_other(family, tmp_path, monkeypatch):
    """open_clip's weights as transformers' model."""
    config = peers.open_clip_config(family)
    theirs = peers.open_clip_model(config, monkeypatch)
    ours = read_weights(peers.save_open_clip(theirs, config, tmp_path / "theirs"))
    write_weights(ours.model, tmp_path / "hf", "hf", preprocess=ours.preprocess)
    kind = transformers.CLIPModel if family == "CLIP" else transformers.SiglipModel
    again = kind.from_pretrained(tmp_path / "hf").eval()
    images, ids = peers.as_torch(*peers.batch())
    logits = again(pixel_values=images, input_ids=ids).logits_per_image
    peers.assert_close(logits.numpy(), theirs.get_logits(images, ids)[0])


@torch.no_grad()
def test_pictures_of_another_size_and_longer_captions(tmp_path):
    """Positions are interpolated; what stays the same gives the same."""
    theirs = peers.hugging_face_model("CLIP")
    theirs.save_pretrained(tmp_path)
    wide = read_weights(tmp_path, image_size=48, context_length=20)
    assert wide.model.config.grid == (6, 6)
    assert (wide.preprocess.height, wide.preprocess.width) == (48, 48)
    assert wide.model.encode_text(np.full((1, 20), peers.EOS, np.int32)).shape == (1, 16)
    _, ids = peers.batch()
    short = read_weights(tmp_path, context_length=5).model
    expected = load_checkpoint(tmp_path)[0].encode_text(ids[1:])
    np.testing.assert_allclose(short.encode_text(ids[1:, :5]), expected, atol=1e-6)


def test_vit_b_32_needs_no_more_than_its_name_and_file(tmp_path):
    """The real sizes of CLIP in transformers' layout."""
    torch.manual_seed(0)
    theirs = transformers.CLIPModel(transformers.CLIPConfig()).eval()
    theirs.save_pretrained(tmp_path)
    ours = create_model("ViT-B-32-quickgelu", pretrained=tmp_path / "model.safetensors")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3, 224, 224)).astype(np.float32)
    ids = rng.integers(1, 40_000, (2, 77)).astype(np.int32)
    ids[:, 9] = 49_407
    theirs_in = peers.as_torch(images, ids)
    with torch.no_grad():
        out = theirs(pixel_values=theirs_in[0], input_ids=theirs_in[1])
    peers.assert_close(ours.get_logits(images, ids)[0], out.logits_per_image)
