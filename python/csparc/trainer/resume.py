"""Whether a checkpoint belongs to the run that wants to go on from it."""

from __future__ import annotations

from typing import Any

from csparc._text import show
from csparc.checkpoint.checkpoint import Checkpoint
from csparc.checkpoint.metadata import Metadata
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError
from csparc.losses.registry import loss_from_config
from csparc.trainer.config import TrainConfig

MAY_DIFFER = {"steps", "epochs"}
"""Settings a resumed run may change: a longer run follows the longer schedule from here on."""


def check_same_run(
    checkpoint: Checkpoint,
    source: str,
    run: Metadata,
    parameters: set[str],
    averaged: set[str],
) -> None:
    """Refuse a checkpoint whose continuation would not be the run it came from.

    Parameters
    ----------
    checkpoint : Checkpoint
    source : str
        Its path, for messages.
    run : Metadata
        The configurations of the run that asks.
    parameters : set of str
        Names of the parameters the optimiser trains.
    averaged : set of str
        Names of those whose average is kept: all of them, or none.

    Raises
    ------
    CheckpointError
        Naming the first setting that differs, or missing optimiser state.
    """
    saved = checkpoint.metadata
    # Of other captions follow other settings: a vocabulary, a batch size.
    for part in ("training", "validation"):
        _check_data(source, part, saved.data.get(part), run.data.get(part))
    for part in ("model_config", "loss_config", "train_config", "preprocess"):
        found, expected = _completed(part, getattr(saved, part)), getattr(run, part)
        for key in dict.fromkeys([*expected, *found]):
            if part == "train_config" and key in MAY_DIFFER:
                continue
            if found.get(key) != expected.get(key):
                raise CheckpointError(
                    f"{source}: expected {part} {key} = {show(expected.get(key))} as in this run, "
                    f"found {show(found.get(key))}; give the same, or another out"
                )
    if saved.tokenizer != run.tokenizer:
        raise CheckpointError(
            f"{source}: expected the tokenizer of this run, found another one; give the run's own, "
            "or another out (one that is trained on the captions follows from them and its size)"
        )
    if set(checkpoint.first_moment) != parameters or not saved.cursor:
        raise CheckpointError(
            f"{source}: expected the state of the optimiser, found a checkpoint made for use, not "
            "for going on"
        )
    if set(checkpoint.averages) != averaged:
        raise CheckpointError(
            f"{source}: expected averages of {len(averaged)} parameters, as ema asks for, found "
            f"{len(checkpoint.averages)}; give another out"
        )


def _check_data(source: str, part: str, saved: Any, run: dict[str, Any] | None) -> None:
    """Refuse other names or captions. Validation may come or go; a checkpoint may be older than
    such records."""
    if (
        not isinstance(saved, dict)
        or run is None
        or saved.get("fingerprint") in (None, run["fingerprint"])
    ):
        return
    raise CheckpointError(
        f"{source}: expected the {part} data of this run, {run['pictures']} pictures of "
        f"{show(run['spec'])}, found {show(saved.get('pictures'))} of {show(saved.get('spec'))} "
        "with other names or captions; give the same, or another out"
    )


def _completed(part: str, found: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of what is newer than the checkpoint: they are what was done before."""
    if part == "train_config":
        return {**TrainConfig(steps=1).decisive(), **found}
    if part == "preprocess":
        return Preprocess(**found).config()
    if part == "loss_config":
        try:
            loss = loss_from_config(found)
        except (TypeError, ValueError):  # no loss of ours: compared as recorded
            return found
        return found if loss is None else {**loss.config(), **found}
    return found
