"""No number ends or hangs the process: an op refuses it by name, or works with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_calls import numbers, tiny_call, words

from csparc import _core

HOSTILE = (
    0, -1, 1, 2, 3, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400,
    float("nan"), float("inf"), -float("inf"), 1e39, -1e300, 1e-320, 0.0, -0.5, None, "many",
    np.array("many"),
)  # fmt: skip
OPS = [op for op in _core.OPS if numbers(op)]
LONGEST = 300  # seconds that all calls together may take; they take about one


def complaint(op: str, name: str, value: object, real: str) -> str | None:
    """What is wrong with how an op takes ``value``: None where it works or names the argument."""
    arguments = {**tiny_call(op, real), name: value}
    try:
        getattr(_core, op)(*arguments.values())
    except (ValueError, TypeError, MemoryError) as error:
        text = str(error)
        return None if name in text else f"{op}({name}={value!r}): does not say which: {text}"
    except Exception as error:
        return f"{op}({name}={value!r}): {error!r}"
    return None


def all_complaints() -> None:
    """Print what is wrong, and before each call what is called: the last line then names it."""
    for op in OPS:
        for name in numbers(op):
            for value in HOSTILE:
                for real in ("f4", "f8"):
                    print(f"{op}({name}={str(value)[:25]}), {real}", flush=True)
                    if wrong := complaint(op, name, value, real):
                        print(f"wrong: {wrong}")


@pytest.mark.parametrize("real", ["f4", "f8"])
@pytest.mark.parametrize("op", OPS)
def test_the_call_that_numbers_are_replaced_in_is_valid(op: str, real: str) -> None:
    if any("f32" in kind for _, kind in words(op)) and real == "f8":
        real = "f4"
    getattr(_core, op)(*tiny_call(op, real).values())


def test_no_number_ends_or_hangs_the_process() -> None:
    code = "import test_hostile_numbers as t; t.all_complaints()"
    paths = [str(Path(__file__).parent), *sys.path]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {paths!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    lines = run.stdout.splitlines()
    assert run.returncode == 0, f"{lines[-1:]}: {run.stderr[-2000:]}"
    assert [line for line in lines if line.startswith("wrong:")] == []
    assert len(lines) == 2 * len(HOSTILE) * sum(len(numbers(op)) for op in OPS)


@pytest.mark.parametrize(
    ("op", "name", "value", "message"),
    [
        ("mgca_tokens", "heads", 0, "'heads' is 0, expected a whole number from 1 to 4096"),
        ("filip_select", "group", 0, "'group' is 0, expected a whole number, at least 1"),
        ("filip_select", "group", 2**64, "'group' has more than 64 bits, expected a whole number"),
        ("patchify_forward", "size", 3, r"shapes do not agree \(size = 3\)"),
        ("layernorm_forward", "eps", -1.0, "'eps' is -1.0, expected a finite number, at least 0"),
        ("contrastive", "logit_scale", np.inf, "'logit_scale' is inf, expected a finite number"),
        ("contrastive", "logit_scale", 1e39, "expected a finite number in float32"),
        ("contrastive", "positive", 2, "'positive' is 2, expected a whole number from 0 to 1"),
    ],
)
def test_a_refusal_says_what_was_found_and_expected(
    op: str, name: str, value: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(_core, op)(*{**tiny_call(op, "f4"), name: value}.values())


def test_a_number_beyond_float32_is_taken_in_float64() -> None:
    _core.contrastive(*{**tiny_call("contrastive", "f8"), "logit_scale": 1e39}.values())
