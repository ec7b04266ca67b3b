"""Karpathy's split files: ``dataset_coco.json``, ``dataset_flickr30k.json`` and their like."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from csparc._json import read_json
from csparc._text import show
from csparc.data.gather import Gather
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.listing import note_unnamed
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import member, note_repeated
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
    repeated: Counter[str] = Counter()
    record = read_json(path, "a Karpathy split file", repeated=repeated)
    images = member(record, "images", list, path)
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    gather = Gather(options)
    wanted = _SPLITS.get(split, (split,))
    splits: Counter[str] = Counter()
    unique = _Unique(path, wanted)
    for number, image in enumerate(images):
        where = f"{path} images[{number}]"
        if not isinstance(image, dict) or not isinstance(image.get("split"), str):
            gather.reject(BadItem(where, "expected an object with filename, split and sentences"))
            continue
        splits[image["split"]] += 1
        unique.add(image, f"images[{number}]")
        if image["split"] in wanted:
            _add_image(guard, gather, image, where)
    if splits and not any(splits[name] for name in wanted):
        there = ", ".join(f"{show(name, 24)} ({count})" for name, count in splits.most_common(8))
        raise DataError(f"{path}: expected pictures of the split {split!r}, found {there}")
    found = gather.finish(path)
    unique.note(gather)
    named = [os.path.normpath(os.path.join(guard.root, *file)) for file in unique.files]
    note_repeated(path, repeated, gather.problems)
    note_unnamed(folder, named, path, gather.problems)
    return PictureFiles(spec, guard, found, gather.problems, options.max_pixels)


class _Unique:
    """Checks the keys that must differ from picture to picture."""

    def __init__(self, path: str, wanted: tuple[str, ...]) -> None:
        self._path, self._wanted = path, wanted
        self._ids: dict[tuple[str, object], tuple[object, str]] = {}
        self._splits: dict[tuple[str, str], str] = {}
        self._again: list[str] = []
        self._elsewhere: list[str] = []

    @property
    def files(self) -> Iterable[tuple[str, str]]:
        """(folder, name) of the pictures of all splits."""
        return self._splits.keys()

    def add(self, image: dict, where: str) -> None:
        """Take in an entry.

        Raises
        ------
        DataError
            Its id belongs to another picture.
        """
        name, split = image.get("filename"), image["split"]
        for key in ("imgid", "cocoid"):
            value = image.get(key)
            if not isinstance(value, (int, str)) or isinstance(value, bool):
                continue
            before = self._ids.setdefault((key, value), (name, where))
            if before[0] != name:
                raise DataError(
                    f"{self._path}: expected a {key} of its own for each picture, found "
                    f"{show(value, 24)} twice: {before[1]} is {show(before[0], 60)}, {where} is "
                    f"{show(name, 60)}"
                )
        if not isinstance(name, str):
            return
        subfolder = image.get("filepath")
        file = (subfolder if isinstance(subfolder, str) else "", name)
        if file not in self._splits:
            self._splits[file] = split
            return
        before = self._splits[file]
        inside = (before in self._wanted) + (split in self._wanted)
        if inside == 2:
            self._again.append(name)
        elif inside == 1:
            self._elsewhere.append(f"{name} in {before} and {split}")

    def note(self, gather: Gather) -> None:
        """Say which pictures are listed twice."""
        if self._again:
            gather.problems.note(
                f"{self._path}: {len(self._again)} pictures are listed again, the first is "
                f"{show(self._again[0], 60)}; their captions are put together",
                warn=True,
            )
        if self._elsewhere:
            gather.problems.note(
                f"{self._path}: {len(self._elsewhere)} pictures are in another split, too, the "
                f"first is {show(self._elsewhere[0], 80)}",
                warn=True,
            )


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
