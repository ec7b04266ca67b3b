"""A model as a table of its parts, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from csparc import _html
from csparc.nn import Parameter


def parts_table(parameters: Mapping[str, Parameter], dtype: np.dtype, title: str) -> str:
    """HTML: parameters and memory of each part, and what is frozen."""
    parts: dict[str, list[Parameter]] = {}
    for name, parameter in parameters.items():
        parts.setdefault(_part_of(name), []).append(parameter)
    parts["all"] = list(parameters.values())
    rows = []
    for part, own in parts.items():
        numbers = sum(parameter.data.size for parameter in own)
        frozen = sum(parameter.data.size for parameter in own if not parameter.requires_grad)
        size = f"{numbers * dtype.itemsize / 2**20:,.2f} MiB"
        rows.append([part, f"{numbers:,}", size, f"{frozen:,}" if frozen else ""])
    return _html.table(rows, ["parameters", str(dtype), "frozen"], title)


def _part_of(name: str) -> str:
    """The part of the model a parameter belongs to, for a table."""
    side, _, rest = name.partition("visual.")
    tower = "text" if side else "image"
    if name in ("logit_scale", "logit_bias"):
        return "temperature"
    first = (rest or name).split(".")[0]
    return f"{tower} {'blocks' if first in ('transformer', 'ln_final', 'ln_post') else first}"
