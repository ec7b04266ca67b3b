"""``csparc info``: what runs here, the models with their sizes, the losses with their options."""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from csparc._precision import PRECISIONS
from csparc._text import show
from csparc.cli import common
from csparc.losses.registry import DEFAULT, LOSSES, loss_class, make_loss

if TYPE_CHECKING:
    from csparc.models.config import ModelConfig

WIDEST = 400
"""Characters of a path or a spec that are shown."""


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "info",
        parents=[shared],
        help="show the configuration, the models, the losses, or what a run is",
        description="Without a model: version, BLIS, kernels, threads, and every preset. "
        "With one: its parameters, arithmetic and memory in detail. With a run: how far it is, "
        "what it was trained on and what it began from, and the same of its model.",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a preset's name, or a checkpoint or the folder of a run (its last checkpoint)",
    )
    parser.add_argument(
        "--loss",
        metavar="NAME",
        help=f"the options of a loss instead: {', '.join(LOSSES)}, or all; with MODEL the loss the "
        f"memory is stated for (default {DEFAULT})",
    )
    parser.add_argument(
        "--batch-size",
        type=common.positive_int,
        default=64,
        metavar="N",
        help="the batch the memory is stated for (default 64)",
    )
    parser.add_argument(
        "--micro-batch",
        type=common.positive_int,
        metavar="N",
        help="with MODEL: memory with micro-batches, as csparc train has them",
    )
    parser.add_argument(
        "--remat", action="store_true", help="with MODEL: memory with blocks computed again"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="with MODEL: memory with products in this precision, which changes scratch alone "
        f"(default {PRECISIONS[0]})",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.cost.model import model_info

    if arguments.model is None and (arguments.micro_batch is not None or arguments.remat):
        given = "--remat" if arguments.remat else "--micro-batch"
        raise ValueError(
            f"{given}: expected MODEL beside it, the memory of whose training it changes"
        )
    if arguments.model is None and arguments.loss is not None:
        names = list(LOSSES) if arguments.loss == "all" else [arguments.loss]
        print("\n\n".join("\n".join(_loss_lines(name)) for name in names))
        return 0
    if arguments.model is None:
        _overview(arguments.batch_size)
        return 0
    config, told = _described(arguments.model)
    memory = list(_memory_lines(config, arguments))  # what it refuses it refuses before any line
    print(
        f"{arguments.model}: {config.image_size} px in {config.patches} patches, captions of up "
        f"to {config.context_length} tokens, vocabulary {config.vocab_size:,}, shared width "
        f"{config.shared_width}"
    )
    for line in [*told, *model_info(config).lines(arguments.batch_size), *memory]:
        print(line)
    return 0


def _described(model: str) -> tuple[ModelConfig, list[str]]:
    """The configuration of a preset, or of a checkpoint with what it says of its run."""
    from csparc.checkpoint.checkpoint import find_checkpoint, read_metadata
    from csparc.errors import CheckpointError
    from csparc.models.config import ModelConfig
    from csparc.models.presets import PRESETS, PUBLISHED_MODELS, preset

    if model in (*PRESETS, *PUBLISHED_MODELS) or not Path(model).exists():
        return preset(model), []
    path = find_checkpoint(model)
    metadata = read_metadata(path)
    try:
        config = ModelConfig.from_dict(metadata.model_config)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a model in model_config, {error}") from error
    counters, init = metadata.counters, metadata.init
    loss = show(metadata.loss_config.get("loss", "none"))
    spec = show(metadata.data.get("spec", "unknown"), WIDEST)
    began = "not recorded"
    if init:
        began = f"{show(init['source'], WIDEST)}, blake2b {show(init['blake2b'])}"
    return config, [
        f"checkpoint  {show(os.fspath(path), WIDEST)}",
        f"trained     {counters.step:,} steps, {counters.samples_seen:,} pairs, loss {loss}",
        f"on          {spec}",
        f"began from  {began}",
    ]


def _memory_lines(config: ModelConfig, arguments: argparse.Namespace) -> Iterator[str]:
    """The peak memory of training, by what holds it."""
    from csparc.cost.training import training_memory

    loss = make_loss(arguments.loss or DEFAULT)
    loss.prepare(config.shared_width)
    memory = training_memory(
        config, loss, arguments.batch_size, micro_batch=arguments.micro_batch,
        remat=arguments.remat, precision=arguments.precision,
    )  # fmt: skip
    size = arguments.micro_batch
    how = f", {size} pairs at a time" if size else ""
    how += ", blocks computed again" if arguments.remat else ""
    yield f"\nmemory of training with {loss.label}, batch {arguments.batch_size}{how}, at its peak:"
    for name, nbytes in memory.rows():
        yield f"{name:32s}" + (
            "not known" if nbytes is None else f"{nbytes / 2**20:,.0f} MiB"
        ).rjust(16)


def _loss_lines(name: str) -> Iterator[str]:
    made = loss_class(name)
    home, options = made.__module__, made.options()
    if home.startswith("csparc."):
        home = "csparc"
    yield f"{name}: {home}.{made.__name__}" + ("" if options else ", no options")
    for part in made.parts:
        yield f"  {part.name}: {part.about}"
    for option in options:
        first, *others = option.values()
        yield f"  {option.name}={first}" + (f"   or {', '.join(others)}" if others else "")
        sources = {"paper": option.entry.paper, option.code_is: option.entry.code}
        said = [f"{source}: {text}." for source, text in sources.items() if text]
        yield from textwrap.wrap(
            " ".join([option.entry.about, *said]), 96, initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        )  # fmt: skip


def _overview(batch_size: int) -> None:
    import csparc
    from csparc.cost.model import model_info
    from csparc.models.presets import PRESETS

    csparc.show_config()
    print(
        "\nlinear layers: weights of up to weights_in_place numbers are read where they lie; "
        "larger ones,\nand all with precision bf16, are packed (docs/kernels.md)"
    )
    print(
        f"\n{'model':10s}{'picture':>9s}{'patch':>7s}{'image tower':>14s}{'text tower':>14s}"
        f"{'tokens':>8s}{'parameters':>13s}{f'training, batch {batch_size}':>22s}"
    )
    for name, config in PRESETS.items():
        towers = [f"{t.width}x{t.layers}x{t.heads}" for t in (config.image, config.text)]
        if config.image_stem == "conv":
            towers[0] = f"conv {towers[0]}"
        info = model_info(config)
        memory = f"{info.training_bytes(batch_size) / 2**20:,.0f} MiB"
        print(
            f"{name:10s}{config.image_size:6d} px{config.patch_size:7d}{towers[0]:>14s}"
            f"{towers[1]:>14s}{config.context_length:8d}{info.total_parameters:13,d}{memory:>22s}"
        )
    print(
        "\ntowers: width x layers x heads, conv: behind a stem of convolutions; parameters with a "
        "vocabulary of 32,000 (a tokenizer of your own is usually smaller)"
    )
