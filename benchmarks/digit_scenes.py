"""Scenes composed of scikit-learn's handwritten digits, with captions and masks, as COCO files.

    pip install scikit-learn
    python benchmarks/digit_scenes.py DIR

The objects of these pictures are other people's drawings: the 1,797 digits of 8 x 8 pixels that
scikit-learn carries (E. Alpaydin and C. Kaynak, 1998), enlarged, inked in one of the eight colours
of the generated scenes, one to three of them in a loose grid on grey. A picture has five captions
such as "a red seven and a two"; none counts, as the words for it are those of digits. Writes, for
`train` and for `heldout`, DIR/NAME/images, DIR/NAME/captions.json and DIR/NAME/instances.json,
where an annotation also has the `colour` of its digit. Every tenth digit is drawn in held-out
pictures alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from csparc.data.scenes.scene import PALETTE

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = dict(list(PALETTE.items())[:8])
SIDE, GRID, ENLARGED = 64, 4, (16, 20, 24)
INKED = 0.5
"""From this share of ink on a pixel belongs to its digit."""


def enlarged(digit: np.ndarray, side: int) -> np.ndarray:
    """A digit [8, 8] of 0 to 16 as the share of ink [side, side]."""
    from PIL import Image

    grey = Image.fromarray((digit * (255 / 16)).astype(np.uint8))
    return np.asarray(grey.resize((side, side), Image.Resampling.BICUBIC), float) / 255


def compose(rng: np.random.Generator, digits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """A picture uint8 [64, 64, 3] and its objects: name, colour and visible mask."""
    pixels = np.full((SIDE, SIDE, 3), float(rng.integers(24, 89)))
    owner = np.full((SIDE, SIDE), -1)
    found = []
    cells = rng.permutation(GRID * GRID)[: rng.integers(1, 4)]
    for number, cell in enumerate(cells):
        which, colour = rng.integers(len(digits)), rng.choice(list(COLOURS))
        ink = enlarged(digits[which], int(rng.choice(ENLARGED)))
        centre = (np.array(divmod(cell, GRID)) + 0.5) * (SIDE / GRID) + rng.uniform(-2.5, 2.5, 2)
        top, left = np.clip(np.round(centre - len(ink) / 2), 0, SIDE - len(ink)).astype(int)
        area = (slice(top, top + len(ink)), slice(left, left + len(ink)))
        pixels[area] += ink[..., None] * (np.array(COLOURS[colour]) - pixels[area])
        owner[area][ink >= INKED] = number
        found.append({"name": NAMES[labels[which]], "colour": str(colour)})
    masks = [owner == number for number in range(len(found))]
    objects = [{**item, "mask": mask} for item, mask in zip(found, masks)]
    return {"pixels": np.round(pixels).astype(np.uint8), "objects": objects}


def is_clear(scene: dict[str, Any]) -> bool:
    """Whether every digit shows enough of itself to be read."""
    return all(item["mask"].sum() >= 24 for item in scene["objects"])


def captions(rng: np.random.Generator, objects: list[dict[str, Any]]) -> list[str]:
    """Five true captions, in which three names of five are said with their colour."""
    return [one_caption(rng, objects) for _ in range(5)]


def one_caption(rng: np.random.Generator, objects: list[dict[str, Any]]) -> str:
    order = rng.permutation(len(objects))[: rng.integers(1, len(objects) + 1)]
    return " and ".join(phrase(rng, objects[number]) for number in order)


def phrase(rng: np.random.Generator, item: dict[str, Any]) -> str:
    words = [item["colour"]] * (rng.random() < 0.6) + [item["name"]]
    return ("an " if words[0][0] in "aeiou" else "a ") + " ".join(words)


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed runs: lengths of 0s and 1s in turn, columns first."""
    flat = np.concatenate([[0], mask.T.reshape(-1), [0]])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff([0, *changes, mask.size]).tolist()


def annotation(number: int, image: int, item: dict[str, Any]) -> dict[str, Any]:
    rows, columns = np.nonzero(item["mask"])
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
    return {
        "id": number, "image_id": image, "category_id": NAMES.index(item["name"]) + 1,
        "colour": item["colour"], "iscrowd": 0, "area": int(item["mask"].sum()), "bbox": box,
        "segmentation": {"size": [SIDE, SIDE], "counts": run_lengths(item["mask"])},
    }  # fmt: skip


def write(out: Path, size: int, seed: int, digits: np.ndarray, labels: np.ndarray) -> None:
    from PIL import Image

    (out / "images").mkdir(parents=True)
    images, told, instances = [], [], []
    for number in range(size):
        rng = np.random.default_rng([seed, number])
        scene = compose(rng, digits, labels)
        while not is_clear(scene):
            scene = compose(rng, digits, labels)
        name = f"{number:06d}.png"
        Image.fromarray(scene["pixels"]).save(out / "images" / name)
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        for text in captions(rng, scene["objects"]):
            told.append({"id": len(told), "image_id": number, "caption": text})
        for item in scene["objects"]:
            instances.append(annotation(len(instances) + 1, number, item))
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(NAMES)]
    files = {
        "captions.json": {"images": images, "annotations": told},
        "instances.json": {"images": images, "annotations": instances, "categories": categories},
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content), encoding="utf-8")


def main() -> None:
    from sklearn.datasets import load_digits

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="where to write train/ and heldout/")
    parser.add_argument("--train", type=int, default=20000, help="pictures to train on (20000)")
    parser.add_argument("--heldout", type=int, default=500, help="held-out pictures (500)")
    arguments = parser.parse_args()
    found = load_digits()
    heldout = np.arange(len(found.images)) % 10 == 0
    for seed, (name, size, kept) in enumerate(
        (("train", arguments.train, ~heldout), ("heldout", arguments.heldout, heldout))
    ):
        write(arguments.out / name, size, seed, found.images[kept], found.target[kept])
        print(f"{size} pictures in {arguments.out / name}")


if __name__ == "__main__":
    main()
