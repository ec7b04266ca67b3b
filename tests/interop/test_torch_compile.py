"""Under torch.compile functions and modules are one graph and give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensor_calls

from csparc.losses import LOSSES

torch = pytest.importorskip("torch")

import csparc.torch as ct  # noqa: E402
from csparc.interop.calls import function_name  # noqa: E402


@pytest.fixture(autouse=True)
def _nothing_compiled():
    """The tests compile one function again and again, which a compiler gives up at some point."""
    torch.compiler.reset()


@pytest.mark.parametrize("loss", LOSSES)
def test_one_graph(loss, rng):
    """aot_eager traces forward and backward as every compiler does, and generates no code."""
    options = tensor_calls.options(loss)
    made = getattr(ct, LOSSES[loss].__name__)(embed_dim=tensor_calls.D, **options)
    masks = {n: torch.from_numpy(x) for n, x in tensor_calls.masks(rng, loss).items()}
    arrays = tensor_calls.batch(rng, loss, np.float32)

    def step(**given):
        doubled = {name: 2 * x for name, x in given.items()}
        return made(**doubled, **masks)

    gradients = []
    for call in (step, torch.compile(step, backend="aot_eager", fullgraph=True)):
        given = {n: torch.from_numpy(x).requires_grad_() for n, x in arrays.items()}
        made.zero_grad()
        value = call(**given)
        value.backward()
        leaves = [*given.values(), *made.parameters()]
        gradients.append([value.detach(), *[leaf.grad.clone() for leaf in leaves]])
    for plain, compiled in zip(*gradients):
        torch.testing.assert_close(compiled, plain)


def test_function_in_one_graph(rng):
    function = getattr(ct, function_name("sparc"))
    given = {n: torch.from_numpy(x) for n, x in tensor_calls.batch(rng, "sparc").items()}
    mask = torch.ones(tensor_calls.B, tensor_calls.L, dtype=torch.bool)

    @torch.compile(backend="aot_eager", fullgraph=True)
    def step(mask, scale, **given):
        return ct.sparc_loss(**given, text_mask=mask, logit_scale=scale, local_weight=0.25)

    scale = torch.tensor(8.0)
    expected = function(**given, text_mask=mask, logit_scale=8.0, local_weight=0.25)
    torch.testing.assert_close(step(mask, scale, **given), expected)
