"""Does the local loss look at the picture? Its value on an image's own and on another's patches.

The grouped patch vector of a token is built with that token's own similarities, and its negatives
are the other tokens of the same caption. The loss can therefore be solved by every token picking a
direction of its own among any patches at all. A low local loss alone shows no grounding; the gap
between matched and swapped patches, and the place of the selected patches, do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_BLOCK = 64


def evaluate_grounding(
    patches,
    tokens,
    text_mask,
    *,
    logit_scale: float,
    image_index=None,
    weights_of: Callable | None = None,
) -> dict:
    """Compare the local loss on matched patches with the one on another image's patches.

    Parameters
    ----------
    patches : array [N, P, D]
        Adapted patches of N pairs, as the local loss reads them (not normalised).
    tokens : array [N, L, D]
        Adapted tokens of the same pairs.
    text_mask : bool array [N, L]
        The tokens that enter the local loss.
    logit_scale : float
        The (multiplied) scale of the local logits.
    image_index : integer array [N], optional
        The picture each pair shows; default: all different. The swapped patches of a pair are
        those of the next pair, in order and around the end, that shows another picture.
    weights_of : callable, optional
        ``weights_of(patches, tokens, text_mask) -> [b, L, P]``, the alignment weights; default the
        ones of `csparc.sparc_loss` with its own defaults. Give the loss's options through it.

    Returns
    -------
    dict
        ``matched`` and ``swapped``, each with ``local_loss`` (mean over a caption's tokens, then
        over pairs), ``token_accuracy`` (per cent of tokens nearest to their own grouped patch
        vector, over captions with two tokens or more; ties go to the first), ``zeroed`` (per cent
        of weights that are exactly 0) and ``effective_patches`` (mean of exp(entropy) of a token's
        weights); ``gap`` (swapped minus matched local loss), ``gap_standard_error`` (over pairs);
        ``place_correlation`` (mean over tokens of the correlation between a token's weights on its
        own and on the swapped patches: 1 where it selects the same places whatever they show);
        ``chance_token_accuracy`` and ``chance_local_loss`` (of a model that tells no token from
        another: the mean of ln L over pairs with L tokens); ``patches`` (P) and ``n`` (pairs with
        at least one token).

    Raises
    ------
    ValueError
        Shapes that do not fit, fewer than two pictures, no valid token.

    Notes
    -----
    Twice the forward cost of the local loss; 64 pairs are in memory at a time.
    """
    patches, tokens = np.asarray(patches), np.asarray(tokens)
    mask = np.asarray(text_mask, dtype=bool)
    if (
        patches.ndim != 3
        or tokens.ndim != 3
        or mask.shape != tokens.shape[:2]
        or (len(patches) != len(tokens) or patches.shape[2] != tokens.shape[2])
    ):
        raise ValueError(
            "expected patches [N, P, D], tokens [N, L, D], text_mask [N, L], got shapes "
            f"{patches.shape}, {tokens.shape}, {mask.shape}"
        )
    if not mask.any():
        raise ValueError("text_mask has no valid token: there is no local loss to look at")
    partner = _partners(np.arange(len(patches)) if image_index is None else image_index)
    weights_of = weights_of or _sparc_weights
    rows_of = {"matched": np.arange(len(patches)), "swapped": partner}
    blocks: dict[str, list[_Block]] = {side: [] for side in rows_of}
    agreement = []
    for first in range(0, len(tokens), _BLOCK):
        here = slice(first, first + _BLOCK)
        for side, rows in rows_of.items():
            blocks[side].append(
                _measure(patches[rows[here]], tokens[here], mask[here], logit_scale, weights_of)
            )
        agreement.append(_correlation(*(blocks[side][-1].weights for side in rows_of)))
        for side in rows_of:
            blocks[side][-1].weights = None
    result = {side: _figures(found, mask) for side, found in blocks.items()}
    losses = {side: np.concatenate([b.losses for b in found]) for side, found in blocks.items()}
    result["place_correlation"] = _mean(np.concatenate(agreement))
    live = mask.any(axis=1)
    gaps = (losses["swapped"] - losses["matched"])[live]
    lengths = mask.sum(axis=1)
    several = lengths[lengths >= 2]
    result["gap"] = float(gaps.mean())
    result["gap_standard_error"] = (
        float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan")
    )
    result["chance_token_accuracy"] = 100.0 * len(several) / max(int(several.sum()), 1)
    result["chance_local_loss"] = float(np.log(lengths[live]).mean())
    result["patches"] = patches.shape[1]
    result["n"] = int(live.sum())
    return result


def alignment_scores(weights, inside, outside=None) -> dict:
    """Where the selected patches lie: area under the ROC curve, and the pointing game.

    Parameters
    ----------
    weights : array [T, P]
        Alignment weights of T words.
    inside : bool array [T, P]
        The patches that show what the word names.
    outside : bool array [T, P], optional
        The patches it is compared with, such as those of the other objects; default the rest.

    Returns
    -------
    dict
        ``auc``: mean probability (in per cent, ties count half) that a patch inside weighs more
        than one outside, chance 50. ``pointing``: per cent of words whose heaviest patch (the
        first on a tie) lies inside, over ``n_pointing`` words with an inside; ``pointing_chance``:
        the mean share of patches that is inside. ``n``: the words with an inside and an outside,
        which the area is over. Figures over no word are nan.
    """
    weights = np.asarray(weights, dtype=np.float64)
    inside = np.asarray(inside, dtype=bool)
    outside = ~inside if outside is None else np.asarray(outside, dtype=bool)
    if weights.ndim != 2 or inside.shape != weights.shape or outside.shape != weights.shape:
        raise ValueError(
            "expected weights, inside and outside of one shape [words, patches], got "
            f"{weights.shape}, {inside.shape}, {outside.shape}"
        )
    areas = [
        _area(row[hit], row[miss])
        for row, hit, miss in zip(weights, inside, outside, strict=True)
        if hit.any() and miss.any()
    ]
    named = inside.any(axis=1)
    points = inside[np.arange(len(weights)), weights.argmax(axis=1)][named]
    return {
        "auc": 100.0 * float(np.mean(areas)) if areas else float("nan"),
        "n": len(areas),
        "pointing": 100.0 * float(points.mean()) if named.any() else float("nan"),
        "pointing_chance": 100.0 * float(inside[named].mean()) if named.any() else float("nan"),
        "n_pointing": int(named.sum()),
    }


def _area(inside: np.ndarray, outside: np.ndarray) -> float:
    difference = inside[:, None] - outside[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def _partners(image_index) -> np.ndarray:
    """For each pair, the next one around that shows another picture."""
    index = np.asarray(image_index)
    n = len(index)
    if n < 2 or (index == index[0]).all():
        raise ValueError("patches of another image are needed: give pairs of two pictures or more")
    partner = np.empty(n, dtype=np.int64)
    for i in range(n):
        j = (i + 1) % n
        while index[j] == index[i]:
            j = (j + 1) % n
        partner[i] = j
    return partner


def _sparc_weights(patches, tokens, text_mask):
    from csparc import sparc_loss

    return sparc_loss(patches, tokens, text_mask=text_mask, return_weights=True).weights


@dataclass
class _Block:
    """Some pairs on one side: losses [b]; of each valid token whether it is told apart (nan in a
    caption of one token), how many of its weights are 0, how far they spread, and the weights."""

    losses: np.ndarray
    right: np.ndarray
    zeroed: np.ndarray
    spread: np.ndarray
    weights: np.ndarray | None


def _measure(patches, tokens, valid, scale, weights_of) -> _Block:
    weights = np.asarray(weights_of(patches, tokens, valid), dtype=np.float64)
    losses, right = _contrast(_local_logits(weights, patches, tokens, scale), valid)
    alone = valid.sum(axis=1, keepdims=True) < 2
    rows = weights[valid]
    positive = np.where(rows > 0, rows, 1.0)
    return _Block(
        losses=losses,
        right=np.where(alone, np.nan, right)[valid],
        zeroed=(rows == 0).mean(axis=1),
        spread=np.exp(-(positive * np.log(positive)).sum(axis=1)),
        weights=rows,
    )


def _figures(blocks: list[_Block], mask: np.ndarray) -> dict:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(block, name) for block in blocks])

    return {
        "local_loss": float(joined("losses")[mask.any(axis=1)].mean()),
        "token_accuracy": 100.0 * _mean(joined("right")),
        "zeroed": 100.0 * _mean(joined("zeroed")),
        "effective_patches": _mean(joined("spread")),
    }


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the rows of two [T, P] arrays, nan where a row is constant."""
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    flat = lengths <= 1e-15
    return np.where(flat, np.nan, (one * other).sum(axis=1) / np.where(flat, 1.0, lengths))


