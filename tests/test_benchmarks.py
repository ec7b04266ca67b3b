"""What the benchmarks say of times: rates, ratios, the table. Nothing is timed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from csparc.evaluate.cost import Sizes

NAMES = (
    "results", "plot", "docs_tables", "peers", "sparc_cases", "objective_batches", "harness",
    "memory", "objective_forms", "bench_largest",
)  # fmt: skip


@pytest.fixture
def benchmarks(root, monkeypatch):
    """The modules of benchmarks/ by name, which import one another as scripts do."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield {name: importlib.import_module(name) for name in NAMES}
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def measurement(benchmarks):
    return benchmarks["results"].Measurement(
        seconds={"ours": [0.5, 0.25, 1.0], "theirs": [2.0, 1.0]},
        work={"ours": 1e9, "theirs": 2e9},
        peak=8e9,
        figures={"fixed cost, us": 12.5},
        notes={"isa": "avx2"},
    )


@pytest.fixture
def records(benchmarks, measurement):
    Record = benchmarks["results"].Record
    return [
        Record("bench_sparc", "full", 2, measurement),
        Record("bench_sparc", "small", 2, error="out of memory"),
    ]


def test_rates_and_ratio(measurement):
    assert measurement.best("ours") == 0.25
    assert measurement.rate("ours") == 4e9
    assert measurement.rate("theirs") == 2e9
    assert measurement.ratio("theirs") == 2.0, "of rates: theirs did twice the work"
    assert measurement.spread("ours") == 1.0
    assert measurement.spread("theirs") == 0.5


def test_peak_fraction(measurement):
    assert measurement.peak_fraction("ours") == 0.5
    measurement.peak = 0.0
    assert measurement.peak_fraction("ours") is None


def test_more_than_the_peak_is_said_to_be_a_disturbed_run(benchmarks, measurement, records):
    results = benchmarks["results"]
    assert "disturbed" not in results.table({}, records)
    measurement.peak = 3e9
    assert "disturbed" in results.table({}, records)
    assert "disturbed" in results.lines(records[0])[-1]


def test_table(benchmarks, records):
    text = benchmarks["results"].table({"processor": "abacus"}, records)
    assert "- processor: abacus" in text
    assert "| sparc full | ours |  | 250 ms | +100% | 4.0 GFLOP/s | 50% |" in text
    assert "|  | theirs | 2.00 x | 1 s | +50% | 2.0 GFLOP/s | 25% |" in text
    assert "| sparc small | not measured: out of memory |" in text
    assert "- sparc full: fixed cost, us: 12.5; isa: avx2" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1, "every row has as many cells"


def test_ratio_comes_first(benchmarks, records):
    lines = benchmarks["results"].lines(records[0])
    assert lines[0] == "bench_sparc full, 2 threads"
    assert lines[1].split() == ["2.00", "x", "the", "rate", "of", "theirs"]
    assert "not measured: out of memory" in benchmarks["results"].lines(records[1])[1]


def test_file_holds_everything(benchmarks, records, tmp_path):
    results = benchmarks["results"]
    results.save(tmp_path / "run.json", {"threads": 2}, records)
    assert results.load(tmp_path / "run.json") == ({"threads": 2}, records)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.3456, "12.3 s"), (0.25, "250 ms"), (0.9999, "1000 ms"), (1.5e-5, "15 us"), (0, "0 us")],
)
def test_duration(benchmarks, seconds, text):
    assert benchmarks["results"].duration(seconds) == text


