"""Open a data set by a short text, the same in Python and on the command line.

=======================================  =========================================================
``folder:DIR``                           pictures with ``NAME.txt`` beside each, or a captions file
``csv:FILE``, ``tsv:FILE``               a table; columns filepath and title by default
``coco:IMAGES_DIR,CAPTIONS.json``        COCO captions; behind them ``,INSTANCES.json``
``karpathy:IMAGES_DIR,FILE.json,SPLIT``  Karpathy's splits; train takes restval too
``webdataset:FILES``                     tar shards: braces, wildcards, parted by ``::``
``scenes:OPTIONS``                       generated scenes
``voc:DIR,SPLIT``, ``context:...``       labels of pixels as Pascal VOC and Context have them
``entities:IMAGES_DIR,DIR,SPLIT``        Flickr30k Entities; without a split all of it
``visual-genome:IMAGES_DIR,FILE.json``   Visual Genome's region descriptions
=======================================  =========================================================

Options follow as ``;KEY=VALUE``; one that has no effect is an error.

=====================  ===========================================================================
``img_key``            column of the path; in shards the field of the picture, such as ``seg.png``
``caption_key``        column of the caption; in shards JSON key or field, such as ``alt.txt``
``separator``          of a table: a character, or tab, comma, semicolon, space
``quoting``            of a table: auto, rfc4180, none (`csparc.data.readers.table_rows.QUOTING`)
``captions``           the captions file of a folder; none: ``NAME.txt`` beside each picture
``text``               of ``.txt`` captions: lines (each is a caption), or whole (all of it is one)
``max_captions``       the first so many of each picture
``hard_negative_key``  column, JSON key or field of hard negatives; none: they are not read
``pairs``              shuffled or random, and :SEED: captions of others (`ShuffledPairs`)
=====================  ===========================================================================

A path alone is a folder, or a table by its suffix .csv or .tsv.
"""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import replace

from csparc import _text
from csparc._arrays import describe
from csparc._scalars import whole_number
from csparc._text import show
from csparc._whereabouts import absent, expanded, looked_for
from csparc.data import images
from csparc.data.dataset import TEXT_FORMS, Dataset, Options
from csparc.data.readers.coco import open_coco
from csparc.data.readers.entities import open_entities
from csparc.data.readers.folder import open_folder
from csparc.data.readers.instances import Instances
from csparc.data.readers.karpathy import open_karpathy
from csparc.data.readers.table import open_table
from csparc.data.readers.visual_genome import open_visual_genome
from csparc.data.readers.voc import CONTEXT, VOC, open_voc
from csparc.data.readers.webdataset import WebDataset
from csparc.data.report import DEFAULT_MAX_BAD
from csparc.data.shuffled import KINDS, ShuffledPairs
from csparc.errors import DataError

SCHEMES = (
    "folder", "csv", "tsv", "coco", "karpathy", "webdataset", "scenes", "voc", "context",
    "entities", "visual-genome",
)  # fmt: skip

_COLUMNS = ("img_key", "caption_key", "hard_negative_key")
_TABLE = (*_COLUMNS, "separator", "quoting")

TAKES: dict[str, tuple[str, ...]] = {
    "folder": (*_TABLE, "captions", "text", "max_captions", "pairs"),
    "csv": (*_TABLE, "max_captions", "pairs"),
    "tsv": (*_TABLE, "max_captions", "pairs"),
    "coco": ("max_captions", "pairs"),
    "karpathy": ("max_captions", "pairs"),
    "webdataset": (*_COLUMNS, "text", "max_captions", "pairs"),
    "scenes": ("max_captions", "pairs"),
    "voc": ("pairs",),
    "context": ("pairs",),
    "entities": ("max_captions", "pairs"),
    "visual-genome": ("max_captions", "pairs"),
}
"""The options that each scheme takes."""

_OPTION_KEYS = TAKES["folder"]
_OPTION = re.compile(rf";(?=(?:{'|'.join(_OPTION_KEYS)})=)")
_UNKNOWN_OPTION = re.compile(r";([a-z_]+)=[^/]*$")


