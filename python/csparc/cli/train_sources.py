"""What ``csparc train`` trains and validates on: pictures or features, one set or several."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from csparc.cli import common

if TYPE_CHECKING:
    from csparc.data import Dataset


def add(parser: argparse.ArgumentParser) -> None:
    """``--train-data`` or ``--features``, how several of them are mixed, and what is held out."""
    source = parser.add_mutually_exclusive_group(required=True)
    common.add_data(source, "--train-data", action="append", required=False)
    source.add_argument(
        "--features",
        action="append",
        metavar="DIR",
        help="or what csparc encode --patches wrote: only what stands above the towers is trained "
        "(adapters, h_v or a pooling, scales), and pictures cannot be augmented",
    )
    held_out = parser.add_mutually_exclusive_group()
    common.add_data(
        held_out,
        "--val-data",
        required=False,
        help="held-out pairs for the retrieval figures during training",
    )
    held_out.add_argument(
        "--val-features", metavar="DIR", help="or features of held-out pairs, of the same towers"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--mix",
        type=_weights,
        metavar="N,N",
        help="with --train-data or --features given several times, the share of each in every "
        "batch (default equal ones); epochs are those of the first",
    )
    way.add_argument(
        "--mix-batches",
        action="store_true",
        help="or a batch of each in every step, whose gradients are summed, as the SPARC paper "
        "trains on several data sets",
    )


def opened(arguments: argparse.Namespace) -> Dataset:
    """What is trained on, opened.

    Raises
    ------
    ValueError, DataError
        A way of mixing that does not fit; data that cannot be read.
    """
    from csparc.data.mixed import BATCHES, mixed
    from csparc.data.spec import takes
    from csparc.features import FrozenFeatures

    specs = arguments.train_data or arguments.features
    mix = BATCHES if arguments.mix_batches else arguments.mix
    if len(specs) == 1 and mix is not None:
        flag = "mix-batches" if arguments.mix_batches else "mix"
        raise ValueError(f"{flag}: expected --train-data several times beside it, found one")
    if arguments.features is not None:
        sets = [FrozenFeatures(folder) for folder in specs]
        return sets[0] if len(sets) == 1 else mixed(sets, mix)
    key, name = arguments.csv_hard_negative_key, "hard_negative_key"
    taken = key is not None and any(takes(spec, name) for spec in specs)
    sets = []
    for place, spec in enumerate(specs):
        others = [*specs[:place], *specs[place + 1 :], arguments.val_data]
        own = None if taken and not takes(spec, name) else key
        sets.append(common.open_silently(spec, arguments, others, hard_negative_key=own))
    return sets[0] if len(sets) == 1 else mixed(sets, mix)


def held_out(arguments: argparse.Namespace) -> Dataset | None:
    """What is validated on, opened."""
    from csparc.features import FrozenFeatures

    if arguments.val_features is not None:
        return FrozenFeatures(arguments.val_features)
    if arguments.val_data is None:
        return None
    return common.open_silently(arguments.val_data, arguments, arguments.train_data or ())


def _weights(text: str) -> tuple[float, ...]:
    """An argparse type: numbers above 0, parted by commas."""
    return tuple(common.positive_float(part) for part in text.split(","))
