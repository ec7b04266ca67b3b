"""The nearest vectors are the exact ones, and ties go to the earlier row."""

from __future__ import annotations

import numpy as np
import pytest

from csparc.search import nearest as room
from csparc.search.backends import candidates_of
from csparc.search.nearest import best, nearest
from csparc.search.options import BACKENDS


def unit(rng: np.random.Generator, rows: int, width: int) -> np.ndarray:
    drawn = rng.standard_normal((rows, width)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("width", [1, 7, 64, 512])
@pytest.mark.parametrize("k", [1, 9, 999, 1000, 5000])
def test_it_is_a_stable_sort_of_all_scores(rng, monkeypatch, width, k):
    monkeypatch.setattr(room, "BLOCK", 300)
    vectors, query = unit(rng, 1000, width), unit(rng, 1, width)[0]
    rows, scores = nearest(vectors, query, k)
    exact = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    expected = np.argsort(-exact, kind="stable")[:k]
    assert rows.tolist() == expected.tolist()
    assert scores.tolist() == exact[expected].tolist()


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_rows_come_in_order_wherever_they_stand(rng, backend):
    if backend == "faiss":
        pytest.importorskip("faiss")
    vectors = unit(rng, 4099, 33)
    query = vectors[0]
    equal = [5, 6, 7, 1000, 2047, 4096, 4097, 4098]
    vectors[equal] = unit(rng, 1, 33)[0] * 0.1 + 0.9 * query
    rows, scores = best(vectors, query, 6, candidates_of(backend, vectors)(query, 6))
    assert rows.tolist() == [0, 5, 6, 7, 1000, 2047]
    assert len(set(scores.tolist()[1:])) == 1


def test_rows_that_float32_cannot_tell_apart_are_told_apart(rng):
    query = np.zeros(512, np.float32)
    query[:2] = np.sqrt(0.5)
    vectors = np.zeros((100, 512), np.float32)
    vectors[:, 0] = 1
    vectors[70, 1] = 1e-9
    assert nearest(vectors, query, 1)[0].tolist() == [70]


def test_faiss_finds_what_numpy_finds(rng):
    pytest.importorskip("faiss")
    vectors = unit(rng, 3000, 16)
    numpy, faiss = (candidates_of(backend, vectors) for backend in BACKENDS)
    for query in unit(rng, 5, 16):
        for k in (1, 10, 3000):
            found = [best(vectors, query, k, each(query, k)) for each in (numpy, faiss)]
            assert found[0][0].tolist() == found[1][0].tolist()
            assert found[0][1].tolist() == found[1][1].tolist()
