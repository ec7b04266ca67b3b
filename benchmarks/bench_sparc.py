"""The SPARC loss, value and all gradients, against the machine's peak, torch and jax.

    python benchmarks/bench_sparc.py              every case, all processors
    python benchmarks/bench_sparc.py --threads 1 --case captions

B 256, P 196, L 55, D 512, float32, where sparc_cases.py says nothing else. Everybody gets the same
arrays and the same mask, padding included, and must give the same loss and gradients before
anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Limits, Setting, fma_peak, interleave, main
from memory import trial
from peers import Outcome, check_agreement
from results import Measurement
from sparc_cases import CASES, SCALE, TINY, Case, Shape
from sparc_peers import peers

import csparc
from csparc import _core


def ours(shape: Shape, gradients: bool, options: dict[str, Any]) -> tuple[Callable, float]:
    """A call of sparc_loss, its gradients written over those of the first, and its useful FLOP."""
    patches, tokens, mask = shape.arrays()
    if shape.bfloat16:
        from ml_dtypes import bfloat16

        patches, tokens = patches.astype(bfloat16), tokens.astype(bfloat16)
    arguments = {
        "text_mask": mask, "patch_mask": shape.patch_mask(), "logit_scale": SCALE,
        **shape.global_vectors(), **options,
    }  # fmt: skip
    if gradients:
        # As in a loop: memory the caller has, before anything is measured.
        grads = csparc.sparc_loss(patches, tokens, grad=True, **arguments).grads
        arguments["out_grads"] = {k: g for k, g in grads.items() if isinstance(g, np.ndarray)}

    def call() -> Outcome:
        out = csparc.sparc_loss(patches, tokens, **arguments)
        return out.loss, out.grads

    return call, shape.flop(mask, gradients)


def compare(case: Case, limits: Limits) -> Measurement:
    """Rates of our entries, and of torch and jax on the first one's arrays."""
    entries: dict[str, Callable] = {}
    work = {}
    for name, shape in case.shapes.items():
        options = case.options.get(name, {})
        entries[name], work[name] = ours(shape, case.gradients, options)
    notes = {}
    if case.peers:
        first, shape = next(iter(case.shapes.items()))
        others, notes = peers(*shape.arrays(), SCALE, case.gradients, limits.threads)
        for name, call in others.items():
            notes[name] = check_agreement(name, entries[first](), call())
            entries[name], work[name] = call, work[first]
    result = interleave(entries, work, case.repeats, limits, calls=case.calls)
    result.notes |= notes
    return result


def scaling(case: Case, limits: Limits) -> Measurement:
    """All threads against one, in turn; the ratio of their rates is the speed-up."""
    call, flop = ours(next(iter(case.shapes.values())), case.gradients, {})

    def with_threads(count: int) -> Callable:
        def run() -> None:
            csparc.set_num_threads(count)
            call()

        return run

    entries = {
        "csparc, all threads": with_threads(limits.threads),
        "csparc, one thread": with_threads(1),
    }
    return interleave(entries, dict.fromkeys(entries, flop), case.repeats, limits)


def fixed_cost(case: Case, limits: Limits) -> Measurement:
    """What a call costs beyond its samples: the line through two batch sizes, at batch size 0."""
    result = compare(case, limits)
    result.compared = False
    few, many, nothing = case.shapes
    sizes = case.shapes[few].B, case.shapes[many].B
    times = result.best(few), result.best(many)
    slope = (times[1] - times[0]) / (sizes[1] - sizes[0])
    result.figures["fixed cost of a call, us"] = (times[0] - sizes[0] * slope) * 1e6
    result.figures["call with all sizes 1, us"] = result.best(nothing) * 1e6
    return result


def memory(case: Case, limits: Limits) -> Measurement:
    """Growth of the process beyond the arrays the caller sees, at the call's highest point."""
    warm, _ = ours(TINY, case.gradients, {})
    warm()  # starts the threads
    seconds, work, figures = {}, {}, {}
    for name, shape in case.shapes.items():
        call, work[name] = ours(shape, case.gradients, {})
        found = trial(call)
        seconds[name] = [found.seconds]
        figures[f"{name}: extra resident MiB"] = found.extra / 2**20
        figures[f"{name}: scratch asked for, MiB"] = _core.scratch_peak() / 2**20
        figures[f"{name}: one [B, D] array, MiB"] = shape.B * shape.D * 4 / 2**20
    return Measurement(seconds, work, compared=False, figures=figures)


def bfloat16(case: Case, limits: Limits) -> Measurement:
    """Rates against what the processor multiplies in bfloat16 at most."""
    result = compare(case, limits)
    result.figures["float32, share of the FMA peak"] = result.peak_fraction("float32") or 0.0
    result.notes["multiplies"] = _core.config()["bfloat16"]
    result.peak = max(fma_peak(limits.threads, "bf16_peak") for _ in range(case.repeats))
    return result


KINDS = {
    "rate": compare, "scaling": scaling, "fixed": fixed_cost, "memory": memory,
    "bfloat16": bfloat16,
}  # fmt: skip


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    result = KINDS[case.kind](case, limits)
    result.notes = {"aim": case.goal, "isa": _core.config()["isa"], **result.notes}
    return result


if __name__ == "__main__":
    cases = {name: Setting(case.isa) for name, case in CASES.items()}
    main(__file__, run, cases, __doc__.split("\n")[0])
