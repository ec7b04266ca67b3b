"""The demo as it is met first: both settings, the same pictures, nothing chosen by result."""

import dataclasses
import re

import numpy as np
import pytest
from test_demo import command_line, few_scenes  # noqa: F401

pytest.importorskip("PIL")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

import csparc
from csparc.cli import demo as command
from csparc.data import tokenizer as tokenizers
from csparc.data.scenes import Scenes
from csparc.demo.data import DemoData
from csparc.demo.settings import BOTH, GROUNDED, PAPER, setting_of
from csparc.demo.shown import PICTURES, chosen, common_words, compared_pictures
from csparc.evaluate.explain import Explanation
from csparc.losses.registry import LOSSES, make_loss
from csparc.trainer import Trainer

GRID = (8, 8)


@pytest.fixture(scope="module")
def scenes():
    train, held_out = Scenes("M", size=60), Scenes("M", size=24, split="test")
    data = DemoData(train, held_out, held_out, "scenes")
    return data, tokenizers.train(train.all_captions(), vocab_size=512, context_length=32)


def test_both_settings_are_trained_and_shown(few_scenes, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    assert command.run(command_line("--steps", "3", "2")) == 0
    out = tmp_path / "csparc-demo"
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "csparc demo --steps 3 2 --seed 0" in page
    assert page.count('class="compared"') == PICTURES
    assert [int(count) for count in re.findall(r"(\d) of 40 pairs", page)] == [3, 2]
    assert "Nouns (" in page
    assert "Colours (" in page
    for setting, steps in zip(BOTH, (3, 2)):
        saved = csparc.load_checkpoint(out / setting.folder)[2]
        assert saved.loss_config["loss"] == setting.loss
        assert len((out / setting.folder / "log.jsonl").read_text().splitlines()) == steps
    width = int.from_bytes((out / "alignment.png").read_bytes()[16:20], "big")
    assert width > 500


def test_an_interrupt_of_the_second_leaves_the_first_on_disk(few_scenes, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    whole, seen = Trainer.run, []

    def stopped(self):
        seen.append(self)
        result = whole(self)
        return result if len(seen) == 1 else dataclasses.replace(result, interrupted="Ctrl-C")

    monkeypatch.setattr(Trainer, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        command.run(command_line("--steps", "2"))
    out = tmp_path / "csparc-demo"
    assert csparc.load_checkpoint(out / PAPER.folder)[2].loss_config["loss"] == PAPER.loss
    assert not (out / "index.html").exists()


def test_minutes_are_shared_and_the_command_repeats_the_steps_they_gave(
    few_scenes,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    given = {}

    def timed(plan, data, tokenizer):
        given[plan.folder] = plan.minutes
        return {"sparc": 2, "grounded": 1}[plan.folder]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csparc.demo.run.fitting_steps", timed)
    assert command.run(command_line("--minutes", "3")) == 0
    assert given == {"sparc": 1.5, "grounded": 1.5}
    page = (tmp_path / "csparc-demo" / "index.html").read_text(encoding="utf-8")
    assert "csparc demo --steps 2 1 --seed 0" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "1", "2", "3"), "--steps: expected a number, or one of each of the two"),
        (("--steps", "1", "2", "--loss", "clip"), "--steps: expected one number, found 2"),
    ],
)
def test_numbers_of_steps_that_fit_no_run_are_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        command.run(command_line(*arguments))
    assert not list(tmp_path.iterdir())


def test_one_loss_has_the_time_of_both_and_its_own_setting():
    for own in BOTH:
        assert setting_of(own.loss).steps == 2 * own.steps
        assert setting_of(own.loss).model == own.model
    assert setting_of("filip", ("keep=0.5",)).loss_options == ("keep=0.5",)
    for name in LOSSES:
        one = setting_of(name)
        make_loss(one.loss, one.loss_options)
        assert one.model in csparc.list_models()


def test_the_grounded_setting_is_named_ours_and_sparc_the_papers():
    assert GROUNDED.whose == "ours, not the paper’s"
    assert PAPER.whose == "the paper’s"
    assert (PAPER.model, PAPER.loss, PAPER.loss_options) == ("nano", "sparc", ())


def test_the_first_pictures_of_several_objects_are_shown_with_their_longest_caption(scenes):
    data = scenes[0]
    items = list(range(3, 24))
    shown = chosen(data, items)
    assert len(shown) == PICTURES
    several = [row for row in range(21) if len(data.scenes.scene(items[row]).objects) > 1]
    assert [row for row, _ in shown] == several[:PICTURES]
    for row, number in shown:
        lengths = [len(text) for text in data.held_out.captions(items[row])]
        assert lengths[number] == max(lengths)
    blind = dataclasses.replace(data, scenes=None)
    assert [row for row, _ in chosen(blind, items)] == list(range(PICTURES))


def explanation(tokenizer, text, weights):
    ids = np.asarray(tokenizer([text]))[0]
    words = [word.text for word in tokenizer.word_spans(ids)]
    return Explanation(words, np.tile(weights, (len(words), 1)), GRID)


def test_nouns_and_colours_stand_first_and_know_whether_their_object_was_found(scenes):
    data, tokenizer = scenes
    item, number = next(
        (i, k)
        for i in range(24)
        for k, text in enumerate(data.held_out.captions(i))
        if len(data.scenes.scene(i).objects) > 1 and {"small", "red"} <= set(text.split())
    )
    text = data.held_out.captions(item)[number]
    weights = np.zeros(64)
    sides = [[explanation(tokenizer, text, weights + np.eye(64)[patch])] for patch in (0, 63)]
    (one,) = compared_pictures(data, tokenizer, [item], [data.held_out.load(item)], [number], sides)
    assert " ".join(word.text for word in one.words).replace(" ,", ",") == text
    named = [word for word in one.words if word.inside is not None]
    first = {word.text for word in one.shown_first()}
    assert "red" in first
    assert "small" in {word.text for word in named} - first
    assert first.isdisjoint({"a", "an", "and", "of", "there", "plain", "striped", "large", ","})
    for word in named:
        assert word.found(0) == word.inside[0]
        assert word.found(1) == word.inside[63]
    assert all(word.found(0) is None for word in one.words if word.text in ("a", "and", "of"))


def test_of_own_pictures_common_words_and_marks_stand_last(scenes):
    data, tokenizer = scenes
    blind = dataclasses.replace(data, scenes=None)
    common = common_words(blind, tokenizer)
    assert "a" in common
    assert "heart" not in common
    text = data.held_out.captions(0)[0]
    sides = [[explanation(tokenizer, text, np.arange(64.0))]] * 2
    (one,) = compared_pictures(blind, tokenizer, [0], [data.held_out.load(0)], [0], sides)
    assert not {word.text for word in one.shown_first()} & (common | {","})
    assert all(word.inside is None for word in one.words)


def test_a_best_match_is_drawn_above_its_least_similarity(scenes):
    data, tokenizer = scenes
    text = data.held_out.captions(0)[0]
    plain = explanation(tokenizer, text, np.eye(64)[7])
    cosines = np.tile(np.linspace(-0.5, 0.5, 64), (len(plain.words), 1))
    sides = [[plain], [dataclasses.replace(plain, chosen_by=cosines)]]
    (one,) = compared_pictures(data, tokenizer, [0], [data.held_out.load(0)], [0], sides)
    assert one.words[0].levels[0].argmax() == 7
    np.testing.assert_allclose(one.words[0].levels[1], np.linspace(0, 1, 64))
