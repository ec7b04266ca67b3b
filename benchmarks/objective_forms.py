"""The plain forms of torch of one objective, each tried once: what it takes of time and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness import LONG
from memory import Trial, trial
from peers import Outcome, check_agreement, torch_call
from results import duration

LEANER = 0.95
"""Share of the fastest form's memory below which another form is said to hold less."""


@dataclass(frozen=True)
class Form:
    """A way to write an objective; ``name`` is that of its entry."""

    name: str
    function: Callable
    compiled: bool

    def call(self, values: dict[str, Any]) -> Callable[[], Outcome]:
        return torch_call(self.function, values, gradients=True, compiled=self.compiled)


@dataclass(frozen=True)
class Tried:
    """How a call of a form went."""

    form: Form
    call: Callable[[], Outcome]
    seconds: float
    extra: float
    """Bytes beyond inputs and gradients."""
    agreement: str


def forms_of(objective: str) -> list[Form]:
    import torch
    from objective_peers import FORMS

    version = torch.__version__.partition("+")[0]
    return [
        Form(f"torch {version} {kind}, {name}", function, kind == "compiled")
        for name, function in FORMS[objective].items()
        for kind in ("eager", "compiled")
    ]


def tried(call: Callable[[], Outcome], compiled: bool) -> Trial:
    """One call after those that compile and allocate; of short ones the fastest of a few.

    Its memory is that of the first one: the gradients of that one are held from then on.
    """
    if compiled:
        call()
    found = trial(call)
    if found.seconds >= LONG:
        return found
    again = min(trial(call).seconds for _ in range(3))
    return replace(found, seconds=min(found.seconds, again))


def tried_forms(objective: str, values: dict[str, Any], wanted: Outcome) -> list[Tried]:
    """All of them, the fastest first.

    Raises ``AssertionError`` where one computes something else than ``wanted``.
    """
    out = []
    for form in forms_of(objective):
        call = form.call(values)
        found = tried(call, form.compiled)
        agreement = check_agreement(form.name, wanted, found.outcome)
        out.append(Tried(form, call, found.seconds, found.extra, agreement))
    return sorted(out, key=lambda each: each.seconds)


def notes_on(tries: list[Tried]) -> dict[str, str]:
    """What was tried, how far the fastest lies from csparc, and which form holds less than it."""
    fastest, leanest = tries[0], min(tries, key=lambda each: each.extra)
    notes = {
        "tried": "; ".join(f"{each.form.name} {duration(each.seconds)}" for each in tries),
        fastest.form.name: fastest.agreement,
    }
    if leanest.extra < LEANER * fastest.extra:
        notes["holds less"] = (
            f"{leanest.form.name}, {leanest.extra / fastest.extra:.0%} of the fastest's extra "
            f"memory in {leanest.seconds / fastest.seconds:.2f} times its time"
        )
    return notes
