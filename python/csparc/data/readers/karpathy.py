"""Karpathy's split files: ``dataset_coco.json``, ``dataset_flickr30k.json`` and their like."""

from __future__ import annotations

from collections import Counter

from csparc._json import read_json
from csparc._text import show
from csparc.data.dataset import Gather, Options, PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import member
from csparc.data.report import BadItem
from csparc.errors import DataError

# By convention the training split also takes what the validation split left over.
_SPLITS = {"train": ("train", "restval")}


def open_karpathy(spec: str, folder: str, path: str, split: str, options: Options) -> PictureFiles:
    """Read one split: the ``raw`` sentences of each picture.

    Parameters
    ----------
    spec : str
        What the data set was opened from.
    folder : str
        Where the pictures lie: ``filepath`` (when there is one) and ``filename`` are joined to it.
    path : str
        The JSON file.
    split : str
        train (with restval), val, test or restval.
    options : Options
        `max_captions=5` gives the usual retrieval protocol.

    Raises
    ------
    DataError
        Broken file, no such split, nothing left or too many bad entries.
    """
    images = member(read_json(path, "a Karpathy split file"), "images", list, path)
    guard = Guard(folder, options.allow_outside)
    gather = Gather(options)
    wanted = _SPLITS.get(split, (split,))
    splits: Counter[str] = Counter()
    for number, image in enumerate(images):
        where = f"{path} images[{number}]"
        if not isinstance(image, dict) or not isinstance(image.get("split"), str):
            gather.reject(BadItem(where, "expected an object with filename, split and sentences"))
            continue
        splits[image["split"]] += 1
        if image["split"] in wanted:
            _add_image(guard, gather, image, where)
    if splits and not any(splits[name] for name in wanted):
        there = ", ".join(f"{show(name, 24)} ({count})" for name, count in splits.most_common(8))
        raise DataError(f"{path}: expected pictures of the split {split!r}, found {there}")
    found = gather.finish(path)
    return PictureFiles(spec, guard, found, gather.problems, options.max_pixels)


def _add_image(guard: Guard, gather: Gather, image: dict, where: str) -> None:
    try:
        name = image.get("filename")
        subfolder = image.get("filepath")
        if isinstance(name, str) and isinstance(subfolder, str) and subfolder:
            name = f"{subfolder}/{name}"
        elif subfolder not in (None, ""):
            raise BadItem(where, f"expected filepath as text, found {show(subfolder)}")
        picture = guard.join(name, where)
        sentences = image.get("sentences")
        if not isinstance(sentences, list):
            raise BadItem(where, f"expected a list of sentences, found {show(sentences)}")
    except BadItem as bad:
        gather.reject(bad)
        return
    if not sentences:
        gather.add(picture, [], where)
    for number, sentence in enumerate(sentences):
        raw = sentence.get("raw") if isinstance(sentence, dict) else sentence
        gather.add(picture, [raw], f"{where} sentences[{number}]")
