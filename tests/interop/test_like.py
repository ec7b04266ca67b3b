"""Whatever has ``__dlpack__`` is read, and ``like`` gives arrays of another library.

With the same numbers, on the same memory.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensor_calls

import csparc
from csparc._like import as_like
from csparc.interop.calls import function_name
from csparc.losses import LOSSES

PIECES = (
    "sparse_similarity", "sparse_similarity_backward", "group_patches", "group_patches_backward"
)  # fmt: skip
FUNCTIONS = [loss for loss in LOSSES if hasattr(csparc, function_name(loss))]
"""The losses with a function on arrays; others are sums of these."""


class Shown:
    """An array of a library that NumPy knows nothing of but ``__dlpack__``."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize(
    "loss", ["sparc", "clip", "siglip", "pacl", "filip", "clip+filip", "gloria"]
)
def test_arrays_of_nobody_knows_whom(loss, rng):
    arrays = tensor_calls.batch(rng, loss, np.float32)
    function = getattr(csparc, function_name(loss))
    expected = function(**arrays, grad=True)
    found = function(**{name: Shown(x) for name, x in arrays.items()}, grad=True, like=np)
    assert found.loss == expected.loss
    for name in arrays:
        assert np.array_equal(found.grads[name], expected.grads[name])


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "numpy"])
def test_arrays_of_a_library(library, rng):
    like = pytest.importorskip(library)
    arrays = tensor_calls.batch(rng, "sparc", np.float32)
    given = {name: like.asarray(x) for name, x in arrays.items()}
    expected = csparc.sparc_loss(**arrays, grad=True, return_weights=True)
    for one in (like, given["patches"]):
        found = csparc.sparc_loss(**given, grad=True, return_weights=True, like=one)
        assert isinstance(found, csparc.LossOutput)
        assert found.parts == expected.parts
        assert found.grads["logit_scale"] == expected.grads["logit_scale"]
        for name, x in given.items():
            assert type(found.grads[name]) is type(x)
            assert np.array_equal(np.asarray(found.grads[name]), expected.grads[name])
        assert type(found.weights) is type(given["patches"])
    weights = csparc.sparse_similarity(given["patches"], given["tokens"], like=like)
    assert type(weights) is type(given["patches"])
    assert np.array_equal(np.asarray(weights), expected.weights)
    grads = csparc.group_patches_backward(given["tokens"], weights, given["patches"], like=like)
    assert all(type(gradient) is type(weights) for gradient in grads.values())


def test_the_same_memory():
    torch = pytest.importorskip("torch")
    array = np.ones((3, 4), np.float32)
    tensor = as_like({"entry": array}, torch)["entry"]
    assert tensor.data_ptr() == array.ctypes.data


@pytest.mark.parametrize("name", [*map(function_name, FUNCTIONS), *PIECES])
def test_every_function_says_so(name):
    function = getattr(csparc, name)
    assert inspect.signature(function).parameters["like"].default is None
    assert function.__doc__.count("like : array or module") == 1


@pytest.mark.parametrize("like", ["torch", 3, object(), [1.0]])
def test_refusals(like, rng):
    with pytest.raises(TypeError, match=r"^like: expected an array of a library that has from_dlp"):
        csparc.clip_loss(**tensor_calls.batch(rng, "clip"), like=like)
