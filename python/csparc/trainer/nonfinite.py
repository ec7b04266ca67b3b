"""Which tensor was the first to hold a NaN or an infinity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from csparc.nn import Parameter, Tape, Tensor
from csparc.nn.tape import Note


def first_nonfinite(tensors: Iterable[tuple[str, object]]) -> str | None:
    """Name of the first tensor with a non-finite entry, with what it holds; None if all are fine.

    Parameters
    ----------
    tensors : iterable of (name, array or number)
        In the order in which they were computed.
    """
    for name, value in tensors:
        array = np.asarray(value)
        finite = np.isfinite(array)
        if not finite.all():
            bad = array.size - int(np.count_nonzero(finite))
            kind = "NaN" if np.isnan(array).any() else "infinite"
            return f"{name} ({kind}: {bad} of {array.size} entries)"
    return None


class CheckingTape(Tape):
    """Looks at the output of every op; ``first_bad`` names the first that is not finite."""

    def __init__(self) -> None:
        super().__init__(record=False)
        self.first_bad: str | None = None
        self._last = "the input"

    def output(
        self, data: np.ndarray, wanted: bool, note: Note, weight: Parameter | None = None
    ) -> Tensor:
        """As `Tape.output`; an op is called by the function that made its note, and its weight."""
        op = note.__qualname__.partition(".")[0]
        if weight is not None:
            self._last = weight.name
        name = f"the output of {op} {'after' if weight is None else 'with'} {self._last}"
        self.first_bad = self.first_bad or first_nonfinite([(name, data)])
        return super().output(data, wanted, note, weight)
