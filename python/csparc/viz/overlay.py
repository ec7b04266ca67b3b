"""Light the patches a word selected, on a dimmed picture: NumPy in, NumPy out."""

from __future__ import annotations

import base64
import io
import math

import numpy as np

from csparc._extras import require

OUTLINED = 0.25
"""Share of all weight that the outlined patches hold."""
NIGHT = np.array([20.0, 26.0, 48.0])
_LUMINANCE = np.array([0.299, 0.587, 0.114])
AMBER = np.array([255.0, 176.0, 0.0])
FOUND = np.array([0.0, 235.0, 160.0])
WHITE = np.array([255.0, 255.0, 255.0])
MISSED = np.array([255.0, 84.0, 84.0])
"""Of a line around the heaviest patch, on the object that the word names or not."""
_CASING = np.array([20.0, 20.0, 24.0])


def light_patches(
    image, weights, grid: tuple[int, int], size: int = 192, chosen_by=None
) -> np.ndarray:
    """Draw one word's weights over its picture.

    A patch keeps its own colours in proportion to its weight, the heaviest patch in full; the rest
    falls to a dark blue, which a dark picture is told from. An amber line runs around the fewest
    patches that hold a quarter of the weight: of even weights many, of a sharp choice one. A dot
    marks the heaviest patch, unless all weigh the same.

    With ``chosen_by`` the line runs around the best matches and colour goes with what they are the
    best by, from the smallest to the largest.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
    weights : array [P]
        Non-negative, in row-major patch order.
    grid : (rows, columns)
        Patches down and across; their product is P.
    size : int
        Height of the result in pixels.
    chosen_by : array [P], optional
        Where ``weights`` mark the best match: what it is the best by, of any range.

    Returns
    -------
    uint8 array [size, about size * W / H, 3]
    """
    if chosen_by is None:
        level, outlined = relative_weights(weights, grid), heaviest(weights)
    else:
        level, outlined = relative_weights(above_least(chosen_by), grid), np.asarray(weights) > 0
    picture = enlarge(image, size).astype(np.float64)
    height, width = picture.shape[:2]
    row = np.arange(height) * grid[0] // height
    column = np.arange(width) * grid[1] // width
    lit = shade(picture, level[row][:, column])
    side = min(height / grid[0], width / grid[1])
    marked = outlined.reshape(grid)[row][:, column]
    _outline(lit, marked, max(1, round(math.sqrt(side) / 2)), AMBER)
    ranking = np.asarray(weights if chosen_by is None else chosen_by)
    if ranking.min() < ranking.max():
        top, left = divmod(int(ranking.argmax()), grid[1])
        centre = (top + 0.5) * height / grid[0], (left + 0.5) * width / grid[1]
        _dot(lit, centre, max(1.0, side / 9))
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def glow_patches(
    image, weights, grid: tuple[int, int], size: int = 192, line: np.ndarray | None = None
) -> np.ndarray:
    """Draw one word's weights as a glow over its picture in grey, for panels that are small.

    Amber goes with the square root of a patch's weight, so that small weights are seen, from none
    to full at the heaviest patch, around which a line runs: white, or of the colour ``line``, such
    as `FOUND`.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
    weights : array [P]
        At least 0, in row-major patch order.
    grid : (rows, columns)
    size : int
        Height of the result in pixels.
    line : array [3], optional
        A colour from 0 to 255.

    Returns
    -------
    uint8 array [size, about size * W / H, 3]
    """
    level = np.sqrt(relative_weights(weights, grid))
    picture = enlarge(image, size).astype(np.float64)
    height, width = picture.shape[:2]
    row = np.arange(height) * grid[0] // height
    column = np.arange(width) * grid[1] // width
    lit = glow(picture, level[row][:, column])
    top = np.arange(level.size) == np.argmax(level)
    side = min(height / grid[0], width / grid[1])
    colour = WHITE if line is None else line
    marked = top.reshape(grid)[row][:, column]
    within = _eroded(marked, 1)
    lit[marked & ~within] = _CASING  # amber beside amber would hide the line
    _outline(lit, within, max(1, round(side / 7)), colour)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def glow(picture: np.ndarray, level: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] in dark grey where ``level`` [H, W] is 0, amber over it where it is 1."""
    grey = (picture @ _LUMINANCE)[:, :, None]
    dimmed = 14 + 0.5 * grey
    lit = (0.85 + 0.15 * grey / 255) * AMBER
    return dimmed + level[:, :, None] * (lit - dimmed)


def shade(picture: np.ndarray, level: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] with its colours where ``level`` [H, W] is 1, dark blue where it is 0."""
    grey = (picture @ _LUMINANCE)[:, :, None]
    dimmed = 0.8 * NIGHT + 0.2 * grey
    return dimmed + level[:, :, None] * (picture - dimmed)


