"""Tar shards as webdataset writes them: ``KEY.jpg`` beside ``KEY.txt`` (or ``KEY.json``).

Shards are indexed once, when they are opened: every header is visited, captions are read, pictures
are not. A picture is then read from its place in the shard, so the order can be any.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field

import numpy as np

from csparc._json import parse_json
from csparc._text import show
from csparc.data import images
from csparc.data.dataset import Dataset, Gather, Options, caption_lines
from csparc.data.images import is_picture
from csparc.data.readers import tar
from csparc.data.readers.paths import printable
from csparc.data.report import BadItem
from csparc.errors import DataError

_LARGEST_TEXT = 1 << 20
_LARGEST_PICTURE = 1 << 30
_MOST_SHARDS = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class WebDataset(Dataset):
    """Pictures inside tar shards.

    Parameters
    ----------
    spec : str
        What it was opened from.
    files : str
        Shards: braces ``{000..012}`` or ``{a,b}``, wildcards, several parted by ``::``.
    options : Options
        `caption_key` is the key in ``.json`` members, "caption" by default. A ``.txt`` member holds
        one caption a line and goes before ``.json``.

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
        for shard in expand(files):
            for key, sample in _samples(shard).items():
                name = f"{printable(shard)}: {printable(key)}"
                _add_sample(gather, places, name, shard, sample, options.caption_key or "caption")
        found = gather.finish(files)
        self.problems = gather.problems
        self._names = list(found)
        self._captions = list(found.values())
        self._places = [places[name] for name in found]

    def __len__(self) -> int:
        return len(self._names)

    def captions(self, index: int) -> list[str]:
        return self._captions[index]

    def name(self, index: int) -> str:
        return self._names[index]

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
    picture: tar.Member | None = None
    text: tar.Member | None = None
    json: tar.Member | None = None
    twice: str = ""
    other: list[str] = field(default_factory=list)


def _samples(shard: str) -> dict[str, _Sample]:
    """Members by key: the path up to the first dot of the file name."""
    found: dict[str, _Sample] = {}
    for member in tar.members(shard):
        folder, _, file = member.name.rpartition("/")
        stem, dot, suffix = file.partition(".")
        if not stem or not dot:
            continue
        sample = found.setdefault(f"{folder}/{stem}" if folder else stem, _Sample())
        suffix = suffix.lower()
        role = {"txt": "text", "json": "json"}.get(suffix, "picture" if is_picture(file) else "")
        if not role:
            sample.other.append(suffix)
        elif getattr(sample, role) is not None:
            sample.twice = role
        else:
            setattr(sample, role, member)
    return found


def _add_sample(
    gather: Gather,
    places: dict[str, tuple[str, tar.Member]],
    name: str,
    shard: str,
    sample: _Sample,
    caption_key: str,
) -> None:
    try:
        if sample.twice:
            raise BadItem(name, f"has more than one {sample.twice} member")
        if sample.picture is None:
            there = ", ".join(show(kind, 16) for kind in sample.other[:4])
            raise BadItem(name, f"has no picture{': found ' + there if there else ''}")
        if sample.picture.size > _LARGEST_PICTURE:
            raise BadItem(name, f"expected a picture, found {sample.picture.size} bytes")
        captions = _captions(name, shard, sample, caption_key)
    except BadItem as bad:
        gather.reject(bad)
        return
    if name in places:
        gather.reject(BadItem(f"{name} (again)", "the shard is listed twice"))
        return
    places[name] = (shard, sample.picture)
    gather.add(name, captions, name)


def _captions(name: str, shard: str, sample: _Sample, caption_key: str) -> list[object]:
    member = sample.text or sample.json
    if member is None:
        raise BadItem(name, "has no captions: expected a .txt or .json member")
    if member.size > _LARGEST_TEXT:
        raise BadItem(name, f"expected captions, found {member.size} bytes")
    content = tar.read_member(shard, member)
    if member is sample.text:
        return list(caption_lines(content, name))
    record = parse_json(content, name, error=BadItem)
    if not isinstance(record, dict) or caption_key not in record:
        raise BadItem(name, f"expected a JSON object with {caption_key!r}, found {show(record)}")
    captions = record[caption_key]
    return captions if isinstance(captions, list) else [captions]


def expand(files: str) -> list[str]:
    """The shards that a pattern names, in order.

    A path that exists is taken as it is. Braces multiply out in the order written; wildcards find
    existing files in the order of their code points.

    Raises
    ------
    DataError
        When a wildcard finds nothing, or braces name more than a million shards.
    """
    shards = []
    for pattern in files.split("::"):
        if os.path.exists(pattern):
            shards.append(pattern)
            continue
        for path in _unbraced(pattern):
            if not glob.has_magic(path) or os.path.exists(path):
                shards.append(path)
                continue
            there = sorted(glob.glob(path, recursive=True))
            if not there:
                raise DataError(f"{path}: expected tar archives, found no file of that name")
            shards.extend(there)
    return shards


def _unbraced(pattern: str) -> list[str]:
    done = [""]
    position = 0
    for match in _BRACES.finditer(pattern):
        head = pattern[position : match.start()]
        choices = _choices(match[1])
        if len(done) * len(choices) > _MOST_SHARDS:
            raise DataError(f"{pattern}: expected at most {_MOST_SHARDS} shards")
        done = [begun + head + choice for begun in done for choice in choices]
        position = match.end()
    return [begun + pattern[position:] for begun in done]


def _choices(inside: str) -> list[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        return inside.split(",")
    first, last = match[1], match[2]
    count = abs(int(last) - int(first)) + 1 if max(len(first), len(last)) < 20 else _MOST_SHARDS + 1
    if count > _MOST_SHARDS:
        raise DataError(f"{{{inside}}}: expected at most {_MOST_SHARDS} shards")
    step = 1 if int(last) >= int(first) else -1
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    return [str(n).zfill(width) for n in range(int(first), int(last) + step, step)]
