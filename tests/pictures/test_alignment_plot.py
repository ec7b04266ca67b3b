"""The alignment picture: what is lit, what is dimmed, how panels are laid out and saved."""

import itertools
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

from csparc.data.transforms import Preprocess
from csparc.viz import plot_alignment, save, sharp_view
from csparc.viz.overlay import heaviest, light_patches, place_of_heaviest, relative_weights

WHITE = np.full((16, 16, 3), 255, np.uint8)
AMBER = (255, 176, 0)


def panels(figure):
    """The axes of the picture and the words, without the legend's bar."""
    return [axes for axes in figure.axes if axes.get_label() != "legend"]


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_heaviest_patch_keeps_its_colour_and_the_rest_is_dark():
    weights = np.zeros(16)
    weights[5] = 0.7
    lit = light_patches(WHITE, weights, (4, 4), size=96)
    assert (lit[27:32, 27:45] == 255).all()
    assert tuple(lit[36, 36]) == AMBER, "a dot marks it"
    assert lit[60:, 60:].max() < 90


def test_brightness_follows_the_weight_relative_to_the_heaviest():
    lit = light_patches(WHITE, [0.4, 0.2, 0.1, 0.0], (2, 2), size=64)
    inside = [lit[24, 24], lit[24, 56], lit[56, 24], lit[56, 56]]
    means = [int(c.mean()) for c in inside]
    assert means == sorted(means, reverse=True)
    assert len(set(means)) == 4


def test_the_heaviest_quarter_of_the_weight_is_outlined_and_only_it():
    weights = np.linspace(0, 0.5, 16)
    weights[:2] = 1.0
    lit = light_patches(np.zeros((8, 8, 3), np.uint8), weights, (4, 4), size=64)
    amber = (lit == AMBER).all(axis=2)
    assert amber[0, :31].all()
    assert not amber[17:].any()
    assert not amber[4:12, 14:18].any(), "no line between two selected patches"


@pytest.mark.parametrize(
    ("weights", "chosen_by", "at"),
    [
        ([0.1, 0.4, 0.3, 0.2], None, (16, 48)),
        ([0.4, 0.1, 0.4, 0.1], None, (16, 16)),
        ([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], (48, 48)),
        ([0.25] * 4, None, None),
    ],
)
def test_one_dot_marks_the_heaviest_patch(weights, chosen_by, at):
    lit = light_patches(WHITE, weights, (2, 2), size=64, chosen_by=chosen_by)
    dots = [p for p in itertools.product((16, 48), (16, 48)) if tuple(lit[p]) == AMBER]
    assert dots == ([] if at is None else [at])


def test_heaviest():
    assert heaviest(np.arange(20)).tolist() == [False] * 17 + [True] * 3, "54 of 190"
    assert heaviest(np.arange(20), 0.5).sum() == 6, "99 of 190"
    assert heaviest([0.25, 0.25, 0.25, 0.2, 0.05]).sum() == 3, "ties go along"
    assert heaviest([0.0, 0.3, 0.3, 0.1]).tolist() == [False, True, True, False]
    assert heaviest([0.0, 0.7, 0.3, 0.0]).tolist() == [False, True, False, False]
    assert not heaviest(np.zeros(9)).any()
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
    assert [axes.get_title(loc="left") for axes in panels(figure)] == ["picture", *words]
    save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_panels_stay_inside_the_figure_and_do_not_overlap():
    figure = plot_alignment(WHITE, ["word"] * 23, np.ones((23, 4)), caption="many words " * 40)
    boxes = [axes.get_position() for axes in panels(figure)]
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


def test_a_best_match_is_outlined_and_its_rivals_are_shaded():
    similar = np.array([-0.4, 0.1, 0.6, 0.1])
    lit = light_patches(WHITE, [0, 0, 1, 0], (2, 2), size=64, chosen_by=similar)
    amber = (lit == AMBER).all(axis=2)
    assert amber[32, :32].all()
    assert not amber[:32].any()
    inside = [int(lit[24, 24].mean()), int(lit[24, 56].mean()), int(lit[56, 24].mean())]
    assert inside[0] < inside[1] < inside[2] == 255


def test_equal_rivals_are_all_lit():
    lit = light_patches(WHITE, [1], (1, 1), size=64, chosen_by=[0.3])
    assert (lit[20:40, 20:40] == 255).all()


def test_heading_says_what_is_drawn_and_what_that_does_not_show():
    weights = np.full((1, 4), 0.25)
    figure = plot_alignment(
        WHITE, ["cat"], weights, caption="a cat", title="FILIP: best match", notes=["A note."]
    )
    said = " ".join(texts(figure))
    for part in ("a cat", "FILIP: best match", "A note.", "need not show"):
        assert part in said
    below = [text.get_text() for axes in panels(figure) for text in axes.texts]
    assert below == ["", "over 4 of 4"]


def test_below_a_best_match_stands_its_value():
    figure = plot_alignment(
        WHITE, ["a", "b"], np.eye(4)[:2], chosen_by=[[0.31, 0, 0, -1], [1, 0.5, 0, 0]]
    )
    below = [text.get_text() for axes in panels(figure) for text in axes.texts]
    assert below == ["", "0.31", "0.50"]


def test_no_weight_is_said():
    figure = plot_alignment(WHITE, ["a"], np.zeros((1, 4)))
    assert panels(figure)[1].texts[0].get_text() == "no patch"


@pytest.mark.parametrize(("shape", "grid"), [((300, 100), (12, 4)), ((100, 400), (4, 16))])
@pytest.mark.parametrize("count", [0, 1, 9, 60])
def test_every_text_stays_inside_the_figure(shape, grid, count):
    picture = np.zeros((*shape, 3), np.uint8)
    words = ["Donaudampfschifffahrtsgesellschaft"] * count
    weights = np.ones((count, grid[0] * grid[1]))
    figure = plot_alignment(
        picture, words, weights, grid, title="SPARC: the patches each word keeps",
        notes=["The local part had weight 0: nothing trained these weights."],
    )  # fmt: skip
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [t.get_window_extent(renderer) for t in figure.texts]
    boxes += [axes.get_tightbbox(renderer) for axes in figure.axes]
    for box in boxes:
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    rows = len({round(axes.get_position().y0, 6) for axes in panels(figure)})
    assert figure.get_size_inches()[1] < 3 + 3.5 * rows


def test_few_panels_are_larger():
    one = plot_alignment(WHITE, ["a"], np.ones((1, 4)))
    many = plot_alignment(WHITE, ["a"] * 9, np.ones((9, 4)))
    sizes = [f.axes[0].get_position().width * f.get_size_inches()[0] for f in (one, many)]  # inches
    assert sizes[0] > 1.3 * sizes[1]


def test_the_sharp_view_is_what_the_model_sees():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
    picture = np.kron(coarse, np.ones((12, 12, 1), np.uint8))
    preprocess = Preprocess(20)
    seen, sharp = preprocess.fixed(picture), sharp_view(preprocess, picture)
    assert sharp.shape == (240, 240, 3)
    again = Preprocess(20).fixed(sharp)
    assert np.abs(again.astype(int) - seen).mean() < 3
    assert sharp_view(preprocess, picture[:20, :20]).shape == (20, 20, 3)
    assert sharp_view(Preprocess(224), picture).shape == (224, 224, 3)
