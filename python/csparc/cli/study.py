"""``csparc study``: run an experiment of settings x seeds, list its units, report its results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from csparc.cli import common, study_unit

if TYPE_CHECKING:
    from csparc.study import Study, Unit
    from csparc.study.report import Report

ABOUT = (
    "An experiment described in a JSON file: settings x seeds, trained as csparc train does, "
    "evaluated on held-out data. docs/study/README.md says how to write one."
)


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "study", parents=[shared], help="compare settings over seeds", description=ABOUT
    )
    parser.set_defaults(parser=parser)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    run = _add(actions, shared, "run", run_study, "train and evaluate every unit")
    _add_choice(run)
    run.add_argument("--resume", action="store_true", help="go on with what --out holds")
    run.add_argument(
        "--retry-failed", action="store_true", help="run units again whose last line is a failure"
    )
    run.add_argument(
        "--workers",
        type=common.positive_int,
        default=2,
        metavar="N",
        help="units at a time, a process each (default 2); results do not depend on it",
    )
    listed = _add(actions, shared, "list", list_units, "print the units and what is done")
    _add_choice(listed)
    unit = _add(actions, shared, "unit", run_unit, "run one unit in this process")
    unit.add_argument("--setting", required=True, metavar="NAME")
    unit.add_argument("--seed", required=True, type=int, metavar="N")
    unit.add_argument("--ends-with-input", action="store_true", help=argparse.SUPPRESS)
    for one in (run, unit):
        one.add_argument(
            "--threads",
            type=common.positive_int,
            default=1,
            metavar="N",
            help="threads of each unit (default 1)",
        )
    report = actions.add_parser(
        "report", parents=[shared], help="tables and plots of the results there are"
    )
    report.add_argument(
        "place",
        metavar="DIR",
        help="the folder of a study, or NAME.json with its lines beside it in NAME.jsonl",
    )
    report.add_argument("--out", metavar="DIR", help="folder of the report (default DIR/report)")
    report.add_argument(
        "--page",
        metavar="FILE",
        help="also write the tables into this markdown file, between its two comments",
    )
    report.add_argument(
        "--curves", metavar="FILE", help="also draw the losses of compared settings into FILE"
    )
    report.add_argument("--no-plots", action="store_true", help="tables alone")
    report.set_defaults(run=report_study)


def _add(actions, shared, name: str, run, text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, parents=[shared], help=text, description=ABOUT)
    parser.add_argument("file", metavar="FILE", help="the JSON file of the study")
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the results (default csparc-study-NAME)"
    )
    parser.set_defaults(run=run)
    return parser


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--setting", action="append", metavar="NAME", help="this one alone; may be repeated"
    )
    parser.add_argument(
        "--seed", action="append", type=int, metavar="N", help="this one alone; may be repeated"
    )


def run_study(arguments: argparse.Namespace) -> int:
    from csparc.study.driver import Driver
    from csparc.study.results import DESCRIPTION, Results

    study = _study(arguments)
    units = _chosen(study, arguments)
    study_unit.check(study, units)
    out = _folder(arguments, study)

    def command(unit: Unit) -> list[str]:
        modules = [f"--import={module.__name__}" for module in _imported(arguments)]
        return [
            sys.executable, "-m", "csparc", "study", "unit", str(out / DESCRIPTION), *modules,
            f"--setting={unit.setting}", f"--seed={unit.seed}", f"--out={out}",
            f"--threads={arguments.threads}", "--ends-with-input",
        ]  # fmt: skip

    with Results(out, study) as results:
        results.open(arguments.resume or arguments.retry_failed, common.say)
        driver = Driver(results, command, arguments.workers, arguments.threads)
        whole = driver.run(units, again=arguments.retry_failed)
    if not whole:
        raise KeyboardInterrupt(f"go on with --resume --out {out}")
    if driver.failures:
        common.say(f"{driver.failures} units failed; they stay in the results as failures")
    print(out)
    return 0


def list_units(arguments: argparse.Namespace) -> int:
    from csparc.study.results import LINES, latest, read_results

    study = _study(arguments)
    units = _chosen(study, arguments)
    out = _folder(arguments, study)
    lines = read_results(out / LINES) if (out / LINES).exists() else []
    found = latest(lines, units)
    states = [study_unit.state(out, unit, found.get(unit.key)) for unit in units]
    width = max(len(unit.setting) for unit in units)
    for unit, told in zip(units, states):
        print(f"{unit.setting:{width}s}  seed {unit.seed:<4d} {told}")
    done = sum(record["failure"] is None for record in found.values())
    print(f"{done} of {len(units)} done, {len(found) - done} failed, in {out}")
    return 0


def run_unit(arguments: argparse.Namespace) -> int:
    study = _study(arguments)
    asked = argparse.Namespace(setting=[arguments.setting], seed=[arguments.seed])
    (unit,) = _chosen(study, asked)
    if arguments.ends_with_input:
        study_unit.end_with_input()
    common.use_threads(arguments.threads)
    study_unit.run(study, unit, _folder(arguments, study), arguments.threads)
    return 0


def report_study(arguments: argparse.Namespace) -> int:
    from csparc.study.pages import write_into, write_report
    from csparc.study.report import open_place, report

    study, lines = open_place(arguments.place)
    found = report(study, lines)
    if arguments.page is not None:
        write_into(arguments.page, found)
        print(arguments.page)
    if arguments.curves is not None:
        draw_curves(arguments.curves, found)
        print(arguments.curves)
    place = Path(arguments.place)
    if arguments.out is None and not place.is_dir():
        return 0
    out = Path(arguments.out or place / "report")
    print(write_report(out, found, plots=not arguments.no_plots))
    return 0


def draw_curves(path: str, found: Report) -> None:
    """Raises ``DataError`` where no two compared settings have curves."""
    from csparc.errors import DataError
    from csparc.study.plots import plot_curves
    from csparc.viz import save

    drawn = plot_curves(found)
    if drawn is None:
        raise DataError(
            "--curves: expected lines of two compared settings that keep their losses, found "
            "none; csparc study run writes such lines"
        )
    save(drawn, path)


def _study(arguments: argparse.Namespace) -> Study:
    from csparc.study import read_study

    return read_study(arguments.file, study_unit.flags())


def _folder(arguments: argparse.Namespace, study: Study) -> Path:
    plain = "".join(c if c.isalnum() or c in "+-_" else "-" for c in study.name)
    return Path(arguments.out or f"csparc-study-{plain}").absolute()


def _imported(arguments: argparse.Namespace) -> list:
    return getattr(arguments, "imported", None) or []


def _chosen(study: Study, arguments: argparse.Namespace) -> list[Unit]:
    """The units of the settings and seeds that were asked for, or all."""
    from csparc.study.description import nearest

    for name in arguments.setting or ():
        if name not in study.settings:
            raise ValueError(f"--setting: unknown {name!r}; {nearest(name, study.settings)}")
    for seed in arguments.seed or ():
        if seed not in study.seeds:
            known = ", ".join(map(str, study.seeds))
            raise ValueError(f"--seed: expected one of {known}, found {seed}")
    return [
        unit
        for unit in study.units()
        if unit.setting in (arguments.setting or study.settings)
        and unit.seed in (arguments.seed or study.seeds)
    ]
