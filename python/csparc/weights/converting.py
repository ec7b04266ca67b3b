"""From one program's files to another's: `csparc convert`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from csparc._scalars import choice
from csparc.models import TwoTower
from csparc.weights import tokens
from csparc.weights.reading import read_own, read_weights
from csparc.weights.source import is_foreign
from csparc.weights.writing import DTYPES, write_checkpoint, write_weights

TARGETS = ("open_clip", "hf", "csparc")


def convert(
    source: str | os.PathLike,
    out: str | os.PathLike,
    to: str,
    *,
    activation: str | None = None,
    tokenizer: str | os.PathLike | None = None,
    dtype: str = "fp32",
    image_size: int | None = None,
    context_length: int | None = None,
) -> tuple[TwoTower, Path]:
    """Read weights, whoever wrote them, and write them as ``to`` lays them out.

    Parameters
    ----------
    source : path
        As `csparc.load_checkpoint` takes it.
    out : path
        "csparc": a file. "open_clip", "hf": a folder that does not exist, or is empty.
    to : {"open_clip", "hf", "csparc"}
    activation, tokenizer, image_size, context_length
        As `csparc.weights.read_weights` takes them. Checkpoints of csparc say their activation.
    dtype : {"fp32", "fp16", "bf16"}
        Of what is written for others; a checkpoint of csparc's is float32.

    Returns
    -------
    TwoTower
    Path
        Of the weights that were written.

    Raises
    ------
    CheckpointError
        Something cannot be read, or has no place in what is written. Nothing was written.
    """
    choice(to, "to", TARGETS)
    choice(dtype, "dtype", tuple(DTYPES))
    if to == "csparc" and dtype != "fp32":
        raise ValueError(f"dtype: expected 'fp32' for a checkpoint of csparc's, found {dtype!r}")
    sizes = {"image_size": image_size, "context_length": context_length}
    if is_foreign(source):
        found = read_weights(source, activation=activation, tokenizer=tokenizer, **sizes)
    else:
        if activation is not None:
            raise ValueError(
                "activation: expected none for a checkpoint of csparc's, which says it"
            )
        found = read_own(source, **sizes)
        if tokenizer is not None:
            found = replace(found, tokenizer=tokens.read(tokenizer, found.model.config))
    beside = {"preprocess": found.preprocess, "tokenizer": found.tokenizer}
    if to == "csparc":
        return found.model, write_checkpoint(found.model, out, **beside)
    return found.model, write_weights(found.model, out, to, dtype=dtype, **beside)
