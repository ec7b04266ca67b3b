"""The objectives SPARC is compared with, value and all gradients, against the peak and plain torch.

    python benchmarks/bench_objectives.py --case filip

P 196, L 55, D 512, everything valid, float32; B by case, in objective_batches.py. Every form of the
peer (objective_peers.py), as it is and through torch.compile, is run once, and the fastest one then
timed in turn with csparc. All of them must give csparc's loss and gradients.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness import LONG, Limits, Setting, interleave, main
from memory import Trial, trial
from objective_batches import CASES, OBJECTIVES, Case, arguments, flop, ours
from peers import Outcome, check_agreement, torch_call
from results import Measurement, duration

import csparc
from csparc import _core
from csparc.evaluate.cost import Sizes

SIZES = Sizes(B=0, P=196, L=55, D=512)
OURS = "csparc"


def forms_of(objective: str) -> dict[str, tuple[Callable, bool]]:
    """(function, whether compiled) by name of the entry."""
    import torch
    from objective_peers import FORMS

    version = torch.__version__.partition("+")[0]
    return {
        f"torch {version} {kind}, {form}": (function, kind == "compiled")
        for form, function in FORMS[objective].items()
        for kind in ("eager", "compiled")
    }


def tried(call: Callable[[], Outcome], compiled: bool) -> Trial:
    """One call after those that compile and allocate; of short ones the fastest of a few."""
    if compiled:
        call()
    found = trial(call)
    if found.seconds < LONG:
        found = min((trial(call) for _ in range(3)), key=lambda each: each.seconds)
    return found


def fastest_form(
    forms: dict[str, tuple[Callable, bool]], values: dict[str, Any], wanted: Outcome
) -> tuple[str, Callable[[], Outcome], float, dict[str, str]]:
    """Its name, a call of it, the memory it takes, and notes on all forms.

    Raises ``AssertionError`` where a form computes something else than ``wanted``.
    """
    best, least, told, notes = None, math.inf, [], {}
    for name, (function, compiled) in forms.items():
        call = torch_call(function, values, gradients=True, compiled=compiled)
        found = tried(call, compiled)
        agreement = check_agreement(name, wanted, found.outcome)
        told.append(f"{name} {duration(found.seconds)}")
        if found.seconds < least:
            least = found.seconds
            best, notes = (name, call, found.extra), {name: agreement}
    return *best, {"tried": "; ".join(told), **notes}


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    objective, sizes = OBJECTIVES[case.objective], replace(SIZES, B=case.B)
    csparc.set_num_threads(limits.threads)
    values = arguments(objective, sizes)
    entries = {OURS: ours(objective, values)}
    own = trial(entries[OURS])
    extra, notes = {OURS: own.extra}, {"aim": case.goal, "isa": _core.config()["isa"]}
    if importlib.util.find_spec("torch") is None:
        notes["torch"] = "not installed: pip install 'csparc[bench]'"
    else:
        import torch

        torch.set_num_threads(limits.threads)
        forms = forms_of(case.objective)
        peer, call, extra_of_peer, found = fastest_form(forms, values, own.outcome)
        entries[peer], extra[peer] = call, extra_of_peer
        notes |= found
    work = dict.fromkeys(entries, flop(objective, sizes))
    result = interleave(entries, work, case.repeats, limits, ready=True)
    result.notes |= notes
    result.figures["B"] = case.B
    for entry, size in extra.items():
        result.figures[f"{entry}: extra resident MiB"] = size / 2**20
        if entry != OURS:
            result.figures["B at which it fills 16 GB"] = largest(case, size)
    return result


def largest(case: Case, extra: float, room: float = 16e9) -> float:
    """Pairs for which a peer's memory beyond inputs and gradients, taken to grow with B B (MGCA:
    with B), fills ``room`` bytes."""
    power = 1 if case.objective == "mgca" else 2
    return math.floor(case.B * (room / extra) ** (1 / power))


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
