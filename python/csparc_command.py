"""What the command ``csparc`` starts, and ``python -m csparc``.

It stands outside the package, whose import takes a moment and loads the C core: an interrupt or a
refusal in that moment is one line, too.
"""

from __future__ import annotations

import itertools
import sys
import warnings


def main() -> int:
    """Run the command line; 130 where it is interrupted, 2 where the package cannot be loaded."""
    short_warnings()
    try:
        from csparc.cli.main import main as run

        return run()
    except (ImportError, KeyboardInterrupt) as error:
        return ended(error)


def ended(error: BaseException) -> int:
    """Say on one line what ended the command before it began; returns its exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("csparc: interrupted", file=sys.stderr)
        return 130
    if "--debug" in sys.argv:
        raise error
    text = " ".join(str(error).split())
    seen = (letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    print(f"csparc: {''.join(seen)}", file=sys.stderr)
    return 2


def short_warnings() -> None:
    """Have warnings of the import on one line each, without the place in the source."""
    warnings.formatwarning = lambda message, *_: f"csparc: warning: {message}\n"


def is_starting() -> bool:
    """Whether ``python -m csparc`` is at work, which imports the package before its __main__."""
    given = sys.orig_argv
    named = "-mcsparc" in given or ("-m", "csparc") in itertools.pairwise(given)
    return named and sys.argv[:1] == ["-m"]
