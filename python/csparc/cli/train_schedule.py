"""The arguments of ``csparc train`` that are fields of `csparc.trainer.TrainConfig`.

A flag that is not given leaves the default of its field.
"""

from __future__ import annotations

from dataclasses import fields

from csparc._precision import PRECISIONS
from csparc.cli import common
from csparc.evaluate import TASKS
from csparc.trainer.batch_size import AUTO
from csparc.trainer.config import DUPLICATES, INIT_LEARNING_RATE, PROGRESS, TrainConfig

_TOLD = {
    "warmup": "a tenth of the run, at most 2500",
    "micro_batch": "the whole batch",
    "lr": f"{TrainConfig.lr}; with --init {INIT_LEARNING_RATE}",
}
"""Defaults that are no single number."""


def _batch_size(text: str) -> int | str:
    return text if text == AUTO else common.positive_int(text)


_NUMBERS = (
    (
        "batch_size",
        _batch_size,
        "pairs that are contrasted with each other; auto: as many as memory holds, a power of two",
    ),
    ("lr", float, "peak learning rate"),
    ("wd", float, "weight decay"),
    ("warmup", int, "steps of linear warm-up"),
    ("beta1", float, "of AdamW"),
    ("beta2", float, "of AdamW"),
    ("eps", float, "of AdamW"),
    ("grad_clip_norm", float, "longest gradient"),
    ("scale_min", float, "least scale of the model's logits"),
    ("scale_max", float, "greatest scale, of the model's logits and of those a loss learns"),
    (
        "accum_freq",
        common.positive_int,
        "batches a step; the negatives come from each batch alone: for a larger batch see "
        "--micro-batch",
    ),
    (
        "micro_batch",
        common.positive_int,
        "pairs the towers hold at a time: the gradient of the whole batch from less memory, in "
        "more time",
    ),
    ("seed", int, "decides initial weights, order, captions and augmentation"),
    ("save_frequency", common.positive_int, "steps between checkpoints"),
)
"""Of each number its name, type and meaning."""


def add(group, needs_length: bool) -> None:
    """How long a run is, which ``needs_length`` makes a must, and how it learns."""
    length = group.add_mutually_exclusive_group(required=needs_length)
    length.add_argument(
        "--steps",
        type=common.positive_int,
        metavar="N",
        help="length of the run in optimiser steps",
    )
    length.add_argument(
        "--epochs", type=common.positive_int, metavar="N", help="or in passes over the data"
    )
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    for name, kind, text in _NUMBERS:
        default = _TOLD.get(name, defaults[name])
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            help=f"{text} ({default})",
            metavar="X" if kind is float else "N",
        )
    _add_ways(group)


def _add_ways(group) -> None:
    """How it computes, and what it tells of itself."""
    group.add_argument(
        "--remat",
        action="store_true",
        default=None,
        help="compute transformer blocks again in the backward pass: less memory, more time, the "
        "same bits",
    )
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of the products of linear layers, whose sums and weights stay fp32 (fp32); a loss "
        "has its own, --loss-opt precision=bf16",
    )
    group.add_argument(
        "--duplicates",
        choices=DUPLICATES,
        help="pairs of a batch with equal captions or pictures: negatives of each other, kept out "
        "of one batch, neither negatives nor matches, matches (allow)",
    )
    group.add_argument(
        "--progress",
        choices=PROGRESS,
        help="on standard error: a bar, lines, nothing, or a bar on a terminal and lines "
        f"elsewhere ({TrainConfig.progress})",
    )
    group.add_argument(
        "--profile",
        metavar="FILE",
        help="write where the time of the steps goes, by op and shape: FILE with .json and .html, "
        "and a table on standard error",
    )
    group.add_argument(
        "--cache",
        metavar="DIR",
        help="folder of its own that keeps decoded and resized pictures for later runs (none)",
    )


def add_validation(group) -> None:
    """When it validates, on which figures."""
    group.add_argument(
        "--val-frequency",
        type=int,
        metavar="N",
        help="steps between validations; 0: only at the end (200)",
    )
    group.add_argument(
        "--val-tasks",
        type=lambda text: tuple(name.strip() for name in text.split(",")),
        metavar="NAME[,NAME]",
        help=f"what to evaluate beside retrieval: {', '.join(TASKS)}; with options: "
        "retrieval:score=own. The main figures are logged as val/NAME/FIGURE",
    )
    group.add_argument(
        "--val-best",
        metavar="val/NAME/FIGURE",
        help="the figure whose highest value makes the best checkpoint (default: the mean of both "
        "R@1 of retrieval)",
    )
