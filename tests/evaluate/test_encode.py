"""Encoding a data set and explaining a pair, with a small model on small scenes."""

import warnings

import numpy as np
import pytest
from planted_weights import Weighs

import csparc
from csparc.data.dataset import Dataset
from csparc.data.report import BadItem, BadItems
from csparc.data.scenes import Scenes
from csparc.errors import DataError
from csparc.evaluate.encode import encode_dataset

pytest.importorskip("tokenizers")
pytest.importorskip("PIL")

from csparc.data import tokenizer as tokenizers
from csparc.data import transforms
from csparc.evaluate.explain import CUT, WHOLE, explain, explanations, local_features, sentence_maps
from csparc.losses.explains import Alignment


class Pictures(Dataset):
    """Scenes with some pictures that cannot be read and uneven numbers of captions."""

    spec = "some pictures"

    def __init__(self, count, bad=(), max_bad=0.5):
        self.scenes, self.bad = Scenes("S", size=count, split="test"), set(bad)
        self.problems = BadItems(max_bad)

    def __len__(self):
        return len(self.scenes)

    def captions(self, index):
        return self.scenes.captions(index)[: 1 + index % 3]

    def name(self, index):
        return f"picture {index}"

    def load(self, index):
        if index in self.bad:
            raise BadItem(self.name(index), "is broken")
        return self.scenes.load(index)


@pytest.fixture(scope="module")
def parts():
    captions = Scenes("S", size=60).all_captions()
    tokenizer = tokenizers.train(captions, vocab_size=300, context_length=32)
    model = csparc.create_model(
        "nano", vocab_size=tokenizer.vocab_size, image_size=32, patch_size=4
    )
    return model, tokenizer, transforms.preprocess(32)


def test_rows_are_what_the_model_gives_one_by_one(parts):
    model, tokenizer, preprocess = parts
    data = Pictures(7)
    found = encode_dataset(model, tokenizer, data, preprocess, batch_size=3)
    assert found.items.tolist() == list(range(7))
    assert found.image_index.tolist() == [0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5, 6]
    for row in range(7):
        single = model.encode_image(preprocess(data.load(row))[None], normalize=True)[0]
        assert found.image_features[row] == pytest.approx(single, abs=1e-5)
    for row, caption in enumerate(found.captions):
        ids = tokenizer([caption])
        single = model.encode_text(ids, normalize=True, text_mask=tokenizer.valid_mask(ids))[0]
        assert found.text_features[row] == pytest.approx(single, abs=1e-5)


def test_bad_pictures_are_left_out_with_their_captions(parts):
    found = encode_dataset(*parts[:2], Pictures(7, bad=[0, 4]), parts[2], batch_size=4)
    assert found.items.tolist() == [1, 2, 3, 5, 6]
    assert found.image_index.tolist() == [0, 0, 1, 1, 1, 2, 3, 3, 3, 4]
    assert found.problems.reasons == {"picture 0": "is broken", "picture 4": "is broken"}


def test_too_many_bad_pictures_are_an_error(parts):
    with pytest.raises(DataError, match="some pictures: 4 of 7 items are bad"):
        encode_dataset(*parts[:2], Pictures(7, bad=range(5)), parts[2])


def test_progress_reaches_the_end(parts):
    seen = []
    encode_dataset(
        *parts[:2],
        Pictures(7),
        parts[2],
        batch_size=3,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(3, 7), (6, 7), (7, 7)]


def test_can_be_stopped(parts):
    assert encode_dataset(*parts[:2], Pictures(7), parts[2], should_stop=lambda: True) is None


@Weighs
def uniform(patches, tokens, text_mask):
    return np.full((len(patches), tokens.shape[1], patches.shape[1]), 1 / patches.shape[1])


