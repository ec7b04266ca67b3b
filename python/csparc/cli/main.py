"""``csparc``: reads the arguments, runs one command, turns an error into one line.

Exit codes: 0 done; 2 a wrong argument, file, or missing package; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from csparc._terminal import is_terminal
from csparc._version import __version__
from csparc.cli import (
    align,
    browse,
    convert,
    cost,
    demo,
    encode,
    evaluate,
    export,
    index,
    info,
    lr_find,
    output,
    report,
    search,
    study,
    train,
)
from csparc.errors import CsparcError

COMMANDS = (
    demo, train, lr_find, evaluate, align, index, search, browse, encode, export, convert, study,
    report, cost, info,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named by ``argv`` (default ``sys.argv[1:]``) and return its exit code."""
    with output.guarded():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    _import_first(argv)
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.run is None:
        (arguments.parser or parser).print_help()
        return 0
    try:
        with _short_warnings():
            code = arguments.run(arguments) or 0
        output.flush()
        return code
    except KeyboardInterrupt as interrupt:
        output.tell(f"csparc: interrupted{f': {interrupt}' if str(interrupt) else ''}")
        return 130
    except BrokenPipeError:
        output.discard(sys.stdout)  # whoever read it has left
        return 141
    except (CsparcError, ImportError, OSError, ValueError, MemoryError) as error:
        if arguments.debug:
            raise
        output.tell(f"csparc: {output.one_line(error)}")
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    _add_import(common)
    parser = _Parser(
        prog="csparc",
        description="SPARC (sparse fine-grained contrastive alignment) of images and text.",
        epilog="Begin with: csparc demo",
    )
    parser.add_argument("--version", action="version", version=f"csparc {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    _add_import(parser)
    parser.set_defaults(run=None, parser=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands, common)
    return parser


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--import",
        dest="imported",
        action="append",
        type=_module,
        default=argparse.SUPPRESS,
        metavar="MODULE",
        help="a module to import first, from here or installed, such as one that registers a loss "
        "or a task",
    )


def _module(name: str) -> object:
    """An argparse type: the module of that name; one beside the command's folder comes last."""
    sys.path.append(os.getcwd())
    try:
        return importlib.import_module(name)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise argparse.ArgumentTypeError(f"expected a module, found {name!r}: {found}") from error
    finally:
        sys.path.pop()


def _import_first(argv: Sequence[str] | None) -> None:
    """Import what ``--import`` names before the parser is made: its help lists the losses."""
    early = _Parser(prog="csparc", add_help=False, allow_abbrev=False)
    _add_import(early)
    early.parse_known_args(argv)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage, which is many, is for ``--help``."""

    def error(self, message: str) -> NoReturn:
        said = output.one_line(message)
        self.exit(2, f"{self.prog}: error: {said} ({self.prog} --help)\n")


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Warnings as one line each, without the place in the source that gave them."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where its cache lies is no news
    before = warnings.formatwarning
    erase = "\r\x1b[K" if is_terminal(sys.stderr) else ""  # a bar may stand on the line
    warnings.formatwarning = lambda message, *_: (
        f"{erase}csparc: warning: {output.one_line(message)}\n"
    )
    try:
        yield
    finally:
        warnings.formatwarning = before
