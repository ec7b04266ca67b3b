"""The report says what its lines say: means, intervals, stamps, failures, and never more."""

from __future__ import annotations

import json

import pytest
from small_study import STUDY, record, write

from csparc.cli import main as cli
from csparc.errors import DataError
from csparc.study import read_study, report
from csparc.study.pages import as_json, markdown, with_tables
from csparc.study.report import open_place


def reported(folder, clip, sparc, **other):
    """The report of so many seeds with these R@1."""
    study = read_study(write(folder, {**STUDY, "seeds": list(range(len(clip))), **other}))
    values = {"clip": clip, "sparc": sparc}
    lines = [record(study, unit, values[unit.setting][unit.seed]) for unit in study.units()]
    return report(study, lines)


def test_means_deviations_and_the_paired_interval(tmp_path):
    found = reported(tmp_path, [10, 12, 14, 11, 13], [13, 15, 16, 15, 16])
    ((_, (clip, sparc)),) = found.tables
    assert (clip.found.mean, clip.found.n) == (12, 5)
    assert clip.found.deviation == pytest.approx(2.5**0.5)
    assert (clip.chance, clip.control, clip.ceiling) == (2.0, None, 100)
    assert sparc.found.mean == 15
    (difference,) = found.comparisons
    assert difference.found.mean == 3
    # Differences 3, 3, 2, 4, 3: deviation sqrt(.5), t(.975; 4) 2.7764.
    half = 2.776445 * (0.5 / 5) ** 0.5
    assert difference.found.low == pytest.approx(3 - half, abs=1e-5)
    assert difference.holm == difference.found.p
    assert difference.wording == "higher"
    assert found.is_evidence
    assert "not evidence" not in markdown(found)


def test_what_holds_zero_is_not_detected(tmp_path):
    found = reported(tmp_path, [10, 12, 14, 11, 13], [11, 11, 15, 10, 13])
    assert found.comparisons[0].wording == "no difference detected"
    assert "better" not in markdown(found)


def test_commits_are_told(tmp_path):
    text = markdown(reported(tmp_path, [10], [12]))
    assert "trained at commit fedcba987654 with changed files; evaluated at commit 01234567" in text


def test_holm_is_over_all_comparisons(tmp_path):
    twice = [["sparc", "clip"], ["clip", "sparc"]]
    found = reported(tmp_path, [10, 12, 14], [12, 15, 18], comparisons=twice)
    first, second = found.comparisons
    assert first.found.p < 0.05 < first.holm == pytest.approx(2 * first.found.p)
    assert first.wording == "higher, not after Holm"
    assert second.wording == "lower, not after Holm"


def test_few_seeds_are_stamped(tmp_path):
    found = reported(tmp_path, [10, 12, 14, 11], [13, 15, 16, 15])
    assert not found.is_evidence
    assert markdown(found).startswith("**Fewer than five seeds: not evidence.**")
    assert "fewest results has 4 of 5" in markdown(found)


def test_failures_stay_in_and_pairs_go_without_them(tmp_path):
    found = reported(tmp_path, [10, 12, 14, 11, 13, 12], [13, None, 16, 15, 16, 15])
    assert len(found.failures) == 1
    assert found.comparisons[0].found.n == 5
    text = markdown(found)
    assert "11 of 12 units are done, 1 failed" in text
    assert r"| sparc | 1 | TrainingError: a \| bar | 2 | 1.5 |" in text
    assert found.is_evidence


def test_one_seed_and_none(tmp_path):
    found = reported(tmp_path, [10], [13])
    assert found.comparisons[0].wording == "one pair: no interval"
    assert found.comparisons[0].holm is None
    study = read_study(write(tmp_path, STUDY))
    empty = report(study, [])
    assert empty.comparisons[0].wording == "no pairs"
    assert "0 of 4 units are done" in markdown(empty)
    json.dumps(as_json(empty), allow_nan=False)


def test_lines_of_other_settings_are_left_out(tmp_path):
    study = read_study(write(tmp_path, STUDY))
    units = list(study.units())
    lines = [record(study, units[0], 5.0), {**record(study, units[0], 9.0), "setting": "gone"}]
    lines.append({**record(study, units[1], 9.0), "config_hash": "another"})
    found = report(study, lines)
    assert len(found.lines) == 1
    assert found.other_lines == 2


def test_figures_that_are_not_there_are_no_numbers(tmp_path):
    study = read_study(write(tmp_path, {**STUDY, "seeds": [0]}))
    lines = [record(study, unit, 5.0) for unit in study.units()]
    lines[0]["figures"]["retrieval"]["image_to_text_R@1"] = None
    lines[1]["figures"]["retrieval"]["chance"] = None
    ((_, (clip, sparc)),) = report(study, lines).tables
    assert (clip.found.n, clip.found.mean) == (0, None)
    assert sparc.chance is None


def test_without_figures_those_of_the_tasks(tmp_path):
    found = reported(tmp_path, [10, 12], [13, 15], figures=[])
    assert [figure.key for figure, _ in found.tables] == ["retrieval.image_to_text_R@1"]
    assert len(found.comparisons) == 1


def test_tables_in_a_page_are_written_between_its_comments(tmp_path):
    found = reported(tmp_path, [10], [13])
    begin, end = "<!-- tables of the study small, by csparc study report -->", "<!-- end of the tables -->"  # fmt: skip # noqa: E501
    once = with_tables(f"before\n{begin}\nold\n{end}\nafter\n", found)
    assert once.startswith(f"before\n{begin}\n**Fewer")
    assert once.endswith(f"{end}\nafter\n")
    assert "old" not in once
    assert with_tables(once, found) == once
    with pytest.raises(DataError, match="found one or none"):
        with_tables("nothing", found)


def test_the_command_takes_a_folder_or_a_file(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = write(tmp_path, STUDY)
    study = read_study(path)
    texts = [json.dumps(record(study, unit, 3.0 + unit.seed)) for unit in study.units()]
    for name in ("results.jsonl", "study.jsonl"):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts))
    assert cli.main(["study", "report", str(tmp_path)]) == 0
    written = {each.name for each in (tmp_path / "report").iterdir()}
    assert written == {"report.md", "report.json", "figures.png", "differences.png"}
    data = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (data["done"], data["planned"], data["evidence"]) == (4, 4, False)
    assert cli.main(["study", "report", str(path), f"--out={tmp_path / 'b'}", "--no-plots"]) == 0
    same = (tmp_path / "b" / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "report" / "report.md").read_text(encoding="utf-8").startswith(same)
    (tmp_path / "study.jsonl").unlink()
    assert cli.main(["study", "report", str(path)]) == 2
    assert "expected the lines of the study" in capsys.readouterr().err


def test_pages_hold_what_their_lines_say(root):
    """Tables in the documentation are those that csparc study report writes."""
    described = sorted((root / "docs" / "study").glob("*.json"))
    assert described
    for path in described:
        study, lines = open_place(path)
        page = path.with_suffix(".md")
        text = page.read_text(encoding="utf-8")
        assert with_tables(text, report(study, lines)) == text, f"csparc study report --page {page}"
