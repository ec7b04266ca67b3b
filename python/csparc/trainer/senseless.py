"""Settings that are valid each by itself and together teach a model nothing."""

from __future__ import annotations

from collections.abc import Iterator

from csparc.losses.base import Loss
from csparc.trainer.config import TrainConfig


def nothing_to_learn(
    config: TrainConfig, loss: Loss, total_steps: int, extra_texts: bool = False
) -> str | None:
    """What makes a run of ``total_steps`` senseless, in one sentence; None where nothing does.
    ``extra_texts``: whether there are negatives beside the pairs of a batch."""
    reasons = list(_reasons(config, loss, total_steps, extra_texts))
    return "; ".join(reasons) if reasons else None


def _reasons(config: TrainConfig, loss: Loss, total_steps: int, extra_texts: bool) -> Iterator[str]:
    if config.batch_size == 1 and loss.contrasts_pairs_alone and not extra_texts:
        yield (
            f"batch_size: {loss.label} tells a pair from the other pairs of its batch, and in a "
            "batch of 1 there are none: nothing is learned"
        )
    if config.lr == 0:
        yield "lr: with a learning rate of 0 no weight changes"
    elif config.warmup is not None and config.warmup >= total_steps > 0:
        share = 100 * total_steps / config.warmup
        yield (
            f"warmup: {config.warmup} steps of warm-up in a run of {total_steps}: the learning "
            f"rate ends at {share:.3g} % of lr"
        )
    unlocked = config.lock_image_unlocked_groups + config.lock_text_unlocked_layers
    if config.lock_image and config.lock_text and not unlocked:
        yield (
            "lock_image, lock_text: with both towers locked whole only the scales are trained: "
            "leave the last groups of one unlocked"
        )
