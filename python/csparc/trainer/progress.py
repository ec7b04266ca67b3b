"""Progress of a run on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from csparc._extras import require
from csparc._terminal import is_terminal

LINE_EVERY_SECONDS = 10.0


class Progress:
    """Shows step, loss, pairs a second and time left.

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
            self._bar = tqdm(total=self.total, initial=done, unit="step", dynamic_ncols=True)

    def step(self, step: int, loss: float, pairs_per_second: float) -> None:
        """Show a finished step."""
        self._done = step
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"loss {loss:.3f}, {pairs_per_second:.0f} pairs/s", refresh=False
            )
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
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        elif self.kind != "none":
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _seconds_left(self, now: float) -> float:
        done = max(1, self._done - self._first)
        return (now - self._begun) / done * (self.total - self._done)


def duration(seconds: float) -> str:
    """Seconds as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
