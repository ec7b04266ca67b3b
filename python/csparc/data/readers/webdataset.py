"""Tar shards as webdataset writes them: ``KEY.jpg`` beside ``KEY.txt`` (or ``KEY.json``).

The name of a file up to its first dot is the key of a sample, the rest is the name of a field: in
``00000.seg.png`` that is ``seg.png``. Shards are indexed once, when they are opened: every header
is visited, captions are read, pictures are not. A picture is then read from its place in the shard,
so the order can be any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from csparc._json import parse_json
from csparc._text import show
from csparc.data import images
from csparc.data.caption_text import caption_lines
from csparc.data.dataset import Dataset
from csparc.data.gather import Gather
from csparc.data.images import SUFFIXES, is_picture
from csparc.data.options import Options
from csparc.data.readers import hard_negatives, tar
from csparc.data.readers.paths import printable
from csparc.data.readers.shards import expand
from csparc.data.readers.text_files import refuse_repeated
from csparc.data.report import BadItem, BadItems
from csparc.data.source import Source
from csparc.errors import DataError

_LARGEST_TEXT = 1 << 20
_LARGEST_PICTURE = 1 << 30

_CAPTION_KEY = "caption"


class WebDataset(Dataset):
    """Pictures inside tar shards.

    Parameters
    ----------
    spec : str
        What it was opened from.
    files : str
        Shards: braces ``{000..012}`` or ``{a,b}``, wildcards, several parted by ``::``.
    options : Options
        `img_key` is the field of the picture; by default the one that is a picture's ending alone,
        else the only one that ends like a picture. `caption_key` is a field with captions as text,
        or a key of the ``.json`` field; by default ``txt``, else "caption" in JSON.
        `hard_negative_key` likewise, by default ``hard_negative.txt``, else in the JSON that the
        caption is read from one of `hard_negatives.KEYS`.

    Raises
    ------
    DataError
        No shards, a damaged archive, nothing left or too many bad samples.
    """

    def __init__(self, spec: str, files: str, options: Options) -> None:
        self.spec = spec
        self.max_pixels = options.max_pixels
        gather = Gather(options)
        places: dict[str, tuple[str, tar.Member]] = {}
        left = _Left()
        for shard in expand(files):
            for (part, key), sample in _samples(shard, gather, left).items():
                which = f" part {part + 1}" if part else ""
                name = f"{printable(shard)}{which}: {printable(key)}"
                _add_sample(gather, places, name, shard, sample, left)
        found = gather.finish(files)
        left.note(files, gather.problems)
        self.problems = gather.problems
        self._names = list(found)
        self._captions = list(found.values())
        self._negatives = gather.hard_negatives
        self._places = [places[name] for name in found]

    def __len__(self) -> int:
        return len(self._names)

    def captions(self, index: int) -> list[str]:
        return self._captions[index]

    @property
    def has_hard_negatives(self) -> bool:
        return any(name in self._negatives for name in self._names)

    def hard_negatives(self, index: int) -> list[str]:
        return self._negatives.get(self._names[index], [])

    def name(self, index: int) -> str:
        return self._names[index]

    def source(self, index: int) -> Source:
        shard, member = self._places[index]
        return Source(shard, member.offset, member.size)

    def load(self, index: int) -> np.ndarray:
        shard, member = self._places[index]
        name = self._names[index]
        try:
            content = tar.read_member(shard, member)
        except DataError as error:
            raise BadItem(name, str(error)) from error
        return images.read(content, name, self.max_pixels)


@dataclass
class _Sample:
    """The fields of one key, by their names in lower case; those that are there twice."""

    fields: dict[str, tar.Member] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)


@dataclass
class _Left:
    """Members that are not used: fields of samples by their names, and files that are none."""

    fields: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)

    def note(self, source: str, problems: BadItems) -> None:
        said = [f"{count} .{printable(name)}" for name, count in self.fields.most_common(12)]
        said += [f"{kind} ({count})" for kind, count in self.files.items()]
        if said:
            problems.note(f"{source}: not used: {', '.join(said)}")


def _samples(shard: str, gather: Gather, left: _Left) -> dict[tuple[int, str], _Sample]:
    """Members by key, the path up to the first dot of the file name, in each part of the shard."""
    found: dict[tuple[int, str], _Sample] = {}

    def say(text: str) -> None:
        gather.problems.note(text, warn=True)
        if text.endswith(tar.NO_END):
            gather.reject(BadItem(printable(shard), tar.NO_END))

    for member in tar.members(shard, say):
        folder, _, file = member.name.rpartition("/")
        key, dot, name = file.partition(".")
        if file.startswith(".") or "__MACOSX" in folder.split("/"):
            left.files["hidden files"] += 1
        elif not key or not dot or not name:
            left.files["files without ending"] += 1
        else:
            key = f"{folder}/{key}" if folder else key
            sample = found.setdefault((member.part, key), _Sample())
            name = name.lower()
            if name in sample.fields:
                sample.twice.append(name)
            sample.fields.setdefault(name, member)
    return found


def _add_sample(
    gather: Gather,
    places: dict[str, tuple[str, tar.Member]],
    name: str,
    shard: str,
    sample: _Sample,
    left: _Left,
) -> None:
    try:
        if sample.twice:
            twice = show(sample.twice[0], 24)
            raise BadItem(name, f"has more than one member {twice}: is the key used twice?")
        picture = _picture(name, sample, gather.options)
        if sample.fields[picture].size > _LARGEST_PICTURE:
            raise BadItem(name, f"expected a picture, found {sample.fields[picture].size} bytes")
        source, captions, record = _captions(name, shard, sample, gather.options)
    except BadItem as bad:
        gather.reject(bad)
        return
    if name in places:
        gather.reject(BadItem(f"{name} (again)", "the shard is listed twice"))
        return
    places[name] = (shard, sample.fields[picture])
    gather.add(name, captions, name)
    used, negatives = "", []
    try:
        used, negatives = _hard_negatives(name, shard, sample, record, gather.options)
    except BadItem as bad:
        gather.reject(bad)
    gather.add_hard_negatives(name, negatives, name)
    left.fields.update(sample.fields.keys() - {picture, source, used})


def _picture(name: str, sample: _Sample, options: Options) -> str:
    """The field of the picture."""
    if options.img_key is not None:
        wanted = options.img_key.lower().removeprefix(".")
        if wanted in sample.fields:
            return wanted
        raise BadItem(name, f"has no picture {show(wanted, 24)}: found {_listed(sample.fields)}")
    pictures = [found for found in sample.fields if f".{found}" in SUFFIXES]
    pictures = pictures or [found for found in sample.fields if is_picture(f"x.{found}")]
    if len(pictures) == 1:
        return pictures[0]
    if pictures:
        there = _listed(pictures)
        raise BadItem(name, f"has more than one picture, {there}: choose with ;img_key=FIELD")
    others = [found for found in sample.fields if found not in ("txt", "json")]
    raise BadItem(name, f"has no picture{': found ' + _listed(others) if others else ''}")


def _captions(
    name: str, shard: str, sample: _Sample, options: Options
) -> tuple[str, list[object], dict]:
    """The field of the captions, the captions, and the record of JSON they are from, if any."""
    key = options.caption_key
    source = "txt" if "txt" in sample.fields else "json"
    if key is not None:
        own = key.lower().removeprefix(".")
        source = own if own in sample.fields and own != "json" else "json"
    if source not in sample.fields:
        wanted = ".txt or .json" if key is None else f"{show(key, 24)} or .json"
        raise BadItem(name, f"has no captions: expected a {wanted} member")
    content = _text_member(name, shard, sample.fields[source])
    if source != "json":
        return source, list(caption_lines(content, name, options.text)), {}
    repeated: Counter[str] = Counter()
    record = parse_json(content, name, error=BadItem, repeated=repeated)
    key = _CAPTION_KEY if key is None else key
    if not isinstance(record, dict) or key not in record:
        there = _listed(record) if isinstance(record, dict) else show(record, 60)
        raise BadItem(
            name,
            f"expected a JSON object with {key!r}, found {there}; ;caption_key= names another key",
        )
    refuse_repeated(name, repeated, key)
    captions = record[key]
    refuse_repeated(name, repeated, *hard_negatives.keys_of(options.hard_negative_key))
    return source, captions if isinstance(captions, list) else [captions], record


def _text_member(name: str, shard: str, member: tar.Member) -> bytes:
    if member.size > _LARGEST_TEXT:
        raise BadItem(name, f"expected captions, found {member.size} bytes")
    return tar.read_member(shard, member)


def _hard_negatives(
    name: str, shard: str, sample: _Sample, record: dict, options: Options
) -> tuple[str, list[object]]:
    """The field of the hard negatives, "" for none of its own, and the hard negatives.

    ``record``: of the captions. The JSON of a sample whose captions lie elsewhere is read where a
    key was named.
    """
    where, named = f"{name} hard negative", options.hard_negative_key
    keys = hard_negatives.keys_of(named)
    own = hard_negatives.FIELD if named is None else named.lower().removeprefix(".")
    if keys and own in sample.fields and own != "json":
        content = _text_member(where, shard, sample.fields[own])
        return own, list(caption_lines(content, where, options.text))
    used = ""
    if keys and named is not None and not record and "json" in sample.fields:
        content = _text_member(where, shard, sample.fields["json"])
        repeated: Counter[str] = Counter()
        found = parse_json(content, where, error=BadItem, repeated=repeated)
        refuse_repeated(where, repeated, *keys)
        used, record = "json", found if isinstance(found, dict) else {}
    return used, next((hard_negatives.in_record(record[k]) for k in keys if k in record), [])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(show(name, 24) for name in list(names)[:8]) or "nothing"
