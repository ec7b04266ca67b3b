"""The arguments of ``csparc train`` for the model, its loss and its tokenizer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_type_hints

from csparc.cli import common, fine_tuning, loss_arguments

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.models import ModelConfig


def add(group) -> None:
    """Which model, loss and tokenizer."""
    group.add_argument(
        "--model",
        metavar="NAME",
        help=f"a preset (default {fine_tuning.MODEL}, or that of --init); csparc info lists them",
    )
    group.add_argument(
        "--model-opt",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a field of the model's configuration, such as causal=true or "
        "context_length=55; may be repeated",
    )
    loss_arguments.add_loss(group)
    group.add_argument(
        "--tokenizer",
        metavar="FILE",
        help="a tokenizer.json, or CLIP's BPE file (.txt.gz); default: that of --init, or one that "
        "is trained on the captions",
    )
    group.add_argument(
        "--vocab-size",
        type=common.positive_int,
        metavar="N",
        help=f"most entries of the trained tokenizer (default {fine_tuning.VOCAB_SIZE})",
    )
    group.add_argument(
        "--loss-specials",
        action="store_true",
        help="let the begin and end tokens of captions into the local loss "
        "(default: only what stands between them)",
    )


def overrides(settings: list[str]) -> dict:
    """Fields of ModelConfig from ``--model-opt``; the towers' own are ``image.width`` and so on."""
    from csparc._settings import parse_settings
    from csparc.models.config import ModelConfig, TowerConfig

    plain = {
        key: hint for key, hint in get_type_hints(ModelConfig).items() if hint is not TowerConfig
    }
    towers = {
        f"{side}.{key}": hint
        for side in ("image", "text")
        for key, hint in get_type_hints(TowerConfig).items()
    }
    found: dict = {}
    for key, value in parse_settings("model-opt", settings, {**plain, **towers}).items():
        side, dot, field = key.partition(".")
        if dot:
            found.setdefault(side, {})[field] = value
        else:
            found[key] = value
    return found


def tokenizer_of(arguments: argparse.Namespace, train: Dataset, config: ModelConfig) -> Tokenizer:
    """The tokenizer of a file, or one trained on the captions; rows as long as the model's."""
    import csparc
    from csparc.data import tokenizer as tokenizers

    length = config.context_length
    if arguments.tokenizer is not None:
        return csparc.get_tokenizer(arguments.tokenizer, context_length=length)
    return tokenizers.train(
        train.all_captions(), vocab_size=arguments.vocab_size, context_length=length
    )
