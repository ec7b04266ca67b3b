"""Write a data set, such as generated scenes, in the formats that ``csparc.data.open`` reads."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from csparc._extras import require
from csparc.data.dataset import Dataset
from csparc.data.readers import hard_negatives
from csparc.errors import DataError

PICTURES = "images"
SHARD_SIZE = 1000


def export(dataset: Dataset, kind: str, directory: str | os.PathLike) -> str:
    """Write every picture of a data set, as PNG, with its captions and hard negatives.

    Parameters
    ----------
    dataset : Dataset
        What to write; ``csparc.data.scenes.dataset.Scenes`` for instance.
    kind : str
        ``folder`` (``NAME.txt`` beside each picture, one caption a line), ``csv`` or ``tsv``
        (columns filepath and title, a row a caption), ``coco`` (``captions.json``), ``karpathy``
        (``dataset.json``; its split is the data set's, ``train`` where it has none) or
        ``webdataset`` (shards of 1000 pictures). ``coco`` and ``karpathy`` have no place for hard
        negatives.
    directory : path
        A new or empty folder.

    Returns
    -------
    str
        The specification that opens what was written.

    Raises
    ------
    DataError
        Unknown kind, or one that would lose hard negatives; the folder holds something; a picture
        cannot be read (``BadItem``).
    ImportError
        Pillow is not installed.
    """
    if kind not in WRITERS:
        raise DataError(f"export: expected one of {', '.join(WRITERS)}, found {kind!r}")
    if kind in ("coco", "karpathy") and dataset.has_hard_negatives:
        raise DataError(
            f"export: expected a data set without hard negatives for {kind}, which has no place "
            f"for them, found some in {dataset.spec}; another kind keeps them, and "
            "hard_negative_key=none leaves them unread"
        )
    root = Path(directory)
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise DataError(f"{root}: expected a new or empty folder, found one that holds something")
    return WRITERS[kind](dataset, root)


def _names(dataset: Dataset) -> list[str]:
    width = max(6, len(str(len(dataset) - 1)))
    return [f"{index:0{width}d}" for index in range(len(dataset))]


def _png(pixels: np.ndarray) -> bytes:
    image = require("PIL.Image", extra="train")
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _pictures(dataset: Dataset, folder: Path) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Write picture after picture; yields file name, captions and pixels of each."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(_names(dataset)):
        pixels = dataset.load(index)
        (folder / f"{name}.png").write_bytes(_png(pixels))
        yield f"{name}.png", dataset.captions(index), pixels


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _lines(texts: list[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _folder(dataset: Dataset, root: Path) -> str:
    for index, (file, captions, _) in enumerate(_pictures(dataset, root)):
        _write_text((root / file).with_suffix(".txt"), _lines(captions))
        if negatives := dataset.hard_negatives(index):
            _write_text((root / file).with_suffix(f".{hard_negatives.FIELD}"), _lines(negatives))
    return f"folder:{root}"


def _table(dataset: Dataset, root: Path, kind: str, separator: str) -> str:
    path = root / f"captions.{kind}"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
        has = dataset.has_hard_negatives
        writer.writerow(("filepath", "title", hard_negatives.NAME)[: 2 + has])
        for index, (file, captions, _) in enumerate(_pictures(dataset, root / PICTURES)):
            cell = hard_negatives.as_cell(dataset.hard_negatives(index))
            for caption in captions:
                writer.writerow((f"{PICTURES}/{file}", caption, cell)[: 2 + has])
    return f"{kind}:{path}"


def _coco(dataset: Dataset, root: Path) -> str:
    images, annotations = [], []
    for index, (file, captions, pixels) in enumerate(_pictures(dataset, root / PICTURES)):
        height, width = pixels.shape[:2]
        images.append({"id": index + 1, "file_name": file, "width": width, "height": height})
        for caption in captions:
            number = len(annotations) + 1
            annotations.append({"id": number, "image_id": index + 1, "caption": caption})
    path = root / "captions.json"
    _write_text(path, json.dumps({"images": images, "annotations": annotations}))
    return f"coco:{root / PICTURES},{path}"


def _karpathy(dataset: Dataset, root: Path) -> str:
    split = getattr(dataset, "split", "train")
    images, sentences = [], 0
    for index, (file, captions, _) in enumerate(_pictures(dataset, root / PICTURES)):
        record = {"filepath": PICTURES, "filename": file, "imgid": index, "split": split}
        record["sentids"] = list(range(sentences, sentences + len(captions)))
        record["sentences"] = [
            {"raw": caption, "tokens": caption.replace(",", "").split(), "imgid": index,
             "sentid": sentences + number}
            for number, caption in enumerate(captions)
        ]  # fmt: skip
        sentences += len(captions)
        images.append(record)
    path = root / "dataset.json"
    _write_text(path, json.dumps({"images": images, "dataset": "csparc"}))
    return f"karpathy:{root},{path},{split}"


def _webdataset(dataset: Dataset, root: Path) -> str:
    names, shards = _names(dataset), []
    for first in range(0, len(names), SHARD_SIZE):
        path = root / f"shard-{len(shards):06d}.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
            for index in range(first, min(first + SHARD_SIZE, len(names))):
                members = [("png", _png(dataset.load(index)))]
                members += [("txt", _lines(dataset.captions(index)).encode())]
                if negatives := dataset.hard_negatives(index):
                    members += [(hard_negatives.FIELD, _lines(negatives).encode())]
                for suffix, content in members:
                    member = tarfile.TarInfo(f"{names[index]}.{suffix}")
                    member.size = len(content)
                    shard.addfile(member, io.BytesIO(content))
        shards.append(str(path))
    return f"webdataset:{'::'.join(shards)}"


WRITERS: dict[str, Callable[[Dataset, Path], str]] = {
    "folder": _folder,
    "csv": lambda dataset, root: _table(dataset, root, "csv", ","),
    "tsv": lambda dataset, root: _table(dataset, root, "tsv", "\t"),
    "coco": _coco,
    "karpathy": _karpathy,
    "webdataset": _webdataset,
}
