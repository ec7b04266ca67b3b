"""Who looks for the nearest vectors: NumPy, or faiss where it is installed. Both are exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc._extras import require
from csparc.search.nearest import inner_products, slack, within

Candidates = Callable[[np.ndarray, int], np.ndarray]
"""``candidates(query, k)``: rows, in order, among which the ``k`` nearest are for certain."""


def candidates_of(backend: str, vectors: np.ndarray) -> Candidates:
    """What a backend finds among ``vectors`` float32 [N, D].

    Raises
    ------
    ImportError
        It needs a package that is not installed; the message names the extra.
    """
    return _with_faiss(vectors) if backend == "faiss" else _with_numpy(vectors)


def _with_numpy(vectors: np.ndarray) -> Candidates:
    def candidates(query: np.ndarray, k: int) -> np.ndarray:
        return within(inner_products(vectors, query), k, slack(vectors))

    return candidates


def _with_faiss(vectors: np.ndarray) -> Candidates:
    """A flat index of inner products; what comes within the error of the k-th is asked for too."""
    flat = require("faiss", extra="faiss").IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors))

    def candidates(query: np.ndarray, k: int) -> np.ndarray:
        if k >= len(vectors):
            return np.arange(len(vectors))
        found, _ = flat.search(query[None], k)
        least = float(found[0, -1]) - slack(vectors)
        _, _, rows = flat.range_search(query[None], least)
        return np.sort(rows)

    return candidates
