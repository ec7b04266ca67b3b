"""Truth-based retrieval and the place of selected patches, on generated scenes."""

import numpy as np
import pytest

from csparc.data.scenes import Scenes
from csparc.data.scenes.forms import holds
from csparc.evaluate.named_words import (
    named_words,
    piece_spans,
    sentence_placement,
    single_object_captions,
    word_places,
)
from csparc.evaluate.scenes import caption_numbers, is_true, semantic_recall

GRID = (8, 8)


@pytest.fixture(scope="module")
def scenes():
    return Scenes(size=40, split="test")


def one_hot_features(scenes):
    """Features by which every picture and its own captions agree exactly."""
    index = np.repeat(np.arange(len(scenes)), 5)
    return np.eye(len(scenes)), np.eye(len(scenes))[index], index


def test_own_captions_are_true(scenes):
    assert all(is_true(scenes, i, i, k) for i in range(10) for k in range(5))


def test_perfect_retrieval_is_right_by_meaning(scenes):
    found = semantic_recall(scenes, *one_hot_features(scenes))
    assert found["image_to_text"] == found["text_to_image"] == 100.0
    assert 0 < found["chance"] < 50


def test_chance_is_the_share_of_true_pairs(scenes):
    """40 x 200 pairs: the spread sample of 4096 against all of them."""
    forms = [c.form for i in range(40) for c in scenes.labelled_captions(i)]
    share = 100 * np.mean([holds(f, scenes.scene(i)) for f in forms for i in range(40)])
    found = semantic_recall(scenes, *one_hot_features(scenes))
    assert found["chance"] == pytest.approx(share, abs=2.0)


def test_wrong_answers_that_are_true_count(scenes):
    """Every sentence answered with scene 0: right exactly where it is true of scene 0."""
    images, texts, index = one_hot_features(scenes)
    texts = np.tile(images[0], (len(texts), 1))
    found = semantic_recall(scenes, images, texts, index)
    true = [is_true(scenes, 0, i, k) for i in range(40) for k in range(5)]
    assert found["text_to_image"] == pytest.approx(100 * np.mean(true))


def test_items_name_the_scenes_of_the_rows(scenes):
    kept = np.array([3, 7, 21])
    index = np.repeat(np.arange(3), 5)
    found = semantic_recall(scenes, np.eye(3), np.eye(3)[index], index, kept)
    assert found["text_to_image"] == 100.0


def test_caption_numbers():
    assert caption_numbers(np.array([0, 0, 2, 0, 2, 5])).tolist() == [0, 1, 0, 2, 1, 0]


def test_named_words_lie_on_their_object(scenes):
    for item in range(20):
        caption = scenes.labelled_captions(item)[1]
        objects = {o.number: o for o in scenes.scene(item).objects}
        for word in named_words(scenes, item, 1, GRID):
            text = caption.text[word.start : word.stop]
            assert word.groups[0] in ("NOUN", "ADJ")
            assert not (word.inside & word.outside).any()
            named = [
                o
                for o in objects.values()
                if text in (o.shape, o.colour, o.size, o.texture) or text == o.shape + "s"
            ]
            assert named
            rows, columns = np.nonzero(word.inside.reshape(GRID))
            if len(rows):
                centre = (columns.mean() + 0.5) / 8, (rows.mean() + 0.5) / 8
                nearest = min(
                    objects.values(), key=lambda o: np.hypot(o.x - centre[0], o.y - centre[1])
                )
                assert nearest in named


def test_weights_on_the_named_object_score_full_marks(scenes):
    items, numbers = list(range(20)), [0] * 20
    words, weights = [], []
    for item in items:
        caption = scenes.labelled_captions(item)[0]
        words.append(list(caption.tokens))
        rows = np.zeros((len(caption.tokens), 64))
        for word in named_words(scenes, item, 0, GRID):
            place = [start for start, _ in caption.offsets].index(word.start)
            rows[place] = word.inside
        weights.append(rows)
    placed = word_places(scenes, items, numbers, words, GRID)
    found = placed.scores(weights)
    assert found["NOUN"]["auc"] == found["NOUN"]["pointing"] == 100.0
    blind = placed.scores([np.ones_like(w) for w in weights])
    assert blind["NOUN"]["auc"] == 50.0


def test_pieces_of_a_word_are_averaged(scenes):
    item = next(i for i in range(40) if named_words(scenes, i, 0, GRID))
    caption = scenes.labelled_captions(item)[0]
    word = named_words(scenes, item, 0, GRID)[0]
    text = caption.text[word.start : word.stop]
    pieces = [text[:2], text[2:]]
    weights = np.stack([word.inside * 2.0, np.zeros(64)])
    found = word_places(scenes, [item], [0], [pieces], GRID).scores([weights])
    assert found[word.groups[0]]["pointing"] == 100.0


def test_piece_spans():
    assert piece_spans("a red ring, ring", ["a", "RE", "d ", "?", "ring", ",", "ring"]) == [
        (0, 1),
        (2, 4),
        (4, 5),
        (5, 5),
        (6, 10),
        (10, 11),
        (12, 16),
    ]


def test_sentences_about_one_object(scenes):
    for item in range(20):
        several = len(scenes.scene(item).objects) > 1
        for number, named in single_object_captions(scenes, item):
            caption = scenes.labelled_captions(item)[number]
            assert several
            assert {o for phrase in caption.phrases for o in phrase.objects} == {named}


def test_sentence_placement(scenes):
    pairs = [(i, named) for i in range(40) for _, named in single_object_captions(scenes, i)]
    items, objects = zip(*pairs)
    maps = []
    for item, named in pairs:
        mask = scenes.scene(item).masks[named]
        maps.append(mask.reshape(8, 8, 8, 8).mean(axis=(1, 3)).ravel())
    found = sentence_placement(scenes, items, objects, np.array(maps), GRID)
    assert found["auc"] == pytest.approx(100.0, abs=1.0)
    assert found["n_pointing"] == len(pairs)
