"""Progress of a run on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from csparc._extras import require
from csparc._terminal import escaped, is_terminal

LINE_EVERY_SECONDS = 10.0


class Progress:
    """Shows step, loss, pairs a second and time left.

    Where standard error is lost (a terminal that was closed, a full disk, a reader that left) the
    run goes on, and nothing more is shown.

    Parameters
    ----------
    kind : "auto", "bar", "lines" or "none"
        "auto" is the bar when standard error is a terminal with a size and lines otherwise.
    """

    def __init__(self, kind: str = "auto") -> None:
        if kind == "auto":
            kind = "bar" if is_terminal(sys.stderr) else "lines"
        self.total = 0
        self.kind = kind if sys.stderr is not None else "none"
        self._bar = None
        self._first = self._done = 0
        self._begun = self._shown = time.monotonic()

    def begin(self, done: int, total: int) -> None:
        """Start the clock of a run of ``total`` steps, ``done`` of them behind it."""
        self.total = total
        self._first = self._done = done
        self._begun = self._shown = time.monotonic()
        if self.kind == "bar":
            tqdm = require("tqdm", extra="train").tqdm
            with self._as_far_as_possible():
                self._bar = tqdm(total=self.total, initial=done, unit="step", dynamic_ncols=True)

    def step(self, step: int, loss: float, pairs_per_second: float) -> None:
        """Show a finished step."""
        self._done = step
        if self._bar is not None:
            shown = f"loss {loss:.3f}, {pairs_per_second:.0f} pairs/s"
            with self._as_far_as_possible():
                self._bar.set_postfix_str(shown, refresh=False)
                self._bar.update(1)
        elif self.kind == "lines":
            now = time.monotonic()
            if step == self.total or now - self._shown >= LINE_EVERY_SECONDS:
                self._shown = now
                left = self._seconds_left(now)
                self.say(
                    f"step {step}/{self.total}  loss {loss:.3f}  {pairs_per_second:.0f} pairs/s  "
                    f"{duration(left)} left"
                )

    def say(self, text: str) -> None:
        """Print a line without spoiling the bar."""
        with self._as_far_as_possible():
            if self._bar is not None:
                self._bar.write(escaped(text), file=sys.stderr)
            elif self.kind != "none":
                print(escaped(text), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
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

    def _seconds_left(self, now: float) -> float:
        done = max(1, self._done - self._first)
        return (now - self._begun) / done * (self.total - self._done)


def duration(seconds: float) -> str:
    """Seconds as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
