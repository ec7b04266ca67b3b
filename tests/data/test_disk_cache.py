"""Decoded pictures kept in a folder: the same pixels, whatever happens to sources and to files."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

import csparc.data
from csparc.cli import main as cli
from csparc.data.loading.cache import PictureCache
from csparc.data.loading.disk_cache import DiskCache, check_folder
from csparc.data.transforms import Preprocess
from csparc.errors import DataError

OLD = 1_000_000_000


@pytest.fixture
def folder(tmp_path):
    """Six pictures with captions, changed long ago."""
    (tmp_path / "set").mkdir()
    for n in range(6):
        write(tmp_path / "set" / f"{n}.png", n)
        (tmp_path / "set" / f"{n}.txt").write_text(f"picture {n}\n")
    return tmp_path / "set"


def write(path, seed, when=OLD):
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    os.utime(path, (when, when))


def opened(folder):
    return csparc.data.open(f"folder:{folder}")


def files(cache):
    return sorted(p for p in cache.rglob("??/*") if p.is_file())


class Counted:
    """A data set that counts how often a picture is decoded."""

    def __init__(self, dataset):
        self.dataset, self.decoded = dataset, 0

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def load(self, index):
        self.decoded += 1
        return self.dataset.load(index)


@pytest.mark.parametrize(
    "transform", [Preprocess(8), Preprocess(8, train=True)], ids=["resized", "whole"]
)
def test_pixels_are_those_without_a_cache(folder, tmp_path, transform):
    data = Counted(opened(folder))
    expected = [transform.fixed(data.dataset.load(i)) for i in range(6)]
    for decoded in (6, 0):
        cache, data.decoded = DiskCache(tmp_path / "kept", data, transform), 0
        for index, picture in enumerate(expected):
            np.testing.assert_array_equal(cache.get(index), picture)
        assert data.decoded == decoded
    assert len(files(tmp_path / "kept")) == 6
    other = DiskCache(tmp_path / "kept", data, Preprocess(9))
    assert other.get(0).shape == (9, 9, 3)


def test_a_source_that_changed_is_decoded_again(folder, tmp_path):
    data, transform = Counted(opened(folder)), Preprocess(8)
    cache = DiskCache(tmp_path / "kept", data, transform)
    before = cache.get(0)
    os.utime(folder / "0.png", (OLD + 5, OLD + 5))
    np.testing.assert_array_equal(cache.get(0), before)
    assert data.decoded == 1, "its content is the same"
    write(folder / "0.png", 77, OLD + 6)
    changed = transform.fixed(data.dataset.load(0))
    assert not np.array_equal(changed, before)
    np.testing.assert_array_equal(cache.get(0), changed)
    np.testing.assert_array_equal(cache.get(0), changed)
    assert data.decoded == 2


def test_a_source_that_has_just_changed_is_not_kept(folder, tmp_path):
    write(folder / "0.png", 5)
    os.utime(folder / "0.png")
    DiskCache(tmp_path / "kept", opened(folder), Preprocess(8)).get(0)
    assert files(tmp_path / "kept") == []


@pytest.mark.parametrize("damage", ["cut", "pixel", "head", "empty"])
def test_a_damaged_file_is_made_again(folder, tmp_path, damage):
    data = Counted(opened(folder))
    cache = DiskCache(tmp_path / "kept", data, Preprocess(8))
    expected = cache.get(0)
    (path,) = files(tmp_path / "kept")
    content = bytearray(path.read_bytes())
    if damage in ("pixel", "head"):
        content[-1 if damage == "pixel" else 12] ^= 1
    path.write_bytes(content[: {"cut": -1, "empty": 0}.get(damage)])
    np.testing.assert_array_equal(cache.get(0), expected)
    np.testing.assert_array_equal(cache.get(0), expected)
    assert data.decoded == 2


def test_what_killed_runs_left_is_deleted(folder, tmp_path):
    left = tmp_path / "kept" / "unfinished"
    left.mkdir(parents=True)
    (left / "old").write_bytes(b"half")
    os.utime(left / "old", (OLD, OLD))
    (left / "of a run").write_bytes(b"half")
    DiskCache(tmp_path / "kept", opened(folder), Preprocess(8))
    assert [path.name for path in left.iterdir()] == ["of a run"]


def test_a_folder_that_cannot_be_written_costs_a_warning(folder, tmp_path, monkeypatch):
    data, transform = opened(folder), Preprocess(8)
    cache = DiskCache(tmp_path / "kept", data, transform)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="No space left on device: no more pictures are kept"):
        np.testing.assert_array_equal(cache.get(0), transform.fixed(data.load(0)))
    cache.get(1)
    assert list((tmp_path / "kept" / "unfinished").iterdir()) == []


def test_limits_of_other_runs_hold(folder, tmp_path):
    transform = Preprocess(8)
    DiskCache(tmp_path / "kept", opened(folder), transform).get(0)
    strict = csparc.data.open(f"folder:{folder}", max_pixels=100)
    with pytest.raises(DataError, match="more than the limit of 100"):
        DiskCache(tmp_path / "kept", strict, transform).get(0)


def test_members_of_archives_are_kept(folder, tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    os.utime(tmp_path / "shard.tar", (OLD, OLD))
    data = Counted(csparc.data.open(f"webdataset:{tmp_path / 'shard.tar'}"))
    cache = PictureCache(data, Preprocess(8), 0, tmp_path / "kept")
    for _ in range(2):
        for index in range(6):
            np.testing.assert_array_equal(
                cache.get(index), Preprocess(8).fixed(data.dataset.load(index))
            )
    assert data.decoded == 6


PROCESS = """
import os, sys
import csparc.data
from csparc.data.loading.disk_cache import DiskCache, check_folder
from csparc.data.transforms import Preprocess
cache = DiskCache(sys.argv[2], csparc.data.open(f"folder:{sys.argv[1]}"), Preprocess(8))
for index in range(6):
    cache.get(index)
    if index == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
"""


def test_runs_at_once_of_which_one_is_killed(folder, tmp_path):
    kept = tmp_path / "kept"
    runs = [
        subprocess.Popen([sys.executable, "-c", PROCESS, folder, kept, str(end)]) for end in (2, 99)
    ]
    assert [run.wait() for run in runs] == [-9, 0]
    data = Counted(opened(folder))
    cache = DiskCache(kept, data, Preprocess(8))
    for index in range(6):
        np.testing.assert_array_equal(
            cache.get(index), Preprocess(8).fixed(opened(folder).load(index))
        )
    assert data.decoded == 0


@pytest.mark.parametrize("place", ["set", ".", "other/../set", "link"])
def test_a_folder_with_the_pictures_in_it_is_refused(folder, tmp_path, place):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ValueError, match=r"cache: expected a folder of its own, found .*0\.png"):
        check_folder(tmp_path / place, opened(folder))


@pytest.mark.parametrize("place", ["kept", "set/kept"])
def test_a_folder_beside_or_below_the_pictures_is_taken(folder, tmp_path, place):
    check_folder(tmp_path / place, opened(folder))


def test_a_run_with_such_a_folder_is_refused_before_anything_is_written(folder, tmp_path, capsys):
    there = sorted(folder.iterdir())
    code = cli.main(
        ["train", "--train-data", f"folder:{folder}", "--out", str(tmp_path / "run"), "--steps",
         "1", "--batch-size", "2", "--cache", str(folder)]
    )  # fmt: skip
    assert code == 2
    assert "cache: expected a folder of its own" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == there
    assert not (tmp_path / "run").exists()
