"""``csparc browse``: a page on this machine to search an index with."""

from __future__ import annotations

import argparse

from csparc.cli import common
from csparc.cli.search import add_index, open_asked


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "browse",
        parents=[shared],
        help="search pictures on a page of this machine",
        description="Serve a page, to this machine alone, that searches an index (csparc index) "
        "and shows which patches each word of the query selects in what was found. The address "
        "holds a secret: who has it can see the pictures of the index and nothing else.",
    )
    add_index(parser)
    parser.add_argument(
        "--port", type=common.port, default=0, metavar="N", help="default: one that is free"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    common.use_threads(arguments.threads)
    index = open_asked(arguments)
    index.check_root()
    from csparc.search.browse import serve

    with serve(index, arguments.port) as server:
        print(server.address, flush=True)
        common.say(f"{len(index):,} pictures; to this machine alone; Ctrl+C ends it")
        if arguments.open:
            import webbrowser

            webbrowser.open(server.address)
        server.serve_forever()
    return 0
