"""One optimiser step: forward, loss, backward, clip, update, clamp; and what makes it fail."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._text import show
from csparc.errors import TrainingError
from csparc.losses.base import WORD_INPUTS
from csparc.losses.registry import extra_text_losses
from csparc.losses.result import LossOutput
from csparc.nn import Tape
from csparc.trainer import on_features
from csparc.trainer.gradient_cache import GradientCache, call_loss
from csparc.trainer.nonfinite import CheckingTape, first_nonfinite

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.losses import Loss
    from csparc.models import ModelOutput, TwoTower
    from csparc.nn import Tensor
    from csparc.optim import AdamW
    from csparc.trainer.config import TrainConfig

Batch = dict[str, np.ndarray]


class Step:
    """The step of one model, loss and optimiser; buffers are reused from step to step.

    The losses of its slices are averaged; with ``summed`` above 1 those of as many slices are
    summed, one of each data set, and these sums are averaged. The log has the mean of all.
    """

    def __init__(
        self,
        model: TwoTower,
        loss: Loss,
        optimizer: AdamW,
        config: TrainConfig,
        summed: int = 1,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.config = config
        self.summed = summed
        self.tape = Tape(remat=config.remat)
        self._cache = None
        if config.micro_batch is not None and config.micro_batch < config.batch_size:
            self._cache = GradientCache(model, loss, config.micro_batch, config.duplicates)
        loss.limit_scales(config.scale_max)  # a scale may start above, and the first step uses it

    def run(self, number: int, batches: list[Batch], lr: float) -> dict[str, float]:
        """Do step ``number`` on its slices; returns the values of the log.

        Raises
        ------
        TrainingError
            A non-finite value, with the name of the first tensor that holds one. Nothing was
            updated then, unless the update itself overflowed.
        """
        config = self.config
        scale = logit_scale(self.model, config.scale_min, config.scale_max)
        if not math.isfinite(scale):
            raise self._stopped(number, "scale", f"logit_scale ({scale})")
        slices = len(batches) // self.summed
        losses = [self._slice(number, batch, scale, slices) for batch in batches]
        grad_norm = self.optimizer.clip(config.grad_clip_norm)
        if not math.isfinite(grad_norm):
            raise self._stopped(number, "gradient", self._first_bad(batches, scale))
        update_norm, param_norm = self.optimizer.step(lr)
        clamp_logit_scale(self.model, config.scale_min, config.scale_max)
        self.loss.constrain(config.scale_max)
        if not math.isfinite(update_norm) or not math.isfinite(param_norm):
            bad = first_nonfinite(self._weights()) or "the sum of their squares"
            raise self._stopped(number, "weight after the update", bad)
        return {
            "loss": _mean(out.loss for out in losses),
            **{
                part: _mean(out.parts.get(part, 0.0) for out in losses)
                for part in self.loss.columns
            },
            "logit_scale": scale,
            "lr": lr,
            "grad_norm": grad_norm,
            "param_norm": param_norm,
            "update_norm": update_norm,
            "kept_fraction": _mean(out.kept_fraction for out in losses),
            **_extra_texts(batches),
        }

    def _slice(self, number: int, batch: Batch, scale: float, slices: int) -> LossOutput:
        """Forward and backward of one of ``slices`` slices, whose losses are averaged; returns the
        loss without the gradients, whose arrays would be kept until the last slice."""
        self.tape.reset()
        run = self._whole if self._cache is None else self._cache.run
        result = run(batch, scale, slices, self.tape)
        if not math.isfinite(result.loss):
            raise self._stopped(number, "loss", self._first_bad([batch], scale))
        if self.model.logit_scale.requires_grad:
            # The loss takes exp(p) of the stored p, so dL/dp = exp(p) dL/dexp(p).
            self.model.logit_scale.grad[...] += scale * result.grads["logit_scale"] / slices
        return LossOutput(result.loss, parts=result.parts, kept_fraction=result.kept_fraction)

    def _whole(self, batch: Batch, scale: float, slices: int, tape: Tape) -> LossOutput:
        """As `GradientCache.run`, with the whole batch recorded at once."""
        features, extra, result = self._forward(batch, scale, tape)
        if not math.isfinite(result.loss):
            return result
        found = {getattr(features, name): result.grads[name] for name in self.loss.features}
        if extra is not None:
            found[extra] = result.grads["extra_text_global"]
        self.loss.accumulate(result.grads, 1 / slices)
        grads = {
            tensor: gradient if slices == 1 else gradient / slices
            for tensor, gradient in found.items()
        }
        if len(tape):  # nothing is recorded where both towers are locked
            tape.backward(grads)
        return result

    def _forward(
        self, batch: Batch, scale: float, tape: Tape
    ) -> tuple[ModelOutput, Tensor | None, LossOutput]:
        """What the towers give, the vectors of captions without a picture, and the loss."""
        features = on_features.forward(self.model, batch, tape)
        arrays = {name: getattr(features, name).data for name in self.loss.features}
        arrays |= {name: batch[name] for name in WORD_INPUTS if name in self.loss.inputs}
        extra = None
        if len(batch.get("hard_negative", ())):
            extra = on_features.extra_vectors(self.model, batch, tape)
            arrays["extra_text_global"] = extra.data
        result = call_loss(self.loss, arrays, batch, scale, self.config.duplicates)
        return features, extra, result

    def _losses(self, batch: Batch, scale: float, tape: Tape) -> Iterator[LossOutput]:
        """The loss of a batch, or its parts; the towers run on ``tape``, which must not record."""
        if self._cache is not None:
            yield from self._cache.losses(batch, scale, tape)
        else:
            yield self._forward(batch, scale, tape)[2]

    def _first_bad(self, batches: list[Batch], scale: float) -> str:
        """Compute the step again and look at everything in order, gradients from the loss back."""
        bad = first_nonfinite(
            [on_features.pictures_of(batch) for batch in batches] + self._weights()
        )
        if bad:
            return bad
        for batch in batches:
            tape = CheckingTape()
            for result in self._losses(batch, scale, tape):
                parts = [*result.parts.items(), *_flat(result.grads)]
                bad = tape.first_bad or first_nonfinite(parts)
                if bad:
                    return bad
        gradients = [
            (f"the gradient of {name}", parameter.grad)
            for name, parameter in reversed(self.optimizer.parameters.items())
            if parameter.grad is not None
        ]
        return first_nonfinite(gradients) or "the sum of squared gradients, which overflows"

    def _weights(self) -> list[tuple[str, np.ndarray]]:
        return [(name, p.data) for name, p in self.optimizer.parameters.items()]

    @staticmethod
    def _stopped(number: int, what: str, bad: str) -> TrainingError:
        return TrainingError(
            f"step {number}: expected finite numbers, found a non-finite {what}; the first bad "
            f"tensor is {bad}; a lower lr or a longer warmup may help"
        )


def _extra_texts(batches: list[Batch]) -> dict[str, float]:
    """How many captions without a picture a step had, of data that have some."""
    counts = [len(batch["hard_negative"]) for batch in batches if "hard_negative" in batch]
    return {"hard_negatives": sum(counts)} if counts else {}


def check_takes_hard_negatives(loss: Loss, data: Dataset) -> None:
    """Refuse data with hard negatives where the loss takes none.

    Raises
    ------
    ValueError
        Naming the losses that take them, and how to leave them unread.
    """
    if not data.has_hard_negatives or loss.takes_extra_texts:
        return
    raise ValueError(
        f"data: expected no hard negatives with {loss.name}, which contrasts no vectors of whole "
        f"captions, found some in {show(data.spec)}; hard_negative_key=none leaves them unread, "
        f"{', '.join(extra_text_losses())} take them"
    )


def _flat(grads: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of every gradient; those of a dict argument one by one."""
    for name, grad in grads.items():
        if isinstance(grad, Mapping):
            yield from ((f"the gradient of {name}.{entry}", value) for entry, value in grad.items())
        else:
            yield f"the gradient of {name}", grad


