"""What the benchmarks say of times: rates, ratios, the table. Nothing is timed."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

NAMES = ("results", "plot", "sparc_cases", "sparc_peers", "harness")


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


def test_plot(benchmarks, records, tmp_path):
    plot = benchmarks["plot"]
    assert plot.bars(records) == [("full: ours", 0.5, True), ("full: theirs", 0.25, False)]
    plot.plot(records, tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_useful_work_of_a_batch(benchmarks):
    shape = benchmarks["sparc_cases"].Shape(B=2, P=3, L=5, D=7)
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    counted = sum(4 * n * 3 * 7 + 2 * n * n * 7 for n in (2, 5))
    assert shape.flop(mask, gradients=False) == counted
    assert shape.flop(mask) == 3 * counted


def test_captions_are_as_in_coco(benchmarks):
    lengths = benchmarks["sparc_cases"].Shape(D=1, captions=True).arrays()[2].sum(axis=1)
    assert np.median(lengths) == 13
    assert lengths.max() == 55


def test_peers_must_agree(benchmarks):
    check = benchmarks["sparc_peers"].check_agreement
    ours = (1.0, {"patches": np.ones(4)})
    same = check("peer", ours, (1.0, {"patches": np.ones(4)}))
    assert same == "differs by: loss 0e+00, gradient of patches 0e+00"
    with pytest.raises(AssertionError, match="loss differs"):
        check("peer", ours, (1.001, {"patches": np.ones(4)}))
    with pytest.raises(AssertionError, match="gradient of patches differs"):
        check("peer", ours, (1.0, {"patches": np.full(4, 1.01)}))


def test_failure_is_part_of_the_record(benchmarks, tmp_path):
    script = tmp_path / "bench_broken.py"
    script.write_text("raise SystemExit('no such machine')")
    record = benchmarks["harness"].measure(str(script), "full", 1)
    assert (record.script, record.measurement) == ("bench_broken", None)
    assert record.error == "no such machine"


def test_list_names_every_case(root, benchmarks):
    command = [sys.executable, "-m", "benchmarks", "list"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    listed = done.stdout.splitlines()
    assert [f"sparc/{case}" for case in benchmarks["sparc_cases"].CASES] == listed[:16]
    assert len(benchmarks["sparc_cases"].CASES) == 16
