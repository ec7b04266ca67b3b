"""Write a data set, such as generated scenes, in the formats that ``csparc.data.open`` reads, and
in those of benchmarks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from csparc._new_folder import NewFolder
from csparc.data.dataset import Dataset
from csparc.data.export import captions, choices, instances, places, retrieval, trees
from csparc.data.export.pictures import Job, Written
from csparc.errors import DataError

WRITERS: dict[str, Callable[[Job], Written]] = {
    "folder": captions.folder,
    "csv": lambda job: captions.table(job, "csv", ","),
    "tsv": lambda job: captions.table(job, "tsv", "\t"),
    "webdataset": captions.webdataset,
    "coco": captions.coco,
    "karpathy": retrieval.karpathy,
    "karpathy-flickr": retrieval.karpathy_flickr,
    "token": retrieval.token,
    "flickr-csv": retrieval.flickr_csv,
    "clip-benchmark": retrieval.clip_benchmark,
    "lvis": instances.lvis,
    "objects365": instances.objects365,
    "voc": trees.voc,
    "context": trees.context,
    "entities": places.entities,
    "visual-genome": places.visual_genome,
    "visual-genome-objects": places.visual_genome_objects,
    "imagenet": choices.imagenet,
    "imagenet-c": choices.imagenet_c,
    "sugarcrepe": choices.sugarcrepe,
    "winoground": choices.winoground,
}
"""What `export` writes, by name."""

_WITH_HARD_NEGATIVES = ("folder", "csv", "tsv", "webdataset")


def export(
    dataset: Dataset,
    kind: str,
    directory: str | os.PathLike,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write every picture of a data set, as PNG, with what is known of it.

    Parameters
    ----------
    dataset : Dataset
        What to write; ``csparc.data.scenes.dataset.Scenes`` for instance.
    kind : str
        With captions: ``folder`` (``NAME.txt`` beside each picture, one caption a line), ``csv`` or
        ``tsv`` (columns filepath and title, a row a caption), ``webdataset`` (shards of 1000
        pictures), ``coco`` (``captions.json``, and ``instances.json`` where places are known),
        ``karpathy`` and ``karpathy-flickr`` (his splits of COCO and of Flickr30k; the split is the
        data set's, ``train`` where it has none), ``token``, ``flickr-csv`` and ``clip-benchmark``
        (Flickr30k's ``results.token``, Kaggle's ``results.csv`` of it, and
        ``flickr30k_SPLIT_karpathy.txt``). Hard negatives are kept by folders, tables and shards,
        and refused by the others.

        With places (`Dataset.regions`): ``entities`` (Flickr30k Entities), ``visual-genome`` and
        ``visual-genome-objects`` (``region_descriptions.json``, ``objects.json``); where they are
        of classes (`Dataset.label_names`) ``lvis`` and ``objects365``. With labels of pixels
        (`Dataset.label_map`): ``voc``, ``context``.

        Of generated scenes alone: ``imagenet`` (a folder a class: single objects by colour and
        shape), ``imagenet-c`` (the same under five corruptions in five severities, 25 pictures a
        scene), ``sugarcrepe`` (a true and a false caption a picture, a file a kind of change),
        ``winoground`` (two scenes that differ by an exchange of colours, and a caption of each).
    directory : path
        A new or empty folder; it appears whole under its name, or not at all.
    progress : callable, optional
        Called with (pictures written, pictures in all).

    Returns
    -------
    str
        The specification that opens what was written; of a format that no data set is read from
        its name and the folder.

    Raises
    ------
    DataError
        Unknown kind, one that would lose hard negatives, or one that needs what the data set does
        not know; the folder holds something; a picture cannot be read (``BadItem``).
    ImportError
        Pillow is not installed.
    """
    if kind not in WRITERS:
        raise DataError(f"export: expected one of {', '.join(WRITERS)}, found {kind!r}")
    if kind not in _WITH_HARD_NEGATIVES and dataset.has_hard_negatives:
        raise DataError(
            f"export: expected a data set without hard negatives for {kind}, which has no place "
            f"for them, found some in {dataset.spec}; another kind keeps them, and "
            "hard_negative_key=none leaves them unread"
        )
    root = Path(directory)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root}: expected a new or empty folder, found one that holds something")
    with NewFolder(root) as folder:
        written = WRITERS[kind](Job(dataset, folder, progress))
    return written.spec(root)
