"""Weights of other programs as a model here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import fields_line
from csparc._scalars import choice, whole_number
from csparc._text import show
from csparc.checkpoint import checkpoint
from csparc.checkpoint.checkpoint import find_checkpoint
from csparc.checkpoint.claims import SPARE_ARRAYS, SPARE_BYTES
from csparc.checkpoint.metadata import Metadata
from csparc.checkpoint.safetensors_file import refuse
from csparc.checkpoint.trained import Trained
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError
from csparc.models import ModelConfig, TwoTower
from csparc.models.checks import ACTIVATIONS
from csparc.models.presets import preset
from csparc.models.resize import resize_sequence
from csparc.nn.parameter import TooManyParameters, at_most
from csparc.weights import hugging_face, open_clip, tokens
from csparc.weights.layouts import Layout
from csparc.weights.rules import RULES, Entry
from csparc.weights.source import Source, beside, find_weights, read_record
from csparc.weights.statement import Statement, Tensors, configuration

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer
    from csparc.losses import Loss

HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Pretrained:
    """A model with weights that another program wrote, its transform for evaluation, its tokenizer
    (None where no file beside the weights holds one), and the name of their layout; of a checkpoint
    of csparc's the loss as well."""

    model: TwoTower
    preprocess: Preprocess
    tokenizer: Tokenizer | None
    layout: str
    loss: Loss | None = None

    __repr__ = fields_line


def read_weights(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    activation: str | None = None,
    image_size: int | None = None,
    context_length: int | None = None,
    dtype: np.dtype | type = np.float32,
    tokenizer: str | os.PathLike | None = None,
) -> Pretrained:
    """Read weights of CLIP or SigLIP as open_clip or Hugging Face lays them out (docs/weights.md).

    Parameters
    ----------
    path : path
        A .safetensors file (float16, bfloat16, float32, float64), a .pt, .pth or .bin file (read by
        ``torch.load(weights_only=True)``; needs torch), or a folder with one. The configuration is
        the open_clip_config.json or config.json beside it.
    name : str, optional
        One of ``list_models(published=True)``: the sizes must agree, and it may say the activation.
    activation : {"gelu", "quick_gelu", "gelu_tanh", "relu"}, optional
        Of both towers, instead of what the configuration says.
    image_size : int, optional
        Side in pixels; positions are interpolated (`TwoTower.resized`).
    context_length : int, optional
        Most tokens of a caption: positions are cut off, or interpolated to more.
    dtype : float32 or float64
    tokenizer : path, optional
        A tokenizer.json, vocab.json or BPE merges; by default looked for beside the weights.

    Raises
    ------
    CheckpointError
        One line: the file, what was expected, what was found. Nothing was loaded then.
    """
    if activation is not None:
        choice(activation, "activation", ACTIVATIONS)
    source = Source(find_weights(path))
    said = _statement(source, name, activation)
    config = configuration(Tensors(source.path, source.layout, source.shapes), said)
    if name is not None:
        check_sizes(source.path, name, config)
    model = _loaded(source, config, np.dtype(dtype))
    preprocess = Preprocess(**(said.preprocess or default_preprocess(config)))
    if (preprocess.height, preprocess.width) != (config.image_size,) * 2:
        refuse(source.path, f"preprocessing to {config.image_size} pixels", repr(preprocess))
    model = refitted(model, image_size, context_length)
    preprocess = Preprocess(**{**preprocess.config(), "size": model.config.image_size})
    words = tokens.beside(source.path, model.config, tokenizer)
    return Pretrained(model, preprocess, words, source.layout.name)


def read_own(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    image_size: int | None = None,
    context_length: int | None = None,
    vocabulary: bool = True,
) -> Pretrained:
    """A checkpoint of csparc's as `read_weights` gives those of others; ``vocabulary``: whether the
    number of tokens must be that of the model ``name``, too. A bias of logits that the loss learned
    becomes the model's, which others read."""
    file = find_checkpoint(path)
    trained = checkpoint.load_trained(file)
    if name is not None:
        check_sizes(os.fspath(file), name, trained.model.config, vocabulary)
    model = refitted(trained.model, image_size, context_length)
    learned = {} if trained.loss is None else trained.loss.parameters
    if model.logit_bias is not None and "logit_bias" in learned:
        np.copyto(model.logit_bias.data, learned["logit_bias"].data)
    preprocess = Preprocess(**{**trained.metadata.preprocess, "size": model.config.image_size})
    return Pretrained(model, preprocess, trained.tokenizer, "csparc", trained.loss)


def load_trained(path: str | os.PathLike) -> Trained:
    """`read_weights` as `csparc.checkpoint.load_trained` gives a checkpoint."""
    found = read_weights(path)
    metadata = Metadata(found.model.config.to_dict(), found.preprocess.config())
    return Trained(found.model, found.tokenizer, None, metadata)


def default_preprocess(config: ModelConfig) -> dict[str, Any]:
    """What a model of this form was trained with where no file says it: SigLIP's squashed pictures
    and halves, CLIP's shortest side and constants."""
    if config.global_pool == "map":
        size = config.image_size
        return Preprocess(size, HALF, HALF, resize_mode="squash").config()
    return Preprocess(config.image_size).config()


def refitted(model: TwoTower, image_size: int | None, context_length: int | None) -> TwoTower:
    """The model for another size of pictures and length of captions; None: as it is."""
    if image_size is not None and image_size != model.config.image_size:
        model = model.resized(image_size)
    if context_length is None or context_length == model.config.context_length:
        return model
    length = whole_number(context_length, "context_length", low=2)
    values = model.state_dict()
    name = "positional_embedding"
    if name in values:
        values[name] = resize_sequence(values[name], length)
    other = TwoTower(replace(model.config, context_length=length), seed=None, dtype=model.dtype)
    other.load_state_dict(values)
    return other


