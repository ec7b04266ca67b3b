"""Losses and ops of the core called with hostile numbers: a result, or a refusal."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_arrays import Draw
from fuzz_calls import AXES, CLASSES, FUNCTIONS, MASKS, outcome, parameters
from fuzz_runs import REFUSED, TAKEN, Wrong
from tiny_calls import numbers, tiny_call, words

from csparc import _core

EXTREMES: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 4, 0.0, -0.0, 0.5, 1.0, -0.5, 1e-6, 1e6, -1e6, 1e3, -1e3, 9.9e-7, 1.1e6, 1e-12,
    1e-45, 5e-324, 1e-38, 1e12, 1e38, 3.5e38, 1e308, -1e308, float("nan"), float("inf"),
    -float("inf"), 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400,
)  # fmt: skip
TYPES: tuple[Any, ...] = (
    None, True, False, "1", "", "sample", "\0", b"1", 1j, [], [0.5], (0.5, 0.5, 0.5), {}, object(),
    Decimal("0.5"), Decimal("NaN"), Fraction(1, 3), np.float16(0.5), np.float32(3e38),
    np.float64(0.5), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True), np.array(0.5),
    np.array([0.5]), np.array([[1, 2]]), np.array("x"), np.datetime64("2020"), np.ma.masked,
)  # fmt: skip
NO_NUMBERS = {*AXES, *MASKS, "word_ids", "lacks", "groups", "word_attention", "patch_attention",
              "out_grads", "more"}  # fmt: skip


WITHIN = (1e-6, 1e6, 1e3, -1e3, 1.0, 0.5, 0.0, 1, 2)
"""Ends of what the losses say that they work with."""


def hostile(rng: np.random.Generator, within: bool = False) -> Any:
    among = WITHIN if within else EXTREMES if rng.random() < 0.7 else TYPES
    return among[rng.integers(len(among))]


class Generator:
    def __init__(self, folder: Path) -> None:
        self.losses = list(FUNCTIONS)
        self.ops = [op for op in _core.OPS if numbers(op)]

    def case(self, rng: np.random.Generator) -> str:
        kind = (self.of_a_loss, self.of_a_loss, self.of_an_object, self.of_an_op)[rng.integers(4)]
        return kind(rng)

    def of_an_object(self, rng: np.random.Generator) -> str:
        """A loss of one to three hostile options: refused when it is made, or of finite numbers."""
        classes = [made for made in CLASSES.values() if made.options()]
        made = classes[rng.integers(len(classes))]
        options = [option.name for option in made.options()]
        within = bool(rng.random() < 0.5)
        chosen = {str(key): hostile(rng, within) for key in rng.choice(options, rng.integers(1, 4))}
        try:
            text = repr(made(**chosen).config())
        except MemoryError:
            return REFUSED
        except (ValueError, TypeError) as error:
            if not any(name in str(error) for name in chosen):
                raise Wrong(f"{made.__name__} of {chosen}: names none: {error}") from error
            return REFUSED
        except Exception as error:
            raise Wrong(f"{made.__name__} of {chosen}: {error!r}") from error
        if "nan" in text or "inf" in text:
            raise Wrong(f"{made.__name__} of {chosen}: keeps {text}")
        return TAKEN

    def of_a_loss(self, rng: np.random.Generator) -> str:
        name = self.losses[rng.integers(len(self.losses))]
        sizes = {"B": 3, "P": 4, "L": 3, "D": 5, "K": 4, "H": 2, "W": 3}
        given = Draw(rng, sizes, ("f4", "f8")[rng.integers(2)], odd=0.0).call(name)
        options = [key for key in parameters(name) if key not in NO_NUMBERS]
        if name in ("mgca_loss", "pacl_loss"):
            options.append("weights")
        within = bool(rng.random() < 0.5)
        if within:
            options = [key for key in options if key.endswith(("scale", "weight", "bias", "sigma"))]
        for key in rng.choice(options, rng.integers(1, 4)) if options else ():
            given[str(key)] = hostile(rng, within)
        return outcome(name, given, finite=True)

    def of_an_op(self, rng: np.random.Generator) -> str:
        """One to three numbers at once: a refusal names one of them."""
        op = self.ops[rng.integers(len(self.ops))]
        single = any("f32" in kind for _, kind in words(op))
        arguments = tiny_call(op, "f4" if single or rng.random() < 0.5 else "f8")
        names = numbers(op)
        changed = {str(key): hostile(rng) for key in rng.choice(names, rng.integers(1, 4))}
        try:
            getattr(_core, op)(*{**arguments, **changed}.values())
        except (ValueError, TypeError, MemoryError) as error:
            if not any(name in str(error) for name in changed):
                raise Wrong(f"{op} with {changed}: does not say which: {error}") from error
            return REFUSED
        except Exception as error:
            raise Wrong(f"{op} with {changed}: {error!r}") from error
        return TAKEN
