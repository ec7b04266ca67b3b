"""The demo of two settings on the same data: SPARC as the paper states it, and the grounded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from csparc.demo.data import DemoData
from csparc.demo.examples import text_searches
from csparc.demo.page.comparison.result import ComparedSearch, Comparison, Contender
from csparc.demo.plan import DemoPlan, Evaluation, command_line
from csparc.demo.run import Run, Say, prepare
from csparc.demo.settings import Setting
from csparc.demo.shown import RULES, WORD_RULES, chosen, compared_pictures
from csparc.evaluate.explain import Explanation
from csparc.viz import save
from csparc.viz.compared import DPI, plot_comparison

SEARCHES = 4
DRAWN = 3
"""Pictures of the PNG."""


@dataclass(frozen=True)
class Seen:
    """What one trained model makes of the held-out pictures, and of the captions to show,
    ``(row, caption)`` each, what their words select."""

    found: Evaluation
    shown: Sequence[tuple[int, int]]
    explained: Sequence[Explanation]


def compare(settings: Sequence[Setting], plans: Sequence[DemoPlan], say: Say) -> Comparison:
    """Train and evaluate every setting by its plan; ``say`` is given a line at each stage.

    The plans agree in data, seed and folder. Of two runs the first is on disk before the second
    begins.
    """
    plans, data, tokenizer = prepare(plans, say)
    contenders, sides = [], []
    for setting, plan in zip(settings, plans, strict=True):
        contender, seen = _contender(setting, Run(plan, data, tokenizer), say)
        contenders.append(contender)
        sides.append(seen)
    first, shown = sides[0].found, sides[0].shown
    if len(first.features.problems):
        say(f"held out: {first.features.problems.summary()}")
    generated = data.scenes is not None
    return Comparison(
        data=data.description,
        generated=generated,
        held_out=len(first.pictures),
        contenders=contenders,
        pictures=compared_pictures(
            data,
            tokenizer,
            [int(first.features.items[row]) for row, _ in shown],
            [first.pictures[row] for row, _ in shown],
            [number for _, number in shown],
            [side.explained for side in sides],
        ),
        searches=_searches(data, [side.found for side in sides]),
        rule=RULES[generated],
        word_rule=WORD_RULES[generated],
        threads=plans[0].threads,
        command=command_line(plans[0], [], [plan.steps for plan in plans]),
    )


def write_picture(result: Comparison, path: Path) -> None:
    """The alignment pictures of the first few captions alone, as a PNG."""
    models = [(one.setting.name, one.setting.whose) for one in result.contenders]
    save(plot_comparison(result.pictures[:DRAWN], models), path, dpi=DPI)


def _contender(setting: Setting, run: Run, say: Say) -> tuple[Contender, Seen]:
    """Train one setting and look at what it does on the held-out pictures."""
    training = run.train(say)
    say("evaluating it")
    found = run.look.evaluate()
    contender = Contender(
        setting=setting,
        steps=run.plan.steps,
        batch_size=run.plan.batch_size,
        seconds=training.seconds,
        processor_seconds=training.processor_seconds,
        parameters=training.parameters,
        log=training.log,
        retrieval=found.retrieval,
        grounding=found.grounding,
        configuration=run.configuration(),
        semantic=found.semantic,
    )
    items = found.features.items
    shown = chosen(run.data, items)
    captions = [run.data.held_out.captions(int(items[row]))[number] for row, number in shown]
    explained = run.look.explain([found.pictures[row] for row, _ in shown], captions)
    return contender, Seen(found, shown, explained)


def _searches(data: DemoData, sides: Sequence[Evaluation]) -> list[ComparedSearch]:
    """The nearest pictures of the same sentences, by every model."""
    found = [
        text_searches(one.features, one.pictures, SEARCHES, data.truth(one.features))
        for one in sides
    ]
    return [
        ComparedSearch(pair[0].caption, [search.hits for search in pair])
        for pair in zip(*found, strict=True)
    ]