def test_local_features_are_the_models(parts):
    model, tokenizer, preprocess = parts
    data = Pictures(5)
    images = np.stack([preprocess(data.load(i)) for i in range(5)])
    captions = [data.captions(i)[0] for i in range(5)]
    found = local_features(model, tokenizer, images, captions, batch_size=2)
    assert found.patches.shape == (5, 64, 64)
    assert found.tokens.shape == (5, 32, 64)
    out = model(images, found.ids, tokenizer.valid_mask(found.ids))
    assert found.patches == pytest.approx(out.patches.data, abs=1e-5)
    assert found.tokens == pytest.approx(out.tokens.data, abs=1e-5)
    assert (found.mask == tokenizer.loss_mask(found.ids)).all()


def test_sentence_maps_are_cosines_of_dense_patches_and_captions(parts):
    model, tokenizer, preprocess = parts
    data = Pictures(3)
    images = np.stack([preprocess(data.load(i)) for i in range(3)])
    captions = [data.captions(i)[0] for i in range(3)]
    found = sentence_maps(model, tokenizer, images, captions, batch_size=2)
    texts = model.encode_text(tokenizer(captions), normalize=True)
    dense = model.encode_dense(images, normalize=True)
    assert found.shape == (3, 64)
    assert found == pytest.approx(np.einsum("bpd,bd->bp", dense, texts), abs=1e-5)


def test_an_explanation_names_the_captions_words(parts):
    model, tokenizer, preprocess = parts
    found = explain(
        model, tokenizer, preprocess(Pictures(1).load(0)), "A red circle, zebra", uniform
    )
    assert found.words == ["a", "red", "circle", ",", "zebra"]
    assert found.weights == pytest.approx(1 / 64)
    assert found.grid == (8, 8)


def test_pieces_of_a_word_are_averaged(parts):
    model, tokenizer, preprocess = parts
    image = preprocess(Pictures(1).load(0))[None]
    local = local_features(model, tokenizer, image, ["a zebra"])
    weights = np.arange(32 * 64, dtype=float).reshape(1, 32, 64)
    found = explanations(tokenizer, local.ids, Alignment(weights, "planted", ""), (8, 8))[0]
    pieces = int(local.mask.sum()) - 1
    assert pieces > 1
    assert found.weights[1] == pytest.approx(weights[0, 2 : 2 + pieces].mean(axis=0))


def test_an_empty_caption_has_no_words(parts):
    model, tokenizer, preprocess = parts
    image = preprocess(Pictures(1).load(0))[None]
    local = local_features(model, tokenizer, image, [""])
    found = explanations(tokenizer, local.ids, local.alignment(uniform), (8, 8))[0]
    assert found.words == []
    assert found.weights.shape == (0, 64)


def test_weights_of_a_whole_caption_are_explained_as_one(parts):
    model, tokenizer, preprocess = parts
    loss = csparc.losses.PaclLoss()
    found = explain(model, tokenizer, preprocess(Pictures(1).load(0)), "a red circle", loss)
    assert found.words == [WHOLE]
    assert found.weights.shape == (1, 64)
    assert found.title.startswith("PACL")


def test_a_best_match_comes_with_what_it_is_the_best_by(parts):
    model, tokenizer, preprocess = parts
    loss = csparc.losses.FilipLoss()
    found = explain(model, tokenizer, preprocess(Pictures(1).load(0)), "a red circle", loss)
    one = np.count_nonzero(found.weights, axis=1) == 1  # a word of several pieces is their mean
    assert one.any()
    assert (found.chosen_by.argmax(axis=1) == found.weights.argmax(axis=1))[one].all()
    assert found.ranking is found.chosen_by


def test_a_caption_that_is_cut_says_so(parts):
    model, tokenizer, preprocess = parts
    image = preprocess(Pictures(1).load(0))
    assert explain(model, tokenizer, image, "a red circle", uniform).notes == ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = explain(model, tokenizer, image, "a red circle " * 20, uniform)
    assert found.notes == (CUT,)
    assert 3 < len(found.words) < 60
