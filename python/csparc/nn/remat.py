"""Blocks computed again in the backward pass, so that of each only its input is kept.

"Sublinear memory cost" (arXiv 1604.06174), a block at a time: a block of N rows of width C keeps
its N C inputs in place of about 16 N C numbers, and costs its forward pass a second time, but for
the product of its last map, which no gradient reads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc.nn.parameter import Parameter, trained
from csparc.nn.tape import Tape, Tensor


class _Inner(Tape):
    """A tape of a block alone; what the map with the weight ``unread`` gives nobody reads."""

    def __init__(self, outer: Tape, record: bool, unread: Parameter | None = None):
        super().__init__(record, outer.buffers)
        self.core = outer.core
        self._unread = unread

    def reads(self, weight: Parameter) -> bool:
        return weight is not self._unread


def rematerialized(
    tape: Tape,
    block: Callable[[Tape, Tensor], Tensor],
    x: Tensor,
    parameters: list[Parameter],
    last: Parameter,
) -> Tensor:
    """``block(tape, x)``, of which ``tape`` keeps x alone.

    The gradients are those of the block recorded as it is, bit for bit: the same ops run in the
    same order, and what reaches x gathers where it would.

    Parameters
    ----------
    block : callable
        Given a tape and its input; all that it reads besides must still be there at the backward
        pass.
    parameters : list of Parameter
        Those it trains.
    last : Parameter
        The weight of the linear map that gives its output.
    """
    if not tape.record or (x.node is None and not trained(*parameters)):
        return block(tape, x)
    y = block(_Inner(tape, record=False), x).data

    def note(tape: Tape, dy: np.ndarray) -> None:
        replay = _Inner(tape, record=True, unread=last)
        replay.play({block(replay, x): dy})

    return tape.output(y, True, note, last)
