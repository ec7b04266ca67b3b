"""What the comparison says in words, by the figures that were measured."""

from __future__ import annotations

from csparc._text import duration
from csparc.demo.page.comparison.result import Comparison, Contender

GROUPS = {"NOUN": "nouns", "COLOUR": "colours"}
"""The groups of words whose figures are shown."""
_EVEN = 0.1


def title(result: Comparison) -> str:
    """What the page is about."""
    took = duration(sum(one.seconds for one in result.contenders))
    return f"Where words look after {took} of training"


def conditions(result: Comparison) -> str:
    """The sentence that every figure on the page stands under."""
    where = "procedurally generated scenes" if result.generated else result.data
    paper, ours = (one.setting for one in result.contenders)
    return (
        f"Two small models, trained on the same {where} with one seed{_times(result)}. "
        f"{paper.name} is {paper.whose}, as it states it; {ours.name} is {ours.whose}. Every "
        f"figure is measured on {result.held_out:,} held-out pictures."
    )


def _times(result: Comparison) -> str:
    least, most = sorted(one.processor_seconds for one in result.contenders)
    return " and equal processor time" if most - least <= _EVEN * most else ""


def seen(result: Comparison) -> str:
    """In one line what the alignment pictures show, by the figures over all held-out pictures."""
    if not measured(result):
        return (
            "Nobody knows where things are in these pictures, so no figure says whether a word "
            "found its object: look."
        )
    parts = []
    for group, name in GROUPS.items():
        found = [one.grounding.get("placement", {}).get(group) for one in result.contenders]
        if all(found):
            sides = ", ".join(
                f"{whole(of['pointing'])} with {one.setting.name}"
                for of, one in zip(found, result.contenders)
            )
            parts.append((name, sides, found[0]["pointing_chance"]))
    told = "; ".join(f"for {name} {sides}" for name, sides, _ in parts)
    return (
        f"The heaviest patch lies on the object that the word names: {told}; at random "
        f"{whole(parts[0][2])}."
    )


def whole(value: float) -> str:
    """34 %"""
    return f"{value:.0f}\N{NO-BREAK SPACE}%"


def measured(result: Comparison) -> bool:
    """Whether it is known where the objects are that words name."""
    return all(
        any(group in one.grounding.get("placement", {}) for group in GROUPS)
        for one in result.contenders
    )


def heading(one: Contender) -> str:
    """A contender's name and whose it is."""
    return f"{one.setting.name}, {one.setting.whose}"
