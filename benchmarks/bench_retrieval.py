"""Ranking by cosine in both directions, beside the matrix products that it needs alone.

    python benchmarks/bench_retrieval.py --case unrelated

Five captions a picture, vectors of width 512: ``paired`` captions made at random around their
picture, so that a right answer is among the first, ``unrelated`` ones of nothing to do with it, so
that half of all answers stand before the right one and many score nearly the same. The products
are csparc's own, of the same tiles; beside them those of BLIS, of captions that are turned already.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core
from csparc.evaluate import evaluate_retrieval
from csparc.evaluate.cosine_ranks import IMAGES, TEXTS

PICTURES, CAPTIONS, WIDTH = 10_000, 5, 512
CASES = {"paired": 6.0, "unrelated": None}
"""Noise of a caption around its picture, which has length 1 a number; None: noise alone."""
REPEATS = 5


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((PICTURES, WIDTH), dtype=np.float32)
    index = np.repeat(np.arange(PICTURES), CAPTIONS)
    texts = rng.standard_normal((len(index), WIDTH), dtype=np.float32)
    noise = CASES[case]
    if noise is not None:
        texts = images[index] + np.float32(noise) * texts
    parts = [texts[c : c + TEXTS] for c in range(0, len(texts), TEXTS)]
    turned = [np.ascontiguousarray(part.T) for part in parts]

    def multiply(product: Callable[..., None], others: list[np.ndarray]) -> None:
        for part, other in zip(parts, others):
            for r in range(0, PICTURES, IMAGES):
                left = images[r : r + IMAGES]
                product(left, other, tile[: len(left) * len(part)].reshape(len(left), len(part)))

    def rows_by_rows(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
        _core.linear_forward(left, right, None, None, None, False, out)

    tile = np.empty(IMAGES * TEXTS, dtype=np.float32)
    found = evaluate_retrieval(images, texts, index)
    entries = {
        "csparc": lambda: evaluate_retrieval(images, texts, index),
        "products": lambda: multiply(rows_by_rows, parts),
        "products by BLIS": lambda: multiply(_core.gemm, turned),
    }
    work = dict.fromkeys(entries, 2.0 * PICTURES * len(index) * WIDTH)
    result = interleave(entries, work, REPEATS, limits)
    result.notes["isa"] = _core.config()["isa"]
    result.notes["R@1"] = f"{found['image_to_text_R@1']:.1f}, {found['text_to_image_R@1']:.1f}"
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=2)), __doc__.split("\n")[0])
