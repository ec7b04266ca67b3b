"""``csparc train``: train a model on pictures with captions."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from csparc.cli import (
    common,
    fine_tuning,
    heads,
    loss_arguments,
    train_model,
    train_pictures,
    train_schedule,
    train_sources,
)
from csparc.errors import TrainingError
from csparc.trainer.config import TrainConfig

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.losses import Loss
    from csparc.models import TwoTower
    from csparc.trainer import Trainer


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
    train_model.add(parser.add_argument_group("model and loss"))
    fine_tuning.add(parser.add_argument_group("fine-tuning (docs/fine-tuning.md)"))
    heads.add(parser.add_argument_group("on --features"))
    train_pictures.add(parser.add_argument_group("pictures"))
    train_schedule.add(parser.add_argument_group("training (defaults in brackets)"), needs_length)
    train_schedule.add_validation(
        parser.add_argument_group("validation, on --val-data or --val-features")
    )
    common.add_threads(parser)


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
    init = None
    if arguments.features is not None:
        model, tokenizer, plain = heads.begin(arguments, loss, overrides, config.seed)
    elif arguments.init is not None:
        initial = fine_tuning.begin(arguments, loss, overrides)
        model, tokenizer, plain = initial.model, initial.tokenizer, initial.preprocess
        init = initial.record()
    else:
        tokenizer = train_model.tokenizer_of(
            arguments, train, configure(arguments.model, **overrides)
        )
        model = csparc.create_model(
            arguments.model, seed=config.seed, **{"vocab_size": tokenizer.vocab_size, **overrides}
        )
        plain = Preprocess(model.config.image_size)
    preprocess = val_preprocess = plain
    if arguments.features is None:
        preprocess, val_preprocess = train_pictures.transforms(arguments, train, plain)
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
        init=init,
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
        return fine_tuning.begin(arguments, loss, overrides).model
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
    overrides = train_model.overrides(arguments.model_opt)
    if arguments.init is not None or arguments.features is not None:
        return config, loss, overrides
    overrides = {**loss.suited_model(), **overrides}
    configure(arguments.model, **overrides)
    return config, loss, overrides
