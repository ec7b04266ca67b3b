"""Progress through a number of items: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType

from csparc._extras import require
from csparc._terminal import is_terminal
from csparc.cli.output import tell

LINE_EVERY_SECONDS = 10.0


class Progress:
    """A context that shows how far a loop over ``total`` items has come, on standard error.

    Without a terminal nothing is printed in the first ten seconds, so that short work is silent.
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self._bar = None
        self._shown = time.monotonic()

    def __enter__(self) -> Progress:
        if is_terminal(sys.stderr):
            tqdm = require("tqdm", extra="train").tqdm
            self._bar = tqdm(
                total=self.total, desc=self.what, unit=self.unit, leave=False, dynamic_ncols=True
            )
        return self

    def to(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` items are finished."""
        if self._bar is not None:
            with contextlib.suppress(OSError):  # what is shown must not end what is done
                self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._shown >= LINE_EVERY_SECONDS:
            self._shown = time.monotonic()
            tell(f"{self.what}: {done} of {total} {self.unit}s")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()
