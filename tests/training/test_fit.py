"""Five lines: train on a folder, search it, draw an alignment."""

from __future__ import annotations

import numpy as np
import pytest
import small_training
from PIL import Image

import csparc
from csparc.data.export import export
from csparc.data.subset import split
from csparc.errors import DataError
from csparc.losses import SiglipLoss
from csparc.search import Search
from csparc.trainer.fit import default_length, fit
from csparc.trainer.validation import Validation

QUICK = {"steps": 3, "batch_size": 8, "threads": 1, "progress": "none"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("my photos") / "photos"
    export(small_training.scenes(24), "folder", folder)
    return folder


@pytest.fixture(scope="module")
def fitted(photos):
    return csparc.fit(photos, **QUICK)


def test_a_folder_is_trained_on_and_partly_held_out(fitted):
    assert len(fitted.data) == 24
    assert len(fitted.held_out) == 2
    assert fitted.result.counters.step == 3
    assert fitted.result.validation["n_images"] == 2


def test_words_find_objects_unless_a_model_or_a_loss_is_asked_for(fitted, photos):
    grounded = {"loss": "clip+words", "pool_scale": 4, "word_scale_max": 20}
    assert grounded.items() <= fitted.loss.config().items()
    assert fitted.model.config.local_tokens == "words"
    papers = csparc.fit(photos, model="nano", **QUICK)
    assert papers.loss.config()["loss"] == "sparc"
    own = csparc.fit(photos, loss="clip", **QUICK)
    assert own.loss.config()["loss"] == "clip"
    assert own.model.config == papers.model.config


def test_the_model_suits_the_loss(photos):
    run = csparc.fit(photos, loss="filip", **QUICK)
    assert run.model.config.global_pool == "mean"


@pytest.mark.parametrize(("weights", "title"), [("own", "FILIP"), ("sparc", "SPARC")])
def test_an_alignment_is_the_losses_own_or_sparcs(weights, title, photos):
    run = csparc.fit(photos, loss="filip", **QUICK)
    figure = run.plot_alignment(0, "a red circle", weights=weights)
    assert figure.texts[1].get_text().startswith(title)


def test_a_narrow_picture_says_that_the_model_sees_its_middle(fitted):
    for width, said in ((60, "its middle, all the model sees"), (20, "")):
        figure = fitted.plot_alignment(np.zeros((20, width, 3), np.uint8), "a red circle")
        assert figure.axes[0].texts[0].get_text() == said


def test_search_ranks_by_cosine(fitted):
    sentence = fitted.data.captions(0)[0]
    hits = fitted.search(sentence, k=4)
    image = np.stack([fitted.preprocess(fitted.data.load(i)) for i in range(24)])
    scores = (
        fitted.model.encode_image(image, normalize=True)
        @ fitted.model.encode_text(fitted.tokenizer([sentence]), normalize=True)[0]
    )
    assert [hit.index for hit in hits] == np.argsort(-scores, kind="stable")[:4].tolist()
    assert hits[0].score == pytest.approx(scores.max(), abs=1e-6)
    assert hits[0].name == fitted.data.name(hits[0].index)
    assert all(hit.captions == tuple(fitted.data.captions(hit.index)) for hit in hits)


def test_search_of_more_than_there_is_gives_all(fitted):
    assert len(fitted.search("a square", k=1000)) == 24


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("",), ValueError, r"^sentence: expected at least one word, found ''"),
        ((" \n",), ValueError, r"^sentence: expected at least one word, found ' \\n'"),
        ((None,), TypeError, r"^sentence: expected a text, found None"),
        ((["a", "b"],), TypeError, r"^sentence: expected a text, found a list"),
        (("a", 0), ValueError, r"^k: expected a whole number of at least 1, found 0"),
        (("a", 2.0), TypeError, r"^k: expected a whole number of at least 1, found 2\.0"),
    ],
)
def test_what_cannot_be_searched(fitted, arguments, error, message):
    with pytest.raises(error, match=message):
        fitted.search(*arguments)


@pytest.mark.parametrize(
    ("picture", "caption", "error", "message"),
    [
        (0, " ", ValueError, r"^caption: expected at least one word, found ' '"),
        (0, None, TypeError, r"^caption: expected a text, found None"),
        (24, "a", ValueError, r"^picture: expected a whole number from 0 to 23, found 24"),
        (-1, "a", ValueError, r"^picture: expected a whole number from 0 to 23, found -1"),
        (
            1.5,
            "a",
            TypeError,
            r"^picture: expected a path, uint8 .* or a Pillow picture, found 1\.5",
        ),
        (np.zeros((0, 4, 3), np.uint8), "a", ValueError, r"found uint8 \[0, 4, 3\]"),
        (np.zeros((4, 4), np.uint8), "a", ValueError, r"found uint8 \[4, 4\]"),
        ("nothing.png", "a", DataError, r"^nothing\.png: no such file \(looked for "),
    ],
)
def test_what_cannot_be_drawn(fitted, picture, caption, error, message):
    with pytest.raises(error, match=message):
        fitted.plot_alignment(picture, caption)


