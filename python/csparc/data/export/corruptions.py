"""Five of ImageNet-C's fifteen corruptions, in its five severities, with NumPy and Pillow.

A noise, a blur, one of its digital kinds and two of light: ``gaussian_noise``, ``defocus_blur``,
``pixelate``, ``contrast`` and ``brightness``. The strengths are those that were published for
pictures of 224 pixels; a blur's radius shrinks with the shorter side. Weather, the other blurs and
JPEG's artefacts are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc._extras import require

PUBLISHED_SIDE = 224
"""The side of the pictures for which the strengths were chosen."""


def corrupted(pixels: np.ndarray, kind: str, severity: int, key: int = 0) -> np.ndarray:
    """A picture under one of `CORRUPTIONS`.

    Parameters
    ----------
    pixels : uint8 [H, W, 3]
    kind : str
        The name of the corruption.
    severity : int
        1 to 5.
    key : int
        What noise follows from, such as the number of the picture.

    Returns
    -------
    uint8 [H, W, 3]
    """
    corrupt, strengths = CORRUPTIONS[kind]
    found = corrupt(pixels / 255.0, strengths[severity - 1], (key, severity))
    return np.rint(255 * np.clip(found, 0, 1)).astype(np.uint8)


def _gaussian_noise(x: np.ndarray, scale: float, key: tuple[int, int]) -> np.ndarray:
    """Normal noise by Box and Muller: of NumPy's generators only raw bits are promised to stay."""
    bits = np.random.Philox(key=key).random_raw(2 * x.size).reshape(2, *x.shape)
    uniform = ((bits >> np.uint64(11)) + 0.5) / 2.0**53
    return x + scale * np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1])


def _defocus_blur(x: np.ndarray, radius: float, key: tuple[int, int]) -> np.ndarray:
    """The mean over a disk with a soft rim; beyond the border the last pixels go on."""
    radius *= min(x.shape[:2]) / PUBLISHED_SIDE
    reach = int(np.ceil(radius))
    steps = np.arange(-reach, reach + 1)
    disk = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps), 0, 1)
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, disk.shape, axis=(0, 1))
    return np.einsum("hwcij,ij->hwc", windows, disk / disk.sum())


def _brightness(x: np.ndarray, more: float, key: tuple[int, int]) -> np.ndarray:
    """The value of hue, saturation and value raised; black has no hue, and turns grey."""
    value = x.max(axis=2, keepdims=True)
    raised = np.minimum(value + more, 1)
    return np.where(value > 0, x * (raised / np.where(value > 0, value, 1)), raised)


def _contrast(x: np.ndarray, share: float, key: tuple[int, int]) -> np.ndarray:
    """What of the difference from the mean colour is kept."""
    mean = x.mean(axis=(0, 1))
    return mean + share * (x - mean)


def _pixelate(x: np.ndarray, share: float, key: tuple[int, int]) -> np.ndarray:
    """Resized by boxes to a share of the sides, and back."""
    image = require("PIL.Image", extra="train")
    height, width = x.shape[:2]
    small = max(1, int(share * width)), max(1, int(share * height))
    picture = image.fromarray(np.rint(255 * x).astype(np.uint8))
    for size in (small, (width, height)):
        picture = picture.resize(size, image.Resampling.BOX)
    return np.asarray(picture) / 255.0


Corrupt = Callable[[np.ndarray, float, tuple[int, int]], np.ndarray]

CORRUPTIONS: dict[str, tuple[Corrupt, tuple[float, ...]]] = {
    "gaussian_noise": (_gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "defocus_blur": (_defocus_blur, (3, 4, 6, 8, 10)),
    "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": (_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "pixelate": (_pixelate, (0.6, 0.5, 0.4, 0.3, 0.25)),
}
"""By ImageNet-C's names what corrupts, and how strongly in each severity."""
