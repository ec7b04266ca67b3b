"""open_clip and transformers as test peers: their packages, and small models of theirs with random
weights, saved as they save them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")

VOCAB, LENGTH, EOS = 50, 9, 49
TIMM = "vit_base_patch16_siglip_224"
CLOSE = 1e-5
"""Of embeddings, relative to their largest number, and of logits."""


def peer(name: str) -> ModuleType:
    """A package that stands on torchvision; the test is skipped where it is not installed.

    A torchvision that was built beside another torch has none of its own operators and then fails
    to describe two of them. None is used here, so that their names are enough.
    """
    pytest.importorskip("torchvision", exc_type=ImportError) if _declared() else None
    return pytest.importorskip(name)


def _declared() -> bool:
    """Declare torchvision's operators where the installed one brings none."""
    signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for operator in ("nms", "qnms"):
            torch.library.define(f"torchvision::{operator}", signature)
    return True


def shaken(model):
    """The model with all weights moved, so that no bias is 0 and no norm 1; for inference."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def open_clip_config(family: str, **options) -> dict:
    """A small ``model_cfg`` of open_clip's."""
    if family == "CLIP":
        vision = {"image_size": 32, "patch_size": 8, "layers": 2, "width": 48, "head_width": 16}
        text = {"context_length": LENGTH, "vocab_size": VOCAB, "layers": 2, "width": 32, "heads": 2}
        return {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, **options}
    vision = {
        "image_size": 32, "timm_model_name": TIMM, "timm_model_pretrained": False,
        "timm_pool": "map", "timm_proj": "none",
    }  # fmt: skip
    text = {
        "context_length": LENGTH, "vocab_size": VOCAB, "layers": 2, "width": 32, "heads": 2,
        "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    }  # fmt: skip
    return {
        "embed_dim": 48, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision,
        "text_cfg": text, **options,
    }  # fmt: skip


def open_clip_model(config: dict, monkeypatch=None):
    """open_clip's model of a configuration; SigLIP's image tower of timm is made small."""
    open_clip = peer("open_clip")
    torch.manual_seed(0)
    values = {key: value for key, value in config.items() if key != "custom_text"}
    if not config.get("custom_text"):
        return shaken(open_clip.model.CLIP(**values))
    timm = peer("timm")
    made = timm.create_model

    def small(name, **options):
        return made(name, embed_dim=48, depth=2, num_heads=12, img_size=32, **options)

    monkeypatch.setattr(timm, "create_model", small)
    return shaken(open_clip.model.CustomTextCLIP(**values))


def save_open_clip(model, config: dict, folder: Path, dtype=None) -> Path:
    """As open_clip's push_to_hf_hub leaves a folder."""
    save_file = pytest.importorskip("safetensors.torch").save_file
    folder.mkdir(exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    if dtype is not None:
        tensors = {name: value.to(dtype) for name, value in tensors.items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    squash = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    own = squash if config.get("custom_text") else {}
    record = {"model_cfg": config, "preprocess_cfg": {"size": 32, **own}}
    (folder / "open_clip_config.json").write_text(json.dumps(record))
    return folder


def hugging_face_model(family: str, text: dict | None = None, vision: dict | None = None):
    """A small CLIPModel or SiglipModel."""
    transformers = peer("transformers")
    torch.manual_seed(0)
    clip = family == "CLIP"
    text_config = {
        "vocab_size": VOCAB, "hidden_size": 32 if clip else 48, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": LENGTH,
        "bos_token_id": EOS - 1, "eos_token_id": EOS, **(text or {}),
    }  # fmt: skip
    vision_config = {
        "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 2,
        "num_attention_heads": 3, "image_size": 32, "patch_size": 8, **(vision or {}),
    }  # fmt: skip
    both = {"text_config": text_config, "vision_config": vision_config}
    if clip:
        config = transformers.CLIPConfig(**both, projection_dim=16)
        return shaken(transformers.CLIPModel(config))
    return shaken(transformers.SiglipModel(transformers.SiglipConfig(**both)))


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Images, and captions that end with the end token, padded with 0."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 3, 32, 32)).astype(np.float32)
    ids = rng.integers(1, EOS - 1, (3, LENGTH)).astype(np.int32)
    for row, end in enumerate((LENGTH - 1, 4, 2)):
        ids[row, end], ids[row, end + 1 :] = EOS, 0
    return images, ids


def as_torch(images: np.ndarray, ids: np.ndarray):
    return torch.from_numpy(images), torch.from_numpy(ids).long()


def assert_close(ours: np.ndarray, theirs) -> None:
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=CLOSE * max(1, np.abs(theirs).max()))


def assert_local_is(model, ids: np.ndarray, ours, theirs) -> None:
    """Patches and tokens are theirs; tokens behind the end token only where all are seen."""
    (patches, tokens), (their_patches, their_tokens) = ours, theirs
    assert_close(patches, their_patches)
    seen = np.ones(ids.shape, bool)
    if model.config.text_pool != "last":
        seen = np.arange(ids.shape[1]) <= (ids == EOS).argmax(axis=1)[:, None]
    assert_close(tokens[seen], their_tokens[torch.from_numpy(seen)])
