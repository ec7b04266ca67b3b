"""Open a data set by a short text, the same in Python and on the command line.

=======================================  =========================================================
``folder:DIR``                           pictures with ``NAME.txt`` beside each, or a captions file
``csv:FILE``, ``tsv:FILE``               a table; columns filepath and title by default
``coco:IMAGES_DIR,CAPTIONS.json``        COCO captions; behind them ``,INSTANCES.json``
``instances:IMAGES_DIR,FILE.json``       what is where as COCO, LVIS and Objects365 write it
``karpathy:IMAGES_DIR,FILE.json,SPLIT``  Karpathy's splits; train takes restval too
``webdataset:FILES``                     tar shards: braces, wildcards, parted by ``::``
``imagenet:DIR``                         pictures of classes, a folder each (`readers.labelled`)
``labels:FILE``                          a table of pictures and their classes
``sugarcrepe:IMAGES_DIR,FILES``          captions, each with one that is wrong (`readers.matching`)
``winoground:DIR``                       pairs of pictures and of captions that differ in order
``scenes:OPTIONS``                       generated scenes
``voc:DIR,SPLIT``, ``context:...``       labels of pixels as Pascal VOC and Context have them
``entities:IMAGES_DIR,DIR,SPLIT``        Flickr30k Entities; without a split all of it
``visual-genome:IMAGES_DIR,FILE.json``   Visual Genome's region descriptions, or its objects
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
``classes``            the names of classes (`csparc.data.readers.class_names`)
``pairs``              shuffled or random, and :SEED: captions of others (`ShuffledPairs`)
=====================  ===========================================================================

A path alone is a folder, or a table by its suffix .csv or .tsv.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace

from csparc._arrays import describe
from csparc._scalars import whole_number
from csparc._text import show
from csparc._whereabouts import expanded, looked_for
from csparc.data import images
from csparc.data.dataset import Dataset
from csparc.data.mixed import mixed
from csparc.data.options import TEXT_FORMS, Options
from csparc.data.report import DEFAULT_MAX_BAD
from csparc.data.schemes import OPENERS, SCHEMES, TAKES
from csparc.data.shuffled import KINDS, ShuffledPairs
from csparc.errors import DataError

_OPTION_KEYS = tuple(dict.fromkeys(key for keys in TAKES.values() for key in keys))
_OPTION = re.compile(rf";(?=(?:{'|'.join(_OPTION_KEYS)})=)")
_UNKNOWN_OPTION = re.compile(r";([a-z_]+)=[^/]*$")


def open(
    spec: str | os.PathLike | Sequence[str | os.PathLike],
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
    mix: str | Sequence[float] | None = None,
) -> Dataset:
    """Open a data set, or several to train on together.

    Parameters
    ----------
    spec : str or path, or several
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
    mix : sequence of numbers, or "batches", optional
        Of several specifications: their shares of every batch (`csparc.data.Mixed`; default equal
        ones), or a batch of each in every step (`csparc.data.MixedBatches`).

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
    several = isinstance(spec, Sequence) and not isinstance(spec, (str, bytes))
    specs = list(spec) if several else [spec]
    if mix is not None and len(specs) < 2:
        raise DataError(f"mix: expected several data sets, found {len(specs)}")
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
    opened = [_open_one(_checked(one), options) for one in specs]
    for note in (note for one in opened for note in one.problems.notes(warn=True)):
        warnings.warn(note, stacklevel=2)
    return mixed(opened, mix) if several and len(opened) != 1 else opened[0]


def _open_one(text: str, options: Options) -> Dataset:
    scheme, where = _scheme(text)
    if scheme == "scenes":
        where, options = _pairs_of_scenes(text, where, options)
    else:
        where, options = _options(text, where, options)
    ineffective = [key for key in _OPTION_KEYS if key not in TAKES[scheme]]
    options.refuse(ineffective, f"{scheme}: takes {', '.join(TAKES[scheme]) or 'none'} alone")
    pairs_of = None if options.pairs is None else _kind_of_pairs(text, options.pairs)
    found = OPENERS[scheme](text, where, options)
    if pairs_of is not None:
        kind, seed = pairs_of
        found = ShuffledPairs(found, seed, kind)
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


def folder_of(spec: str | os.PathLike) -> str | None:
    """The folder that a specification of a folder of pictures names; None of other schemes.

    Raises
    ------
    DataError, TypeError
        As `open` does for what is no specification.
    """
    text = _checked(spec)
    scheme, where = _scheme(text)
    return expanded(_options(text, where, Options())[0]) if scheme == "folder" else None


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
