"""``csparc align``: the alignment picture of one image and one caption."""

from __future__ import annotations

import argparse

from csparc._scalars import sentence
from csparc.cli import common

FORMATS = (".png", ".svg", ".pdf")


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "align",
        parents=[shared],
        help="draw which patches each word selects",
        description="Draw, for every word of a caption, the patches of a picture it selects.",
    )
    common.add_checkpoint(parser)
    parser.add_argument("--image", required=True, metavar="FILE")
    parser.add_argument("--caption", required=True, metavar="TEXT")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE.png",
        help=f"the ending chooses the format: {', '.join(FORMATS)}",
    )
    common.add_max_pixels(parser)
    common.add_weights(parser)
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument(
        "--content-first",
        action="store_true",
        help="draw words such as a and of (English ones are known) after the others",
    )
    common.add_precision(parser)
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = common.check_writable(arguments.out)
    if out.suffix.lower() not in FORMATS:
        raise ValueError(f"out: expected a file ending in {', '.join(FORMATS)}, found {out.name!r}")
    sentence(arguments.caption, "caption")  # before anything is loaded
    from csparc.cli.session import load_session
    from csparc.viz import explain, save

    common.use_threads(arguments.threads)
    found = explain(
        load_session(arguments.checkpoint, arguments.precision),
        arguments.image,
        arguments.caption,
        weights=arguments.weights,
        max_pixels=common.max_pixels(arguments),
    )
    figure = found.plot(theme=arguments.theme, content_first=arguments.content_first)
    with common.writing(out):
        save(figure, out)
    print(out)
    return 0