def _mean(values: np.ndarray) -> float:
    """The mean over what is not nan; nan over nothing."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _local_logits(weights, patches, tokens, scale) -> np.ndarray:
    """Scaled cosines [b, L, L]: grouped patch vector j of a caption against its token k."""
    grouped = _unit(weights @ patches.astype(np.float64))
    return scale * (grouped @ _unit(tokens.astype(np.float64)).transpose(0, 2, 1))


def _contrast(logits: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric cross-entropy of each caption [b], and which tokens [b, L] are found first."""
    both = valid[:, :, None] & valid[:, None, :]
    scores = np.where(both, logits, -np.inf)
    right = np.where(valid, scores.argmax(axis=2), -1) == np.arange(valid.shape[1])
    total = np.zeros(len(valid))
    diagonal = np.where(valid, np.diagonal(logits, axis1=1, axis2=2), 0.0)
    for axis in (1, 2):
        peak = np.where(valid, scores.max(axis=axis), 0.0)
        shifted = np.where(both, logits - np.expand_dims(peak, axis), -np.inf)
        sums = np.where(valid, np.exp(shifted).sum(axis=axis), 1.0)
        total += np.where(valid, peak + np.log(sums) - diagonal, 0.0).sum(axis=1)
    return total / np.maximum(2 * valid.sum(axis=1), 1), right


def _unit(x: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(norms > 0, norms, 1.0)
