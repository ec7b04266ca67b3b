"""How the benchmark of the largest batch finds it. Nothing is timed, nothing large allocated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("growth", "room", "B"),
    [
        ((0, 100, 0), 3_250, 32),
        ((50, 100, 0), 3_250, 32),
        ((51, 100, 0), 3_250, 31),
        ((0, 0, 8), 8 * 44_711**2, 44_032),
        ((0, 1_000, 8), 8 * 300**2 + 1_000 * 300, 296),
        ((0, 1_000, 8), 1_008, 1),
    ],
)
def test_largest_batch_fills_the_room(benchmarks, growth, room, B):
    growth = benchmarks["bench_largest"].Growth(*growth)
    assert growth.largest(room) == B
    assert growth.bytes(B) <= room < growth.bytes(B + B // 32 + 1)


def test_room_for_not_one_pair(benchmarks):
    growth = benchmarks["bench_largest"].Growth(64, 100, 8)
    with pytest.raises(ValueError, match="not one pair fits 171 bytes"):
        growth.largest(171)
    assert growth.largest(172) == 1


def test_growth_is_what_was_measured(benchmarks):
    largest, batches = benchmarks["bench_largest"], benchmarks["objective_batches"]
    given = largest.inputs_and_gradients(batches.OBJECTIVES["mgca"])
    sizes = replace(batches.SIZES, B=3)
    arrays = [x for x in batches.arguments(batches.OBJECTIVES["mgca"], sizes).values()
              if isinstance(x, np.ndarray)]  # fmt: skip
    assert given.bytes(3) == 2 * sum(x.nbytes for x in arrays)
    for linear, square in ((True, 0), (False, 9e6 / 3**2)):
        grown = largest.grown(given, (3, 9e6), linear=linear)
        assert grown.bytes(3) == given.bytes(3) + 9e6
        assert grown.square == square


@pytest.mark.parametrize(
    ("smaller", "pair", "square"),
    [((2, 40), 10, 5), ((2, 80), 30, 0), ((2, 20), 0, 7.5), ((2, 1_000), 30, 0)],
)
def test_two_batches_tell_what_grows_with_their_square(benchmarks, smaller, pair, square):
    largest = benchmarks["bench_largest"]
    grown = largest.grown(largest.Growth(0, 3, 0), (4, 120), smaller)
    assert (grown.pair, grown.square) == (3 + pair, square)


def test_form_is_chosen_again_at_a_larger_batch(benchmarks, monkeypatch):
    largest, Form = benchmarks["bench_largest"], benchmarks["objective_forms"].Form
    case = benchmarks["objective_batches"].Case("clip", 4, "2 x torch")
    first, second, slow, third = (Form(name, len, False) for name in ("a", "b", "c", "d"))
    again = {first: (8.0, 400e6), second: (7.0, 300e6)}
    monkeypatch.setattr(largest, "reserve", lambda need: None)
    monkeypatch.setattr(largest, "arguments", lambda objective, sizes: {"B": sizes.B})
    monkeypatch.setattr(largest, "timed_and_measured", lambda form, values: again[form])
    tried = {first: (1.0, 16e6), second: (1.2, 32e6), third: (1.21, 9e6)}
    form, growth, notes = largest.chosen(case, tried, 1e9)
    assert form == second
    assert growth.square == (300e6 / 15 - 32e6 / 4) / (15 - 4)
    assert notes == {"tried at B 15": "a 8 s; b 7 s"}
    form, growth, notes = largest.chosen(case, {first: (1.0, 16e6), slow: (1.3, 1e6)}, 1e9)
    assert (form, growth.bytes(15)) == (first, 15 * 8192 + 400e6)
    form, growth, notes = largest.chosen(case, tried, 4 * 16e6)
    assert (form, growth.square, notes) == (first, 16e6 / 4**2, {})


def test_more_than_is_available_is_refused(benchmarks, monkeypatch):
    largest = benchmarks["bench_largest"]
    limits = []
    monkeypatch.setattr(largest, "available", lambda: 10e9)
    monkeypatch.setattr(largest.resource, "setrlimit", lambda *limit: limits.append(limit))
    with pytest.raises(MemoryError, match=r"needs 9.6 GB and 5% to spare, 10.0 GB are available"):
        largest.reserve(9.6e9)
    assert limits == []
    largest.reserve(9.5e9)
    assert all(soft >= 10e9 for _, (soft, _) in limits)


def test_calls_are_watched(benchmarks):
    watch = benchmarks["bench_largest"].Watch()
    held = []

    def call():
        held.append(len(watch.last))  # what an earlier call returned is not kept beside
        return len(held)

    assert watch(call) >= 0
    assert watch(call) >= 0
    assert held == [0, 0]
    assert watch.last[call].outcome == 2
    assert watch.extra[call] >= watch.last[call].extra


def test_leaner_form_is_named(benchmarks):
    forms = benchmarks["objective_forms"]

    def one(name, seconds, extra):
        form = forms.Form(name, len, False)
        return forms.Tried(form, len, seconds, extra, "differs by: nothing")

    fast, lean = one("torch, fast", 1.0, 3e9), one("torch, lean", 1.5, 1e9)
    notes = forms.notes_on([fast, lean])
    assert notes["tried"] == "torch, fast 1 s; torch, lean 1.5 s"
    assert notes["torch, fast"] == "differs by: nothing"
    assert notes["holds less"].startswith("torch, lean, 33% of the fastest's extra memory")
    assert "holds less" not in forms.notes_on([lean, fast])
