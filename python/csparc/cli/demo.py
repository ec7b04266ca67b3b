"""``csparc demo``: train a small model, evaluate it, write a page that shows what it learned."""

from __future__ import annotations

import argparse
import os
import tempfile
import textwrap
import time
from pathlib import Path

from csparc.cli import common, loss_arguments
from csparc.cli.output import tell as say  # standard output holds the page's path alone
from csparc.losses.registry import DEFAULT

FULL_STEPS, QUICK_STEPS = 6000, 700
"""Of 64 pairs: about five minutes, and about one, at 0.045 s a step (two cores of Zen 4)."""
BATCH_SIZE = 64
LEARNING_RATE = 1e-3
FOLDER = "csparc-demo"
ABOUT = (
    "Train preset nano on generated scenes (or on your pictures), evaluate it, and write one HTML "
    "page with the results. The last line printed is its path. The number of steps is fixed, so a "
    "seed gives the same result on every run; a slower machine, or a loss that costs more than "
    "SPARC (gloria most), takes longer. --minutes fits the steps to the machine instead."
)


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "demo",
        parents=[shared],
        help="train a small model and show what it learned",
        description=textwrap.fill(ABOUT, 80),
        epilog=loss_arguments.loss_options(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common.add_data(
        parser,
        required=False,
        help="your own pictures, such as folder:photos; a tenth is held out "
        "(default: generated scenes)",
    )
    common.add_max_pixels(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"folder for the page and the run (default {FOLDER} here, with another loss "
        f"{FOLDER}-LOSS, or a temporary folder where that cannot be written)",
    )
    loss_arguments.add_loss(parser)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="about one minute instead of five")
    length.add_argument(
        "--steps",
        type=common.positive_int,
        metavar="N",
        help=f"training steps (default {FULL_STEPS})",
    )
    length.add_argument(
        "--minutes",
        type=common.positive_float,
        metavar="M",
        help="choose the steps by timing a few, to train for about M minutes",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.demo.page.page import write_page
    from csparc.demo.plan import DemoPlan
    from csparc.demo.run import demonstrate
    from csparc.losses.registry import make_loss

    if arguments.max_pixels is not None and arguments.data is None:
        raise ValueError("--max-pixels: has no effect without --data")
    make_loss(arguments.loss, arguments.loss_opt)  # refuses a wrong name before a folder is made
    out = output_folder(arguments.out, arguments.loss)
    threads = common.use_threads(arguments.threads)
    steps = arguments.steps or (QUICK_STEPS if arguments.quick else FULL_STEPS)
    plan = DemoPlan(
        data=arguments.data,
        max_pixels=arguments.max_pixels,
        out=out,
        steps=steps,
        minutes=arguments.minutes,
        batch_size=BATCH_SIZE,
        lr=LEARNING_RATE,
        seed=arguments.seed,
        threads=threads,
        loss=arguments.loss,
        loss_options=tuple(arguments.loss_opt),
    )
    begun = time.monotonic()
    result = demonstrate(plan, say)
    path = write_page(result, out / "index.html")
    say(f"done in {time.monotonic() - begun:.0f} s; the page:")
    print(path)
    return 0


def output_folder(wanted: str | None, loss: str = DEFAULT) -> Path:
    """The folder to write to, made and known to be writable.

    Without a wish it is ``csparc-demo`` here, with another loss ``csparc-demo-LOSS``; where that
    fails, a temporary folder, and a line says so. A wished-for folder that cannot be written to is
    an error.
    """
    name = FOLDER if loss == DEFAULT else f"{FOLDER}-{loss.replace('+', '-')}"
    folder = Path(wanted or name).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "cannot be written to", str(folder))
    except OSError as error:
        if wanted is not None:
            raise
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        say(f"{error.filename or name}: {error.strerror}; writing to {folder} instead")
    return folder
