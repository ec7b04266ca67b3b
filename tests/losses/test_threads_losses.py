"""Every loss gives the same bits while eight Python threads call it at once.

Each call runs on one to four threads of the core; the bits are those of one call on one thread.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from loss_asserts import bits
from loss_batches import draw, masks

import csparc
from csparc.losses.registry import LOSSES, make_loss

B, P, L, D = 12, 49, 21, 32
CALLERS, ROUNDS = 8, 3
SETTINGS = {"sparc": [[], ["sigma=0.3", "similarity=cosine"], ["normalizer=softmax"]]}
HALF = [("sparc", ["precision=bf16"], np.float32)]
CASES = [
    (name, settings, dtype)
    for name in LOSSES
    for settings in SETTINGS.get(name, [[]])
    for dtype in (np.float32, np.float64)
]


@pytest.mark.parametrize(("name", "settings", "dtype"), CASES + HALF)
def test_eight_callers_at_once(name, settings, dtype, rng):
    calls = []
    for _ in range(CALLERS):
        batch = draw(rng, dtype, B=B, P=P, L=L, D=D)
        text_mask, patch_mask = masks(rng, "holes", B=B, P=P, L=L)
        loss = make_loss(name, settings)
        if hasattr(loss, "prepare"):
            loss.prepare(D)
        given = {feature: batch[feature] for feature in loss.inputs if feature in batch}
        if "patches" in given:
            given |= {"text_mask": text_mask, "patch_mask": patch_mask}
        if loss.reads_words:
            given["word_ids"] = rng.integers(0, 40, (B, L))
        calls.append((loss, given))
    csparc.set_num_threads(1)
    alone = [bits(loss(**given, grad=True)) for loss, given in calls]
    assert len(set(alone)) == CALLERS

    for threads in (1, 2, 3, 4):
        csparc.set_num_threads(threads)
        found: list[list[object]] = [[] for _ in calls]
        begin = threading.Barrier(CALLERS)

        def repeat(caller, found=found, begin=begin):
            loss, given = calls[caller]
            begin.wait()
            for _ in range(ROUNDS):
                found[caller].append(bits(loss(**given, grad=True)))

        callers = [threading.Thread(target=repeat, args=(i,)) for i in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        for expected, answers in zip(alone, found):
            assert answers == [expected] * ROUNDS, f"{threads} threads"
