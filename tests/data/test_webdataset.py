"""Tar shards give their pictures and captions in any order, and bad samples are named."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, pixels, write_tar

from csparc import data
from csparc.data.readers import tar
from csparc.data.readers.webdataset import expand
from csparc.errors import DataError


def shard(folder: Path, number: int, count: int = 3) -> Path:
    entries = []
    for n in range(count):
        key = f"{number:03d}/{n:04d}"
        entries.append((f"{key}.png", encoded(number * 10 + n)))
        entries.append((f"{key}.txt", f"caption {number}.{n}\nanother\n".encode()))
        entries.append((f"{key}.json", json.dumps({"caption": "unused"}).encode()))
    return write_tar(folder / f"set-{number:03d}.tar", entries)


def test_shards_in_any_order(tmp_path: Path) -> None:
    for number in range(3):
        shard(tmp_path, number)
    opened = data.open(f"webdataset:{tmp_path}/set-{{000..002}}.tar")
    assert len(opened) == 9
    for index in (8, 0, 4):
        np.testing.assert_array_equal(opened.load(index), pixels(index // 3 * 10 + index % 3))
        assert opened.captions(index)[0] == f"caption {index // 3}.{index % 3}"
    assert opened.name(4).endswith("set-001.tar: 001/0001")


def test_captions_from_json(tmp_path: Path) -> None:
    one = json.dumps({"caption": ["red", "blue"], "label": "third"}).encode()
    path = write_tar(tmp_path / "a.tar", [("k.jpg", encoded(0, "JPEG")), ("k.json", one)])
    assert data.open(f"webdataset:{path}").captions(0) == ["red", "blue"]
    assert data.open(f"webdataset:{path};caption_key=label").captions(0) == ["third"]


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_and_foreign_names(tmp_path: Path, kind: int) -> None:
    length = 90 if kind == tarfile.USTAR_FORMAT else 300
    folder = "f" * (length // 2) + "/" + "g" * (length // 2)
    names = [f"{folder}/{'h' * 60}.png", "Häuschen.png"]
    path = write_tar(tmp_path / "a.tar", [(name, encoded(3)) for name in names], kind)
    found = list(tar.members(str(path)))
    assert [member.name for member in found] == names
    assert all(tar.read_member(str(path), member) == encoded(3) for member in found)


def test_only_regular_files_are_listed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("x.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert list(tar.members(str(tmp_path / "a.tar"))) == []


def test_expand(tmp_path: Path) -> None:
    assert expand("x-{08..11}-{a,b}.tar")[:3] == ["x-08-a.tar", "x-08-b.tar", "x-09-a.tar"]
    assert expand("{2..0}::z") == ["2", "1", "0", "z"]
    assert expand("s{9..10}") == ["s9", "s10"]
    for name in ("b.tar", "a.tar", "{1..3}.tar"):
        (tmp_path / name).write_bytes(b"")
    assert expand(f"{tmp_path}/[ab].tar") == [f"{tmp_path}/a.tar", f"{tmp_path}/b.tar"]
    assert expand(f"{tmp_path}/{{1..3}}.tar") == [f"{tmp_path}/{{1..3}}.tar"]
    with pytest.raises(DataError, match="at most"):
        expand("{0..99999999999}")
    with pytest.raises(DataError, match="at most"):
        expand("{000..999}{000..999}{0..9}")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([("x.png", b"?")], "has no captions: expected a .txt or .json member"),
        ([("x.txt", b"?"), ("x.cls", b"3")], "has no picture: found 'cls'"),
        ([("x.txt", b"\xff"), ("x.png", b"?")], "another encoding"),
        ([("x.txt", b" \n"), ("x.png", b"?")], "has no caption"),
        ([("x.json", b"{"), ("x.png", b"?")], "expected JSON"),
        ([("x.json", b"[" * 100_000), ("x.png", b"?")], "nested too deeply"),
        ([("x.json", b'{"text": 1}'), ("x.png", b"?")], "object with 'caption'"),
        ([("x.json", b'{"caption": NaN}'), ("x.png", b"?")], "expected a caption, found nan"),
        ([("x.txt", b"a"), ("x.png", b"?"), ("x.jpg", b"?")], "more than one picture"),
        ([("x.txt", b"a" * ((1 << 20) + 1)), ("x.png", b"?")], "expected captions, found 1048577"),
    ],
)
def test_bad_samples(tmp_path: Path, entries: list, reason: str) -> None:
    good = [("ok.png", encoded(1)), ("ok.txt", b"fine")]
    path = write_tar(tmp_path / "a.tar", [*good, *entries])
    opened = data.open(f"webdataset:{path}", max_bad=0.5)
    assert len(opened) == 1
    assert reason in opened.problems.summary()


def test_a_bad_picture_inside(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("x.png", b"no picture"), ("x.txt", b"x")])
    with pytest.raises(data.BadItem, match=r"a\.tar: x: expected a picture"):
        data.open(f"webdataset:{path}").load(0)


def test_a_shard_that_shrank(tmp_path: Path) -> None:
    path = shard(tmp_path, 0)
    opened = data.open(f"webdataset:{path}")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(data.BadItem, match="expected"):
        opened.load(2)


def test_a_shard_listed_twice(tmp_path: Path) -> None:
    path = shard(tmp_path, 0)
    opened = data.open(f"webdataset:{path}::{path}", max_bad=0.5)
    assert len(opened) == 3
    assert "listed twice" in opened.problems.summary()
