"""The objectives SPARC is compared with, value and all gradients, against the peak and plain torch.

    python benchmarks/bench_objectives.py --case filip

P 196, L 55, D 512, everything valid, float32; B by case, in objective_batches.py. Every form of the
peer (objective_peers.py), as it is and through torch.compile, is first run on a smaller batch; the
fastest one is then timed at full size. All of them must give the loss and the gradients of csparc
before anything is timed.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness import Limits, Setting, interleave, main
from memory import Trial, trial
from objective_batches import CASES, OBJECTIVES, Case, arguments, flop, ours
from peers import check_agreement, torch_call
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


def tried(function: Callable, compiled: bool, values: dict[str, Any]) -> Trial:
    """One call of a form after one that compiles and allocates."""
    call = torch_call(function, values, gradients=True, compiled=compiled)
    call()
    return trial(call)


def fastest_form(case: Case, forms: dict[str, tuple[Callable, bool]]) -> tuple[str, str]:
    """Its name, and a note on how long each form takes for the smaller batch."""
    objective = OBJECTIVES[case.objective]
    values = arguments(objective, replace(SIZES, B=case.trial))
    wanted = ours(objective, values)()
    seconds, failed = {}, []
    for name, (function, compiled) in forms.items():
        try:
            found = tried(function, compiled, values)
        except (RuntimeError, NotImplementedError) as error:
            failed.append(f"{name} fails: {str(error).splitlines()[0][:80]}")
            continue
        check_agreement(name, wanted, found.outcome)
        seconds[name] = found.seconds
    told = [f"{name} {duration(value)}" for name, value in seconds.items()]
    return min(seconds, key=seconds.get), "; ".join([*told, *failed])


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    objective, sizes = OBJECTIVES[case.objective], replace(SIZES, B=case.B)
    csparc.set_num_threads(limits.threads)
    notes = {"aim": case.goal, "isa": _core.config()["isa"]}
    forms = {}
    if importlib.util.find_spec("torch") is None:
        notes["torch"] = "not installed: pip install 'csparc[bench]'"
    else:
        import torch

        torch.set_num_threads(limits.threads)
        forms = forms_of(case.objective)
        best, notes[f"tried with B {case.trial}"] = fastest_form(case, forms)
        forms = {best: forms[best]}

    values = arguments(objective, sizes)
    entries = {OURS: ours(objective, values)}
    own = trial(entries[OURS])
    extra = {OURS: own.extra}
    for peer, (function, compiled) in forms.items():
        entries[peer] = torch_call(function, values, gradients=True, compiled=compiled)
        entries[peer]()
        found = trial(entries[peer])
        notes[peer] = check_agreement(peer, own.outcome, found.outcome)
        extra[peer] = found.extra
        del found
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
