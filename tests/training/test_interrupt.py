"""Which signals end a run after its step, which end it at once, and which are somebody else's."""

from __future__ import annotations

import os
import signal

import pytest

from csparc.trainer.interrupt import ANNOUNCING, ASKING, StopRequest

NAMES = (*ASKING, *ANNOUNCING)


@pytest.fixture(autouse=True)
def _defaults():
    """Handlers as in a fresh process, put back afterwards."""
    before = {name: signal.getsignal(getattr(signal, name)) for name in NAMES}
    for name in NAMES:
        usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
        signal.signal(getattr(signal, name), usual)
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


def send(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_signal_only_asks(name):
    before = signal.getsignal(getattr(signal, name))
    with StopRequest() as stop:
        assert not stop
        send(name)
        assert stop
    assert stop.signal_name == ("Ctrl-C" if name == "SIGINT" else name)
    assert signal.getsignal(getattr(signal, name)) is before


@pytest.mark.parametrize(
    ("first", "second"),
    [("SIGINT", "SIGINT"), ("SIGTERM", "SIGTERM"), ("SIGTERM", "SIGINT"), ("SIGHUP", "SIGINT")],
)
def test_asking_again_interrupts_at_once(first, second):
    with StopRequest():
        send(first)
        with pytest.raises(KeyboardInterrupt):
            send(second)


@pytest.mark.parametrize("first", ANNOUNCING)
@pytest.mark.parametrize("second", [*ANNOUNCING, "SIGTERM"])
def test_an_end_that_is_announced_again_lets_the_step_finish(first, second):
    """A scheduler warns and then terminates; a limit on processor time speaks every second."""
    with StopRequest() as stop:
        send(first)
        send(second)
    assert stop.signal_name == first


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_that_is_ignored_stays_ignored(name):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
    with StopRequest() as stop:
        send(name)
    assert not stop


@pytest.mark.parametrize("name", ANNOUNCING)
def test_a_signal_that_somebody_handles_is_theirs(name):
    seen = []
    signal.signal(getattr(signal, name), lambda *_: seen.append(name))
    with StopRequest() as stop:
        send(name)
    assert seen == [name]
    assert not stop
