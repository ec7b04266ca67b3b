"""The loop that trains: data, steps, validation, checkpoints, and an end that loses nothing."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from csparc._progress import Progress
from csparc._repr import cut, line
from csparc.config import set_num_threads
from csparc.data import Dataset
from csparc.data import open as open_data
from csparc.data.loading.alternating import AlternatingLoader, loader_of
from csparc.data.loading.disk_cache import check_folder
from csparc.data.loading.duplicates import HANDLING
from csparc.data.loading.loader import Loader
from csparc.losses.foreign import as_loss
from csparc.optim import cosine
from csparc.profile.files import profiling
from csparc.trainer import early_stop, lr_find
from csparc.trainer.batch_size import settled
from csparc.trainer.config import TrainConfig
from csparc.trainer.files import RunFiles
from csparc.trainer.interrupt import StopRequest
from csparc.trainer.length import plan_steps
from csparc.trainer.locking import lock_towers
from csparc.trainer.log import step_keys
from csparc.trainer.lr_find import LearningRates
from csparc.trainer.on_features import check_features
from csparc.trainer.result import TrainResult
from csparc.trainer.saving import Saving
from csparc.trainer.state import TrainingState, default_preprocess, make_optimizer
from csparc.trainer.step import (
    Step,
    check_takes_groups,
    check_takes_hard_negatives,
    introduce,
)
from csparc.trainer.validating import Validating
from csparc.trainer.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.models import TwoTower
    from csparc.profile import Profile


class Trainer:
    """Trains a two-tower model on pictures with captions.

    Parameters
    ----------
    model : TwoTower
        From `csparc.create_model`; trained in place.
    loss : Loss, str or object
        ``SparcLoss(...)``, ``ClipLoss(...)``, a loss of your own, or a name in
        `csparc.losses.LOSSES`; `csparc.losses.as_loss` says what else is taken.
    data : Dataset, str or path
        A data set, or what `csparc.data.open` takes.
    tokenizer : Tokenizer
        Saved in every checkpoint.
    val_data : Dataset, str or path, optional
        Held-out data for validation and the best checkpoint.
    preprocess : Preprocess, optional
        Transform of the training pictures; default that for evaluation.
    val_preprocess : Preprocess, optional
        Transform for evaluation, saved in every checkpoint; default the model's size with CLIP's
        mean and deviation.
    loss_specials : bool
        Whether the begin and end tokens enter the local loss.
    init : mapping, optional
        What the model began from (`csparc.trainer.initial.Initial.record`), recorded in every
        checkpoint.
    config : TrainConfig, optional
        Or its fields as keywords: ``Trainer(..., steps=1000, lr=5e-4)``.

    Attributes
    ----------
    total_steps : int
        Length of the run. Of epochs that avoid duplicates `run` plans it; before, the most it
        can be.

    Raises
    ------
    TypeError, ValueError, DataError
        Settings or data that cannot be trained with.
    """

    def __init__(
        self,
        model: TwoTower,
        loss: Any,
        data: Dataset | str | os.PathLike,
        *,
        tokenizer: Tokenizer,
        val_data: Dataset | str | os.PathLike | None = None,
        preprocess: Preprocess | None = None,
        val_preprocess: Preprocess | None = None,
        loss_specials: bool = False,
        init: Mapping[str, str] | None = None,
        config: TrainConfig | None = None,
        **settings: Any,
    ) -> None:
        if config is not None and settings:
            raise TypeError(f"expected config or keywords, found both: {', '.join(settings)}")
        self.config = TrainConfig(**settings) if config is None else config
        self.model = model
        self.loss = as_loss(loss)
        if self.config.duplicates not in HANDLING:
            check_takes_groups(self.loss, self.config.duplicates)
        introduce(model, self.loss)
        self.data = _opened(data)
        check_takes_hard_negatives(self.loss, self.data)
        if self.config.cache is not None:
            check_folder(self.config.cache, self.data)
        self.config, self._about_batch = settled(self.config, model, self.loss, self.data)
        self.tokenizer = tokenizer
        self.val_preprocess = val_preprocess or default_preprocess(model)
        self.preprocess = preprocess or self.val_preprocess
        self.loss_specials = loss_specials
        self.total_steps = self.config.total_steps(self.data.epoch_length)
        self.validation = None
        if val_data is not None:
            self.validation = Validation(
                _opened(val_data), tokenizer, self.val_preprocess, self.config.batch_size,
                self.loss, loss_specials, self.config.val_tasks, self.config.val_best,
            )  # fmt: skip
            self.validation.check(model)
        elif self.config.val_tasks or self.config.val_best:
            raise ValueError("val_tasks: expected val_data (--val-data) to run on, found none")
        elif self.config.early_stop is not None:
            raise ValueError("early_stop: expected val_data (--val-data) to judge by, found none")
        lock_towers(model, self.config)
        model.precision = self.config.precision
        datasets = {"training": self.data}
        if self.validation is not None:
            datasets["validation"] = self.validation.dataset
        transforms = self.preprocess, self.val_preprocess
        check_features(model, tokenizer, transforms, datasets.values())
        self._state = TrainingState(
            model, self.loss, tokenizer, self.config, preprocess=self.preprocess,
            val_preprocess=self.val_preprocess, loss_specials=loss_specials, data=datasets,
            init=init or {},
        )  # fmt: skip
        files = RunFiles(self.config, step_keys(self.loss, self.data))
        self._saving = Saving(self._state, files)
        self._validating = Validating(self.validation, self.config, self._saving)

    def __repr__(self) -> str:
        done = f"step {self._state.counters.step} of {self.total_steps}"
        size = self.config.batch_size
        return line(self, cut(repr(self.data.spec), 40), done, loss=self.loss, batch_size=size)

    def run(self) -> TrainResult:
        """Train to the end, or until Ctrl-C or a signal (the current step is finished and saved).

        The signals are SIGTERM, and, unless something handles or ignores them, SIGHUP, SIGUSR1,
        SIGUSR2 and SIGXCPU.

        Raises
        ------
        TrainingError
            A non-finite value (named), or a file that cannot be written (a full disk). The last
            good checkpoint stays whole.
        CheckpointError
            The checkpoint to resume from is damaged or belongs to another run.
        DataError
            The data run out, or too much of them is bad.
        """
        if self.config.threads is not None:
            set_num_threads(self.config.threads)
        stop = StopRequest()
        with (
            contextlib.closing(self._saving.files),
            profiling(self.config.profile) as profile,
            Progress("training", unit="step", kind=self.config.progress, lasting=True) as progress,
            self._loader(self._begin(progress), progress) as loader,
        ):
            done = self._state.counters.step
            self.total_steps = plan_steps(self.config, self.loss, self.data, loader, done, progress)
            progress.begin(done, self.total_steps)
            with stop:
                self._train(loader, progress, stop, profile)
            if loader.report:
                progress.say(loader.report.summary())
        return TrainResult(
            self._state.counters, self._validating.last, self._validating.failed,
            stop.signal_name, self._saving.history,
            self._validating.out_of_patience(self.total_steps),
        )  # fmt: skip

    def find_lr(
        self,
        *,
        steps: int = lr_find.STEPS,
        lr_min: float = lr_find.LR_MIN,
        lr_max: float = lr_find.LR_MAX,
    ) -> LearningRates:
        """Train some steps, of the batches the run begins with, while the learning rate rises from
        ``lr_min`` to ``lr_max``; afterwards model and loss are what they were, and nothing was
        written.

        Parameters
        ----------
        steps : int
            Most steps, each at a rate the same factor above the last; a loss that has grown to four
            times its least value, or a rate that replaces the weights in a step, ends the trial.
        lr_min, lr_max : float

        Returns
        -------
        csparc.trainer.lr_find.LearningRates
            The losses, and a suggestion; `csparc.viz.lr_curve.plot_learning_rates` draws it.

        Raises
        ------
        DataError, TrainingError
            As `run`; a number that is not finite after the first step ends the trial.
        """
        lrs = lr_find.rates(steps, lr_min, lr_max)
        if self.config.threads is not None:
            set_num_threads(self.config.threads)
        optimizer = make_optimizer(self.model, self.loss, self.config)
        how = {"unit": "step", "kind": self.config.progress, "lasting": True}
        with (
            lr_find.restored(optimizer),
            Progress("rising learning rate", **how) as progress,
            self._loader(None, progress) as loader,
        ):
            step = Step(self.model, self.loss, optimizer, self.config, loader.summed)
            return lr_find.trial(step, lambda: self._batches(loader, progress), lrs, progress)

    def use_averages(self) -> None:
        """Give model and loss the averages of the weights, where the run keeps some (``ema``), for
        good: what `csparc.load_checkpoint` gives of its checkpoints. Nothing trains on after it."""
        if self._state.averages is not None:
            self._state.averages.settle()

    def use_best(self) -> None:
        """Give model and loss the weights of the best validation, or their averages, for good,
        where a run that may stop early (``early_stop``) had one. Nothing trains on after it.

        Raises
        ------
        CheckpointError
            The run's best checkpoint is damaged or gone.
        """
        if (best := self._saving.best()) is not None:
            self.model.load_state_dict(best.in_use("model"))
            self.loss.load_state_dict(best.in_use("loss"))

    def _begin(self, progress: Progress) -> dict[str, Any] | None:
        """Say what the data sets have to tell, such as files that are not used, and restore what
        there is to resume; returns the place in the data to go on from."""
        validation = [] if self.validation is None else [self.validation.dataset]
        notes = [note for data in (self.data, *validation) for note in data.problems.notes(False)]
        for note in dict.fromkeys(filter(None, [self._about_batch, *notes])):
            progress.say(note)
        return self._saving.begin(progress)

    def _loader(
        self, cursor: dict[str, Any] | None, progress: Progress
    ) -> Loader | AlternatingLoader:
        duplicates = self.config.duplicates
        return loader_of(
            self.data,
            self.tokenizer,
            self.preprocess,
            self.config.batch_size,
            seed=self.config.seed,
            cursor=cursor,
            loss_specials=self.loss_specials,
            duplicates=duplicates if duplicates in HANDLING else "group",
            words=self.loss.reads_words,
            hard_negatives=self.data.has_hard_negatives,
            cache_folder=self.config.cache,
            on_bad=lambda bad: progress.say(f"skipped {bad}"),
        )

    def _train(
        self, loader: Loader, progress: Progress, stop: StopRequest, profile: Profile | None
    ) -> None:
        config, state, saving = self.config, self._state, self._saving
        validating = self._validating
        warmup = config.warmup_steps(self.total_steps)
        step = Step(self.model, self.loss, state.optimizer, config, loader.summed)
        saving.cursor = loader.cursor
        validating.if_due(self.total_steps, progress, stop)
        while (
            state.counters.step < self.total_steps
            and not stop
            and not validating.out_of_patience(self.total_steps)
        ):
            if profile is not None:
                profile.begin()
            begun = time.perf_counter()
            batches = self._batches(loader, progress)
            waited = time.perf_counter() - begun
            lr = cosine(state.counters.step, config.lr, warmup, self.total_steps)
            record = step.run(state.counters.step + 1, batches, lr)
            pairs = sum(len(batch["index"]) for batch in batches)
            spent = time.perf_counter() - begun
            if profile is not None:
                profile.end(spent, waited)
            number = state.finish_step(pairs, loader.cursor["epoch"])
            saving.cursor = loader.cursor
            clock = {"pairs_per_second": pairs / spent, "data_wait": waited / spent}
            saving.log({"step": number, **record, **clock})
            note = (
                f"loss {record['loss']:.3f}, {pairs / spent:.0f} pairs/s, "
                f"{waited / spent:.0%} waiting for data"
            )
            progress.to(number, self.total_steps, note)
            validating.if_due(self.total_steps, progress, stop)
            if number % config.save_frequency == 0 and number < self.total_steps:
                saving.save()
                saving.keep_room()
        saving.save()
        if validating.out_of_patience(self.total_steps):
            progress.say(early_stop.told(config, state.counters))
        if stop:
            out = saving.files.out
            saved = f"; saved in {out}" if out and state.counters.step else ""
            progress.say(f"{stop.signal_name}: stopped after step {state.counters.step}{saved}")

    def _batches(self, loader: Loader, progress: Progress) -> list[dict[str, Any]]:
        """The slices of the next step; where they cannot be had, the steps so far are saved."""
        try:
            return [next(loader) for _ in range(self.config.accum_freq * loader.summed)]
        except Exception:
            if not self._saving.up_to_date:
                self._saving.save()
                progress.say(f"saved after step {self._state.counters.step}")
            raise


def _opened(data: Dataset | str | os.PathLike) -> Dataset:
    return data if isinstance(data, Dataset) else open_data(data)
