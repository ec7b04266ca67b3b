"""What decides a patch embedding: its place in the picture, or which picture it is of."""

from __future__ import annotations

import numpy as np

_BLOCK = 256


def variance_explained(patches) -> dict[str, float]:
    """Share of the variance of patch embeddings that the place, or the picture, explains alone.

    Two one-way analyses of variance over [N, P, D], with x_np the embedding of patch p of picture
    n, m the mean of all, m_p those of places and m_n those of pictures::

        place   = N sum_p |m_p - m|^2 / sum_np |x_np - m|^2
        picture = P sum_n |m_n - m|^2 / sum_np |x_np - m|^2

    Local patches of what is shown leave most to neither. A high share of the place says that
    patches tell where they are, a high one of the picture that its patches are mixed into one.

    Parameters
    ----------
    patches : array [N, P, D]
        Patch embeddings of N pictures, not normalised.

    Returns
    -------
    dict
        ``position`` and ``picture``, in per cent; ``position_chance`` and ``picture_chance``, what
        independent noise gives: (P - 1) / (N P - 1) and (N - 1) / (N P - 1). The shares are nan
        where all patches are equal.

    Raises
    ------
    ValueError
        Not three axes, or fewer than two patches in all.

    Notes
    -----
    The measure is csparc's own, not the SPARC paper's. Sums are float64; 256 pictures at a time.
    """
    patches = np.asarray(patches)
    if patches.ndim != 3 or patches.shape[0] * patches.shape[1] < 2:
        raise ValueError(
            "patches: expected [pictures, patches, width] with two patches or more, got shape "
            f"{patches.shape}"
        )
    N, P, D = patches.shape
    origin = patches[0, 0].astype(np.float64)  # near the mean: squares lose no digits
    places, pictures, squares = np.zeros((P, D)), np.empty((N, D)), 0.0
    for first in range(0, N, _BLOCK):
        here = patches[first : first + _BLOCK].astype(np.float64) - origin
        places += here.sum(axis=0)
        pictures[first : first + _BLOCK] = here.mean(axis=1)
        squares += float((here**2).sum())
    mean = pictures.mean(axis=0)
    total = squares - N * P * float((mean**2).sum())
    between = {
        "position": N * float(((places / N - mean) ** 2).sum()),
        "picture": P * float(((pictures - mean) ** 2).sum()),
    }
    chance = {"position_chance": P - 1, "picture_chance": N - 1}
    # Rounding leaves this much where all patches are equal.
    flat = total <= 1e-12 * squares or squares == 0
    return {name: float("nan") if flat else 100 * one / total for name, one in between.items()} | {
        name: 100 * free / (N * P - 1) for name, free in chance.items()
    }
