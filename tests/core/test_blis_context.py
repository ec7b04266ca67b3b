"""A processor BLIS does not know gets what its features allow, never scalar code in silence."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from csparc import _core

# BLIS 0.9's number for "no processor I know"; BLIS_ARCH_TYPE makes it believe to be on that one.
UNKNOWN = "25"
PROGRAM = """
import numpy as np
from csparc import _core, sparc_loss
rng = np.random.default_rng(0)
patches, tokens = rng.normal(size=(2, 40, 33)), rng.normal(size=(2, 9, 33))
out = sparc_loss(patches, tokens, grad=True)
print(_core.config()["blis_context"], out.grads["patches"].tobytes().hex())
"""


def context_and_bits(**environment: str) -> tuple[str, str]:
    clean = {name: value for name, value in os.environ.items() if "BLIS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode != 0:
        pytest.skip(
            f"this BLIS numbers or names processors otherwise: {done.stderr.strip()[-200:]}"
        )
    context, bits = done.stdout.split()
    return context, bits


@pytest.mark.skipif(platform.machine() != "x86_64", reason="contexts of x86-64")
@pytest.mark.skipif(_core.config()["isa"] == "portable", reason="has no vector context")
def test_an_unknown_processor_gets_the_same_kernels() -> None:
    usual = context_and_bits()
    assert usual[0] != "generic"
    assert context_and_bits(BLIS_ARCH_TYPE=UNKNOWN) == usual
    # Scalar code would show: its sums have other bits.
    scalar = context_and_bits(CSPARC_BLIS_CONTEXT="generic")
    assert scalar[0] == "generic"
    assert scalar[1] != usual[1]
