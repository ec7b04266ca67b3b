"""``csparc report``: one page that lays runs side by side."""

from __future__ import annotations

import argparse
from dataclasses import replace

from csparc.cli import common, evaluate_all, evaluation

ABOUT = (
    "Write one HTML page that lays runs side by side: the figures that csparc eval --json wrote "
    "into their folders, or with --data those of every task that the data allow, and the curves of "
    "their training. With --data also what each run finds, what its "
    "words select, how it segments, and what it takes for what."
)


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "report", parents=[shared], help="lay runs side by side on one page", description=ABOUT
    )
    parser.add_argument("runs", nargs="+", metavar="DIR", help="the folder of a run")
    parser.add_argument("--out", required=True, metavar="FILE", help="the page to write (.html)")
    common.add_data(parser, required=False, help="evaluate every run on these data")
    common.add_reading(parser)
    parser.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N")
    evaluation.add_beside(parser)
    common.add_precision(parser)
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.report.page import render
    from csparc.report.runs import read_runs

    out = common.check_writable(arguments.out)
    common.use_threads(arguments.threads)
    runs, shown = read_runs(arguments.runs), ""
    if arguments.data is not None:
        from csparc.report.confusion import confusion_section
        from csparc.report.overlays import overlays_section
        from csparc.report.pictures import pictures_sections
        from csparc.report.runs import evaluations_of

        data, subjects = common.open_data(arguments.data, arguments), []
        for number, one in enumerate(runs):
            subject = evaluation.loaded(str(one.folder), arguments.batch_size, arguments.precision)
            subjects.append(replace(subject, data=data))
            record = evaluate_all.record_of(subjects[-1], arguments, printed=False)
            runs[number] = replace(one, evaluations=evaluations_of(record, ""))
        names = [one.name for one in runs]
        parts = () if data.has_rows else (pictures_sections, overlays_section, confusion_section)
        shown = "".join(part(names, subjects) for part in parts)
    common.write_text(out, render(runs, shown))
    print(out)
    return 0
