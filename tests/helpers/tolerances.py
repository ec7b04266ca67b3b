"""Every tolerance of the suite, with its reason. Tests hold no literals of their own."""

from __future__ import annotations

import numpy as np

# A gradient in float64 against a fourth-order central difference (step 1e-5): truncation ~ h^4,
# rounding ~ 1e-16 / h.
FINITE_DIFFERENCE = 2e-7

# The same for single ops, along one random direction, relative to the gradient's norm.
OP_DIFFERENCE = 1e-7
OP_DIFFERENCE_STEP = 1e-4

# The same formula computed twice in float64 in another order of operations.
FLOAT64 = 1e-10

# Algebra that holds exactly, in float64.
IDENTITY = 1e-12

# float32 against the float64 reference, relative to the largest entry of the tensor.
FLOAT32 = 2e-5

# The same for sums that nearly cancel: gradients of scales and biases.
FLOAT32_SCALAR = 1e-4

# Such a gradient is a sum of terms of order 1 to 10, each good to a few 1e-7: below this it has
# cancelled, and its error is measured against this instead, so 1e-6 is allowed. Errors found: up to
# 6e-7 for GLoRIA's scales, about 1e-7 for the others, more or less as the compiler's options order
# sums. A sum of the terms' sizes would be the better measure, but the reference returns none.
SCALAR_FLOOR = 1e-2

# An op against its reference, relative error of the whole tensor: sums of a few hundred terms lose
# about sqrt(K) units in the last place.
OP = {np.dtype(np.float32): 3e-6, np.dtype(np.float64): 1e-13}

# The same product of bfloat16 by the instruction and by its plain twin, whose sums round
# differently: float32 sums of a few hundred terms.
BF16_TWIN = 2e-6

# Products on operands rounded to bfloat16 (8 binary digits, an error of up to 2e-3 each, of random
# sign), against float64 on the same inputs: gradients, the loss, and scales, whose sums cancel.
BFLOAT16 = 1e-2
BFLOAT16_LOSS = 5e-3
BFLOAT16_SCALAR = 3e-2

# The same by the instruction and by its plain twin: where a float32 sum lies between two bfloat16
# numbers, its last bit decides which it becomes.
BFLOAT16_TWIN = 3e-4

# An elementary function in float64 from a handful of correctly rounded operations: a few units in
# the last place of values up to 1.
FUNCTION = 2e-15

# Means of random numbers, in standard deviations of the mean.
SIGMAS = 5.0

# Outlines of generated scenes in whole 64ths of a pixel, and circles to first order, in pixels.
OUTLINE = 0.06

# Memory a loss holds against its estimate: Python's own objects are not in the estimate, and pages
# are whole.
MEMORY = 0.1

# Products counted in the core against their formula: tiles round the number of tokens up, and Gram
# matrices are cut into strips.
COUNTED_FLOP = 0.04

# Cost by formula against the paper's table, which counts element-wise operations as well.
PAPER_COST = 0.08

# Two figures the paper rounds to 0.01 TFLOP, subtracted.
PAPER_DIFFERENCE = 0.01


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """|found - expected| / |expected| over the whole tensor; NaN where either holds a NaN."""
    found = np.asarray(found, dtype=np.float64)
    expected = np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    scale = np.linalg.norm(expected)
    return float(np.linalg.norm(found - expected) / (scale if scale > 0 else 1.0))


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float, what: str = "") -> None:
    """Fail unless the relative error is within tolerance; NaN fails."""
    error = relative_error(found, expected)
    assert error <= tolerance, f"{what}: relative error {error:.2e} > {tolerance:.0e}"
