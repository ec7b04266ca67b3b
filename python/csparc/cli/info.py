"""``csparc info``: what runs here, and the models with their sizes."""

from __future__ import annotations

import argparse

from csparc.cli import common


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "info",
        parents=[shared],
        help="show the configuration and the models",
        description="Without a model: version, BLIS, kernels, threads, and every preset. "
        "With one: its parameters, arithmetic and memory in detail.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a preset's name")
    parser.add_argument(
        "--batch-size",
        type=common.positive_int,
        default=64,
        metavar="N",
        help="the batch the memory is stated for (default 64)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.models.config import preset
    from csparc.models.info import model_info

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


def _overview(batch_size: int) -> None:
    import csparc
    from csparc.models.config import PRESETS
    from csparc.models.info import model_info

    csparc.show_config()
    print(
        f"\n{'model':10s}{'picture':>9s}{'patch':>7s}{'image tower':>14s}{'text tower':>14s}"
        f"{'tokens':>8s}{'parameters':>13s}{f'training, batch {batch_size}':>22s}"
    )
    for name, config in PRESETS.items():
        towers = [f"{t.width}x{t.layers}x{t.heads}" for t in (config.image, config.text)]
        info = model_info(config)
        memory = f"{info.training_bytes(batch_size) / 2**20:,.0f} MiB"
        print(
            f"{name:10s}{config.image_size:6d} px{config.patch_size:7d}{towers[0]:>14s}"
            f"{towers[1]:>14s}{config.context_length:8d}{info.total_parameters:13,d}{memory:>22s}"
        )
    print(
        "\ntowers: width x layers x heads; parameters with a vocabulary of 32,000 "
        "(a tokenizer of your own is usually smaller)"
    )
