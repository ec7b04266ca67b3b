"""What the command line prints: no text steers the terminal, and a failing one ends no work."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from csparc._terminal import escaped


def tell(line: str) -> None:
    """A line on standard error; where that is closed or full, the line alone is lost."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(escaped(line), file=sys.stderr, flush=True)


def one_line(error: BaseException | str) -> str:
    """A message or an error on one line, which names the file an OSError is about."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        name = error.filename
        text = f"{name if isinstance(name, int) else os.fsdecode(name)}: {error.strerror}"
    return escaped(text or type(error).__name__)


class Printed:
    """Standard output that takes any text: what its encoding lacks is written as an escape.

    An OSError of its methods names it; a reader that left stays a BrokenPipeError.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``; line ends and tabs stay as they are."""
        text = escaped(text, keep="\n\t")
        with self._named():
            try:
                return self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                known = text.encode(encoding, "backslashreplace").decode(encoding)
                return self._stream.write(known)

    def flush(self) -> None:
        """Write out what was printed."""
        with self._named():
            self._stream.flush()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            discard(self._stream)
            raise OSError(error.errno, error.strerror, "standard output") from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """While this context is open, printing fails for no text; a lost standard error stays quiet."""
    before = sys.stdout
    if before is not None:
        sys.stdout = Printed(before)
    try:
        yield
    finally:
        sys.stdout = before
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
        except (OSError, ValueError):
            discard(sys.stderr)


def flush() -> None:
    """Write out what was printed, so that a failure is told here and not while Python exits."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard(stream: TextIO) -> None:
    """Send a stream nowhere: Python would fail again while it closes it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
