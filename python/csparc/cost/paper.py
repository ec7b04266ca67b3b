"""The cost of a step on each of many devices, counted as the SPARC paper counts it (Table 11).

There the batch is dealt out and every device contrasts its own images with all captions and its own
captions with all images, in plain matrix products: what this package saves (a Gram matrix, a score
used twice) is not saved here. The backward pass counts twice the forward.
"""

from __future__ import annotations

from dataclasses import replace

from csparc.cost.model import model_info
from csparc.losses.costs import Sizes
from csparc.losses.registry import loss_class
from csparc.models.config import ModelConfig

DEVICES = 256
"""How many the paper trained on."""

BATCHES = (2048, 4096, 8192, 16384)
TFLOP = {
    "clip": (1.15, 2.29, 4.57, 9.14),
    "pacl": (1.2, 2.46, 5.24, 12.8),
    "gloria": (3.34, 13.21, None, None),
    "mgca": (1.16, 2.31, 4.62, 9.23),
    "filip": (1.37, 3.17, 8.09, 27.25),
    "sparc": (1.15, 2.3, 4.6, 9.19),
}
"""Table 11, ViT-B/16: TFLOP of a step on one device, by batch size of `BATCHES`."""
MEGABYTES = {
    "clip": (4394, 4452, 5889, 8578),
    "pacl": (4682, 6267, 9786, 14785),
    "gloria": (8013, 13840, None, None),
    "mgca": (4412, 4462, 5936, 8681),
    "filip": (4394, 5230, 8657, 15463),
    "sparc": (4408, 4450, 5914, 8620),
}
"""Table 11: peak memory there, MB."""


def paper_model(config: ModelConfig) -> ModelConfig:
    """A model with the paper's text tower: as large as its image tower, which is what its FLOP say
    (the presets have CLIP's narrower one)."""
    return replace(config, text=config.image)


def encoder_flop(config: ModelConfig) -> int:
    """Forward pass of a pair as CLIP needs it: no patch or token is brought to the shared space."""
    return model_info(config).flop - sum(_adapters(config).values())


def _adapters(config: ModelConfig) -> dict[str, int]:
    """FLOP of bringing all patches, all tokens of a pair to the shared space."""
    return {
        "patches": 2 * config.patches * config.image.width * config.shared_width,
        "tokens": 2 * config.context_length * config.text.width * config.shared_width,
    }


def sizes_of(config: ModelConfig, batch: int, extra_texts: int = 0) -> Sizes:
    """Sizes of the losses for a model."""
    width = config.shared_width
    return Sizes(batch, config.patches, config.context_length, width, extra_texts)


def device_flop(loss: str, config: ModelConfig, batch: int, devices: int = DEVICES) -> float | None:
    """FLOP of a training step on one of ``devices``: encoders and loss, forward and backward; None
    for a loss that does not say what its forward pass costs."""
    made, own = loss_class(loss)(), batch / devices
    added = made.forward_flop(sizes_of(config, batch), own)
    if added is None:
        return None
    read = sum(flop for rows, flop in _adapters(config).items() if rows in made.inputs)
    return 3 * (own * (encoder_flop(config) + read) + added)


UPDATE_COPIES = 5.5
"""Whole copies of the weights while they are updated, in float32: weights, gradients, two moments,
the update, and half a one in 16 bits. Fitted to the paper's table, which is flat for small
batches."""


def device_bytes(
    loss: str, config: ModelConfig, batch: int, devices: int = DEVICES
) -> float | None:
    """Peak memory on one of ``devices``; None for losses over all pairs, which depend on what is
    kept of their pairwise tensors.

    Weights, gradients and two moments in float32 and 16-bit activations with attention
    probabilities, which the paper's encoders keep and this package forms again; or the update of
    the weights, if that takes more.
    """
    if not loss_class(loss).within_pairs:
        return None
    info = model_info(config)
    weights = 4 * info.total_parameters
    lengths = ((config.image, config.patches), (config.text, config.context_length))
    probabilities = sum(tower.layers * tower.heads * length**2 for tower, length in lengths)
    activations = 2 * batch / devices * (info.activation_floats + probabilities)
    return max(4 * weights + activations, UPDATE_COPIES * weights)
