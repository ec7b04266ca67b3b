"""What a configuration file says of a model, and the model's configuration from that and its
tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from csparc._repr import fields_line, line
from csparc._text import show
from csparc.checkpoint.safetensors_file import refuse
from csparc.models import ModelConfig
from csparc.models.config import TowerConfig
from csparc.weights.layouts import Layout
from csparc.weights.rules import Entry, Shape

GELU_UNSAID = (
    "a configuration that says which GELU the weights were trained with: pass "
    'activation="quick_gelu" (OpenAI\'s CLIP, DFN, MetaCLIP) or activation="gelu" (LAION\'s and '
    'DataComp\'s CLIP, SigLIP in open_clip; "gelu_tanh": SigLIP elsewhere), or keep the '
    "open_clip_config.json or config.json beside the file"
)
HEAD_WIDTH = 64
"""Of CLIP's and SigLIP's towers where no file says it."""


@dataclass
class Statement:
    """What is not in the shapes of tensors, None where nothing says it, and ``sizes``: those that
    are stated, by the field they must agree with (``image.width``)."""

    image_heads: int | None = None
    text_heads: int | None = None
    image_activation: str | None = None
    text_activation: str | None = None
    norm_eps: float | None = None
    causal: bool = True
    text_pool: str = "argmax"
    eos_id: int | None = None
    preprocess: dict[str, Any] | None = None
    sizes: dict[str, Any] = field(default_factory=dict)

    __repr__ = fields_line


class Tensors:
    """Shapes of a file's tensors, asked for by the names of parameters here."""

    def __init__(self, path: str, layout: Layout, shapes: Mapping[str, Shape]) -> None:
        self.path, self.layout, self._shapes = path, layout, shapes
        self._theirs = {entry.ours[0]: entry for entry in layout.entries}

    def __repr__(self) -> str:
        return line(self, self.layout.name, tensors=len(self._shapes))

    def has(self, name: str) -> bool:
        """Whether the file has the tensor of a parameter."""
        entry = self._theirs.get(name)
        return entry is not None and entry.theirs[0] in self._shapes

    def layers(self, side: str) -> int:
        """Blocks of a tower: one more than the largest number in a name."""
        entry = self._theirs[f"{side}transformer.resblocks.{{i}}.ln_1.weight"]
        before, after = entry.theirs[0].split("{i}")
        numbers = [
            int(name[len(before) : -len(after)])
            for name in self._shapes
            if name.startswith(before)
            and name.endswith(after)
            and name[len(before) : -len(after)].isdecimal()
        ]
        # A number of blocks that no file of so many tensors has is found missing below.
        return min(max(numbers, default=-1) + 1, len(self._shapes) + 1)

    def shape(self, name: str, rank: int) -> Shape:
        """Of the tensor that holds parameter ``name`` alone, which has so many axes here."""
        entry = self._theirs.get(name) or self._theirs[name.replace(".0.", ".{i}.")].block(0)
        found = self._shapes.get(entry.theirs[0])
        if found is None:
            refuse(self.path, f"{self.layout.name}, with {entry.theirs[0]}", "no such tensor")
        expected = rank + (entry.rule == "plane") - (entry.rule == "row")
        if len(found) != expected or 0 in found:
            refuse(self.path, f"{entry.theirs[0]} with {expected} axes", show(list(found)))
        return _ours(entry, found)


def _ours(entry: Entry, shape: Shape) -> Shape:
    if entry.rule == "transposed":
        return shape[::-1]
    return shape[1:] if entry.rule == "plane" else shape


def configuration(tensors: Tensors, said: Statement) -> ModelConfig:
    """The configuration of the model in a file.

    Raises
    ------
    CheckpointError
        Something is not said, or what is said does not agree with the tensors.
    """
    if said.image_activation is None or said.text_activation is None:
        refuse(tensors.path, GELU_UNSAID, "none")
    form, path = dict(tensors.layout.form), tensors.path
    form.setdefault("logit_bias", tensors.has("logit_bias"))
    kernel = tensors.shape("visual.conv1.weight", 4)
    positions = tensors.shape("visual.positional_embedding", 2)
    vocab, text_width = tensors.shape("token_embedding.weight", 2)
    patches = positions[0] - (form["global_pool"] == "class")
    side = math.isqrt(max(patches, 0))
    if side < 1 or side * side != patches:
        refuse(path, "positions of a square grid of patches", f"{patches} patches")
    pool = form.setdefault("text_pool", said.text_pool)
    own = None if said.image_activation == said.text_activation else said.image_activation
    towers = {
        "image": _tower(tensors, "visual.", kernel[0], said.image_heads, own),
        "text": _tower(tensors, "", text_width, said.text_heads, None),
    }
    values = {
        **form,
        "image_size": side * kernel[2],
        "patch_size": kernel[2],
        "context_length": tensors.shape("positional_embedding", 2)[0],
        "shared_width": tensors.shape("adapter.weight", 2)[0],
        "vocab_size": vocab,
        "activation": said.text_activation,
        "causal": said.causal,
        "eos_id": said.eos_id if pool == "eos" else None,
        "norm_eps": 1e-5 if said.norm_eps is None else said.norm_eps,
    }
    try:
        config = ModelConfig(**towers, **values)
    except (TypeError, ValueError) as error:
        refuse(path, "a model that can be made", show(str(error), 200))
    _check_sizes(path, config, said.sizes)
    return config


def _tower(
    tensors: Tensors, side: str, width: int, heads: int | None, activation: str | None
) -> TowerConfig:
    layers = tensors.layers(side)
    hidden = tensors.shape(f"{side}transformer.resblocks.0.mlp.c_fc.weight", 2)[0]
    heads = max(width // HEAD_WIDTH, 1) if heads is None else heads
    own = None if hidden == 4 * width else hidden
    return TowerConfig(width, layers, heads, own, activation)


def _check_sizes(path: str, config: ModelConfig, sizes: Mapping[str, Any]) -> None:
    for name, stated in sizes.items():
        side, _, rest = name.rpartition(".")
        owner = getattr(config, side) if side else config
        found = config.hidden(owner) if rest == "hidden" else getattr(owner, rest)
        if stated != found:
            refuse(path, f"{name} = {show(stated)} as its configuration says", f"{found}")
