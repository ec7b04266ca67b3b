"""What stands before the right answers of a tile of scores, against a count one pair at a time."""

from __future__ import annotations

import os

import numpy as np
import pytest
from other_isa import run_again

import csparc
from csparc import _core

ULP = 2.0**-24
COUNTS = ("image_before", "image_equal", "text_before", "text_equal")


def case(seed: int, N: int, M: int, D: int, dtype: str) -> dict[str, np.ndarray | int | float]:
    """A tile whose images begin at 5 and texts at 40, with ties, and images that have no text."""
    rng = np.random.default_rng(seed)
    images, texts = (rng.integers(-2, 3, (n, D)).astype(dtype) for n in (N, M))
    images[:, 0] = texts[:, 0] = 3
    by_image, by_text = (1 / np.linalg.norm(x.astype("f8"), axis=1) for x in (images, texts))
    cosines = (images.astype("f8") @ texts.T.astype("f8")) * by_image[:, None] * by_text
    scores = np.rint(cosines / ULP) * ULP
    owner = rng.integers(5, 5 + N + 3, M)
    own = owner == np.arange(5, 5 + N)[:, None]
    best = np.where(own, scores, -2).max(axis=1)
    right = np.where(own.any(axis=1), 40 + np.where(own, scores, -2).argmax(axis=1), -1)
    of_images = np.where(right < 0, np.inf, best).astype(np.float32)
    # The best text of some images, and the image of some texts, lie in another tile.
    elsewhere = np.arange(N) % 4 == 1
    right[elsewhere] = 40 + M
    of_images[elsewhere] = scores.max(axis=1)[elsewhere]
    of_texts = scores[np.where(owner < 5 + N, owner - 5, 0), np.arange(M)].astype(np.float32)
    return {
        "scores": (images.astype("f4") @ (texts * by_text[:, None]).astype("f4").T),
        "images": images, "texts": texts, "image_inverse": by_image, "text_inverse": by_text,
        "image_target": of_images, "text_target": of_texts,
        "image_right": right, "text_right": owner, "first_image": 5, "first_text": 40,
        "error": (D + 13) * ULP, "exact": scores,
    }  # fmt: skip


def counted(given: dict) -> dict[str, np.ndarray]:
    N, M = given["scores"].shape
    found = {name: np.full(N if name[0] == "i" else M, 7, np.int64) for name in COUNTS}
    inputs = {name: value for name, value in given.items() if name != "exact"}
    _core.count_before(*inputs.values(), *found.values())
    return found


def slowly(given: dict) -> dict[str, np.ndarray]:
    N, M = given["scores"].shape
    found = {name: np.full(N if name[0] == "i" else M, 7, np.int64) for name in COUNTS}
    for r in range(N):
        for c in range(M):
            if given["text_right"][c] == 5 + r:
                continue
            score = given["exact"][r, c]
            for kind, row, number, right in (
                ("image", r, 40 + c, given["image_right"][r]),
                ("text", c, 5 + r, given["text_right"][c]),
            ):
                target = given[f"{kind}_target"][row]
                found[f"{kind}_equal"][row] += score == target
                found[f"{kind}_before"][row] += score > target or (
                    score == target and number < right
                )
    return found


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("N", "M", "D"), [(1, 1, 1), (3, 70, 5), (40, 63, 33), (33, 1100, 17)])
def test_counts_are_those_of_one_pair_at_a_time(N, M, D, dtype):
    given = case(N + M, N, M, D, dtype)
    expected = slowly(given)
    for name, found in counted(given).items():
        np.testing.assert_array_equal(found, expected[name], name)


def test_scores_far_from_every_target_are_not_made_again():
    """What float32 decides is not looked up: the rows say otherwise, and are not read."""
    given = case(0, 8, 100, 16, "f4")
    given["image_target"][:], given["text_target"][:] = -0.9, 0.95
    given["scores"][:] = 0.1 / given["image_inverse"][:, None]
    found = counted(given)
    own = given["text_right"][:, None] == np.arange(5, 13)
    assert not own.all()
    np.testing.assert_array_equal(found["image_before"], np.full(8, 107))
    np.testing.assert_array_equal(found["text_before"], np.full(100, 7))


def test_threads_change_nothing():
    given, before = case(3, 200, 1500, 40, "f4"), csparc.get_num_threads()
    found = []
    for threads in (1, 3):
        csparc.set_num_threads(threads)
        found.append(counted(given))
    csparc.set_num_threads(before)
    for name in COUNTS:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_dot_rows_sums_in_double():
    rng = np.random.default_rng(0)
    for width in (0, 1, 15, 16, 37, 512):
        x, y = rng.normal(size=(2, 9, width)).astype(np.float32)
        found = np.empty(9)
        _core.dot_rows(x, y, found)
        np.testing.assert_allclose(found, (x.astype("f8") * y).sum(axis=1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set(isa: str) -> None:
    """This file again, with one instruction set forced."""
    if isa == _core.config()["isa"]:
        pytest.skip("already ran")
    run_again(__file__, isa, {**os.environ, "CSPARC_ISA": isa})
