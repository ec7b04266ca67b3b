"""``csparc cost``: arithmetic and memory of training steps, by loss and batch size."""

from __future__ import annotations

import argparse

from csparc.cli import common

BATCHES, SMALL = "2048,4096,8192,16384", "16,32,64,128"


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "cost",
        parents=[shared],
        help="FLOP and memory of a training step, by loss and batch size",
        description="By formula: a step of this package on one machine, and one on each of the "
        "256 devices of the paper, with the paper's figures (Table 11) where it has "
        "them. Measured: the losses run on random vectors of the model's sizes, FLOP "
        "counted in the core and bytes in the allocator.",
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
    parser.add_argument("--measured", action="store_true", help="run the losses and count")
    parser.add_argument("--plot", metavar="FILE", help="also draw FLOP and memory over batch size")
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.evaluate import cost_table
    from csparc.models.config import preset

    config = preset(arguments.model)
    losses = _losses(arguments.loss)
    batches = _batches(arguments.batch or (SMALL if arguments.measured else BATCHES))
    plot = None if arguments.plot is None else common.check_writable(arguments.plot)
    threads = common.use_threads(arguments.threads)
    sizes = (
        f"P = {config.patches} patches, L = {config.context_length} tokens, "
        f"D = {config.shared_width}"
    )
    if arguments.measured:
        print(f"Losses measured with gradients, {sizes}, float32, threads: {threads}")
        found = _measure(config, losses, batches)
        tables = cost_table.measured_tables(config, found, losses)
        flop = {k: {b: one.flop / 1e9 for b, one in found[k].items()} for k in losses}
        memory = {k: {b: one.bytes / 1e6 for b, one in found[k].items()} for k in losses}
        labels = ("GFLOP of the loss", "MB beyond inputs and gradients")
    else:
        print(f"{arguments.model}: {sizes}; float32, threads: {threads}")
        tables = cost_table.own_tables(config, losses, batches)
        flop = {k: {b: cost_table.step_flop(k, config, b) / 1e12 for b in batches} for k in losses}
        memory = {
            k: {b: cost_table.step_bytes(k, config, b) / 1e9 for b in batches} for k in losses
        }
        labels = ("TFLOP of a step", "GB of a step")
    _show(tables)
    if not arguments.measured:
        print("\nIn the paper's way on one of 256 devices, both towers of the image tower's size:")
        _show(cost_table.paper_tables(config, losses, batches, arguments.model == "vit-b-16"))
    if plot is not None:
        from csparc import viz
        from csparc.viz.cost import plot_cost

        viz.save(plot_cost(flop, memory, labels), plot)
        print(f"\n{plot}")
    return 0


def _show(tables: list[str]) -> None:
    for table in tables:
        print(f"\n{table}")


def _measure(config, losses: list[str], batches: list[int]) -> dict:
    """Every loss at every size; CLIP always, which the others are compared with."""
    from csparc.evaluate.measure import measure_loss

    sizes = config.patches, config.context_length, config.shared_width
    return {
        loss: {batch: measure_loss(loss, batch, *sizes) for batch in batches}
        for loss in dict.fromkeys(["clip", *losses])
    }


def _losses(text: str) -> list[str]:
    from csparc.losses.table import LOSSES, loss_class

    names = list(LOSSES) if text == "all" else [part.strip() for part in text.split(",")]
    for name in names:
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
