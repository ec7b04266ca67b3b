"""The file of a study is read whole or refused in one line that names the key and those near it."""

from __future__ import annotations

import copy
import json

import pytest
from small_study import STUDY, write

from csparc.cli import main as cli
from csparc.cli import study_unit
from csparc.errors import DataError
from csparc.study import read_study
from csparc.study.description import flag_words


def changed(**paths):
    """The small study with other values: ``evaluate__data="x"``."""
    found = copy.deepcopy(STUDY)
    for path, value in paths.items():
        *above, last = path.split("__")
        place = found
        for key in above:
            place = place[key]
        place[last] = value
    return found


def test_units_come_by_seed_and_have_the_flags_of_both(tmp_path):
    study = read_study(write(tmp_path, changed(settings__sparc={"loss": "sparc", "steps": 4})))
    units = list(study.units())
    assert [unit.key for unit in units] == [("clip", 0), ("sparc", 0), ("clip", 1), ("sparc", 1)]
    assert units[0].flags["steps"] == 3
    assert units[1].flags["steps"] == 4
    assert units[0].config_hash == units[2].config_hash != units[1].config_hash


def test_hashes_follow_from_what_is_trained_alone(tmp_path):
    first = next(read_study(write(tmp_path, STUDY)).units())
    told = {"claim": "another", "seeds": [0, 1, 2], "figures": [], "comparisons": []}
    same = next(read_study(write(tmp_path, {**STUDY, **told})).units())
    assert same == first
    evaluated = next(read_study(write(tmp_path, changed(evaluate__data="scenes:size=9"))).units())
    assert evaluated.config_hash == first.config_hash
    assert evaluated.evaluation_hash != first.evaluation_hash


def test_flags_become_words():
    flags = {"lr": 1e-3, "allow-outside": True, "loss-specials": False, "image-mean": [0.5, 1, 0],
             "loss-opt": {"sigma": None, "detach_weights": True}}  # fmt: skip
    assert flag_words(flags) == [
        "--lr=0.001", "--allow-outside", "--image-mean", "0.5", "1", "0", "--loss-opt=sigma=none",
        "--loss-opt=detach_weights=true",
    ]  # fmt: skip


def test_what_the_driver_gives_is_no_flag_of_a_setting():
    known = study_unit.flags()
    assert {"train-data", "loss", "loss-opt", "model", "lr", "val-tasks"} <= set(known)
    assert not {"out", "resume", "seed", "threads", "help"} & set(known)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (changed(comon={}), "the study: unknown key 'comon'; did you mean common"),
        (changed(common__batchsize=8), "common: unknown key 'batchsize'; did you mean batch-size"),
        (changed(settings__clip__seed=3), "setting clip: unknown key 'seed'"),
        (changed(evaluate__task={}), "evaluate: unknown key 'task'; did you mean tasks"),
        (changed(evaluate={"data": "x"}), "evaluate: expected the key 'tasks', found data"),
        (changed(seeds=[0, 0]), "seeds: expected one or more, each once"),
        (changed(seeds=[0.5]), "seeds: expected a whole number, found 0.5"),
        (changed(settings={}), "settings: expected one setting or more"),
        (changed(settings__clip=3), "setting clip: expected an object of flags"),
        (changed(common__lr=[[1]]), "common: lr: expected a text, a number"),
        (changed(comparisons=[["clip"]]), "comparisons: expected two settings each"),
        (changed(comparisons=[["clip", "spark"]]), "unknown setting 'spark'; did you mean sparc"),
        (changed(figures=[{"figure": "retrieval"}]), "expected TASK.NAME with a task of retrieval"),
        (changed(figures=[{"figure": "retrieval.x", "ceiling": "y.z"}]), "retrieval.x: ceiling: "),
        (changed(figures=[{"figure": "retrieval.x", "chance": []}]), "expected a number or a"),
        (
            changed(settings={"a b": {}, "a-b": {}}, comparisons=[]),
            "expected names that differ in their letters",
        ),
        ([], "the study: expected an object with name, claim"),
    ],
)
def test_what_is_wrong_is_named(found, message, tmp_path):
    path = write(tmp_path, found)
    with pytest.raises(DataError) as refused:
        read_study(path, study_unit.flags())
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)


def test_a_key_twice_is_refused(tmp_path):
    path = tmp_path / "study.json"
    path.write_text('{"name": "a", "name": "b"}')
    with pytest.raises(DataError, match="the key 'name' twice"):
        read_study(path)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (changed(settings__clip__loss="clap"), "setting clip: loss: expected one of"),
        (changed(settings__clip__steps=0), "setting clip: argument --steps: "),
        (changed(settings__sparc={"loss-opt": {"sigmar": 1}}), "setting sparc: loss-opt: "),
        (changed(settings__sparc={"model": "giant"}), "setting sparc: "),
        (changed(settings__sparc={"batch-size": 25}), "setting sparc: batch_size: expected at"),
        (changed(evaluate__tasks={"retrieval": "retrieval:score=own"}), "setting clip: --score"),
        (changed(evaluate__tasks={"retrieval": "search"}), "task: expected one of"),
        (changed(evaluate__data="folder:nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(found, message, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["study", "run", str(write(tmp_path, found)), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert message in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("choice", "message"),
    [(["--setting", "clipp"], "did you mean clip"), (["--seed", "7"], "one of 0, 1, found 7")],
)
def test_a_choice_that_is_not_there_is_named(choice, message, tmp_path, capsys):
    assert cli.main(["study", "list", str(write(tmp_path, STUDY)), *choice]) == 2
    assert message in capsys.readouterr().err


def test_a_study_keeps_its_source(tmp_path):
    path = write(tmp_path, STUDY)
    assert read_study(path).source == json.loads(path.read_text())
