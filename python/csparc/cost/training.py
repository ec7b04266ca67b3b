"""The memory a training step takes, from the configuration of a model and a loss alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from csparc._precision import precision_name
from csparc._repr import fields_line
from csparc._scalars import whole_number
from csparc.cost.memory import held_by
from csparc.data.loading.loader import held_bytes
from csparc.losses.base import Loss
from csparc.losses.costs import Sizes
from csparc.models import ModelConfig, TwoTower
from csparc.nn import Tensor
from csparc.nn.rehearsal import CountedBuffers, Rehearsal

ITEM = 4  # bytes of a float32
FLOAT = np.dtype(np.float32)
REHEARSED = 4096
"""Most pairs that are rehearsed: ids and masks of captions are real arrays."""


@dataclass(frozen=True)
class TrainingMemory:
    """Peak bytes of a training step, by what holds them."""

    weights: int
    """Of the model and the loss: weights, gradients and two moments of AdamW."""
    activations: int
    """The pool of the tape: what the backward pass reads, and the gradients on the way; scratch."""
    features: int
    """What the loss reads of all pairs beside the pool, and its gradients."""
    loss: int | None
    """What the loss holds besides (`csparc.estimate_memory`); None where it does not say."""
    pictures: int
    """Batches of pictures: in use, and made ahead."""

    __repr__ = fields_line

    @property
    def total(self) -> int:
        named = (self.weights, self.activations, self.features, self.loss or 0, self.pictures)
        return sum(named)

    def rows(self) -> Iterator[tuple[str, int | None]]:
        """What holds memory and its bytes, with the total last."""
        yield "weights, gradients, moments", self.weights
        yield "activations and their gradients", self.activations
        yield "features of the loss", self.features
        yield "the loss itself", self.loss
        yield "pictures, made ahead too", self.pictures
        yield "peak", self.total


def training_memory(
    config: ModelConfig,
    loss: Loss,
    batch_size: int,
    *,
    micro_batch: int | None = None,
    remat: bool = False,
    precision: str = "fp32",
    extra_texts: int = 0,
) -> TrainingMemory:
    """Peak bytes of training, beyond what the process holds without it.

    The towers' own forward and backward are rehearsed on arrays without memory, by the pool that
    training takes its buffers from; only the loss is counted by formula. Captions are taken at
    their full length: shorter ones take less. Not counted: decoded pictures that a data set keeps
    (up to 1 GiB), what the matrix library packs (about 4 MB a thread), validation.

    Parameters
    ----------
    config : ModelConfig
    loss : Loss
        What it owns is counted where it owns it by now (`csparc.losses.Loss.prepare`).
    batch_size : int
    micro_batch, remat, precision
        As of `csparc.TrainConfig`.
    extra_texts : int
        Captions without a picture in a batch.

    Raises
    ------
    TypeError, ValueError
        A size that is no whole number of at least 1, a micro-batch above the batch, a precision
        that is neither.
    """
    whole_number(batch_size, "batch_size", low=1)
    if micro_batch is not None:
        whole_number(micro_batch, "micro_batch", low=1, high=batch_size)
    chunked = micro_batch is not None and micro_batch < batch_size
    part = micro_batch if chunked else batch_size
    model = TwoTower(config, seed=None)
    for parameter in model.parameters.values():
        parameter.rounded = precision_name(precision, "precision") == "bf16"
    sizes = [size for size in dict.fromkeys([part, batch_size % part]) if size]
    pool = _pool_bytes(model, loss, sizes, remat, extra_texts, chunked)
    trained = [*model.parameters.values(), *loss.parameters.values()]
    across, _, within = (chunked and loss.apart()) or (loss, 1.0, None)
    features = _feature_bytes(config, across, batch_size, extra_texts)
    if chunked:
        features *= 2  # the features are gathered beside the pool, then their gradients
    if within is not None:
        features += _feature_bytes(config, within, part, 0)
    held = [_held(config, across, batch_size, extra_texts)]
    held += [] if within is None else [_held(config, within, part, 0)]
    return TrainingMemory(
        weights=4 * sum(parameter.data.nbytes for parameter in trained),
        activations=pool,
        features=features,
        loss=None if None in held else sum(held),
        pictures=held_bytes(batch_size, config.image_size),
    )


def _pool_bytes(
    model: TwoTower, loss: Loss, sizes: list[int], remat: bool, extra_texts: int, chunked: bool
) -> int:
    """What the pool and the core hold after a step with batches of these ``sizes`` on the tape.

    Of more than `REHEARSED` pairs an even part is rehearsed, and half of it: what the second half
    adds, every further one adds.
    """
    parts = 1
    while max(*sizes, 0 if chunked else extra_texts) > parts * REHEARSED:
        parts *= 2

    def of(share: int) -> int:
        small = [-(-size // share) for size in sizes]
        return _rehearsed_bytes(model, loss, small, remat, -(-extra_texts // share), chunked)

    part = of(parts)
    return part if parts == 1 else part + 2 * (parts - 1) * (part - of(2 * parts))


def _rehearsed_bytes(
    model: TwoTower, loss: Loss, sizes: list[int], remat: bool, extra_texts: int, chunked: bool
) -> int:
    """The same, of all of these pairs."""
    tape = Rehearsal(remat=remat)
    filler = CountedBuffers()
    for size in sizes if chunked else ():
        _forward(model, _quiet(tape), filler, size)
    for size in sizes:
        found = _forward(model, tape, filler, size)
        wanted = {name: found[name] for name in loss.features}
        texts = min(extra_texts, size) if chunked else extra_texts
        if texts and chunked:
            _play(tape, wanted, filler)
            wanted = {}
        if texts:
            captions = _captions(model.config, texts)
            wanted["extra_text_global"] = model.text_features(*captions, tape)[1]
        _play(tape, wanted, filler)
        found.clear()
    return tape.buffers.size + tape.core.scratch


def _quiet(tape: Rehearsal) -> Rehearsal:
    quiet = Rehearsal(record=False)
    quiet.buffers, quiet.core = tape.buffers, tape.core
    return quiet


def _forward(
    model: TwoTower,
    tape: Rehearsal,
    filler: CountedBuffers,
    pairs: int,
) -> dict[str, Tensor]:
    side = model.config.image_size
    images = Tensor(filler.take((pairs, 3, side, side), FLOAT))
    patches, image_global = model.visual(tape, images)
    tokens, text_global = model.text_features(*_captions(model.config, pairs), tape)
    return {
        "patches": patches, "image_global": image_global, "tokens": tokens,
        "text_global": text_global,
    }  # fmt: skip


def _play(tape: Rehearsal, wanted: dict[str, Tensor], filler: CountedBuffers) -> None:
    tape.play({tensor: filler.take(tensor.shape, FLOAT) for tensor in wanted.values()})


def _captions(config: ModelConfig, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask of captions of full length, which end with the end token where there is one."""
    ids = np.ones((count, config.context_length), np.int32)
    if config.eos_id is not None:
        ids[:, -1] = config.eos_id
    return ids, np.ones(ids.shape, np.bool_)


def _feature_bytes(config: ModelConfig, loss: Loss, pairs: int, extra_texts: int) -> int:
    """Of the arrays a loss reads, as float32."""
    width, rows = config.shared_width, {"patches": config.patches, "tokens": config.context_length}
    counts = sum(rows.get(name, 1) for name in loss.features)
    return ITEM * width * (pairs * counts + extra_texts)


def _held(config: ModelConfig, loss: Loss, pairs: int, extra_texts: int) -> int | None:
    sizes = Sizes(
        B=pairs, P=config.patches, L=config.context_length, D=config.shared_width, N=extra_texts
    )
    stages = loss.stages(sizes, ITEM)
    if stages is None:
        return None
    named = {name: getattr(sizes, name) for name in ("B", "P", "L", "D", "N")}
    return held_by(stages, {**named, "positive": 0}, ITEM)
