"""Print a command line of the README's first screen: ``install`` the first, ``test`` the second."""

import re
import sys
from pathlib import Path

readme = (Path(__file__).resolve().parent.parent / "README.md").read_text()
blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
lines = [line for block in blocks[:2] for line in block.splitlines() if line.strip()]
assert len(lines) == 2, "the README's first two shell blocks hold one command line each"
print(lines[{"install": 0, "test": 1}[sys.argv[1]]])
