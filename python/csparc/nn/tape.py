"""Reverse-mode differentiation over the op pairs of the C core.

A forward pass runs the ops and, on a recording tape, leaves for each a note of how to turn the
gradient of its output into those of its inputs. ``Tape.backward`` plays the notes back. What a note
does not mention is free as soon as the forward pass drops it; a note is dropped once played.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from csparc import _core
from csparc._repr import line, short
from csparc.nn.buffers import BUFFERS, Buffers
from csparc.nn.parameter import Parameter


class Node:
    """Where the gradient of one tensor gathers: apart from it, so as not to keep its data."""

    __slots__ = ("grad",)

    def __init__(self) -> None:
        self.grad: np.ndarray | None = None


class Tensor:
    """An array on a tape.

    ``data`` is the array; ``node`` is None where no gradient is wanted. A tensor made by hand with
    ``requires_grad=True`` keeps its gradient in ``grad`` after the backward pass.
    """

    __slots__ = ("data", "node")

    def __init__(self, data: np.ndarray, requires_grad: bool = False):
        self.data = data
        self.node = Node() if requires_grad else None

    def __repr__(self) -> str:
        told = [] if self.node is None else ["requires_grad"]
        return line(self, short(self.data) if self.shape else f"{self.data.dtype} []", *told)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def grad(self) -> np.ndarray | None:
        return None if self.node is None else self.node.grad


Note = Callable[["Tape", np.ndarray], None]
"""Given the tape and the gradient of an output, adds the gradients of the inputs. It takes the tape
rather than remember it, so that a tape dropped unplayed is freed at once."""


class Tape:
    """A record of one forward pass.

    Parameters
    ----------
    record : bool
        False for inference: nothing is noted, so nothing is kept.
    buffers : Buffers
        Where activations and gradients come from.
    remat : bool
        Keep of every transformer block its input alone, and compute the block again in the backward
        pass: the same gradients, less memory, more time (`csparc.nn.remat`).

    Examples
    --------
    >>> tape = nn.Tape()
    >>> out = model(image, text, text_mask, tape=tape)
    >>> tape.backward({out.patches: dpatches, out.tokens: dtokens})
    """

    core: Any = _core
    """Where ops are looked up."""

    def __init__(self, record: bool = True, buffers: Buffers = BUFFERS, remat: bool = False):
        self.record = record
        self.buffers = buffers
        self.remat = remat
        self._notes: list[tuple[Node, Note]] = []

    def __repr__(self) -> str:
        return line(self, f"{len(self._notes)} recorded", record=self.record)

    def __enter__(self) -> Tape:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.reset()

    def __len__(self) -> int:
        return len(self._notes)

    def reset(self) -> None:
        """Forget the forward pass; its buffers are free once nobody holds its outputs."""
        self._notes.clear()

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An uninitialised array from the pool."""
        return self.buffers.take(shape, dtype)

    def reads(self, weight: Parameter) -> bool:
        """Whether anything reads what the map with ``weight`` gives; where not, only its backward
        runs."""
        return True

    def output(
        self, data: np.ndarray, wanted: bool, note: Note, weight: Parameter | None = None
    ) -> Tensor:
        """The result of an op; ``note`` is kept if the tape records and a gradient is wanted.

        ``weight`` is the parameter by whose name messages tell the op from others of its kind.
        """
        tensor = Tensor(data, requires_grad=wanted and self.record)
        if tensor.node is not None:
            self._notes.append((tensor.node, note))
        return tensor

    def add_grad(self, node: Node | None, grad: np.ndarray, fresh: bool) -> None:
        """Add ``grad`` to what has gathered at ``node``.

        ``fresh`` says that nobody else reads or writes the array, so that it may become the sum.
        """
        if node is None:
            return
        if node.grad is not None:
            before = node.grad
            if not fresh:
                copy = self.take(grad.shape, grad.dtype)
                self.core.add(before.reshape(-1), grad.reshape(-1), copy.reshape(-1))
                grad = copy
            else:
                self.core.accumulate(before.reshape(-1), grad.reshape(-1))
        node.grad = grad

    def backward(self, gradients: Mapping[Tensor, np.ndarray]) -> None:
        """Add the gradients of the parameters, given those of outputs; the tape is empty after.

        Parameters
        ----------
        gradients : mapping of Tensor to ndarray
            For each output the loss reads, its gradient: same shape and dtype, C-contiguous. Not
            written to.

        Raises
        ------
        RuntimeError
            The tape holds no forward pass.
        ValueError
            A gradient does not fit its tensor.
        """
        if not self._notes:
            raise RuntimeError(
                "Tape.backward: nothing is recorded; run the model with tape=tape first, once for "
                "each backward"
            )
        for tensor, grad in gradients.items():
            if grad.shape != tensor.shape or grad.dtype != tensor.data.dtype:
                raise ValueError(
                    f"Tape.backward: the gradient is {grad.dtype} {list(grad.shape)}, its tensor "
                    f"{tensor.data.dtype} {list(tensor.shape)}"
                )
        self.play({tensor: np.ascontiguousarray(grad) for tensor, grad in gradients.items()})

    def play(self, gradients: Mapping[Tensor, np.ndarray]) -> None:
        """`backward` without its checks, of gradients that come from ops."""
        for tensor, grad in gradients.items():
            self.add_grad(tensor.node, grad, fresh=False)
        while self._notes:
            node, note = self._notes.pop()
            grad, node.grad = node.grad, None
            if grad is not None:
                note(self, grad)
