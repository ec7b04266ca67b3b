"""What a specification may begin with: by scheme the options it takes, and what opens it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

from csparc import _text
from csparc._whereabouts import absent, expanded
from csparc.data.dataset import Dataset
from csparc.data.options import Options
from csparc.data.readers.coco import open_coco
from csparc.data.readers.entities import open_entities
from csparc.data.readers.folder import open_folder
from csparc.data.readers.instances import open_captioned_instances, open_instances
from csparc.data.readers.karpathy import open_karpathy
from csparc.data.readers.labelled import open_class_folders, open_label_table
from csparc.data.readers.matching import open_sugarcrepe, open_winoground
from csparc.data.readers.table import open_table
from csparc.data.readers.visual_genome import open_visual_genome
from csparc.data.readers.voc import CONTEXT, VOC, Tree, open_voc
from csparc.data.readers.webdataset import WebDataset
from csparc.errors import DataError

_COLUMNS = ("img_key", "caption_key", "hard_negative_key")
_TABLE = (*_COLUMNS, "separator", "quoting")

TAKES: dict[str, tuple[str, ...]] = {
    "folder": (*_TABLE, "captions", "text", "max_captions", "pairs"),
    "csv": (*_TABLE, "max_captions", "pairs"),
    "tsv": (*_TABLE, "max_captions", "pairs"),
    "coco": ("max_captions", "pairs"),
    "instances": ("pairs",),
    "karpathy": ("max_captions", "pairs"),
    "webdataset": (*_COLUMNS, "text", "max_captions", "pairs"),
    "imagenet": ("classes",),
    "labels": ("img_key", "caption_key", "separator", "quoting", "classes"),
    "sugarcrepe": (),
    "winoground": (),
    "voc": ("pairs",),
    "context": ("pairs",),
    "entities": ("max_captions", "pairs"),
    "visual-genome": ("max_captions", "pairs"),
    "scenes": ("max_captions", "pairs"),
}
"""The options that each scheme takes."""

SCHEMES = tuple(TAKES)


def _coco(text: str, where: str, options: Options) -> Dataset:
    """``IMAGES_DIR,CAPTIONS.json``, and ``,INSTANCES.json`` behind it."""
    found = _existing(where, (os.path.isdir, os.path.isfile, os.path.isfile))
    if found is None and _existing(where, (os.path.isdir, os.path.isfile)) is None:
        before, _, last = where.rpartition(",")
        inside = _existing(before, (os.path.isdir, os.path.isfile))
        found = None if inside is None else (*inside, expanded(last))
    if found is None:
        return open_coco(text, *_parts(text, where), options)
    folder, captions, instances = found
    return open_captioned_instances(open_coco(text, folder, captions, options), instances, options)


def _karpathy(text: str, where: str, options: Options) -> Dataset:
    where, _, split = where.rpartition(",")
    if "," not in where:
        raise DataError(f"{text}: expected IMAGES_DIR,FILE.json,SPLIT, found too few commas")
    return open_karpathy(text, *_parts(text, where), _text.trimmed(split), options)


def _tree(tree: Tree) -> Callable[[str, str, Options], Dataset]:
    """``DIR,SPLIT``."""

    def opened(text: str, where: str, options: Options) -> Dataset:
        folder, _, split = where.rpartition(",")
        if not folder:
            raise DataError(f"{text}: expected DIR,SPLIT, found no comma")
        return open_voc(text, expanded(folder), _text.trimmed(split), tree, options)

    return opened


def _entities(text: str, where: str, options: Options) -> Dataset:
    """``IMAGES_DIR,DIR``, and ``,SPLIT`` behind it."""
    found, split = _existing(where, (os.path.isdir, os.path.isdir)), None
    if found is None:
        before, _, split = where.rpartition(",")
        found = _existing(before, (os.path.isdir, os.path.isdir))
    if found is None:
        raise DataError(
            f"{text}: expected entities:IMAGES_DIR,DIR,SPLIT, two folders that exist and the name "
            "of a split, which may be left out"
        )
    return open_entities(text, *found, None if split is None else _text.trimmed(split), options)


def _scenes(text: str, where: str, options: Options) -> Dataset:
    from csparc.data.scenes.dataset import Scenes

    return Scenes.from_spec(where, options.max_captions)


def _existing(where: str, kinds: tuple[Callable[[str], bool], ...]) -> tuple[str, ...] | None:
    """Paths parted by commas, any of which may hold commas itself, so that each is of its kind."""
    commas = [at for at, letter in enumerate(where) if letter == ","]
    for chosen in itertools.combinations(commas, len(kinds) - 1):
        edges = zip((-1, *chosen), (*chosen, len(where)))
        parts = tuple(expanded(where[first + 1 : last]) for first, last in edges)
        if all(kind(part) for kind, part in zip(kinds, parts)):
            return parts
    return None


def _parts(text: str, where: str) -> tuple[str, str]:
    """``FOLDER,FILE``, either of which may hold commas itself: the split whose parts exist wins."""
    commas = [at for at, letter in enumerate(where) if letter == ","]
    if not commas:
        raise DataError(f"{text}: expected IMAGES_DIR,FILE.json, found no comma")
    found = _existing(where, (os.path.isdir, os.path.exists))
    if found is not None:
        return found
    folder, file = expanded(where[: commas[-1]]), expanded(where[commas[-1] + 1 :])
    if not os.path.isdir(folder):
        found = "a file" if os.path.isfile(folder) else absent(folder, "no such folder")
        raise DataError(f"{folder}: expected the folder of the pictures, found {found}")
    return folder, file


OPENERS: dict[str, Callable[[str, str, Options], Dataset]] = {
    "folder": lambda text, where, options: open_folder(text, expanded(where), options),
    "csv": lambda text, where, options: open_table(text, expanded(where), ",", options),
    "tsv": lambda text, where, options: open_table(text, expanded(where), "\t", options),
    "coco": _coco,
    "instances": lambda text, where, options: open_instances(text, *_parts(text, where), options),
    "karpathy": _karpathy,
    "webdataset": WebDataset,
    "imagenet": lambda text, where, options: open_class_folders(text, expanded(where), options),
    "labels": lambda text, where, options: open_label_table(text, expanded(where), options),
    "sugarcrepe": lambda text, where, options: open_sugarcrepe(text, *_parts(text, where), options),
    "winoground": lambda text, where, options: open_winoground(text, expanded(where), options),
    "voc": _tree(VOC),
    "context": _tree(CONTEXT),
    "entities": _entities,
    "visual-genome": lambda text, where, options: open_visual_genome(
        text, *_parts(text, where), options
    ),
    "scenes": _scenes,
}
"""What opens the rest of a specification: ``open(whole, rest, options)``."""
