"""``csparc demo``: train small models, evaluate them, write a page that shows what they learned."""

from __future__ import annotations

import argparse
import os
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csparc.cli import common, loss_arguments
from csparc.cli.output import tell as say  # standard output holds the page's path alone
from csparc.demo.settings import BOTH, setting_of
from csparc.losses.registry import DEFAULT

if TYPE_CHECKING:
    from csparc.demo.plan import DemoPlan
    from csparc.demo.settings import Setting

BATCH_SIZE = 64
FOLDER = "csparc-demo"
ABOUT = (
    "Train two small models on as many pairs of generated scenes (or of your pictures), "
    "SPARC as the paper states it and the grounded setting, which is ours and not the paper's, "
    "and write one HTML page that shows side by side what their words select and what they find. "
    "About five minutes on two cores. With --loss, that loss alone. The last line printed is the "
    "page's path. The numbers of steps are fixed, so a seed gives the same result on every run; a "
    "slower machine takes longer. --minutes fits the steps to the machine instead."
)


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "demo",
        parents=[shared],
        help="train two small models and show what their words find",
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
        help=f"folder for the page and the runs (default {FOLDER} here, with --loss "
        f"{FOLDER}-LOSS, or a temporary folder where that cannot be written)",
    )
    loss_arguments.add_loss(parser, default=None)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="about one minute instead of five")
    steps = " and ".join(str(one.steps) for one in BOTH)
    length.add_argument(
        "--steps",
        type=common.positive_int,
        nargs="+",
        metavar="N",
        help=f"training steps of each, or of the one and the other (default {steps})",
    )
    length.add_argument(
        "--minutes",
        type=common.positive_float,
        metavar="M",
        help="choose the steps by timing a few, to train for about M minutes in all",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate, write the page, print its path."""
    from csparc.losses.registry import make_loss

    if arguments.max_pixels is not None and arguments.data is None:
        raise ValueError("--max-pixels: has no effect without --data")
    one = arguments.loss or (DEFAULT if arguments.loss_opt else None)
    settings = [setting_of(one, tuple(arguments.loss_opt))] if one else list(BOTH)
    if arguments.steps and len(arguments.steps) not in (1, len(settings)):
        expected = "a number, or one of each of the two" if len(settings) > 1 else "one number"
        raise ValueError(f"--steps: expected {expected}, found {len(arguments.steps)}")
    for setting in settings:  # refuses a wrong name before a folder is made
        make_loss(setting.loss, setting.loss_options)
    out = output_folder(arguments.out, one)
    begun = time.monotonic()
    path = _page(settings, _plans(arguments, settings, out), out / "index.html")
    say(f"done in {time.monotonic() - begun:.0f} s; the page:")
    print(path)
    return 0


def _plans(arguments: argparse.Namespace, settings: Sequence[Setting], out: Path) -> list[DemoPlan]:
    """What is asked for, of each setting."""
    from csparc.demo.plan import DemoPlan

    threads = common.use_threads(arguments.threads)
    usual = [one.quick_steps if arguments.quick else one.steps for one in settings]
    given = arguments.steps or usual
    shared = None if arguments.minutes is None else arguments.minutes / len(settings)
    return [
        DemoPlan(
            data=arguments.data,
            max_pixels=arguments.max_pixels,
            out=out,
            steps=steps,
            minutes=shared,
            batch_size=BATCH_SIZE,
            lr=setting.lr,
            seed=arguments.seed,
            threads=threads,
            model=setting.model,
            loss=setting.loss,
            loss_options=setting.loss_options,
            folder=setting.folder if len(settings) > 1 else "run",
        )
        for setting, steps in zip(settings, given * (len(settings) // len(given)), strict=True)
    ]


def _page(settings: Sequence[Setting], plans: Sequence[DemoPlan], path: Path) -> Path:
    """Run the plans and write their page to ``path``."""
    from csparc.demo.page.page import write_page

    if len(plans) == 1:
        from csparc.demo.run import demonstrate

        return write_page(demonstrate(plans[0], say), path)
    from csparc.demo.compare import compare, write_picture

    result = compare(settings, plans, say)
    write_picture(result, path.with_name("alignment.png"))
    return write_page(result, path)


def output_folder(wanted: str | None, loss: str | None = None) -> Path:
    """The folder to write to, made and known to be writable.

    Without a wish it is ``csparc-demo`` here, of one loss ``csparc-demo-LOSS``; where that
    fails, a temporary folder, and a line says so. A wished-for folder that cannot be written to is
    an error.
    """
    name = FOLDER if loss is None else f"{FOLDER}-{loss.replace('+', '-')}"
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
