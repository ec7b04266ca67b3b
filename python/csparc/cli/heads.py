"""The arguments of ``csparc train`` for a run on features, which trains what is above towers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from csparc.cli import common

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.losses import Loss
    from csparc.models import TwoTower

_DECIDED = ("init", "model", "tokenizer", "vocab_size", "aug_scale", "aug_shift", "image_mean",
            "image_std", "image_resize_mode", "cache")  # fmt: skip
"""What the features decide, and an argument cannot."""


def add(group) -> None:
    """Flags of such a run alone."""
    group.add_argument(
        "--fresh-heads",
        action="store_true",
        help="begin with heads drawn by --seed, as the loss needs them, and not with those of the "
        "model whose towers gave the features; --model-opt then may say shared_width, "
        "global_pool, pool_queries and head_activation",
    )


def settle(arguments: argparse.Namespace) -> None:
    """Refuse arguments that have no effect on features, or on pictures.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if arguments.features is None:
        if arguments.fresh_heads:
            raise ValueError("fresh-heads: expected --features beside it, found none")
        return
    for name in _DECIDED:
        found = getattr(arguments, name)
        if found:
            raise ValueError(
                f"{name.replace('_', '-')}: expected none beside --features, which were made with "
                f"a model, its tokenizer and pictures as they are, found {found}"
            )
    if arguments.model_opt and not arguments.fresh_heads:
        raise ValueError(
            "model-opt: expected --fresh-heads beside it with --features: the heads of the model "
            "that gave them are as they are"
        )


def begin(
    arguments: argparse.Namespace, loss: Loss, fields: dict[str, Any], seed: int
) -> tuple[TwoTower, Tokenizer, Preprocess]:
    """The model whose towers gave the features, locked, with its heads or fresh ones; its tokenizer
    and transform."""
    from csparc.features import FrozenFeatures
    from csparc.models import frozen

    trained = FrozenFeatures(arguments.features[0], verify=False).load_model()
    model = trained.model
    if arguments.fresh_heads:
        model = _fresh(model, loss.suited_model(), fields, seed)
    frozen.lock_towers(model)
    common.say(f"training the heads of {model!r}")
    return model, trained.tokenizer, trained.preprocess


def _fresh(model: TwoTower, suited: dict[str, Any], fields: dict[str, Any], seed: int) -> TwoTower:
    """With heads that suit the loss, where they can read these towers."""
    from csparc.models import frozen

    try:
        return frozen.with_heads(model, seed, **{**suited, **fields})
    except ValueError:
        return frozen.with_heads(model, seed, **fields)
