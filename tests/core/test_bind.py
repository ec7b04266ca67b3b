"""The edge between Python and C: wrong calls raise, naming argument, expected and found."""

from __future__ import annotations

import numpy as np
import pytest

from csparc import _core


def call(x=None, y=None, norm=None):
    x = np.ones((3, 4), "f4") if x is None else x
    y = np.empty((3, 4), "f4") if y is None else y
    return _core.l2norm_forward(x, y, np.empty(3, "f4") if norm is None else norm)


def read_only() -> np.ndarray:
    array = np.empty((3, 4), "f4")
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"x": [[1.0]]}, TypeError, "'x' is list, expected a NumPy array"),
        ({"x": None, "y": np.empty((3, 5), "f4")}, ValueError, "'y' axis 1 is 5, but D = 4"),
        ({"x": np.ones(4, "f4")}, ValueError, "'x' has 1 axes, expected 2"),
        ({"x": np.ones((3, 4), "i4")}, TypeError, "'x' is numpy.int32, expected numpy.float32"),
        ({"y": np.empty((3, 4), "f8")}, TypeError, "'y' is numpy.float64, expected numpy.float32"),
        ({"x": np.ones((4, 3), "f4").T}, ValueError, "'x' must be C-contiguous"),
        ({"x": np.ones((3, 4), ">f4")}, ValueError, "native byte order"),
        ({"y": read_only()}, ValueError, "output 'y' is read-only"),
    ],
)
def test_wrong_argument(arguments: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        call(**arguments)


def test_overlap() -> None:
    x = np.ones((3, 4), "f4")
    with pytest.raises(ValueError, match="output 'y' shares memory with 'x'"):
        call(x=x, y=x)


@pytest.mark.parametrize("count", [0, 2, 4, 40])
def test_wrong_count(count: int) -> None:
    with pytest.raises(TypeError, match="takes 3 arguments"):
        _core.l2norm_forward(*[np.ones((3, 4), "f4")] * count)


def test_every_op_refuses_rubbish() -> None:
    """No op crashes on arguments of the right count and the wrong kind."""
    # The array of one axis overlaps itself where an op writes it.
    rubbish = [None, 3, "x", [], np.zeros(1, "f4"), np.zeros((1,) * 6, "f8"), object()]
    for name, signature in _core.OPS.items():
        count = sum(word != "->" for word in signature.split())
        for thing in rubbish:
            with pytest.raises((TypeError, ValueError)):
                getattr(_core, name)(*[thing] * count)


def test_threads() -> None:
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="expected a whole number, at least 1"):
            _core.set_num_threads(wrong)
    with pytest.raises(TypeError):
        _core.set_num_threads("two")
    _core.set_num_threads(3)
    assert _core.get_num_threads() == 3
