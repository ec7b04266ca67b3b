"""A picture whose words are buttons: hovered, focused or clicked, each shows what it selects.

HTML that loads nothing and has no script, for notebooks; the layers that it lays over a picture
serve other pages, too (`csparc.search.browse`).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import numpy as np

from csparc._extras import require
from csparc.evaluate.explain import Explanation
from csparc.viz.overlay import NIGHT, above_least, data_uri, heaviest, place_of_heaviest
from csparc.viz.overlay import relative_weights as relative
from csparc.viz.wording import below_panel

_SHADE = 0.85
"""How much of a picture is hidden where a word has no weight."""


def style() -> str:
    """The style sheet of layers and views."""
    return files("csparc.viz").joinpath("words_view.css").read_text(encoding="utf-8")


def words_view(found: Explanation, picture: np.ndarray) -> str:
    """The picture uint8 [H, W, 3] that was explained, and a button for each of its words.

    A button shows the patches of its word while the pointer is on it or it has the focus, which a
    click and the tabulator key give it.
    """
    buttons = "".join(
        f'<button type="button" aria-label="{escape(told(found, number))}">{escape(word)}'
        f"{layer(found, number)}</button> "
        for number, word in enumerate(found.words)
    )
    height, width = picture.shape[:2]
    return (
        f"<style>{style()}</style>"
        f'<div class="csparc-view" style="width:{width}px;--aspect:{width}/{height}">'
        f'<img src="{data_uri(picture)}" alt="the picture"><p>{buttons}</p></div>'
    )


def told(found: Explanation, number: int) -> str:
    """What a word selects, for a reader who does not see the picture."""
    values = None if found.chosen_by is None else found.chosen_by[number]
    where = place_of_heaviest(found.ranking[number], found.grid)
    below = below_panel(found.weights[number], values)
    return f"{found.words[number]}: heaviest patch in {where}, {below}"


def layer(found: Explanation, number: int) -> str:
    """What lies over the picture to show a word's weights, as SVG.

    As `csparc.viz.overlay.light_patches` draws them: the lighter a patch, the heavier it is; a line
    runs around the fewest patches that hold a quarter of the weight, or around the best match; a
    dot marks the heaviest.
    """
    weights, grid = found.weights[number], found.grid
    if found.chosen_by is None:
        level, outlined = relative(weights, grid), heaviest(weights)
    else:
        level = relative(above_least(found.chosen_by[number]), grid)
        outlined = weights > 0
    rows, columns = grid
    return (
        f'<svg class="csparc-layer" viewBox="0 0 {columns} {rows}" preserveAspectRatio="none" '
        'aria-hidden="true">'
        f'<image href="{_shade(level)}" width="{columns}" height="{rows}" '
        'preserveAspectRatio="none" image-rendering="pixelated"/>'
        f"{_line(outlined.reshape(grid))}{_dot(found.ranking[number], columns)}</svg>"
    )


def _shade(level: np.ndarray) -> str:
    """A dark picture of a pixel a patch, transparent where ``level`` [rows, columns] is 1."""
    pixels = np.empty((*level.shape, 4), np.uint8)
    pixels[..., :3] = 0.8 * NIGHT
    pixels[..., 3] = np.rint(255 * _SHADE * (1 - level))
    buffer = io.BytesIO()
    require("PIL.Image", extra="train").fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _line(outlined: np.ndarray) -> str:
    """A line around the patches of a mask [rows, columns], twice: dark below, amber above it."""
    padded = np.pad(outlined, 1)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    down = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    path = "".join(f"M{column} {row}h1" for row, column in across.tolist())
    path += "".join(f"M{column} {row}v1" for row, column in down.tolist())
    return f'<path class="casing" d="{path}"/><path class="line" d="{path}"/>' if path else ""


def _dot(ranking: Sequence[float], columns: int) -> str:
    """A dot on the heaviest patch; none where all weigh the same."""
    ranking = np.asarray(ranking)
    if ranking.min() == ranking.max():
        return ""
    row, column = divmod(int(ranking.argmax()), columns)
    return f'<ellipse class="dot" cx="{column + 0.5}" cy="{row + 0.5}" rx="0.12" ry="0.12"/>'
