"""Processes of tests that signals reach, wherever the tests run."""

from __future__ import annotations

import signal


def heed_interrupts() -> None:
    """In a child process, before it begins: tests that run in the background of a shell ignore
    Ctrl-C, under nohup the end of a session, and so would their children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
