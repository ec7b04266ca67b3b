"""The stages of the demo: data, tokenizer, model, training, evaluation before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import csparc
from csparc.data import tokenizer as tokenizers
from csparc.demo.data import DemoData, open_demo_data
from csparc.demo.look import Look
from csparc.demo.page.result import DemoResult
from csparc.demo.plan import DemoPlan, Training
from csparc.demo.report import build_result, configuration_of
from csparc.losses.registry import loss_class, make_loss
from csparc.models import PRESETS
from csparc.trainer import TrainConfig, Trainer
from csparc.viz import read_log

VOCABULARY = 2048
_TIMED_STEPS = 12
Say = Callable[[str], None]


def demonstrate(plan: DemoPlan, say: Say) -> DemoResult:
    """Run the plan; ``say`` is given a line at each stage."""
    (plan,), data, tokenizer = prepare([plan], say)
    run = Run(plan, data, tokenizer)
    say("evaluating the untrained model")
    untrained = run.look.evaluate()
    training = run.train(say)
    say("evaluating the trained one")
    trained = run.look.with_alignments(run.look.evaluate())
    if len(trained.features.problems):
        say(f"held out: {trained.features.problems.summary()}")
    return build_result(plan, data, training, untrained, trained, run.configuration())


def prepare(plans: Sequence[DemoPlan], say: Say) -> tuple[list[DemoPlan], DemoData, Any]:
    """The data that the plans share and a tokenizer of their captions; the plans with batches that
    the data fill, and the steps that fit the time."""
    first = plans[0]
    data = open_demo_data(first.data, first.seed, first.max_pixels)
    # Half a small set at most: some pictures may prove unreadable, and a batch must fill.
    most = max(2, len(data.train) // 2)
    plans = [replace(plan, batch_size=min(plan.batch_size, most)) for plan in plans]
    tokenizer = tokenizers.train(
        data.train.all_captions(),
        vocab_size=VOCABULARY,
        context_length=min(PRESETS[plan.model].context_length for plan in plans),
    )
    if first.minutes is not None:
        say("timing a few steps")
        plans = [replace(plan, steps=fitting_steps(plan, data, tokenizer)) for plan in plans]
    say(
        f"{data.description}: {len(data.train):,} pictures to train on, {len(data.held_out):,} "
        "held out"
    )
    if data.unreadable:
        say(f"others were held out instead: {data.unreadable.summary()}")
    return plans, data, tokenizer


class Run:
    """A model and a loss of one plan, to train and to look at."""

    def __init__(self, plan: DemoPlan, data: DemoData, tokenizer: Any) -> None:
        self.plan, self.data = plan, data
        self.loss = make_loss(plan.loss, plan.loss_options)
        self.model = create_model(plan, tokenizer, self.loss)
        self.config = TrainConfig(
            batch_size=plan.batch_size,
            steps=plan.steps,
            lr=plan.lr,
            seed=plan.seed,
            out=plan.out / plan.folder,
            overwrite=True,
            save_frequency=plan.steps,
            val_frequency=0,
        )
        self.trainer = Trainer(
            self.model, self.loss, data.train, tokenizer=tokenizer, config=self.config
        )
        self.look = Look(self.model, tokenizer, self.trainer.val_preprocess, data, self.loss)

    def train(self, say: Say) -> Training:
        """All steps of the plan.

        Raises
        ------
        KeyboardInterrupt
            Somebody ended it early; what was trained is in the run's folder.
        """
        plan = self.plan
        loss = plan.objective() or loss_class(plan.loss).label
        say(f"{loss}: preset {plan.model}, {plan.steps:,} steps of {plan.batch_size} pairs")
        begun, worked = time.monotonic(), time.process_time()
        if self.trainer.run().interrupted:
            raise KeyboardInterrupt
        return Training(
            log=read_log(plan.out / plan.folder / "log.jsonl"),
            seconds=time.monotonic() - begun,
            processor_seconds=time.process_time() - worked,
            parameters=sum(one.data.size for one in self.model.parameters.values()),
        )

    def configuration(self) -> dict[str, dict[str, object]]:
        """The settings under the page's headings."""
        return configuration_of(self.plan, self.data, self.model, self.config, self.loss)


def create_model(plan: DemoPlan, tokenizer: Any, loss: Any) -> Any:
    """The plan's model as it starts, of the kind that suits the loss."""
    return csparc.create_model(
        plan.model, vocab_size=tokenizer.vocab_size, seed=plan.seed, **loss.suited_model()
    )


def fitting_steps(plan: DemoPlan, data: DemoData, tokenizer: Any) -> int:
    """Steps that take about ``plan.minutes`` here, timed on a model that is thrown away."""
    loss = make_loss(plan.loss, plan.loss_options)
    model = create_model(plan, tokenizer, loss)
    config = TrainConfig(
        batch_size=plan.batch_size, steps=_TIMED_STEPS, seed=plan.seed, progress="none"
    )
    log = Trainer(model, loss, data.train, tokenizer=tokenizer, config=config).run().log
    rates = [record["pairs_per_second"] for record in log[2:]]
    return max(1, int(plan.minutes * 60 * float(np.median(rates)) / plan.batch_size))
