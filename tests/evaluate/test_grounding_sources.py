"""Grounding of words in photographs' formats: masks, boxes and phrases place words as scenes do."""

from __future__ import annotations

import numpy as np
import pytest
import small_training

import csparc.data
from csparc.data.export import export
from csparc.data.regions import Mention, Region, Regions
from csparc.data.scenes import Scenes
from csparc.data.transforms import Preprocess
from csparc.evaluate import Subject, make_task
from csparc.evaluate.named_words import named_words, word_places

GROUPS = {
    "coco": {"NOUN", "ADJ", "COLOUR"},
    "entities": {"NOUN", "ADJ", "COLOUR", "PHRASE", "other"},
    "visual-genome": {"ADJ", "COLOUR", "PHRASE"},
    "visual-genome-objects": {"NOUN"},
    "lvis": {"NOUN"},
    "objects365": {"NOUN"},
    "voc": {"NOUN"},
}
"""The groups of words of each format that knows places."""


@pytest.fixture(scope="module")
def trained():
    trainer = small_training.trainer(steps=2, val_data=None)
    trainer.run()
    return trainer


@pytest.fixture(scope="module")
def scenes():
    return Scenes(tier="S", size=16, split="seg_test")


def subject(trained, data):
    return Subject(trained.model, trained.tokenizer, trained.val_preprocess, data)


@pytest.mark.parametrize("kind", GROUPS)
def test_places_are_measured_wherever_they_are_known(kind, trained, scenes, tmp_path):
    data = csparc.data.open(export(scenes, kind, tmp_path / kind))
    task = make_task("grounding:captions=all")
    found = task.run(subject(trained, data)).figures
    assert found["placement"].keys() == found["placement_swapped"].keys() == GROUPS[kind]
    for figures in found["placement"].values():
        assert figures["n"] > 0
        assert figures["auc_chance"] == 50.0
        assert 0 < figures["pointing_chance"] < 100
    assert found["sentence_placement"]["n_pointing"] > 0
    assert "ceiling" not in found
    told = "\n".join(task.lines(found))
    assert "heaviest patch on its object" in told


def test_words_of_masks_are_placed_as_those_of_the_scenes(trained, scenes, tmp_path):
    """Where a picture has one object of a kind, a name stands for it alone."""
    data = csparc.data.open(export(scenes, "coco", tmp_path / "coco"))
    checked = 0
    for item in range(len(scenes)):
        own = {(w.start, w.text): w for w in named_words(scenes, item, 0, (8, 8))}
        shapes = [o.shape for o in scenes.scene(item).objects]
        for word in named_words(data, item, 0, (8, 8)):
            if shapes.count(word.text) == 1 and (word.start, word.text) in own:
                np.testing.assert_array_equal(word.inside, own[word.start, word.text].inside)
                checked += 1
    assert checked > 5


class Fixed(csparc.data.Dataset):
    """One picture of 80 x 40 pixels with two boxes that overlap."""

    spec = "fixed"

    def __len__(self):
        return 1

    def captions(self, index):
        return ["a man and his hat"]

    def regions(self, index):
        man, hat = Region("man", (20, 0, 40, 40)), Region("hat", (20, 0, 40, 10))
        mentions = (Mention(0, 2, 5, ("NOUN",), (0,)), Mention(0, 14, 17, ("NOUN",), (1,)))
        return Regions((40, 80), (man, hat), mentions)


def test_boxes_overlap_and_the_frame_is_what_the_model_is_shown():
    man, hat = named_words(Fixed(), 0, 0, (4, 8))
    assert (man.text, hat.text) == ("man", "hat")
    squeezed = np.zeros((4, 8), bool)
    squeezed[:, 2:4] = True
    np.testing.assert_array_equal(man.inside.reshape(4, 8), squeezed)
    assert not man.outside.any()  # the hat's patches show the man, too
    np.testing.assert_array_equal(hat.inside.reshape(4, 8)[0], squeezed[0])
    assert hat.outside.sum() == 6
    assert man.objects == hat.objects == 2
    middle = Preprocess(32).window  # 40 x 40 pixels from column 20
    cropped = named_words(Fixed(), 0, 0, (4, 4), middle)[0].inside.reshape(4, 4)
    np.testing.assert_array_equal(cropped, [[True, True, False, False]] * 4)
    bordered = Preprocess(32, resize_mode="longest").window
    found = named_words(Fixed(), 0, 0, (4, 4), bordered)[0].inside.reshape(4, 4)
    np.testing.assert_array_equal(found[[0, 3]], np.zeros((2, 4)))
    np.testing.assert_array_equal(found[1:3], [[False, True, False, False]] * 2)
    weights = np.eye(32)[[8 * 2 + 2, 0]].reshape(2, 32)
    placed = word_places(Fixed(), [0], [0], [["man", "hat"]], (4, 8))
    assert placed.scores([weights])["NOUN"]["pointing"] == 50.0


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(40, 80), (33, 17), (32, 32), (10, 400)])
def test_the_window_is_where_pixels_come_from(mode, size):
    """A picture whose colours are its coordinates tells where the middle pixels came from."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    picture = np.stack([rows / height, columns / width, np.ones(size)], axis=2)
    preprocess = Preprocess((32, 32), (0.0,) * 3, (1.0,) * 3, resize_mode=mode)
    top, left, down, across = preprocess.window(height, width)
    found = preprocess(np.round(picture * 255).astype(np.uint8))
    y = (top + (np.arange(32) + 0.5) * down / 32) / height
    x = (left + (np.arange(32) + 0.5) * across / 32) / width
    inside = (found[2] > 0.99) & (np.abs(y - 0.5) < 0.35)[:, None] & (np.abs(x - 0.5) < 0.35)
    assert inside.sum() > 2
    expected = np.broadcast_to(y[:, None], (32, 32)), np.broadcast_to(x, (32, 32))
    for channel, length in enumerate(size):
        half_a_pixel = 1.5 / 255 + 0.5 / min(length, 32)
        off = found[channel][inside] - expected[channel][inside]
        assert np.abs(off).max() < half_a_pixel


def test_broken_places_cost_the_picture_its_words_and_are_counted(trained, scenes, tmp_path):
    spec = export(scenes, "entities", tmp_path / "e")
    for name in ("000002", "000005"):
        (tmp_path / "e" / "Annotations" / f"{name}.xml").write_text("<annotation>")
    data = csparc.data.open(spec)
    found = make_task("grounding").run(subject(trained, data)).figures
    assert found["n_pictures"] == 16
    assert found["bad_items"] == 2
    assert "000002.xml" in data.problems.summary()