def above_least(values) -> np.ndarray:
    """Numbers less the smallest of them; all 1 where they are equal."""
    values = np.asarray(values, dtype=np.float64)
    rise = values - values.min()
    return rise if rise.any() else np.ones_like(values)


def relative_weights(weights, grid: tuple[int, int]) -> np.ndarray:
    """Weights [rows, columns] as a share of the heaviest; all zero where none is positive."""
    weights = np.asarray(weights, dtype=np.float64)
    rows, columns = grid
    if weights.shape != (rows * columns,):
        raise ValueError(
            f"weights must hold {rows * columns} patches for a {rows} x {columns} grid, got shape "
            f"{weights.shape}"
        )
    top = weights.max()
    return (weights / top if top > 0 else np.zeros_like(weights)).clip(0, 1).reshape(rows, columns)


def heaviest(weights, share: float = OUTLINED) -> np.ndarray:
    """The fewest patches that hold ``share`` of all weight, as bool [P]; of equal weights none.

    Patches as heavy as the last of them are taken too.
    """
    weights = np.asarray(weights, dtype=np.float64)
    falling = np.sort(weights)[::-1]
    held = np.cumsum(falling)
    least = falling[np.argmax(held >= (1 - 1e-9) * share * held[-1])]
    return (weights >= least) & (weights > weights.min())


def place_of_heaviest(weights, grid: tuple[int, int]) -> str:
    """Where the heaviest patch lies, in words, for a reader who does not see the picture."""
    row, column = divmod(int(np.argmax(weights)), grid[1])
    down = ("top", "middle", "bottom")[min(3 * row // grid[0], 2)]
    across = ("left", "centre", "right")[min(3 * column // grid[1], 2)]
    return "the centre" if (down, across) == ("middle", "centre") else f"the {down} {across}"


def enlarge(image, size: int) -> np.ndarray:
    """Scale a picture smoothly to ``size`` pixels of height."""
    image = np.ascontiguousarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 [height, width, 3], got {image.dtype} {image.shape}")
    pil = require("PIL.Image", extra="train")
    width = max(1, round(size * image.shape[1] / image.shape[0]))
    return np.asarray(pil.fromarray(image).resize((width, size), pil.Resampling.BICUBIC))


def data_uri(image: np.ndarray) -> str:
    """A picture as a PNG inside an address, for a page that loads nothing."""
    buffer = io.BytesIO()
    require("PIL.Image", extra="train").fromarray(image).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _outline(picture: np.ndarray, selected: np.ndarray, thickness: int, colour: np.ndarray) -> None:
    """Draw, in place and inside the selection, a line with a dark line within it."""
    inner = _eroded(selected, thickness)
    picture[inner & ~_eroded(inner, 1)] = _CASING
    picture[selected & ~inner] = colour


def _dot(picture: np.ndarray, centre: tuple[float, float], radius: float) -> None:
    """Draw, in place, an amber dot in a dark ring."""
    y, x = (np.arange(size) + 0.5 - at for size, at in zip(picture.shape, centre))
    distance = np.hypot(y[:, None], x[None, :])
    picture[distance <= radius + max(1.0, radius / 2)] = _CASING
    picture[distance <= radius] = AMBER


def _eroded(mask: np.ndarray, times: int) -> np.ndarray:
    """The mask less a border of ``times`` pixels; beyond the picture counts as outside."""
    for _ in range(times):
        padded = np.pad(mask, 1)
        neighbours = [
            padded[1 + y : padded.shape[0] - 1 + y, 1 + x : padded.shape[1] - 1 + x]
            for y in (-1, 0, 1)
            for x in (-1, 0, 1)
        ]
        mask = np.logical_and.reduce(neighbours)
    return mask
