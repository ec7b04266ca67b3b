"""Calls of the tokenizers library, whose panics are no `Exception` and print a page each."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import TypeVar

from csparc.errors import CsparcError

R = TypeVar("R")

PARALLELISM = "TOKENIZERS_PARALLELISM"
"""The library's own switch: "false" lets it work in the calling thread alone."""


class LibraryPanic(CsparcError, RuntimeError):
    """The library met what it does not expect; the message is its own."""


def call(function: Callable[..., R], *arguments: object) -> R:
    """``function(*arguments)`` of the library, once more without threads where it gets none; an
    object that saw the panic cannot be used again, so the function makes its own.

    Raises
    ------
    LibraryPanic
        Instead of its panic, of which nothing is printed.
    """
    try:
        with panics_raised(), _silent():
            return function(*arguments)
    except LibraryPanic as panic:
        if "thread pool" not in str(panic) or os.environ.get(PARALLELISM) == "false":
            raise
    os.environ[PARALLELISM] = "false"
    with panics_raised(), _silent():
        return function(*arguments)


@contextlib.contextmanager
def panics_raised() -> Iterator[None]:
    """Turn a panic, which passes every ``except Exception``, into a `LibraryPanic`."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise LibraryPanic(f"the tokenizers library stopped: {error}") from None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Hold back what is written to standard error, and let it through unless a panic is raised."""
    try:
        before = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(before, 2)
            held.seek(0)
            with contextlib.suppress(OSError):
                os.write(2, held.read())
    finally:
        os.close(before)
