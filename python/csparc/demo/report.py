"""From the demo's figures to what its page shows."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

import csparc
from csparc._text import duration
from csparc.demo.data import DemoData
from csparc.demo.examples import image_searches, text_searches
from csparc.demo.page.loss_text import limit_of_data
from csparc.demo.page.result import Alignment, DemoResult
from csparc.demo.plan import DemoPlan, Evaluation, Training

SEARCHES = 6


def build_result(
    plan: DemoPlan,
    data: DemoData,
    training: Training,
    untrained: Evaluation,
    trained: Evaluation,
    configuration: dict[str, dict[str, object]],
) -> DemoResult:
    """Everything the page shows of a finished run."""
    features = trained.features
    truth = data.truth(features)
    loss = f" with {plan.objective()}" if plan.objective() else ""
    return DemoResult(
        title=f"What {duration(training.seconds)} of training{loss} taught a small model",
        conditions=_conditions(plan, data, training, len(trained.pictures)),
        model=plan.model,
        loss=plan.loss,
        parameters=training.parameters,
        data=data.description,
        steps=plan.steps,
        pairs=plan.steps * plan.batch_size,
        seconds=training.seconds,
        threads=plan.threads,
        log=training.log,
        retrieval=trained.retrieval,
        untrained_retrieval=untrained.retrieval,
        grounding=trained.grounding,
        semantic=trained.semantic,
        untrained_semantic=untrained.semantic,
        placement=trained.grounding.get("placement"),
        words_alike=trained.words_alike,
        untrained_placement=untrained.grounding.get("placement"),
        sentence_placement=trained.grounding.get("sentence_placement"),
        untrained_sentence_placement=untrained.grounding.get("sentence_placement"),
        text_searches=text_searches(features, trained.pictures, SEARCHES, truth),
        image_searches=image_searches(features, trained.pictures, SEARCHES, truth),
        alignments=[
            Alignment(
                picture, caption, one.words, one.weights, one.grid, one.sentence, one.chosen_by
            )
            for picture, (caption, one) in zip(trained.pictures, trained.alignments)
        ],
        configuration=configuration,
        command=plan.command(),
        notes=(limit_of_data(data.scenes is not None, len(trained.pictures)),),
    )


def configuration_of(
    plan: DemoPlan, data: DemoData, model: Any, train_config: Any, loss: Any
) -> dict[str, dict[str, object]]:
    """The settings of a run under the page's headings."""
    used = csparc.config.config()
    return {
        "Data": {
            "training": data.train.spec,
            "held out": data.held_out.spec,
            "training pictures": f"{len(data.train):,}",
        },
        "Model": {"preset": plan.model} | _plain(model.config.to_dict()),
        "Training": _plain(train_config.decisive()),
        "Loss": _plain(loss.config()),
        "Machine": _plain({key: used[key] for key in used if key != "csparc"})
        | {
            "processor": platform.machine(),
            "system": platform.system(),
            "Python": platform.python_version(),
            "NumPy": np.__version__,
        },
    }


def _plain(settings: dict) -> dict[str, object]:
    """Names without underscores, values as people write them."""
    return {
        key.replace("_", " "): _plain_value(value)
        for key, value in settings.items()
        if value is not None
    }


def _plain_value(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return f"{value:.6g}" if isinstance(value, float) else value


def _conditions(plan: DemoPlan, data: DemoData, training: Training, held_out: int) -> str:
    where = "On procedurally generated scenes" if data.scenes else f"On {data.description}"
    return (
        f"{where}, with a model of {training.parameters / 1e6:.2f} million parameters, "
        f"{plan.steps * plan.batch_size:,} training pairs and one seed. Every figure is measured "
        f"on {held_out:,} held-out pictures."
    )
