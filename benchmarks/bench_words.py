"""The word contrast, value and gradients, against the FMA peak.

    python benchmarks/bench_words.py --case contextual

P 196, L 20, D 256, B 64, everything valid, float32. FLOP are the least there are, 6 B U P D with
gradients and 2 B U P D without, for U different words with their vectors: all tokens where vectors
depend on the caption, the words of a vocabulary where they do not. Seconds are those the process
ran on one thread, so that others on the machine disturb less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core

B, P, L, D = 64, 196, 20, 256
REPEATS = 6


@dataclass(frozen=True)
class Case:
    vocabulary: int
    """Different words of the batch."""
    contextual: bool
    """Whether every token has a vector of its own."""
    negatives: int | None = None


CASES = {
    "contextual": Case(1000, True),
    "plain": Case(300, False),
    "plain-51": Case(51, False),
    "negatives-15": Case(1000, True, negatives=15),
}


def processor_seconds(call: Callable[[], object]) -> float:
    """Seconds this process computed in one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    rng = np.random.default_rng(0)
    patches = rng.standard_normal((B, P, D), dtype=np.float32)
    tokens = rng.standard_normal((B, L, D), dtype=np.float32)
    word_ids = np.arange(B * L).reshape(B, L) % case.vocabulary
    if not case.contextual:
        tokens = tokens.reshape(-1, D)[word_ids]
    rows = B * L if case.contextual else case.vocabulary
    met = B if case.negatives is None else case.negatives + 1
    grads = {"patches": np.empty_like(patches), "tokens": np.empty_like(tokens)}

    def call(**how: object) -> object:
        return csparc.word_contrast_loss(patches, tokens, word_ids, negatives=case.negatives, **how)

    entries = {"value and gradients": lambda: call(out_grads=grads), "value": call}
    least = 2.0 * met * rows * P * D
    work = {"value and gradients": 3 * least, "value": least}
    result = interleave(entries, work, REPEATS, limits, timer=processor_seconds)
    result.compared = False
    result.notes["isa"] = _core.config()["isa"]
    result.figures["different words with their vectors"] = rows
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=1)), __doc__.split("\n")[0])
