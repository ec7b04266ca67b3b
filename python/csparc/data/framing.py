"""Where a picture goes in a model's input: the sizes and cuts of `csparc.data.transforms`."""

from __future__ import annotations

import numpy as np

# Of a picture more than 16 times as long as wide the shortest-side resize takes the middle alone:
# the rest would be resized to be cropped away.
LONGEST_RATIO = 16


def covering(target: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """The size after the shortest side is fitted. For squares torchvision rounds down."""
    if target[0] == target[1]:
        if width <= height:
            return int(target[1] * height / width), target[1]
        return target[0], int(target[0] * width / height)
    ratio = min(height / target[0], width / target[1])
    return round(height / ratio), round(width / ratio)


def within(target: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """The size after the longest side is fitted."""
    ratio = max(height / target[0], width / target[1])
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def middle_start(length: int, kept: int) -> int:
    """Where the middle of ``kept`` entries begins; halves round to even."""
    return max(0, round((length - kept) / 2.0))


def middle(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """At most `height` rows and `width` columns around the centre."""
    top = middle_start(picture.shape[0], height)
    left = middle_start(picture.shape[1], width)
    return picture[top : top + height, left : left + width]


def window(
    mode: str, target: tuple[int, int], height: int, width: int
) -> tuple[float, float, float, float]:
    """Which part of a picture of ``height`` x ``width`` a model is shown in evaluation.

    Returns top, left, height and width in pixels of the picture; what reaches beyond it is border.
    ``mode`` and ``target`` are the resize mode and the size of a `Preprocess`.
    """
    if mode == "squash" or (height, width) == tuple(target):
        return 0.0, 0.0, float(height), float(width)
    starts, lengths = (0, 0), (height, width)
    if mode == "longest":
        size = within(target, height, width)
    else:
        limits = (LONGEST_RATIO * width, LONGEST_RATIO * height)
        starts = tuple(middle_start(*pair) for pair in zip(lengths, limits))
        lengths = tuple(min(pair) for pair in zip(lengths, limits))
        size = covering(target, *lengths)
    sides = [_side(*side) for side in zip(starts, lengths, size, target)]
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _side(start: int, length: int, resized: int, target: int) -> tuple[float, float]:
    """Start and length of the window along one axis: ``length`` pixels from ``start`` were resized
    to ``resized``, of which the middle is cut, or to which a border is added."""
    cut = middle_start(resized, target) if resized >= target else -((target - resized) // 2)
    return start + cut * length / resized, target * length / resized
