"""The losses a run can be trained with, by name, and their options given as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from csparc._settings import parse_settings

LOSSES = {
    "sparc": "SparcLoss",
    "clip": "ClipLoss",
    "siglip": "SiglipLoss",
    "pacl": "PaclLoss",
    "filip": "FilipLoss",
    "clip+filip": "ClipFilipLoss",
    "gloria": "GloriaLoss",
    "mgca": "MgcaLoss",
}
"""Name on the command line, and in a loss's ``config()`` -> class in `csparc.losses`."""


def loss_class(name: str) -> type:
    """The class behind a name.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    if name not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, found {name!r}")
    from csparc import losses

    return getattr(losses, LOSSES[name])


def make_loss(name: str, settings: Iterable[str] = ()) -> Any:
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
    from csparc.losses.options import options_of

    options = options_of(name)
    full = {option.entry.short: option.name for option in options if option.entry.short}
    known = {option.name: option.hint for option in options}
    known |= {short: known[option] for short, option in full.items()}
    more = f" (csparc info --loss {name} explains them)"
    given = parse_settings("loss-opt", settings, known, more)
    return loss_class(name)(**{full.get(key, key): value for key, value in given.items()})


def suited_model(loss: Any) -> dict[str, str]:
    """Fields of the model's configuration that suit a loss.

    One that never reads ``image_global`` would leave the layer h_v as it was drawn, and with it the
    vectors that retrieval, search and ``csparc encode`` compare; its model has means instead.
    """
    return {} if "image_global" in loss.inputs else {"global_pool": "mean"}


def loss_from_config(config: Mapping[str, Any]) -> Any:
    """The loss whose ``config()`` this is; a name that is not in the table gives None.

    Raises
    ------
    TypeError, ValueError
        Options its class does not take.
    """
    options = dict(config)
    name = options.pop("loss", None)
    return loss_class(name)(**options) if name in LOSSES else None
