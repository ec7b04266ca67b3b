"""Ranking by cosine in both directions, beside the matrix products that it needs alone.

    python benchmarks/bench_retrieval.py --case unrelated

Five captions a picture, vectors of width 512: ``paired`` captions made at random around their
picture, so that a right answer is among the first, ``unrelated`` ones of nothing to do with it, so
that half of all answers stand before the right one and many score nearly the same. The products
are csparc's own, of the same tiles.
"""

from __future__ import annotations

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
    turned = [
        np.ascontiguousarray(texts[c : c + TEXTS].T) for c in range(0, len(texts), TEXTS)
    ]  # fmt: skip

    def products() -> None:
        for right in turned:
            for r in range(0, PICTURES, IMAGES):
                left = images[r : r + IMAGES]
                _core.gemm(left, right, tile[: len(left) * right.shape[1]].reshape(len(left), -1))

    tile = np.empty(IMAGES * TEXTS, dtype=np.float32)
    found = evaluate_retrieval(images, texts, index)
    entries = {
        "csparc": lambda: evaluate_retrieval(images, texts, index),
        "products": products,
    }
    work = dict.fromkeys(entries, 2.0 * PICTURES * len(index) * WIDTH)
    result = interleave(entries, work, REPEATS, limits)
    result.notes["isa"] = _core.config()["isa"]
    result.notes["R@1"] = f"{found['image_to_text_R@1']:.1f}, {found['text_to_image_R@1']:.1f}"
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=2)), __doc__.split("\n")[0])
