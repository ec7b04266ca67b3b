"""The projections of a cross-attention: a dict for callers, stacked for the core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from csparc._arrays import RealInputs, check_axes, describe

INNER = ("query", "key", "value")
AXES = {
    **dict.fromkeys(INNER, "HD"), "out": "DH",
    **{f"{name}_bias": "H" for name in INNER}, "out_bias": "D",
}  # fmt: skip
EXPECTED = (
    "a dict of arrays query, key, value [H, D] and out [D, H], and optionally query_bias, "
    "key_bias, value_bias [H] and out_bias [D]"
)


def labelled(name: str, given: object) -> dict[str, object]:
    """The entries of the dict argument ``name`` by the names errors call them."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{name}: expected {EXPECTED}, found {describe(given)}")
    for part in (*INNER, "out"):
        if part not in given:
            raise ValueError(f"{name}: expected {EXPECTED}, found no {part!r}")
    for part in given:
        if part not in AXES:
            raise ValueError(f"{name}: expected {EXPECTED}, found {part!r}")
    return {f"{name}[{part!r}]": array for part, array in given.items()}


class Projections:
    """One direction's projections and the buffers of their gradients, stacked for the core."""

    def __init__(self, name: str, parts: Mapping[str, object], heads: int, inputs: RealInputs):
        labels = {part: f"{name}[{part!r}]" for part in parts}
        arrays = {part: inputs.arrays[label] for part, label in labels.items()}
        found = {"patches": inputs.arrays["patches"]}
        found |= {label: inputs.arrays[label] for label in labels.values()}
        axes = {"patches": "BPD", **{label: AXES[part] for part, label in labels.items()}}
        width = check_axes(found, axes)["H"]
        if width == 0 or width % heads:
            raise ValueError(
                f"{name}: expected a width H that heads = {heads} divides, found H = {width}"
            )
        self._types = {part: inputs.gradient_types[label] for part, label in labels.items()}
        dtype = arrays["out"].dtype
        biases = [arrays.get(f"{part}_bias") for part in INNER]
        inner_bias = None
        if any(bias is not None for bias in biases):
            none = np.zeros(width, dtype)
            inner_bias = np.stack([none if bias is None else bias for bias in biases])
        self.arrays = [
            np.stack([arrays[part] for part in INNER]), arrays["out"], inner_bias,
            arrays.get("out_bias"),
        ]  # fmt: skip
        self.gradients = [None if array is None else np.zeros_like(array) for array in self.arrays]

    def finished(self) -> dict[str, np.ndarray]:
        """Gradients by the names the caller gave, each in its own type."""
        inner, out, inner_bias, out_bias = self.gradients
        found = {"out": out, "out_bias": out_bias}
        for place, part in enumerate(INNER):
            found[part] = inner[place]
            found[f"{part}_bias"] = None if inner_bias is None else inner_bias[place]
        return {part: found[part].astype(dtype) for part, dtype in self._types.items()}
