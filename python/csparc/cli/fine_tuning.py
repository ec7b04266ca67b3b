"""The arguments of ``csparc train`` for a run that begins from weights: which, and what of them is
trained."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from csparc.cli import common
from csparc.trainer.config import INIT_LEARNING_RATE, TrainConfig

if TYPE_CHECKING:
    from csparc.losses import Loss
    from csparc.trainer.initial import Initial

MODEL, VOCAB_SIZE = "nano", 8192
"""What is made where neither ``--init`` nor another argument says it."""


def add(group) -> None:
    """Flags spelled as open_clip's where it has them."""
    group.add_argument(
        "--init",
        metavar="PATH",
        help="begin from these weights: a checkpoint, a run's folder, or a file or folder of "
        "open_clip's or Hugging Face's; model, tokenizer and pixel values come with it",
    )
    for side, what in (("image", "groups"), ("text", "layers")):
        group.add_argument(
            f"--lock-{side}",
            action="store_true",
            default=None,
            help=f"train nothing of the {side} tower but what one of the next two says",
        )
        unlocked = group.add_mutually_exclusive_group()
        unlocked.add_argument(
            f"--lock-{side}-unlocked-{what}",
            type=int,
            metavar="N",
            help="with it, train the last N groups, as open_clip counts: 1 is the projection, 2 "
            "the last block as well (0)",
        )
        unlocked.add_argument(
            f"--unlock-{side}-blocks",
            dest=f"lock_{side}_unlocked_{what}",
            type=_with_projection,
            metavar="N",
            help="or the last N blocks and what comes after them, one group more",
        )
    group.add_argument(
        "--layer-decay",
        type=float,
        metavar="X",
        help=f"learning rate of a layer over that of the next ({TrainConfig.layer_decay})",
    )
    group.add_argument(
        "--ema",
        type=float,
        metavar="DECAY",
        help="keep averages of the weights, such as 0.999; they are validated and later loaded "
        "(none)",
    )
    group.add_argument(
        "--early-stop",
        type=common.positive_int,
        metavar="PATIENCE",
        help="end after so many validations without a better --val-best (none)",
    )


def _with_projection(text: str) -> int:
    """An argparse type: a number of blocks, as the number of groups that ends with it."""
    return common.positive_int(text) + 1


def settle(arguments: argparse.Namespace) -> None:
    """Fill in what depends on whether there is an ``--init``, and refuse what contradicts it.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if arguments.init is None:
        arguments.model = arguments.model or MODEL
        arguments.vocab_size = arguments.vocab_size or VOCAB_SIZE
        return
    if arguments.vocab_size is not None:
        raise ValueError(
            f"vocab_size: expected none beside --init {arguments.init}, whose tokenizer is used, "
            f"found {arguments.vocab_size}"
        )
    arguments.lr = INIT_LEARNING_RATE if arguments.lr is None else arguments.lr


def begin(arguments: argparse.Namespace, loss: Loss, options: dict[str, Any]) -> Initial:
    """What ``--init`` names; says what it is, and which values of the loss were taken over."""
    from csparc.trainer.initial import read_initial

    initial = read_initial(
        arguments.init, model=arguments.model, tokenizer=arguments.tokenizer, options=options
    )
    common.say(f"beginning from {initial.source}: {initial.model!r}")
    given = {text.partition("=")[0] for text in arguments.loss_opt}
    taken = initial.begin(loss, given)
    if taken:
        common.say(f"the loss begins with its {', '.join(taken)}")
    return initial