def open(
    spec: str | os.PathLike,
    *,
    allow_outside: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    max_bad: float = DEFAULT_MAX_BAD,
    max_captions: int | None = None,
    img_key: str | None = None,
    caption_key: str | None = None,
    separator: str | None = None,
    hard_negative_key: str | None = None,
    pairs: str | None = None,
) -> Dataset:
    """Open a data set.

    Parameters
    ----------
    spec : str or path
        Where the data are; see the module's table. Options inside it win over the arguments.
    allow_outside : bool
        Follow paths that leave the data folder (absolute, ``..``, links).
    max_pixels : int
        Larger pictures are bad items; judged by the header.
    max_bad : float
        The share of bad items above which opening and loading fail.
    max_captions : int, optional
        Keep the first so many captions of each picture (5: the usual retrieval protocol).
    img_key, caption_key, separator, hard_negative_key, pairs : str, optional
        As the options of the specification; an error where they have no effect.

    Returns
    -------
    Dataset
        Pictures by number; its `problems` tells what was left out, and its `problems.notes()`
        what else was found, such as files that are not used. What may be another thing than was
        meant, such as many captions ``nan``, is warned of, too.

    Raises
    ------
    DataError
        One line: which file, what was expected, what was found.
    TypeError
        Neither text nor a path.
    """
    text = _checked(spec)
    if max_captions is not None:
        whole_number(max_captions, "max_captions", low=1)
    options = Options(
        allow_outside=allow_outside,
        max_pixels=max_pixels,
        max_bad=max_bad,
        max_captions=max_captions,
        img_key=img_key,
        caption_key=caption_key,
        separator=separator,
        hard_negative_key=hard_negative_key,
        pairs=pairs,
    )
    scheme, where = _scheme(text)
    if scheme == "scenes":
        where, options = _pairs_of_scenes(text, where, options)
    else:
        where, options = _options(text, where, options)
    ineffective = [key for key in _OPTION_KEYS if key not in TAKES[scheme]]
    options.refuse(ineffective, f"{scheme}: takes {', '.join(TAKES[scheme])} alone")
    pairs_of = None if options.pairs is None else _kind_of_pairs(text, options.pairs)
    found = _opened(scheme, text, where, options)
    if pairs_of is not None:
        kind, seed = pairs_of
        found = ShuffledPairs(found, seed, kind)
    for note in found.problems.notes(warn=True):
        warnings.warn(note, stacklevel=2)
    return found


def _checked(spec: str | os.PathLike) -> str:
    if not isinstance(spec, (str, os.PathLike)):
        raise TypeError(f"data: expected SCHEME:PATH or a path, found {describe(spec)}")
    text = os.fspath(spec)
    if not isinstance(text, str) or not text or "\0" in text:
        raise DataError(f"data: expected SCHEME:PATH or a path, found {show(text)}")
    return text


def _kind_of_pairs(text: str, value: str) -> tuple[str, int]:
    """The kind and the seed of ``pairs=KIND`` (seed 0) and of ``pairs=KIND:SEED``."""
    found = re.fullmatch(rf"({'|'.join(KINDS)})(?::(-?[0-9]{{1,20}}))?", str(value), re.ASCII)
    seed = int(found[2] or 0) if found else None
    if seed is None or not -(1 << 63) <= seed < 1 << 64:
        raise DataError(
            f"{text}: pairs: expected {' or '.join(KINDS)}, and :SEED, a number of 64 bits, found "
            f"{show(value)}"
        )
    return found[1], seed


def _pairs_of_scenes(text: str, where: str, options: Options) -> tuple[str, Options]:
    """``OPTIONS`` of scenes without ``pairs``, which is none of theirs."""
    settings = where.split(";")
    given = [one.partition("=")[2] for one in settings if one.startswith("pairs=")]
    if len(given) > 1:
        raise DataError(f"{text}: pairs is given twice")
    if not given:
        return where, options
    rest = ";".join(one for one in settings if not one.startswith("pairs="))
    return rest, replace(options, pairs=given[0])


