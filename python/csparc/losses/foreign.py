"""What may be given as a loss: a name, a `Loss`, or an object of the caller's own."""

from __future__ import annotations

import inspect
from typing import Any

from csparc._repr import cut
from csparc.losses.base import INPUTS, Loss, Part
from csparc.losses.explains import Alignment
from csparc.losses.registry import LOSSES, check_facts, make_loss
from csparc.losses.result import LossOutput


def as_loss(given: Any) -> Loss:
    """The loss that a caller gave.

    Parameters
    ----------
    given : str, Loss or object
        A name in `csparc.losses.LOSSES`; a `Loss`, which is returned as it is; or an object with
        ``inputs`` (names among patches, tokens, image_global, text_global), ``config()``, and a
        call ``loss(**arrays, text_mask=..., logit_scale=..., grad=True)`` that returns a
        `LossOutput` with the gradients of its inputs and of ``logit_scale``. Where the call also
        takes ``groups`` and ``same_group``, duplicates can be marked for it; where it names
        ``extra_text_global``, captions without a picture can be given to it.

    Raises
    ------
    ValueError
        An unknown name.
    TypeError
        Anything else, naming what is missing. An object that owns parameters must be a `Loss`.
    """
    if isinstance(given, str):
        return make_loss(given)
    if isinstance(given, ForeignLoss):
        return given
    if isinstance(given, Loss):
        check_facts(type(given))
        return given
    kind = given.__name__ if isinstance(given, type) else type(given).__name__
    found = f"found a {kind}"
    if isinstance(given, type):
        found = f"found the class {kind}: make one, {kind}()"
    else:
        has = {
            "inputs": _are_inputs(getattr(given, "inputs", None)),
            "config()": callable(getattr(given, "config", None)),
            "a call": callable(given),
        }
        missing = [what for what, there in has.items() if not there]
        if not missing and not getattr(given, "parameters", None):
            return ForeignLoss(given)
        found += f" without {' and '.join(missing)}" if missing else " that owns parameters"
    raise TypeError(
        f"loss: expected a name ({', '.join(LOSSES)}), a csparc.losses.Loss, or an object with "
        f"inputs, config() and a call, {found}"
    )


def _are_inputs(found: Any) -> bool:
    return isinstance(found, (tuple, list)) and bool(found) and set(found) <= set(INPUTS)


class ForeignLoss(Loss):
    """A caller's own object as a `Loss`: it gets what it asks for, and answers what it can."""

    label = "a loss of its own"

    def __init__(self, given: Any) -> None:
        self.given = given
        self.name = type(given).__name__
        self.inputs = tuple(given.inputs)
        self.parts: tuple[Part, ...] = tuple(getattr(given, "parts", ()))
        self.initial_logit_scale = getattr(given, "initial_logit_scale", self.initial_logit_scale)
        parameters = inspect.signature(given).parameters
        anything = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
        self.takes_groups = anything or "groups" in parameters
        self.takes_extra_texts = "extra_text_global" in parameters

    def __call__(self, *rows: Any, **call: Any) -> LossOutput:
        """As the object takes it."""
        out = self.given(*rows, **call)
        if not isinstance(out, LossOutput):
            raise TypeError(
                f"{type(self.given).__name__}: expected a csparc.LossOutput, found a "
                f"{type(out).__name__}"
            )
        return out

    def _compute(self, **call: Any) -> LossOutput:
        return self(**call)

    def config(self) -> dict[str, Any]:
        """The configuration that the object itself gives."""
        return self.given.config()

    def __repr__(self) -> str:
        return cut(repr(self.given))

    def alignment(self, patches: Any, tokens: Any, *, rule: str = "own", **how: Any) -> Alignment:
        """The object's own where it has one, else SPARC's weights, and they say so."""
        own = getattr(self.given, "alignment", None)
        if own is None or rule != "own":
            return super().alignment(patches, tokens, rule=rule, **how)
        return own(patches, tokens, **how)

    def local_scale(self, logit_scale: float) -> float:
        own = getattr(self.given, "local_logit_scale", None)
        return logit_scale if own is None else float(own)


class UnknownLoss(Loss):
    """Stands for the loss of a checkpoint that nobody knows: SPARC's weights, and they say so."""

    name = "unknown"
    label = "a loss of its own"
    inputs = INPUTS
    parts = ()

    def _compute(self, **call: Any) -> LossOutput:
        raise ValueError("loss: expected one that is known here, found one that cannot compute")
