"""Captions with lengths as of COCO's and pictures beside them, as a folder to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from csparc.cost import model_info

CONTEXT = 55
MEDIAN, SPREAD, LEAST = 13, 0.22, 7
"""Tokens of a caption, begin and end among them: log-normal, as in `sparc_cases.Shape`."""
SIDE = (375, 500)
"""Height and width of the pictures."""
WORDS = [a + b for a in "bcdfghklmnprstvw" for b in ("ado", "eli", "ira")]


def captions(count: int) -> list[str]:
    """So many captions, no two alike."""
    rng = np.random.default_rng(0)
    lengths = np.round(MEDIAN * np.exp(SPREAD * rng.standard_normal(count)))
    lengths = np.clip(lengths, LEAST, CONTEXT).astype(int) - 2
    return [" ".join(rng.choice(WORDS, length)) for length in lengths]


def write_folder(folder: Path, texts: Sequence[str]) -> None:
    """A JPEG picture of smooth colours and noise beside each caption, about 75 KB."""
    from PIL import Image

    rng = np.random.default_rng(1)
    for number, text in enumerate(texts):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
        smooth = np.asarray(coarse.resize(SIDE[::-1])).astype(np.int16)
        pixels = np.clip(smooth + rng.integers(-18, 19, (*SIDE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.jpg", quality=88)
        (folder / f"{number:05d}.txt").write_text(text + "\n", encoding="utf-8")


def useful_flop(config: Any, lengths: Sequence[int]) -> float:
    """Of the forward pass of both towers for a picture and a caption of each of these lengths;
    padding is not counted."""
    flop = {n: model_info(replace(config, context_length=n)).flop for n in set(map(int, lengths))}
    return float(sum(flop[int(n)] for n in lengths))
