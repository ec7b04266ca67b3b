"""The other objectives as users of torch write them, each in one or more plain forms.

A form takes tensors in the order of `objective_batches.OBJECTIVES` and returns the loss. Nothing
here is tuned beyond what torch itself brings; where a loss can be written in several ways, all are
tried and the fastest counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

KEEP, GROUP = 0.2, 64
"""FILIP's share of keys, and samples of the group that chooses them."""
SINKHORN_SMOOTHING, SINKHORN_ROUNDS = 0.05, 3


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def two_cross_entropies(logits: Tensor) -> Tensor:
    """Mean over rows and columns of [..., N, N], whose diagonal entries match."""
    matching = torch.diagonal(logits, dim1=-2, dim2=-1)
    rows = torch.logsumexp(logits, -1) - matching
    columns = torch.logsumexp(logits, -2) - matching
    return (rows.mean(-1) + columns.mean(-1)) / 2


def clip(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    logits = scale * unit(image) @ unit(text).T
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def clip_logsumexp(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    return two_cross_entropies(scale * unit(image) @ unit(text).T)


def siglip(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    logits = scale * unit(image) @ unit(text).T + bias
    sign = 2 * torch.eye(len(logits)) - 1
    return -F.logsigmoid(sign * logits).sum() / len(logits)


def siglip_softplus(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """softplus(-u) = softplus(u) - u takes the sign out of the large matrix."""
    logits = scale * unit(image) @ unit(text).T + bias
    return (F.softplus(logits).sum() - torch.diagonal(logits).sum()) / len(logits)


def pacl_weights(patches: Tensor, text: Tensor, weight_scale: Tensor) -> Tensor:
    """Of every image i for every caption j: [B, B, P]."""
    cosines = unit(text)[None] @ unit(patches).transpose(1, 2)
    return torch.softmax(weight_scale * cosines, -1)


def pacl(patches: Tensor, text: Tensor, scale: Tensor, weight_scale: Tensor) -> Tensor:
    pooled = pacl_weights(patches, text, weight_scale) @ patches
    return two_cross_entropies(scale * F.cosine_similarity(pooled, text[None], dim=-1))


def pacl_gram(patches: Tensor, text: Tensor, scale: Tensor, weight_scale: Tensor) -> Tensor:
    """Lengths of what is pooled from the images' Gram matrices, and one product of two matrices for
    weights and scores: nothing is [B, B, D], no gradient either."""
    similarity = (unit(text) @ patches.flatten(0, 1).T).view(len(text), *patches.shape[:2])
    weights = torch.softmax(weight_scale * similarity / patches.norm(dim=-1), -1)
    along = (weights * similarity).sum(-1).T
    gram = patches @ patches.transpose(1, 2)
    weights = weights.transpose(0, 1)
    length = (weights * (weights @ gram)).sum(-1).sqrt()
    return two_cross_entropies(scale * along / length)


def kept_keys(patches: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the keys [B, kept]: those most similar to anything in their group."""
    best_patches, best_tokens = [], []
    with torch.no_grad():
        for p, t in zip(patches.split(GROUP), tokens.split(GROUP)):
            similarity = p.flatten(0, 1) @ t.flatten(0, 1).T
            best_patches.append(similarity.amax(1).view(p.shape[:2]))
            best_tokens.append(similarity.amax(0).view(t.shape[:2]))
        counts = (math.ceil(KEEP * x.shape[1] - 1e-9) for x in (patches, tokens))
        scores = (torch.cat(best_patches), torch.cat(best_tokens))
        first, second = (s.topk(k, dim=1).indices for s, k in zip(scores, counts))
    return first, second


def filip_local(patches: Tensor, tokens: Tensor, scale: Tensor, maximum: Callable) -> Tensor:
    patches, tokens = unit(patches), unit(tokens)
    indices = kept_keys(patches, tokens)
    width = patches.shape[-1]
    losses = []
    for query, keys, index in zip((patches, tokens), (tokens, patches), reversed(indices)):
        kept = keys.gather(1, index[..., None].expand(-1, -1, width))
        similarity = query.flatten(0, 1) @ kept.flatten(0, 1).T
        best = maximum(similarity.view(*query.shape[:2], *kept.shape[:2]))
        logits = scale * best.mean(1)
        losses.append(F.cross_entropy(logits, torch.arange(len(logits))))
    return sum(losses) / 2


def by_index(x: Tensor) -> Tensor:
    return x.max(-1).values


def by_value(x: Tensor) -> Tensor:
    return x.amax(-1)


def filip(patches: Tensor, tokens: Tensor, scale: Tensor) -> Tensor:
    return filip_local(patches, tokens, scale, by_index)


def filip_amax(patches: Tensor, tokens: Tensor, scale: Tensor) -> Tensor:
    return filip_local(patches, tokens, scale, by_value)


def clip_filip(patches, tokens, image, text, scale, local_scale) -> Tensor:
    return (clip(image, text, scale) + filip(patches, tokens, local_scale)) / 2


def clip_filip_amax(patches, tokens, image, text, scale, local_scale) -> Tensor:
    return (clip(image, text, scale) + filip_amax(patches, tokens, local_scale)) / 2


def gloria_attention(patches: Tensor, words: Tensor, attention_scale: Tensor) -> Tensor:
    """(similarities, attention) [B, B L, P] of every image with every word of the batch."""
    similarity = words[None] @ patches.transpose(1, 2) / math.sqrt(patches.shape[-1])
    return similarity, torch.softmax(attention_scale * similarity, -1)


def gloria_scores(cosines: Tensor, pool_scale: Tensor, B: int) -> Tensor:
    """Images by captions, from cosines [B, B L]."""
    return torch.logsumexp(pool_scale * cosines.view(B, B, -1), -1) / pool_scale


def gloria(patches, tokens, image, text, scale, attention_scale, pool_scale, local_scale) -> Tensor:
    words = tokens.flatten(0, 1)
    _, attention = gloria_attention(patches, words, attention_scale)
    cosines = F.cosine_similarity(attention @ patches, words[None], dim=-1)
    local = two_cross_entropies(local_scale * gloria_scores(cosines, pool_scale, len(tokens)))
    return clip(image, text, scale) + local


def gloria_gram(
    patches, tokens, image, text, scale, attention_scale, pool_scale, local_scale
) -> Tensor:
    """Lengths of contexts from the images' Gram matrices: nothing is [B, B, L, D]."""
    words = tokens.flatten(0, 1)
    similarity, attention = gloria_attention(patches, words, attention_scale)
    along = (attention * similarity).sum(-1) * math.sqrt(patches.shape[-1])
    gram = patches @ patches.transpose(1, 2)
    length = ((attention @ gram) * attention).sum(-1).sqrt()
    cosines = along / (length * words.norm(dim=-1))
    local = two_cross_entropies(local_scale * gloria_scores(cosines, pool_scale, len(tokens)))
    return clip(image, text, scale) + local


def attended(x: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor):
    """One head: x [B, N, D] asks y [B, M, D]."""
    mixed = F.scaled_dot_product_attention(x @ query.T, y @ key.T, y @ value.T)
    return mixed @ out.T


def attended_tiled(x: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor):
    """With an axis of heads torch takes a kernel that keeps no weights."""
    asked = ((z @ w.T)[:, None] for z, w in ((x, query), (y, key), (y, value)))
    return F.scaled_dot_product_attention(*asked)[:, 0] @ out.T


def attended_softmax(x: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor):
    """The same with its softmax written out."""
    logits = (x @ query.T) @ (y @ key.T).transpose(1, 2) / math.sqrt(len(query))
    return (torch.softmax(logits, -1) @ (y @ value.T)) @ out.T


def sinkhorn(scores: Tensor) -> Tensor:
    """Assignments [B, K] whose rows sum to 1 and whose columns are as even as three rounds make."""
    B, K = scores.shape
    shares = torch.exp((scores - scores.max()) / SINKHORN_SMOOTHING)
    shares = shares / shares.sum()
    for _ in range(SINKHORN_ROUNDS):
        shares = shares / (K * shares.sum(0, keepdim=True))
        shares = shares / (B * shares.sum(1, keepdim=True))
    return B * shares


def mgca_with(attend: Callable, patches, tokens, image, text, prototypes, *others) -> Tensor:
    word, patch, (scale, local_scale, prototype_scale) = others[:4], others[4:8], others[8:]
    v, t = unit(patches), unit(tokens)
    local = 0
    for x, y, projections in ((t, v, word), (v, t, patch)):
        asked = unit(attend(x, y, *projections))
        local = local + two_cross_entropies(local_scale * x @ asked.transpose(1, 2)).mean() / 2
    scores = [unit(side) @ prototypes.T for side in (image, text)]
    with torch.no_grad():
        targets = [sinkhorn(side) for side in scores]
    swapped = zip(targets, reversed(scores))
    shared = sum(-(q * F.log_softmax(prototype_scale * s, -1)).sum(-1).mean() for q, s in swapped)
    return clip(image, text, scale) + local + shared / 2


def mgca(*tensors: Tensor) -> Tensor:
    return mgca_with(attended, *tensors)


def mgca_tiled(*tensors: Tensor) -> Tensor:
    return mgca_with(attended_tiled, *tensors)


def mgca_softmax(*tensors: Tensor) -> Tensor:
    return mgca_with(attended_softmax, *tensors)


FORMS: dict[str, dict[str, Callable[..., Tensor]]] = {
    "clip": {"cross_entropy": clip, "logsumexp": clip_logsumexp},
    "siglip": {"logsigmoid": siglip, "softplus": siglip_softplus},
    "pacl": {"pooled": pacl, "Gram": pacl_gram},
    "filip": {"max": filip, "amax": filip_amax},
    "clip_filip": {"max": clip_filip, "amax": clip_filip_amax},
    "gloria": {"pooled": gloria, "Gram": gloria_gram},
    "mgca": {"fused attention": mgca, "tiled attention": mgca_tiled, "softmax": mgca_softmax},
}
"""Objective -> name of a way to write it -> the function."""
