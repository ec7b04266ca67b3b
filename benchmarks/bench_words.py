"""The word contrast, value and gradients, against the FMA peak and plain torch.

    python benchmarks/bench_words.py --case contextual

P 196, L 20, D 256, B 64, everything valid, float32. FLOP are the least there are, 6 B U P D with
gradients and 2 B U P D without, for U different words with their vectors: all tokens where vectors
depend on the caption, the words of a vocabulary where they do not; 2 B U P D of the maximum. Every
form of the peer (word_peers.py), as it is and through torch.compile, is run once, and the fastest
one then timed in turn with csparc. It is given a vector for each different word, csparc each token.
`largest` is `contextual` with as many pairs as torch fits in ``--room`` bytes, 16 GB unless said.

Seconds are those the process ran on one thread, so that others on the machine disturb less.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from bench_largest import Growth, grown, reserve
from harness import Limits, Setting, interleave, main
from memory import trial
from peers import Outcome, check_agreement
from results import GB_OF_PEER, Measurement

import csparc
from csparc import _core

P, L, D, SCALE = 196, 20, 256, 1 / 0.07
OURS = "csparc, value and gradients"
REPEATS = 6


@dataclass(frozen=True)
class Case:
    vocabulary: int
    """Different words of the batch."""
    contextual: bool
    """Whether every token has a vector of its own."""
    negatives: int | None = None
    pool: str = "lse"
    B: int = 64
    fills: bool = False
    """Whether the batch is as large as the peer's memory allows."""

    @property
    def rows(self) -> int:
        """Different words with their vectors."""
        return self.B * L if self.contextual else self.vocabulary

    @property
    def least(self) -> float:
        """FLOP of one pass."""
        met = self.B if self.negatives is None else self.negatives + 1
        return 2.0 * met * self.rows * P * D


CASES = {
    "contextual": Case(1000, True),
    "plain": Case(300, False),
    "plain-51": Case(51, False),
    "negatives-15": Case(1000, True, negatives=15),
    "maximum": Case(1000, True, pool="max"),
    "largest": Case(1000, True, fills=True),
}
WITH_PEER = ("contextual", "plain", "plain-51", "largest")


class Batch:
    """The arrays of a case: ``row`` [B, L] is the place of each token in ``table`` [U, D]."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng(0)
        self.case = case
        self.patches = rng.standard_normal((case.B, P, D), dtype=np.float32)
        self.table = rng.standard_normal((case.rows, D), dtype=np.float32)
        self.ids = np.arange(case.B * L).reshape(case.B, L) % case.vocabulary
        self.row = np.arange(case.B * L).reshape(case.B, L) if case.contextual else self.ids
        self.tokens = self.table[self.row]
        self.grads = {n: np.zeros_like(x) for n, x in self.named.items()}
        for buffer in self.grads.values():
            buffer.fill(0)  # touched, so that the pages are there

    @property
    def named(self) -> dict[str, np.ndarray]:
        return {"patches": self.patches, "tokens": self.tokens}

    def value(self, **how: object) -> csparc.LossOutput:
        options = {"negatives": self.case.negatives, "pool": self.case.pool}
        return csparc.word_contrast_loss(
            **self.named, word_ids=self.ids, logit_scale=SCALE, **options, **how
        )

    def ours(self) -> Outcome:
        out = self.value(out_grads=self.grads)
        return out.loss, out.grads

    def by_word(self, outcome: Outcome) -> Outcome:
        """The same with the gradient of each different word in place of those of tokens."""
        loss, grads = outcome
        words = np.zeros_like(self.table)
        np.add.at(words, self.row, grads["tokens"])
        named = {"patches": grads["patches"], "words": words, "scale": grads["logit_scale"]}
        return loss, named


def peer_of(batch: Batch, name: str, compiled: bool) -> Callable[[], Outcome]:
    import torch
    from peers import torch_call
    from word_peers import Spoken, form_of

    has = np.zeros((batch.case.B, batch.case.vocabulary), bool)
    np.put_along_axis(has, batch.ids, True, axis=1)
    word_of_row = np.zeros(batch.case.rows, np.int64)
    word_of_row[batch.row] = batch.ids
    spoken = Spoken(
        torch.from_numpy(batch.row),
        torch.from_numpy(~has[:, word_of_row]),
        torch.from_numpy(np.bincount(batch.row.ravel()).astype(np.float32)),
    )
    values = {"patches": batch.patches, "words": batch.table, "scale": SCALE}
    return torch_call(form_of(name, spoken), values, gradients=True, compiled=compiled)


@dataclass(frozen=True)
class Tried:
    """How a form of torch went."""

    label: str
    name: str
    compiled: bool
    seconds: float
    extra: float
    call: Callable[[], Outcome]


def tried_forms(batch: Batch) -> list[Tried]:
    """All of them, the fastest first; they must give csparc's loss and gradients."""
    import torch
    from objective_forms import tried
    from word_peers import SCORES

    version, wanted, out = torch.__version__.partition("+")[0], batch.by_word(batch.ours()), []
    for name in SCORES:
        for compiled in (False, True):
            label = f"torch {version} {'compiled' if compiled else 'eager'}, {name}"
            call = peer_of(batch, name, compiled)
            found = tried(call, compiled)
            check_agreement(label, wanted, found.outcome)
            out.append(Tried(label, name, compiled, found.seconds, found.extra, call))
    return sorted(out, key=lambda each: each.seconds)


