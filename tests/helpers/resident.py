"""Run as a program: resident memory a loss adds at its peak, beside the estimate; JSON out."""

from __future__ import annotations

import json
import sys

import numpy as np

import csparc
from csparc import _core
from csparc.losses.registry import make_loss


def status(field: str) -> int:
    """Bytes of a line of this process's status."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(field))


def resident(name: str, B: int, P: int, L: int, D: int) -> int:
    """Bytes at the peak beyond inputs and gradients, whose memory is touched before."""
    loss = make_loss(name)
    shapes = {
        "patches": (B, P, D), "tokens": (B, L, D), "image_global": (B, D), "text_global": (B, D)
    }  # fmt: skip
    rng = np.random.default_rng(0)
    inputs = {k: rng.standard_normal(shapes[k], np.float32) for k in loss.inputs}
    grads = {k: np.zeros_like(array) for k, array in inputs.items()}
    loss(**{k: array[:2] for k, array in inputs.items()}, grad=True)  # threads, packing buffers
    _core.scratch_peak()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    loss(**inputs, out_grads=grads)
    return status("VmHWM") - before


if __name__ == "__main__":
    name, sizes = sys.argv[1], [int(text) for text in sys.argv[2:]]
    csparc.set_num_threads(2)
    print(json.dumps([resident(name, *sizes), csparc.estimate_memory(name, *sizes)]))
