"""What decides a patch embedding: its place in the picture, or which picture it is of."""

from __future__ import annotations

from functools import partial

import numpy as np

from csparc.evaluate.figure import Figure
from csparc.evaluate.figures import Figures

_BLOCK = 256


class VarianceFigures(Figures):
    """The figures of `variance_explained`.

    ``of_pictures``: of each picture what its share of them is made of, [N, 2 + D]; ``patches``, how
    many a picture has. Neither is among the figures.
    """

    of_pictures: np.ndarray | None = None
    patches: int = 0

    def measured(self) -> dict[str, Figure]:
        """Both shares beside what noise gives. What the picture explains can be drawn again by
        picture; what the place explains cannot: a draw that holds some pictures twice has less to
        tell places from noise by, and its share is too high by as much as chance itself."""
        rows = self.of_pictures
        n = 0 if rows is None else len(rows)
        return {
            "position": Figure(self["position"], n, self["position_chance"]),
            "picture": Figure(
                self["picture"], n, self["picture_chance"], {}, rows,
                partial(_picture_share, patches=self.patches),
            ),
        }  # fmt: skip


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
    VarianceFigures, a dict
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
    places, rows = np.zeros((P, D)), np.empty((N, 2 + D))
    for first in range(0, N, _BLOCK):
        here = patches[first : first + _BLOCK].astype(np.float64) - origin
        means, own = here.mean(axis=1), rows[first : first + _BLOCK]
        places += here.sum(axis=0)
        own[:, 0], own[:, 1], own[:, 2:] = (here**2).sum(axis=(1, 2)), (means**2).sum(axis=1), means
    total, mean = _total(rows, P)
    place = N * float(((places / N - mean) ** 2).sum())
    result = VarianceFigures(
        position=100 * place / total,  # nan where the total is
        picture=_picture_share(rows, P),
        position_chance=100 * (P - 1) / (N * P - 1),
        picture_chance=100 * (N - 1) / (N * P - 1),
    )
    result.of_pictures, result.patches = rows, P
    return result


def _total(rows: np.ndarray, patches: int) -> tuple[float, np.ndarray]:
    """The sum of squares about the mean of pictures [N, 2 + D] (sum of squares, square of the mean,
    mean), and the mean; nan where rounding is all there is."""
    squares, mean = float(rows[:, 0].sum()), rows[:, 2:].mean(axis=0)
    total = squares - len(rows) * patches * float((mean**2).sum())
    return (total if total > 1e-12 * squares else float("nan")), mean


def _picture_share(rows: np.ndarray, patches: int) -> float:
    """Per cent of the variance between the means of pictures."""
    total, mean = _total(rows, patches)
    between = float(rows[:, 1].sum()) - len(rows) * float((mean**2).sum())
    return 100 * patches * max(between, 0.0) / total
