"""Does the local loss look at the picture? What it aligns on an image's own and another's patches.

The grouped patch vector of a token is built with that token's own similarities, and its negatives
in SPARC's local loss are the other tokens of the same caption. That loss can therefore be solved by
every token picking a direction of its own among any patches at all. A low local loss alone shows no
grounding; the gap between matched and swapped patches, and the place of the selected patches, do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc.evaluate.figure import mean
from csparc.evaluate.figures import mean_known
from csparc.evaluate.grounding_figures import SIDES, GroundingFigures
from csparc.evaluate.token_contrast import token_contrast
from csparc.losses import SparcLoss
from csparc.losses.explains import Alignment
from csparc.losses.foreign import as_loss

_BLOCK = 64


def evaluate_grounding(
    patches,
    tokens,
    text_mask,
    *,
    logit_scale: float,
    image_index=None,
    patch_rows=None,
    text_global=None,
    loss: Any = None,
    rule: str = "own",
) -> dict:
    """Compare what a loss aligns on matched patches with what it aligns on another image's.

    Parameters
    ----------
    patches : array [N, P, D]
        Adapted patches of N pairs, as the local loss reads them (not normalised); with
        ``patch_rows`` those of M pictures [M, P, D].
    tokens : array [N, L, D]
        Adapted tokens of the same pairs.
    text_mask : bool array [N, L]
        The tokens that enter the local loss.
    logit_scale : float
        The (multiplied) scale of the local logits.
    image_index : integer array [N], optional
        The picture each pair shows; default ``patch_rows``, or all different. The swapped patches
        of a pair are those of the next pair, in order and around the end, that shows another
        picture.
    patch_rows : integer array [N], optional
        The row of ``patches`` of each pair, where several captions share a picture; default its
        own number.
    text_global : array [N, D], optional
        Vectors of the captions; PACL weighs by them.
    loss : object, optional
        The loss the model was trained with: the weights are those it aligns by
        (`csparc.losses.explains`). Default `csparc.SparcLoss` with its own defaults.
    rule : {"own", "sparc"}
        ``"sparc"``: SPARC's weights whatever the loss.

    Returns
    -------
    dict
        ``weights``, what was measured: ``rule``, ``title``, ``notes``, ``of`` (words or captions)
        and ``trained`` (whether the loss trains such weights).
        ``matched`` and ``swapped``, each with ``local_loss`` (SPARC's contrast of a caption's
        tokens with the patches these weights group; mean over a caption's tokens, then
        over pairs), ``token_accuracy`` (per cent of tokens nearest to their own grouped patch
        vector, over captions with two tokens or more; ties go to the first), ``zeroed`` (per cent
        of weights that are exactly 0) and ``effective_patches`` (mean of exp(entropy) of a token's
        weights, as shares of their sum); ``gap`` (swapped minus matched local loss),
        ``gap_standard_error`` (over pairs); ``place_correlation`` (mean over tokens of the
        correlation between a token's weights on its own and on the swapped patches: 1 where it
        selects the same places whatever they show);
        ``chance_token_accuracy`` and ``chance_local_loss`` (of a model that tells no token from
        another: the mean of ln L over pairs with L tokens); ``patches`` (P) and ``n`` (pairs with
        at least one token). Where weights are of whole captions, nothing tells words apart: what
        needs that (losses, accuracies, gap and their chance) is None.

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
    own = _rows_of_patches(patches, tokens, mask, patch_rows)
    shown = own if image_index is None else np.asarray(image_index)
    if not mask.any():
        raise ValueError("text_mask has no valid token: there is no local loss to look at")
    partner = partners(shown)
    texts = None if text_global is None else np.asarray(text_global)
    loss = SparcLoss() if loss is None else as_loss(loss)
    rows_of = dict(zip(SIDES, (own, own[partner])))
    blocks: dict[str, list[_Block]] = {side: [] for side in rows_of}
    for first in range(0, len(tokens), _BLOCK):
        here = slice(first, first + _BLOCK)
        for side, rows in rows_of.items():
            found = loss.alignment(
                patches[rows[here]], tokens[here], text_mask=mask[here], rule=rule,
                text_global=None if texts is None else texts[here],
            )  # fmt: skip
            blocks[side].append(
                _measure(found, patches[rows[here]], tokens[here], mask[here], logit_scale)
            )
        blocks["matched"][-1].alike = _correlation(*(blocks[side][-1].weights for side in rows_of))
        for side in rows_of:
            blocks[side][-1].weights = None
    by_word = found.weights.ndim == 3
    kept = _items(blocks, mask, shown, by_word)
    result = GroundingFigures({"weights": found.about(), "matched": {}, "swapped": {}})
    for side in SIDES:
        result[side] = {name: _mean_of(kept, f"{side}.{name}") for name in _OF_A_SIDE}
    result["place_correlation"] = _mean_of(kept, "place_correlation")
    result |= {"gap": _mean_of(kept, "gap")} | _references(kept, mask, by_word)
    result["patches"] = patches.shape[1]
    result["n"] = int(mask.any(axis=1).sum())
    result.of_items = kept
    return result


_OF_A_SIDE = ("local_loss", "token_accuracy", "zeroed", "effective_patches")


