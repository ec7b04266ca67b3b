"""List, run and show the benchmarks: python -m benchmarks [list | run NAME ... | show FILE]."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the scripts import one another by name, so that each runs alone

from plot import plot  # noqa: E402
from results import Record, lines, load, record_from, save, table  # noqa: E402

DEFAULT_OUT = Path("build/benchmarks")
STANDALONE = {
    "tiles": "products of the fused losses on one core, as fractions of the peak",
    "model": "a training step of an encoder preset, split by op",
    "scenes": "generated scenes a second",
}


def script_cases() -> dict[str, list[str]]:
    """Cases by name of benchmark, of those on the harness."""
    out = {}
    for script in sorted(HERE.glob("bench_*.py")):
        name = script.stem.removeprefix("bench_")
        if name not in STANDALONE:
            command = [sys.executable, str(script), "--list"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            out[name] = done.stdout.split()
    return out


def chosen(names: list[str], known: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(benchmark, case) of names like ``sparc`` or ``sparc/full``; of no names: all."""
    out = []
    for name in names or known:
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


def show(path: Path) -> None:
    """Make the table and the plot beside a run's file, and print the table."""
    about, records = load(path)
    text = table(about, records)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    plot(records, path.with_suffix(".png"))
    print(text)


def run(names: list[str], threads: int, out: Path) -> bool:
    """Run cases one after the other; the file is written after each, so that none is lost."""
    out.mkdir(parents=True, exist_ok=True)
    about = machine(threads)
    path = out / "results.json"
    records: list[Record] = []
    for script, case in chosen(names, script_cases()):
        command = [sys.executable, str(HERE / f"bench_{script}.py"), "--records"]
        command += ["--case", case, "--threads", str(threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        records.append(record_from(json.loads(done.stdout.splitlines()[-1])))
        save(path, about, records)
        print("\n".join([*lines(records[-1]), ""]), flush=True)
    show(path)
    return all(record.measurement is not None for record in records)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.set_defaults(command="list")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="name the benchmarks and their cases")
    running = commands.add_parser("run", help="run cases; write JSON, table and plot")
    running.add_argument("names", nargs="*", help="sparc, or sparc/full; none: all")
    running.add_argument("--threads", type=int, default=os.cpu_count())
    running.add_argument("--out", type=Path, default=DEFAULT_OUT, help="default: %(default)s")
    showing = commands.add_parser("show", help="make table and plot again from a run's JSON")
    showing.add_argument("file", type=Path)
    args = parser.parse_args()
    if args.command == "run":
        sys.exit(0 if run(args.names, args.threads, args.out) else 1)
    if args.command == "show":
        show(args.file)
        return
    for script, cases in script_cases().items():
        print(*(f"{script}/{case}" for case in cases), sep="\n")
    for script, text in STANDALONE.items():
        print(f"python benchmarks/bench_{script}.py --help: {text}")


if __name__ == "__main__":
    main()
