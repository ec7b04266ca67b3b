"""csparc in loops of torch and jax: what its adapters add, and steps beside losses of theirs.

    python benchmarks/bench_frameworks.py --case overhead
    python benchmarks/bench_frameworks.py --case open_clip

`overhead`: SPARC, value and gradients, B 256, P 196, L 55, D 512, by each adapter and the function
on arrays, all on memory of that framework: NumPy asks Linux for large pages, the others do not, and
reading small ones takes longer whoever reads. Gradients are new arrays. The other cases are steps,
P 196, L 55, D 512, that must begin with the same loss. Beside the time of the clock, which a busy
machine disturbs, figures have the least processor time of a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np
from framework_loops import LOOPS
from harness import Limits, Setting, interleave, main
from results import Measurement
from sparc_cases import Shape

import csparc

SIZES = {"plain": 64, "open_clip": 16, "flax": 64}
"""Pairs of a step."""
P, L, D = 196, 55, 512
REPEATS = 15
CLOSE = 1e-4
"""How near the first losses of two loops must be, relative."""


def adapters(threads: int) -> tuple[dict[str, Callable], float]:
    """Calls by name, and their useful FLOP."""
    import jax
    import torch
    from jax import numpy as jnp

    from csparc.jax import sparc_loss as jax_loss
    from csparc.torch import sparc_loss as torch_loss

    torch.set_num_threads(threads)
    shape = Shape()
    patches, tokens, mask = shape.arrays()
    leaves = [torch.from_numpy(x).clone().requires_grad_() for x in (patches, tokens)]
    valid = torch.from_numpy(mask)
    arrays = [jnp.asarray(x) for x in (patches, tokens, mask)]
    graded = jax.jit(jax.value_and_grad(lambda v, t, m: jax_loss(v, t, text_mask=m), (0, 1)))

    def in_torch() -> None:
        for leaf in leaves:
            leaf.grad = None
        torch_loss(*leaves, text_mask=valid).backward()

    def on(memory: Iterable) -> Callable:
        there = [np.asarray(x) for x in memory]
        return lambda: csparc.sparc_loss(*there, text_mask=mask, grad=True)

    entries = {
        "csparc.torch": in_torch,
        "function on torch's memory": on(leaf.detach() for leaf in leaves),
        "csparc.jax": lambda: jax.block_until_ready(graded(*arrays)),
        "function on jax's memory": on(arrays[:2]),
    }
    return entries, shape.flop(mask, True)


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    if case == "overhead":
        entries, flop = adapters(limits.threads)
    else:
        entries, flop = LOOPS[case](SIZES[case], P, L, D, limits.threads), 1.0
        first = [step() for step in entries.values()]
        if not np.allclose(first, first[0], rtol=CLOSE):
            raise AssertionError(f"first losses of {', '.join(entries)} differ: {first}")
    busy: dict[Callable, list[float]] = {call: [] for call in entries.values()}

    def timer(call: Callable) -> float:
        start, used = time.perf_counter(), time.process_time()
        call()
        busy[call].append(time.process_time() - used)
        return time.perf_counter() - start

    result = interleave(entries, dict.fromkeys(entries, flop), REPEATS, limits, timer=timer)
    if case != "overhead":
        result.unit, result.peak = "steps", 0.0
    for name, call in entries.items():
        result.figures[f"ms of processors, {name}"] = 1000 * min(busy[call])
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(["overhead", *LOOPS], Setting()), __doc__.split("\n")[0])
