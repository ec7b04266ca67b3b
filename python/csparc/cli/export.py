"""``csparc export``: a data set written in another format."""

from __future__ import annotations

import argparse

from csparc.cli import common


def register(commands, shared: argparse.ArgumentParser) -> None:
    from csparc.data.export import WRITERS

    parser = commands.add_parser(
        "export",
        parents=[shared],
        help="write a data set in another format",
        description="Write a data set, such as generated scenes, in a format that other programs "
        "read. Prints the specification that opens what was written.",
    )
    parser.add_argument("data", metavar="SPEC", help="what to write, such as 'scenes:size=100'")
    parser.add_argument("directory", metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--to",
        required=True,
        choices=tuple(WRITERS),
        help="coco has captions and instances; karpathy, karpathy-flickr, token, flickr-csv and "
        "clip-benchmark are lists of captions; lvis has masks of classes, objects365 and "
        "visual-genome-objects their boxes, voc and context labels of pixels, entities and "
        "visual-genome boxes of phrases; imagenet, imagenet-c (corrupted), sugarcrepe and "
        "winoground are made of scenes alone",
    )
    common.add_reading(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc._progress import Progress
    from csparc.data.export import export

    data = common.open_data(arguments.data, arguments)
    with Progress("writing", len(data), "picture") as progress:
        print(export(data, arguments.to, arguments.directory, progress=progress.to))
    return 0
