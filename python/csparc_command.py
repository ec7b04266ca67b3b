"""What the command ``csparc`` starts.

It stands outside the package, whose import takes a moment and loads the C core: an interrupt or a
refusal in that moment is one line, too.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; 130 where it is interrupted, 2 where the package cannot be loaded."""
    try:
        from csparc.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        print("csparc: interrupted", file=sys.stderr)
        return 130
    except ImportError as error:
        if "--debug" in sys.argv:
            raise
        print(f"csparc: {error}", file=sys.stderr)
        return 2
