"""The state of a run, written into a checkpoint and restored from one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc.checkpoint.checkpoint import Checkpoint
from csparc.checkpoint.metadata import Counters, Metadata
from csparc.data.transforms import Preprocess
from csparc.models.groups import depths
from csparc.optim import AdamW
from csparc.trainer.averages import Averages
from csparc.trainer.resume import check_same_run

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.losses import Loss
    from csparc.models import TwoTower
    from csparc.trainer.config import TrainConfig


class TrainingState:
    """Model, the loss's own parameters, optimiser and counters of a run.

    Parameters
    ----------
    model, loss, tokenizer, config
        Of the run.
    preprocess, val_preprocess : Preprocess
        For training, and for evaluation.
    loss_specials : bool
        Whether begin and end tokens enter the local loss.
    data : dict of str to Dataset
        ``training``, and ``validation`` where there is any.
    init : mapping
        What the model began from, to be recorded; of a run that is resumed, what its checkpoint
        says.
    """

    def __init__(
        self,
        model: TwoTower,
        loss: Loss,
        tokenizer: Tokenizer,
        config: TrainConfig,
        *,
        preprocess: Preprocess,
        val_preprocess: Preprocess,
        loss_specials: bool,
        data: Mapping[str, Dataset],
        init: Mapping[str, str],
    ) -> None:
        self.model = model
        self.loss = loss
        self.counters = Counters()
        self.optimizer = make_optimizer(model, loss, config)
        self.averages = None
        if config.ema is not None:
            self.averages = Averages(self.optimizer.parameters, config.ema)
        train_config = {
            **config.decisive(),
            "preprocess": preprocess.config(),
            "loss_specials": loss_specials,
        }
        self._described = Metadata(
            model_config=_as_json(model.config.to_dict()),
            loss_config=_as_json(loss.config()),
            train_config=_as_json(train_config),
            data=_described_data(data, config.out is not None),
            preprocess=_as_json(val_preprocess.config()),
            tokenizer=tokenizer.to_json(),
            init=dict(init),
        )

    def finish_step(self, pairs: int, epoch: int) -> int:
        """Count a step that used ``pairs`` pairs; returns its number, from 1."""
        counters = self.counters
        self.counters = replace(
            counters,
            step=counters.step + 1,
            epoch=epoch,
            samples_seen=counters.samples_seen + pairs,
        )
        if self.averages is not None:
            self.averages.update(self.counters.step)
        return self.counters.step

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """A context in which model and loss hold the averages, where there are any."""
        return contextlib.nullcontext() if self.averages is None else self.averages.in_place()

    def checkpoint(self, cursor: dict[str, Any], counters: Counters | None = None) -> Checkpoint:
        """The run as it is, with the data at ``cursor``; the arrays are not copied."""
        metadata = replace(self._described, counters=counters or self.counters, cursor=cursor)
        loss = {name: parameter.data for name, parameter in self.loss.parameters.items()}
        averages = {} if self.averages is None else self.averages.arrays
        return Checkpoint(
            metadata, self.model.state_dict(), loss, self.optimizer.m, self.optimizer.v, averages
        )

    def restore(self, checkpoint: Checkpoint, source: str) -> None:
        """Take over the weights, moments and counters of a checkpoint of the same run.

        Raises
        ------
        CheckpointError
            It is of another run; nothing was changed then.
        """
        averages = {} if self.averages is None else self.averages.arrays
        check_same_run(checkpoint, source, self._described, set(self.optimizer.m), set(averages))
        self.model.load_state_dict(checkpoint.model)
        for name, parameter in self.loss.parameters.items():
            np.copyto(parameter.data, checkpoint.loss[name])
        for mine, saved in (
            (self.optimizer.m, checkpoint.first_moment),
            (self.optimizer.v, checkpoint.second_moment),
            (averages, checkpoint.averages),
        ):
            for name, array in mine.items():
                np.copyto(array, saved[name])
        self.counters = replace(checkpoint.metadata.counters)
        self._described = replace(self._described, init=checkpoint.metadata.init)
        self.optimizer.t = self.counters.step


def make_optimizer(model: TwoTower, loss: Loss, config: TrainConfig) -> AdamW:
    """Of what is trained of a model and a loss, whose names begin with ``loss.``."""
    owned = {f"loss.{name}": parameter for name, parameter in loss.parameters.items()}
    return AdamW(
        {**model.parameters, **owned},
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.wd,
        lr_factors=_lr_factors(model, config.layer_decay),
    )


def _lr_factors(model: TwoTower, decay: float) -> dict[str, float]:
    """What ``layer_decay`` makes of the learning rate, by parameter of the model."""
    return {name: decay**depth for name, depth in depths(model.parameters).items() if depth}


def _described_data(datasets: Mapping[str, Dataset], saved: bool) -> dict[str, Any]:
    """What is recorded of the data; fingerprints only where a checkpoint will hold them."""
    described = {
        name: {"spec": data.spec, "pictures": len(data), "fingerprint": data.fingerprint()}
        for name, data in datasets.items()
        if saved
    }
    return {"spec": datasets["training"].spec, **described}


def default_preprocess(model: TwoTower) -> Preprocess:
    """The evaluation transform of a model that says nothing else: its size, CLIP's colours."""
    return Preprocess(model.config.image_size)


def _as_json(value: Any) -> Any:
    """A value as it will come back from a file, so that the two compare equal."""
    return json.loads(json.dumps(value))
