"""How the precision of matrix products is spelled."""

from __future__ import annotations

from csparc._scalars import choice

PRECISIONS = ("fp32", "bf16")
SPELLINGS = (*PRECISIONS, "float32", "bfloat16")


def precision_name(value: object, name: str) -> str:
    """A precision in one spelling."""
    return PRECISIONS[choice(value, name, SPELLINGS) % len(PRECISIONS)]
