"""``csparc encode --patches``: what the towers give of a data set, to train heads on."""

from __future__ import annotations

import argparse

from csparc.cli import common
from csparc.features.manifest import DTYPES
from csparc.features.writing import SHARD_SIZE


def add(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with --patches")
    group.add_argument(
        "--patches",
        action="store_true",
        help="write to the folder --out what the towers give of every picture and caption before "
        "adapters and projections, for csparc train --features; run again, it goes on",
    )
    group.add_argument("--dtype", choices=DTYPES, help=f"of what is written (default {DTYPES[0]})")
    group.add_argument(
        "--shard-size",
        type=common.positive_int,
        metavar="N",
        help=f"pictures a file (default {SHARD_SIZE})",
    )
    group.add_argument(
        "--overwrite", action="store_true", help="replace features of another model or data"
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuse arguments that need --patches without it.

    Raises
    ------
    ValueError
    """
    for name in ("dtype", "shard_size", "overwrite"):
        if getattr(arguments, name) and not arguments.patches:
            raise ValueError(f"{name.replace('_', '-')}: expected --patches beside it, found none")


def run(arguments: argparse.Namespace) -> int:
    from csparc._progress import Progress
    from csparc.cli.session import load_session
    from csparc.features import write_features

    common.use_threads(arguments.threads)
    session = load_session(arguments.checkpoint, arguments.precision)
    data = common.open_data(arguments.data, arguments)
    with Progress("encoding", len(data), "picture") as progress:
        manifest, problems = write_features(
            session,
            data,
            arguments.out,
            dtype=arguments.dtype or DTYPES[0],
            shard_size=arguments.shard_size or SHARD_SIZE,
            batch_size=arguments.batch_size,
            source=arguments.checkpoint,
            overwrite=arguments.overwrite,
            progress=progress.to,
        )
    if len(problems):
        print(problems.summary())
    texts = sum(entry.texts for entry in manifest.shards)
    size = sum(entry.nbytes for entry in manifest.shards) / 1e6
    print(
        f"{sum(entry.kept for entry in manifest.shards)} pictures and {texts} texts in "
        f"{len(manifest.shards)} shards, {size:.1f} MB"
    )
    print(arguments.out)
    return 0
