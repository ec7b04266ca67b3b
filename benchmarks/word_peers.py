"""The word contrast as users of torch would write it, in plain forms.

A form takes patches [B, P, D], a vector for each different word [U, D] and the scale, and is closed
over what says which words stand where (`Spoken`). It is so given for nothing what csparc finds out:
which tokens are the same word with the same vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

POOL_SCALE = 5.0
CHUNK = 16
"""Pictures of a chunk."""


@dataclass(frozen=True)
class Spoken:
    """Which words a batch has: row [B, L] of each token in the table, lacked [B, U], and how often
    each word stands in the batch, count [U]."""

    row: Tensor
    lacked: Tensor
    count: Tensor


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def pooled(cosines: Tensor, dim: int) -> Tensor:
    size = cosines.shape[dim]
    return (torch.logsumexp(POOL_SCALE * cosines, dim) - math.log(size)) / POOL_SCALE


def pooled_plainly(cosines: Tensor, dim: int) -> Tensor:
    """Cosines are at most 1: their exp needs no largest one."""
    return torch.log(torch.exp(POOL_SCALE * cosines).mean(dim)) / POOL_SCALE


def einsum_scores(patches: Tensor, words: Tensor, pool: Callable) -> Tensor:
    """[B, U]"""
    return pool(torch.einsum("bpd,ud->bup", unit(patches), unit(words)), 2)


def matmul_scores(patches: Tensor, words: Tensor, pool: Callable) -> Tensor:
    """As one product of two matrices."""
    cosines = unit(patches).flatten(0, 1) @ unit(words).T
    return pool(cosines.view(*patches.shape[:2], -1), 1)


def chunked_scores(patches: Tensor, words: Tensor, pool: Callable) -> Tensor:
    """A few pictures at a time, whose cosines then stay nearer to the processor."""
    return torch.cat([einsum_scores(part, words, pool) for part in patches.split(CHUNK)])


def word_contrast(
    patches: Tensor, words: Tensor, scale: Tensor, spoken: Spoken, scores: Callable
) -> Tensor:
    s = scale * scores(patches, words)
    lacking = s.masked_fill(~spoken.lacked, -math.inf)
    of_words = torch.logsumexp(lacking, 0)
    of_pictures = torch.logsumexp(lacking + torch.log(spoken.count), 1)
    own = s.gather(1, spoken.row)
    first = F.softplus(of_words[spoken.row] - own)
    second = F.softplus(of_pictures[:, None] - own)
    return (first + second).mean() / 2


SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "einsum, logsumexp": partial(einsum_scores, pool=pooled),
    "matmul, logsumexp": partial(matmul_scores, pool=pooled),
    "einsum, log mean exp": partial(einsum_scores, pool=pooled_plainly),
    "matmul, log mean exp": partial(matmul_scores, pool=pooled_plainly),
    "chunks, log mean exp": partial(chunked_scores, pool=pooled_plainly),
}
"""Name of a way to write it -> the scores [B, U] of all pictures with all words."""


def form_of(name: str, spoken: Spoken) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The loss in this form, as a function of patches, words and the scale."""

    def loss(patches: Tensor, words: Tensor, scale: Tensor) -> Tensor:
        return word_contrast(patches, words, scale, spoken, SCORES[name])

    return loss
