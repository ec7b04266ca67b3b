"""Duplicates in a batch, several pairs of one group: what the contrastive losses make of them.

Ids mark the groups. Sample j is in the group G_i of sample i when both have the same id of at least
0, and every sample is in its own; a negative id is in no other's. For scores S [B, B] and row i
(columns likewise, over S^T)::

    excluded    loss_i = lse over {i} and all j outside G_i of S_ij  -  S_ii
    positive    loss_i = lse over all j of S_ij  -  1/|G_i| sum over j in G_i of S_ij

with G_i among the candidates of the row. The gradient is the softmax over the candidates less the
target: 1 at i, or 1/|G_i| on G_i; what is excluded has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line


@dataclass(frozen=True)
class Groups:
    """``same`` [B, B]: of one group, as is every pair with itself; whether such pairs match."""

    same: np.ndarray
    positive: bool

    __repr__ = fields_line


def batch_groups(groups, same_group, pairs):
    """The groups of a batch from ids [B], or every pair its own for None."""
    if same_group not in ("exclude", "positive"):
        raise ValueError(f"same_group: expected 'exclude' or 'positive', found {same_group!r}")
    alone = np.eye(pairs, dtype=bool)
    if groups is None:
        return Groups(alone, False)
    ids = np.asarray(groups)
    return Groups(alone | ((ids[:, None] == ids) & (ids >= 0)), same_group == "positive")
