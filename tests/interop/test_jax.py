"""Functions of JAX give the numbers of csparc itself.

Under jit, grad and value_and_grad, by XLA's buffers and by a callback alike; with gradients that
finite differences check, and clear errors.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import tensor_calls

import csparc
from csparc.losses import LOSSES
from csparc.losses.registry import extra_text_losses

jax = pytest.importorskip("jax")

from jax import numpy as jnp  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

import csparc.jax as cj  # noqa: E402
from csparc.interop.calls import function_name  # noqa: E402


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with jax.default_device(jax.devices("cpu")[0]):
        yield


@pytest.fixture
def _wide():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["ffi", "callback"])
def way(request, monkeypatch):
    """How a call leaves XLA: on a device that is no CPU, by a callback."""
    if request.param == "callback":
        monkeypatch.setattr(jax, "default_backend", lambda: "elsewhere")
        jax.clear_caches()
        yield
        jax.clear_caches()
    else:
        yield


def call_of(loss, masks, **more):
    """The function of a loss with everything but arrays fixed."""
    options = {} if loss == "mgca" else tensor_calls.options(loss)
    return partial(getattr(cj, function_name(loss)), **masks, **options, **more)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.usefixtures("way")
def test_numbers_of_csparc(loss, rng):
    arrays, masks = tensor_calls.batch(rng, loss, np.float32), tensor_calls.masks(rng, loss)
    groups = np.array([0, 1, 0, 2])
    built = tensor_calls.made(loss)
    expected = built(**arrays, **masks, logit_scale=7.5, groups=groups, grad=True)
    names = list(arrays)
    learned = jax.tree.map(jnp.asarray, tensor_calls.owned(built))
    call = call_of(loss, masks, groups=groups)

    def both(given, scale, learned):
        return call(**dict(zip(names, given)), logit_scale=scale, **learned, return_parts=True)

    graded = jax.jit(jax.value_and_grad(both, argnums=(0, 1, 2), has_aux=True))
    (value, parts), (found, scale, own) = graded(list(arrays.values()), jnp.float32(7.5), learned)
    assert value.dtype == jnp.float32
    assert float(value) == pytest.approx(expected.loss, rel=1e-5)
    assert {*parts} == {*expected.parts, "kept_fraction"}
    for name, gradient in zip(names, found):
        scale_of = np.abs(expected.grads[name]).max()
        np.testing.assert_allclose(gradient, expected.grads[name], rtol=0, atol=1e-5 * scale_of)
    assert float(scale) == pytest.approx(expected.grads["logit_scale"], rel=1e-4, abs=1e-6)
    for name, gradients in own.items():
        wanted = expected.grads[name]
        pairs = [(gradients, wanted)] if not isinstance(wanted, dict) else [
            (gradients[entry], wanted[entry]) for entry in wanted
        ]  # fmt: skip
        for gradient, one in pairs:
            np.testing.assert_allclose(gradient, one, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("loss", extra_text_losses())
@pytest.mark.usefixtures("way")
def test_captions_without_a_picture(loss, rng):
    arrays, masks = tensor_calls.batch(rng, loss, np.float32), tensor_calls.masks(rng, loss)
    arrays |= tensor_calls.extra_texts(rng, np.float32)
    built = tensor_calls.made(loss)
    expected = built(**arrays, **masks, grad=True)
    call = call_of(loss, {**masks, **tensor_calls.owned(built)})
    value, found = jax.jit(jax.value_and_grad(lambda given: call(**given)))(arrays)
    assert float(value) == pytest.approx(expected.loss, rel=1e-5)
    for name, gradient in found.items():
        scale_of = np.abs(expected.grads[name]).max()
        np.testing.assert_allclose(gradient, expected.grads[name], rtol=0, atol=1e-5 * scale_of)


def test_what_does_not_fit_is_refused_when_the_call_is_traced(rng):
    arrays = {**tensor_calls.batch(rng, "clip"), **tensor_calls.extra_texts(rng)}
    narrow = {**arrays, "extra_text_global": arrays["extra_text_global"][:, :3]}
    with pytest.raises(ValueError, match="D = 3 as in extra_text_global"):
        jax.jit(cj.clip_loss)(**narrow)


@pytest.mark.usefixtures("_wide")
@pytest.mark.parametrize("loss", LOSSES)
def test_check_grads(loss, rng):
    arrays, masks = tensor_calls.batch(rng, loss), tensor_calls.masks(rng, loss)
    own = tensor_calls.owned(tensor_calls.made(loss))
    if loss == "mgca":  # its targets are held constant in the gradient
        masks |= {"prototype_weight": 0.0}
    call = call_of(loss, masks)
    names = list(arrays)

    def value(given, scale, own):
        return call(**dict(zip(names, given)), logit_scale=scale, **own)

    own = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), own)
    given = ([jnp.asarray(x) for x in arrays.values()], jnp.float64(5.0), own)
    assert value(*given).dtype == jnp.float64
    check_grads(jax.jit(value), given, order=1, modes=["rev"], eps=1e-5, atol=1e-6, rtol=1e-5)


def test_bits_of_csparc_with_constants(rng):
    """Numbers of Python keep their 64 bits: the bits are those of the function on arrays."""
    arrays = tensor_calls.batch(rng, "sparc", np.float32)
    out = csparc.sparc_loss(**arrays, logit_scale=1 / 0.03, grad=True)
    graded = jax.jit(jax.value_and_grad(partial(cj.sparc_loss, logit_scale=1 / 0.03), (0, 1)))
    value, gradients = graded(arrays.pop("patches"), arrays.pop("tokens"), **arrays)
    assert value == np.float32(out.loss)
    assert np.array_equal(gradients[0], out.grads["patches"])
    assert np.array_equal(gradients[1], out.grads["tokens"])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_narrow_types(kind, rng):
    given = {n: jnp.asarray(x, kind) for n, x in tensor_calls.batch(rng, "sparc").items()}
    out = csparc.sparc_loss(**{n: np.asarray(x) for n, x in given.items()}, grad=True)
    patches, tokens = given.pop("patches"), given.pop("tokens")
    value, gradient = jax.jit(jax.value_and_grad(cj.sparc_loss))(patches, tokens, **given)
    assert value.dtype == jnp.float32
    assert value == np.float32(out.loss)
    assert gradient.dtype == patches.dtype
    assert np.array_equal(gradient, jnp.asarray(out.grads["patches"]).astype(kind))


def test_factor_of_the_loss(rng):
    given = [jnp.asarray(x, jnp.float32) for x in tensor_calls.batch(rng, "clip").values()]
    plain = jax.grad(cj.clip_loss)(*given)
    scaled = jax.jit(jax.grad(lambda a, b: 8 * cj.clip_loss(a, b)))(*given)
    assert np.array_equal(8 * plain, scaled)


def test_vmap(rng):
    image, text = (rng.normal(size=(3, 4, 8)).astype(np.float32) for _ in range(2))
    found = jax.vmap(cj.clip_loss)(image, text)
    assert np.array_equal(found, [cj.clip_loss(*pair) for pair in zip(image, text)])


def test_second_derivative(rng):
    image, text = (jnp.asarray(x) for x in tensor_calls.batch(rng, "clip", np.float32).values())

    def first(x):
        return jnp.sum(jax.grad(cj.clip_loss)(x, text) ** 2)

    with pytest.raises(TypeError, match="expected to be differentiated once"):
        jax.grad(first)(image)


def test_wrong_arguments(rng):
    given = tensor_calls.batch(rng, "sparc", np.float32)
    with pytest.raises(TypeError, match="sigmoid"):
        cj.sparc_loss(**given, sigmoid=0.5)
    with pytest.raises(ValueError, match=r"^tokens: expected \[B, L, D\]"):
        jax.jit(cj.sparc_loss)(given["patches"], given["tokens"][..., :-1])
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=r"text_mask: expected .*found the value 2"
    ):
        cj.sparc_loss(**given, text_mask=np.full((4, 5), 2)).block_until_ready()
