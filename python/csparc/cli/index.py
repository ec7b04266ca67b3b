"""``csparc index``: make an index of pictures, or bring one up to date."""

from __future__ import annotations

import argparse

from csparc.cli import common
from csparc.search.options import FORMS


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "index",
        parents=[shared],
        help="make an index of pictures, or bring one up to date",
        description="Encode pictures into an index that csparc search and csparc browse read. Run "
        "again, it encodes what is new or changed alone, and drops what is gone; interrupted, it "
        "goes on where it was. The pictures of a folder need no captions.",
    )
    common.add_checkpoint(parser)
    common.add_data(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the index")
    common.add_columns(parser)
    common.add_outside(parser)
    common.add_max_pixels(parser)
    parser.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N")
    parser.add_argument(
        "--overwrite", action="store_true", help="encode anew what another model encoded"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="open every file, also where size and time of change are as before",
    )
    parser.add_argument(
        "--export",
        choices=FORMS,
        help="also write export.parquet (needs csparc[parquet]), or export.npy and export.jsonl, "
        "for a vector database",
    )
    common.add_precision(parser)
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc._extras import require
    from csparc._progress import Progress
    from csparc.cli.session import load_session
    from csparc.search import export_index, open_pictures, update_index

    if arguments.export == "parquet":
        require("pyarrow", extra="parquet")  # before any work is done
    common.use_threads(arguments.threads)
    data = open_pictures(
        arguments.data,
        allow_outside=arguments.allow_outside,
        max_pixels=common.max_pixels(arguments),
        **common.columns(arguments),
    )
    session = load_session(arguments.checkpoint, arguments.precision)
    with Progress("indexing", len(data), "picture") as progress:
        found = update_index(
            session,
            data,
            arguments.out,
            checkpoint=arguments.checkpoint,
            overwrite=arguments.overwrite,
            verify=arguments.verify,
            batch_size=arguments.batch_size,
            progress=progress.to,
        )
    if len(found.problems):
        print(found.problems.summary())
    print(
        f"{found.pictures} pictures: {found.encoded} encoded, {found.recognised} recognised by "
        f"their content, {found.removed} removed, {len(found.problems)} skipped"
    )
    if arguments.export:
        for path in export_index(arguments.out, arguments.export):
            print(path)
    print(arguments.out)
    return 0
