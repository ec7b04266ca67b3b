"""Zero-shot classification from JPEG files, beside the picture encoder alone.

    python benchmarks/bench_zeroshot.py --case vit-b-32

600 pictures of 500 x 375 in ten classes, read, decoded, resized and encoded in batches of 64 with
random weights, names encoded and compared: all that `csparc eval zeroshot` does between loading
a checkpoint and printing. The encoder alone has as many pictures that lie in memory, and its
processors for itself.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from caption_cases import captions, write_folder
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
import csparc.data
from csparc import _core
from csparc.cost import towers
from csparc.data.loading.loader import Loader
from csparc.data.tokenizer import train
from csparc.data.transforms import Preprocess
from csparc.evaluate import Subject, ZeroShot

CLASSES, EACH, BATCH = 10, 60, 64
CASES = {"vit-b-32": 3, "tiny": 5}
"""Preset and repeats."""


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    texts = captions(EACH)
    tokenizer = train(texts, vocab_size=1000)
    model = csparc.create_model(case, vocab_size=tokenizer.vocab_size)
    side = model.config.image_size
    count = CLASSES * EACH
    images = np.random.default_rng(0).standard_normal((BATCH, 3, side, side), dtype=np.float32)

    def encoder() -> None:
        for first in range(0, count, BATCH):
            model.encode_image(images[: count - first], normalize=True)

    with tempfile.TemporaryDirectory() as folder:
        for number in range(CLASSES):
            own = Path(folder) / f"class {number}"
            own.mkdir()
            write_folder(own, texts)
        data = csparc.data.open(f"imagenet:{folder}")
        subject = Subject(model, tokenizer, Preprocess(side), data, batch_size=BATCH)
        entries = {"csparc": lambda: ZeroShot().run(subject), "encoder alone": encoder}
        flop = count * towers.image_flop(model.config)
        with Waiting() as waiting:
            result = interleave(entries, dict.fromkeys(entries, flop), CASES[case], limits)
    result.figures["waiting for pictures, %"] = 100 * waiting.seconds / waiting.whole
    result.notes["isa"] = _core.config()["isa"]
    return result


class Waiting:
    """Seconds that loaders made somebody wait, and those from the first batch asked to the end."""

    seconds = whole = 0.0

    def __enter__(self) -> Waiting:
        self._next = Loader.__next__
        begun: dict[Loader, float] = {}

        def timed(loader: Loader) -> dict[str, np.ndarray]:
            start = time.perf_counter()
            begun.setdefault(loader, start)
            try:
                return self._next(loader)
            except StopIteration:
                self.whole += time.perf_counter() - begun[loader]
                raise
            finally:
                self.seconds += time.perf_counter() - start

        Loader.__next__ = timed
        return self

    def __exit__(self, *_: object) -> None:
        Loader.__next__ = self._next


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=2)), __doc__.split("\n")[0])