@pytest.mark.parametrize("data", [None, 3, [3]])
def test_data_that_are_no_path(data):
    with pytest.raises(TypeError, match=r"^data: expected SCHEME:PATH or a path, found "):
        fit(data, **QUICK)


def test_an_alignment_of_every_kind_of_picture(fitted, photos, tmp_path):
    path = photos / fitted.data.name(0)
    caption = fitted.data.captions(0)[0]
    for picture in (0, path, str(path), fitted.data.load(0), Image.open(path)):
        figure = fitted.plot_alignment(picture, caption)
        assert len(figure.axes) > len(caption.split())
    figure.savefig(tmp_path / "alignment.png")
    with pytest.raises(DataError, match=r"nothing\.png"):
        fitted.plot_alignment(tmp_path / "nothing.png", caption)


def test_few_pictures_are_not_held_out(tmp_path):
    export(small_training.scenes(9), "folder", tmp_path / "photos")
    fitted = fit(tmp_path / "photos", **QUICK)
    assert fitted.held_out is None
    assert fitted.result.validation is None


def test_fit_learns_a_tiny_folder():
    """Four pictures with captions of their own are told apart."""
    data = small_training.scenes(4)
    fitted = fit(data, steps=60, batch_size=4, threads=1, progress="none", lr=2e-3)
    captions = [data.captions(index)[0] for index in range(4)]
    found = [fitted.search(caption, k=1)[0].index for caption in captions]
    assert sum(index == place for place, index in enumerate(found)) >= 3


def test_out_is_a_run_that_can_be_loaded(tmp_path):
    fitted = fit(small_training.scenes(24), out=tmp_path / "run", **QUICK)
    model, tokenizer, metadata = csparc.load_checkpoint(tmp_path / "run")
    assert metadata.counters.step == 3
    hits = Search(model, tokenizer, fitted.data, fitted.preprocess)("a square", k=3)
    assert hits == fitted.search("a square", k=3)


@pytest.mark.parametrize(
    ("pictures", "batch", "steps"),
    [(4, 3, 200), (27, 24, 200), (1000, 128, 781), (10**6, 128, 2000)],
)
def test_length_by_number_of_pictures(pictures, batch, steps):
    assert default_length(pictures, {}) == {"batch_size": batch, "steps": steps}


def test_given_lengths_are_kept():
    assert default_length(1000, {"steps": 5}) == {"batch_size": 128}
    assert default_length(1000, {"epochs": 5, "batch_size": 7}) == {"batch_size": 7}


def test_a_split_is_whole_and_a_function_of_the_seed():
    data = small_training.scenes(50)
    rest, held = split(data, 0.1, seed=3)
    assert len(held) == 5
    assert sorted([*rest.items, *held.items]) == list(range(50))
    again = split(data, 0.1, seed=3)[1]
    np.testing.assert_array_equal(held.items, again.items)
    assert held.items.tolist() != split(data, 0.1, seed=4)[1].items.tolist()
    assert held.captions(0) == data.captions(int(held.items[0]))
    np.testing.assert_array_equal(held.load(1), data.load(int(held.items[1])))


@pytest.mark.parametrize("ema", [None, 0.5])
def test_an_early_stop_gives_the_best_weights(ema, tmp_path, monkeypatch):
    """The second validation is the best, which later ones only come close to."""
    scores = iter([0.1, 0.9, 0.5, 0.5] * 2)
    monkeypatch.setattr(Validation, "score", lambda self, result: next(scores))
    settings = {**QUICK, "steps": 20, "val_frequency": 2, "early_stop": 2, "ema": ema}
    data, out = small_training.scenes(), tmp_path / "run"
    in_memory = csparc.fit(data, loss=SiglipLoss(), **settings)
    counters = in_memory.result.counters
    assert (in_memory.result.stopped_early, counters.step, counters.best_step) == (True, 8, 4)
    written = csparc.fit(data, loss=SiglipLoss(), out=out, **settings)
    resumed = csparc.fit(data, loss=SiglipLoss(), out=out, resume="latest", **settings)
    best = csparc.load_checkpoint(out / "checkpoints" / "best.safetensors")
    assert best.metadata.counters.step == 4
    logged = small_training.read_log(out, "validation.jsonl")[1]
    for one in (in_memory, written, resumed):
        for name, array in best.model.state_dict().items():
            np.testing.assert_array_equal(one.model.state_dict()[name], array, err_msg=name)
        for name, array in best.loss.state_dict().items():
            np.testing.assert_array_equal(one.loss.state_dict()[name], array, err_msg=name)
        assert one.result.validation == {k: logged[k] for k in logged if k != "step"}


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match="share: expected a finite number above 0 and below 1"):
        split(small_training.scenes(5), share)
