"""From one program's files to another's: `csparc convert`."""

from __future__ import annotations

import os
from pathlib import Path

from csparc._scalars import choice
from csparc.checkpoint.checkpoint import load_trained
from csparc.data.transforms import Preprocess
from csparc.models import TwoTower
from csparc.weights import tokens
from csparc.weights.pretrained import find_if_ours
from csparc.weights.reading import read_weights, refitted
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
    source = find_if_ours(source)
    sizes = {"image_size": image_size, "context_length": context_length}
    if is_foreign(source):
        found = read_weights(source, activation=activation, tokenizer=tokenizer, **sizes)
        model, preprocess, words = found.model, found.preprocess, found.tokenizer
    else:
        if activation is not None:
            raise ValueError(
                "activation: expected none for a checkpoint of csparc's, which says it"
            )
        trained = load_trained(source)
        model = refitted(trained.model, image_size, context_length)
        preprocess = Preprocess(**{**trained.metadata.preprocess, "size": model.config.image_size})
        words = trained.tokenizer
        if tokenizer is not None:
            words = tokens.read(tokenizer, model.config)
    beside = {"preprocess": preprocess, "tokenizer": words}
    if to == "csparc":
        return model, write_checkpoint(model, out, **beside)
    return model, write_weights(model, out, to, dtype=dtype, **beside)
