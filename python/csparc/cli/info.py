"""``csparc info``: what runs here, and the models with their sizes."""

from __future__ import annotations

import argparse

from csparc.cli import common


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "info", parents=[shared], help="show the configuration and the models",
        description="Without a model: version, BLIS, kernels, threads, and every preset. "
                    "With one: its parameters and memory in detail.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a preset's name")
    parser.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N",
                        help="the batch the memory is stated for (default 64)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    import csparc
    from csparc.models import info

    if arguments.model is None:
        csparc.show_config()
        print()
        print(info.table(batch_size=arguments.batch_size))
    else:
        print(info.describe(arguments.model, batch_size=arguments.batch_size))
    return 0
