"""What another thread writes to masks, groups and offsets while an op runs changes nothing."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import csparc
from csparc import _core

P, L, D = 64, 32, 64
MOST = 1 << 14  # samples: some seconds of work


def written_during(call, outputs: np.ndarray, control: np.ndarray, value: int) -> bool:
    """Run ``call`` and write ``control`` once there are outputs; whether some were to come."""
    outputs.fill(np.nan)
    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive() and np.isnan(outputs[0]).any():
        pass
    control.fill(value)
    during = bool(np.isnan(outputs[-1]).any())
    thread.join()
    return during


def samples(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    patches, tokens = rng.normal(size=(1, P, D)), rng.normal(size=(1, L, D))
    return (
        np.repeat(patches, size, axis=0).astype(np.float32),
        np.repeat(tokens, size, axis=0).astype(np.float32),
    )


@pytest.mark.parametrize("which", ["patch_valid", "text_valid"])
def test_a_mask_written_during_a_call_changes_nothing(which: str, rng: np.random.Generator) -> None:
    csparc.set_num_threads(1)
    size, during = 256, False
    while not during and size <= MOST:
        patches, tokens = samples(size, rng)
        masks = {
            "patch_valid": np.ones((size, P), np.uint8),
            "text_valid": np.ones((size, L), np.uint8),
        }
        weights, kept = np.empty((size, L, P), np.float32), np.empty(size, np.int64)
        arguments = (patches, tokens, *masks.values(), 0, 0, 1, -1.0, 1.0, weights, kept)
        during = written_during(
            lambda a=arguments: _core.sparse_similarity_forward(*a), weights, masks[which], 0
        )
        size *= 4
    assert during, "no call was long enough to write a mask in"
    np.testing.assert_array_equal(weights, np.broadcast_to(weights[:1], weights.shape))
    assert weights.any()


def test_what_a_mask_leaves_out_is_settled_before_the_call(rng: np.random.Generator) -> None:
    """This op reads each entry of its mask once: the result alone would show a later one."""
    csparc.set_num_threads(1)
    size, during = 256, False
    while not during and size <= MOST:
        patches, tokens = samples(size, rng)
        weights = np.ones((size, L, P), np.float32)
        valid, grouped = np.ones((size, P), np.uint8), np.empty_like(tokens)
        arguments = (weights, patches, valid, grouped)
        during = written_during(
            lambda a=arguments: _core.group_patches_forward(*a), grouped, valid, 0
        )
        size *= 4
    assert during, "no call was long enough to write a mask in"
    assert grouped[0].any()
    np.testing.assert_array_equal(grouped, np.broadcast_to(grouped[:1], grouped.shape))


def test_ids_written_during_a_call_change_nothing() -> None:
    """Unchecked, the new ones would be read outside the table."""
    csparc.set_num_threads(1)
    width, length, during = 64, 1 << 16, False
    weight = np.ones((8, width), np.float32)
    while not during and length <= 1 << 22:
        ids, y = np.full(length, 3, np.int32), np.empty((length, width), np.float32)
        during = written_during(
            lambda ids=ids, y=y: _core.embed_forward(weight, ids, y), y, ids, 2**30
        )
        length *= 4
    assert during, "no call was long enough to write ids in"
    assert (y == 1).all()
