"""Functions of PyTorch give the numbers of csparc itself.

With gradients that autograd checks, in every type and layout without a copy, and clear errors for
what they do not do.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensor_calls

import csparc
from csparc.losses import LOSSES
from csparc.losses.registry import extra_text_losses

torch = pytest.importorskip("torch")

import csparc.torch as ct  # noqa: E402
from csparc.interop.calls import call_text, function_name  # noqa: E402
from csparc.torch._op import as_array  # noqa: E402


def tensors(arrays, **how):
    """As leaves that ask for a gradient."""
    return {name: torch.tensor(np.asarray(x), **how).requires_grad_() for name, x in arrays.items()}


def learned(loss):
    """What it learns, as tensors that ask for a gradient."""
    found = {}
    for name, value in tensor_calls.owned(tensor_calls.made(loss)).items():
        values = tensors(value if isinstance(value, dict) else {name: value})
        found[name] = values if isinstance(value, dict) else values[name]
    return found


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_csparc(loss, dtype, rng):
    arrays, masks = tensor_calls.batch(rng, loss, dtype), tensor_calls.masks(rng, loss)
    groups = [0, 1, 0, 2]
    built = tensor_calls.made(loss)
    expected = built(
        **arrays, **masks, logit_scale=7.5, groups=groups, same_group="positive", grad=True
    )
    given, own = tensors(arrays), learned(loss)
    scale = torch.tensor(7.5, dtype=torch.float64, requires_grad=True)
    found, parts = getattr(ct, function_name(loss))(
        **given, **masks, **own, **tensor_calls.options(loss) if loss != "mgca" else {},
        logit_scale=scale, groups=groups, same_group="positive", return_parts=True,
    )  # fmt: skip
    found.backward()
    assert found.dtype == (torch.float64 if dtype == np.float64 else torch.float32)
    assert found.item() == pytest.approx(expected.loss, rel=1e-6)
    assert {*parts} == {*expected.parts, "kept_fraction"}
    for name, tensor in given.items():
        np.testing.assert_array_equal(tensor.grad.numpy(), expected.grads[name], name)
    assert scale.grad.item() == expected.grads["logit_scale"]
    for name, value in own.items():
        entries = value if isinstance(value, dict) else {None: value}
        for entry, tensor in entries.items():
            gradient = expected.grads[name][entry] if entry else expected.grads[name]
            np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("loss", extra_text_losses())
def test_captions_without_a_picture(loss, rng):
    arrays, masks = tensor_calls.batch(rng, loss, np.float32), tensor_calls.masks(rng, loss)
    arrays |= tensor_calls.extra_texts(rng, np.float32)
    expected = tensor_calls.made(loss)(**arrays, **masks, grad=True)
    given = tensors(arrays)
    options = tensor_calls.options(loss) if loss != "mgca" else {}
    found = getattr(ct, function_name(loss))(**given, **masks, **learned(loss), **options)
    found.backward()
    assert found.item() == pytest.approx(expected.loss, rel=1e-6)
    for name, tensor in given.items():
        np.testing.assert_array_equal(tensor.grad.numpy(), expected.grads[name], name)


def test_a_loss_without_whole_captions_refuses_them(rng):
    given = tensors({**tensor_calls.batch(rng, "filip"), **tensor_calls.extra_texts(rng)})
    with pytest.raises(ValueError, match="extra_text_global: expected None, FILIP"):
        ct.filip_loss(**given)
    with pytest.raises(ValueError, match="extra_text_global: expected None, FILIP"):
        ct.FilipLoss()(**given)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck(loss, rng):
    module = getattr(ct, LOSSES[loss].__name__)(
        embed_dim=tensor_calls.D, **tensor_calls.options(loss, smooth=True)
    ).double()
    given, masks = tensors(tensor_calls.batch(rng, loss)), tensor_calls.masks(rng, loss)
    names, learned = list(given), list(module.parameters())

    def call(*values):
        return module(**dict(zip(names, values)), **masks)

    assert torch.autograd.gradcheck(call, (*given.values(), *learned))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("grad", [True, False])
def test_opcheck(loss, grad, rng):
    arrays = [torch.tensor(x, requires_grad=grad) for x in tensor_calls.batch(rng, loss).values()]
    built = tensor_calls.made(loss)
    own = [torch.tensor(built.value(n) if p.shape == (1,) else p.data, requires_grad=grad)
           for n, p in built.parameters.items()]  # fmt: skip
    masks = tensor_calls.masks(rng, loss)
    words = {n: torch.from_numpy(masks[n]) for n in ("word_ids", "lacks") if n in masks}
    names = [*tensor_calls.batch(rng, loss), *built.parameters, *words]
    text = call_text(loss, tensor_calls.options(loss), names, "exclude")
    own += words.values()
    given = [
        torch.from_numpy(masks[n]) if n in masks else None for n in ("text_mask", "patch_mask")
    ]
    torch.library.opcheck(
        torch.ops.csparc.objective.default, ([*arrays, *own], *given, None, text, grad)
    )


LAYOUTS = {
    "plain": lambda x: x,
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "part": lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
    "every second": lambda x: x.repeat_interleave(2, 0)[::2],
    "expanded": lambda x: x[:1].expand(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16", "float16"])
def test_types_and_layouts_without_a_copy(kind, layout, rng):
    """The operator reads the tensor's own memory, and the loss is that of NumPy's path."""
    dtype = getattr(torch, kind)
    wide = tensor_calls.batch(rng, "sparc", np.float32)
    given = {name: LAYOUTS[layout](torch.from_numpy(x).to(dtype)) for name, x in wide.items()}
    for tensor in given.values():
        array = as_array(tensor)
        assert array.ctypes.data == tensor.data_ptr()
        assert array.strides == tuple(s * tensor.element_size() for s in tensor.stride())
    leaves = {name: x.detach().requires_grad_() for name, x in given.items()}
    found = ct.sparc_loss(**leaves)
    found.backward()
    out = csparc.sparc_loss(**given, grad=True)
    assert found.item() == np.float32(out.loss) if kind != "float64" else out.loss
    for name, leaf in leaves.items():
        assert leaf.grad.dtype == dtype
        expected = torch.from_numpy(out.grads[name]).to(dtype)
        assert torch.equal(leaf.grad, expected)


def test_whole_numbers_have_no_gradient():
    given = torch.arange(12).reshape(3, 4)
    text = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    ct.clip_loss(given, text).backward()
    expected = csparc.clip_loss(given.numpy(), text.detach().numpy(), grad=True)
    assert torch.equal(text.grad, torch.from_numpy(expected.grads["text_global"]))


def test_factor_of_the_loss(rng):
    """As a scaler of gradients makes it, also twice through one graph."""
    arrays = tensor_calls.batch(rng, "clip")
    plain, scaled = tensors(arrays), tensors(arrays)
    ct.clip_loss(**plain).backward()
    loss = 8 * ct.clip_loss(**scaled)
    loss.backward(retain_graph=True)
    loss.backward()
    for name, leaf in plain.items():
        assert torch.equal(16 * leaf.grad, scaled[name].grad)


def test_two_losses_of_one_tensor(rng):
    arrays = tensor_calls.batch(rng, "clip")
    given, first, second = tensors(arrays), tensors(arrays), tensors(arrays)
    (ct.clip_loss(**given) + ct.siglip_loss(**given)).backward()
    ct.clip_loss(**first).backward()
    ct.siglip_loss(**second).backward()
    for name, leaf in given.items():
        assert torch.equal(leaf.grad, first[name].grad + second[name].grad)


def test_no_gradients_where_none_are_asked_for(rng):
    arrays = tensor_calls.batch(rng, "sparc")
    with torch.no_grad():
        assert ct.sparc_loss(**tensors(arrays)).grad_fn is None
    assert ct.sparc_loss(**{n: torch.from_numpy(x) for n, x in arrays.items()}).grad_fn is None


def test_autocast(rng):
    """Under autocast the inputs come in bfloat16; the loss stays float32, gradients go back."""
    arrays = tensor_calls.batch(rng, "clip", np.float32)
    image, text = (torch.from_numpy(x) for x in arrays.values())
    layer = torch.nn.Linear(tensor_calls.D, tensor_calls.D)
    with torch.autocast("cpu", torch.bfloat16):
        projected = layer(image)
        loss = ct.clip_loss(projected, text)
    assert projected.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    outside = ct.clip_loss(projected.detach(), text)
    assert torch.equal(loss, outside)
    loss.backward()
    assert layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.abs().sum() > 0


def test_second_derivative(rng):
    given = tensors(tensor_calls.batch(rng, "clip"))
    loss = ct.clip_loss(**given)
    (first,) = torch.autograd.grad(loss, given["image_global"], create_graph=True)
    with pytest.raises(RuntimeError, match="expected to be differentiated once"):
        first.square().sum().backward()


def test_another_device():
    elsewhere = torch.empty(3, 4, device="meta")
    here = torch.zeros(3, 4)
    with pytest.raises(ValueError, match=r"^text_global: expected .* CPU.*found one on meta.*copy"):
        ct.clip_loss(here, elsewhere)
    with pytest.raises(ValueError, match=r"^device: expected 'copy' or None, found 'cuda'"):
        ct.clip_loss(here, here, device="cuda")


def test_wrong_arguments(rng):
    given = tensors(tensor_calls.batch(rng, "sparc"))
    with pytest.raises(TypeError, match=r"^sigma: expected an array for an input of SPARC"):
        ct.sparc_loss(**given, sigma=torch.tensor(0.5))
    with pytest.raises(TypeError, match="sigmoid"):
        ct.sparc_loss(**given, sigmoid=0.5)
    with pytest.raises(ValueError, match=r"^tokens: expected \[B, L, D\]"):
        ct.sparc_loss(given["patches"], given["tokens"][..., :-1])
    with pytest.raises(TypeError, match=r"^sparc_loss: expected at most 4 arrays"):
        ct.sparc_loss(*given.values(), given["patches"])
    with pytest.raises(TypeError, match=r"^prototypes: expected an array, which MGCA learns"):
        ct.mgca_loss(**tensors(tensor_calls.batch(rng, "mgca")))


def test_a_learned_scale_of_the_local_part(rng):
    """A number that is an option becomes an input where a tensor is given for it."""
    given = tensors(tensor_calls.batch(rng, "sparc"))
    local = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    ct.sparc_loss(**given, local_logit_scale=local).backward()
    arrays = {name: x.detach().numpy() for name, x in given.items()}
    out = csparc.sparc_loss(**arrays, local_logit_scale=3.0, grad=True)
    assert local.grad.item() == out.grads["local_logit_scale"]
