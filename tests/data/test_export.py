"""Scenes written in every format come back through the readers as they were."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

import csparc.data
from csparc.data.export import captions as exporting
from csparc.data.export import export
from csparc.data.scenes import Scenes
from csparc.data.subset import Subset
from csparc.errors import DataError

WRITERS = (
    "folder", "csv", "tsv", "coco", "karpathy", "karpathy-flickr", "webdataset", "token",
    "flickr-csv", "clip-benchmark", "entities",
)  # fmt: skip
"""Formats with all captions of every picture."""
SCHEMES = dict.fromkeys(("token", "flickr-csv", "clip-benchmark"), "folder")
SCHEMES["karpathy-flickr"] = "karpathy"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("split", ["train", "zs_unseen"])
def test_round_trip(kind, split, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "SHARD_SIZE", 5)  # eight scenes: two shards
    scenes = Scenes(size=8, split=split)
    spec = export(scenes, kind, tmp_path / "a folder, new")
    assert spec.startswith(f"{SCHEMES.get(kind, kind)}:")
    read = csparc.data.open(spec)
    assert len(read) == 8
    assert len(read.problems) == 0
    for index in range(8):
        np.testing.assert_array_equal(read.load(index), scenes.load(index))
        assert read.captions(index) == scenes.captions(index)


def _digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in files]  # fmt: skip


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_scenes_give_the_same_files(kind, tmp_path):
    for name in ("first", "second"):
        export(Scenes(tier="S", size=3), kind, tmp_path / name)
    first = _digest(tmp_path / "first")
    assert first == _digest(tmp_path / "second")
    assert len(first) == {"folder": 6, "webdataset": 1, "coco": 5, "entities": 10}.get(kind, 4)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_fingerprint_knows_captions_and_order_but_no_place(kind, tmp_path):
    def found(data, name):
        return csparc.data.open(export(data, kind, tmp_path / name)).fingerprint()

    scenes = Scenes(tier="S", size=3)
    first = found(scenes, "first")
    assert first == found(scenes, "second")
    assert first != found(Subset(scenes, [0, 2, 1]), "turned")
    assert first != found(Subset(scenes, [0, 1]), "fewer")
    assert Subset(scenes, [0, 2, 1]).fingerprint() != Subset(scenes, [0, 1, 2]).fingerprint()


def test_the_fingerprint_of_scenes_makes_none():
    assert Scenes(size=1 << 39).fingerprint() != Scenes(size=1 << 39, seed=1).fingerprint()


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(DataError, match="expected a new or empty folder"):
        export(Scenes(size=1), "folder", tmp_path)
    assert (tmp_path / "note").read_text() == "mine"
    with pytest.raises(DataError, match=r"expected one of folder, csv, .*found 'parquet'"):
        export(Scenes(size=1), "parquet", tmp_path / "new")


@pytest.mark.parametrize("kind", ["token", "flickr-csv", "clip-benchmark"])
def test_captions_in_quotes_and_with_marks_come_back(kind, tmp_path):
    texts = ['"stop"', "a sign, 7| red", 'it says "go"', "3 dogs", "ein Häuschen"]
    (tmp_path / "in").mkdir()
    Image.fromarray(Scenes(size=1).load(0)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    spec = export(csparc.data.open(f"folder:{tmp_path / 'in'}"), kind, tmp_path / "out")
    assert csparc.data.open(spec).captions(0) == texts


def test_lists_of_captions_are_as_their_makers_write_them(tmp_path):
    scenes = Scenes(size=1, split="test")
    captions = scenes.captions(0)
    for kind, name, first in (
        ("token", "results.token", f"000000.png#0\t{captions[0]}"),
        ("flickr-csv", "results.csv", "image_name| comment_number| comment"),
        ("clip-benchmark", "flickr30k_test_karpathy.txt", "image,caption"),
    ):
        export(scenes, kind, tmp_path / kind)
        assert (tmp_path / kind / name).read_text().splitlines()[0] == first
    of_flickr = (tmp_path / "clip-benchmark" / "flickr30k_test_karpathy.txt").read_text()
    parted = [line.split(".jpg,") for line in of_flickr.splitlines()[1:]]
    assert parted == [["000000", caption] for caption in captions]
    for kind, keys in (("karpathy", {"cocoid", "filepath"}), ("karpathy-flickr", set())):
        export(scenes, kind, tmp_path / kind)
        (path,) = (tmp_path / kind).glob("dataset_*.json")
        image = json.loads(path.read_text())["images"][0]
        assert image.keys() == {"filename", "imgid", "sentids", "split", "sentences", *keys}
