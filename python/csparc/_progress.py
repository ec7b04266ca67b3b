"""Progress of a long loop on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from types import TracebackType

from csparc._extras import require
from csparc._terminal import escaped, is_terminal
from csparc._text import duration

LINE_EVERY_SECONDS = 10.0


class Progress:
    """A context that shows how far a loop has come and how long the rest will take.

    Where standard error is lost (a terminal that was closed, a full disk, a reader that left) the
    work goes on, and nothing more is shown.

    Parameters
    ----------
    what : str
        What the loop does, "encoding".
    total : int, optional
        The items to go through. Where it is not known yet, call `begin` when it is.
    unit : str
        One item, "picture".
    kind : "auto", "bar", "lines" or "none"
        "auto" is the bar when standard error is a terminal with a size and lines otherwise.
    lasting : bool
        Whether the end stays to be read: the bar is left standing, and the last item has its line
        however quick the work was. By default short work leaves nothing behind.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        unit: str = "item",
        *,
        kind: str = "auto",
        lasting: bool = False,
    ) -> None:
        if kind == "auto":
            kind = "bar" if is_terminal(sys.stderr) else "lines"
        self.what, self.total, self.unit, self.lasting = what, total, unit, lasting
        self.kind = kind if sys.stderr is not None else "none"
        self._bar = None
        self._first = 0
        self._begun = self._shown = time.monotonic()

    def begin(self, done: int, total: int) -> None:
        """Start the clock of ``total`` items, ``done`` of them finished before."""
        self.total = total
        self._first = done
        self._begun = self._shown = time.monotonic()
        if self.kind == "bar":
            tqdm = require("tqdm", extra="train").tqdm
            with self._as_far_as_possible():
                self._bar = tqdm(
                    total=total, initial=done, desc=self.what, unit=self.unit, leave=self.lasting,
                    dynamic_ncols=True,
                )  # fmt: skip

    def to(self, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` items are finished, and ``note`` beside it."""
        if self._bar is not None:
            with self._as_far_as_possible():
                self._bar.set_postfix_str(note, refresh=False)
                self._bar.update(done - self._bar.n)
        elif self.kind == "lines":
            now = time.monotonic()
            if now - self._shown >= LINE_EVERY_SECONDS or (self.lasting and done == total):
                self._shown = now
                left = (now - self._begun) / max(1, done - self._first) * (total - done)
                told = [f"{self.what}: {self.unit} {done}/{total}", note, f"{duration(left)} left"]
                self.say(", ".join(filter(None, told)))

    def say(self, text: str) -> None:
        """Print a line without spoiling the bar."""
        with self._as_far_as_possible():
            if self._bar is not None:
                self._bar.write(escaped(text), file=sys.stderr)
            elif self.kind != "none":
                print(escaped(text), file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        if self.total is not None:
            self.begin(0, self.total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            with self._as_far_as_possible():
                self._bar.close()

    @contextlib.contextmanager
    def _as_far_as_possible(self) -> Iterator[None]:
        """Around writing: when it fails, nothing is shown from then on."""
        try:
            yield
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.kind = "none"
            if self._bar is not None:
                self._bar.disable = True
                self._bar = None
