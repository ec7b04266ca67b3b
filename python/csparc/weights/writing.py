"""Models here as weights of other programs, or as a checkpoint of csparc's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._arrays import rounded
from csparc._new_folder import NewFolder
from csparc._scalars import choice
from csparc.checkpoint import safetensors_file
from csparc.checkpoint.checkpoint import Checkpoint
from csparc.checkpoint.folder import write_atomically
from csparc.checkpoint.metadata import Metadata
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError
from csparc.models import ModelConfig, TwoTower
from csparc.models.config import OURS
from csparc.weights import hugging_face, open_clip
from csparc.weights.layouts import LAYOUTS, Layout
from csparc.weights.reading import default_preprocess, entries_of
from csparc.weights.rules import RULES

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer

PACKAGES = {"open_clip": "open_clip", "hf": "Hugging Face"}
"""What ``--to`` may say, and whose layout it is."""
_FAMILIES = {"class": "CLIP", "map": "SigLIP"}


def _half(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise CheckpointError("dtype: expected weights within float16, found larger: take bf16")
    return half


DTYPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fp32": lambda array: array.astype(np.float32),
    "fp16": _half,
    "bf16": rounded,
}


def write_weights(
    model: TwoTower,
    folder: str | os.PathLike,
    to: str,
    *,
    preprocess: Preprocess | None = None,
    tokenizer: Tokenizer | None = None,
    dtype: str = "fp32",
) -> Path:
    """Write a model's weights as another program lays them out, with its configuration.

    Parameters
    ----------
    model : TwoTower
        Of CLIP's or SigLIP's form: global_pool "class" or "map".
    folder : path
        Must not exist, or be empty. It is written whole or not at all.
    to : {"open_clip", "hf"}
        "open_clip": open_clip_model.safetensors and open_clip_config.json. "hf": model.safetensors,
        config.json and preprocessor_config.json. Both: tokenizer.json, where there is a tokenizer.
    preprocess : Preprocess, optional
        Default the one the family was trained with, to the model's size.
    tokenizer : Tokenizer, optional
    dtype : {"fp32", "fp16", "bf16"}

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    CheckpointError
        The layout has no place for something of the model; nothing was written.
    """
    choice(to, "to", tuple(PACKAGES))
    choice(dtype, "dtype", tuple(DTYPES))
    folder, config = Path(folder), model.config
    layout = _layout(config, to)
    made = Preprocess(**default_preprocess(config)) if preprocess is None else preprocess
    records = _records(config, layout, made)
    tensors = {}
    for entry in entries_of(os.fspath(folder), layout, config, model.parameters):
        arrays = [model.parameters[name].data for name in entry.ours]
        theirs = RULES[entry.rule].to_theirs(arrays, len(entry.theirs))
        for name, array in zip(entry.theirs, theirs):
            tensors[name] = DTYPES[dtype](np.ascontiguousarray(array).reshape(np.shape(array)))
    if tokenizer is not None:
        records["tokenizer.json"] = tokenizer.library_json()
    name = open_clip.WEIGHTS if to == "open_clip" else hugging_face.WEIGHTS
    with NewFolder(folder) as temporary:
        for file, record in records.items():
            text = record if isinstance(record, str) else json.dumps(record, indent=2)
            (temporary / file).write_text(text + "\n", encoding="utf-8")
        with open(temporary / name, "wb") as file:
            safetensors_file.write(file, tensors, {"format": "pt"})
            file.flush()
            os.fsync(file.fileno())
    return folder / name


def write_checkpoint(
    model: TwoTower,
    path: str | os.PathLike,
    *,
    preprocess: Preprocess | None = None,
    tokenizer: Tokenizer | None = None,
) -> Path:
    """Write a model as a checkpoint that `csparc.load_checkpoint` reads, without an optimiser."""
    made = preprocess or Preprocess(**default_preprocess(model.config))
    words = None if tokenizer is None else tokenizer.to_json()
    metadata = Metadata(model.config.to_dict(), made.config(), tokenizer=words)
    write_atomically(path, Checkpoint(metadata, model=model.state_dict()).write)
    return Path(path)


def _layout(config: ModelConfig, to: str) -> Layout:
    """The layout of a model's form.

    Raises
    ------
    CheckpointError
        Names the first field no such layout has a place for.
    """
    family = _FAMILIES.get(config.global_pool)
    if family is None:
        raise CheckpointError(
            f"{PACKAGES[to]}: expected a model of CLIP's or SigLIP's form (global_pool='class' or "
            f"'map'), found global_pool={config.global_pool!r}"
        )
    layout = next(one for one in LAYOUTS if (one.package, one.family) == (PACKAGES[to], family))
    plain = {field.name: field.default for field in fields(ModelConfig) if field.name in OURS}
    plain.pop("token_scale")  # of the initial values alone
    for name, value in {**plain, **layout.form}.items():
        if getattr(config, name) != value:
            raise CheckpointError(
                f"{layout.name}: expected {name}={value!r}, found {getattr(config, name)!r}"
            )
    if family == "SigLIP" and config.causal:
        raise CheckpointError(f"{layout.name}: expected causal=False, found True")
    if config.text_pool == "mean":
        raise CheckpointError(f"{layout.name}: expected captions pooled at a token, found 'mean'")
    return layout


def _records(config: ModelConfig, layout: Layout, preprocess: Preprocess) -> dict[str, Any]:
    if layout.package == "open_clip":
        return {open_clip.CONFIG: open_clip.record_of(config, layout, preprocess)}
    return {
        hugging_face.CONFIG: hugging_face.record_of(config, layout),
        hugging_face.PREPROCESS[0]: hugging_face.preprocess_record(preprocess, layout),
    }
