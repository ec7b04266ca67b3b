"""Tasks of evaluation: what a class must say, what is refused, what training makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import small_training
from small_training import read_log

from csparc.checkpoint.checkpoint import read_checkpoint
from csparc.cli import main as cli
from csparc.cli.main import build_parser
from csparc.errors import CheckpointError
from csparc.evaluate import (
    TASKS,
    Grounding,
    Meaning,
    Retrieval,
    Subject,
    Task,
    TaskResult,
    make_task,
    option,
    register,
    tasks,
)
from csparc.losses.options import count
from csparc.trainer import TrainConfig


@pytest.fixture(autouse=True)
def _same_tasks():
    before = dict(TASKS)
    yield
    tasks._CLASSES.clear()
    tasks._CLASSES.update(before)


class Steps(Task):
    """Figures that fall from run to run, with one that is over nothing."""

    name = "steps"
    help = "100 % of nothing"
    main = ("falls", "nan", "missing", "within.rises", "within.none")
    runs = 0

    def run(self, subject):
        type(self).runs += 1
        return TaskResult(
            {"falls": -self.runs, "nan": float("nan"), "within": {"rises": self.runs, "none": None}}
        )


def changed(**facts):
    return type("Changed", (Steps,), {"name": "changed", "runs": 0, **facts})


# The list ----------------------------------------------------------------------------------------


def test_the_tasks_of_csparc_are_one_list():
    assert list(TASKS)[:3] == ["retrieval", "grounding", "scenes"]
    assert list(TASKS.values())[:3] == [Retrieval, Grounding, Meaning]
    assert all(name == task.name for name, task in TASKS.items())
    assert make_task("retrieval:score=own;max_captions=5") == Retrieval(5, "own")
    assert Retrieval().config() == {"max_captions": None, "score": "global"}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "Two words"}, "name: expected lower-case letters, digits, - and _"),
        ({"name": "all"}, "name: expected lower-case letters, digits, - and _, but not all"),
        ({"help": ""}, "help: expected a line of text, found ''"),
        ({"main": ()}, "main: expected a tuple of keys"),
        ({"main": "gap"}, "main: expected a tuple of keys"),
        ({"needs": ("model", "luck")}, "needs: expected a tuple of names among model, data, loss"),
    ],
)
def test_a_class_that_does_not_say_what_it_must_is_refused(facts, message):
    with pytest.raises(TypeError, match=f"Changed.{message}"):
        register(changed(**facts))
    assert "changed" not in TASKS


def test_what_is_no_task_is_refused():
    with pytest.raises(TypeError, match=r"expected a subclass of csparc\.evaluate\.Task, found 3"):
        register(3)
    with pytest.raises(TypeError, match="Idle: expected a task that computes, found no run"):
        register(type("Idle", (Task,), {}))
    with pytest.raises(ValueError, match="name that no other task has, found 'retrieval'"):
        register(changed(name="retrieval"))
    register(changed())
    again = register(changed())
    assert TASKS["changed"] is again


def test_options_are_declared_and_do_not_hide_flags():
    @dataclass(frozen=True)
    class Undeclared(Steps):
        k: int = 3

    with pytest.raises(TypeError, match=r"Undeclared\.k: expected option"):
        register(Undeclared)

    @dataclass(frozen=True)
    class Hiding(Steps):
        json: int = option(3, "a number")

    with pytest.raises(
        TypeError, match=r"Hiding\.json: expected an option that is called as no flag"
    ):
        register(Hiding)

    @dataclass
    class Changing(Steps):
        k: int = option(3, "a number")

    with pytest.raises(TypeError, match="expected a @dataclass"):
        register(Changing)


def test_the_flags_of_all_tasks_are_reserved():
    register(Steps)
    parsed = build_parser().parse_args(["eval", "steps", "--checkpoint", "c", "--data", "d"])
    flags = set(vars(parsed)) - {"run", "task", "parser"}
    assert flags | {"help", "imported"} == set(tasks.RESERVED)


def test_options_become_flags_of_their_types():
    @register
    @dataclass(frozen=True)
    class Many(Steps):
        name = "many"
        needs = ()
        k: int | None = option(None, "at most so many, of 100 %", check=count)
        share: float = option(0.5, "a share")
        strict: bool = option(False, "be strict")
        norm: str = option("l1", "a norm", ("l1", "l2"))

    parse = build_parser().parse_args
    got = parse(["eval", "many"])
    assert (got.k, got.share, got.strict, got.norm) == (None, 0.5, False, "l1")
    got = parse(["eval", "many", "--k", "4", "--share", "0.25", "--strict", "--norm", "l2"])
    assert (got.k, got.share, got.strict, got.norm) == (4, 0.25, True, "l2")
    for wrong in (["--k", "0"], ["--share", "much"], ["--norm", "l3"]):
        with pytest.raises(SystemExit):
            parse(["eval", "many", *wrong])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recall", "task: expected one of retrieval, grounding, scenes.*, found 'recall'"),
        ("retrieval:scores=own", "task retrieval: expected key=value with one of max_captions, sc"),
        ("retrieval:score=best", "score: expected 'global' or 'own', found 'best'"),
        ("grounding:", "expected key=value"),
    ],
)
def test_a_text_that_names_no_task_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        make_task(text)


def test_what_a_task_needs_is_checked():
    with pytest.raises(ValueError, match="grounding: expected a subject with model, found none"):
        Grounding().check(Subject())
    needs_loss = changed(needs=("loss",))()
    with pytest.raises(
        ValueError, match="changed: expected a subject with loss, found none: nobody"
    ):
        needs_loss.check(Subject(model=1, data=1))
    with pytest.raises(ValueError, match=r"score own: .* trained with clip"):
        Retrieval(score="own").check(Subject(model=1, data=1))


# On the command line -----------------------------------------------------------------------------


def test_a_task_that_needs_nothing_runs_and_records_null_for_nan(tmp_path, capsys):
    register(changed(needs=()))
    report = tmp_path / "report.json"
    assert cli.main(["eval", "changed", "--json", str(report)]) == 0
    assert capsys.readouterr().out.split() == ["falls", "-1", "within.rises", "1"]
    assert json.loads(report.read_text(encoding="utf-8")) == {
        "falls": -1, "nan": None, "within": {"rises": 1, "none": None}, "config": {},
    }  # fmt: skip


def test_meaning_is_measured_on_scenes_alone(tmp_path, capsys):
    small_training.trainer(tmp_path / "run", steps=2, val_data=None).run()
    given = ["eval", "scenes", "--checkpoint", str(tmp_path / "run"), "--data"]
    assert cli.main([*given, "scenes:tier=S;size=8;split=test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:5] == ["true", "image_to_text", "text_to_image", "found",
                         "image_to_text_semantic_R@1"]  # fmt: skip
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "t.csv").write_text("filepath,title\na.png,a dog\n")
    assert cli.main([*given, f"csv:{tmp_path / 't.csv'}"]) == 2
    assert "scenes: expected generated scenes (scenes:...), found csv:" in capsys.readouterr().err


# In training -------------------------------------------------------------------------------------


def test_the_log_has_main_figures_that_are_finite(tmp_path):
    register(changed())
    small_training.trainer(tmp_path, val_tasks=("changed", "retrieval", "scenes")).run()
    for number, record in enumerate(read_log(tmp_path, "validation.jsonl"), 1):
        of_it = {key: value for key, value in record.items() if key.startswith("val/changed/")}
        assert of_it == {"val/changed/falls": -number, "val/changed/within.rises": number}
        assert record["val/retrieval/text_to_image_R@1"] == record["text_to_image_R@1"]
        assert {"val/scenes/image_to_text", "val/scenes/text_to_image"} <= set(record)


@pytest.mark.parametrize(("figure", "best"), [("falls", 5), ("within.rises", 12)])
def test_a_figure_decides_the_best_checkpoint(figure, best, tmp_path):
    register(changed())
    settings = {"val_tasks": ("changed",), "val_best": f"val/changed/{figure}"}
    result = small_training.trainer(tmp_path, **settings).run()
    assert result.counters.best_step == best
    saved = read_checkpoint(tmp_path / "checkpoints" / "best.safetensors").metadata
    assert (saved.counters.step, saved.counters.best_score) == (best, result.counters.best_score)
    assert saved.train_config["val_best"] == f"val/changed/{figure}"
    assert set(result.validation) == {"val/changed/falls", "val/changed/within.rises"}
    with pytest.raises(CheckpointError, match="expected train_config val_best = None"):
        small_training.trainer(tmp_path, resume="latest", steps=14).run()


def test_a_figure_over_nothing_makes_no_best(tmp_path):
    register(changed())
    settings = {"val_tasks": ("changed",), "val_best": "val/changed/nan"}
    assert small_training.trainer(tmp_path, **settings).run().counters.best_step == -1
    assert not (tmp_path / "checkpoints" / "best.safetensors").exists()


def test_tasks_may_come_and_go_when_a_run_goes_on(tmp_path):
    register(changed())
    small_training.trainer(tmp_path, steps=6).run()
    small_training.trainer(tmp_path, val_tasks=("changed",), resume="latest").run()
    records = read_log(tmp_path, "validation.jsonl")
    assert ["val/changed/falls" in record for record in records] == [False, False, True, True]
    assert "val_tasks" not in TrainConfig(steps=1, val_tasks=("changed",)).decisive()
    assert "val_best" not in TrainConfig(steps=1).decisive()


def test_tasks_are_asked_to_stop_before_each_batch():
    trainer = small_training.trainer(val_tasks=("grounding",), val_data=small_training.scenes(24))
    asked = []

    def run(most: int) -> dict | None:
        asked.clear()
        return trainer.validation.run(trainer.model, lambda: asked.append(0) or len(asked) > most)

    assert "val/grounding/gap" in run(1000)
    assert len(asked) == 3 + 15 + 3  # batches of pictures and of captions; of pictures again
    for most in (0, 4, 20):
        assert run(most) is None
        assert len(asked) == most + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_tasks": "retrieval"}, "val_tasks: expected a tuple of names, found 'retrieval'"),
        ({"val_tasks": ("recall",)}, "task: expected one of retrieval, grounding"),
        ({"val_tasks": ("grounding",), "val_data": None}, "val_tasks: expected val_data"),
        ({"val_best": "val/grounding/gap"}, "val_best: expected one of none without val_tasks"),
        ({"val_tasks": ("scenes",), "val_best": "val/scenes/gap"},
         "expected one of val/scenes/image_to_text, val/scenes/text_to_image, found"),
        ({"val_best": 3}, "val_best: expected the name of a figure, found 3"),
        ({"val_tasks": ("retrieval:score=own",)}, "score own: expected a checkpoint trained with"),
        ({"val_tasks": ("retrieval:max_captions=2",)}, "expected max_captions=2 with the data"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_before_anything_is_trained(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        small_training.trainer(**settings)


def test_the_command_line_of_a_run_names_tasks(tmp_path, capsys):
    line = "train --train-data scenes:tier=S;size=16 --val-data scenes:tier=S;size=8;split=val"
    more = "--steps 2 --batch-size 8 --vocab-size 300 --progress none"
    out = tmp_path / "run"
    named = ["--val-tasks", "scenes, grounding", "--val-best", "val/scenes/image_to_text"]
    assert cli.main([*line.split(), *more.split(), *named, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "val/scenes/image_to_text" in printed
    assert "val/grounding/gap" in printed
    assert "image_to_text_R@1" not in printed
    assert printed.splitlines()[-1] == str(out)
    (record,) = read_log(out, "validation.jsonl")
    assert "val/grounding/matched.token_accuracy" in record
