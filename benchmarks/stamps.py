"""A data set of real pictures: Tux Paint's stamps with their English captions.

    python benchmarks/stamps.py /usr/share/tuxpaint/stamps DIR

On Debian and Ubuntu, ``apt-get install tuxpaint-stamps-default`` brings the pictures (photographs
and drawings by many hands, with transparent backgrounds). Writes DIR/train and DIR/heldout, each a
folder of pictures with a .txt beside each: the first line of the stamp's own caption file. Every
tenth picture, in the order of their paths, is held out.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def captioned(stamps: Path) -> list[tuple[Path, str]]:
    """Pictures that have a caption, in the order of their paths."""
    found = []
    for picture in sorted(stamps.rglob("*.png")):
        text = picture.with_suffix(".txt")
        if not text.is_file():
            continue
        lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
        if lines and lines[0].strip():
            found.append((picture, lines[0].strip()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stamps", type=Path, help="the folder of stamps")
    parser.add_argument("out", type=Path, help="where to write train/ and heldout/")
    arguments = parser.parse_args()
    counts = {"train": 0, "heldout": 0}
    for number, (picture, caption) in enumerate(captioned(arguments.stamps)):
        split = "heldout" if number % 10 == 0 else "train"
        folder = arguments.out / split / picture.parent.relative_to(arguments.stamps)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder)
        (folder / picture.name).with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")
        counts[split] += 1
    print(", ".join(f"{count} pictures in {split}" for split, count in counts.items()))


if __name__ == "__main__":
    main()
