"""Controls take the place of a model in every task, and give what is known of them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import small_training
from PIL import Image

from csparc.cli import main as cli
from csparc.data.scenes import Scenes
from csparc.data.transforms import Preprocess
from csparc.evaluate import CONTROLS, TASKS, Subject, run_with_controls
from csparc.evaluate.controls import ColourOnly, Constant, Recorded, Shuffled, derangement
from csparc.evaluate.retrieval import Retrieval
from csparc.losses import as_loss

SIZE = 12


@pytest.fixture(scope="module")
def subject():
    model = small_training.model(**as_loss("sparc").suited_model())
    return Subject(
        model=model, tokenizer=small_training.tokenizer(), data=Scenes("S", SIZE, split="test"),
        preprocess=Preprocess(model.config.image_size), loss=as_loss("sparc"), batch_size=5,
    )  # fmt: skip


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_has_every_control(subject, name):
    task = TASKS[name]()
    plain = task.measured(task.run(subject).figures)
    found, controls = run_with_controls(task, subject, seed=1)
    assert list(controls) == list(CONTROLS)
    measured = task.measured(found.figures)
    assert measured
    assert set(measured) == set(plain)
    for path, figure in measured.items():
        assert figure.value == plain[path].value or math.isnan(figure.value), path
    for control, figures in controls.items():
        common = set(figures) & set(measured)
        assert len(common) >= len(measured) / 2, control
        assert all(figures[path].unit == measured[path].unit for path in common)


def test_a_constant_answer_ties_everywhere(subject):
    figures = Retrieval().run(replace(subject, model=Constant(subject.model))).figures
    assert figures["text_to_image_tie_share"] == figures["image_to_text_tie_share"] == 100.0
    # Of equals the first in order goes first, so each place is taken once.
    assert figures["text_to_image_R@1"] == pytest.approx(100 / SIZE)
    assert figures["text_to_image_mean_rank"] == pytest.approx((SIZE + 1) / 2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_untrained_weights_are_evaluated_in_the_precision_of_the_model(subject, precision):
    class Precision(Retrieval):
        def run(self, subject):
            seen.append(getattr(subject.model, "precision", None))
            return super().run(subject)

    seen = []
    model = small_training.model(**as_loss("sparc").suited_model())
    model.precision = precision
    run_with_controls(Precision(), replace(subject, model=model), seed=1)
    assert set(seen) == {precision}


@pytest.mark.parametrize("count", [2, 3, 17])
def test_a_derangement_leaves_nothing_in_its_place(count):
    others = derangement(count, seed=4)
    assert sorted(others.tolist()) == list(range(count))
    assert not (others == np.arange(count)).any()


def test_one_picture_has_no_other():
    with pytest.raises(ValueError, match="expected two pictures or more, found 1"):
        derangement(1)


def test_shuffled_gives_what_was_given_of_the_other_picture(subject):
    model = Recorded(subject.model)
    size = subject.model.config.image_size
    images = np.random.default_rng(0).normal(size=(7, 3, size, size)).astype(np.float32)
    batches = [images[:3], images[3:6], images[6:]]
    own = [model.encode_image(batch, return_patches=True) for batch in batches]
    dense = np.concatenate([model.encode_dense(batch) for batch in batches])
    shuffled, others = Shuffled(model, seed=2), derangement(7, seed=2)
    again = [shuffled.encode_image(batch, return_patches=True) for batch in batches]
    for side in (0, 1):
        expected = np.concatenate([one[side] for one in own])[others]
        assert np.array_equal(np.concatenate([one[side] for one in again]), expected)
    assert np.array_equal(shuffled.encode_dense(images[:2]), dense[others[:2]])
    assert shuffled.config is subject.model.config


def test_colours_alone_tell_colours_and_nothing_else():
    tokenizer, model = small_training.tokenizer(), small_training.model()
    preprocess = Preprocess(model.config.image_size)
    colours = ColourOnly(model, preprocess, tokenizer)
    size = model.config.image_size
    picture = np.full((2, size, size, 3), 128, np.uint8)
    picture[0, :9, :9], picture[1, -9:, -9:] = (220, 30, 40), (50, 80, 235)
    images = preprocess.normalize(picture)
    texts = ["a red circle", "a blue circle", "a blue square", "a circle"]
    ids = tokenizer(texts)
    valid = tokenizer.valid_mask(ids)
    vectors, tokens = colours.encode_text(ids, True, return_tokens=True, text_mask=valid)
    scores = colours.encode_image(images, normalize=True) @ vectors.T
    assert scores[0].argmax() == 0
    assert scores[1, 1] == pytest.approx(scores[1, 2], abs=1e-6)
    assert scores[1, 1] > scores[1, 3] > scores[1, 0]
    assert np.linalg.norm(tokens, axis=-1) == pytest.approx(1.0, abs=1e-6)
    assert np.linalg.norm(vectors, axis=-1) == pytest.approx(1.0, abs=1e-6)


def test_what_controls_cannot_stand_for_is_refused(subject):
    with pytest.raises(ValueError, match="controls: expected a model and data with pictures"):
        run_with_controls(Retrieval(), replace(subject, model=Constant(subject.model)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("controls") / "run"
    small_training.trainer(out, steps=2).run()
    return out


def test_the_command_writes_what_stands_beside(trained, tmp_path, capsys):
    file = tmp_path / "r.json"
    line = ["eval", "retrieval", "--checkpoint", str(trained), "--data",
            "scenes:tier=S;size=8;split=test", "--json", str(file), "--bootstrap", "20",
            "--bootstrap-seed", "3", "--controls"]  # fmt: skip
    assert cli.main(line) == 0
    record = json.loads(file.read_text())
    assert record["config"]["bootstrap"] == 20
    assert record["config"]["bootstrap_seed"] == 3
    one = record["measured"]["text_to_image_R@1"]
    assert one["value"] == record["text_to_image_R@1"]
    assert one["chance"] == 12.5
    assert one["interval"][0] <= one["value"] <= one["interval"][1]
    assert list(one["controls"]) == list(CONTROLS)
    printed = capsys.readouterr().out
    assert "95 % interval" in printed
    assert "untrained" in printed
    assert "colour" in printed


def test_all_runs_what_the_data_allow_and_keeps_whole_tasks(trained, tmp_path, capsys, monkeypatch):
    file, kept = tmp_path / "all.json", []
    task = TASKS["hardneg"]

    def fails(self, subject):
        kept.append(json.loads(file.read_text()))
        raise ValueError("out of words")

    monkeypatch.setattr(task, "run", fails)
    line = ["eval", "all", "--checkpoint", str(trained), "--data",
            "scenes:tier=S;size=8;split=test", "--json", str(file)]  # fmt: skip
    assert cli.main(line) == 0
    record, output = json.loads(file.read_text()), capsys.readouterr()
    assert list(kept[0]["tasks"]) == [n for n in record["tasks"] if n in kept[0]["tasks"]] != []
    assert set(record["tasks"]) | {"hardneg"} >= {"retrieval", "grounding", "zeroshot"}
    assert record["left_out"] == {"hardneg": "out of words"}
    assert "left out hardneg: out of words" in output.err
    assert "== retrieval" in output.out
    assert record["tasks"]["retrieval"]["config"]["data"].startswith("scenes:")


def test_all_names_what_the_data_do_not_allow(trained, tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    for number in range(3):
        scene = Scenes("S", 8).load(number)
        Image.fromarray(scene).save(data / f"{number}.png")
        (data / f"{number}.txt").write_text(f"a circle {['red', 'blue', 'green'][number]}")
    line = ["eval", "all", "--checkpoint", str(trained), "--data", f"folder:{data}"]
    assert cli.main([*line, "--json", str(tmp_path / "all.json")]) == 0
    record = json.loads((tmp_path / "all.json").read_text())
    assert set(record["tasks"]) == {"retrieval", "grounding", "faithfulness"}
    assert set(record["left_out"]) == {"scenes", "segmentation", "zeroshot", "hardneg"}
    assert "left out segmentation: expected data with labels" in capsys.readouterr().err
