"""``csparc train``: train a model on pictures with captions."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_type_hints

from csparc._precision import PRECISIONS
from csparc.cli import common, fine_tuning, heads, loss_arguments, train_sources
from csparc.errors import TrainingError
from csparc.evaluate import TASKS
from csparc.trainer.batch_size import AUTO
from csparc.trainer.config import DUPLICATES, INIT_LEARNING_RATE, PROGRESS, TrainConfig

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.transforms import Preprocess
    from csparc.losses import Loss
    from csparc.models import TwoTower
    from csparc.trainer import Trainer

RESIZE_MODES = ("shortest", "longest", "squash")
_TOLD = {
    "warmup": "a tenth of the run, at most 2500",
    "micro_batch": "the whole batch",
    "lr": f"{TrainConfig.lr}; with --init {INIT_LEARNING_RATE}",
}
"""Defaults that are no single number."""


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "train",
        parents=[shared],
        help="train a model on your own pictures",
        description="Train a model. Flags are spelled as in open_clip where it has them.",
        epilog=loss_arguments.loss_options(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser, needs_length: bool = True) -> None:
    """All that a run is told, with ``needs_length`` how long it is, too."""
    train_sources.add(parser)
    common.add_reading(parser)
    parser.add_argument(
        "--csv-hard-negative-key",
        metavar="NAME",
        help="of --train-data, the column of captions that nearly fit and do not, each a negative "
        "of all pictures (default hard_negative or neg_caption, if there; none: not read)",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the run: log.jsonl, checkpoints/"
    )
    parser.add_argument(
        "--resume",
        metavar="latest|FILE",
        help="go on from the last checkpoint in --out, or from FILE",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the run that --out already holds"
    )
    _add_model(parser.add_argument_group("model and loss"))
    fine_tuning.add(parser.add_argument_group("fine-tuning (docs/fine-tuning.md)"))
    heads.add(parser.add_argument_group("on --features"))
    _add_pictures(parser.add_argument_group("pictures"))
    _add_schedule(parser.add_argument_group("training (defaults in brackets)"), needs_length)
    _add_validation(parser.add_argument_group("validation, on --val-data or --val-features"))
    common.add_threads(parser)


def _add_model(group) -> None:
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


def _add_pictures(group) -> None:
    group.add_argument(
        "--aug-scale",
        type=common.share,
        metavar="SHARE",
        help="random resized crops of at least this share of a picture; 1: none "
        "(default 0.9, generated scenes 1)",
    )
    group.add_argument(
        "--aug-shift",
        type=int,
        default=0,
        metavar="PIXELS",
        help="random shifts by up to so many pixels each way (default 0)",
    )
    group.add_argument(
        "--image-mean",
        type=float,
        nargs=3,
        metavar=("R", "G", "B"),
        help="subtracted from pixels in [0, 1] (default CLIP's, or those of --init)",
    )
    group.add_argument(
        "--image-std",
        type=float,
        nargs=3,
        metavar=("R", "G", "B"),
        help="divided into them (default CLIP's, or those of --init)",
    )
    group.add_argument(
        "--image-resize-mode",
        choices=RESIZE_MODES,
        help="for evaluation, and for training without crops (default shortest, or that of --init)",
    )


def _add_schedule(group, needs_length: bool) -> None:
    """One flag a field of TrainConfig; a flag that is not given leaves the field's default."""
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
    for name, kind, text in (
        (
            "batch_size",
            _batch_size,
            "pairs that are contrasted with each other; auto: as many as memory holds, a power of "
            "two",
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
    ):
        default = _TOLD.get(name, defaults[name])
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            help=f"{text} ({default})",
            metavar="X" if kind is float else "N",
        )
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
        f"elsewhere ({defaults['progress']})",
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
        help="folder that keeps decoded and resized pictures for later runs (default: none)",
    )


def _batch_size(text: str) -> int | str:
    return text if text == AUTO else common.positive_int(text)


def _add_validation(group) -> None:
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


def run(arguments: argparse.Namespace) -> int:
    trainer = make_trainer(arguments)
    result = trainer.run()
    if result.interrupted:
        raise KeyboardInterrupt(f"go on with --resume latest --out {arguments.out}")
    if result.validation is not None and result.validation_failed is None:
        for line in trainer.validation.report(result.validation):
            print(line)
    print(arguments.out)
    if result.validation_failed is not None:
        raise TrainingError(
            f"{result.validation_failed}; the run is whole and saved in {arguments.out}: mend the "
            "data, then --resume latest validates it"
        )
    return 0


