"""What of a picture a model is shown, at once or in windows, and the scores that gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc.data.regions import Grid, Window
from csparc.data.transforms import Preprocess, resize
from csparc.evaluate.segmentation.upsampling import ORDERS, pixel_labels, pixel_scores

HEADS = ("dense", "adapter")
"""The vectors of patches: on the path of the whole picture, g_v(h_v(f_v(x))) (the paper, D.7), or
those that the local loss compares with words, g_v(f_v(x))."""
VIEWS = ("squash", "crop", "slide")
"""The whole picture squeezed into a square (the paper's 224 px); the middle, as in training, where
pixels beyond it are not counted; or overlapping windows over the picture at its proportions."""


@dataclass(frozen=True)
class Shown:
    """A picture [H, W] as a model is shown it, uint8 [S, S, 3]; under windows, which are cut out of
    it one after the other, at the size that they go over."""

    pixels: np.ndarray
    size: tuple[int, int]

    __repr__ = fields_line


@dataclass(frozen=True)
class Scored:
    """Scores [M, rows, columns] of the equal parts of a window of a picture, one an order."""

    nearest: np.ndarray
    bilinear: np.ndarray
    window: Window

    __repr__ = fields_line

    def labels(
        self, order: str, decide: Callable[[np.ndarray], np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Labels [H, W]; ``decide`` makes them of scores [M, ...]."""
        if order == ORDERS[0]:
            return pixel_labels(decide(self.nearest), self.window, size)
        return decide(pixel_scores(self.bilinear, self.window, size))


class Viewer:
    """Scores pictures against texts: `shown` resizes one, in any thread, `scored` encodes some.

    Parameters
    ----------
    model : csparc.TwoTower
    preprocess : Preprocess
        As in evaluation.
    head : {"dense", "adapter"}
    view : {"squash", "crop", "slide"}
    side : int
        Of the square, for which position embeddings are interpolated; of windows the shorter side
        of the picture, which windows of the model's own size go over. 0: the model's own.
    stride : int
        From window to window; 0: half of one.
    """

    def __init__(
        self, model: Any, preprocess: Preprocess, head: str, view: str, side: int, stride: int
    ) -> None:
        own = model.config.image_size
        self.side, self.view, self.head = side or own, view, head
        resized = view != "slide" and self.side != own
        self.model = model.resized(self.side) if resized else model
        self.size = self.model.config.image_size
        self.stride = stride or max(1, self.size // 2)
        mode = {"squash": "squash"}.get(view, preprocess.resize_mode)
        settings = preprocess.config() | {"size": [self.size, self.size], "resize_mode": mode}
        self.preprocess = Preprocess(**settings | {"train": False})
        if view == "slide" and self.side < self.size:
            raise ValueError(
                f"side: expected at least the model's {self.size} px for windows, found {side}"
            )

    @property
    def grid(self) -> Grid:
        """Of the patches of one view."""
        return self.model.config.grid

    def shown(self, picture: np.ndarray) -> Shown:
        """What there is to encode of a picture, uint8 [H, W, 3]."""
        height, width, _ = picture.shape
        if self.view != "slide":
            return Shown(self.preprocess.fixed(picture), (height, width))
        ratio = self.side / min(height, width)
        size = (max(self.size, round(height * ratio)), max(self.size, round(width * ratio)))
        return Shown(resize(picture, size, self.preprocess.interpolation), (height, width))

    def scored(self, pictures: list[Shown], texts: np.ndarray, batch_size: int) -> list[Scored]:
        """Of each picture its scores against vectors [M, D]."""
        if self.view == "slide":
            return [self._windows(picture, texts, batch_size) for picture in pictures]
        images = self.preprocess.normalize(np.stack([one.pixels for one in pictures]))
        found = self._patches(images, texts)
        windows = (self.preprocess.window(*one.size) for one in pictures)
        return [Scored(scores, scores, window) for scores, window in zip(found, windows)]

    def _patches(self, images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Products of unit patches with texts [B, M, rows, columns]."""
        if self.head == "dense":
            patches = self.model.encode_dense(images, normalize=True)
        else:
            _, patches = self.model.encode_image(images, normalize=True, return_patches=True)
        scores = np.matmul(texts, patches.transpose(0, 2, 1))
        return scores.reshape(len(images), len(texts), *self.grid)

    def _windows(self, picture: Shown, texts: np.ndarray, batch_size: int) -> Scored:
        """Means over the windows that a pixel of the resized picture lies in."""
        small, size = picture.pixels, picture.pixels.shape[:2]
        corners = [
            (top, left)
            for top in starts(size[0], self.size, self.stride)
            for left in starts(size[1], self.size, self.stride)
        ]
        sums = [np.zeros((len(texts), *size), np.float32) for _ in ORDERS]
        counts = np.zeros(size, np.float32)
        whole, square = (0.0, 0.0, float(self.size), float(self.size)), (self.size, self.size)
        for first in range(0, len(corners), batch_size):
            here = corners[first : first + batch_size]
            cut = [small[t : t + self.size, c : c + self.size] for t, c in here]
            for (t, c), scores in zip(
                here, self._patches(self.preprocess.normalize(np.stack(cut)), texts)
            ):
                place = (..., slice(t, t + self.size), slice(c, c + self.size))
                counts[place] += 1
                parts = np.arange(scores[0].size).reshape(self.grid)
                flat = scores.reshape(len(texts), -1)
                sums[0][place] += flat[:, pixel_labels(parts, whole, square)]
                sums[1][place] += pixel_scores(scores, whole, square)
        window = (0.0, 0.0, *map(float, picture.size))
        return Scored(sums[0] / counts, sums[1] / counts, window)


def starts(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin so that they cover ``length``: ``stride`` apart, the last at the end."""
    last = length - window
    return [*range(0, last, stride), last]
