"""Hugging Face's configuration: config.json and preprocessor_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from csparc._text import show
from csparc.checkpoint.safetensors_file import refuse
from csparc.data.transforms import OPENAI_MEAN, OPENAI_STD, Preprocess
from csparc.errors import CheckpointError
from csparc.models import ModelConfig
from csparc.weights.layouts import Layout
from csparc.weights.statement import Statement

WEIGHTS = "model.safetensors"
TORCH_WEIGHTS = "pytorch_model.bin"
CONFIG = "config.json"
PREPROCESS = ("preprocessor_config.json", "processor_config.json")

_DEFAULTS = {
    "CLIP": {
        "text_config": {
            "vocab_size": 49_408, "hidden_size": 512, "intermediate_size": 2048,
            "num_hidden_layers": 12, "num_attention_heads": 8, "max_position_embeddings": 77,
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49_407,
        },
        "vision_config": {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "num_channels": 3, "image_size": 224, "patch_size": 32,
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        },
    },
    "SigLIP": {
        "text_config": {
            "vocab_size": 32_000, "hidden_size": 768, "intermediate_size": 3072,
            "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 64,
            "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
        },
        "vision_config": {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "num_channels": 3, "image_size": 224, "patch_size": 16,
            "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "vision_use_head": True,
        },
    },
}  # fmt: skip
"""What transformers takes where a file says nothing: published files leave such entries out."""

_TYPES = {"CLIP": "clip", "SigLIP": "siglip"}
_ACTIVATIONS = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "relu": "relu",
}
_RESAMPLE = {2: "bilinear", 3: "bicubic"}
_ARGMAX_EOS = 2
"""transformers pools at the largest id where eos_token_id is this."""


def statement(path: str, record: Any, layout: Layout) -> Statement:
    """What such a configuration says; ``path`` is the file it is from.

    Raises
    ------
    CheckpointError
        It describes what csparc has not.
    """
    if not isinstance(record, dict) or record.get("model_type") != _TYPES[layout.family]:
        found = record.get("model_type") if isinstance(record, dict) else record
        refuse(path, f"model_type {_TYPES[layout.family]!r} of {layout.name}", show(found))
    image, text = (_part(path, record, key, layout) for key in ("vision_config", "text_config"))
    eps = [part["layer_norm_eps"] for part in (image, text)]
    if eps[0] != eps[1]:
        refuse(path, "one layer_norm_eps in both towers", f"{show(eps[0])} and {show(eps[1])}")
    for key, wanted in (("num_channels", 3), ("vision_use_head", True)):
        if image.get(key, wanted) != wanted:
            refuse(path, f"vision_config.{key} {wanted}", show(image[key]))
    said = Statement(
        image_heads=image["num_attention_heads"],
        text_heads=text["num_attention_heads"],
        image_activation=_activation(path, "vision_config", image),
        text_activation=_activation(path, "text_config", text),
        norm_eps=eps[0],
        causal=layout.family == "CLIP",
    )
    if layout.family == "CLIP" and text["eos_token_id"] != _ARGMAX_EOS:
        said.text_pool, said.eos_id = "eos", text["eos_token_id"]
    said.sizes = {
        "image.width": image["hidden_size"],
        "image.hidden": image["intermediate_size"],
        "image.layers": image["num_hidden_layers"],
        "image_size": image["image_size"],
        "patch_size": image["patch_size"],
        "text.width": text["hidden_size"],
        "text.hidden": text["intermediate_size"],
        "text.layers": text["num_hidden_layers"],
        "vocab_size": text["vocab_size"],
        "context_length": text["max_position_embeddings"],
    }
    return said


def _part(path: str, record: Mapping[str, Any], key: str, layout: Layout) -> dict[str, Any]:
    part = record.get(key)
    if part is not None and not isinstance(part, dict):
        refuse(path, f"{key} as an object", show(part))
    return {**_DEFAULTS[layout.family][key], **(part or {})}


def _activation(path: str, name: str, part: Mapping[str, Any]) -> str:
    kind = part["hidden_act"]
    if not isinstance(kind, str) or kind not in _ACTIVATIONS:
        refuse(path, f"{name}.hidden_act {' or '.join(_ACTIVATIONS)}", show(kind))
    return _ACTIVATIONS[kind]


def preprocess(path: str, record: Any, layout: Layout) -> dict[str, Any]:
    """preprocessor_config.json as the arguments of `csparc.data.transforms.Preprocess`."""
    if isinstance(record, dict) and isinstance(record.get("image_processor"), dict):
        record = record["image_processor"]
    if not isinstance(record, dict):
        refuse(path, "an object", show(record))
    squash = layout.family == "SigLIP"
    size = record.get("size", 224)
    crop = record.get("crop_size", size)
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if record.get(key, True) is not True:
            refuse(path, f"{key} true", show(record[key]))
    if abs(record.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        refuse(path, "rescale_factor 1/255", show(record["rescale_factor"]))
    if not squash and _sides(crop) != _sides(size):
        refuse(path, "crop_size like size", f"{show(crop)} and {show(size)}")
    resample = record.get("resample", 3)
    if resample not in _RESAMPLE:
        refuse(path, "resample 2 (bilinear) or 3 (bicubic)", show(resample))
    half = (0.5, 0.5, 0.5)
    values = {
        "size": _sides(size),
        "mean": tuple(record.get("image_mean", half if squash else OPENAI_MEAN)),
        "std": tuple(record.get("image_std", half if squash else OPENAI_STD)),
        "resize_mode": "squash" if squash else "shortest",
        "interpolation": _RESAMPLE[resample],
    }
    try:
        return Preprocess(**values).config()
    except (TypeError, ValueError) as error:
        refuse(path, "a preprocessing that can be used", show(str(error), 160))


def _sides(size: Any) -> Any:
    """Height and width of a size as it is written: a number, a shortest edge, or both."""
    if isinstance(size, dict):
        edge = size.get("shortest_edge")
        return (size.get("height", edge), size.get("width", edge))
    return (size, size)


def record_of(config: ModelConfig, layout: Layout) -> dict[str, Any]:
    """config.json of a model.

    Raises
    ------
    CheckpointError
        transformers has no such model.
    """
    names = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
    if layout.family == "CLIP":
        _check_clip(config)
    image = {
        "model_type": f"{_TYPES[layout.family]}_vision_model",
        "image_size": config.image_size, "patch_size": config.patch_size, "num_channels": 3,
    }  # fmt: skip
    text = {
        "model_type": f"{_TYPES[layout.family]}_text_model",
        "vocab_size": config.vocab_size, "max_position_embeddings": config.context_length,
    }  # fmt: skip
    for part, tower in ((image, config.image), (text, config.text)):
        part |= {
            "hidden_size": tower.width, "intermediate_size": config.hidden(tower),
            "num_hidden_layers": tower.layers, "num_attention_heads": tower.heads,
            "hidden_act": names[tower.activation or config.activation],
            "layer_norm_eps": config.norm_eps,
        }  # fmt: skip
    record = {
        "architectures": [f"{'CLIP' if layout.family == 'CLIP' else 'Siglip'}Model"],
        "model_type": _TYPES[layout.family], "torch_dtype": "float32",
        "text_config": text, "vision_config": image,
    }  # fmt: skip
    if layout.family == "SigLIP":
        text["projection_size"] = config.shared_width
        return record
    argmax = config.text_pool == "argmax"
    text["eos_token_id"] = _ARGMAX_EOS if argmax else config.eos_id
    if config.eos_id is not None:
        text["bos_token_id"] = max(config.eos_id - 1, 0)
    record["projection_dim"] = text["projection_dim"] = config.shared_width
    image["projection_dim"] = config.shared_width
    return record


def _check_clip(config: ModelConfig) -> None:
    wrong = None
    if not config.causal or config.text_pool not in ("argmax", "eos"):
        wrong = f"causal={config.causal}, text_pool={config.text_pool!r}"
    if config.text_pool == "eos" and config.eos_id == _ARGMAX_EOS:
        wrong = f"eos_id={_ARGMAX_EOS}, which transformers takes for the largest id"
    if wrong:
        raise CheckpointError(
            f"transformers: expected a CLIP with causal text pooled at its end token, found {wrong}"
        )


def preprocess_record(preprocess: Preprocess, layout: Layout) -> dict[str, Any]:
    """preprocessor_config.json of a model.

    Raises
    ------
    CheckpointError
        transformers' preprocessing of the family cannot do it.
    """
    siglip = layout.family == "SigLIP"
    mode = "squash" if siglip else "shortest"
    if preprocess.resize_mode != mode or preprocess.height != preprocess.width:
        raise CheckpointError(
            f"transformers: expected resize_mode={mode!r} to a square of a {layout.family}, found "
            f"{preprocess!r}"
        )
    side = preprocess.height
    numbers = {name: number for number, name in _RESAMPLE.items()}
    both = {"height": side, "width": side}
    record = {
        "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255,
        "image_mean": list(preprocess.mean), "image_std": list(preprocess.std),
        "resample": numbers[preprocess.interpolation],
        "image_processor_type": "SiglipImageProcessor" if siglip else "CLIPImageProcessor",
        "size": both if siglip else {"shortest_edge": side},
    }  # fmt: skip
    if not siglip:
        record |= {"do_center_crop": True, "do_convert_rgb": True, "crop_size": both}
    return record
