"""The files of captions of retrieval's benchmarks: Karpathy's splits, Flickr30k's lists."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from csparc.data.export.pictures import PICTURES, Job, Written, lines_of, quoted


def token(job: Job) -> Written:
    """Flickr30k's ``results.token``: ``NAME.png#0<TAB>caption``, beside the pictures."""
    lines = [f"{file}#{number}\t{quoted(text)}" for file, number, text in _captions(job)]
    job.write_text("results.token", lines_of(lines))
    return Written("folder", ("",))


def flickr_csv(job: Job) -> Written:
    """Kaggle's ``results.csv`` of Flickr30k: ``NAME.png| 0| caption``, beside the pictures."""
    lines = [f"{file}| {number}| {quoted(text)}" for file, number, text in _captions(job)]
    job.write_text("results.csv", lines_of(["image_name| comment_number| comment", *lines]))
    return Written("folder", ("",))


def clip_benchmark(job: Job) -> Written:
    """CLIP_benchmark's ``flickr30k_SPLIT_karpathy.txt``: ``NAME.jpg,caption``, beside the pictures.

    It parts lines at ``.jpg,``, so the pictures have that ending, whatever is in them.
    """
    lines = [f"{file},{quoted(text)}" for file, _, text in _captions(job, "jpg")]
    name = f"flickr30k_{job.split}_karpathy.txt"
    job.write_text(name, lines_of(["image,caption", *lines]))
    return Written("folder", ("",), tail=f";captions={name}")


def _captions(job: Job, ending: str = "png") -> list[tuple[str, int, str]]:
    """File, number and text of each caption, once the pictures are written."""
    return [
        (file, number, text)
        for index, file, _ in job.pictures(".", ending)
        for number, text in enumerate(job.dataset.captions(index))
    ]


def karpathy(job: Job) -> Written:
    """``dataset_coco.json``: pictures have COCO's ids, and the folder that they lie in."""
    images = [
        {"filepath": PICTURES, "cocoid": record["imgid"]} | record for record in _records(job)
    ]
    return _split_file(job, "coco", images, "")


def karpathy_flickr(job: Job) -> Written:
    """``dataset_flickr30k.json``: pictures have names alone."""
    return _split_file(job, "flickr30k", list(_records(job)), PICTURES)


def _records(job: Job) -> Iterator[dict]:
    """A picture each, with its sentences and the data set's split."""
    sentences = itertools.count()
    for index, file, _ in job.pictures():
        said = [
            {"tokens": caption.replace(",", "").split(), "raw": caption, "imgid": index,
             "sentid": next(sentences)}
            for caption in job.dataset.captions(index)
        ]  # fmt: skip
        yield {
            "filename": file, "imgid": index, "sentids": [one["sentid"] for one in said],
            "split": job.split, "sentences": said,
        }  # fmt: skip


def _split_file(job: Job, source: str, images: list[dict], folder: str) -> Written:
    name = job.write_json(f"dataset_{source}.json", {"images": images, "dataset": source})
    return Written("karpathy", (folder, name), tail=f",{job.split}")
