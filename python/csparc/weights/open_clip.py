"""open_clip's configuration: open_clip_config.json, or one of its model_configs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from csparc._text import show
from csparc.checkpoint.safetensors_file import refuse
from csparc.data.transforms import OPENAI_MEAN, OPENAI_STD, Preprocess
from csparc.errors import CheckpointError
from csparc.models import ModelConfig
from csparc.weights.layouts import Layout
from csparc.weights.statement import Statement

WEIGHTS = "open_clip_model.safetensors"
TORCH_WEIGHTS = "open_clip_pytorch_model.bin"
CONFIG = "open_clip_config.json"

_TIMM = re.compile(r"vit_(base|large|so400m)_patch(\d+)_siglip_(\d+)")
_TIMM_HEADS = {"base": 12, "large": 16, "so400m": 16}
_TIMM_SIZES = {
    "base": (768, 12, None), "large": (1024, 24, None), "so400m": (1152, 27, 4304),
}  # fmt: skip
_LEFT_ALONE = {
    "": {"custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale",
         "multimodal_cfg"},
    "vision_cfg": {"patch_dropout", "output_tokens", "timm_model_pretrained", "timm_drop",
                   "timm_drop_path", "timm_proj_bias"},
    "text_cfg": {"hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs", "pad_id",
                 "output_tokens", "hf_model_pretrained"},
}  # fmt: skip
"""Entries that change no embedding, and ``multimodal_cfg`` only where it is null."""
_READ = {
    "": {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"},
    "vision_cfg": {"image_size", "layers", "width", "head_width", "mlp_ratio", "patch_size",
                   "timm_model_name", "act_kwargs", "norm_kwargs"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "eos_id",
                 "no_causal_mask", "pool_type", "proj_bias", "act_kwargs", "norm_kwargs"},
}  # fmt: skip
_MUST_BE: dict[str, dict[str, tuple[Any, ...]]] = {
    "": {},
    "vision_cfg": {"pool_type": ("tok",), "pos_embed_type": ("learnable",), "timm_pool": ("map",),
                   "timm_proj": ("none", "")},
    "text_cfg": {"proj_type": ("linear",)},
}  # fmt: skip


def statement(path: str, record: Any, layout: Layout) -> Statement:
    """What such a configuration says; ``path`` is the file it is from.

    Raises
    ------
    CheckpointError
        It describes what csparc has not.
    """
    if not isinstance(record, dict):
        refuse(path, "a JSON object", show(record))
    model = record.get("model_cfg", record)
    parts = {"": model, "vision_cfg": None, "text_cfg": None}
    if isinstance(model, dict):
        parts |= {key: model.get(key) for key in ("vision_cfg", "text_cfg")}
    for name, part in parts.items():
        if not isinstance(part, dict):
            refuse(path, f"an object {name or 'model_cfg'}", show(part))
        _check_known(path, name, part)
    image, text = parts["vision_cfg"], parts["text_cfg"]
    if (layout.family == "SigLIP") != ("timm_model_name" in image):
        refuse(path, f"a configuration of {layout.name}", "that of another model")
    quick = model.get("quick_gelu", False)
    said = Statement(
        text_activation=_activation(path, text, quick),
        norm_eps=_eps(path, image, text, layout),
        causal=not text.get("no_causal_mask", False),
        text_pool=text.get("pool_type", "argmax"),
        eos_id=text.get("eos_id", 2) if text.get("pool_type") == "eos" else None,
        text_heads=text.get("heads", 8),
        preprocess=preprocess(path, record.get("preprocess_cfg"), layout),
    )
    _check_pooling(path, said, layout)
    said.sizes = {
        "text.width": text.get("width", 512),
        "text.layers": text.get("layers", 12),
        "vocab_size": text.get("vocab_size", 49_408),
        "context_length": text.get("context_length", 77),
        "shared_width": model.get("embed_dim"),
        "image_size": image.get("image_size", 224),
    }
    if layout.family == "SigLIP":
        _of_timm(path, image, said)
    else:
        said.image_activation = _activation(path, image, quick)
        width = image.get("width", 768)
        said.image_heads = width // image.get("head_width", 64)
        said.sizes |= {
            "image.width": width,
            "image.layers": image.get("layers", 12),
            "patch_size": image.get("patch_size", 16),
        }
    return said


def _check_known(path: str, name: str, part: Mapping[str, Any]) -> None:
    known = _LEFT_ALONE[name] | _READ[name] | set(_MUST_BE[name])
    for key, value in part.items():
        where = f"{name}.{key}" if name else key
        if key in _MUST_BE[name] and value not in _MUST_BE[name][key]:
            refuse(path, f"{where} {' or '.join(map(repr, _MUST_BE[name][key]))}", show(value))
        # What is off is like what is not there.
        if (key not in known or key == "multimodal_cfg") and value not in (None, False, 0):
            refuse(path, f"only what csparc's models have, no {where}", show(value))


def _check_pooling(path: str, said: Statement, layout: Layout) -> None:
    if said.text_pool not in ("argmax", "eos", "last"):
        refuse(path, "text_cfg.pool_type 'argmax', 'eos' or 'last'", show(said.text_pool))
    if layout.family == "SigLIP" and said.text_pool != "last":
        refuse(path, "text_cfg.pool_type 'last' of a SigLIP", show(said.text_pool))
    if not said.causal and said.text_pool != "last":
        found = f"text_cfg.no_causal_mask with pool_type {said.text_pool!r}"
        refuse(path, "a causal text tower where the end token is pooled", found)


def _activation(path: str, part: Mapping[str, Any], quick: Any) -> str:
    if not isinstance(quick, bool):
        refuse(path, "quick_gelu true or false", show(quick))
    options = part.get("act_kwargs") or {}
    if quick or not options:
        return "quick_gelu" if quick else "gelu"
    kinds = {"tanh": "gelu_tanh", "none": "gelu"}
    if not isinstance(options, dict) or list(options) != ["approximate"]:
        refuse(path, "act_kwargs with approximate alone", show(options))
    if options["approximate"] not in kinds:
        refuse(path, "act_kwargs.approximate 'tanh' or 'none'", show(options["approximate"]))
    return kinds[options["approximate"]]


def _eps(path: str, image: Mapping[str, Any], text: Mapping[str, Any], layout: Layout) -> float:
    found = []
    for part in (image, text):
        options = part.get("norm_kwargs") or {}
        if not isinstance(options, dict) or not set(options) <= {"eps"}:
            refuse(path, "norm_kwargs with eps alone", show(options))
        found.append(options.get("eps", 1e-5))
    if layout.family == "SigLIP":
        found[0] = 1e-6  # timm's
    if found[0] != found[1]:
        refuse(path, "one eps in all norms", f"{show(found[0])} and {show(found[1])}")
    return found[1]


def _of_timm(path: str, image: Mapping[str, Any], said: Statement) -> None:
    name = image["timm_model_name"]
    match = _TIMM.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        refuse(path, f"timm_model_name like {_TIMM.pattern}", show(name))
    said.image_activation = "gelu"
    said.image_heads = _TIMM_HEADS[match[1]]
    said.sizes["patch_size"] = int(match[2])


def preprocess(path: str, record: Any, layout: Layout) -> dict[str, Any] | None:
    """``preprocess_cfg`` as the arguments of `csparc.data.transforms.Preprocess`."""
    if record is None:
        return None
    if not isinstance(record, dict):
        refuse(path, "preprocess_cfg as an object", show(record))
    squash = layout.family == "SigLIP"
    size = record.get("size", 224)
    values = {
        "size": tuple(size) if isinstance(size, list) else size,
        "mean": tuple(record.get("mean", OPENAI_MEAN)),
        "std": tuple(record.get("std", OPENAI_STD)),
        "resize_mode": record.get("resize_mode", "squash" if squash else "shortest"),
        "interpolation": record.get("interpolation", "bicubic"),
        "fill": record.get("fill_color", 0),
    }
    try:
        return Preprocess(**values).config()
    except (TypeError, ValueError) as error:
        refuse(path, "preprocess_cfg that can be used", show(str(error), 160))


def record_of(config: ModelConfig, layout: Layout, preprocess: Preprocess) -> dict[str, Any]:
    """The configuration to write beside the weights of a model.

    Raises
    ------
    CheckpointError
        open_clip has no such model.
    """
    image, text = config.image, config.text
    activations = [tower.activation or config.activation for tower in (image, text)]
    text_cfg: dict[str, Any] = {
        "context_length": config.context_length, "vocab_size": config.vocab_size,
        "width": text.width, "heads": text.heads, "layers": text.layers,
    }  # fmt: skip
    if config.hidden(text) != 4 * text.width:
        text_cfg["mlp_ratio"] = config.hidden(text) / text.width
    if config.norm_eps != 1e-5:
        text_cfg["norm_kwargs"] = {"eps": config.norm_eps}
    if activations[1] == "gelu_tanh":
        text_cfg["act_kwargs"] = {"approximate": "tanh"}
    if not config.causal:
        text_cfg["no_causal_mask"] = True
    if config.text_pool != "argmax":
        text_cfg["pool_type"] = config.text_pool
    if config.eos_id is not None:
        text_cfg["eos_id"] = config.eos_id
    model: dict[str, Any] = {"embed_dim": config.shared_width}
    if config.logit_bias:
        model["init_logit_bias"] = -10
    siglip = layout.family == "SigLIP"
    vision = _timm_of(config, activations[0]) if siglip else _vision_of(config, activations)
    if siglip:
        model["custom_text"] = True
        text_cfg["proj_bias"] = True
    elif activations[0] == "quick_gelu":
        model["quick_gelu"] = True
    model |= {"vision_cfg": {"image_size": config.image_size, **vision}, "text_cfg": text_cfg}
    return {"model_cfg": model, "preprocess_cfg": _preprocess_of(preprocess)}


def _cannot(expected: str, found: str) -> CheckpointError:
    return CheckpointError(f"open_clip: expected {expected}, found {found}")


def _vision_of(config: ModelConfig, activations: list[str]) -> dict[str, Any]:
    image = config.image
    if activations[0] != activations[1] and "quick_gelu" in activations:
        raise _cannot("quick_gelu in both towers or none", " and ".join(activations))
    vision: dict[str, Any] = {
        "layers": image.layers, "width": image.width, "head_width": image.width // image.heads,
        "patch_size": config.patch_size,
    }  # fmt: skip
    if config.hidden(image) != 4 * image.width:
        vision["mlp_ratio"] = config.hidden(image) / image.width
    if config.norm_eps != 1e-5:
        vision["norm_kwargs"] = {"eps": config.norm_eps}
    if activations[0] == "gelu_tanh":
        vision["act_kwargs"] = {"approximate": "tanh"}
    return vision


def _timm_of(config: ModelConfig, activation: str) -> dict[str, Any]:
    if activation != "gelu":
        raise _cannot(
            "an image tower of SigLIP with exact GELU, the only one it makes",
            f"{activation!r}; read the weights with activation='gelu' to write them all the same: "
            "embeddings then differ in the third digit",
        )
    image = config.image
    wanted = (image.width, image.layers, image.hidden)
    kind = next((kind for kind, sizes in _TIMM_SIZES.items() if sizes == wanted), None)
    if kind is None or _TIMM_HEADS[kind] != image.heads or config.norm_eps != 1e-6:
        raise _cannot("SigLIP's base, large or so400m image tower", repr(image))
    name = f"vit_{kind}_patch{config.patch_size}_siglip_{config.image_size}"
    return {
        "timm_model_name": name, "timm_model_pretrained": False, "timm_pool": "map",
        "timm_proj": "none",
    }  # fmt: skip


def _preprocess_of(preprocess: Preprocess) -> dict[str, Any]:
    return {
        "size": [preprocess.height, preprocess.width], "mode": "RGB",
        "mean": list(preprocess.mean), "std": list(preprocess.std),
        "interpolation": preprocess.interpolation, "resize_mode": preprocess.resize_mode,
        "fill_color": preprocess.fill,
    }  # fmt: skip
