"""The tape: gradients where paths meet, freezing, and memory used again from step to step."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from tolerances import FLOAT64, assert_close

import csparc
from csparc import nn
from csparc.nn import Parameter, Tape, Tensor, functional
from csparc.nn.buffers import Buffers


def parameter(values: np.ndarray) -> Parameter:
    made = Parameter(values.shape, values.dtype)
    made.data[...] = values
    return made


def test_gradients_add_up_where_paths_meet(rng: np.random.Generator) -> None:
    """z = x + x W^T + relu(x W^T), by hand."""
    x, w = Tensor(rng.normal(size=(5, 4)), requires_grad=True), parameter(rng.normal(size=(4, 4)))
    tape = Tape()
    y = functional.linear(tape, x, w)
    z = functional.add(tape, functional.add(tape, x, y), functional.activation(tape, y, "relu"))
    dz = rng.normal(size=z.shape)
    untouched = dz.copy()
    tape.backward({z: dz})
    dy = dz + dz * (y.data > 0)
    assert_close(x.grad, dz + dy @ w.data, FLOAT64)
    assert_close(w.grad, dy.T @ x.data, FLOAT64)
    np.testing.assert_array_equal(dz, untouched)


def test_one_array_may_seed_two_outputs(rng: np.random.Generator) -> None:
    """Gradients given for inner and outer tensors are not written to, even when they are one."""
    x = Tensor(rng.normal(size=(3, 2)), requires_grad=True)
    tape = Tape()
    y = functional.activation(tape, x, "gelu")
    z = functional.add(tape, y, y)
    d = rng.normal(size=(3, 2))
    before = d.copy()
    tape.backward({y: d, z: d})
    np.testing.assert_array_equal(d, before)
    alone = Tensor(x.data, requires_grad=True)
    other = Tape()
    other.backward({functional.activation(other, alone, "gelu"): 3.0 * d})
    assert_close(x.grad, alone.grad, FLOAT64)


def test_parameter_gradients_accumulate_over_passes(rng: np.random.Generator) -> None:
    x, w = Tensor(rng.normal(size=(5, 4))), parameter(rng.normal(size=(3, 4)))
    tape = Tape()
    for _ in range(2):
        tape.backward({functional.linear(tape, x, w): np.ones((5, 3))})
    assert_close(w.grad, 2 * np.ones((3, 5)) @ x.data, FLOAT64)


def test_what_needs_no_gradient_leaves_no_note(rng: np.random.Generator) -> None:
    x, w = Tensor(rng.normal(size=(5, 4))), parameter(rng.normal(size=(4, 4)))
    w.requires_grad = False
    tape = Tape()
    y = functional.activation(tape, functional.linear(tape, x, w), "relu")
    assert len(tape) == 0
    assert y.node is None
    assert w.grad is None
    silent = Tape(record=False)
    functional.linear(silent, x, parameter(w.data))
    assert len(silent) == 0


def test_half_frozen_layernorm(rng: np.random.Generator) -> None:
    x = Tensor(rng.normal(size=(5, 4)), requires_grad=True)
    weight, bias = parameter(np.ones(4)), parameter(np.zeros(4))
    weight.requires_grad = False
    tape, dy = Tape(), rng.normal(size=(5, 4))
    tape.backward({functional.layernorm(tape, x, weight, bias, 1e-5): dy})
    assert_close(bias.grad, dy.sum(axis=0), FLOAT64)
    assert x.grad is not None


def test_wrong_gradients_are_errors(rng: np.random.Generator) -> None:
    tape, w = Tape(), parameter(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match="nothing is recorded"):
        tape.backward({})
    y = functional.linear(tape, Tensor(np.ones((4, 3))), w)
    with pytest.raises(ValueError, match=r"float64 \[4, 3\].*float64 \[4, 2\]"):
        tape.backward({y: np.ones((4, 3))})
    with pytest.raises(ValueError, match="float32"):
        tape.backward({y: np.ones((4, 2), np.float32)})


def test_an_error_inside_forgets_the_pass() -> None:
    tape, w = Tape(), parameter(np.ones((2, 3)))

    def fail() -> None:
        with tape:
            functional.linear(tape, Tensor(np.ones((4, 3))), w)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(tape) == 0


class TestBuffers:
    def test_a_free_buffer_is_used_again_and_a_held_one_is_not(self) -> None:
        pool = Buffers()
        first = pool.take((4, 3), np.dtype(np.float32))
        part = first[1:, 0]
        address = first.ctypes.data
        assert address % 64 == 0
        del first
        second = pool.take((12,), np.dtype(np.float32))
        assert second.ctypes.data != address, "a view still refers to the first"
        del part
        third = pool.take((3, 4), np.dtype(np.float32))
        assert third.ctypes.data == address
        assert pool.taken == 2

    def test_accounts(self) -> None:
        pool = Buffers()
        held = pool.take((1024,), np.dtype(np.float64))
        pool.take((10,), np.dtype(np.float64))
        assert pool.in_use() == held.nbytes
        assert pool.size == held.nbytes + 80
        pool.take((11,), np.dtype(np.float64))
        assert pool.size == held.nbytes + 80 + 88, "rounded up by less than an eighth"
        pool.clear()
        assert pool.size == held.nbytes

    def test_buffers_long_idle_are_dropped(self) -> None:
        pool = Buffers()
        pool.take((1000,), np.dtype(np.float64))
        for _ in range(20_001):
            pool.take((1,), np.dtype(np.float64))
        assert pool.size == 8192 + 64
        pool.take((20,), np.dtype(np.float64))
        assert pool.size == 64 + 160


@pytest.fixture
def nano():
    return csparc.create_model("nano", vocab_size=50)


def step(model, tape: Tape, image: np.ndarray, text: np.ndarray) -> None:
    out = model(image, text, tape=tape)
    features = (out.patches, out.tokens, out.image_global, out.text_global)
    tape.backward({tensor: tensor.data for tensor in features})
    model.zero_grad()


def batch(rng: np.random.Generator, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    image = rng.normal(size=(size, 3, 64, 64)).astype(np.float32)
    return image, rng.integers(0, 50, (size, 32)).astype(np.int32)


def test_after_the_second_step_nothing_is_allocated(nano, rng: np.random.Generator) -> None:
    image, text = batch(rng)
    tape = Tape()
    for _ in range(2):
        step(nano, tape, image, text)
    taken = nn.BUFFERS.taken
    tracemalloc.start()
    step(nano, tape, image, text)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    for _ in range(3):
        step(nano, tape, image, text)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert nn.BUFFERS.taken == taken
    smallest_activation = 8 * 32 * 64 * 4
    assert after - before < smallest_activation / 8
    # Notes and array headers come and go; no array's memory does.
    assert peak - before < 4 * smallest_activation


def test_captions_of_varying_length_share_memory(nano, rng: np.random.Generator) -> None:
    image, text = batch(rng, size=64)
    tape, taken = Tape(), []
    for _ in range(24):
        lengths = np.clip(np.rint(rng.normal(12, 3, 64)), 3, 32)
        step(nano, tape, image, np.where(np.arange(32) < lengths[:, None], text, 0))
        taken.append(nn.BUFFERS.taken)
    assert taken[-1] == taken[11]


def test_inference_needs_the_same_memory_at_any_depth(rng: np.random.Generator) -> None:
    image, text = batch(rng)
    sizes = []
    for layers in (2, 5):
        towers = {"image": {"layers": layers}, "text": {"layers": layers}}
        model = csparc.create_model("nano", vocab_size=50, seed=None, **towers)
        nn.BUFFERS.clear()
        held = nn.BUFFERS.in_use()
        model.encode_image(image)
        model.encode_text(text)
        assert nn.BUFFERS.in_use() == held
        sizes.append(nn.BUFFERS.size - held)
        taken = nn.BUFFERS.taken
        model.encode_image(image)
        assert nn.BUFFERS.taken == taken
    assert sizes[0] == sizes[1]


def test_a_tape_dropped_unplayed_frees_its_activations(nano, rng: np.random.Generator) -> None:
    image, text = batch(rng)
    gc.disable()
    try:
        held = nn.BUFFERS.in_use()
        out = nano(image, text, tape=Tape())
        assert nn.BUFFERS.in_use() > held
        del out
        assert nn.BUFFERS.in_use() == held
    finally:
        gc.enable()


def test_a_frozen_tower_keeps_no_activations(nano, rng: np.random.Generator) -> None:
    image, text = batch(rng)
    nano.freeze("visual.")
    tape = Tape()
    before = {name: p.data.copy() for name, p in nano.parameters.items()}
    out = nano(image, text, tape=tape)
    assert out.patches.node is None
    tape.backward({out.tokens: np.ones_like(out.tokens.data)})
    for name, trained in nano.parameters.items():
        assert (trained.grad is None) == name.startswith("visual."), name
        np.testing.assert_array_equal(trained.data, before[name])
