"""Ctrl-C and the signals that announce an end, turned into a question asked between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

ASKING = ("SIGINT", "SIGTERM")
"""Signals by which someone asks a program to end; the same one again asks for it at once."""
ANNOUNCING = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
"""A terminal that closes, a scheduler's warning, a limit on processor time: the end comes soon.
They may come several times, which asks for nothing more."""


class StopRequest:
    """While this context is open, the first signal only sets ``signal_name``.

    A second Ctrl-C, or a second SIGTERM, interrupts at once. A signal that is ignored, as nohup
    does, stays ignored, and an announcing one that somebody handles is left to them. Outside the
    main thread, where Python allows no handlers, nothing is caught.
    """

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._first = 0
        self._before: dict[int, object] = {}

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for name in (*ASKING, *ANNOUNCING):
                number = getattr(signal, name, None)  # not every system has all of them
                if number is not None and self._is_ours(name, signal.getsignal(number)):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    @staticmethod
    def _is_ours(name: str, handler: object) -> bool:
        if name in ANNOUNCING:
            return handler is signal.SIG_DFL
        return handler is not signal.SIG_IGN

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self:
            self._first = number
            self.signal_name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        elif number == signal.SIGINT or number == self._first == signal.SIGTERM:
            raise KeyboardInterrupt
