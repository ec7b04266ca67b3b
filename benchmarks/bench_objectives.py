"""The objectives SPARC is compared with, value and all gradients, against the peak and plain torch.

    python benchmarks/bench_objectives.py --case filip

P 196, L 55, D 512, everything valid, float32; B by case, in objective_batches.py. Every form of the
peer (objective_peers.py), as it is and through torch.compile, is run once, and the fastest one then
timed in turn with csparc. All of them must give csparc's loss and gradients.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace

from harness import Limits, Setting, interleave, main
from memory import trial
from objective_batches import CASES, OBJECTIVES, SIZES, arguments, flop, ours
from objective_forms import notes_on, tried_forms
from results import Measurement

import csparc
from csparc import _core

OURS = "csparc"


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
        tries = tried_forms(case.objective, values, own.outcome)
        notes |= notes_on(tries)
        peer = tries[0]
        del tries
        entries[peer.form.name], extra[peer.form.name] = peer.call, peer.extra
    work = dict.fromkeys(entries, flop(objective, sizes))
    result = interleave(entries, work, case.repeats, limits, ready=True)
    result.notes |= notes
    result.figures["B"] = case.B
    for entry, size in extra.items():
        result.figures[f"{entry}: extra resident MiB"] = size / 2**20
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
