"""Feed csparc damaged files and odd arguments: ``python tests/fuzz --minutes 10 --seed 1``.

Every finding is printed with the command that repeats it. Exit code 1 when there was one.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "helpers"))

import fuzz_runs

EACH = 200  # cases a generator runs before it is the next one's turn


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="what all cases follow from")
    parser.add_argument("--case", metavar="GENERATOR:NUMBER", help="run this one alone")
    asked = parser.parse_args()
    if asked.case:
        name, _, number = asked.case.partition(":")
        turns, each = iter([(name, int(number))]), 1
    else:
        turns, each = fuzz_runs.rounds(asked.minutes, EACH), EACH
    print(f"seed {asked.seed}", flush=True)
    counts, found = Counter(), 0
    for name, first in turns:
        outcome = fuzz_runs.run(name, asked.seed, first, each)
        reports = outcome.reports(name, asked.seed)
        print(*reports, sep="\n", end="\n" if reports else "", flush=True)
        found += len(reports)
        counts.update({f"{name} {kind}": count for kind, count in outcome.counts.items()})
    print(*(f"{kind}: {count:,}" for kind, count in sorted(counts.items())), sep="\n")
    print(f"{found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
