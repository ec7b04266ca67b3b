"""Grounding on scenes: all captions, swapped patches, the ceiling, each picture encoded once."""

from __future__ import annotations

import numpy as np
import pytest
import small_training

from csparc.data.scenes import Scenes
from csparc.evaluate import make_task
from csparc.evaluate.diagnose import diagnose
from csparc.evaluate.named_words import SUPERVISED, ceiling, named_words, word_places
from csparc.losses import Alignment
from csparc.losses.explains import Pairs
from csparc.losses.registry import make_loss


class Fixed:
    """A loss of a caller's own whose words select a place each, whatever the picture."""

    inputs = ("patches", "tokens")

    def __call__(self, patches, tokens, *, text_mask, logit_scale, grad=False):
        raise NotImplementedError

    def config(self):
        return {}

    def alignment(self, patches, tokens, text_global=None, text_mask=None, patch_mask=None):
        shape = Pairs(patches, tokens, text_global, text_mask, patch_mask).valid.shape
        return Alignment(np.tile(np.arange(shape[2], dtype=float), (*shape[:2], 1)), "fixed", "x")


@pytest.fixture(scope="module")
def trained():
    trainer = small_training.trainer(steps=2, val_data=None)
    trainer.run()
    return trainer


def figures_of(trained, loss, scenes, **options):
    return diagnose(
        trained.model, trained.tokenizer, scenes, trained.val_preprocess, loss, **options
    )


@pytest.mark.parametrize("loss", ["sparc", "pacl"])
def test_all_captions_are_those_of_the_scenes(trained, loss):
    scenes = Scenes(tier="S", size=12, split="test")
    first, every = (
        figures_of(trained, make_loss(loss), scenes, captions=which) for which in ("first", "all")
    )
    assert (first["n"], every["n"], every["n_pictures"]) == (12, 60, 12)
    assert (first["captions"], every["captions"]) == ("first", "all")
    if loss == "sparc":
        grid = trained.model.config.grid
        spoken = [named_words(scenes, item, k, grid) for item in range(12) for k in range(5)]
        visible = [one for some in spoken for one in some if one.inside.any()]
        for group in ("NOUN", "ADJ"):
            count = sum(group in one.groups for one in visible)
            assert every["placement"][group]["n_pointing"] == count
        assert first["placement"]["NOUN"]["n"] < every["placement"]["NOUN"]["n"]
    else:
        placed = every["placement"]["CAPTION"]
        assert first["placement"]["CAPTION"] == pytest.approx(placed, nan_ok=True)
        assert first["placement_swapped"]["CAPTION"]["n"] == first["placement"]["CAPTION"]["n"]
    assert first["variance"] == every["variance"]


def test_words_that_ignore_the_picture_are_placed_alike_on_another(trained):
    scenes = Scenes(tier="S", size=8, split="test")
    found = figures_of(trained, Fixed(), scenes, captions="all")
    assert found["placement"] == found["placement_swapped"]
    looking = figures_of(trained, make_loss("filip"), scenes, captions="all")
    assert looking["placement"] != looking["placement_swapped"]


def test_every_picture_is_encoded_once_whatever_the_captions(trained, monkeypatch):
    seen = []
    encode = type(trained.model).encode_image

    def counted(self, image, *rest, **options):
        seen.append(len(image))
        return encode(self, image, *rest, **options)

    monkeypatch.setattr(type(trained.model), "encode_image", counted)
    figures_of(trained, make_loss("sparc"), Scenes(tier="S", size=8), captions="all")
    assert sum(seen) == 8


def test_named_objects_are_of_the_other_objects():
    scenes = Scenes(tier="M", size=30, split="test")
    compared = 0
    for item in range(30):
        for number in range(5):
            for word in named_words(scenes, item, number, (8, 8)):
                assert not (word.named & ~word.outside).any()
                assert word.objects <= len(scenes.scene(item).objects)
                compared += int((word.named != word.outside).any())
    assert compared > 10


def test_colours_are_the_adjectives_that_are_no_size_and_no_texture():
    scenes = Scenes(tier="M", size=10, split="test")
    captions = [scenes.labelled_captions(item)[1] for item in range(10)]
    words = [caption.tokens for caption in captions]
    found = word_places(scenes, range(10), [1] * 10, words, (8, 8))
    spoken = [words[pair][rows[0]] for pair, rows in zip(found.pairs, found.rows)]
    for word, groups in zip(spoken, found.groups):
        others = ("small", "large", "plain", "striped")
        assert ("COLOUR" in groups) == ("ADJ" in groups and word not in others)


def test_the_ceiling_stands_beside_what_it_was_measured_on_alone():
    assert ceiling(Scenes(tier="M", size=1), 64, (8, 8)) is SUPERVISED
    assert ceiling(Scenes(tier="M", size=1), 64, (4, 4)) is None
    assert ceiling(Scenes(tier="M", size=1), 128, (8, 8)) is None
    assert ceiling(Scenes(tier="S", size=1), 64, (8, 8)) is None


def test_every_printed_figure_of_places_has_its_chance(trained):
    task = make_task("grounding:captions=all")
    figures = figures_of(trained, make_loss("sparc"), Scenes(tier="S", size=8), captions="all")
    lines = task.lines(figures | {"ceiling": SUPERVISED})
    start = next(n for n, line in enumerate(lines) if line.startswith("its object’s patches"))
    rows = [line.split() for line in lines[start + 1 :] if line.startswith("  above")]
    assert len(rows) >= 9
    assert all("50.000" in row for row in rows)
    pointing = [line.split() for line in lines if line.startswith("  heaviest")]
    chances = [found["pointing_chance"] for found in figures["placement"].values()]
    assert [row[-2 if row[-1] in ("87.000", "90.000") else -1] for row in pointing][:3] == [
        f"{chance:.3f}" for chance in chances
    ]
    assert any("conv" in line for line in lines)
    assert not any("supervised" in line for line in task.lines(figures))


def test_an_unknown_choice_of_captions_is_refused(trained):
    with pytest.raises(ValueError, match="captions"):
        figures_of(trained, make_loss("sparc"), Scenes(tier="S", size=4), captions="some")
