"""``csparc info``: what runs here, the models with their sizes, the losses with their options."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from csparc.cli import common
from csparc.losses.registry import LOSSES, loss_class


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "info",
        parents=[shared],
        help="show the configuration, the models and the losses",
        description="Without a model: version, BLIS, kernels, threads, and every preset. "
        "With one: its parameters, arithmetic and memory in detail.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("model", nargs="?", metavar="MODEL", help="a preset's name")
    what.add_argument(
        "--loss",
        metavar="NAME",
        help=f"the options of a loss instead: {', '.join(LOSSES)}, or all",
    )
    parser.add_argument(
        "--batch-size",
        type=common.positive_int,
        default=64,
        metavar="N",
        help="the batch the memory is stated for (default 64)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.cost.model import model_info
    from csparc.models.presets import preset

    if arguments.loss is not None:
        names = list(LOSSES) if arguments.loss == "all" else [arguments.loss]
        print("\n\n".join("\n".join(_loss_lines(name)) for name in names))
        return 0
    if arguments.model is None:
        _overview(arguments.batch_size)
        return 0
    config = preset(arguments.model)
    print(
        f"{arguments.model}: {config.image_size} px in {config.patches} patches, captions of up "
        f"to {config.context_length} tokens, vocabulary {config.vocab_size:,}, shared width "
        f"{config.shared_width}"
    )
    for line in model_info(config).lines(arguments.batch_size):
        print(line)
    return 0


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
