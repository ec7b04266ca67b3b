"""The alignment picture: what is lit, what is dimmed, how panels are laid out and saved."""

import itertools
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

from csparc.viz import plot_alignment, save
from csparc.viz.overlay import heaviest, light_patches, place_of_heaviest, relative_weights

WHITE = np.full((16, 16, 3), 255, np.uint8)
AMBER = (255, 176, 0)


def test_heaviest_patch_keeps_its_colour_and_the_rest_is_dark():
    weights = np.zeros(16)
    weights[5] = 0.7
    lit = light_patches(WHITE, weights, (4, 4), size=96)
    assert (lit[30:42, 30:42] == 255).all()
    assert lit[60:, 60:].max() < 90


def test_brightness_follows_the_weight_relative_to_the_heaviest():
    lit = light_patches(WHITE, [0.4, 0.2, 0.1, 0.0], (2, 2), size=64)
    centres = [lit[16, 16], lit[16, 48], lit[48, 16], lit[48, 48]]
    means = [int(c.mean()) for c in centres]
    assert means == sorted(means, reverse=True)
    assert len(set(means)) == 4


def test_the_heaviest_tenth_is_outlined_and_only_it():
    weights = np.linspace(0, 0.5, 16)
    weights[:2] = 1.0
    lit = light_patches(np.zeros((8, 8, 3), np.uint8), weights, (4, 4), size=64)
    amber = (lit == AMBER).all(axis=2)
    assert amber[0, :31].all()
    assert not amber[17:].any()
    assert not amber[4:12, 14:18].any(), "no line between two selected patches"


def test_heaviest():
    assert heaviest(np.arange(20)).tolist() == [False] * 18 + [True] * 2
    assert heaviest([0.0, 0.3, 0.3, 0.1]).tolist() == [False, True, True, False]
    assert not heaviest(np.ones(9)).any()


def test_no_weight_lights_nothing():
    lit = light_patches(WHITE, np.zeros(4), (2, 2), size=32)
    assert lit.max() < 90


def test_relative_weights_names_a_wrong_grid():
    with pytest.raises(ValueError, match="12 patches for a 3 x 4 grid"):
        relative_weights(np.ones(11), (3, 4))


def test_picture_must_be_uint8_rgb():
    with pytest.raises(ValueError, match=r"uint8 \[height, width, 3\], got float64"):
        light_patches(np.ones((4, 4, 3)), np.ones(4), (2, 2))


@pytest.mark.parametrize(
    ("index", "place"),
    [
        (0, "the top left"),
        (40, "the centre"),
        (80, "the bottom right"),
        (44, "the middle right"),
    ],
)
def test_place_in_words(index, place):
    weights = np.zeros(81)
    weights[index] = 1
    assert place_of_heaviest(weights, (9, 9)) == place


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_panel_a_word_and_the_picture(tmp_path, theme):
    words = ["a", "red", "circle", "left", "of", "$x$", "a", "blue_square"]
    weights = np.random.default_rng(0).random((len(words), 16))
    figure = plot_alignment(WHITE, words, weights, theme=theme)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["the picture", *words]
    save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_panels_stay_inside_the_figure_and_do_not_overlap():
    figure = plot_alignment(WHITE, ["word"] * 23, np.ones((23, 4)), caption="many words " * 40)
    boxes = [axes.get_position() for axes in figure.axes]
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert max(box.x1, box.y1) <= 1
    rows = {}
    for box in boxes:
        rows.setdefault(round(box.y0, 6), []).append(box)
    assert all(len(row) <= 6 for row in rows.values())
    for row in rows.values():
        for left, right in itertools.pairwise(row):
            assert left.x1 < right.x0


def test_same_input_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        save(plot_alignment(WHITE, ["one"], np.eye(4)[:1]), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_pyplot_is_never_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot_alignment(WHITE, ["one"], np.ones((1, 4)))


def test_caption_without_words_still_draws_the_picture():
    assert len(plot_alignment(WHITE, [], np.zeros((0, 4))).axes) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((WHITE, ["a"], np.ones((2, 4))), "with 1 words, got shape"),
        ((WHITE, ["a"], np.ones((1, 6))), "6 patches make no square"),
    ],
)
def test_wrong_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_alignment(*arguments)


def test_unknown_theme_is_named():
    with pytest.raises(ValueError, match="light, dark, got 'sepia'"):
        plot_alignment(WHITE, ["a"], np.ones((1, 4)), theme="sepia")
