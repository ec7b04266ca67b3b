"""What a model costs, from its configuration alone: parameters, memory, arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from csparc._repr import fields_line
from csparc.models.config import ModelConfig, TowerConfig, list_models
from csparc.models.factory import configure


@dataclass(frozen=True)
class ModelInfo:
    """Costs of a configuration.

    Attributes
    ----------
    parameters : dict of str to int
        Trained numbers by part: "image blocks", "text embedding", ...; they add up to the model.
    activation_floats : int
        Numbers a training step keeps for the backward pass, a pair of image and full-length
        caption; the loss is not counted.
    flop : int
        Arithmetic of one forward pass of a pair at full length; forward and backward take three
        times that. A multiplication and an addition are 2 FLOP; norms, softmax and activations are
        not counted.
    """

    parameters: dict[str, int]
    activation_floats: int
    flop: int

    __repr__ = fields_line

    @property
    def total_parameters(self) -> int:
        return sum(self.parameters.values())

    def activation_bytes(self, batch_size: int, itemsize: int = 4) -> int:
        """Memory the backward pass needs at a batch size, in bytes; float32 by default."""
        return batch_size * self.activation_floats * itemsize

    def training_bytes(self, batch_size: int, itemsize: int = 4) -> int:
        """That, and weights, gradients and two moments of AdamW."""
        return self.activation_bytes(batch_size, itemsize) + 4 * itemsize * self.total_parameters

    def lines(self, batch_size: int = 256) -> list[str]:
        """A table for people."""
        rows = [(part, f"{count:,}") for part, count in self.parameters.items()]
        rows += [
            ("parameters", f"{self.total_parameters:,}"),
            ("weights, float32", f"{4 * self.total_parameters / 2**20:,.1f} MiB"),
            ("FLOP a pair, forward", f"{self.flop / 1e6:,.1f} M"),
            ("FLOP a pair, training", f"{3 * self.flop / 1e6:,.1f} M"),
            (
                f"activations, batch {batch_size}",
                f"{self.activation_bytes(batch_size) / 2**20:,.0f} MiB",
            ),
            (
                f"training, batch {batch_size}",
                f"{self.training_bytes(batch_size) / 2**20:,.0f} MiB",
            ),
        ]
        wide = max(len(name) for name, _ in rows)
        return [f"{name:{wide}s}  {value:>16s}" for name, value in rows]


def model_info(model: str | ModelConfig, **overrides: object) -> ModelInfo:
    """Costs of a preset (with fields changed as in ``create_model``) or of a configuration.

    Nothing is allocated, so the largest preset is as quick as the smallest.
    """
    config = configure(model, **overrides) if isinstance(model, str) else model
    image, text, shared = config.image, config.text, config.shared_width
    patch = 3 * config.patch_size**2
    head = config.global_pool == "text"
    pooled_first = {"image": head, "text": config.global_pool != "listing"}
    parameters = {
        "image embedding": image.width * (patch + config.patches),
        "image blocks": _block_parameters(image, config.mlp_ratio) + 2 * image.width,
        "image head": image.width * (image.width + 1) if head else 0,
        "image adapter": shared * (image.width + 1),
        "text embedding": text.width * (config.vocab_size + config.context_length),
        "text blocks": _block_parameters(text, config.mlp_ratio) + 2 * text.width,
        "text adapter": shared * (text.width + 1),
        "temperature": 1,
    }
    positions = {"image": config.patches, "text": config.context_length}
    flop = 2 * config.patches * patch * image.width
    kept = config.patches * patch
    for side, tower in (("image", image), ("text", text)):
        length = positions[side]
        flop += _block_flop(tower, length, config.mlp_ratio) + 2 * length * tower.width * shared
        flop += 2 * tower.width * shared if pooled_first[side] else 0
        kept += _kept(tower, length, config.mlp_ratio)
        kept += tower.width if pooled_first[side] else 0
        kept += length * shared + shared
    if head:
        flop += 2 * image.width**2
        kept += 2 * image.width
    return ModelInfo(parameters, kept, flop)


def _block_parameters(tower: TowerConfig, ratio: int) -> int:
    """Four norm vectors; qkv, output and two MLP matrices with their biases."""
    c = tower.width
    block = 4 * c + (3 * c * c + 3 * c) + (c * c + c) + (ratio * c * c + ratio * c)
    return tower.layers * (block + ratio * c * c + c)


def _block_flop(tower: TowerConfig, length: int, ratio: int) -> int:
    """Per position: matrices of 4 + 2 ratio squares, and scores and mixing over all positions."""
    c = tower.width
    return tower.layers * length * (2 * (4 + 2 * ratio) * c * c + 4 * length * c)


def _kept(tower: TowerConfig, length: int, ratio: int) -> int:
    """Per position and block: two residual sums, two normed rows, qkv, the attention's output, and
    both sides of the activation; norm statistics; log-sum-exp. Then the last norm's both sides."""
    c = tower.width
    block = (2 + 2 + 3 + 1 + 2 * ratio) * c + 4 + tower.heads
    return length * (tower.layers * block + 2 * c + 2)


def describe(model: str, batch_size: int = 256) -> str:
    """The costs of one preset, a line each."""
    return "\n".join(model_info(model).lines(batch_size))


def table(batch_size: int = 256) -> str:
    """The presets, a line each: parameters, FLOP of a training pair, memory of training."""
    rows = [("model", "parameters", "MFLOP a pair", f"MiB, batch {batch_size}")]
    for name in list_models():
        info = model_info(name)
        rows.append(
            (
                name,
                f"{info.total_parameters:,}",
                f"{3 * info.flop / 1e6:,.0f}",
                f"{info.training_bytes(batch_size) / 2**20:,.0f}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        f"{row[0]:{widths[0]}s}" + "".join(f"  {c:>{w}s}" for c, w in zip(row[1:], widths[1:]))
        for row in rows
    )
