"""A small model, a folder of pictures and the index of them; also a script that is killed.

``python picture_index.py RUN PHOTOS OUT N`` indexes PHOTOS and kills itself after N pictures.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pictures
import small_training

from csparc.checkpoint.checkpoint import load_trained
from csparc.search import Updated, open_pictures, parts, update_index

COUNT = 20


def make_run(folder: Path, **options: Any) -> Path:
    """The folder of a run of one step."""
    small_training.trainer(folder, steps=1, val_data=None, **options).run()
    return folder


def make_photos(folder: Path, count: int = COUNT) -> Path:
    """Pictures without captions, two of them in a folder below and one that is broken."""
    for number in range(count):
        below = "trip" if number % 10 == 9 else "."
        pictures.save(folder / below / f"{number:02d}.png", number)
    (folder / "broken.jpg").write_bytes(b"this is no picture")
    return folder


def update(run: Path, photos: Path, out: Path, **options: Any) -> Updated:
    """Index a folder."""
    return update_index(load_trained(run), open_pictures(photos), out, checkpoint=run, **options)


if __name__ == "__main__":
    run, photos, out, last = sys.argv[1:]
    parts.PART_ROWS = 4

    def killed(done: int, total: int) -> None:
        if done == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    update(Path(run), Path(photos), Path(out), batch_size=4, progress=killed)
