"""One call gives what words select, the same numbers and pictures wherever it is asked from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

import small_training
from PIL import Image

import csparc
from csparc.cli.session import load_session
from csparc.data import BadItem
from csparc.errors import CheckpointError
from csparc.evaluate.explain import explain as explain_preprocessed
from csparc.viz.wording import in_order

CAPTION = "a red circle"


@pytest.fixture(scope="module", params=["sparc", "filip", "pacl"])
def run(request, tmp_path_factory) -> Path:
    """The folder of a run of a few steps; words that weigh, words that match, whole captions."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    small_training.trainer(folder, request.param, steps=2, val_data=None).run()
    return folder


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (12, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))


def test_it_is_what_the_model_and_its_loss_align(run, picture):
    found, session = csparc.explain(run, picture, CAPTION), load_session(run)
    seen = session.preprocess.fixed(picture)
    alone = explain_preprocessed(
        session.model, session.tokenizer, session.preprocess(picture), CAPTION, session.loss
    )
    assert (found.picture == seen).all()
    assert found.picture.shape == (32, 32, 3)
    assert found.words == alone.words
    assert (found.weights == alone.weights).all()
    assert found.weights.shape == (len(found.words), found.grid[0] * found.grid[1])
    assert found.caption == CAPTION
    assert found.title == alone.title


def test_every_way_to_name_model_and_picture_gives_the_same(run, picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "in.png")
    expected = csparc.explain(str(run), picture, CAPTION)
    loaded = csparc.load_checkpoint(run)
    model, tokenizer, metadata = loaded
    assert (model, tokenizer, metadata) == (loaded.model, loaded.tokenizer, loaded.metadata)
    for source, given in (
        (loaded, Image.fromarray(picture)),
        (run, tmp_path / "in.png"),
        (run / "checkpoints" / "last.safetensors", str(tmp_path / "in.png")),
        (load_session(run), picture),
    ):
        found = csparc.explain(source, given, CAPTION)
        assert (found.weights == expected.weights).all()
        assert found.words == expected.words


def test_a_fitted_run_draws_what_it_explains():
    pytest.importorskip("matplotlib")
    scenes = small_training.scenes(24)
    run = csparc.fit(scenes, steps=2, batch_size=8, progress="none")
    found = csparc.explain(run, scenes.load(0), CAPTION)
    drawn, own = found.plot(content_first=True), run.plot_alignment(0, CAPTION, content_first=True)
    titles = [[axes.get_title(loc="left") for axes in figure.axes] for figure in (drawn, own)]
    assert titles[0] == titles[1] == ["picture", "red", "circle", "a", ""]
    for mine, theirs in zip(drawn.axes, own.axes):
        assert (mine.images[0].get_array() == theirs.images[0].get_array()).all()
    assert [axes.get_title(loc="left") for axes in found.plot().axes][1:4] == found.words


def test_weights_by_sparcs_rule(run, picture):
    found = csparc.explain(run, picture, CAPTION, weights="sparc")
    assert "SPARC" in found.title
    assert found.words == ["a", "red", "circle"]


def test_a_notebook_shows_every_word_on_the_picture(run, picture):
    found = csparc.explain(run, picture, "<b>a</b> circle")
    page = found._repr_html_()
    assert page.count('<img src="data:image/png;base64,') == len(found.words) + 2
    assert page.count("<button") == page.count("<svg") == len(found.words)
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    named = re.findall(r'alt="(.*?)"', page)
    assert named[:2] == ["the picture", "the whole picture"]
    assert all("heaviest patch in the" in alt for alt in named[2:])
    assert len(repr(found)) < 120


def test_a_caption_without_words_says_so(run, picture):
    found = csparc.explain(run, picture, "a circle")
    empty = type(found)(
        words=[], weights=np.zeros((0, 16)), grid=(4, 4), caption="x", picture=found.picture,
        view=found.view,
    )  # fmt: skip
    assert "No word of this caption enters the loss." in empty._repr_html_()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"checkpoint_or_run": "nowhere"}, CheckpointError, "nowhere"),
        ({"checkpoint_or_run": (1, 2, 3)}, TypeError, r"checkpoint_or_run: expected .* not taken"),
        ({"picture": 7}, TypeError, "picture: expected a path, uint8"),
        ({"picture": np.zeros((4, 4))}, ValueError, r"picture: expected uint8 \[H, W, 3\]"),
        ({"picture": "none.png"}, BadItem, "none.png"),
        ({"caption": " "}, ValueError, "caption"),
        ({"caption": 3}, TypeError, "caption"),
        ({"weights": "best"}, ValueError, "weights"),
    ],
)
def test_what_it_cannot_explain_is_named(run, picture, change, error, says):
    given = {"checkpoint_or_run": run, "picture": picture, "caption": CAPTION} | change
    options = {name: given.pop(name) for name in ("weights",) if name in given}
    with pytest.raises(error, match=says):
        csparc.explain(*given.values(), **options)


def test_a_larger_picture_than_asked_for_is_refused(run, picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "in.png")
    with pytest.raises(BadItem, match="pixels"):
        csparc.explain(run, tmp_path / "in.png", CAPTION, max_pixels=100)


def test_content_words_come_first_in_their_order():
    words = ["There", "is", "a", "red", "circle", ",", "left", "of", "it"]
    assert in_order(words, False) == list(range(9))
    assert in_order(words, True) == [3, 4, 6, 0, 1, 2, 5, 7, 8]
