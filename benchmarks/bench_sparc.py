"""The SPARC loss, value and all gradients, against plain torch in eager mode.

    python benchmarks/bench_sparc.py              every case, all processors
    python benchmarks/bench_sparc.py --threads 1 --case captions

B 256, P 196, L 55, D 512, float32. ``full``: every caption has 55 tokens. ``captions``: lengths as
of COCO captions (median 13, longest 55), padded to 55 as a loader with a fixed context gives them:
both sides get the same arrays and the same mask. ``value``: full length, loss alone.
Torch is optional here and nowhere else: pip install 'csparc[bench]'.
"""

from __future__ import annotations

import numpy as np
from harness import Measurement, interleave, main

import csparc

B, P, L, D = 256, 196, 55, 512
SCALE = 1 / 0.07
REPEATS = 9


def batch(case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """patches, tokens, mask of valid tokens."""
    rng = np.random.default_rng(0)
    patches = rng.standard_normal((B, P, D), dtype=np.float32)
    tokens = rng.standard_normal((B, L, D), dtype=np.float32)
    lengths = np.full(B, L)
    if case == "captions":
        lengths = np.clip(np.round(13 * np.exp(0.22 * rng.standard_normal(B))), 7, L).astype(int)
        lengths[0] = L
    return patches, tokens, np.arange(L) < lengths[:, None]


def flop(mask: np.ndarray, gradients: bool) -> float:
    """Of the local part over valid tokens and of the global part (csparc/loss/*.h)."""
    lengths = mask.sum(axis=1).astype(float)
    local = float(np.sum(4 * lengths * P * D + 2 * lengths**2 * D))
    return local * (3 if gradients else 1) + (10 if gradients else 2) * B * B * D


def torch_peer(patches, tokens, mask, gradients):
    """The same loss as torch users write it: batched products, masks, autograd."""
    import torch
    from torch.nn import functional as F

    v = torch.from_numpy(patches).requires_grad_(gradients)
    t = torch.from_numpy(tokens).requires_grad_(gradients)
    scale = torch.tensor(SCALE, requires_grad=gradients)
    valid = torch.from_numpy(mask)
    share = valid / (2 * B * valid.sum(1, keepdim=True))
    target = torch.arange(B)

    def contrast(a, b):
        """Row-wise cross-entropy of matching rows within each sample [B, L]."""
        logits = scale * F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(1, 2)
        logits = logits.masked_fill(~valid[:, None], float("-inf"))
        return torch.logsumexp(logits, -1) - torch.diagonal(logits, dim1=1, dim2=2)

    def loss():
        image = v.mean(1)
        text = (t * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)
        logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
        whole = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        s = t @ v.transpose(1, 2)
        low, high = s.amin(-1, keepdim=True), s.amax(-1, keepdim=True)
        s = (s - low) / (high - low)
        s = torch.where(s < 1 / P, 0.0, s)
        grouped = (s / s.sum(-1, keepdim=True)) @ v
        rows = torch.where(valid, contrast(grouped, t) + contrast(t, grouped), 0.0)
        return 0.5 * whole + (rows * share).sum()

    def call():
        for x in (v, t, scale):
            x.grad = None
        value = loss()
        if gradients:
            value.backward()
        return float(value.detach()), v.grad

    return call


def run(case: str, threads: int) -> Measurement:
    patches, tokens, mask = batch(case)
    gradients = case != "value"
    buffers = {"patches": np.empty_like(patches), "tokens": np.empty_like(tokens)}

    options = dict(text_mask=mask, logit_scale=SCALE, out_grads=buffers if gradients else None)

    def ours():
        out = csparc.sparc_loss(patches, tokens, **options)
        return out.loss, out.grads.get("patches")

    peers = {"csparc": ours}
    try:
        import torch
    except ImportError:
        notes = {"torch": "not installed, so nothing to compare with: pip install 'csparc[bench]'"}
    else:
        torch.set_num_threads(threads)
        theirs = torch_peer(patches, tokens, mask, gradients)
        notes = {"agreement": agreement(ours, theirs)}
        peers[f"torch {torch.__version__.partition('+')[0]} eager"] = theirs
    result = interleave(peers, REPEATS, threads, flop(mask, gradients))
    result.notes = notes
    return result


def agreement(ours, theirs) -> str:
    """Difference of the two values, and of the gradient of the patches where there is one.

    Of 2.8 million similarities one may lie so near the threshold that the two round it to different
    sides; the gradients then differ by 1e-4 instead of a few 1e-7.
    """
    (value, gradient), (other, other_gradient) = ours(), theirs()
    text = f"losses differ by {abs(value / other - 1):.1e}"
    if gradient is not None:
        error = np.linalg.norm(gradient - other_gradient.numpy()) / np.linalg.norm(gradient)
        text += f", gradients of the patches by {error:.1e}"
    return text + " (relative)"


if __name__ == "__main__":
    main(__file__, run, ["full", "captions", "value"], __doc__.split("\n")[0])
