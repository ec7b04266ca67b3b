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

    def output(self, data: np.ndarray, wanted: bool, note: Note) -> Tensor:
        """As `Tape.output`; the op and its weight are read off its note for the backward pass."""
        op = note.__qualname__.partition(".")[0]
        cells = [cell.cell_contents for cell in note.__closure__ or ()]
        weights = [cell.name for cell in cells if isinstance(cell, Parameter)]
        if weights:
            self._last = weights[-1]
        name = f"the output of {op} {'with' if weights else 'after'} {self._last}"
        self.first_bad = self.first_bad or first_nonfinite([(name, data)])
        return super().output(data, wanted, note)
