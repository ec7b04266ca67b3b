"""``csparc train``: train a model on pictures with captions."""

from __future__ import annotations

import argparse

from csparc.cli import common


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "train", parents=[shared], help="train a model on your own pictures",
        description="Train a model. Flags are spelled as in open_clip where it has them.",
    )
    common.add_data(parser, "--train-data")
    common.add_data(parser, "--val-data", required=False,
                    help="held-out pairs for the retrieval figures during training")
    common.add_reading(parser)
    parser.add_argument("--out", required=True, metavar="DIR",
                        help="folder of the run: log.jsonl, checkpoints/")
    parser.add_argument("--resume", metavar="latest|FILE",
                        help="go on from the last checkpoint in --out, or from FILE")
    parser.add_argument("--overwrite", action="store_true",
                        help="replace the run that --out already holds")
    _add_model(parser.add_argument_group("model and loss"))
    _add_schedule(parser.add_argument_group("training"))
    common.add_threads(parser)
    parser.set_defaults(run=run)


def _add_model(group) -> None:
    group.add_argument("--model", default="nano", metavar="NAME",
                       help="a preset (default nano); csparc info lists them")
    group.add_argument("--loss", default="sparc", metavar="NAME", help="sparc (default) or clip")
    group.add_argument("--loss-opt", action="append", default=[], metavar="KEY=VALUE",
                       help="an option of the loss, such as local_weight=5; may be repeated")
    group.add_argument("--tokenizer", metavar="FILE",
                       help="a tokenizer.json, or CLIP's BPE file (.txt.gz); "
                            "default: train one on the captions")
    group.add_argument("--vocab-size", type=common.positive_int, default=8192, metavar="N",
                       help="most entries of the trained tokenizer (default 8192)")


def _add_schedule(group) -> None:
    """One flag a field of TrainConfig; a flag that is not given leaves the field's default."""
    number = common.positive_int
    group.add_argument("--batch-size", type=number, metavar="N")
    length = group.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=number, metavar="N")
    length.add_argument("--epochs", type=number, metavar="N")
    group.add_argument("--lr", type=float, metavar="X", help="peak learning rate")
    group.add_argument("--wd", type=float, metavar="X", help="weight decay")
    group.add_argument("--warmup", type=int, metavar="N", help="steps of linear warm-up")
    group.add_argument("--beta1", type=float, metavar="X")
    group.add_argument("--beta2", type=float, metavar="X")
    group.add_argument("--eps", type=float, metavar="X")
    group.add_argument("--grad-clip-norm", type=float, metavar="X")
    group.add_argument("--accum-freq", type=number, metavar="N",
                       help="batches a step; the negatives come from each batch alone")
    group.add_argument("--seed", type=int, metavar="N")
    group.add_argument("--save-frequency", type=number, metavar="N",
                       help="steps between checkpoints")
    group.add_argument("--val-frequency", type=int, metavar="N", help="steps between validations")


SETTINGS = (
    "batch_size", "steps", "epochs", "lr", "wd", "warmup", "beta1", "beta2", "eps",
    "grad_clip_norm", "accum_freq", "seed", "save_frequency", "val_frequency", "threads", "out",
    "resume", "overwrite",
)  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    import csparc
    from csparc.cli.evaluate import table
    from csparc.trainer import TrainConfig, Trainer, make_loss

    given = {name: getattr(arguments, name) for name in SETTINGS}
    config = TrainConfig(**{name: value for name, value in given.items() if value is not None})
    loss = make_loss(arguments.loss, arguments.loss_opt)
    train = common.open_data(arguments.train_data, arguments)
    val = common.open_data(arguments.val_data, arguments) if arguments.val_data else None
    common.use_threads(arguments.threads)
    tokenizer = _tokenizer(arguments, train)
    model = csparc.create_model(
        arguments.model, vocab_size=tokenizer.vocab_size, seed=config.seed)
    trainer = Trainer(model, loss, train, tokenizer=tokenizer, val_data=val, config=config)
    result = trainer.run()
    if result.interrupted:
        raise KeyboardInterrupt(f"go on with --resume latest --out {arguments.out}")
    if result.validation is not None:
        for line in table(result.validation):
            print(line)
    print(arguments.out)
    return 0


def _tokenizer(arguments: argparse.Namespace, train):
    """The tokenizer of a file, or one trained on the captions; rows as long as the model's."""
    import csparc
    from csparc.data import tokenizer as tokenizers
    from csparc.models.config import preset

    length = preset(arguments.model).context_length
    if arguments.tokenizer is not None:
        return csparc.get_tokenizer(arguments.tokenizer, context_length=length)
    return tokenizers.train(train.all_captions(), vocab_size=arguments.vocab_size,
                            context_length=length)
