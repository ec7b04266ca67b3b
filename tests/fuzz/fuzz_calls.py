"""Every public loss and piece of one, its arrays by their axes, and what a call returned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from fuzz_runs import REFUSED, TAKEN, Wrong

import csparc
from csparc.losses.registry import LOSSES, loss_class, make_loss

AXES = {
    "patches": "BPD", "tokens": "BLD", "image_global": "BD", "text_global": "BD",
    "prototypes": "KD", "weights": "BLP", "dweights": "BLP", "dgrouped": "BLD",
}  # fmt: skip
PROJECTIONS = {
    "query": "HD", "key": "HD", "value": "HD", "out": "DH", "query_bias": "H", "key_bias": "H",
    "value_bias": "H", "out_bias": "D",
}  # fmt: skip
MASKS = {"text_mask": "BL", "patch_mask": "BP", "words": "BL"}
PIECES = (
    "sparse_similarity", "sparse_similarity_backward", "group_patches", "group_patches_backward",
)  # fmt: skip
Function = Callable[..., Any]


def functions() -> dict[str, Function]:
    """Every public function of arrays, and every loss that is registered and has none."""
    names = [name for name in csparc.__all__ if name.endswith("_loss") or name in PIECES]
    found = {name: getattr(csparc, name) for name in names}
    for name in LOSSES:
        if name.endswith("+words"):
            found[name] = make_loss(name)
    return found


FUNCTIONS = functions()
CLASSES = {name: loss_class(name) for name in LOSSES}


@cache
def parameters(name: str) -> tuple[str, ...]:
    """The names of what a function takes."""
    return tuple(inspect.signature(FUNCTIONS[name]).parameters)


def arrays_of(name: str) -> Iterator[str]:
    """The arrays that a function takes and that have gradients; ``weights`` of a loss are none."""
    for parameter in parameters(name):
        if parameter in AXES and (parameter != "weights" or name in PIECES):
            yield parameter


@cache
def choices_of(name: str, parameter: str) -> tuple[str, ...]:
    """What a text option of a loss may be, by the options of its class."""
    for made in CLASSES.values():
        for option in made.options():
            if option.name == parameter and name.startswith(made.name.replace("-", "_")):
                return tuple(option.entry.choices)
    return ()


def numbers_in(value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Every number of a result by its place in it: an array, a dict, or a LossOutput."""
    if isinstance(value, csparc.LossOutput):
        value = {"loss": value.loss, **value.parts, "grads": value.grads}
    if isinstance(value, dict):
        for name, entry in value.items():
            for place, numbers in numbers_in(entry):
                yield f"{name}.{place}", numbers
    elif value is not None:
        yield "", np.asarray(value)


def outcome(name: str, given: dict[str, Any], finite: bool) -> str:
    """Call on one and on two threads: refused by both alike, or the same bits, finite if asked."""
    before = bits(given)
    found = []
    for threads in (1, 2):
        csparc.set_num_threads(threads)
        try:
            found.append(_called(name, given, finite))
        except Exception as error:
            raise Wrong(f"{described(name, given)}: {error!r}") from error
    if found[0] != found[1]:
        raise Wrong(f"{described(name, given)}: one thread and two differ: {found}")
    if bits(given) != before:
        raise Wrong(f"{described(name, given)}: an argument was written to")
    return REFUSED if isinstance(found[0], str) else TAKEN


def bits(value: Any) -> dict[str, bytes]:
    """Every number of arguments or of a result, by its place, as bytes."""
    return {place: numbers.tobytes() for place, numbers in numbers_in(value)}


def _called(name: str, given: dict[str, Any], finite: bool) -> str | dict[str, bytes]:
    """The text of a refusal, which names an argument, or all bits of the result."""
    try:
        found = FUNCTIONS[name](**given)
    except MemoryError:
        return "MemoryError"
    except (ValueError, TypeError) as error:
        if not any(part in str(error) for part in parameters(name)):
            raise Wrong(f"names no argument: {error}") from error
        return f"{type(error).__name__}: {error}"
    for place, numbers in numbers_in(found):
        if finite and not np.isfinite(numbers).all():
            raise Wrong(f"{place} is not finite: {numbers}")
    return bits(found)


def described(name: str, given: dict[str, Any]) -> str:
    """The call, so that a person can write it again."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
