"""The gradient of a batch whose activations are not in memory at once.

The gradient cache (arXiv 2101.06983): the towers run over micro-batches and keep nothing but the
features that pairs are compared by; the loss is computed once, of all of them, with its gradients
with respect to these; then every micro-batch runs again, recorded, and is played back from its
share of them. It is the gradient of the whole batch, to rounding, for a second forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc.losses.base import WORD_INPUTS
from csparc.losses.result import LossOutput
from csparc.nn import Tape
from csparc.trainer import on_features

if TYPE_CHECKING:
    from csparc.losses import Loss
    from csparc.models import TwoTower
    from csparc.nn import Tensor

Batch = Mapping[str, np.ndarray]
IMAGE, TEXT = ("patches", "image_global"), ("tokens", "text_global")
EXTRA = "extra_text_global"


class GradientCache:
    """Losses and gradients of whole batches, ``micro_batch`` pairs in the towers at a time.

    Where a loss has a part that meets no other pair (`csparc.losses.Loss.apart`), that part is
    computed of each micro-batch, and what only it reads (patches and tokens of SPARC) is kept of no
    more; a micro-batch without a valid word has none of it. Every sum is in the order of the
    micro-batches.

    Parameters
    ----------
    model : TwoTower
    loss : Loss
    micro_batch : int
        The last of a batch may have fewer.
    same_group : str
        What duplicates are, where a batch marks them; as the loss takes it.
    """

    def __init__(self, model: TwoTower, loss: Loss, micro_batch: int, same_group: str) -> None:
        self.model = model
        self.micro_batch = micro_batch
        self._loss = loss
        self._same_group = same_group
        self._across, self._weight, self._within = loss.apart() or (loss, 1.0, None)

    def losses(self, batch: Batch, scale: float, tape: Tape) -> Iterator[LossOutput]:
        """The loss across pairs, then, of a loss in two parts, that within the pairs of every
        micro-batch; the towers run on ``tape``, which must not record."""
        yield self._of_all(self._features(batch, tape), batch, scale)
        for part in self._parts(len(batch["text"])) if self._within is not None else ():
            if batch["loss_mask"][part].any():
                yield self._of_part(self._run(batch, part, tape), batch, part, scale)

    def run(self, batch: Batch, scale: float, slices: int, tape: Tape) -> LossOutput:
        """Add the gradients of the model, but for its scale, and of what the loss owns, divided by
        ``slices``; micro-batches are recorded on ``tape``.

        Returns
        -------
        LossOutput
            Of the whole batch; of its gradients that of ``logit_scale`` alone. Where the loss
            across pairs is not finite no gradient is added.
        """
        found = self._of_all(self._features(batch, Tape(record=False)), batch, scale)
        if not np.isfinite(found.loss):
            return found
        factor = 1 / slices
        if self._within is None:
            self._loss.accumulate(found.grads, factor)
        sums = _Sums(found, self._weight)
        for part in self._parts(len(batch["text"])):
            tape.reset()
            tensors = self._run(batch, part, tape, again=True)
            share = (part.stop - part.start) / len(batch["text"])
            wanted = {
                name: factor * self._weight * found.grads[name][part]
                for name in tensors
                if name in self._across.features
            }
            words = int(np.count_nonzero(batch["loss_mask"][part]))
            if self._within is not None and words:
                inner = self._of_part(tensors, batch, part, scale)
                sums.add(inner, share, words)
                self._loss.accumulate(inner.grads, factor * share)
                for name in self._within.features:
                    gradient = factor * share * inner.grads[name]
                    wanted[name] = wanted[name] + gradient if name in wanted else gradient
            _play(tape, {tensors[name]: gradient for name, gradient in wanted.items()})
        for part in self._parts(_extra_count(batch)):
            tape.reset()
            vectors = on_features.extra_vectors(self.model, batch, tape, part)
            _play(tape, {vectors: factor * self._weight * found.grads[EXTRA][part]})
        return sums.output() if self._within is not None else _without_arrays(found)

    def _parts(self, count: int) -> Iterator[slice]:
        for begin in range(0, count, self.micro_batch):
            yield slice(begin, min(begin + self.micro_batch, count))

    def _features(self, batch: Batch, tape: Tape) -> dict[str, np.ndarray]:
        """What the loss across pairs reads of the whole batch."""
        found: dict[str, np.ndarray] = {}
        count, extra = len(batch["text"]), _extra_count(batch)
        for part in self._parts(count):
            tensors = self._run(batch, part, tape)
            for name in self._across.features:
                _gather(found, name, tensors[name].data, part, count)
        for part in self._parts(extra):
            vectors = on_features.extra_vectors(self.model, batch, tape, part)
            _gather(found, EXTRA, vectors.data, part, extra)
        return found

    def _run(self, batch: Batch, part: slice, tape: Tape, again: bool = False) -> dict[str, Tensor]:
        """The features of a micro-batch by name; ``again``: of the towers that anything is still
        wanted of, which a frozen one is not."""
        model = self.model
        both = not again or self._within is not None
        tensors: dict[str, Tensor] = {}
        if both or _trains(model.visual):
            found = on_features.image_features(model, batch, part, tape)
            tensors.update(zip(IMAGE, found, strict=True))
        if both or _trains(model.text):
            found = on_features.text_features(model, batch, part, tape)
            tensors.update(zip(TEXT, found, strict=True))
        return tensors

    def _of_all(self, features: dict[str, np.ndarray], batch: Batch, scale: float) -> LossOutput:
        words = {name: batch[name] for name in WORD_INPUTS if name in self._across.inputs}
        return call_loss(self._across, {**features, **words}, batch, scale, self._same_group)

    def _of_part(
        self, tensors: Mapping[str, Tensor], batch: Batch, part: slice, scale: float
    ) -> LossOutput:
        """The part within pairs, with what the loss has learned by now."""
        own = self._loss.parameters
        learned = {n: self._loss.value(n) if p.shape == (1,) else p.data for n, p in own.items()}
        arrays = {name: tensors[name].data for name in self._within.features}
        return self._within.with_values(learned)(
            **arrays, text_mask=batch["loss_mask"][part], logit_scale=scale, grad=True
        )


class _Sums:
    """The loss of a batch from its part across pairs and those within the pairs of its
    micro-batches."""

    def __init__(self, across: LossOutput, weight: float) -> None:
        self._across, self._weight = across, weight
        self._scale = weight * across.grads["logit_scale"]
        self._loss = weight * across.loss
        self._parts: dict[str, float] = {}
        self._kept = self._words = 0.0

    def add(self, inner: LossOutput, share: float, words: int) -> None:
        self._loss += share * inner.loss
        self._scale += share * inner.grads["logit_scale"]
        for name, value in inner.parts.items():
            self._parts[name] = self._parts.get(name, 0.0) + share * value
        self._kept += inner.kept_fraction * words
        self._words += words

    def output(self) -> LossOutput:
        return LossOutput(
            self._loss,
            parts={**self._parts, **self._across.parts},
            kept_fraction=self._kept / self._words if self._words else 1.0,
            grads={"logit_scale": self._scale},
        )


def call_loss(
    loss: Loss, arrays: dict[str, Any], batch: Batch, scale: float, same_group: str
) -> LossOutput:
    """The loss of a batch with gradients, with the groups that the batch marks."""
    groups = {"groups": batch["group"], "same_group": same_group} if "group" in batch else {}
    return loss(**arrays, text_mask=batch["loss_mask"], logit_scale=scale, **groups, grad=True)


def _gather(
    found: dict[str, np.ndarray], name: str, values: np.ndarray, part: slice, count: int
) -> None:
    if name not in found:
        found[name] = np.empty((count, *values.shape[1:]), values.dtype)
    found[name][part] = values


def _play(tape: Tape, gradients: Mapping[Tensor, np.ndarray]) -> None:
    """Play back what was recorded, which of frozen towers is nothing."""
    if len(tape):
        tape.backward(gradients)


def _trains(tower: Any) -> bool:
    return any(parameter.requires_grad for _, parameter in tower.named_parameters())


def _extra_count(batch: Batch) -> int:
    return len(batch.get("hard_negative", ()))


def _without_arrays(out: LossOutput) -> LossOutput:
    return LossOutput(
        out.loss, parts=out.parts, kept_fraction=out.kept_fraction,
        grads={"logit_scale": out.grads["logit_scale"]},
    )  # fmt: skip
