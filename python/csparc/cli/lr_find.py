"""``csparc lr-find``: try rising learning rates on what ``csparc train`` would train."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

from csparc.cli import common, loss_arguments, train

JSON_NAME, PLOT_NAME = "lr_find.json", "lr_find.png"


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "lr-find",
        parents=[shared],
        help="suggest a learning rate for a run",
        description="Take the arguments of csparc train, train some steps while the learning rate "
        "rises from --lr-min to --lr-max, and suggest a rate. Nothing of it is kept but "
        f"{JSON_NAME} and {PLOT_NAME} in --out.",
        epilog=loss_arguments.loss_options(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_arguments(parser, needs_length=False)
    group = parser.add_argument_group("the trial")
    group.add_argument(
        "--find-steps",
        type=common.two_or_more,
        default=100,
        metavar="N",
        help="steps, each at a higher rate (default 100)",
    )
    for flag, value, text in (("min", 1e-7, "first"), ("max", 1.0, "last")):
        group.add_argument(
            f"--lr-{flag}",
            type=common.positive_float,
            default=value,
            metavar="X",
            help=f"the {text} learning rate (default {value:g})",
        )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc._extras import require
    from csparc.checkpoint.folder import check_no_run, write_atomically, write_text_atomically
    from csparc.viz import save
    from csparc.viz.lr_curve import plot_learning_rates

    require("matplotlib.figure", extra="train")
    check_no_run(arguments.out, "the trial")
    if arguments.steps is None and arguments.epochs is None:
        arguments.steps = arguments.find_steps
    trainer = train.make_trainer(arguments)
    found = trainer.find_lr(
        steps=arguments.find_steps, lr_min=arguments.lr_min, lr_max=arguments.lr_max
    )
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found.to_dict(), indent=1, allow_nan=False)
    write_text_atomically(out / JSON_NAME, text)
    picture = io.BytesIO()
    save(plot_learning_rates(found), picture)
    write_atomically(out / PLOT_NAME, lambda file: file.write(picture.getvalue()))
    print(f"{len(found.lr)} steps, from {found.lr[0]:.2g} to {found.lr[-1]:.2g}: {found.ended}")
    if found.suggestion is None:
        print("no learning rate lowered the loss: try others, or more steps")
    else:
        print(f"suggestion: --lr {found.suggestion:g}")
    print(out / JSON_NAME)
    print(out / PLOT_NAME)
    return 0
