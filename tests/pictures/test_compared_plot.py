"""Two models' words one above the other: the glow over a picture, and the figure of several."""

import numpy as np
import pytest

pytest.importorskip("PIL")

from csparc.viz import save
from csparc.viz.compared import DPI, MOST_WORDS, ComparedPicture, ComparedWord, plot_comparison
from csparc.viz.overlay import AMBER, FOUND, WHITE, glow_patches

GREY = np.full((32, 32, 3), 80, np.uint8)


def patch_of(drawn, row, column):
    """The middle of a patch of a 4 x 4 grid in 64 pixels."""
    return drawn[row * 16 + 8, column * 16 + 8].astype(float)


def test_glow_goes_with_the_weight_and_leaves_grey_where_there_is_none():
    weights = np.zeros(16)
    weights[[0, 5]] = 1.0, 0.25
    drawn = glow_patches(GREY, weights, (4, 4), 64)
    full, half, none = (patch_of(drawn, i, i) for i in (0, 1, 2))
    assert np.ptp(none) == 0
    np.testing.assert_allclose(half, (full + none) / 2, atol=1)
    assert full[0] > 0.8 * AMBER[0]
    assert full[2] < 40


@pytest.mark.parametrize(("line", "colour"), [(None, WHITE), (FOUND, FOUND)])
def test_the_line_runs_around_the_heaviest_patch_alone(line, colour):
    weights = np.linspace(0.5, 1, 16)
    weights[6] = 2.0
    drawn = glow_patches(GREY, weights, (4, 4), 64, line)
    rows, columns = np.nonzero((drawn == colour).all(axis=2))
    assert (rows.min(), rows.max()) == (17, 30)
    assert (columns.min(), columns.max()) == (33, 46)


def test_weights_that_fit_no_grid_are_refused():
    with pytest.raises(ValueError, match="16 patches"):
        glow_patches(GREY, np.ones(9), (4, 4))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("known", [True, False])
def test_the_figure_says_every_word_and_whose_each_row_is(theme, known, tmp_path):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    inside = rng.random(16) < 0.3 if known else None
    words = [ComparedWord(f"w{i}$", [rng.random(16)] * 2, i > 1, inside) for i in range(12)]
    picture = ComparedPicture(GREY, "a caption of $cost", words, (4, 4))
    figure = plot_comparison(
        [picture, picture], [("SPARC", "the paper’s"), ("Grounded", "ours, not")], theme=theme
    )
    texts = [text.get_text() for text in figure.texts]
    assert texts.count("“a caption of $cost”") == 2
    assert [texts.count(name) for name in ("SPARC", "Grounded", "ours,\nnot")] == [2, 2, 2]
    assert [texts.count(f"w{i}$") for i in range(12)] == [0, 0] + [2] * MOST_WORDS + [0] * 3
    assert ("not on it" in texts) == known
    save(figure, tmp_path / "one.png", dpi=DPI)
    assert (tmp_path / "one.png").stat().st_size < 200_000
