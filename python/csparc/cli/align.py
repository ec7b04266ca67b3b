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
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = common.check_writable(arguments.out)
    if out.suffix.lower() not in FORMATS:
        raise ValueError(f"out: expected a file ending in {', '.join(FORMATS)}, found {out.name!r}")
    sentence(arguments.caption, "caption")  # before anything is loaded
    from csparc.cli.session import load_session
    from csparc.data import images
    from csparc.evaluate.explain import explain
    from csparc.viz import plot_explanation, save

    common.use_threads(arguments.threads)
    session = load_session(arguments.checkpoint)
    picture = images.read(arguments.image, arguments.image, common.max_pixels(arguments))
    view = session.preprocess.fixed(picture)
    found = explain(
        session.model,
        session.tokenizer,
        session.preprocess.normalize(view[None])[0],
        arguments.caption,
        session.loss,
        arguments.weights,
        session.loss_specials,
    )
    figure = plot_explanation(
        session.preprocess, picture, found, arguments.caption, theme=arguments.theme
    )
    with common.writing(out):
        save(figure, out)
    print(out)
    return 0
