"""The losses a run can be trained with, by name, and how a loss of one's own is registered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from csparc._registration import enter
from csparc._settings import parse_settings
from csparc.losses.base import INPUTS, WORD_INPUTS, Loss, Part

_CLASSES: dict[str, type[Loss]] = {}
LOSSES: Mapping[str, type[Loss]] = MappingProxyType(_CLASSES)
"""Name on the command line, and in a loss's ``config()`` -> class, in the order of registration:
those of csparc first, then a person's own."""
DEFAULT = "sparc"
"""The loss where nobody names one."""
_NAME = re.compile(r"[a-z0-9][a-z0-9+._-]*")
_EXPECTED = {
    "name": "lower-case letters, digits and any of + . _ -",
    "label": "a text",
    "inputs": f"a tuple of names among {', '.join((*INPUTS, *WORD_INPUTS))}",
    "parts": "a tuple of csparc.losses.Part with different names",
}


def register(cls: type[Loss]) -> type[Loss]:
    """Enter a loss under its name: a decorator for a subclass of `csparc.losses.Loss`.

    From then on ``csparc.Trainer(model, name, ...)``, ``--loss name`` of every command, help,
    checkpoints and cost know it. ``csparc --import MODULE ...`` imports a module that registers
    losses.

    Raises
    ------
    TypeError
        What is no such class, or lacks a fact, a method or the description of an option.
    ValueError
        Another class has this name. The same class defined again, as a cell of a notebook does,
        takes the place of the one before.
    """
    enter(_CLASSES, cls, Loss, "loss", check_facts)
    return cls


def check_facts(cls: type[Loss]) -> None:
    """Refuse a class whose name, label, inputs, parts or options are not as `Loss` says.

    Raises
    ------
    TypeError
        Naming the class and the attribute.
    """
    facts = {fact: getattr(cls, fact, None) for fact in _EXPECTED}
    name, label, inputs, parts = facts.values()
    named = [part.name for part in parts if isinstance(part, Part)] if parts else []
    right = {
        "name": isinstance(name, str) and _NAME.fullmatch(name),
        "label": isinstance(label, str),
        "inputs": isinstance(inputs, tuple)
        and not set(inputs).isdisjoint(INPUTS)
        and set(inputs) <= {*INPUTS, *WORD_INPUTS},
        "parts": isinstance(parts, tuple) and parts and len(set(named)) == len(parts),
    }
    for fact, found in facts.items():
        if not right[fact]:
            expected = _EXPECTED[fact]
            raise TypeError(f"{cls.__name__}.{fact}: expected {expected}, found {found!r}")
    cls.options()


def loss_class(name: str) -> type[Loss]:
    """The class behind a name.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    if name not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, found {name!r}")
    return LOSSES[name]


def make_loss(name: str, settings: Iterable[str] = ()) -> Loss:
    """Make a loss from its name and settings ``key=value``.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    settings : iterable of str
        Keyword arguments of its class, each turned into the type the class declares:
        ``sigma=0.25``, ``normalizer=softmax``, ``detach_weights=true``, ``sigma=none``.

    Raises
    ------
    ValueError
        An unknown name or key, or a value that is not of the declared type.
    """
    made = loss_class(name)
    options = made.options()
    full = {option.entry.short: option.name for option in options if option.entry.short}
    known = {option.name: option.hint for option in options}
    known |= {short: known[option] for short, option in full.items()}
    more = f" (csparc info --loss {name} explains them)"
    given = parse_settings("loss-opt", settings, known, more)
    return made(**{full.get(key, key): value for key, value in given.items()})


def loss_from_config(config: Mapping[str, Any]) -> Loss | None:
    """The loss whose ``config()`` this is; None where no loss of that name is registered.

    Raises
    ------
    TypeError, ValueError
        Options its class does not take.
    """
    options = dict(config)
    name = options.pop("loss", None)
    return LOSSES[name](**options) if name in LOSSES else None


def late_losses() -> list[str]:
    """Names of the losses that train a score of patches and words."""
    return sorted(name for name, made in LOSSES.items() if made.overrides("pair_scores"))


def extra_text_losses() -> list[str]:
    """Names of the losses that take captions without a picture as negatives."""
    return sorted(name for name, made in LOSSES.items() if made.takes_extra_texts)
