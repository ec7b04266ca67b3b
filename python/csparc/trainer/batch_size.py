"""The batch size ``"auto"``: the largest sensible one that fits the memory there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from csparc._memory import available_memory
from csparc.checkpoint.checkpoint import checkpoints_in, find_checkpoint, read_checkpoint
from csparc.cost.training import training_memory
from csparc.data.loading.cache import DEFAULT_BYTES
from csparc.errors import CheckpointError

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.losses import Loss
    from csparc.models import TwoTower
    from csparc.trainer.config import TrainConfig

AUTO = "auto"
LARGEST = 1024
"""The most that is chosen: more pairs teach a small model little more and make fewer steps."""
SHARE = 0.8
"""Of the memory there is; the rest is for validation, and for others."""
USED = 0.9
"""Of the pictures: some may turn out to be bad, and a batch must still be filled."""
SMALLEST = 8


def settled(
    config: TrainConfig, model: TwoTower, loss: Loss, data: Dataset
) -> tuple[TrainConfig, str | None]:
    """The settings with a number for ``batch_size``, and what to say of it; None where it was
    given. A run that is resumed keeps the number that its checkpoint records.

    Raises
    ------
    ValueError
        Not even the smallest batch fits.
    """
    if config.batch_size != AUTO:
        return config, None
    recorded = _recorded(config)
    if recorded is not None:
        told = f"batch size {recorded}, as the run that is resumed recorded it"
        return replace(config, batch_size=recorded), told
    size, why = choose(config, model, loss, data)
    return replace(config, batch_size=size), f"batch size {size}: {why}"


def choose(
    config: TrainConfig, model: TwoTower, loss: Loss, data: Dataset, available: int | None = None
) -> tuple[int, str]:
    """The largest power of two, at most `LARGEST` and the pictures of the data, whose peak memory
    (`csparc.cost.training.training_memory`) takes `SHARE` of what is available at most; and why.

    Parameters
    ----------
    available : int, optional
        Bytes; None: what the machine and the limits of its control groups leave.
    """
    source = "the memory given"
    if available is None:
        found = available_memory()
        if found is None:
            raise ValueError(
                "batch_size: expected a number, as this system does not say how much memory is "
                "free, found 'auto'"
            )
        available, source = found
    pictures = max(1, int(USED * len(data)))
    side = model.config.image_size
    kept = min(DEFAULT_BYTES, 3 * side * side * len(data)) if data.cacheable else 0
    least = min(pictures, max(SMALLEST, config.micro_batch or 1))
    sizes = [size for size in _powers() if least <= size <= min(pictures, LARGEST)] or [least]

    def needed(size: int) -> int:
        memory = training_memory(
            model.config, loss, size, micro_batch=config.micro_batch, remat=config.remat,
            precision=config.precision,
            extra_texts=size if data.has_hard_negatives else 0,
        )  # fmt: skip
        return memory.total - memory.weights // 4 + kept  # the weights are there by now

    fitting = [size for size in sizes if needed(size) <= SHARE * available]
    there = f"{_size(available)} ({source})"
    if not fitting:
        raise ValueError(
            f"batch_size: expected memory for {sizes[0]} pairs, {_size(needed(sizes[0]))}, in "
            f"{SHARE:.0%} of {there}, found too little; remat, micro_batch or a smaller model take "
            "less, and a number is taken as it is"
        )
    size = max(fitting)
    why = f"it takes about {_size(needed(size))} of {there}"
    if size < sizes[-1]:
        return size, f"{why}, the next larger {_size(needed(2 * size))}"
    if 2 * size > pictures:
        return size, f"{why}, and the data have {len(data):,} pictures"
    return size, f"{why}, and is the largest that is chosen"


def _powers() -> list[int]:
    return [1 << k for k in range(LARGEST.bit_length())]


def _recorded(config: TrainConfig) -> int | None:
    """The batch size of the checkpoint to go on from, the newest that is whole; None where there is
    none."""
    if config.resume is None:
        return None
    latest = str(config.resume) == "latest"
    for path in checkpoints_in(Path(config.out)) if latest else [find_checkpoint(config.resume)]:
        try:
            return read_checkpoint(path).metadata.train_config["batch_size"]
        except CheckpointError:
            continue  # whoever reads it to go on says what is wrong
    return None


def _size(nbytes: int) -> str:
    return f"{nbytes / 2**30:.1f} GiB" if nbytes >= 1 << 30 else f"{nbytes / 2**20:.0f} MiB"
