"""The arguments of ``csparc train`` for what becomes of pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from csparc.cli import common
from csparc.data.transforms import RESIZE_MODES

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.transforms import Preprocess


def add(group) -> None:
    """Augmentation, colours and how pictures are resized."""
    group.add_argument(
        "--aug-scale",
        type=common.share,
        metavar="SHARE",
        help="random resized crops of at least this share of a picture; 1: none "
        "(default 0.9, generated scenes 1)",
    )
    group.add_argument(
        "--aug-shift",
        type=int,
        default=0,
        metavar="PIXELS",
        help="random shifts by up to so many pixels each way (default 0)",
    )
    group.add_argument(
        "--image-mean",
        type=float,
        nargs=3,
        metavar=("R", "G", "B"),
        help="subtracted from pixels in [0, 1] (default CLIP's, or those of --init)",
    )
    group.add_argument(
        "--image-std",
        type=float,
        nargs=3,
        metavar=("R", "G", "B"),
        help="divided into them (default CLIP's, or those of --init)",
    )
    group.add_argument(
        "--image-resize-mode",
        choices=RESIZE_MODES,
        help="for evaluation, and for training without crops (default shortest, or that of --init)",
    )


def transforms(
    arguments: argparse.Namespace, train: Dataset, plain: Preprocess
) -> tuple[Preprocess, Preprocess]:
    """(for training, for evaluation), as ``plain`` where the arguments do not say otherwise."""
    from csparc.data.transforms import Preprocess

    given = {
        "mean": arguments.image_mean,
        "std": arguments.image_std,
        "resize_mode": arguments.image_resize_mode,
    }
    settings = plain.config() | {key: value for key, value in given.items() if value is not None}
    scale = arguments.aug_scale
    if scale is None:
        scale = 1.0 if train.generated else 0.9
    evaluation = Preprocess(**settings)
    if scale == 1 and arguments.aug_shift == 0:
        return evaluation, evaluation
    crop = (scale, 1.0) if scale < 1 else None
    varied = {"train": True, "scale": crop, "shift": arguments.aug_shift}
    return Preprocess(**settings | varied), evaluation
