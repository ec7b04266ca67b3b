"""``csparc demo --loss``: the page speaks of the loss that was trained, by what was measured."""

import dataclasses

import numpy as np
import pytest
from page_figures import GROUNDING, PLACEMENT
from page_outline import Outline
from test_demo import command_line, few_scenes  # noqa: F401
from test_page import result

pytest.importorskip("PIL")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

from csparc.cli import demo as command
from csparc.demo.page.loss_text import curves_of
from csparc.demo.page.page import render
from csparc.evaluate.grounding import words_alike
from csparc.losses.registry import LOSSES

SPARC_ALONE = ("SPARC’s local loss", "words told apart", "weights set to zero", "paper’s scale")
FILIP = {"rule": "filip", "title": "FILIP: best match", "notes": ["A note."], "of": "words"}


def text_of(page):
    return "".join(Outline(page).text)


def placed(auc):
    return {"NOUN": PLACEMENT["NOUN"] | {"auc": auc}}


def page_of(loss, weights=FILIP, **changes):
    return render(result(loss=loss, grounding=GROUNDING | {"weights": weights}, **changes))


def lead_of(loss, **changes):
    """What stands above the alignment pictures."""
    return text_of(page_of(loss, **changes)).split("Which patches")[1].split("<script>")[0]


@pytest.mark.parametrize(("name", "options"), [("clip+filip", ["keep=0.5"]), ("pacl", [])])
def test_a_run_with_another_loss_trains_it_and_its_page_speaks_of_it(
    name,
    options,
    few_scenes,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    monkeypatch.chdir(tmp_path)
    given = [word for option in options for word in ("--loss-opt", option)]
    assert command.run(command_line("--steps", "2", "--loss", name, *given)) == 0
    path = tmp_path / f"csparc-demo-{name.replace('+', '-')}" / "index.html"
    assert capsys.readouterr().out == f"{path}\n"
    page = text_of(path.read_text(encoding="utf-8"))
    assert " ".join(["csparc demo --loss", name, *given, "--steps 2 --seed 0"]) in page
    assert {"clip+filip": "with CLIP + FILIP (keep=0.5) taught", "pacl": "with PACL"}[name] in page
    assert not [words for words in SPARC_ALONE if words in page]
    for _, title, note in curves_of(name):
        assert title + " " + note in page
    assert ("select the object they speak of" in page) == (name == "pacl")
    assert page.count("weightsover") == (12 if name == "pacl" else 0), "a panel a sentence"
    config = checkpoint_loss(path.parent / "run")
    assert config["loss"] == name
    assert config.get("keep") == (0.5 if options else None)


def checkpoint_loss(run):
    import csparc

    return csparc.load_checkpoint(run)[2].loss_config


def test_a_wrong_loss_is_refused_before_a_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="expected one of sparc"):
        command.run(command_line("--loss", "filp"))
    with pytest.raises(ValueError, match="keep"):
        command.run(command_line("--loss", "filip", "--loss-opt", "keep=much"))
    assert not list(tmp_path.iterdir())


def test_every_part_of_every_loss_has_a_curve():
    for name, made in LOSSES.items():
        *parts, scale = curves_of(name)
        assert [key for key, *_ in parts] == [part.name for part in made.parts]
        assert scale[0] == "logit_scale"


def test_a_part_of_the_loss_has_a_curve_where_the_loss_has_the_part():
    log = [{"step": i, "global_loss": 1 / i, "prototype_loss": 2 / i} for i in range(1, 9)]
    assert "Prototype loss" in page_of("mgca", log=log)
    assert "Prototype loss" not in page_of("gloria", log=log)


def test_what_is_sparcs_stands_on_its_page_alone():
    own, other = text_of(render(result())), text_of(page_of("filip"))
    for words in SPARC_ALONE:
        assert words in own
        assert words not in other
    assert "FILIP: best match. A note." in other


@pytest.mark.parametrize("loss", ["sparc", "filip"])
def test_where_words_point_is_said_by_the_area_measured(loss):
    said = "comparisons the nouns weigh a patch"
    assert lead_of(loss, placement=placed(54.0)).count(said) == 0
    assert lead_of(loss, placement=None).count(said) == 0
    assert lead_of(loss, placement=placed(63.0)).count(said) == 1


def test_words_of_a_sentence_that_select_together_are_called_that():
    said = "Two words of one sentence correlate at 0.90 over the patches: they select"
    assert said in lead_of("filip", words_alike=0.9)
    assert "Two words" not in lead_of("filip", words_alike=0.3)
    assert "Two words" not in text_of(page_of("filip", words_alike=float("nan")))
    a, b = np.array([[0.0, 1, 2], [0, 2, 4]]), np.array([[0.0, 1, 2], [2, 1, 0], [1, 1, 1]])
    assert words_alike([a]) == pytest.approx(1)
    assert words_alike([a, b]) == pytest.approx(0)
    assert np.isnan(words_alike([a[:1]]))


def test_a_loss_of_one_part_is_not_said_to_have_no_part_in_sentences():
    said = "the local loss plays no direct part"
    found = PLACEMENT["NOUN"] | {"auc": 62.0}
    assert said in text_of(page_of("gloria", sentence_placement=found))
    for loss in ("pacl", "filip", "clip"):
        assert said not in text_of(page_of(loss, sentence_placement=found))


def test_the_headline_has_the_area_of_another_loss_and_sparcs_control():
    assert "chance 50.0" in text_of(page_of("filip")).split("training time")[0]
    assert "chance 50.0" not in text_of(render(result())).split("training time")[0]


def test_a_best_match_is_drawn_by_its_cosine():
    item = result().alignments[0]
    match, cosine = np.zeros((2, 16)), np.linspace(-0.5, 0.37, 16)
    match[:, 15] = 1
    shown = dataclasses.replace(item, weights=match, chosen_by=np.stack([cosine, cosine]))
    page = page_of("filip", alignments=[shown])
    assert page.count("<em>0.37</em>") == 2
    assert "dog: best match in the bottom right" in page
    assert "over 1 of 16" not in page
    plain = page_of("filip", alignments=[dataclasses.replace(shown, chosen_by=None)])
    assert plain.count("<em>over 1 of 16</em>") == 2