def logit_scale(model: TwoTower, low: float, high: float) -> float:
    """The multiplied scale: exp of the stored logarithm, in float64, within [low, high].

    The stored float32 of log(high) may lie above it, so the clamp of the logarithm is not enough.
    """
    stored = float(model.logit_scale.data.reshape(()))
    return min(max(math.exp(stored), low), high) if math.isfinite(stored) else stored


def check_takes_groups(loss: Loss, duplicates: str) -> None:
    """Refuse a loss without ``groups`` where ``duplicates`` are to be marked for it."""
    if not loss.takes_groups:
        raise ValueError(
            f"duplicates: expected 'allow' or 'avoid' with {loss.name}, which takes no groups, "
            f"found {duplicates!r}"
        )


def introduce(model: TwoTower, loss: Loss) -> None:
    """Tell a loss the model's width, and give a scale nobody has trained yet the start its loss
    asks for (SigLIP's is 10). Warn of an image vector the loss will not train."""
    if loss.suited_model() and not model.config.pools_local:
        warnings.warn(
            "the loss reads no image_global, so visual.head and with it the image's vector stay "
            "untrained; make the model with global_pool='mean'",
            stacklevel=3,
        )
    loss.prepare(model.config.shared_width)
    fresh = np.full_like(model.logit_scale.data, math.log(1 / 0.07))
    if np.array_equal(model.logit_scale.data, fresh):
        model.logit_scale.data[...] = math.log(loss.initial_logit_scale)


def clamp_logit_scale(model: TwoTower, low: float, high: float) -> None:
    """Keep the multiplied scale within [low, high]."""
    data = model.logit_scale.data
    np.clip(data, math.log(low), math.log(high), out=data)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)
