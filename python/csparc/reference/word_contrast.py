"""The word contrast: words against pictures that lack them, pictures against words they lack.

csparc's own objective, of no paper.
"""

from __future__ import annotations

import numpy as np

from csparc.reference.groups import batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def pool_cosines(cosine, pool, scale):
    """(z, dz/dcosine) of cosines [P]: "lse" 1/scale ln mean exp(scale x), "max", or "softmax"
    sum a x with a = softmax(scale x)."""
    if pool == "max":
        slope = np.zeros_like(cosine)
        slope[cosine.argmax()] = 1
        return cosine.max(), slope
    top = cosine.max()
    exponent = np.exp(scale * (cosine - top))
    weights = exponent / exponent.sum()
    if pool == "lse":
        return top + np.log(exponent.mean()) / scale, weights
    z = np.sum(weights * cosine)
    return z, weights * (1 + scale * (cosine - z))


def lacked_words(word_ids, text_mask, groups):
    """{word: [B] bool}: the pictures none of whose captions, or those of their group, has it."""
    known = text_mask & (word_ids >= 0)
    has = {word: ((word_ids == word) & known).any(axis=1) for word in np.unique(word_ids[known])}
    return {word: ~(groups.same @ said) for word, said in has.items()}


def softplus_of_log_sum(logits, own):
    """(ln(1 + sum exp(logits - own)), its gradient by the logits)."""
    differences = np.append(logits - own, 0.0)
    top = differences.max()
    exponent = np.exp(differences - top)
    return top + np.log(exponent.sum()), exponent[:-1] / exponent.sum()


def contrast_scores(z, missing, matches, weight, logit_scale):
    """Sum of the terms of scores z [T, B], tokens by pictures, and its gradient by logit_scale z.

    ``missing`` [T, B]: the picture lacks the token's word; ``matches`` [T, B]: it is the picture of
    the token's caption, or one of its group; ``weight`` [T] of a token with each it matches.
    """
    total, dlogits = 0.0, np.zeros_like(z)
    logits = logit_scale * z
    for t, i in zip(*np.nonzero(matches)):
        half = weight[t] / 2
        pictures, tokens = missing[t], missing[:, i]
        value, slope = softplus_of_log_sum(logits[t, pictures], logits[t, i])
        other_value, other_slope = softplus_of_log_sum(logits[tokens, i], logits[t, i])
        total += half * (value + other_value)
        dlogits[t, pictures] += half * slope
        dlogits[tokens, i] += half * other_slope
        dlogits[t, i] -= half * (slope.sum() + other_slope.sum())
    return total, dlogits


def word_contrast_loss(
    patches,
    tokens,
    word_ids,
    *,
    text_mask=None,
    patch_mask=None,
    logit_scale=1 / 0.07,
    pool="lse",
    pool_scale=5.0,
    words=None,
    lacks=None,
    sets=None,
    groups=None,
    same_group="exclude",
):
    """Mean over tokens t of caption i of half the sum of two terms, with z_ti the pooled cosines of
    token t and the patches of picture i::

        ln(1 + sum over pictures j that lack the word of t of exp(logit_scale (z_tj - z_ti)))
        ln(1 + sum over tokens u whose word picture i lacks of exp(logit_scale (z_ui - z_ti)))

    for patches [B, P, D], tokens [B, L, D] and their words [B, L], negative for none. ``words``
    [B, L]: the tokens that take part. ``lacks`` [B, W]: the words each picture lacks; those of its
    caption and of its group's it has in any case, and these alone where it is left out. ``sets``:
    lists of samples that are contrasted with each other, all by default. Of a group that matches,
    the terms of a token are averaged over its pictures (:mod:`csparc.reference.groups`). Pictures
    without a valid patch are left out, the tokens of their captions contrasted with others.
    """
    patches, tokens = np.asarray(patches, np.float64), np.asarray(tokens, np.float64)
    (B, P, _), L = patches.shape, tokens.shape[1]
    text_mask = np.ones((B, L), bool) if text_mask is None else np.asarray(text_mask, bool)
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)
    word_ids, alive = np.asarray(word_ids), patch_mask.any(axis=1)
    takes_part = text_mask & (word_ids >= 0)
    if words is not None:
        takes_part &= np.asarray(words, bool)
    marked = batch_groups(groups, same_group, B)
    lacked = lacked_words(word_ids, text_mask, marked)
    if lacks is not None:
        lacked = {word: lacked[word] & np.asarray(lacks, bool)[:, word] for word in lacked}
    patch, patch_norm = unit_vector(np.where(patch_mask[..., None], patches, 0.0))
    token, token_norm = unit_vector(np.where(takes_part[..., None], tokens, 0.0))
    sets = [np.arange(B)] if sets is None else [np.asarray(members) for members in sets]
    same = marked.same if marked.positive else np.eye(B, dtype=bool)
    counted = [(same[np.ix_(members, members)] & alive[members]).sum(axis=1) for members in sets]
    total = sum(takes_part[members][count > 0].sum() for members, count in zip(sets, counted))

    value, dscale = 0.0, 0.0
    dpatch, dtoken = np.zeros_like(patch), np.zeros_like(token)
    for members, count in zip(sets, counted):
        place, column = np.nonzero(takes_part[members])
        owner = members[place]
        z, slopes = np.zeros((len(owner), len(members))), {}
        for t, (i, k) in enumerate(zip(owner, column)):
            for q, j in enumerate(members):
                if alive[j]:
                    cosine = patch[j, patch_mask[j]] @ token[i, k]
                    z[t, q], slopes[t, q] = pool_cosines(cosine, pool, pool_scale)
        said = [lacked[word_ids[i, k]][members] for i, k in zip(owner, column)]
        missing = np.array(said, bool).reshape(z.shape) & alive[members]
        matches = same[np.ix_(owner, members)] & alive[members]
        weight = 1 / np.maximum(count[place] * total, 1)
        part, dlogits = contrast_scores(z, missing, matches, weight, logit_scale)
        value += part
        dscale += np.sum(dlogits * z)
        for (t, q), slope in slopes.items():
            i, k, j = owner[t], column[t], members[q]
            dcosine = logit_scale * dlogits[t, q] * slope
            dtoken[i, k] += dcosine @ patch[j, patch_mask[j]]
            dpatch[j, patch_mask[j]] += np.outer(dcosine, token[i, k])
    return Result(
        loss=float(value),
        grads={
            "patches": unit_vector_backward(dpatch, patch, patch_norm),
            "tokens": unit_vector_backward(dtoken, token, token_norm),
            "logit_scale": float(dscale),
        },
    )
