"""What the benchmarks say of times: rates, ratios, the table. Nothing is timed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from csparc.cost import model_info
from csparc.models import PRESETS


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


def test_a_key_that_one_program_keeps_is_no_disagreement(benchmarks):
    check = benchmarks["peers"].check_agreement
    ours, theirs = np.ones((2000, 4)), np.ones((2000, 4))
    theirs[:2] = 5
    check("peer", (1.0, {"patches": ours}), (1.0, {"patches": theirs}))
    theirs[:3] = 5
    with pytest.raises(AssertionError, match="gradient of patches differs"):
        check("peer", (1.0, {"patches": ours}), (1.0, {"patches": theirs}))


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
    sizes = batches.AllSizes(B=3, P=4, L=2, D=8, H=4, K=5)
    for name, objective in batches.OBJECTIVES.items():
        values = batches.arguments(objective, sizes)
        loss, grads = batches.ours(objective, values)()
        assert np.isfinite(loss), name
        assert set(benchmarks["peers"].flattened(grads)) == set(values), name
        assert batches.flop(objective, sizes) > 0
    assert {case.objective for case in batches.CASES.values()} == set(batches.OBJECTIVES)


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
        "sparc", "objectives", "words", "tiles", "gemm", "conv", "model", "steps", "threads",
        "encode", "scenes", "resize", "retrieval", "zeroshot", "frameworks", "largest",
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


def test_tables_of_models(benchmarks):
    Measurement, Record = benchmarks["results"].Measurement, benchmarks["results"].Record
    names = ("csparc", "torch 2 compiled, to the longest", "torch 2 compiled, to 55")
    steps = Measurement(
        {names[0]: [1.0], names[1]: [1.5], names[2]: [3.0]}, dict.fromkeys(names, 6.0), peak=12.0,
        figures={"B": 64.0, "pairs a second, csparc": 64.0},
    )  # fmt: skip
    programs = ("csparc", "torch 2 compiled", "onnxruntime 1")
    encode = Measurement(
        {programs[0]: [0.002], programs[1]: [0.004], programs[2]: [0.001]},
        dict.fromkeys(programs, 1.0), peak=2000.0,
    )  # fmt: skip
    records = [
        Record("bench_steps", "tiny", 2, steps),
        Record("bench_steps", "tiny-one-thread", 1, steps),
        Record("bench_encode", "text-32", 2, encode),
    ]
    found, tables = benchmarks["docs_tables"].Found(records), benchmarks["model_tables"]
    rows = tables.steps_table(found)
    tiny = ("tiny", "64", "2", "1.50", "3.00", "50 %", "33 %", "64", "compiled")
    assert [row for row in rows if row[0] == "tiny"] == [tiny, (*tiny[:2], "1", *tiny[3:])]
    assert rows[1] == ("nano", "not measured", *[""] * 7)
    row = ("encode_text", "32", "0.50", "not measured", "2.00", "25 %", "50 %", "2 ms")
    assert row in tables.encode_table(found)
    assert {len(row) for row in tables.encode_table(found)} == {8}


def test_tables_of_bfloat16_have_own_float32_beside_the_peers(benchmarks):
    Measurement, Record = benchmarks["results"].Measurement, benchmarks["results"].Record
    own = ("csparc", "csparc, float32")
    names = (*own, "torch 2 eager, to the longest", "torch 2 eager, to 55")
    steps = Measurement(
        dict(zip(names, ([1.0], [1.25], [2.0], [4.0]))), dict.fromkeys(names, 6.0), peak=12.0,
        figures={"B": 64.0, "pairs a second, csparc": 64.0},
    )  # fmt: skip
    programs = (*own, "torch 2 compiled", "openvino 1")
    encode = Measurement(
        dict(zip(programs, ([0.002], [0.003], [0.004], [0.001]))),
        dict.fromkeys(programs, 1.0), peak=2000.0,
    )  # fmt: skip
    records = [
        Record("bench_steps", "tiny-bf16", 2, steps),
        Record("bench_encode", "text-32-bf16", 2, encode),
    ]
    found, tables = benchmarks["docs_tables"].Found(records), benchmarks["model_tables"]
    rows = tables.bf16_steps_table(found)
    tiny = ("tiny", "64", "2", "2.00", "4.00", "1.25", "50 %", "25 %", "64", "eager")
    assert tiny in rows
    assert ("small", "not measured", *[""] * 8) in rows
    row = ("encode_text", "32", "0.50", "2.00", "1.50", "25 %", "50 %", "2 ms")
    assert row in tables.bf16_encode_table(found), "the best of it is another program"
    assert {len(row) for row in tables.bf16_encode_table(found)} == {8}


def test_table_of_threads(benchmarks):
    Measurement, Record = benchmarks["results"].Measurement, benchmarks["results"].Record
    both = {"all threads": [0.5], "one thread": [0.95]}
    steps = Measurement(both, dict.fromkeys(both, 6.0), figures={"B": 64.0})
    found = benchmarks["docs_tables"].Found([Record("bench_threads", "tiny", 2, steps)])
    rows = benchmarks["model_tables"].threads_table(found)
    assert ("tiny", "64", "2", "1.90", "500 ms", "950 ms") in rows
    assert len(rows) == 8


def test_tables_of_what_was_not_run_stay(root, benchmarks, records):
    text = (root / "docs" / "speed.md").read_text(encoding="utf-8")
    Record = benchmarks["results"].Record
    once = benchmarks["docs_tables"].filled(
        text, {"processor": "abacus"}, [Record("bench_encode", "text-1", 2, error="none")]
    )
    conditions = once.index("<!-- conditions of models -->")
    assert once.count("abacus") == 1
    assert once.index("abacus") > conditions
    assert once[:conditions] == text[: text.index("<!-- conditions of models -->")]


def test_captions_to_encode(benchmarks):
    cases = benchmarks["caption_cases"]
    texts = cases.captions(64)
    assert texts == cases.captions(64)
    assert len(set(texts)) == 64
    words = [len(text.split()) + 2 for text in texts]
    assert np.median(words) == 13
    config = PRESETS["nano"]
    info = model_info
    assert cases.useful_flop(config, [32, 32]) == 2 * info(config).flop
    assert cases.useful_flop(config, [9, 32]) < 2 * info(config).flop