def test_plot(benchmarks, records, tmp_path, monkeypatch):
    plot = benchmarks["plot"]
    monkeypatch.setattr(plot, "PEERS", ("theirs",))
    assert plot.bars(records) == [
        ("sparc/full: ours", 0.5, False), ("sparc/full: theirs", 0.25, True)
    ]  # fmt: skip
    plot.plot(records, tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_useful_work_of_a_batch(benchmarks):
    shape = benchmarks["sparc_cases"].Shape(B=2, P=3, L=5, D=7)
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    counted = sum(4 * n * 3 * 7 + 2 * n * n * 7 for n in (2, 5))
    assert shape.flop(mask, gradients=False) == counted
    assert shape.flop(mask) == 3 * counted


def test_holes_are_not_useful_work(benchmarks):
    shape = benchmarks["sparc_cases"].Shape(B=2, P=40, L=5, D=7, holes=0.5)
    valid = shape.patch_mask().sum(axis=1)
    assert np.all((valid > 0) & (valid < 40))
    counted = sum(4 * 5 * n * 7 + 2 * 25 * 7 for n in valid)
    assert shape.flop(np.ones((2, 5), bool), gradients=False) == counted


def test_captions_are_as_in_coco(benchmarks):
    lengths = benchmarks["sparc_cases"].Shape(D=1, captions=True).arrays()[2].sum(axis=1)
    assert np.median(lengths) == 13
    assert lengths.max() == 55


def test_peers_must_agree(benchmarks):
    check = benchmarks["peers"].check_agreement
    ours = (1.0, {"patches": np.ones(4)})
    same = check("peer", ours, (1.0, {"patches": np.ones(4)}))
    assert same == "differs by: loss 0e+00, gradient of patches 0e+00"
    with pytest.raises(AssertionError, match="loss differs"):
        check("peer", ours, (1.001, {"patches": np.ones(4)}))
    with pytest.raises(AssertionError, match="gradient of patches differs"):
        check("peer", ours, (1.0, {"patches": np.full(4, 1.01)}))


def test_gradients_in_dicts_are_compared(benchmarks):
    check = benchmarks["peers"].check_agreement
    ours = (1.0, {"attention": {"key": np.ones(2)}})
    assert "gradient of attention.key 0e+00" in check(
        "peer", ours, (1.0, {"attention.key": np.ones(2)})
    )


def test_turns_end_with_the_time(benchmarks):
    harness = benchmarks["harness"]
    calls = []
    entries = {"first": lambda: calls.append(1), "second": lambda: calls.append(2)}
    work = dict.fromkeys(entries, 1.0)
    whole = harness.interleave(entries, work, 3, harness.Limits(1), calls=2)
    assert {len(times) for times in whole.seconds.values()} == {6}
    over = harness.interleave(entries, work, 3, harness.Limits(1, until=0.0), calls=2)
    assert {len(times) for times in over.seconds.values()} == {2}, "one turn is always made"
    assert whole.peak > 0


def test_objectives_compute_what_is_counted(benchmarks):
    batches = benchmarks["objective_batches"]
    sizes = Sizes(B=3, P=4, L=2, D=8, H=4, K=5)
    for name, objective in batches.OBJECTIVES.items():
        values = batches.arguments(objective, sizes)
        loss, grads = batches.ours(objective, values)()
        assert np.isfinite(loss), name
        assert set(benchmarks["peers"].flattened(grads)) == set(values), name
        assert batches.flop(objective, sizes) > 0
    assert {case.objective for case in batches.CASES.values()} == set(batches.OBJECTIVES)


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


def test_failure_is_part_of_the_record(benchmarks, tmp_path):
    script = tmp_path / "bench_broken.py"
    script.write_text("raise SystemExit('no such machine')")
    harness = benchmarks["harness"]
    record = harness.measure(str(script), "full", 1, harness.Setting())
    assert (record.script, record.measurement) == ("bench_broken", None)
    assert record.error == "no such machine"


def test_list_names_every_case(root, benchmarks):
    command = [sys.executable, "-m", "benchmarks", "list"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    listed = done.stdout.splitlines()
    expected = [f"sparc/{case}" for case in benchmarks["sparc_cases"].CASES]
    expected += [f"objectives/{case}" for case in benchmarks["objective_batches"].CASES]
    assert listed[: len(expected)] == expected
    assert {name.partition("/")[0] for name in listed} == {
        "sparc", "objectives", "tiles", "model", "scenes", "largest"
    }  # fmt: skip


# Tables of the documentation ----------------------------------------------------------------------


@pytest.fixture
def found(benchmarks):
    """A run with sizes, one objective and a failed case."""
    Measurement, Record = benchmarks["results"].Measurement, benchmarks["results"].Record
    sizes = Measurement(
        seconds={"P 49": [1.0], "P 50": [1.25], "P 256": [2.0]},
        work=dict.fromkeys(("P 49", "P 50", "P 256"), 6.0),
        peak=8.0,
        notes={"isa": "avx512"},
    )
    pacl = Measurement(
        seconds={"csparc": [1.0], "torch 2 eager, Gram": [2.5]},
        work={"csparc": 6.0, "torch 2 eager, Gram": 6.0},
        peak=8.0,
        figures={
            "csparc: extra resident MiB": 2.0, "torch 2 eager, Gram: extra resident MiB": 4000.0,
            "B": 256.0, benchmarks["results"].GB_OF_PEER: 4.5,
        },
    )  # fmt: skip
    records = [
        Record("bench_sparc", "patches", 2, sizes),
        Record("bench_objectives", "pacl", 2, pacl),
        Record("bench_largest", "pacl", 2, pacl),
        Record("bench_objectives", "mgca", 2, error="out of memory"),
    ]
    return benchmarks["docs_tables"].Found(records)


def test_aims_are_judged(benchmarks, found):
    Aim = benchmarks["docs_tables"].Aim
    read = benchmarks["docs_tables"].ratio("objectives/pacl", "torch")
    assert Aim("a", "b", 3, "x", read).row(found) == ("a", "b", "3.00 x", "2.50 x", "no")
    assert Aim("a", "b", 3, "x", read, most=True).row(found)[2:] == (
        "at most 3.00 x", "2.50 x", "yes"
    )  # fmt: skip
    missing = benchmarks["docs_tables"].peak("objectives/mgca")
    assert Aim("a", "b", 0.5, "%", missing).row(found)[2:] == ("50 %", "not measured", "")


def test_neighbours_are_found(benchmarks):
    names = ["P 49", "P 50", "P 256"]
    is_neighbour = benchmarks["docs_tables"].is_neighbour
    assert [name for name in names if is_neighbour(name, names)] == ["P 50"]


def test_objectives_and_sizes_tables(benchmarks, found):
    tables = benchmarks["docs_tables"]
    rows = {row[0]: row for row in tables.objectives_table(found)}
    pacl = ("PACL", "2.50", "3", "75 %", "30 %", "2.1", "4,194", "256", "eager, Gram")
    assert rows["PACL"] == pacl
    assert rows["MGCA"][1] == "not measured"
    assert {len(row) for row in rows.values()} == {9}
    assert (*pacl[:6], "4.5", *pacl[7:]) in tables.largest_table(found)
    assert ("P 50", "60 %", "") in tables.sizes_table(found)


def test_page_has_a_place_for_every_table(root, benchmarks, records):
    text = (root / "docs" / "speed.md").read_text(encoding="utf-8")
    filled = benchmarks["docs_tables"].filled
    once = filled(text, {"processor": "abacus"}, records)
    assert "- processor: abacus" in once
    assert "bfloat16 products | the loss in float32 | 1.50 x | not measured" in once
    assert filled(once, {"processor": "abacus"}, records) == once
    with pytest.raises(ValueError, match="markers"):
        filled("no tables here", {}, records)