def _items(
    blocks: dict[str, list[_Block]], mask: np.ndarray, shown: np.ndarray, by_word: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By figure what each pair or word gave and the picture it shows, without what is nan; no
    losses and accuracies where words have no weights of their own."""
    live = mask.any(axis=1)
    pairs = shown[live]
    rows = np.repeat(shown, mask.sum(axis=1)) if by_word else pairs

    def joined(side: str, name: str) -> np.ndarray:
        return np.concatenate([getattr(block, name) for block in blocks[side]])

    def known(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = ~np.isnan(values)
        return values[there], rows[there]

    found = {"place_correlation": known(joined("matched", "alike"))}
    for side in SIDES:
        found[f"{side}.zeroed"] = known(100.0 * joined(side, "zeroed"))
        found[f"{side}.effective_patches"] = known(joined(side, "spread"))
        if by_word:
            found[f"{side}.local_loss"] = joined(side, "losses")[live], pairs
            found[f"{side}.token_accuracy"] = known(100.0 * joined(side, "right"))
    if by_word:
        losses = [found[f"{side}.local_loss"][0] for side in SIDES]
        found["gap"] = losses[1] - losses[0], pairs
    return found


def _mean_of(kept: dict[str, tuple[np.ndarray, np.ndarray]], path: str) -> float | None:
    """A figure from its items; None where it needs what the weights do not tell apart."""
    return mean(kept[path][0]) if path in kept else None


def _references(
    kept: dict[str, tuple[np.ndarray, np.ndarray]], mask: np.ndarray, by_word: bool
) -> dict:
    """How sure the gap of the pairs' losses is, and what chance would give; None where words have
    no weights."""
    names = ("gap_standard_error", "chance_token_accuracy", "chance_local_loss")
    if not by_word:
        return dict.fromkeys(names)
    lengths, gaps = mask.sum(axis=1), kept["gap"][0]
    several = lengths[lengths >= 2]
    error = float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan")
    accuracy = 100.0 * len(several) / max(int(several.sum()), 1)
    return dict(zip(names, (error, accuracy, float(np.log(lengths[lengths > 0]).mean()))))


def words_alike(rankings: Sequence[np.ndarray]) -> float:
    """Whether the words of one caption select different patches: ``rankings[b]`` [T, P] of its T
    words. Returns the mean correlation between two of them, over captions: 1 where all words of a
    caption weigh the patches alike; nan where no caption has two words with differing weights."""
    means = []
    for rows in rankings:
        first, second = np.triu_indices(len(rows), 1)
        means.append(mean_known(_correlation(rows[first], rows[second])))
    return mean_known(np.array(means))


def _rows_of_patches(patches, tokens, mask, patch_rows) -> np.ndarray:
    """The row of ``patches`` of each pair, where the arrays fit each other."""
    shapes = f"{patches.shape}, {tokens.shape}, {mask.shape}"
    if (
        patches.ndim != 3
        or tokens.ndim != 3
        or mask.shape != tokens.shape[:2]
        or (patch_rows is None and len(patches) != len(tokens))
        or patches.shape[2] != tokens.shape[2]
    ):
        raise ValueError(
            "expected patches [N, P, D], tokens [N, L, D], text_mask [N, L], got shapes " + shapes
        )
    if patch_rows is None:
        return np.arange(len(patches))
    rows = np.asarray(patch_rows)
    if rows.shape != (len(tokens),) or rows.dtype.kind not in "iu":
        raise ValueError(
            f"patch_rows: expected an integer for each of {len(tokens)} pairs, found {rows.dtype} "
            f"{rows.shape}"
        )
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(patches):
        raise ValueError(
            f"patch_rows: expected rows of {len(patches)} pictures, found {rows.min()} to "
            f"{rows.max()}"
        )
    return rows


def partners(image_index) -> np.ndarray:
    """For each pair, the next one around that shows another picture."""
    index = np.asarray(image_index)
    n = len(index)
    if n < 2 or (index == index[0]).all():
        raise ValueError(
            "image_index: expected pairs of two pictures or more, for words are measured on the "
            f"patches of another image, too; found {n} pairs of {min(n, 1)} picture"
        )
    partner = np.empty(n, dtype=np.int64)
    for i in range(n):
        j = (i + 1) % n
        while index[j] == index[i]:
            j = (j + 1) % n
        partner[i] = j
    return partner


@dataclass
class _Block:
    """Some pairs on one side: losses [b]; of each valid token whether it is told apart (nan in a
    caption of one token), how many of its weights are 0, how far they spread, and the weights;
    ``alike``: whether they lie at the places of those on the other side.
    Where weights are of captions, of each caption with a valid token, and nothing is told apart."""

    losses: np.ndarray
    right: np.ndarray
    zeroed: np.ndarray
    spread: np.ndarray
    weights: np.ndarray | None
    alike: np.ndarray | None = None


def _measure(found: Alignment, patches, tokens, valid, scale) -> _Block:
    weights = np.asarray(found.weights, dtype=np.float64)
    if weights.ndim == 3:
        losses, right = token_contrast(weights, patches, tokens, valid, scale)
        alone = valid.sum(axis=1, keepdims=True) < 2
        right, rows = np.where(alone, np.nan, right)[valid], weights[valid]
    else:
        rows = weights[valid.any(axis=1)]
        losses, right = np.full(len(weights), np.nan), np.full(len(rows), np.nan)
    return _Block(losses, right, (rows == 0).mean(axis=1), effective_patches(rows), rows)


def effective_patches(rows: np.ndarray) -> np.ndarray:
    """exp(entropy) [T] of weights [T, P] by their sum: as many equal ones spread alike."""
    total = rows.sum(axis=1, keepdims=True)
    shares = rows / np.where(total > 0, total, 1.0)
    positive = np.where(shares > 0, shares, 1.0)
    return np.exp(-(positive * np.log(positive)).sum(axis=1))


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the rows of two [T, P] arrays, nan where a row is constant."""
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    flat = lengths <= 1e-15
    return np.where(flat, np.nan, (one * other).sum(axis=1) / np.where(flat, 1.0, lengths))
