"""The stages of the demo: data, tokenizer, model, training, evaluation before and after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import csparc
from csparc.data import tokenizer as tokenizers
from csparc.demo.data import DemoData, open_demo_data
from csparc.demo.page.result import DemoResult
from csparc.demo.plan import DemoPlan, Evaluation, Training
from csparc.demo.report import build_result, configuration_of
from csparc.evaluate import evaluate_grounding, evaluate_retrieval
from csparc.evaluate.diagnose import local_scale
from csparc.evaluate.encode import encode_dataset
from csparc.evaluate.explain import (
    Explanation,
    LocalFeatures,
    explanations,
    local_features,
    sentence_maps,
)
from csparc.evaluate.grounding import words_alike
from csparc.evaluate.known_places import (
    Weigher,
    places,
    sentence_weights,
    single_object_sentences,
)
from csparc.losses.registry import make_loss
from csparc.models import PRESETS
from csparc.trainer import TrainConfig, Trainer
from csparc.viz import read_log

VOCABULARY = 2048
ALIGNMENTS = 12
_TIMED_STEPS = 12
Say = Callable[[str], None]


def demonstrate(plan: DemoPlan, say: Say) -> DemoResult:
    """Run the plan; ``say`` is given a line at each stage."""
    data = open_demo_data(plan.data, plan.seed, plan.max_pixels)
    # Half a small set at most: some pictures may prove unreadable, and a batch must fill.
    plan = replace(plan, batch_size=min(plan.batch_size, max(2, len(data.train) // 2)))
    tokenizer = tokenizers.train(
        data.train.all_captions(),
        vocab_size=VOCABULARY,
        context_length=PRESETS[plan.model].context_length,
    )
    loss = make_loss(plan.loss, plan.loss_options)
    if plan.minutes is not None:
        say("timing a few steps")
        plan = replace(plan, steps=fitting_steps(plan, data, tokenizer))
    model = create_model(plan, tokenizer, loss)
    say(
        f"{data.description}: {len(data.train):,} pictures to train on, {len(data.held_out):,} "
        f"held out; preset {plan.model}, {plan.steps:,} steps of {plan.batch_size} pairs"
    )
    if data.unreadable:
        say(f"others were held out instead: {data.unreadable.summary()}")
    if plan.objective():
        say(f"loss: {plan.objective()}")
    config = TrainConfig(
        batch_size=plan.batch_size,
        steps=plan.steps,
        lr=plan.lr,
        seed=plan.seed,
        out=plan.out / "run",
        overwrite=True,
        save_frequency=plan.steps,
        val_frequency=0,
    )
    trainer = Trainer(model, loss, data.train, tokenizer=tokenizer, config=config)
    look = Look(model, tokenizer, trainer.val_preprocess, data, loss)
    say("evaluating the untrained model")
    untrained = look.evaluate()
    begun = time.monotonic()
    if trainer.run().interrupted:
        raise KeyboardInterrupt
    training = Training(
        log=read_log(plan.out / "run" / "log.jsonl"),
        seconds=time.monotonic() - begun,
        parameters=sum(parameter.data.size for parameter in model.parameters.values()),
    )
    say("evaluating the trained one")
    trained = look.evaluate()
    if len(trained.features.problems):
        say(f"held out: {trained.features.problems.summary()}")
    configuration = configuration_of(plan, data, model, config, loss)
    return build_result(plan, data, training, untrained, trained, configuration)


def create_model(plan: DemoPlan, tokenizer: Any, loss: Any) -> Any:
    """The plan's model as it starts, of the kind that suits the loss."""
    return csparc.create_model(
        plan.model, vocab_size=tokenizer.vocab_size, seed=plan.seed, **loss.suited_model()
    )


class Look:
    """Evaluates a model, as it is at the moment, on the demo's held-out pairs."""

    def __init__(
        self, model: Any, tokenizer: Any, preprocess: Any, data: DemoData, loss: Any
    ) -> None:
        self.model, self.tokenizer, self.preprocess = model, tokenizer, preprocess
        self.data, self.loss = data, loss

    def evaluate(self) -> Evaluation:
        """Retrieval, the local loss's control and, for scenes, what only they allow."""
        model, held_out = self.model, self.data.held_out
        features = encode_dataset(model, self.tokenizer, held_out, self.preprocess)
        arrays = (features.image_features, features.text_features, features.image_index)
        views = [self.preprocess.fixed(held_out.load(int(item))) for item in features.items]
        images = self.preprocess.normalize(np.stack(views))
        own = [held_out.captions(int(item)) for item in features.items]
        found, explained = self._explain(images, [captions[0] for captions in own])
        grounding = evaluate_grounding(
            found.patches,
            found.tokens,
            found.mask,
            text_global=found.text_global,
            loss=self.loss,
            logit_scale=local_scale(model, self.loss),
        )
        longest = [max(captions, key=len) for captions in own[:ALIGNMENTS]]
        shown = self._explain(images[:ALIGNMENTS], longest)[1]
        maps = sentence_maps(model, self.tokenizer, images[:ALIGNMENTS], longest)
        shown = [replace(one, sentence=row) for one, row in zip(shown, maps)]
        semantic, placed, by_word = None, {}, grounding["weights"]["of"] == "words"
        if self.data.scenes is not None:
            from csparc.evaluate.scenes import semantic_recall

            semantic = semantic_recall(self.data.scenes, *arrays, features.items)
            items = features.items.tolist()
            spoken = single_object_sentences(model, self.tokenizer, self.data.scenes, items, images)
            if not by_word:
                by = Weigher(model, self.tokenizer, self.loss)
                spoken = sentence_weights(self.data.scenes, spoken, items, found, by)
            placed = places(self.data.scenes, items, explained, spoken, model.config.grid)
        return Evaluation(
            features,
            evaluate_retrieval(*arrays),
            grounding,
            views,
            list(zip(longest, shown)),
            semantic,
            placed.get("placement"),
            placed.get("sentence_placement"),
            words_alike([one.ranking for one in explained]) if by_word else None,
        )

    def _explain(
        self, images: np.ndarray, captions: list[str]
    ) -> tuple[LocalFeatures, list[Explanation]]:
        found = local_features(self.model, self.tokenizer, images, captions)
        aligned = found.alignment(self.loss)
        return found, explanations(self.tokenizer, found.ids, aligned, self.model.config.grid)


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
