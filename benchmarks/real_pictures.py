"""Data sets of real pictures, each with a caption its maker gave it, from packages of Debian.

    apt-get install tuxpaint-stamps-default openclipart-svg librsvg2-bin fonts-noto-color-emoji
    python benchmarks/real_pictures.py stamps DIR

``stamps``: Tux Paint's photographs and drawings by many hands; a caption is the first line of the
stamp's own caption file. ``clipart``: openclipart's drawings, rendered 96 pixels wide; a caption is
the title that the drawing states. ``emoji``: the pictures of Noto Color Emoji; a caption is the
name that Unicode gives the character. Writes DIR/train and DIR/heldout, each a folder of pictures
with a .txt beside each. Every tenth picture, in the order of paths or of characters, is held out.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

STAMPS = Path("/usr/share/tuxpaint/stamps")
CLIPART = Path("/usr/share/openclipart/svg")
EMOJI = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
EMOJI_SIZE = 109
"""The one size, in pixels, that the font's pictures have."""
WIDTH = 96
TITLE = re.compile(r"<(?:dc:)?title[^>]*>\s*([^<]*?)\s*</(?:dc:)?title>")
Write = Callable[[Path], None]
"""Writes the picture to a file; raises OSError where it cannot."""


def stamps() -> Iterator[tuple[str, str, Write]]:
    """Name, caption and picture of every stamp that has a caption."""
    for picture in sorted(STAMPS.rglob("*.png")):
        text = picture.with_suffix(".txt")
        if not text.is_file():
            continue
        lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
        if lines and lines[0].strip():
            name = picture.relative_to(STAMPS).with_suffix("").as_posix()
            yield name, lines[0].strip(), lambda to, picture=picture: shutil.copy(picture, to)


def clipart() -> Iterator[tuple[str, str, Write]]:
    """Those of the drawings that state a title with a letter in it, rendered."""
    for drawing in sorted(CLIPART.rglob("*.svg")):
        found = TITLE.search(drawing.read_text(encoding="utf-8", errors="replace"))
        title = html.unescape(found[1]) if found else ""
        if not any(character.isalpha() for character in title):
            continue
        name = drawing.relative_to(CLIPART).with_suffix("").as_posix()
        yield name, " ".join(title.split()), lambda to, drawing=drawing: rendered(drawing, to)


def rendered(drawing: Path, to: Path) -> None:
    command = ["rsvg-convert", "--width", str(WIDTH), "--keep-aspect-ratio", drawing, "-o", to]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if done.returncode != 0 or not to.is_file():
        raise OSError(f"{drawing}: rsvg-convert: {done.stderr.decode(errors='replace').strip()}")


def emoji() -> Iterator[tuple[str, str, Write]]:
    """Single characters that the font has a picture of."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(EMOJI), EMOJI_SIZE)

    def drawn(character: str) -> Image.Image:
        image = Image.new("RGB", (136, 128), "white")
        ImageDraw.Draw(image).text((0, 0), character, font=font, embedded_color=True)
        return image

    absent = {drawn(character).tobytes() for character in ("\U0010fffd", " ")}
    for point in range(0x2190, 0x1FB00):
        character = chr(point)
        if unicodedata.category(character) != "So" or font.getlength(character) == 0:
            continue
        image = drawn(character)
        if image.tobytes() not in absent:
            yield f"{point:05x}", unicodedata.name(character).lower(), image.save


SETS = {"stamps": stamps, "clipart": clipart, "emoji": emoji}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SETS)
    parser.add_argument("out", type=Path, help="where to write train/ and heldout/")
    arguments = parser.parse_args()
    counts, refused = {"train": 0, "heldout": 0}, 0
    for number, (name, caption, write) in enumerate(SETS[arguments.name]()):
        split = "heldout" if number % 10 == 0 else "train"
        picture = arguments.out / split / f"{name}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(picture)
        except (OSError, subprocess.TimeoutExpired):
            refused += 1
            continue
        picture.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")
        counts[split] += 1
    print(", ".join(f"{count} pictures in {split}" for split, count in counts.items()))
    if refused:
        print(f"{refused} could not be rendered and are left out")


if __name__ == "__main__":
    main()
