"""The SPARC loss, value and all gradients, against the machine's peak, torch and jax.

    python benchmarks/bench_sparc.py              every case, all processors
    python benchmarks/bench_sparc.py --threads 1 --case captions

B 256, P 196, L 55, D 512, float32, where sparc_cases.py says nothing else. Everybody gets the same
arrays and the same mask, padding included, and must give the same loss and gradients before
anything is timed.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Measurement, interleave, main
from sparc_cases import CASES, SCALE, TINY, Case, Shape
from sparc_peers import Outcome, check_agreement, peers

import csparc
from csparc import _core


def ours(shape: Shape, gradients: bool, options: dict[str, Any]) -> tuple[Callable, float]:
    """A call of sparc_loss that writes gradients to arrays of ours, and its useful FLOP."""
    patches, tokens, mask = shape.arrays()
    buffers = {"patches": np.empty_like(patches), "tokens": np.empty_like(tokens)}
    for buffer in buffers.values():
        buffer.fill(0)  # memory the caller has, before anything is measured
    arguments = {"text_mask": mask, "logit_scale": SCALE, **options}
    if gradients:
        arguments["out_grads"] = buffers

    def call() -> Outcome:
        out = csparc.sparc_loss(patches, tokens, **arguments)
        return out.loss, out.grads

    return call, shape.flop(mask, gradients)


def compare(case: Case, threads: int) -> Measurement:
    """Rates of our entries, and of torch and jax on the first one's arrays."""
    entries: dict[str, Callable] = {}
    work = {}
    for name, shape in case.shapes.items():
        options = case.options.get(name, {})
        entries[name], work[name] = ours(shape, case.gradients, options)
    notes = {}
    if case.peers:
        first, shape = next(iter(case.shapes.items()))
        others, notes = peers(*shape.arrays(), SCALE, case.gradients, threads)
        for name, call in others.items():
            notes[name] = check_agreement(name, entries[first](), call())
            entries[name], work[name] = call, work[first]
    result = interleave(entries, work, case.repeats, threads, calls=case.calls)
    result.notes |= notes
    return result


def scaling(case: Case, threads: int) -> Measurement:
    """All threads against one, in turn; the ratio of their rates is the speed-up."""
    call, flop = ours(next(iter(case.shapes.values())), case.gradients, {})

    def with_threads(count: int) -> Callable:
        def run() -> None:
            csparc.set_num_threads(count)
            call()

        return run

    entries = {f"csparc, threads {count}": with_threads(count) for count in (threads, 1)}
    return interleave(entries, dict.fromkeys(entries, flop), case.repeats, threads)


def fixed_cost(case: Case, threads: int) -> Measurement:
    """What a call costs beyond its samples: the line through two batch sizes, at batch size 0."""
    result = compare(case, threads)
    result.compared = False
    few, many, nothing = case.shapes
    sizes = case.shapes[few].B, case.shapes[many].B
    times = result.best(few), result.best(many)
    slope = (times[1] - times[0]) / (sizes[1] - sizes[0])
    result.figures["fixed cost of a call, us"] = (times[0] - sizes[0] * slope) * 1e6
    result.figures["call with all sizes 1, us"] = result.best(nothing) * 1e6
    return result


def memory(case: Case, threads: int) -> Measurement:
    """Growth of the process beyond the arrays the caller sees, at the call's highest point."""
    warm, _ = ours(TINY, case.gradients, {})
    warm()  # starts the threads
    seconds, work, figures = {}, {}, {}
    for name, shape in case.shapes.items():
        call, work[name] = ours(shape, case.gradients, {})
        _core.scratch_peak()  # frees what earlier calls kept
        before = resident_restarted()
        result = interleave({name: call}, {name: work[name]}, 1, threads)
        seconds |= result.seconds
        figures[f"{name}: extra resident MiB"] = (resident_highest() - before) / 2**20
        figures[f"{name}: scratch asked for, MiB"] = _core.scratch_peak() / 2**20
        figures[f"{name}: one [B, D] array, MiB"] = shape.B * shape.D * 4 / 2**20
    return Measurement(seconds, work, result.peak, compared=False, figures=figures)


def resident_restarted() -> float:
    """Bytes resident now; on Linux the highest value starts again from here."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return resident_highest()


def resident_highest() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return float(line.split()[1]) * 1024


KINDS = {"rate": compare, "scaling": scaling, "fixed": fixed_cost, "memory": memory}


def run(name: str, threads: int) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(threads)
    result = KINDS[case.kind](case, threads)
    result.notes = {"aim": case.goal, "isa": _core.config()["isa"], **result.notes}
    return result


if __name__ == "__main__":
    cases = {name: case.isa for name, case in CASES.items()}
    main(__file__, run, cases, __doc__.split("\n")[0])