def make_trainer(arguments: argparse.Namespace) -> Trainer:
    """The run that the arguments describe, before its first step."""
    import csparc
    from csparc.data.transforms import Preprocess
    from csparc.models.factory import configure
    from csparc.trainer import Trainer

    config, loss, overrides = settle(arguments)
    train = training_data(arguments)
    val = train_sources.held_out(arguments)
    common.use_threads(arguments.threads)
    if arguments.features is not None:
        model, tokenizer, plain = heads.begin(arguments, loss, overrides, config.seed)
    elif arguments.init is not None:
        model, tokenizer, plain = fine_tuning.begin(arguments, loss, overrides)
    else:
        tokenizer = _tokenizer(arguments, train, configure(arguments.model, **overrides))
        model = csparc.create_model(
            arguments.model, seed=config.seed, **{"vocab_size": tokenizer.vocab_size, **overrides}
        )
        plain = Preprocess(model.config.image_size)
    preprocess = val_preprocess = plain
    if arguments.features is None:
        preprocess, val_preprocess = _transforms(arguments, train, plain)
    return Trainer(
        model,
        loss,
        train,
        tokenizer=tokenizer,
        val_data=val,
        config=config,
        preprocess=preprocess,
        val_preprocess=val_preprocess,
        loss_specials=arguments.loss_specials,
    )


def training_data(arguments: argparse.Namespace) -> Dataset:
    """What is trained on, opened."""
    return train_sources.opened(arguments)


def untrained(arguments: argparse.Namespace, loss: Loss, overrides: dict[str, Any]) -> TwoTower:
    """The model of settled arguments, without values where it does not begin from weights."""
    import csparc

    if arguments.features is not None:
        return heads.begin(arguments, loss, overrides, 0)[0]
    if arguments.init is not None:
        return fine_tuning.begin(arguments, loss, overrides)[0]
    sizes = {"vocab_size": arguments.vocab_size, **overrides}
    return csparc.create_model(arguments.model, seed=None, **sizes)


def settle(arguments: argparse.Namespace) -> tuple[TrainConfig, Any, dict[str, Any]]:
    """The settings of the run, its loss, and the fields of ModelConfig that differ from a preset or
    from ``--init``, checked; no data are looked at."""
    from csparc.models.factory import configure
    from csparc.trainer import make_loss

    heads.settle(arguments)
    fine_tuning.settle(arguments)
    given = {field.name: getattr(arguments, field.name) for field in fields(TrainConfig)}
    config = TrainConfig(**{name: value for name, value in given.items() if value is not None})
    loss = make_loss(arguments.loss, arguments.loss_opt)
    overrides = _model_overrides(arguments.model_opt)
    if arguments.init is not None or arguments.features is not None:
        return config, loss, overrides
    overrides = {**loss.suited_model(), **overrides}
    configure(arguments.model, **overrides)
    return config, loss, overrides


def _model_overrides(settings: list[str]) -> dict:
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
    overrides: dict = {}
    for key, value in parse_settings("model-opt", settings, {**plain, **towers}).items():
        side, dot, field = key.partition(".")
        if dot:
            overrides.setdefault(side, {})[field] = value
        else:
            overrides[key] = value
    return overrides


def _transforms(arguments: argparse.Namespace, train: Dataset, plain: Preprocess):
    """(for training, for evaluation), as ``plain`` where the arguments do not say otherwise."""
    from csparc.data.transforms import Preprocess

    given = {
        "mean": arguments.image_mean,
        "std": arguments.image_std,
        "resize_mode": arguments.image_resize_mode,
    }
    settings = plain.config() | {key: value for key, value in given.items() if value is not None}
    scale = arguments.aug_scale
    if scale is None:
        scale = 1.0 if train.generated else 0.9
    evaluation = Preprocess(**settings)
    if scale == 1 and arguments.aug_shift == 0:
        return evaluation, evaluation
    crop = (scale, 1.0) if scale < 1 else None
    varied = {"train": True, "scale": crop, "shift": arguments.aug_shift}
    return Preprocess(**settings | varied), evaluation


def _tokenizer(arguments: argparse.Namespace, train, config):
    """The tokenizer of a file, or one trained on the captions; rows as long as the model's."""
    import csparc
    from csparc.data import tokenizer as tokenizers

    length = config.context_length
    if arguments.tokenizer is not None:
        return csparc.get_tokenizer(arguments.tokenizer, context_length=length)
    return tokenizers.train(
        train.all_captions(), vocab_size=arguments.vocab_size, context_length=length
    )