def filled(case: Case, fastest: Tried, room: float) -> Case:
    """The case with as many pairs as that form fits in ``room`` bytes."""
    given = Growth(0, 2 * 4 * (P + L) * D, 0)
    growth = grown(given, (case.B, fastest.extra))
    larger = replace(case, B=growth.largest(room))
    reserve(growth.bytes(larger.B) + given.bytes(larger.B))
    return larger


def processor_seconds(call: Callable[[], object]) -> float:
    """Seconds this process computed in one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    batch, notes = Batch(case), {"isa": _core.config()["isa"]}
    peer = None
    if name in WITH_PEER and importlib.util.find_spec("torch") is None:
        notes["torch"] = "not installed: pip install 'csparc[bench]'"
    elif name in WITH_PEER:
        import torch

        torch.set_num_threads(limits.threads)
        tries = tried_forms(batch)
        notes["tried"] = "; ".join(f"{each.label} {each.seconds:.3g} s" for each in tries)
        peer = tries[0]
        del tries
    if case.fills and peer is not None:
        case = filled(case, peer, limits.room)
        batch = Batch(case)
        peer = replace(peer, call=peer_of(batch, peer.name, peer.compiled))
    entries: dict[str, Callable[[], object]] = {OURS: batch.ours}
    if peer is not None:
        entries[peer.label] = peer.call
    entries["csparc, value"] = batch.value
    found = {entry: trial(call) for entry, call in entries.items()}
    if peer is not None:
        ours, theirs = batch.by_word(found[OURS].outcome), found[peer.label].outcome
        notes[peer.label] = check_agreement(peer.label, ours, theirs)
    extra = {entry: each.extra for entry, each in found.items()}
    del found
    work = dict.fromkeys(entries, case.least * (1 if case.pool == "max" else 3))
    work["csparc, value"] = case.least
    repeats = 2 if case.fills else REPEATS
    result = interleave(entries, work, repeats, limits, ready=True, timer=processor_seconds)
    result.notes |= notes
    result.figures |= {"B": case.B, "different words with their vectors": case.rows}
    for entry, size in extra.items():
        result.figures[f"{entry}: extra resident MiB"] = size / 2**20
    if case.fills and peer is not None:
        given = 2 * 4 * case.B * (P + L) * D
        result.figures[GB_OF_PEER] = (given + extra[peer.label]) / 1e9
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=1)), __doc__.split("\n")[0])
