"""Reading inputs: layouts, types, protocols, masks; no needless copy; clear refusals."""

from __future__ import annotations

import array
import re

import ml_dtypes
import numpy as np
import pytest
from layouts import unaligned

from csparc._arrays import real_inputs, to_numpy, valid_mask
from csparc._scalars import choice, flag, number, positive, scale_number, whole_number


def read(value):
    return real_inputs(x=value).arrays["x"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contiguous_native_input_is_not_copied(dtype):
    x = np.arange(12, dtype=dtype).reshape(3, 4)
    assert read(x).__array_interface__["data"] == x.__array_interface__["data"]
    x.flags.writeable = False
    assert np.shares_memory(read(x), x)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "negative": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "broadcast": lambda x: np.broadcast_to(x, x.shape),
    "unaligned": unaligned,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "list": lambda x: x.tolist(),
    "tuples": lambda x: tuple(map(tuple, x.tolist())),
    "matrix": lambda x: x.view(type("Sub", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts(layout, dtype, rng):
    x = rng.normal(size=(5, 7)).astype(dtype)
    y = read(LAYOUTS[layout](x))
    assert y.flags.carray or not y.flags.writeable
    assert y.flags.c_contiguous
    assert y.flags.aligned
    assert type(y) is np.ndarray
    assert y.dtype.isnative
    assert y.dtype == (np.float64 if layout in ("list", "tuples") else dtype)
    assert np.array_equal(y, x)


class WithDlpack:
    """A producer that speaks DLPack and nothing else."""

    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **options):
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


class WithArray:
    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x


@pytest.mark.parametrize("wrap", [WithDlpack, WithArray, memoryview])
def test_protocols_do_not_copy(wrap):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.shares_memory(read(wrap(x)), x)


def test_buffer_protocol():
    assert np.array_equal(read(array.array("d", [1.0, 2.0])), [1.0, 2.0])


@pytest.mark.parametrize(
    ("dtype", "computed", "gradient"),
    [
        (np.float16, np.float32, np.float32),
        (ml_dtypes.bfloat16, np.float32, np.float32),
        (np.float32, np.float32, np.float32),
        (">f4", np.float32, np.float32),
        (np.float64, np.float64, np.float64),
        (np.int64, np.float64, np.float64),
        (np.uint8, np.float64, np.float64),
    ],
)
def test_types(dtype, computed, gradient):
    x = np.array([[1, 2], [3, 5]]).astype(dtype)
    inputs = real_inputs(x=x)
    assert inputs.arrays["x"].dtype == computed
    assert inputs.gradient_types["x"] == gradient
    assert np.array_equal(inputs.arrays["x"], [[1, 2], [3, 5]])


def test_one_wide_array_widens_the_computation():
    inputs = real_inputs(("z",), x=np.ones(2, np.float32), y=np.ones(2), z=None)
    assert {a.dtype for a in inputs.arrays.values()} == {np.dtype(np.float64)}
    assert inputs.gradient_types["x"] == np.float32
    assert "z" not in inputs.arrays


@pytest.mark.parametrize(
    "value",
    [
        np.ones(3, complex),
        np.ones(3, bool),
        np.array(["a"]),
        np.array([None]),
        np.ones(3, np.longdouble),
        np.ma.masked_array([1.0, 2.0], [0, 1]),
        [[1.0, 2.0], [3.0]],
        object(),
        "text",
        None,
    ],
    ids=str,
)
def test_refusals_name_the_argument(value):
    with pytest.raises(TypeError, match=r"^patches: expected .*found"):
        real_inputs(patches=value)


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    assert np.shares_memory(read(x), x.numpy())
    assert np.array_equal(read(x.T), x.numpy().T)
    assert np.array_equal(read(x.to(torch.bfloat16)), x.numpy())
    assert read(x.to(torch.bfloat16)).dtype == np.float32
    with pytest.raises(TypeError, match=r"^x: expected .*found a torch\.Tensor.*detach"):
        read(x.clone().requires_grad_())


# Masks -------------------------------------------------------------------------------------------

TRUE = np.array([[1, 1, 0], [1, 0, 0]], bool)


@pytest.mark.parametrize(
    "value",
    [TRUE, TRUE.astype(np.int64), TRUE.astype(np.float32), TRUE.tolist(), np.asfortranarray(TRUE),
     [2, 1], np.array([2, 1], np.uint8)],
    ids=["bool", "int", "float", "list", "fortran", "lengths", "small lengths"],
)  # fmt: skip
def test_masks(value):
    mask = valid_mask(value, "text_mask", 2, 3)
    assert mask.dtype == np.uint8
    assert mask.flags.c_contiguous
    assert np.array_equal(mask, TRUE)
    assert valid_mask(None, "text_mask", 2, 3) is None


def test_square_masks_are_masks():
    assert np.array_equal(valid_mask(np.eye(2), "m", 2, 2), np.eye(2))


@pytest.mark.parametrize(
    ("value", "error", "found"),
    [
        (np.full((2, 3), 0.5), ValueError, "the value 0.5"),
        (np.full((2, 3), np.nan), ValueError, "the value nan"),
        (np.full((2, 3), -1), ValueError, "the value -1"),
        (np.full((2, 3), 2), ValueError, "the value 2"),
        ([2, 4], ValueError, "the length 4"),
        ([-1, 1], ValueError, "the length -1"),
        (np.array([2.0, 1.0]), ValueError, "shape (2,) and dtype float64"),
        (np.array([True, False]), ValueError, "shape (2,) and dtype bool"),
        (np.ones((3, 2)), ValueError, "shape (3, 2)"),
        (np.full((2, 3), "x"), TypeError, "dtype <U1"),
    ],
)
def test_mask_refusals(value, error, found):
    pattern = "^text_mask: expected .*valid.*found.*" + re.escape(found)
    with pytest.raises(error, match=pattern):
        valid_mask(value, "text_mask", 2, 3)


# Numbers and choices -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.array(2.0), np.array([2.0]), np.array([[2]])], ids=repr
)
def test_numbers(value):
    result = number(value, "sigma")
    assert result == 2.0
    assert type(result) is float


@pytest.mark.parametrize(
    ("value", "error"),
    [("2", TypeError), (None, TypeError), (True, TypeError), ([1, 2], TypeError), (1j, TypeError),
     (np.nan, ValueError), (np.inf, ValueError), (-0.5, ValueError), (1.5, ValueError)],
    ids=repr,
)  # fmt: skip
def test_number_refusals(value, error):
    with pytest.raises(error, match=r"^sigma: expected a finite number from 0 to 1, found"):
        number(value, "sigma", low=0, high=1)


def test_other_refusals():
    with pytest.raises(ValueError, match=r"^eps: expected a finite number above 0, found 0\.0"):
        positive(0, "eps")
    with pytest.raises(ValueError, match=r"^scale: expected .* from 1e-06 to 1e\+06, found 0\.0"):
        scale_number(0, "scale")
    with pytest.raises(ValueError, match=r"^kind: expected 'a' or 'b', found 'c'"):
        choice("c", "kind", ("a", "b"))
    with pytest.raises(ValueError, match=r"^kind: expected 'a' or 'b', found"):
        choice(np.ones(2), "kind", ("a", "b"))
    with pytest.raises(TypeError, match=r"^grad: expected True or False, found 1"):
        flag(1, "grad")
    assert flag(np.bool_(True), "grad") is True


def test_to_numpy_keeps_any_type():
    assert to_numpy([1, 2], "x").dtype.kind == "i"


@pytest.mark.parametrize(
    ("limits", "words", "good", "bad"),
    [
        ({}, "a whole number", -7, 1.5),
        ({"low": 1}, "a whole number of at least 1", np.int64(1), 0),
        ({"high": 3}, "a whole number of at most 3", 3, 4),
        ({"low": -2, "high": 2**63 - 1}, f"a whole number from -2 to {2**63 - 1}", 0, 2**63),
    ],
)
def test_whole_numbers(limits, words, good, bad):
    assert type(whole_number(good, "n", **limits)) is int
    for wrong in (bad, True, "3", None, 2.0):
        with pytest.raises((TypeError, ValueError), match=f"^n: expected {words}, found "):
            whole_number(wrong, "n", **limits)


def test_open_limits_and_long_choices():
    assert number(0, "beta", low=0, below=1) == 0.0
    with pytest.raises(
        ValueError, match="beta: expected a finite number of at least 0 and below 1"
    ):
        number(1, "beta", low=0, below=1)
    with pytest.raises(ValueError, match="share: expected a finite number above 0 and below 1"):
        number(0, "share", above=0, below=1)
    with pytest.raises(ValueError, match="kind: expected 'a', 'b' or 'c', found 4"):
        choice(4, "kind", ("a", "b", "c"))


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_many_digits_is_named_in_short(digits):
    with pytest.raises(TypeError, match="scale: expected a finite number, found ") as said:
        number(10**digits, "scale")
    assert len(str(said.value)) < 300
