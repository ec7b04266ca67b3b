"""List, run and show the benchmarks: python -m benchmarks [list | run NAME ... | show FILE]."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the scripts import one another by name, so that each runs alone

from docs_tables import fill  # noqa: E402
from harness import ROOM  # noqa: E402
from plot import plot  # noqa: E402
from results import Record, lines, load, merged, record_from, save, table  # noqa: E402

DEFAULT_OUT = Path("build/benchmarks")
ORDER = (
    "sparc", "objectives", "words", "tiles", "gemm", "conv", "model", "steps", "threads",
    "encode", "scenes", "resize", "retrieval", "zeroshot", "frameworks", "largest",
)  # fmt: skip
"""What the published tables need comes first."""


def script_cases() -> dict[str, list[str]]:
    """Cases by name of benchmark."""
    out = {}
    for name in ORDER:
        command = [sys.executable, str(HERE / f"bench_{name}.py"), "--list"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        out[name] = done.stdout.split()
    return out


def chosen(names: list[str], known: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(benchmark, case) of names like ``sparc`` or ``sparc/full``; of ``all`` or none: all."""
    out = []
    for name in known if names in ([], ["all"]) else names:
        script, _, case = name.partition("/")
        if script not in known or (case and case not in known[script]):
            raise SystemExit(f"no benchmark is called {name!r}: python -m benchmarks list")
        out += [(script, each) for each in ([case] if case else known[script])]
    return out


def processor() -> str:
    """The model's name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    found = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in found if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    import csparc
    from csparc import _core

    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "load before, of one minute": round(os.getloadavg()[0], 2),
        "instruction set": _core.config()["isa"],
        "threads": threads,
        "python": platform.python_version(),
        "csparc": csparc.__version__,
        "system": platform.platform(),
    }


def show(path: Path, docs: Path | None = None) -> None:
    """Make the table and the plot beside a run's file, and print the table; or fill the tables of
    a page of the documentation."""
    about, records = load(path)
    if docs is not None:
        fill(docs, about, records)
        print(f"{docs}: tables written from {path}")
        return
    text = table(about, records)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    plot(records, path.with_suffix(".png"))
    print(text)


def run(args: argparse.Namespace) -> bool:
    """Run cases one after the other; the file is written after each, so that none is lost.

    A budget is shared evenly among the cases that are left: what one does not need, the later ones
    get.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "results.json"
    about, before = machine(args.threads), []
    if args.add and path.exists():
        about, before = load(path)
    records: list[Record] = []
    end = None if args.budget is None else time.monotonic() + 60 * args.budget
    cases = chosen(args.names, script_cases())
    for position, (script, case) in enumerate(cases):
        command = [sys.executable, str(HERE / f"bench_{script}.py"), "--records"]
        command += ["--case", case, "--threads", str(args.threads), "--room", str(args.room)]
        progress = f"[{position + 1} of {len(cases)}] {script}/{case}"
        if end is not None:
            share = max(1.0, (end - time.monotonic()) / (len(cases) - position))
            command += ["--seconds", f"{share:.1f}"]
            progress += f", {max(0.0, end - time.monotonic()) / 60:.1f} minutes left"
        print(progress, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        records.append(record_from(json.loads(done.stdout.splitlines()[-1])))
        save(path, about, merged(before, records))
        print("\n".join([*lines(records[-1]), ""]), flush=True)
    show(path)
    return all(record.measurement is not None for record in records)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.set_defaults(command="list")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="name the benchmarks and their cases")
    running = commands.add_parser("run", help="run cases; write JSON, table and plot")
    running.add_argument("names", nargs="*", help="sparc, or sparc/full; all, or none: all")
    running.add_argument("--threads", type=int, default=os.cpu_count())
    running.add_argument("--budget", type=float, help="minutes; then no repeat is started")
    running.add_argument("--room", type=float, default=ROOM, help="bytes torch may fill: largest")
    running.add_argument("--add", action="store_true", help="keep the other cases of the file")
    running.add_argument("--out", type=Path, default=DEFAULT_OUT, help="default: %(default)s")
    showing = commands.add_parser("show", help="make table and plot again from a run's JSON")
    showing.add_argument("file", type=Path)
    showing.add_argument("--docs", type=Path, help="fill the tables of this page, docs/speed.md")
    args = parser.parse_args()
    if args.command == "run":
        sys.exit(0 if run(args) else 1)
    if args.command == "show":
        show(args.file, args.docs)
        return
    for script, cases in script_cases().items():
        print(*(f"{script}/{case}" for case in cases), sep="\n")


if __name__ == "__main__":
    main()
