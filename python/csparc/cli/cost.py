"""``csparc cost``: arithmetic and memory of training steps, by loss and batch size."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from csparc.cli import common

BATCHES, SMALL = "2048,4096,8192,16384", "16,32,64,128"
PLOT = "cost.png"

Values = Mapping[str, Mapping[int, float]]


class Costs(NamedTuple):
    """What is printed, and what is drawn: values by loss and batch size."""

    tables: list[str]
    flop: Values
    memory: Values
    labels: tuple[str, str]


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "cost",
        parents=[shared],
        help="FLOP and memory of a training step, by loss and batch size",
        description="By formula: a step of this package on one machine, and one on each of the "
        "256 devices of the paper, with the paper's figures (Table 11) where it has "
        "them. Measured: the losses run on random vectors of the model's sizes, FLOP "
        "counted in the core and bytes in the allocator, and both drawn.",
    )
    parser.add_argument(
        "--model", default="vit-b-16", metavar="NAME", help="a preset (default vit-b-16)"
    )
    parser.add_argument(
        "--loss", default="all", metavar="NAMES", help="losses, separated by commas (default all)"
    )
    parser.add_argument(
        "--batch",
        metavar="SIZES",
        help=f"batch sizes, separated by commas (default {BATCHES}; measured {SMALL})",
    )
    parser.add_argument(
        "--extra-texts",
        type=common.positive_int,
        default=0,
        metavar="N",
        help="captions without a picture to a pair, by formula: 1 where every picture has a hard "
        "negative (default 0); of the losses that take them",
    )
    parser.add_argument("--measured", action="store_true", help="run the losses and count")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw FLOP and memory over batch size there, in the place of a file that is there "
        f"(--measured: default {PLOT}, or cost-2.png and so on where that exists)",
    )
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc._extras import require
    from csparc.models.presets import preset

    config = preset(arguments.model)
    losses = _losses(arguments.loss, arguments.extra_texts)
    if arguments.measured and arguments.extra_texts:
        raise ValueError("extra_texts: expected 0 with --measured: they are counted by formula")
    batches = _batches(arguments.batch or (SMALL if arguments.measured else BATCHES))
    if arguments.plot is not None:
        common.check_writable(arguments.plot)
        require("matplotlib", extra="train")
    threads = common.use_threads(arguments.threads)
    sizes = (
        f"P = {config.patches} patches, L = {config.context_length} tokens, "
        f"D = {config.shared_width}"
    )
    if arguments.measured:
        print(f"Losses measured with gradients, {sizes}, float32, threads: {threads}")
        costs = _measured(config, losses, batches)
    else:
        print(f"{arguments.model}: {sizes}; float32, threads: {threads}")
        costs = _by_formula(config, losses, batches, arguments.extra_texts)
    _show(costs.tables)
    if not arguments.measured and not arguments.extra_texts:
        from csparc.cost.tables import paper_tables

        print("\nIn the paper's way on one of 256 devices, both towers of the image tower's size:")
        _show(paper_tables(config, losses, batches, arguments.model == "vit-b-16"))
    if arguments.plot is not None:
        print(f"\n{_draw(costs, Path(arguments.plot))}")
    elif arguments.measured:
        print(f"\n{_draw_if_possible(costs)}")
    return 0


def _by_formula(config, losses: list[str], batches: list[int], extra: int) -> Costs:
    """Of training steps of this package."""
    from csparc.cost import tables as cost_table

    def of_steps(cost: Any, unit: float) -> Values:
        return _drawn(
            {loss: {b: cost(loss, config, b, extra) for b in batches} for loss in losses}, unit
        )

    return Costs(
        cost_table.own_tables(config, losses, batches, extra),
        of_steps(cost_table.step_flop, 1e12),
        of_steps(cost_table.step_bytes, 1e9),
        ("TFLOP of a step", "GB of a step"),
    )


def _measured(config, losses: list[str], batches: list[int]) -> Costs:
    """Of the losses; CLIP is always run, which the others are compared with."""
    from csparc.cost.measured import measure_loss
    from csparc.cost.tables import BASELINE, measured_tables

    sizes = config.patches, config.context_length, config.shared_width
    found = {
        loss: {batch: measure_loss(loss, batch, *sizes) for batch in batches}
        for loss in dict.fromkeys([BASELINE, *losses])
    }
    return Costs(
        measured_tables(config, found, losses),
        _drawn({loss: {b: one.flop for b, one in found[loss].items()} for loss in losses}, 1e9),
        _drawn({loss: {b: one.bytes for b, one in found[loss].items()} for loss in losses}, 1e6),
        ("GFLOP of the loss", "MB beyond inputs and gradients"),
    )


def _drawn(values: Mapping[str, Mapping[int, float | None]], unit: float) -> Values:
    """Of the losses that say what they cost, and whose products the core counts, on axes that are
    logarithmic."""
    return {
        loss: {batch: value / unit for batch, value in of_loss.items()}
        for loss, of_loss in values.items()
        if all(of_loss.values())
    }


def _draw(costs: Costs, file: Path) -> Path:
    from csparc import viz
    from csparc.viz.cost import plot_cost

    viz.save(plot_cost(costs.flop, costs.memory, costs.labels), file)
    return file


def _draw_if_possible(costs: Costs) -> Path | str:
    """The file drawn, one that was not there before; or why there is none: the tables stand."""
    file, number = Path(PLOT), 1
    while file.exists():
        number += 1
        file = Path(PLOT).with_stem(f"{Path(PLOT).stem}-{number}")
    try:
        return _draw(costs, common.check_writable(file))
    except (ImportError, OSError) as error:
        return f"no plot: {error}"


def _show(tables: list[str]) -> None:
    for table in tables:
        print(f"\n{table}")


def _losses(text: str, extra: int) -> list[str]:
    from csparc.losses.registry import LOSSES, extra_text_losses, loss_class

    every = extra_text_losses() if extra else list(LOSSES)
    names = every if text == "all" else [part.strip() for part in text.split(",")]
    for name in names:
        if extra and not loss_class(name).takes_extra_texts:
            raise ValueError(
                f"extra_texts: expected 0 with {name}, which takes none, found {extra}; "
                f"{', '.join(every)} take them"
            )
        loss_class(name)
    return list(dict.fromkeys(names))


def _batches(text: str) -> list[int]:
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = [0]
    if sizes[0] < 1:
        raise ValueError(f"batch: expected whole numbers separated by commas, found {text!r}")
    return sizes
