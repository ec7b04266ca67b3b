"""Blocks computed again in the backward pass, so that of each only its input is kept.

"Sublinear memory cost" (arXiv 1604.06174), a block at a time: a block of N rows of width C keeps
its N C inputs in place of about 17 N C numbers, and costs its forward pass a second time, but for
the product of its last map, which no gradient reads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc.nn.parameter import Parameter, trained
from csparc.nn.tape import Tape, Tensor


class _Replay(Tape):
    """Records a block that is computed again; ``unread`` is the weight of its last map."""

    def __init__(self, outer: Tape, unread: Parameter):
        super().__init__(buffers=outer.buffers)
        self.bf16 = outer.bf16
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
    once = Tape(record=False, buffers=tape.buffers)
    once.bf16 = tape.bf16
    y = block(once, x).data

    def note(tape: Tape, dy: np.ndarray) -> None:
        replay = _Replay(tape, last)
        replay.backward({block(replay, x): dy})

    return tape.output(y, True, note, last)
