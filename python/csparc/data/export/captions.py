"""Pictures with captions: folders, tables, COCO, tar shards."""

from __future__ import annotations

import csv
import io
import itertools
import tarfile
from pathlib import Path

import numpy as np

from csparc.data.export.instances import image_records, instances
from csparc.data.export.pictures import PICTURES, Job, Written, lines_of, png
from csparc.data.readers import hard_negatives

SHARD_SIZE = 1000


def folder(job: Job) -> Written:
    """``NAME.txt`` beside each picture, and ``NAME.hard_negative.txt``."""
    for index, file, _ in job.pictures("."):
        job.write_text(f"{Path(file).stem}.txt", lines_of(job.dataset.captions(index)))
        if negatives := job.dataset.hard_negatives(index):
            job.write_text(f"{Path(file).stem}.{hard_negatives.FIELD}", lines_of(negatives))
    return Written("folder", ("",))


def table(job: Job, kind: str, separator: str) -> Written:
    """Columns filepath and title, and hard_negative where there are some; a row a caption."""
    has, name = job.dataset.has_hard_negatives, f"captions.{kind}"
    with (job.root / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
        writer.writerow(("filepath", "title", hard_negatives.NAME)[: 2 + has])
        for index, file, _ in job.pictures():
            cell = hard_negatives.as_cell(job.dataset.hard_negatives(index))
            for caption in job.dataset.captions(index):
                writer.writerow((f"{PICTURES}/{file}", caption, cell)[: 2 + has])
    return Written(kind, (name,))


def coco(job: Job) -> Written:
    """``captions.json``, and ``instances.json`` where it is known what lies where."""
    images = image_records(job)
    annotations = [
        {"image_id": image["id"], "caption": caption}
        for index, image in enumerate(images)
        for caption in job.dataset.captions(index)
    ]
    annotations = [{"id": number} | entry for number, entry in enumerate(annotations, 1)]
    names = [
        PICTURES,
        job.write_json("captions.json", dict(images=images, annotations=annotations)),
    ]
    if job.dataset.has_regions:
        names.append(job.write_json("instances.json", instances(job.dataset, images)))
    return Written("coco", tuple(names))


def webdataset(job: Job) -> Written:
    """Shards of 1000 pictures: ``NAME.png``, ``NAME.txt``, ``NAME.hard_negative.txt``."""
    shards, pictures = [], job.loaded()
    for first in range(0, len(job.dataset), SHARD_SIZE):
        shards.append(f"shard-{first // SHARD_SIZE:06d}.tar")
        with tarfile.open(job.root / shards[-1], "w", format=tarfile.USTAR_FORMAT) as shard:
            for index, name, pixels in itertools.islice(pictures, SHARD_SIZE):
                for suffix, content in _members(job, index, pixels):
                    member = tarfile.TarInfo(f"{name}.{suffix}")
                    member.size = len(content)
                    shard.addfile(member, io.BytesIO(content))
    return Written("webdataset", tuple(shards), separator="::")


def _members(job: Job, index: int, pixels: np.ndarray) -> list[tuple[str, bytes]]:
    """The fields of a sample."""
    members = [("png", png(pixels)), ("txt", lines_of(job.dataset.captions(index)).encode())]
    if negatives := job.dataset.hard_negatives(index):
        members += [(hard_negatives.FIELD, lines_of(negatives).encode())]
    return members
