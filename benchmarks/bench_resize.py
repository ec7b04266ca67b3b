"""Resizing of 8-bit pictures on one core, beside Pillow's resize of the same bits.

    python benchmarks/bench_resize.py --case photo-224

A smooth picture to a shorter side of the named pixels, bicubic and antialiased. Pillow begins and
ends with pictures of its own, so that no conversion to or from arrays is counted against it. With
``jpeg+`` the same behind the decoding of a JPEG file, as a loader does it. Seconds are those the
process ran.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
from harness import Limits, Setting, interleave, main
from PIL import Image
from results import Measurement

import csparc
from csparc import _core
from csparc.data import images
from csparc.data.transforms import resize

CASES = {"photo-224": (480, 640, 224), "photo-64": (480, 640, 64), "stamp-64": (160, 200, 64)}
REPEATS, CALLS = 12, 16


def processor_seconds(call: Callable[[], object]) -> float:
    """Seconds this process computed in one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def drawn(height: int, width: int) -> np.ndarray:
    """Random colours 16 pixels apart, joined smoothly."""
    coarse = np.random.default_rng(0).integers(
        0, 256, (height // 16, width // 16, 3), dtype=np.uint8
    )
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    height, width, side = CASES[case]
    size = (side, side * width // height)
    picture = drawn(height, width)
    of_pillow = Image.fromarray(picture)
    file = io.BytesIO()
    of_pillow.save(file, "JPEG", quality=90)
    content = file.getvalue()

    def pillow(given: Image.Image) -> Image.Image:
        return given.resize(size[::-1], Image.Resampling.BICUBIC)

    same = np.array_equal(resize(picture, size), np.asarray(pillow(of_pillow)))
    entries = {
        "csparc": lambda: resize(picture, size),
        "Pillow": lambda: pillow(of_pillow),
        "jpeg+csparc": lambda: resize(images.read(content, case), size),
        "jpeg+Pillow": lambda: pillow(Image.fromarray(images.read(content, case))),
    }
    work = dict.fromkeys(entries, 1.0)
    result = interleave(entries, work, REPEATS, limits, calls=CALLS, timer=processor_seconds)
    result.peak, result.unit, result.compared = 0.0, "pictures", same
    result.notes["isa"] = _core.config()["isa"]
    result.notes["Pillow"] = Image.__version__
    result.notes["bits"] = "the same" if same else "not the same"
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=1)), __doc__.split("\n")[0])
