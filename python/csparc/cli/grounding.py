"""``csparc eval grounding``: what a model's words select, and whether it depends on the picture."""

from __future__ import annotations

import argparse
import json
from typing import Any

from csparc.cli import common


def register(tasks, shared: argparse.ArgumentParser) -> None:
    task = tasks.add_parser(
        "grounding",
        parents=[shared],
        help="which patches words select, and whether that depends on the picture",
        description="What the local loss aligned, on a picture's own patches and on another "
        "picture's; on generated scenes also whether words select the object they name. "
        "Of every picture the first caption is used.",
    )
    common.add_checkpoint(task)
    common.add_data(task)
    common.add_reading(task)
    common.add_weights(task)
    task.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N")
    task.add_argument("--json", metavar="FILE", help="write the figures here too")
    common.add_threads(task)
    task.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = common.check_writable(arguments.json) if arguments.json else None
    from csparc.cli.progress import Progress
    from csparc.cli.session import load_session
    from csparc.evaluate.diagnose import diagnose

    common.use_threads(arguments.threads)
    session = load_session(arguments.checkpoint)
    data = common.open_data(arguments.data, arguments)
    with Progress("encoding", len(data), "picture") as progress:
        figures = diagnose(
            session.model,
            session.tokenizer,
            data,
            session.preprocess,
            session.loss,
            rule=arguments.weights,
            specials=session.loss_specials,
            batch_size=arguments.batch_size,
            progress=progress.to,
        )
    if out is not None:
        config = {"checkpoint": str(arguments.checkpoint), "data": data.spec}
        with common.writing(out), open(out, "w", encoding="utf-8") as file:
            json.dump(_plain(figures) | {"config": config}, file, indent=2, allow_nan=False)
            file.write("\n")
    for line in table(figures):
        print(line)
    return 0


def table(figures: dict) -> list[str]:
    """The figures of `csparc.evaluate.diagnose.diagnose` as lines of text."""
    matched, swapped = figures["matched"], figures["swapped"]
    lines = [
        f"{figures['n']} pictures and their first captions",
        f"weights: {' '.join([figures['weights']['title'] + '.', *figures['weights']['notes']])}",
        f"{'':32s}{'own picture':>14s}{'another’s':>14s}{'reference':>14s}",
        _row("SPARC’s loss of these weights", matched["local_loss"], swapped["local_loss"],
             figures["chance_local_loss"]),
        _row("words told apart, %", matched["token_accuracy"], swapped["token_accuracy"],
             figures["chance_token_accuracy"]),
        _row("patches a weight spreads over", matched["effective_patches"],
             swapped["effective_patches"], float(figures["patches"])),
        _row("weights that are 0, %", matched["zeroed"], swapped["zeroed"]),
        _row("same places in both", figures["place_correlation"]),
    ]  # fmt: skip
    groups = {**figures.get("placement", {})}
    if "sentence_placement" in figures:
        groups["sentence (global path)"] = figures["sentence_placement"]
    if groups:
        lines.append(
            f"{'its object’s patches':32s}{'AUC, %':>14s}{'heaviest, %':>14s}{'chance':>14s}"
        )
    lines += [
        _row(f"{name} ({found['n_pointing']})", found["auc"], found["pointing"],
             found["pointing_chance"])
        for name, found in groups.items()
    ]  # fmt: skip
    return lines


def _row(name: str, *values: float | None) -> str:
    return f"{name:32s}" + "".join(f"{'-' if v is None else f'{v:.3f}':>14s}" for v in values)


def _plain(value: Any) -> Any:
    """The same with null where a figure is over nothing: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value