def takes(spec: str, option: str) -> bool:
    """Whether a specification is of a scheme that takes an option."""
    return option in TAKES[_scheme(os.fspath(spec))[0]]


def _opened(scheme: str, text: str, where: str, options: Options) -> Dataset:
    if scheme == "folder":
        return open_folder(text, expanded(where), options)
    if scheme in ("csv", "tsv"):
        return open_table(text, expanded(where), "," if scheme == "csv" else "\t", options)
    if scheme == "coco":
        return _coco(text, where, options)
    if scheme == "karpathy":
        where, _, split = where.rpartition(",")
        if "," not in where:
            raise DataError(f"{text}: expected IMAGES_DIR,FILE.json,SPLIT, found too few commas")
        return open_karpathy(text, *_parts(text, where), _text.trimmed(split), options)
    if scheme == "webdataset":
        return WebDataset(text, where, options)
    if scheme in ("voc", "context"):
        folder, _, split = where.rpartition(",")
        if not folder:
            raise DataError(f"{text}: expected {scheme}:DIR,SPLIT, found no comma")
        tree = VOC if scheme == "voc" else CONTEXT
        return open_voc(text, expanded(folder), _text.trimmed(split), tree, options)
    if scheme == "entities":
        return _entities(text, where, options)
    if scheme == "visual-genome":
        return open_visual_genome(text, *_parts(text, where), options)
    from csparc.data.scenes.dataset import Scenes

    return Scenes.from_spec(where, options.max_captions)


def _scheme(text: str) -> tuple[str, str]:
    head, colon, rest = text.partition(":")
    if colon and head in SCHEMES:
        if not rest and head != "scenes":
            raise DataError(f"{text}: expected a path after {head}:, found nothing")
        return head, rest
    bare = expanded(_OPTION.split(text)[0])
    if os.path.isdir(bare):
        return "folder", text
    suffix = os.path.splitext(bare)[1].lower()
    if suffix in (".csv", ".tsv"):
        return suffix[1:], text
    if os.path.exists(bare):
        raise DataError(f"{text}: expected a folder, .csv or .tsv; else say which: SCHEME:PATH")
    known = ", ".join(f"{name}:" for name in SCHEMES)
    if colon and head.lower() in SCHEMES:
        looked = f" (write {head.lower()}: in lower case)"
    else:
        looked = looked_for(bare)
    raise DataError(f"{text}: expected an existing path or one of {known} found neither{looked}")


def _options(text: str, rest: str, options: Options) -> tuple[str, Options]:
    """Split ``PATH;key=value;...``; a path that exists as it stands has no options."""
    if os.path.exists(expanded(rest)):
        return rest, options
    where, *settings = _OPTION.split(rest)
    unknown = _UNKNOWN_OPTION.search(where)
    if unknown and not os.path.exists(where):
        raise DataError(
            f"{text}: expected the options {', '.join(_OPTION_KEYS)}, found {unknown[1]!r}"
        )
    given = set()
    for setting in settings:
        key, _, value = setting.partition("=")
        if key in given:
            raise DataError(f"{text}: {key} is given twice")
        given.add(key)
        if not value:
            raise DataError(f"{text}: expected a value for {key}, found nothing")
        if key == "max_captions":
            if not (value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value)):
                raise DataError(f"{text}: max_captions: expected a count, found {show(value)}")
            options = replace(options, max_captions=int(value))
        elif key == "text" and value not in TEXT_FORMS:
            raise DataError(f"{text}: text: expected {', '.join(TEXT_FORMS)}, found {show(value)}")
        else:
            options = replace(options, **{key: value})
    return where, options


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
    return Instances(open_coco(text, folder, captions, options), instances, options)


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
    found = _existing(where, (os.path.isdir, os.path.isfile))
    if found is not None:
        return found
    folder, file = expanded(where[: commas[-1]]), expanded(where[commas[-1] + 1 :])
    if not os.path.isdir(folder):
        found = "a file" if os.path.isfile(folder) else absent(folder, "no such folder")
        raise DataError(f"{folder}: expected the folder of the pictures, found {found}")
    return folder, file
