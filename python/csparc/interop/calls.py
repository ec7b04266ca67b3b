"""One call of an objective for another framework: arrays by name in; value, parts, gradients out.

A framework's compiler sees a call as arrays and one text. The text says which loss, with which
options, and what the arrays are::

    call = call_text("sparc", {"global_weight": 0.5}, ["patches", "tokens", "logit_scale"])
    read_call(call).compute([patches, tokens, scale], grad=True)

An array may stand for an input of the loss, for ``logit_scale``, or for anything the loss owns:
numbers, arrays, and entries of a dict as ``word_attention.query``. A ``logit_scale`` that is
constant is told among the options.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc._scalars import number
from csparc.losses.base import INPUTS, WORD_INPUTS, Loss
from csparc.losses.registry import loss_class
from csparc.losses.result import LossOutput

EXTRA = "extra_text_global"
"""Vectors of captions without a picture: any loss may be given them, and one that takes none
refuses."""
GIVEN = (*INPUTS, EXTRA, *WORD_INPUTS)
"""What a batch may give a loss; the gradient is of the first five."""
LEARN = "learn_"
"""How options are called that let a loss own what is otherwise an option."""


def function_name(loss: str) -> str:
    """The name of a loss's function: ``clip+filip`` has ``clip_filip_loss``."""
    return "".join(letter if letter.isalnum() else "_" for letter in loss) + "_loss"


FEATURES = {"image_features": "image_global", "text_features": "text_global"}
"""What open_clip's models and losses call the global vectors."""


def sorted_arguments(
    cls: type[Loss], arrays: Sequence[Any], named: Mapping[str, Any], kinds: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arrays by name, options) of the arguments of an objective's function.

    Arrays are its inputs, ``logit_scale``, what comes in a dict, and what is one of ``kinds``: a
    number that is learned. Inputs that it does not read are left out.

    Raises
    ------
    TypeError
        More arrays than inputs.
    """
    inputs = cls.inputs
    if len(arrays) > len(inputs):
        raise TypeError(
            f"{function_name(cls.name)}: expected at most {len(inputs)} arrays "
            f"({', '.join(inputs)}), found {len(arrays)}"
        )
    given, options = dict(zip(inputs, arrays)), {}
    for name, value in named.items():
        name = FEATURES.get(name, name)
        if isinstance(value, dict):
            given.update({f"{name}.{entry}": array for entry, array in value.items()})
        elif name in GIVEN:
            given.update({name: value} if name in (*inputs, EXTRA) else {})
        elif isinstance(value, kinds) or name == "logit_scale":
            given[name] = value
        else:
            options[name] = value
    return given, options


def call_text(loss: str, options: Mapping[str, Any], names: Iterable[str], same_group: str) -> str:
    """One text for all of a call that is no array, made by nothing but concatenation."""
    told = ", ".join([f"{name!r}: {value!r}" for name, value in options.items()])
    return f"{loss!r}\n{{{told}}}\n{','.join(names)}\n{same_group}"


def read_call(text: str) -> Call:
    """The call that `call_text` wrote, with the loss of that name as it is registered now."""
    return _read(text, loss_class(ast.literal_eval(text.partition("\n")[0])))


@lru_cache(maxsize=256)
def _read(text: str, cls: type[Loss]) -> Call:
    _, options, names, same_group = text.split("\n")
    given = tuple(names.split(","))
    asked = [name for name in given if name not in (*GIVEN, "logit_scale")]
    numbers = ast.literal_eval(options)
    scale = numbers.pop("logit_scale", None)
    return Call(_owning(cls, numbers, asked), given, same_group, scale)


def _owning(cls: type[Loss], options: dict[str, Any], asked: list[str]) -> Loss:
    """The loss with these options, and with those that let it own the numbers ``asked`` for."""
    made = cls(**options)
    known = [field.name for field in fields(cls)]
    for name in asked:
        if name in made.parameters or name not in known:
            continue
        for switch in [other for other in known if other.startswith(LEARN)]:
            learning = {**options, name: 1.0, switch: True}
            with suppress(ValueError):  # where the switch is of another number
                learner = cls(**learning)
                if name in learner.parameters:
                    options, made = learning, learner
    return made


@dataclass(frozen=True)
class Call:
    """What a call is beside its arrays."""

    loss: Loss
    names: tuple[str, ...]
    """What the arrays are, in their order."""
    same_group: str
    logit_scale: float | None
    """Where it is a constant: None is the loss's own, or an array."""

    __repr__ = fields_line

    def compute(
        self,
        arrays: Sequence[np.ndarray],
        *,
        text_mask: np.ndarray | None = None,
        patch_mask: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        words: Mapping[str, np.ndarray] | None = None,
        grad: bool,
        out_grads: Mapping[str, np.ndarray] | None = None,
    ) -> LossOutput:
        """As the loss itself; a number may come as an array of one entry, and what a batch tells of
        its words in ``words``.

        Raises
        ------
        ValueError, TypeError
            As the loss; an array that is none of its arguments; one it owns that is not given.
        """
        given = dict(zip(self.names, arrays))
        call: dict[str, Any] = {name: given.pop(name) for name in GIVEN if name in given}
        call |= words or {}
        scale = given.pop("logit_scale", self.logit_scale)
        call["logit_scale"] = None if scale is None else number(scale, "logit_scale")
        if groups is not None:
            call |= {"groups": groups, "same_group": self.same_group}
        loss = self.loss.with_values(self._owned(given, call))
        return loss(
            **call, text_mask=text_mask, patch_mask=patch_mask, grad=grad, out_grads=out_grads
        )

    def _owned(
        self, given: Mapping[str, np.ndarray], call: Mapping[str, Any]
    ) -> dict[str, float | np.ndarray]:
        """Values of what the loss owns: as given, of numbers else as the options say."""
        inputs = [call[name] for name in self.loss.inputs if np.ndim(call.get(name)) > 0]
        width = np.shape(inputs[0])[-1] if inputs else 0
        shapes = owned_shapes(type(self.loss), tuple(self.loss.config().items()), width)
        unknown = [name for name in given if name not in shapes]
        if unknown:
            raise TypeError(
                f"{unknown[0]}: expected an array for an input of {self.loss.label} or for what "
                f"it learns ({', '.join(shapes) or 'nothing'}), found one for neither: an option "
                "is a plain number"
            )
        values: dict[str, float | np.ndarray] = {}
        for name, shape in shapes.items():
            if name in given:
                values[name] = number(given[name], name) if shape == (1,) else given[name]
            elif shape == (1,):
                values[name] = float(getattr(self.loss, name, self.loss.value(name)))
            else:
                raise TypeError(
                    f"{name}: expected an array, which {self.loss.label} learns; found none"
                )
        return values

    def gradient(self, out: LossOutput, name: str) -> Any:
        """That of one array, by its name."""
        argument, _, entry = name.partition(".")
        return out.grads[argument][entry] if entry else out.grads[argument]


def owning_loss(cls: type[Loss], options: Mapping[str, Any], width: int) -> Loss:
    """A new loss that owns all it can for embeddings of this width; 0: of a width nobody knows."""
    made = cls(**options)
    if width:
        made.prepare(width)
    return made


@lru_cache(maxsize=64)
def owned_shapes(
    cls: type[Loss], config: tuple[tuple[str, Any], ...], width: int
) -> dict[str, tuple[int, ...]]:
    """Shapes of what a loss owns, by name."""
    options = {name: value for name, value in config if name != "loss"}
    return {name: p.shape for name, p in owning_loss(cls, options, width).parameters.items()}
