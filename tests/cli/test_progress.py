"""Progress is a bar on a terminal and a few lines elsewhere, and short work prints nothing."""

from __future__ import annotations

import sys

import pytest

from csparc import _progress
from csparc._progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test moves on by itself."""
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


def test_short_work_leaves_nothing_behind(capsys, clock):
    with Progress("encoding", 3, "picture") as progress:
        for done in (1, 2, 3):
            clock[0] += 1
            progress.to(done, 3)
    assert capsys.readouterr().err == ""


def test_lines_tell_how_far_it_is_and_what_is_left(capsys, clock):
    with Progress("encoding", 40, "picture") as progress:
        for done in range(1, 21):
            clock[0] += 5
            progress.to(done, 40, note="2 unreadable" if done > 2 else "")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "encoding: picture 2/40, 3 min 10 s left"
    assert said[-1] == "encoding: picture 20/40, 2 unreadable, 1 min 40 s left"
    assert len(said) == 10


def test_a_lasting_one_tells_its_end_and_counts_from_where_it_began(capsys, clock):
    with Progress("training", unit="step", lasting=True) as progress:
        progress.begin(10, 12)
        clock[0] += 11
        progress.to(11, 12)
        progress.to(12, 12)
    said = capsys.readouterr().err.splitlines()
    assert said == ["training: step 11/12, 11 s left", "training: step 12/12, 0 s left"]


def test_a_bar_shows_the_same(capsys):
    with Progress("encoding", 3, "picture", kind="bar", lasting=True) as progress:
        progress.to(2, 3, "loss 1.5")
        progress.say("a line of its own")
        progress.to(3, 3, "loss 1.2")
    said = capsys.readouterr().err
    assert "a line of its own\n" in said
    assert "encoding: 100%" in said
    assert "loss 1.2" in said


def test_without_standard_error_nothing_is_printed(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with Progress("encoding", 3, "picture", lasting=True) as progress:
        progress.to(3, 3)
        progress.say("nobody reads this")
