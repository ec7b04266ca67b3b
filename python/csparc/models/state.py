"""Loading weights: everything is checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from csparc.nn import Parameter


def load(parameters: Mapping[str, Parameter], values: Mapping[str, np.ndarray]) -> None:
    """Copy ``values`` into the parameters, or raise ValueError and change nothing."""
    problems = [
        *_listed("missing", sorted(set(parameters) - set(values))),
        *_listed("unexpected", sorted(set(values) - set(parameters))),
    ]
    for name in parameters:
        if name not in values:
            continue
        found, expected = values[name], parameters[name].data
        if found.shape != expected.shape or found.dtype != expected.dtype:
            problems.append(
                f"{name} is {found.dtype} {list(found.shape)}, expected {expected.dtype} "
                f"{list(expected.shape)}"
            )
    if problems:
        shown = problems[:6] + ([f"and {len(problems) - 6} more"] if len(problems) > 6 else [])
        raise ValueError(f"state dict does not fit the model: {'; '.join(shown)}")
    check_writeable(parameters)
    for name, parameter in parameters.items():
        parameter.data[...] = values[name]


def check_writeable(parameters: Mapping[str, Parameter]) -> None:
    """ValueError where parameters are read-only, because copies of them are in use."""
    for name, parameter in parameters.items():
        if parameter.panels is not None:
            raise ValueError(
                f"{name}: expected parameters that may change, found them prepacked; leave "
                "`with model.prepacked()` first"
            )


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{what} {', '.join(names[:3])}{more}"]
