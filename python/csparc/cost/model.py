"""What a model costs, from its configuration alone: parameters, memory, arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from csparc._repr import fields_line
from csparc.cost import towers
from csparc.models.config import ModelConfig
from csparc.models.factory import configure
from csparc.models.presets import list_models


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
    reading_width : int or None
        Side in pixels of what a patch that the local loss reads can see; None: the whole picture.
    """

    parameters: dict[str, int]
    activation_floats: int
    flop: int
    reading_width: int | None = None

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
        seen = "whole picture" if self.reading_width is None else f"{self.reading_width} px"
        rows.append(("a local patch reads", seen))
        wide = max(len(name) for name, _ in rows)
        return [f"{name:{wide}s}  {value:>16s}" for name, value in rows]


def model_info(model: str | ModelConfig, **overrides: object) -> ModelInfo:
    """Costs of a preset (with fields changed as in ``create_model``) or of a configuration.

    Nothing is allocated, so the largest preset is as quick as the smallest.
    """
    config = configure(model, **overrides) if isinstance(model, str) else model
    parameters = {
        **towers.image_parameters(config),
        **towers.text_parameters(config),
        "temperature": 1 + config.logit_bias,
    }
    kept = towers.image_kept(config) + towers.text_kept(config)
    flop = towers.image_flop(config) + towers.text_flop(config)
    return ModelInfo(parameters, kept, flop, config.reading_width)


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