def check_sizes(path: str, name: str, found: ModelConfig, vocabulary: bool = True) -> None:
    """Refuse weights of other sizes than the model of that name has, with ``vocabulary`` of another
    number of tokens, too: that of csparc's own models is their tokenizer's.

    Raises
    ------
    CheckpointError
        Names the first difference.
    """
    expected = preset(name)
    names = ("width", "layers", "heads")
    sizes = [(f"{side}.{n}", getattr(getattr(found, side), n), getattr(getattr(expected, side), n))
             for side in ("image", "text") for n in names]  # fmt: skip
    whole = ["patch_size", "image_size", "shared_width", "global_pool"]
    whole += ["vocab_size"] if vocabulary else []
    sizes += [(n, getattr(found, n), getattr(expected, n)) for n in whole]
    for what, one, other in sizes:
        if one != other:
            refuse(path, f"weights of {name}, {what} {other}", f"{what} {one}")


def entries_of(path: str, layout: Layout, config: ModelConfig, names: Mapping) -> list[Entry]:
    """The layout's entries of the parameters ``names``, a block each.

    Raises
    ------
    CheckpointError
        The layout has no place for one.
    """
    entries = []
    for entry in layout.entries:
        if "{i}" not in entry.ours[0]:
            entries.append(entry)
            continue
        visual = entry.ours[0].startswith("visual.")
        layers = config.image_layers if visual else config.text_layers
        entries += [entry.block(number) for number in range(layers)]
    entries = [entry for entry in entries if set(entry.ours) <= set(names)]
    covered = {name for entry in entries for name in entry.ours}
    if rest := sorted(set(names) - covered):
        refuse(path, f"a model that {layout.name} has a place for", f"also {rest[0]}")
    return entries


def _statement(source: Source, name: str | None, activation: str | None) -> Statement:
    kind = open_clip if source.layout.package == "open_clip" else hugging_face
    config = beside(source.path, (kind.CONFIG,))
    said = Statement(text_pool=source.layout.form.get("text_pool", "argmax"))
    if config is not None:
        said = _read(kind.statement, config, source.layout)
    elif source.layout.family == "SigLIP":
        said.causal, said.norm_eps = False, 1e-6
    if kind is hugging_face:
        processor = beside(source.path, kind.PREPROCESS)
        if processor is not None:
            said.preprocess = _read(kind.preprocess, processor, source.layout)
    if config is None and name is not None:
        _say_by_name(said, preset(name))
    if activation is not None:
        said.image_activation = said.text_activation = activation
    return said


def _read(read: Callable[[str, Any, Layout], Any], path: Path, layout: Layout) -> Any:
    """What ``read`` makes of a JSON file; entries of a wrong type are the file's fault."""
    record = read_record(path)
    try:
        return read(os.fspath(path), record, layout)
    except CheckpointError:
        raise
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        refuse(path, "a configuration that can be used", show(str(error), 160))


def _say_by_name(said: Statement, config: ModelConfig) -> None:
    """What a published model's name says; of CLIP with GELU the activation is not believed, since
    OpenAI's weights, which need QuickGELU, go by the same names."""
    said.image_heads, said.text_heads = config.image.heads, config.text.heads
    if config.global_pool == "map" or config.activation == "quick_gelu":
        said.image_activation = said.text_activation = config.activation


def _loaded(source: Source, config: ModelConfig, dtype: np.dtype) -> TwoTower:
    """The model with the file's weights, every name and shape checked before one is read."""
    numbers = sum(int(np.prod(shape)) for shape in source.shapes.values())
    try:
        with at_most(numbers * dtype.itemsize + SPARE_BYTES, 2 * len(source.shapes) + SPARE_ARRAYS):
            model = TwoTower(config, seed=None, dtype=dtype)
    except TooManyParameters:
        refuse(source.path, f"weights of {config!r}", f"{len(source.shapes)} tensors, too few")
    except MemoryError as error:
        raise CheckpointError(f"{source.path}: cannot be read: not enough memory") from error
    parameters = dict(model.parameters)
    if "logit_bias" in parameters and "logit_bias" not in source.shapes:
        refuse(source.path, f"{source.layout.name}, with logit_bias", "no such tensor")
    entries = entries_of(source.path, source.layout, config, parameters)
    _check_tensors(source, entries, {name: p.shape for name, p in parameters.items()})
    for entry in entries:
        arrays = [source.read(name) for name in entry.theirs]
        shapes = [parameters[name].shape for name in entry.ours]
        for name, array in zip(entry.ours, RULES[entry.rule].to_ours(arrays, shapes)):
            parameters[name].data[...] = array
    return model


def _check_tensors(source: Source, entries: list[Entry], shapes: Mapping) -> None:
    wanted = {}
    for entry in entries:
        ours = [shapes[name] for name in entry.ours]
        theirs = RULES[entry.rule].shapes(ours, len(entry.theirs))
        wanted |= dict(zip(entry.theirs, theirs))
    there = set(source.shapes) - set(source.layout.unread)
    for what, names in (("no", set(wanted) - there), ("also", there - set(wanted))):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            refuse(
                source.path, f"the {len(wanted)} tensors of {source.layout.name}",
                f"{what} {show(min(names))}{more}",
            )  # fmt: skip
    for name, shape in wanted.items():
        found = source.shapes[name]
        # A scale is a number in some files and an array of one in others.
        if found != shape and not (np.prod(shape) == np.prod(found) == 1 and len(found) < 2):
            expected = f"tensor {show(name)} of shape {list(shape)}"
            refuse(source.path, expected, show(list(found)))
