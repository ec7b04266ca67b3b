"""Run as a program: resident memory the SPARC loss adds on bfloat16 arrays, beside theirs."""

from __future__ import annotations

import json
import sys

import ml_dtypes
import numpy as np
from resident import status

import csparc

B, P, L, D = 64, 196, 55, 512


def main(precision: str) -> None:
    rng = np.random.default_rng(0)
    shapes = {"patches": (B, P, D), "tokens": (B, L, D)}
    inputs = {
        name: rng.standard_normal(shape, np.float32).astype(ml_dtypes.bfloat16)
        for name, shape in shapes.items()
    }
    grads = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    few = {name: array[:2] for name, array in inputs.items()}
    csparc.sparc_loss(**few, precision=precision, grad=True)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    csparc.sparc_loss(**inputs, precision=precision, out_grads=grads)
    print(json.dumps([status("VmHWM") - before, inputs["patches"].nbytes]))


if __name__ == "__main__":
    csparc.set_num_threads(2)
    main(sys.argv[1])
