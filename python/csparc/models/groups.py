"""The parameters of a tower in groups, from what reads the input to the projection."""

from __future__ import annotations

import re
from collections.abc import Iterable

SIDES = ("image", "text")
VISUAL = "visual."

_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.")
_FINAL_NORMS = ("ln_post", "ln_final")
BEHIND = ("adapter", "head", "attn_pool", "local_adapter", "local_norm")
"""First words of what comes after the blocks and the norm behind them."""
OF_BOTH = ("logit_scale", "logit_bias")


def is_head(name: str) -> bool:
    """Whether a parameter of this name stands above the towers: in the last group of one, or a
    scale, which belongs to neither."""
    return name in OF_BOTH or name.removeprefix(VISUAL).partition(".")[0] in BEHIND


def tower_groups(names: Iterable[str], side: str) -> list[list[str]]:
    """The names of one tower's parameters, in the groups open_clip locks towers by.

    First what reads the input (patches or tokens, positions, class token, registers, the norm
    before the blocks), then a group for every transformer block, the last one with the norm behind
    it, and at the end what is behind that: the projection, and where there are any the dense layer
    h_v, a pooling head, and the norm and adapter of a local loss. A tower without blocks has the
    norm with the input. The logit scale and its bias belong to neither tower.

    Parameters
    ----------
    names : iterable of str
        Of all parameters of a `csparc.TwoTower`.
    side : {"image", "text"}
    """
    own = [name for name in names if _side(name) == side]
    bare = {name: name.removeprefix(VISUAL) for name in own}
    blocks = {name: int(found[1]) for name in own if (found := _BLOCK.match(bare[name]))}
    count = 1 + max(blocks.values(), default=-1)
    groups: list[list[str]] = [[] for _ in range(count + 2)]
    for name in own:
        first = bare[name].partition(".")[0]
        if name in blocks:
            place = 1 + blocks[name]
        elif first in _FINAL_NORMS:
            place = count
        else:
            place = count + 1 if first in BEHIND else 0
        groups[place].append(name)
    return groups


def lock(parameters: dict, side: str, unlocked: int) -> None:
    """Freeze a tower but for its last ``unlocked`` groups, which are thawed."""
    groups = tower_groups(parameters, side)
    kept = groups[len(groups) - min(unlocked, len(groups)) :]
    for group in groups:
        for name in group:
            parameters[name].requires_grad = group in kept


def depths(names: Iterable[str]) -> dict[str, int]:
    """By parameter, how many groups of its tower come after its own; 0 for those of no tower."""
    names = list(names)
    found = dict.fromkeys(names, 0)
    for side in SIDES:
        groups = tower_groups(names, side)
        found |= {n: len(groups) - 1 - place for place, group in enumerate(groups) for n in group}
    return found


def _side(name: str) -> str | None:
    if name in OF_BOTH:
        return None
    return "image" if name.startswith(VISUAL) else "text"
