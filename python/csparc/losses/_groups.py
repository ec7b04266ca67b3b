"""Which pairs of a batch are duplicates: ids from a caller, as the core reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._arrays import describe, packed, to_numpy
from csparc._repr import fields_line
from csparc._scalars import choice

SAME_GROUP = ("exclude", "positive")


@dataclass(frozen=True)
class Groups:
    """Ids int64 [B], negative for none, or None where no two pairs share one."""

    ids: np.ndarray | None
    positive: bool

    __repr__ = fields_line

    @property
    def for_core(self) -> tuple[np.ndarray | None, bool]:
        return self.ids, self.positive


NO_GROUPS = Groups(None, False)


def read_groups(groups: object, same_group: str, pairs: int) -> Groups:
    """Check the arguments ``groups`` and ``same_group`` of a loss on so many pairs."""
    positive = choice(same_group, "same_group", SAME_GROUP) == 1
    if groups is None:
        return NO_GROUPS
    given = to_numpy(groups, "groups")
    expected = f"{pairs} whole numbers, one a pair, equal within a group"
    if given.dtype.kind not in "iu":
        raise TypeError(f"groups: expected {expected}, found {describe(given)}")
    if given.shape != (pairs,):
        raise ValueError(f"groups: expected {expected}, found {describe(given)}")
    if given.dtype == np.uint64:  # may hold more than int64 does
        given = np.unique(given, return_inverse=True)[1]
    ids = packed(given, np.int64)
    marked = ids[ids >= 0]
    if len(np.unique(marked)) == len(marked):
        return NO_GROUPS
    return Groups(ids, positive)
