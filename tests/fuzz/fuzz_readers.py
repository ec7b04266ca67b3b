"""Data sets of all kinds with damaged files: read as a whole, or refused by csparc's errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fuzz_bytes import VALUES, altered, complaint, damaged
from fuzz_runs import REFUSED, TAKEN, Wrong
from pictures import encoded, write_tar

from csparc import data
from csparc.errors import DataError

MAX_PIXELS = 100_000
KINDS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
CAPTIONS = ("a red square", 'two "blue" circles, touching', "ein Häuschen")


def table(separator: str) -> bytes:
    lines = [separator.join(("filepath", "title"))]
    for number, caption in enumerate(CAPTIONS):
        cell = '"' + caption.replace('"', '""') + '"' if number else caption
        lines.append(f"{number}.png{separator}{cell}")
    return "\r\n".join(lines).encode()


def coco() -> bytes:
    numbers = range(len(CAPTIONS))
    images = [{"id": 7 + n, "file_name": f"{n}.png", "height": 12, "width": 16} for n in numbers]
    captions = [{"id": n, "image_id": 7 + n, "caption": CAPTIONS[n]} for n in numbers]
    return json.dumps({"images": images, "annotations": captions}).encode()


def karpathy() -> bytes:
    entries = [
        {"filename": f"{n}.png", "split": "train", "imgid": n, "sentences": [{"raw": caption}]}
        for n, caption in enumerate(CAPTIONS)
    ]
    return json.dumps({"images": entries, "dataset": "coco"}).encode()


class Generator:
    """By kind: the specification, and the files in its folder, the first is damaged most often."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pictures = {f"{n}.png": encoded(n) for n in range(len(CAPTIONS))}
        texts = {f"{n}.txt": caption.encode() for n, caption in enumerate(CAPTIONS)}
        entries = [(name, {**pictures, **texts}[name]) for name in sorted({**pictures, **texts})]
        entries.append(("3.json", b'{"caption": "of JSON"}'))
        entries.append(("3.jpg", encoded(3, "JPEG")))
        shard = write_tar(folder / "made.tar", entries).read_bytes()
        self.pictures = [encoded(4, kind) for kind in KINDS]
        self.kinds = {
            "csv:{}/t.csv": {"t.csv": table(","), **pictures},
            "tsv:{}/t.tsv": {"t.tsv": table("\t"), **pictures},
            "csv:{}/t.csv;quoting=rfc4180": {"t.csv": table(","), **pictures},
            "coco:{0},{0}/c.json": {"c.json": coco(), **pictures},
            "karpathy:{0},{0}/k.json,train": {"k.json": karpathy(), **pictures},
            "folder:{}": {**texts, **pictures},
            "folder:{};captions=t.csv": {"t.csv": table(","), **pictures},
            "webdataset:{}/s.tar": {"s.tar": shard},
            "webdataset:{}/s.tar;caption_key=caption": {"s.tar": shard},
        }
        for number, files in enumerate(self.kinds.values()):
            (folder / str(number)).mkdir()
            for name, content in files.items():
                (folder / str(number) / name).write_bytes(content)

    def case(self, rng: np.random.Generator) -> str:
        kind = int(rng.integers(len(self.kinds)))
        spec, files = list(self.kinds.items())[kind]
        where = self.folder / str(kind)
        name = self.chosen(list(files), rng)
        (where / name).write_bytes(self.damaged(name, files[name], rng))
        try:
            return self.read(spec.format(where), float(rng.choice([0.0, 0.5, 1.0])))
        except Exception as error:
            raise Wrong(f"{spec} with {name} damaged: {error!r}") from error
        finally:
            (where / name).write_bytes(files[name])

    def chosen(self, names: list[str], rng: np.random.Generator) -> str:
        """The file that is damaged."""
        return names[0 if rng.random() < 0.7 else rng.integers(len(names))]

    def damaged(self, name: str, content: bytes, rng: np.random.Generator) -> bytes:
        if name.endswith(".json") and rng.random() < 0.5:
            value = altered(json.loads(content), rng)
            if rng.random() < 0.1:
                value = VALUES[rng.integers(len(VALUES))]
            return json.dumps(value).encode()
        if name.endswith(".png") and rng.random() < 0.8:
            content = self.pictures[rng.integers(len(self.pictures))]
        return damaged(content, rng)

    def read(self, spec: str, max_bad: float) -> str:
        """Open, and read every picture with its captions."""
        try:
            opened = data.open(spec, max_pixels=MAX_PIXELS, max_bad=max_bad)
            for index in range(len(opened)):
                captions, picture = opened.captions(index), opened.load(index)
                if not captions or not all(isinstance(text, str) and text for text in captions):
                    raise Wrong(f"captions {captions!r}")
                if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
                    raise Wrong(f"a picture of shape {picture.shape} and dtype {picture.dtype}")
        except DataError as error:
            if wrong := complaint(error):
                raise Wrong(wrong) from error
            return REFUSED
        return TAKEN
