"""The SPARC loss as users of torch and jax write it: batched products and automatic gradients."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from peers import Outcome, torch_call

NAMES = ("patches", "tokens", "logit_scale")


def peers(
    patches: np.ndarray,
    tokens: np.ndarray,
    mask: np.ndarray,
    scale: float,
    gradients: bool,
    threads: int,
) -> tuple[dict[str, Callable[[], Outcome]], dict[str, str]]:
    """Calls by name, of what is installed, and a note on what is not."""
    found: dict[str, Callable[[], Outcome]] = {}
    notes = {}
    for name, make in (("torch", torch_peers), ("jax", jax_peers)):
        if importlib.util.find_spec(name) is None:
            notes[name] = "not installed: pip install 'csparc[bench]'"
        else:
            found |= make(patches, tokens, mask, scale, gradients, threads)
    return found, notes


def torch_form(P: int) -> Callable:
    """The loss of (patches, tokens, image_global, text_global, valid tokens, scale) in torch."""
    import torch
    from torch.nn import functional as F

    def contrast(a, b, valid, scale):
        """Row-wise cross-entropy of matching rows within each sample [B, L]."""
        logits = scale * F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(1, 2)
        logits = logits.masked_fill(~valid[:, None], float("-inf"))
        return torch.logsumexp(logits, -1) - torch.diagonal(logits, dim1=1, dim2=2)

    def loss(v, t, image, text, valid, scale):
        target = torch.arange(len(v))
        logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
        whole = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        s = t @ v.transpose(1, 2)
        low, high = s.amin(-1, keepdim=True), s.amax(-1, keepdim=True)
        s = (s - low) / (high - low)
        s = torch.where(s < 1 / P, 0.0, s)
        grouped = (s / s.sum(-1, keepdim=True)) @ v
        both = contrast(grouped, t, valid, scale) + contrast(t, grouped, valid, scale)
        share = valid / (2 * len(v) * valid.sum(1, keepdim=True))
        return 0.5 * whole + (torch.where(valid, both, 0.0) * share).sum()

    return loss


def torch_loss(mask: np.ndarray, P: int) -> Callable:
    """The loss of (patches, tokens, scale) in torch, for captions of these lengths, the means of
    patches and tokens their global vectors."""
    import torch

    valid, form = torch.from_numpy(mask), torch_form(P)

    def loss(v, t, scale):
        text = (t * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)
        return form(v, t, v.mean(1), text, valid, scale)

    return loss


def torch_peers(patches, tokens, mask, scale, gradients, threads):
    import torch

    torch.set_num_threads(threads)
    loss = torch_loss(mask, patches.shape[1])
    arguments = dict(zip(NAMES, (patches, tokens, scale)))
    version = torch.__version__.partition("+")[0]
    return {
        f"torch {version} {kind}": torch_call(
            loss, arguments, gradients=gradients, compiled=kind == "compiled"
        )
        for kind in ("eager", "compiled")
    }


def jax_loss(P: int) -> Callable:
    """The loss of (patches, tokens, scale, mask) in jax."""
    import jax
    from jax import numpy as jnp

    def unit(x):
        return x / jnp.linalg.norm(x, axis=-1, keepdims=True)

    def entropy(logits):
        """Cross-entropy of the diagonal, row by row."""
        return jax.nn.logsumexp(logits, -1) - jnp.diagonal(logits, axis1=-2, axis2=-1)

    def contrast(a, b, valid, scale):
        logits = scale * unit(a) @ unit(b).transpose(0, 2, 1)
        return entropy(jnp.where(valid[:, None], logits, -jnp.inf))

    def loss(v, t, scale, valid):
        counts = valid.sum(1, keepdims=True)
        text = (t * valid[..., None]).sum(1) / counts
        logits = scale * unit(v.mean(1)) @ unit(text).T
        whole = (entropy(logits).mean() + entropy(logits.T).mean()) / 2
        s = t @ v.transpose(0, 2, 1)
        low, high = s.min(-1, keepdims=True), s.max(-1, keepdims=True)
        s = (s - low) / (high - low)
        s = jnp.where(s < 1 / P, 0.0, s)
        grouped = (s / s.sum(-1, keepdims=True)) @ v
        both = contrast(grouped, t, valid, scale) + contrast(t, grouped, valid, scale)
        rows = jnp.where(valid, both, 0.0) / (2 * len(valid) * counts)
        return 0.5 * whole + rows.sum()

    return loss


def jax_peers(patches, tokens, mask, scale, gradients, threads):
    """``threads`` is kept by the processors this process may run on."""
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    arrays = (jnp.asarray(patches), jnp.asarray(tokens), jnp.float32(scale), jnp.asarray(mask))
    loss = jax_loss(patches.shape[1])
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)) if gradients else loss)

    def call():
        out = jax.block_until_ready(compiled(*arrays))
        return (float(out[0]), dict(zip(NAMES, out[1]))) if gradients else (float(out), {})

    return {f"jax {jax.__version__} jit": call}
